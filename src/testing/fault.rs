//! What a [`TestIssuer`](super::TestIssuer) can do wrong.

use std::borrow::Cow;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame};
use tokio::time::{Sleep, sleep};

/// One way of an issuer to fail, for [`TestIssuer::fail_with`](super::TestIssuer::fail_with).
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Fault {
    /// Connections are refused. The port stays taken and open connections are cut, so that no client
    /// goes on with a pooled one. Always the whole server, whatever the endpoint.
    Refuse,
    /// The request is read and not answered until the fault changes or is over; then it is answered
    /// as if it had come just now. What a stuck issuer does, and a way to hold a fetch while the test
    /// does something else.
    Hang,
    /// The connection is reset (TCP RST) instead of an answer.
    Reset,
    /// This status, from 200 to 599, with an empty body. For a 503 with `Retry-After`, see
    /// [`TestIssuer::set_header`](super::TestIssuer::set_header).
    Status(u16),
    /// A redirect (302) to the same document at another path. Only a client that follows redirects,
    /// which a fetcher of keys must not, gets the document.
    Redirect,
    /// A 200 with one byte every 50 ms and no end: no read times out, only a deadline helps.
    SlowDrip,
    /// A 200 with a body that does not end, in chunks, as fast as the client reads.
    Huge,
    /// A 200 whose body is cut by the end of the connection after its first half.
    Truncated,
    /// A 200 with an empty body.
    Empty,
    /// A 200 with a web page, as from a captive portal or a login wall.
    Garbage,
    /// A 200 with this body, as JSON.
    Body(Cow<'static, str>),
    /// A JWK Set without keys. Metadata is answered as usual.
    EmptyKeySet,
    /// Metadata of another issuer. Keys are answered as usual.
    WrongIssuer,
}

impl Fault {
    #[track_caller]
    pub(super) fn assert_possible(&self) {
        if let Self::Status(status) = self {
            assert!(
                (200..=599).contains(status),
                "{status} is not the status of a final response"
            );
        }
    }
}

/// A document that a [`TestIssuer`](super::TestIssuer) serves.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Endpoint {
    /// `/.well-known/openid-configuration`
    /// ([OpenID Connect Discovery §4](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)).
    OpenIdConfiguration,
    /// `/.well-known/oauth-authorization-server`
    /// ([RFC 8414 §3](https://www.rfc-editor.org/rfc/rfc8414#section-3)).
    AuthorizationServerMetadata,
    /// `/jwks` ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    Jwks,
}

impl Endpoint {
    pub(super) const ALL: [Self; 3] = [
        Self::OpenIdConfiguration,
        Self::AuthorizationServerMetadata,
        Self::Jwks,
    ];

    /// The path part of its URL.
    #[must_use]
    pub const fn path(self) -> &'static str {
        match self {
            Self::OpenIdConfiguration => "/.well-known/openid-configuration",
            Self::AuthorizationServerMetadata => "/.well-known/oauth-authorization-server",
            Self::Jwks => "/jwks",
        }
    }
}

/// The fault of each endpoint, if it has one.
#[derive(Debug, Default)]
pub(super) struct Faults {
    openid_configuration: Option<Fault>,
    authorization_server_metadata: Option<Fault>,
    jwks: Option<Fault>,
}

impl Faults {
    pub(super) fn at(&self, endpoint: Endpoint) -> Option<&Fault> {
        match endpoint {
            Endpoint::OpenIdConfiguration => self.openid_configuration.as_ref(),
            Endpoint::AuthorizationServerMetadata => self.authorization_server_metadata.as_ref(),
            Endpoint::Jwks => self.jwks.as_ref(),
        }
    }

    pub(super) fn set(&mut self, endpoint: Endpoint, fault: Option<Fault>) {
        let place = match endpoint {
            Endpoint::OpenIdConfiguration => &mut self.openid_configuration,
            Endpoint::AuthorizationServerMetadata => &mut self.authorization_server_metadata,
            Endpoint::Jwks => &mut self.jwks,
        };
        *place = fault;
    }

    pub(super) fn set_all(&mut self, fault: Option<Fault>) {
        *self = Self {
            openid_configuration: fault.clone(),
            authorization_server_metadata: fault.clone(),
            jwks: fault,
        };
    }

    pub(super) fn refuse_connections(&self) -> bool {
        Endpoint::ALL
            .into_iter()
            .any(|endpoint| self.at(endpoint) == Some(&Fault::Refuse))
    }
}

/// A body that no honest server sends.
pub(super) enum FaultyBody {
    Drip(Pin<Box<Sleep>>),
    Endless,
    FirstHalf(Bytes),
    /// One turn for the server to send the first half before it learns of the end.
    Pause,
    End,
}

impl FaultyBody {
    pub(super) fn drip() -> Self {
        Self::Drip(Box::pin(sleep(DRIP_INTERVAL)))
    }

    pub(super) fn first_half_of(body: &str) -> Self {
        Self::FirstHalf(Bytes::copy_from_slice(body.as_bytes()).split_to(body.len() / 2))
    }
}

impl Body for FaultyBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        // Spaces are the start of any JSON text, so that only the end is missing.
        match &mut *self {
            Self::Drip(pause) => {
                ready!(pause.as_mut().poll(context));
                *pause = Box::pin(sleep(DRIP_INTERVAL));
                Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b" ")))))
            }
            Self::Endless => Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(
                &[b' '; ENDLESS_CHUNK],
            ))))),
            Self::FirstHalf(half) => {
                let half = std::mem::take(half);
                *self = Self::Pause;
                Poll::Ready(Some(Ok(Frame::data(half))))
            }
            Self::Pause => {
                *self = Self::End;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Self::End => Poll::Ready(Some(Err(Cut))),
        }
    }
}

/// The body is over before its end.
#[derive(Debug)]
pub(super) struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body is cut on purpose")
    }
}

impl std::error::Error for Cut {}

const DRIP_INTERVAL: Duration = Duration::from_millis(50);
const ENDLESS_CHUNK: usize = 16 * 1024;
