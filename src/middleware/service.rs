//! The service: one request's way through the gate.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::body::ResponseBody;
use super::cause::Cause;
use super::future::{Held, ResponseFuture};
use super::layer::Gate;
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
        let verifier = &self.gate.verifier;
        let verdict = match self.gate.sources.find((&request).into()) {
            Ok(Some(token)) => match verifier.attempt(token.as_bytes(), || token.parse()) {
                Ok(Attempt::Done(verdict)) => verdict.map(Some).map_err(Cause::Token),
                Ok(Attempt::Wait(token)) => {
                    let verdict = self.gate.verify(token);
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
                Err(error) => Err(Cause::Credentials(error)),
            },
            Ok(None) if self.gate.anonymous => Ok(None),
            Ok(None) => Err(Cause::NoCredentials(self.gate.policy())),
            Err(cause) => Err(cause),
        };
        ResponseFuture::go_on(&self.gate, &mut self.inner, request, verdict)
    }
}
