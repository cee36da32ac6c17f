//! The issuer's side of a token exchange ([RFC 8693](https://www.rfc-editor.org/rfc/rfc8693)): a service that was
//! called with somebody's token gets one for the service that it calls in turn. Part of what stands in for a real issuer.

use std::sync::Arc;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use axum::Form;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis::{Audience, BuildError, Issuer, VerifiedToken, Verifier};
use serde::Deserialize;
use serde_json::{Value, json};

use super::issuer::{Desk, OauthError, issued};

pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A service that may exchange tokens.
pub(crate) struct Service {
    pub(crate) id: &'static str,
    pub(crate) secret: String,
    /// What it is called in `aud`: only tokens that it was called with are exchanged.
    pub(crate) audience: &'static str,
    /// Whom it calls in turn.
    pub(crate) calls: &'static [&'static str],
}

/// The services that are known here, each with what checks the tokens that it brings.
pub(crate) struct Services(Vec<(Service, Verifier)>);

impl Services {
    pub(crate) fn new(
        services: Vec<Service>,
        issuer: &str,
        jwks_uri: &str,
    ) -> Result<Self, BuildError> {
        let services = services.into_iter().map(|service| {
            let verifier = Verifier::new(Issuer::jwks_uri(
                issuer,
                jwks_uri,
                Audience::of(service.audience),
            ))?;
            Ok((service, verifier))
        });
        services.collect::<Result<_, _>>().map(Self)
    }

    /// By `client_secret_basic`. Ids and secrets here are such that they need no encoding.
    fn authenticate(&self, headers: &HeaderMap) -> Option<&(Service, Verifier)> {
        let credentials = headers
            .get(AUTHORIZATION)?
            .to_str()
            .ok()?
            .strip_prefix("Basic ")?;
        let credentials = String::from_utf8(STANDARD.decode(credentials).ok()?).ok()?;
        let (id, secret) = credentials.split_once(':')?;
        let known = self.0.iter().find(|(service, _)| service.id == id)?;
        verify_slices_are_equal(known.0.secret.as_bytes(), secret.as_bytes()).ok()?;
        Some(known)
    }
}

#[derive(Deserialize)]
pub(crate) struct Request {
    grant_type: String,
    subject_token: String,
    subject_token_type: String,
    audience: String,
    scope: String,
}

/// The new token is about the same person and the same login, for the other service alone, and says who acts.
pub(crate) async fn exchange(
    State(desk): State<Arc<Desk>>,
    headers: HeaderMap,
    Form(request): Form<Request>,
) -> Result<Response, OauthError> {
    let (actor, verifier) = desk
        .services
        .authenticate(&headers)
        .ok_or(OauthError("invalid_client"))?;
    if request.grant_type != GRANT {
        return Err(OauthError("unsupported_grant_type"));
    }
    if request.subject_token_type != ACCESS_TOKEN {
        return Err(OauthError("invalid_request"));
    }
    let subject = verifier.verify(&request.subject_token).await;
    let subject = subject.map_err(|_| OauthError("invalid_request"))?;
    if !actor.calls.contains(&&*request.audience) {
        return Err(OauthError("invalid_target"));
    }

    let act = match claim(&subject, "act")? {
        None => json!({ "sub": actor.id }),
        // Whoever acted before is kept, for the record.
        Some(before) => json!({ "sub": actor.id, "act": before }),
    };
    let mut token = desk
        .keys
        .token()
        .issuer(subject.issuer())
        .subject(subject.subject().ok_or(OauthError("invalid_request"))?)
        .audience(&request.audience)
        .scope(&request.scope)
        .claim("client_id", actor.id)
        .claim("act", act)
        .expires_at(subject.expires_at());
    for name in ["roles", "acr", "amr", "auth_time"] {
        if let Some(value) = claim(&subject, name)? {
            token = token.claim(name, value);
        }
    }
    Ok(issued(&json!({
        "access_token": token.sign(),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "scope": request.scope,
    })))
}

fn claim(token: &VerifiedToken, name: &str) -> Result<Option<Value>, OauthError> {
    token.claim(name).map_err(|_| OauthError("invalid_request"))
}
