//! The main job in one run: an issuer, a protected axum API, real HTTP calls, and what came back.
//!
//! Run with: `cargo run --example quickstart --all-features`
//!
//! Exits 0 only if every answer is the expected one: its status, its reason, and what the client is
//! told. `-- --serve` keeps the API running instead and prints a curl line with a fresh token.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::get;
use portcullis::testing::{AUDIENCE, Fault, TestIssuer};
use portcullis::{Audience, AuthLayer, Issuer, Rejection, VerifiedToken, Verifier};

type Error = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<ExitCode, Error> {
    let issuer = TestIssuer::start().await?;

    // These lines are all a service needs. Its issuer is `https://id.example.com` or the like.
    let verifier = Verifier::new(Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE)))?;
    let app = Router::new()
        .route("/me", get(me))
        .layer(AuthLayer::new(verifier.clone()));

    // The same service as it is after a restart: it has no keys until it is called.
    let started_late = Verifier::new(Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE)))?;
    let late = Router::new()
        .route("/late", get(me))
        .layer(AuthLayer::new(started_late));

    let reasons = Reasons::default();
    let app = app.merge(late).layer(map_response({
        let reasons = reasons.clone();
        move |response| std::future::ready(reasons.note(response))
    }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });

    if std::env::args().any(|argument| argument == "--serve") {
        let hour = Duration::from_secs(3_600);
        let token = issuer.token().subject("alice").expires_in(hour).sign();
        println!("curl -i {url}/me -H 'Authorization: Bearer {token}'");
        server.await??;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(url, reasons);
    play(&issuer, &verifier, &mut table).await?;
    Ok(table.verdict())
}

async fn me(token: VerifiedToken) -> String {
    format!("hello {}\n", token.subject().unwrap_or("nobody"))
}

/// Each row: what the client sends, what the issuer does, and the answer there must be.
async fn play(issuer: &TestIssuer, verifier: &Verifier, table: &mut Table) -> Result<(), Error> {
    let token = || issuer.token().subject("alice");
    let good = token().sign();
    table.ask("no token", "", NO_TOKEN).await?;
    table.ask("a good token", &good, PASSED).await?;
    table.ask("the same again", &good, PASSED).await?;

    let expired = token().expired_for(Duration::from_secs(60)).sign();
    table
        .ask("expired a minute ago", &expired, refused("expired"))
        .await?;
    let forged = token().with_invalid_signature();
    table
        .ask("a forged signature", &forged, refused("invalid_signature"))
        .await?;
    let unsigned = token().unsigned();
    table
        .ask("alg none", &unsigned, refused("unsupported_algorithm"))
        .await?;
    let elsewhere = token().audience("https://other.test").sign();
    table
        .ask(
            "for another service",
            &elsewhere,
            refused("audience_mismatch"),
        )
        .await?;
    let foreign = token().issuer("https://evil.test").sign();
    table
        .ask("of another issuer", &foreign, refused("untrusted_issuer"))
        .await?;

    issuer.rotate();
    let rotated = token().sign();
    table.ask("first of a new key", &rotated, PASSED).await?;
    table
        .ask("of the old key, in its grace", &good, PASSED)
        .await?;
    verifier.refresh_now().await?; // for operators, after a key was compromised
    table
        .ask("after refresh_now()", &good, refused("unknown_key"))
        .await?;

    issuer.fail_with(Fault::Refuse);
    table
        .ask("issuer down, known key", &rotated, PASSED)
        .await?;
    table.path = "/late";
    table
        .ask("issuer down, no keys yet", &rotated, UNAVAILABLE)
        .await
}

/// Status, reason for the operator, and what the client is told beside the status.
type Answer = (u16, &'static str, &'static str);

const PASSED: Answer = (200, "", "");
const NO_TOKEN: Answer = (401, "no_credentials", r#"Bearer realm="api""#);
const UNAVAILABLE: Answer = (503, "keys_unavailable", "Retry-After");

const fn refused(reason: &'static str) -> Answer {
    (401, reason, r#"Bearer realm="api", error="invalid_token""#)
}

/// The last refusal's reason. Clients are never told; layers outside find it in the response.
#[derive(Clone, Default)]
struct Reasons(Arc<Mutex<&'static str>>);

impl Reasons {
    fn note(&self, response: Response) -> Response {
        let rejection = response.extensions().get::<Rejection>();
        let reason = rejection.map_or("", Rejection::reason);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = reason;
        response
    }

    fn last(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks, compares and prints.
struct Table {
    url: String,
    path: &'static str,
    client: reqwest::Client,
    reasons: Reasons,
    wrong: usize,
}

impl Table {
    fn new(url: String, reasons: Reasons) -> Self {
        println!(
            "{:<29} {:<4} {:<22} {:<42} as expected",
            "asked with", "got", "why (for operators)", "the client is told"
        );
        Self {
            url,
            path: "/me",
            client: reqwest::Client::new(),
            reasons,
            wrong: 0,
        }
    }

    async fn ask(&mut self, what: &str, token: &str, expected: Answer) -> Result<(), Error> {
        let mut request = self.client.get(format!("{}{}", self.url, self.path));
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let response = request.send().await?;
        let status = response.status().as_u16();
        let reason = self.reasons.last();
        let told = match response.headers().get("www-authenticate") {
            Some(challenge) => challenge.to_str()?,
            None if response.headers().contains_key("retry-after") => "Retry-After",
            None => "",
        };
        let as_expected = (status, reason, told) == expected;
        let verdict = if as_expected { "yes" } else { "NO" };
        println!("{what:<29} {status:<4} {reason:<22} {told:<42} {verdict}");
        self.wrong += usize::from(!as_expected);
        Ok(())
    }

    fn verdict(&self) -> ExitCode {
        match self.wrong {
            0 => ExitCode::SUCCESS,
            wrong => {
                eprintln!("{wrong} answers are not the expected ones");
                ExitCode::FAILURE
            }
        }
    }
}
