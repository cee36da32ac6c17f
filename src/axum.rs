//! Extractors for [axum](::axum): `VerifiedToken`, `Option<VerifiedToken>` and [`Claims<T>`].
//!
//! The layer decides who gets in; an extractor hands over what the layer found.
//!
//! | extractor | with a token | anonymous, behind `AuthLayer::optional` | without a layer |
//! |---|---|---|---|
//! | `VerifiedToken` | the token | 401, a challenge without error code | 500 |
//! | `Option<VerifiedToken>` | `Some` | `None` | 500 |
//! | `Claims<T>` | the claims; 401 `invalid_token` when they are no `T` | 401, the same | 500 |
//!
//! The 500 is a mistake in the service, and its log entry (target `portcullis::rejection`) names the
//! layer to add. It holds for `Option<VerifiedToken>` too: a route that nobody guards must not look
//! like one that lets anonymous callers in.
//!
//! Refusals are answered as the layer would have: with its realm and its
//! [`on_rejection`](crate::AuthLayer::on_rejection).
//!
//! # Example
//!
//! ```
//! use axum::{Router, routing::get};
//! use portcullis::axum::Claims;
//! use portcullis::{AuthLayer, VerifiedToken, Verifier};
//!
//! #[derive(serde::Deserialize)]
//! struct Tenant {
//!     tenant: String,
//! }
//!
//! async fn whoami(token: VerifiedToken) -> String {
//!     token.subject().unwrap_or("somebody").to_owned()
//! }
//!
//! async fn tenant(Claims(claims): Claims<Tenant>) -> String {
//!     claims.tenant.clone()
//! }
//!
//! async fn greeting(token: Option<VerifiedToken>) -> &'static str {
//!     if token.is_some() { "welcome back" } else { "welcome" }
//! }
//!
//! fn app(verifier: Verifier) -> Router {
//!     let guarded = Router::new()
//!         .route("/whoami", get(whoami))
//!         .route("/tenant", get(tenant))
//!         .route_layer(AuthLayer::new(verifier.clone()));
//!     let open = Router::new()
//!         .route("/", get(greeting))
//!         .route_layer(AuthLayer::new(verifier).optional());
//!     guarded.merge(open)
//! }
//! ```

use std::ops::Deref;
use std::sync::Arc;

use ::axum::body::Body;
use ::axum::extract::{FromRequestParts, OptionalFromRequestParts};
use ::axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{ClaimError, VerifyError};
use crate::middleware::{Cause, Rejection, is_grpc, token, token_or_anonymous};
use crate::token::VerifiedToken;

/// The claims of the request's token, read as a type of yours; parsed once per token.
///
/// # Errors
///
/// Refuses as `VerifiedToken` does, and with `invalid_claim` when the claims cannot be read as `T`:
/// a token without what the service needs is answered like one without a required claim, with
/// 401 `invalid_token`.
///
/// # Example
///
/// See the [module docs](self).
#[derive(Debug)]
#[expect(
    clippy::exhaustive_structs,
    reason = "handlers take it apart in their argument list"
)]
pub struct Claims<T>(
    /// Shared with every other reader of the same token.
    pub Arc<T>,
);

impl<T> Clone for Claims<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Claims<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<S, T> FromRequestParts<S> for Claims<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        let claims = token(&parts.extensions).and_then(|token| token.claims().map_err(Cause::from));
        claims.map(Self).map_err(|cause| reject(parts, cause))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for VerifiedToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        token(&parts.extensions)
            .cloned()
            .map_err(|cause| reject(parts, cause))
    }
}

impl<S: Send + Sync> OptionalFromRequestParts<S> for VerifiedToken {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Rejection> {
        token_or_anonymous(&parts.extensions)
            .map(Option::<&Self>::cloned)
            .map_err(|cause| reject(parts, cause))
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.respond().map(Body::from)
    }
}

impl From<ClaimError> for Cause {
    fn from(error: ClaimError) -> Self {
        Self::Token(VerifyError::invalid(error.name()))
    }
}

fn reject(parts: &Parts, cause: Cause) -> Rejection {
    Rejection::behind_layer(
        &parts.extensions,
        is_grpc(&parts.method, parts.version, &parts.headers),
        cause,
    )
}
