//! A service's side of a token exchange ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)): the token that it was
//! called with does not open the next service, and one that says on whose behalf it calls does.

use std::fmt;
use std::time::Duration;

use serde::Deserialize;
use tokio::sync::OnceCell;

use super::token_exchange::{ACCESS_TOKEN, GRANT};

/// Exchanges tokens as one service, which becomes the actor: `act` in the new token.
pub(crate) struct Exchange {
    issuer: String,
    id: &'static str,
    secret: String,
    http: reqwest::Client,
    endpoint: OnceCell<String>,
}

/// Why there is no token.
#[derive(Debug)]
pub(crate) enum ExchangeError {
    /// The issuer says no, with this code.
    Refused(String),
    /// The issuer cannot be asked.
    Unavailable(reqwest::Error),
}

impl Exchange {
    pub(crate) fn new(
        issuer: impl Into<String>,
        id: &'static str,
        secret: impl Into<String>,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self {
            issuer: issuer.into(),
            id,
            secret: secret.into(),
            http: reqwest::Client::builder()
                .timeout(Duration::from_secs(5))
                .build()?,
            endpoint: OnceCell::new(),
        })
    }

    /// A token for this audience, about whom the subject token is about.
    pub(crate) async fn token(
        &self,
        subject_token: &str,
        audience: &str,
        scope: &str,
    ) -> Result<String, ExchangeError> {
        let endpoint = self.endpoint.get_or_try_init(|| self.discover()).await?;
        let request = self
            .http
            .post(endpoint)
            .basic_auth(self.id, Some(&self.secret))
            .form(&[
                ("grant_type", GRANT),
                ("subject_token", subject_token),
                ("subject_token_type", ACCESS_TOKEN),
                ("audience", audience),
                ("scope", scope),
            ]);
        match request.send().await?.json().await? {
            Answer::Issued { access_token } => Ok(access_token),
            Answer::Refused { error } => Err(ExchangeError::Refused(error)),
        }
    }

    async fn discover(&self) -> Result<String, ExchangeError> {
        #[derive(Deserialize)]
        struct Metadata {
            token_endpoint: String,
        }
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let answer = self.http.get(url).send().await?.error_for_status()?;
        Ok(answer.json::<Metadata>().await?.token_endpoint)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Answer {
    Issued { access_token: String },
    Refused { error: String },
}

impl From<reqwest::Error> for ExchangeError {
    fn from(error: reqwest::Error) -> Self {
        Self::Unavailable(error)
    }
}

impl fmt::Display for ExchangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) => write!(f, "the issuer refuses the exchange: {code:?}"),
            Self::Unavailable(_) => f.write_str("the issuer cannot be asked"),
        }
    }
}

impl std::error::Error for ExchangeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Refused(_) => None,
            Self::Unavailable(error) => Some(error),
        }
    }
}
