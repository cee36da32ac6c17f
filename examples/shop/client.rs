//! An app that people use the shop with. It knows where the services are, and does what their refusals tell it.

use reqwest::Method;
use reqwest::header::WWW_AUTHENTICATE;
use serde::Deserialize;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::Error;
use super::ledger_proto::ledger_client::LedgerClient;
use super::ledger_proto::{CloseBooksRequest, RefundRequest};
use super::table::Outcome;

pub(crate) struct Client {
    http: reqwest::Client,
    issuer: String,
    ledger: LedgerClient<Channel>,
}

/// Who logs in, and what for.
pub(crate) struct Login<'a> {
    pub(crate) username: &'a str,
    pub(crate) audience: &'a str,
    pub(crate) scope: &'a str,
}

impl Client {
    pub(crate) fn new(issuer: &str, ledger: Channel) -> Self {
        Self {
            http: reqwest::Client::new(),
            issuer: issuer.to_owned(),
            ledger: LedgerClient::new(ledger),
        }
    }

    /// A token of the issuer, after a login of the kind that a service has asked for, if one has.
    pub(crate) async fn log_in(
        &self,
        login: &Login<'_>,
        step_up: &StepUp,
    ) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Issued {
            access_token: String,
        }
        let mut form = vec![
            ("username", login.username),
            ("audience", login.audience),
            ("scope", login.scope),
        ];
        form.extend(
            step_up
                .acr_values
                .as_deref()
                .map(|levels| ("acr_values", levels)),
        );
        form.extend(
            step_up
                .max_age
                .as_deref()
                .map(|seconds| ("max_age", seconds)),
        );
        let request = self.http.post(format!("{}/login", self.issuer)).form(&form);
        let answer = request.send().await?.error_for_status()?;
        Ok(answer.json::<Issued>().await?.access_token)
    }

    /// Sends a request that is written as `GET /path` or `POST /path body`, and without a token if that is empty.
    pub(crate) async fn send(
        &self,
        service: &str,
        request: &str,
        token: &str,
    ) -> Result<Outcome, Error> {
        let (method, rest) = request.split_once(' ').ok_or("no path")?;
        let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
        let mut request = self.http.request(
            Method::from_bytes(method.as_bytes())?,
            format!("{service}{path}"),
        );
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        if !body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let told = match answer.headers().get(WWW_AUTHENTICATE) {
            Some(challenge) => challenge.to_str()?.to_owned(),
            None => answer.text().await?,
        };
        Ok(Outcome::http(status.as_u16(), told))
    }

    /// Has the ledger write down a refund.
    pub(crate) async fn refund(&self, order: u64, token: &str) -> Result<Outcome, Error> {
        let request = authorized(RefundRequest { order, cents: 450 }, token)?;
        Ok(outcome(
            self.ledger.clone().refund(request).await,
            |entry| {
                format!(
                    "entry {}: {} by {}",
                    entry.number, entry.subject, entry.actor
                )
            },
        ))
    }

    /// Has the ledger close its books.
    pub(crate) async fn close_books(&self, token: &str) -> Result<Outcome, Error> {
        let request = authorized(CloseBooksRequest {}, token)?;
        Ok(outcome(
            self.ledger.clone().close_books(request).await,
            |_| "closed".to_owned(),
        ))
    }
}

fn authorized<T>(message: T, token: &str) -> Result<Request<T>, Error> {
    let mut request = Request::new(message);
    if !token.is_empty() {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse()?);
    }
    Ok(request)
}

fn outcome<T>(answer: Result<Response<T>, Status>, show: impl FnOnce(T) -> String) -> Outcome {
    match answer {
        Ok(answer) => Outcome::new("Ok", show(answer.into_inner())),
        Err(status) => {
            let challenge = status
                .metadata()
                .get("www-authenticate")
                .and_then(|value| value.to_str().ok());
            Outcome::new(
                format!("{:?}", status.code()),
                challenge.unwrap_or_default(),
            )
        }
    }
}

/// The login that a service asks for ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
#[derive(Default)]
pub(crate) struct StepUp {
    acr_values: Option<String>,
    max_age: Option<String>,
}

impl StepUp {
    /// Reads it from a challenge; nothing, if that asks for something else. Quotes within quotes are not read, which
    /// no level and no age has.
    pub(crate) fn asked_for_by(challenge: &str) -> Option<Self> {
        let mut step_up = Self::default();
        let mut error = "";
        let mut rest = challenge.strip_prefix("Bearer ")?;
        while let Some((name, after)) = rest.split_once("=\"") {
            let (value, after) = after.split_once('"')?;
            match name {
                "error" => error = value,
                "acr_values" => step_up.acr_values = Some(value.to_owned()),
                "max_age" => step_up.max_age = Some(value.to_owned()),
                _ => {}
            }
            rest = after.trim_start_matches([',', ' ']);
        }
        (error == "insufficient_user_authentication").then_some(step_up)
    }
}
