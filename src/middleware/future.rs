//! The future: the inner service's, a refusal, or the wait for keys that decides between the two.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::body::ResponseBody;
use super::cause::Cause;
use super::ending::Ending;
use super::grpc::is_grpc;
use super::layer::Gate;
use super::rejection::Rejection;
use crate::error::VerifyError;
use crate::telemetry;
use crate::token::VerifiedToken;

pin_project! {
    /// Response future of [`AuthService`](super::AuthService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Admitted { #[pin] future: S::Future, ending: Option<Box<Ending>> },
        Refused { rejection: Rejection },
        // Boxed, so that a request that need not wait does not carry the room to hold itself.
        Waiting { verdict: Verdict, held: Option<Box<Held<S, B>>> },
    }
}

/// The verifier's answer to come, on a token of its own.
pub(super) type Verdict = Pin<Box<dyn Future<Output = Result<VerifiedToken, VerifyError>> + Send>>;

/// What a request needs to go on after waiting.
pub(super) struct Held<S, B> {
    pub(super) gate: Arc<Gate>,
    pub(super) service: S,
    pub(super) request: Request<B>,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn go_on(
        gate: &Gate,
        service: &mut S,
        request: Request<B>,
        verdict: Result<Option<VerifiedToken>, Cause>,
    ) -> Self {
        Self {
            state: State::decided(gate, service, request, verdict),
        }
    }

    /// The response of a service that was called.
    pub(super) const fn admitted(future: S::Future) -> Self {
        let ending = None;
        Self {
            state: State::Admitted { future, ending },
        }
    }

    /// The response to a request for which no service was called.
    pub(super) const fn refused(rejection: Rejection) -> Self {
        Self {
            state: State::Refused { rejection },
        }
    }

    pub(super) fn wait(verdict: Verdict, held: Held<S, B>) -> Self {
        Self {
            state: State::Waiting {
                verdict,
                held: Some(Box::new(held)),
            },
        }
    }
}

impl<S, B> State<S, B>
where
    S: Service<Request<B>>,
{
    /// Calls the service, or refuses the request without calling it. The only place that does either.
    fn decided(
        gate: &Gate,
        service: &mut S,
        mut request: Request<B>,
        verdict: Result<Option<VerifiedToken>, Cause>,
    ) -> Self {
        match &verdict {
            Ok(token) => telemetry::admitted(token.as_ref()),
            Err(Cause::Token(error)) => telemetry::not_admitted(Some(error)),
            Err(_) => telemetry::not_admitted(None),
        }
        let verdict = verdict.and_then(|token| {
            gate.check(request.extensions_mut(), token.as_ref())?;
            Ok(token)
        });
        match verdict {
            Ok(token) => {
                gate.sources.hide(request.headers_mut());
                let ending = token
                    .as_ref()
                    .filter(|_| gate.ends_at_expiry)
                    .map(|token| gate.ending(&request, token));
                gate.mark(request.extensions_mut(), token);
                Self::Admitted {
                    future: service.call(request),
                    ending,
                }
            }
            Err(cause) => Self::refused(gate, &request, cause),
        }
    }

    #[cold]
    fn refused(gate: &Gate, request: &Request<B>, cause: Cause) -> Self {
        let grpc = is_grpc(request.method(), request.version(), request.headers());
        Self::Refused {
            rejection: Rejection::new(cause, grpc, Arc::clone(&gate.responder)),
        }
    }
}

impl<S, ReqB, ResB> Future for ResponseFuture<S, ReqB>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Output = Result<Response<ResponseBody<ResB>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProjection::Admitted { future, ending } => {
                    let response = ready!(future.poll(cx))?;
                    let mut ending = ending.take();
                    if let Some(ending) = &mut ending {
                        ending.begins_with(response.headers());
                    }
                    let response = response.map(|body| ResponseBody::inner(body, ending));
                    return Poll::Ready(Ok(response));
                }
                StateProjection::Refused { rejection } => {
                    return Poll::Ready(Ok(refused(rejection)));
                }
                StateProjection::Waiting { verdict, held } => {
                    ready!(waited(verdict, held, cx))
                }
            };
            state.set(next);
        }
    }
}

#[cold]
fn refused<B>(rejection: &Rejection) -> Response<ResponseBody<B>> {
    rejection.clone().respond().map(ResponseBody::refusal)
}

#[cold]
fn waited<S, B>(
    verdict: &mut Verdict,
    held: &mut Option<Box<Held<S, B>>>,
    cx: &mut Context<'_>,
) -> Poll<State<S, B>>
where
    S: Service<Request<B>>,
{
    let verdict = ready!(verdict.as_mut().poll(cx));
    let Some(held) = held.take() else {
        // Not reached: what was held goes together with this state.
        return Poll::Pending;
    };
    let Held {
        gate,
        mut service,
        request,
    } = *held;
    let verdict = verdict.map(Some).map_err(Cause::Token);
    Poll::Ready(State::decided(&gate, &mut service, request, verdict))
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Admitted { .. } => "Admitted",
            State::Refused { .. } => "Refused",
            State::Waiting { .. } => "Waiting",
        };
        f.debug_struct("ResponseFuture")
            .field("state", &state)
            .finish_non_exhaustive()
    }
}
