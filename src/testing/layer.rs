//! A stand-in for `AuthLayer` in tests of handlers.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::log_unverified;
use crate::middleware::let_through;
use crate::token::VerifiedToken;

/// A layer that treats every request as already authenticated, in place of
/// [`AuthLayer`](crate::middleware::AuthLayer).
///
/// Handlers and extractors behind it see what they would see behind the real one, and with the feature
/// `tonic` it stands in front of a single service as that does. No request is refused and no
/// `Authorization` header is looked at. The token comes from
/// [`VerifiedToken::dangerously_assert_verified`], or from a verifier in front of a
/// [`TestIssuer`](super::TestIssuer).
///
/// To policies behind it there is one issuer: that a policy names none where there are several is found
/// only behind the real layer.
///
/// # Security
///
/// It lets everyone in: it belongs in tests, and so does the feature `testing`.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use http::{Request, Response};
/// use portcullis::VerifiedToken;
/// use portcullis::middleware::verified_token;
/// use portcullis::testing::AuthenticatedLayer;
/// use serde_json::json;
/// use tower::{Layer as _, ServiceExt as _, service_fn};
///
/// let handler = service_fn(async |request: Request<()>| {
///     let subject = verified_token(&request).ok().and_then(VerifiedToken::subject).map(str::to_owned);
///     Ok::<_, Infallible>(Response::new(subject))
/// });
/// let token = VerifiedToken::dangerously_assert_verified(&json!({ "sub": "alice" }));
/// let service = AuthenticatedLayer::new(token).layer(handler);
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn call<S>(service: S) -> Result<(), S::Error>
/// # where S: tower::Service<Request<()>, Response = Response<Option<String>>> {
/// let response = service.oneshot(Request::new(())).await?;
/// assert_eq!(response.body().as_deref(), Some("alice"));
/// # Ok(()) }
/// # call(service).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct AuthenticatedLayer {
    token: Option<VerifiedToken>,
}

impl AuthenticatedLayer {
    /// Every request bears `token`.
    #[must_use]
    pub fn new(token: VerifiedToken) -> Self {
        log_unverified(UNGUARDED);
        Self { token: Some(token) }
    }

    /// Every request bears no token, as behind an `AuthLayer` that is `optional()`.
    #[must_use]
    pub fn anonymous() -> Self {
        log_unverified(UNGUARDED);
        Self { token: None }
    }
}

const UNGUARDED: &str = "a layer lets everyone in without looking at their token";

impl<S> Layer<S> for AuthenticatedLayer {
    type Service = Authenticated<S>;

    fn layer(&self, inner: S) -> Authenticated<S> {
        Authenticated {
            token: self.token.clone(),
            inner,
        }
    }
}

/// The service of [`AuthenticatedLayer`].
#[derive(Clone, Debug)]
pub struct Authenticated<S> {
    token: Option<VerifiedToken>,
    inner: S,
}

impl<S, B> Service<Request<B>> for Authenticated<S>
where
    S: Service<Request<B>>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<B>) -> S::Future {
        let_through(request.extensions_mut(), self.token.clone());
        self.inner.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use serde_json::json;
    use tower::{ServiceExt as _, service_fn};

    use super::*;
    use crate::middleware::optional_token;

    fn alice() -> VerifiedToken {
        VerifiedToken::dangerously_assert_verified(&json!({ "sub": "alice" }))
    }

    /// What a handler sees of a request: its subject, `anonymous`, or why it cannot tell.
    async fn seen(request: Request<()>) -> Result<String, Infallible> {
        Ok(match optional_token(&request) {
            Ok(Some(token)) => token.subject().unwrap().to_owned(),
            Ok(None) => "anonymous".to_owned(),
            Err(rejection) => rejection.reason().to_owned(),
        })
    }

    #[tokio::test]
    async fn handlers_see_what_they_would_behind_the_real_layer() {
        let handler = service_fn(seen);
        let unguarded = handler.oneshot(Request::new(())).await;
        assert_eq!(unguarded.unwrap(), "layer_missing");
        let authenticated = AuthenticatedLayer::new(alice()).layer(handler);
        assert_eq!(
            authenticated.oneshot(Request::new(())).await.unwrap(),
            "alice"
        );
        let anonymous = AuthenticatedLayer::anonymous().layer(handler);
        assert_eq!(
            anonymous.oneshot(Request::new(())).await.unwrap(),
            "anonymous"
        );
    }

    #[tokio::test]
    async fn a_token_from_further_out_is_gone() {
        let mut request = Request::new(());
        request.extensions_mut().insert(alice());
        let anonymous = AuthenticatedLayer::anonymous().layer(service_fn(seen));
        assert_eq!(anonymous.oneshot(request).await.unwrap(), "anonymous");
    }
}
