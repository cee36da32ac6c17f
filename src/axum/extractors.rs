//! Extractors that hand over what the layer found.

use std::ops::Deref;
use std::sync::Arc;

use ::axum::body::Body;
use ::axum::extract::{FromRequestParts, OptionalFromRequestParts};
use ::axum::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::error::{ClaimError, VerifyError};
use crate::middleware::{Caller, Cause, Rejection, is_grpc, token, token_or_anonymous};
use crate::token::VerifiedToken;

/// The claims of the request's token, read as a type of yours; parsed once per token.
///
/// # Errors
///
/// Refuses as `VerifiedToken` does, and with `invalid_claim` when the claims cannot be read as `T`:
/// a token without what the service needs is answered like one without a required claim, with
/// 401 `invalid_token`. The log entry and the source of the [`Rejection`] name `T` and, where nothing
/// of the token shows by it, the member that is missing.
///
/// # Example
///
/// See the [module docs](super).
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

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        Self::of(&parts.extensions, is_grpc_call(parts), None)
    }
}

impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.respond().map(Body::from)
    }
}

impl From<ClaimError> for Cause {
    fn from(error: ClaimError) -> Self {
        Self::Claims(VerifyError::invalid(error.name()), Box::new(error))
    }
}

fn reject(parts: &Parts, cause: Cause) -> Rejection {
    Rejection::behind_layer(&parts.extensions, is_grpc_call(parts), cause)
}

pub(super) fn is_grpc_call(parts: &Parts) -> bool {
    is_grpc(&parts.method, parts.version, &parts.headers)
}

#[cfg(test)]
mod tests {
    use ::axum::Router;
    use ::axum::body::to_bytes;
    use ::axum::routing::get;
    use http::Request;
    use http::header::AUTHORIZATION;
    use serde_json::json;
    use tower::ServiceExt as _;

    use super::*;
    use crate::AuthLayer;
    use crate::middleware::tests::support;

    #[derive(serde::Deserialize)]
    struct Tenant {
        tenant: String,
    }

    fn routes() -> Router {
        Router::new()
            .route(
                "/token",
                get(async |token: VerifiedToken| token.subject().unwrap().to_owned()),
            )
            .route(
                "/option",
                get(async |token: Option<VerifiedToken>| match token {
                    Some(token) => token.subject().unwrap().to_owned(),
                    None => "anonymous".to_owned(),
                }),
            )
            .route(
                "/claims",
                get(async |claims: Claims<Tenant>| claims.tenant.clone()),
            )
    }

    fn layer() -> AuthLayer {
        AuthLayer::new(support::verifier()).realm("orders")
    }

    async fn get_response(app: Router, path: &str, token: Option<&str>) -> Response {
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap();
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        app.oneshot(request).await.unwrap()
    }

    #[track_caller]
    fn check(app: &Router, path: &str, token: Option<&str>, status: u16, expected: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let response = get_response(app.clone(), path, token).await;
            assert_eq!(response.status(), status, "{path}");
            let found = match response.extensions().get::<Rejection>() {
                Some(rejection) => rejection.reason().to_owned(),
                None => {
                    String::from_utf8(to_bytes(response.into_body(), 1024).await.unwrap().into())
                        .unwrap()
                }
            };
            assert_eq!(found, expected, "{path}");
        });
    }

    #[test]
    fn extractors_hand_over_what_the_layer_found() {
        let token = support::token(&json!({ "tenant": "acme" }));
        for app in [
            routes().layer(layer()),
            routes().route_layer(layer()),
            routes().layer(layer().optional()),
        ] {
            check(&app, "/token", Some(&token), 200, "alice");
            check(&app, "/option", Some(&token), 200, "alice");
            check(&app, "/claims", Some(&token), 200, "acme");
        }
    }

    #[test]
    fn an_anonymous_caller_passes_only_where_the_handler_says_so() {
        let app = routes().layer(layer().optional());
        check(&app, "/token", None, 401, "no_credentials");
        check(&app, "/option", None, 200, "anonymous");
        check(&app, "/claims", None, 401, "no_credentials");
    }

    #[test]
    fn without_a_layer_every_extractor_is_a_mistake_of_the_service() {
        let token = support::token(&json!({ "tenant": "acme" }));
        for path in ["/token", "/option", "/claims"] {
            check(&routes(), path, None, 500, "layer_missing");
            check(&routes(), path, Some(&token), 500, "layer_missing");
            // The layer guards what was there when it was added.
            let late = Router::new().layer(layer()).merge(routes());
            check(&late, path, Some(&token), 500, "layer_missing");
        }
    }

    #[test]
    fn claims_of_another_type_are_refused_like_a_missing_claim() {
        let app = routes().layer(layer());
        check(
            &app,
            "/claims",
            Some(&support::token(&json!({}))),
            401,
            "invalid_claim",
        );
        check(
            &app,
            "/claims",
            Some(&support::token(&json!({ "tenant": 7 }))),
            401,
            "invalid_claim",
        );
    }

    #[tokio::test]
    async fn operators_learn_which_type_the_claims_do_not_fit_and_clients_do_not() {
        let app = routes().layer(layer());
        let token = support::token(&json!({ "sub": "hidden" }));
        let response = get_response(app, "/claims", Some(&token)).await;
        let rejection = response.extensions().get::<Rejection>().unwrap();
        let cause = std::error::Error::source(rejection).unwrap().to_string();
        let expected = format!(
            "the claims cannot be read as {}: there is no \"tenant\"",
            std::any::type_name::<Tenant>()
        );
        assert_eq!(cause, expected);
        let error = response.extensions().get::<VerifyError>().unwrap();
        assert_eq!(error.reason(), "invalid_claim");
        let body = ::axum::body::to_bytes(response.into_body(), 1_000)
            .await
            .unwrap();
        assert!(
            !body
                .windows(6)
                .any(|part| part == b"Tenant" || part == b"tenant")
        );
    }

    #[cfg(feature = "testing")]
    #[test]
    fn the_stand_in_layer_of_tests_is_a_layer_too() {
        use crate::testing::AuthenticatedLayer;
        let claims = json!({ "sub": "alice", "tenant": "acme" });
        let token = VerifiedToken::dangerously_assert_verified(&claims);
        let app = routes().layer(AuthenticatedLayer::new(token));
        check(&app, "/token", None, 200, "alice");
        check(&app, "/claims", None, 200, "acme");
        let app = routes().layer(AuthenticatedLayer::anonymous());
        check(&app, "/option", None, 200, "anonymous");
        check(&app, "/token", None, 401, "no_credentials");
    }

    #[tokio::test]
    async fn an_extractor_refuses_with_the_layers_realm_and_response() {
        let response = get_response(routes().layer(layer().optional()), "/token", None).await;
        assert_eq!(
            response.headers()["www-authenticate"],
            r#"Bearer realm="orders""#
        );
        assert_eq!(response.headers()["cache-control"], "no-store");

        let teapot = layer().on_rejection(|_| {
            let mut response = http::Response::default();
            *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
            response
        });
        let app = routes().layer(teapot);
        let response = get_response(app, "/claims", Some(&support::token(&json!({})))).await;
        assert_eq!(response.status(), 418);
    }
}
