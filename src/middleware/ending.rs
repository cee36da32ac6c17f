//! The end of a long response whose token has expired meanwhile.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderValue};
use http_body::{Body, Frame};

use super::cause::Cause;
use super::rejection::Rejection;
use super::responder::Responder;
use crate::error::VerifyError;
use crate::expiry::Expired;

/// What ends a response, and how.
pub(super) struct Ending {
    expired: Expired,
    responder: Arc<Responder>,
    closing: Closing,
    /// Whether the response has begun: its first frame may answer the request, and always passes.
    begun: bool,
}

#[derive(Clone, Copy)]
enum Closing {
    /// gRPC ends with a status.
    Status,
    /// Events are whole, and their clients come back.
    Clean,
    /// What is cut short must not look whole.
    Broken,
}

/// How the response ends, now.
pub(super) enum Last {
    Trailers(HeaderMap),
    Nothing,
    Error,
}

impl Ending {
    pub(super) const fn new(expired: Expired, responder: Arc<Responder>, grpc: bool) -> Self {
        Self {
            expired,
            responder,
            closing: if grpc {
                Closing::Status
            } else {
                Closing::Broken
            },
            begun: false,
        }
    }

    /// The response has these headers.
    pub(super) fn begins_with(&mut self, headers: &HeaderMap) {
        if matches!(self.closing, Closing::Broken) && is_event_stream(headers) {
            self.closing = Closing::Clean;
        }
    }

    /// Whether this body ends by itself, as its length is known when it begins.
    pub(super) fn spares(&self, body: &impl Body) -> bool {
        !self.begun && body.size_hint().exact().is_some()
    }

    /// Looks at what the service's body just came to, and says when it is to be the last of it.
    ///
    /// Trailers, an error and the end pass, whatever the time: the service has ended it.
    pub(super) fn judge<D, E>(
        &mut self,
        polled: &Poll<Option<Result<Frame<D>, E>>>,
        cx: &mut Context<'_>,
    ) -> Option<Last> {
        let ends = match polled {
            Poll::Pending => Pin::new(&mut self.expired).poll(cx).is_ready(),
            Poll::Ready(Some(Ok(frame))) if frame.is_data() && self.begun => {
                self.expired.has_come()
            }
            Poll::Ready(_) => false,
        };
        self.begun |= polled.is_ready();
        ends.then(|| self.last())
    }

    fn last(&self) -> Last {
        let grpc = matches!(self.closing, Closing::Status);
        let expired = Cause::Token(VerifyError::Expired);
        let rejection = Rejection::new(expired, grpc, Arc::clone(&self.responder));
        match self.closing {
            Closing::Status => Last::Trailers(rejection.trailers()),
            Closing::Clean => Last::Nothing,
            Closing::Broken => Last::Error,
        }
    }
}

/// Server-sent events ([HTML §9.2](https://html.spec.whatwg.org/multipage/server-sent-events.html)).
fn is_event_stream(headers: &HeaderMap) -> bool {
    let essence = |value: &HeaderValue| {
        let value = value.as_bytes();
        let end = value.iter().position(|&byte| byte == b';');
        let (essence, _) = value.split_at_checked(end.unwrap_or(value.len()))?;
        Some(
            essence
                .trim_ascii()
                .eq_ignore_ascii_case(b"text/event-stream"),
        )
    };
    headers.get(CONTENT_TYPE).and_then(essence) == Some(true)
}
