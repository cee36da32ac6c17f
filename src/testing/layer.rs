//! A stand-in for `AuthLayer` in tests of handlers.

use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::token::VerifiedToken;

/// A layer that treats every request as already authenticated, in place of `AuthLayer`.
///
/// Handlers, extractors and `RequireLayer` behind it see what they would see behind the real one. No
/// request is refused and its `Authorization` header is not looked at. The token comes from
/// `VerifiedToken::dangerously_assert_verified`, or from a real verifier in front of a
/// [`TestIssuer`](super::TestIssuer).
///
/// # Security
///
/// It lets everyone in: it belongs in tests, and so does the feature `testing`.
#[derive(Clone, Debug)]
pub struct AuthenticatedLayer {
    token: Option<VerifiedToken>,
}

impl AuthenticatedLayer {
    /// Every request bears `token`.
    #[must_use]
    pub fn new(token: VerifiedToken) -> Self {
        Self { token: Some(token) }
    }

    /// Every request bears no token, as behind an `AuthLayer` that is `optional()`.
    #[must_use]
    pub fn anonymous() -> Self {
        Self { token: None }
    }
}

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
        request.extensions_mut().remove::<VerifiedToken>();
        if let Some(token) = &self.token {
            request.extensions_mut().insert(token.clone());
        }
        self.inner.call(request)
    }
}
