//! What a request that was let through carries, for those behind the layer to read.

use std::sync::Arc;

use http::{Extensions, Request};

use super::cause::Cause;
use super::grpc::is_grpc;
use super::rejection::Rejection;
use super::responder::Responder;
use crate::token::VerifiedToken;

/// The token of a request behind an [`AuthLayer`](super::AuthLayer); for services without axum or tonic.
///
/// # Errors
///
/// A [`Rejection`] to [`respond`](Rejection::respond) with: `no_credentials` for an anonymous request,
/// `layer_missing` when no layer has checked the request at all.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use http_body_util::Full;
/// use portcullis::middleware::verified_token;
///
/// async fn orders<B>(request: Request<B>) -> Result<Response<Full<Bytes>>, Infallible> {
///     let token = match verified_token(&request) {
///         Ok(token) => token,
///         Err(rejection) => return Ok(rejection.respond().map(Full::new)),
///     };
///     let caller = token.subject().unwrap_or("somebody").to_owned();
///     Ok(Response::new(Full::new(Bytes::from(caller))))
/// }
/// # async fn call() -> Result<(), Infallible> {
/// // Nothing has checked this request, so it is not served.
/// let response = orders(Request::new(())).await?;
/// assert_eq!(response.status(), 500);
/// # Ok(()) }
/// ```
pub fn verified_token<B>(request: &Request<B>) -> Result<&VerifiedToken, Rejection> {
    token(request.extensions()).map_err(|cause| reject(request, cause))
}

/// Like [`verified_token`], with `None` for an anonymous request.
///
/// # Errors
///
/// A [`Rejection`] with `layer_missing` when no layer has checked the request: unguarded is not anonymous.
pub fn optional_token<B>(request: &Request<B>) -> Result<Option<&VerifiedToken>, Rejection> {
    token_or_anonymous(request.extensions()).map_err(|cause| reject(request, cause))
}

fn reject<B>(request: &Request<B>, cause: Cause) -> Rejection {
    let grpc = is_grpc(request.method(), request.version(), request.headers());
    Rejection::behind_layer(request.extensions(), grpc, cause)
}

/// Says that a layer let the request through, how that layer answers refusals, and whether it takes
/// tokens of several issuers. Without it, no token would mean the same on an unguarded route as for an
/// anonymous caller.
#[derive(Clone, Debug)]
pub(super) struct Admission {
    pub(super) several_issuers: bool,
    responder: Arc<Responder>,
}

impl Admission {
    /// Makes a request say who calls: the bearer of this token, or nobody in particular.
    ///
    /// Whoever put another token there before, nobody behind the layer sees it.
    pub(super) fn mark(
        extensions: &mut Extensions,
        responder: &Arc<Responder>,
        several_issuers: bool,
        token: Option<VerifiedToken>,
    ) {
        extensions.insert(Self {
            several_issuers,
            responder: Arc::clone(responder),
        });
        match token {
            Some(token) => extensions.insert(token),
            None => extensions.remove::<VerifiedToken>(),
        };
    }

    /// A refusal that is answered in the layer's way.
    pub(super) fn reject(&self, grpc: bool, cause: Cause) -> Rejection {
        Rejection::new(cause, grpc, Arc::clone(&self.responder))
    }
}

/// Does what a layer does that lets the request through, for its double in `testing`.
#[cfg(feature = "testing")]
pub(crate) fn let_through(extensions: &mut Extensions, token: Option<VerifiedToken>) {
    Admission::mark(extensions, &Arc::default(), false, token);
}

impl Rejection {
    /// A refusal by somebody behind the layer, answered in that layer's way.
    pub(crate) fn behind_layer(extensions: &Extensions, grpc: bool, cause: Cause) -> Self {
        match extensions.get::<Admission>() {
            Some(admission) => admission.reject(grpc, cause),
            None => Self::new(cause, grpc, Arc::default()),
        }
    }
}

pub(crate) fn token(extensions: &Extensions) -> Result<&VerifiedToken, Cause> {
    token_or_anonymous(extensions)?.ok_or(Cause::NoCredentials(None))
}

/// A token that something else than the layer put there will do: none can be made without verifying.
pub(crate) fn token_or_anonymous(extensions: &Extensions) -> Result<Option<&VerifiedToken>, Cause> {
    match extensions.get::<VerifiedToken>() {
        Some(token) => Ok(Some(token)),
        None if extensions.get::<Admission>().is_some() => Ok(None),
        None => Err(Cause::LayerMissing),
    }
}
