//! The service: one request's way through the gate.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, Uri};
use tower_service::Service;

use super::body::ResponseBody;
use super::future::{Held, ResponseFuture};
use super::layer::Gate;
use super::rejection::Cause;
use crate::bearer::{BearerError, BearerToken};
use crate::verifier::Attempt;

/// A service behind an [`AuthLayer`](super::AuthLayer).
///
/// Ready when the inner service is. A token whose key is at hand is judged within `call` and nothing
/// is boxed; a token that must wait for keys does so in the returned future.
///
/// # Cancel safety
///
/// Dropping the future while it waits drops the request. The fetch it waited for goes on.
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    pub(super) inner: S,
    pub(super) gate: Arc<Gate>,
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for AuthService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>> + Clone,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqB>) -> Self::Future {
        let verdict = match BearerToken::from_headers(request.headers()) {
            // Whoever checks the other one, behind us or in front, would take the request for another's.
            Ok(Some(_)) if has_query_token(request.uri()) => {
                Err(Cause::Credentials(BearerError::Several))
            }
            Ok(Some(token)) => match self.gate.verifier.attempt(token.as_str()) {
                Attempt::Done(verdict) => verdict.map(Some).map_err(Cause::Token),
                Attempt::Wait => {
                    let verdict = self.gate.verify(token.as_str());
                    // The clone may not be ready, the service that was polled is: it goes with the request.
                    // https://docs.rs/tower/latest/tower/trait.Service.html#be-careful-when-cloning-inner-services
                    let unready = self.inner.clone();
                    let service = mem::replace(&mut self.inner, unready);
                    let held = Held {
                        gate: Arc::clone(&self.gate),
                        service,
                        request,
                    };
                    return ResponseFuture::wait(verdict, held);
                }
            },
            Ok(None) if self.gate.anonymous => Ok(None),
            Ok(None) => Err(Cause::NoCredentials),
            Err(error) => Err(Cause::Credentials(error)),
        };
        ResponseFuture::go_on(&self.gate, &mut self.inner, request, verdict)
    }
}

/// Whether a second token stands in the query, where
/// [RFC 6750 §2.3](https://www.rfc-editor.org/rfc/rfc6750#section-2.3) has it; §2 forbids more than
/// one way at once. It is never read: addresses are logged.
fn has_query_token(uri: &Uri) -> bool {
    let members = uri.query().unwrap_or_default().split('&');
    let mut names = members.map(|member| member.split('=').next().unwrap_or_default());
    names.any(|name| percent_decoded(name.as_bytes()).eq(*b"access_token"))
}

/// What a form decodes a name to ([RFC 3986 §2.1](https://www.rfc-editor.org/rfc/rfc3986#section-2.1)).
fn percent_decoded(mut text: &[u8]) -> impl Iterator<Item = u8> {
    let digit = |byte: &u8| {
        char::from(*byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    std::iter::from_fn(move || {
        let (first, rest) = text.split_first()?;
        if let (b'%', [high, low, after @ ..]) = (first, rest)
            && let (Some(high), Some(low)) = (digit(high), digit(low))
        {
            text = after;
            return Some(high << 4 | low);
        }
        text = rest;
        Some(*first)
    })
}
