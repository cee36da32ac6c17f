//! [`AuthLayer`]: a gate in front of any tower service over `http::Request<B>`, such as axum's and tonic's.
//!
//! The layer takes the bearer token out of the `Authorization` header, has a
//! [`Verifier`](crate::Verifier) check it, and puts the [`VerifiedToken`](crate::VerifiedToken) into
//! the extensions of the request. It reads neither body nor path. [`AuthLayer::token_from`] names other
//! places for the token: a cookie, a protocol of a WebSocket, the query, or one of your own.
//!
//! # What passes
//!
//! 1. A request with exactly one well-formed bearer token that the verifier accepts.
//! 2. With [`AuthLayer::optional`], a request without any credentials, as anonymous.
//!
//! Where a policy is required, by [`AuthLayer::require`] or by a [`RequireLayer`] behind the layer, the token
//! must also be one that the policy allows, and nobody is anonymous.
//!
//! Nothing else does: no path, method or content type is let through by itself. Whatever
//! `VerifiedToken` a request brings from further out is removed first.
//!
//! # What a refused request gets
//!
//! The inner service is not called. The response is one of this table:
//!
//! | case | HTTP | `WWW-Authenticate` | gRPC |
//! |---|---|---|---|
//! | no credentials, or of another scheme than `Bearer` | 401 | `Bearer realm="…"`, and `scope` where a policy takes some | `UNAUTHENTICATED` |
//! | several tokens, `?access_token=` beside a header, or a malformed header | 400 | and `error="invalid_request"` | `UNAUTHENTICATED` |
//! | a cookie's token, and the request may come from another site | 403 | none | `PERMISSION_DENIED` |
//! | any fault of the token | 401 | and `error="invalid_token"` | `UNAUTHENTICATED` |
//! | policy: scopes are missing | 403 | and `error="insufficient_scope"`, `scope` | `PERMISSION_DENIED` |
//! | policy: a stronger or fresher login is needed | 401 | and `error="insufficient_user_authentication"`, `acr_values`, `max_age`, `scope` ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470)) | `UNAUTHENTICATED` |
//! | policy: anything else; no policy for a gRPC method | 403 | none | `PERMISSION_DENIED` |
//! | policy: [hidden](crate::Policy::hidden) | 404 | none | `NOT_FOUND` |
//! | keys unavailable or not cached | 503 and `Retry-After` | none | `UNAVAILABLE` and `grpc-retry-pushback-ms` |
//!
//! - Its body is a problem ([RFC 9457](https://www.rfc-editor.org/rfc/rfc9457)) of one constant text
//!   per row; a gRPC call gets a trailers-only response with status 200.
//!   [`AuthLayer::on_rejection`] makes another.
//! - It has `Cache-Control: no-store`, and the [`Rejection`] and [`VerifyError`](crate::VerifyError)
//!   in its extensions.
//! - It is logged once, with the target `portcullis::rejection`: at DEBUG, a fault of a policy at WARN
//!   ([`Forbidden::is_fault`](crate::Forbidden::is_fault)), a mistake of the service at ERROR. No response and no
//!   log entry has anything of the token. A caller whose claims a policy cannot read causes a WARN entry for
//!   each of its requests: limit their rate where you collect them.
//!
//! # What a client must know
//!
//! [`ProtectedResource`] is the metadata of [RFC 9728](https://www.rfc-editor.org/rfc/rfc9728): who issues tokens
//! for this service, and with which scopes. [`MetadataService`] serves it, and
//! [`AuthLayer::resource_metadata`] tells of it in every challenge.
//!
//! # Deployment
//!
//! - **CORS**: a preflight carries no token, so a CORS layer belongs *outside* of this one. It should expose
//!   `WWW-Authenticate` to clients that run in a browser.
//! - **Routes**: only what the layer wraps is guarded. With axum, `Router::layer` wraps the routes
//!   added before it; a route added after it is open, and an extractor there answers 500.
//! - **Bodies**: the body of a refused request is dropped unread. Limits on it are for the server.
//! - **Long responses**: a token is checked once, when the request comes. [`AuthLayer::end_at_expiry`]
//!   ends event streams and gRPC streams when it expires.
//! - **Upgrades**: a WebSocket or an h2c upgrade is out of the layer's reach once it is open. Whoever
//!   serves it ends it: [`VerifiedToken::expired`](crate::VerifiedToken::expired) has the recipe.
//! - **Waiting**: a request waits only for keys that are not there yet, at most seconds, and keeps its
//!   place in the inner service (a concurrency limit, say) while it does.
//! - **Proxies**: identity is never read from a header such as `X-User`, nor written to one.
//!
//! # Example
//!
//! ```
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! # #[cfg(feature = "testing")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::convert::Infallible;
//!
//! use http::{Request, Response, StatusCode};
//! use portcullis::testing::{AUDIENCE, TestIssuer};
//! use portcullis::{Audience, AuthLayer, Issuer, VerifiedToken, Verifier};
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! // The layer puts the token there, so it is there.
//! async fn whoami(request: Request<()>) -> Result<Response<String>, Infallible> {
//!     let token = request.extensions().get::<VerifiedToken>();
//!     let caller = token.and_then(|token| token.subject()).unwrap_or("nobody");
//!     Ok(Response::new(caller.to_owned()))
//! }
//!
//! let issuer = TestIssuer::start().await?;
//! let verifier = Verifier::new(Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE)))?;
//! let service = AuthLayer::new(verifier).layer(service_fn(whoami));
//!
//! // With a token, the request passes.
//! let token = issuer.token().subject("alice").sign();
//! let request = Request::builder().header("authorization", format!("Bearer {token}")).body(())?;
//! let response = service.clone().oneshot(request).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//!
//! // Without one, it is refused and told what is missing.
//! let response = service.oneshot(Request::new(())).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(response.headers()["www-authenticate"], r#"Bearer realm="api""#);
//! # Ok(()) }
//! ```

mod body;
mod caller;
mod cause;
mod challenge;
mod ending;
mod extension;
mod future;
mod grpc;
mod head;
mod layer;
mod metadata_service;
mod protected_resource;
mod rejection;
mod require_layer;
mod requirement;
mod responder;
mod service;
mod token_source;
mod web_address;
#[cfg(test)]
pub(crate) mod tests;

pub use body::{BodyError, ResponseBody};
pub use caller::{Caller, caller};
pub use extension::{optional_token, verified_token};
pub use future::ResponseFuture;
pub use head::RequestHead;
pub use layer::AuthLayer;
pub use metadata_service::MetadataService;
pub use protected_resource::ProtectedResource;
pub use rejection::Rejection;
pub use require_layer::{RequireLayer, RequireService};
pub use service::AuthService;
pub use token_source::TokenSource;

#[cfg(any(feature = "axum", feature = "tonic"))]
pub(crate) use cause::Cause;
#[cfg(feature = "testing")]
pub(crate) use extension::let_through;
#[cfg(any(feature = "axum", feature = "tonic"))]
pub(crate) use extension::{token, token_or_anonymous};
#[cfg(feature = "axum")]
pub(crate) use grpc::is_grpc;
#[cfg(feature = "axum")]
pub(crate) use requirement::{PATH, Requirement, facts_of_path, is_of_path};
