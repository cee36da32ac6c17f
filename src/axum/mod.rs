//! Extractors for [axum], and a [router](PolicyRouter) that takes no route without its policy.
//!
//! The layer decides who gets in; an extractor hands over what the layer found.
//!
//! | extractor | with a token | anonymous, behind `AuthLayer::optional` | without a layer |
//! |---|---|---|---|
//! | `VerifiedToken` | the token | 401, a challenge without error code | 500 |
//! | `Option<VerifiedToken>` | `Some` | `None` | 500 |
//! | [`Claims<T>`](Claims) | the claims; 401 `invalid_token` when they are no `T` | 401, the same | 500 |
//! | [`Caller`](crate::Caller) | who calls, to ask policies about | 401, the same | 500 |
//! | [`Allowed<P>`](Allowed) | who calls, if the policy allows it | 401, with the scopes that it takes | 500 |
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

mod allowed;
mod extractors;
mod path;
mod policy_router;

pub use allowed::{Allowed, NamedPolicy};
pub use extractors::Claims;
pub use policy_router::PolicyRouter;

#[cfg(test)]
mod tests;
