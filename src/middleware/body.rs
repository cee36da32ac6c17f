//! The body of a guarded service's responses: its own, or that of a refusal.

use std::error::Error;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::ending::{Ending, Last};
use crate::error::VerifyError;

pin_project! {
    /// Response body of [`AuthService`](super::AuthService).
    ///
    /// Passes the inner service's body through untouched, trailers included, unless
    /// [`AuthLayer::end_at_expiry`](super::AuthLayer::end_at_expiry) ends it. Its data can be of any
    /// kind that is made from [`Bytes`], which a refusal is. The body of a refusal is one frame at most;
    /// an empty one ends with the headers, which makes a gRPC refusal trailers-only.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Inner { #[pin] body: B, ending: Option<Box<Ending>> },
        Refusal { rest: Bytes },
    }
}

impl<B> ResponseBody<B> {
    pub(super) const fn inner(body: B, ending: Option<Box<Ending>>) -> Self {
        Self {
            kind: Kind::Inner { body, ending },
        }
    }

    pub(super) const fn refusal(body: Bytes) -> Self {
        Self {
            kind: Kind::Refusal { rest: body },
        }
    }
}

/// Why a response was broken off.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum BodyError<E> {
    /// The service's own error.
    Service(E),
    /// The token of the request has expired, and the layer is to
    /// [end the response](super::AuthLayer::end_at_expiry) then.
    Expired,
}

/// What servers ask of the error of a body. The service's own passes as it is.
impl<E: Into<Self>> From<BodyError<E>> for Box<dyn Error + Send + Sync> {
    fn from(error: BodyError<E>) -> Self {
        match error {
            BodyError::Service(error) => error.into(),
            BodyError::Expired => VerifyError::Expired.into(),
        }
    }
}

/// An empty body, which some layers outside this one ask for.
impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self::refusal(Bytes::new())
    }
}

impl<B: fmt::Debug> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Inner { body, .. } => f.debug_tuple("Inner").field(body).finish(),
            Kind::Refusal { rest } => f.debug_tuple("Refusal").field(&rest.len()).finish(),
        }
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
{
    type Data = B::Data;
    type Error = BodyError<B::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut kind = self.project().kind;
        match kind.as_mut().project() {
            KindProjection::Inner { body, ending: None } => {
                body.poll_frame(cx).map_err(BodyError::Service)
            }
            KindProjection::Inner { body, ending } => {
                ending.take_if(|ending| ending.spares(&*body));
                let polled = body.poll_frame(cx);
                let Some(last) = ending.as_mut().and_then(|ending| ending.judge(&polled, cx))
                else {
                    return polled.map_err(BodyError::Service);
                };
                // The service learns by the drop of its body that nobody listens any more.
                kind.set(Kind::Refusal { rest: Bytes::new() });
                Poll::Ready(match last {
                    Last::Trailers(trailers) => Some(Ok(Frame::trailers(trailers))),
                    Last::Nothing => None,
                    Last::Error => Some(Err(BodyError::Expired)),
                })
            }
            KindProjection::Refusal { rest } if rest.is_empty() => Poll::Ready(None),
            KindProjection::Refusal { rest } => {
                Poll::Ready(Some(Ok(Frame::data(mem::take(rest).into()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Inner { body, .. } => body.is_end_stream(),
            Kind::Refusal { rest } => rest.is_empty(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Inner { body, .. } => body.size_hint(),
            Kind::Refusal { rest } => {
                SizeHint::with_exact(u64::try_from(rest.len()).unwrap_or(u64::MAX))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::io;

    use bytes::BytesMut;
    use http::{HeaderMap, HeaderValue};
    use http_body_util::{BodyExt as _, Empty, Full};

    use super::*;

    type Refusal = ResponseBody<Empty<Bytes>>;

    #[tokio::test]
    async fn an_empty_refusal_ends_with_the_headers() {
        let mut body = Refusal::refusal(Bytes::new());
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn a_refusal_is_one_frame() {
        let mut body = Refusal::refusal(Bytes::from_static(b"no"));
        assert!(!body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(2));
        assert_eq!(
            body.frame().await.unwrap().unwrap().into_data().unwrap(),
            "no"
        );
        assert!(body.is_end_stream());
        assert_eq!(body.size_hint().exact(), Some(0));
        assert!(body.frame().await.is_none());
    }

    #[tokio::test]
    async fn the_inner_body_passes_with_its_trailers() {
        let trailers =
            HeaderMap::from_iter([(http::header::EXPIRES, HeaderValue::from_static("0"))]);
        let inner = Full::new(Bytes::from_static(b"yes"))
            .with_trailers(std::future::ready(Some(Ok(trailers.clone()))));
        let body = ResponseBody::inner(inner, None);
        assert!(!body.is_end_stream());
        let collected = body.collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "yes");
    }

    #[tokio::test]
    async fn the_inner_body_has_data_of_its_own_kind() {
        type Body = ResponseBody<Full<BytesMut>>;
        let inner = Body::inner(Full::new(BytesMut::from("yes")), None);
        assert_eq!(inner.collect().await.unwrap().to_bytes(), "yes");
        let refusal = Body::refusal(Bytes::from_static(b"no"));
        assert_eq!(refusal.collect().await.unwrap().to_bytes(), "no");
    }

    #[test]
    fn the_inner_body_tells_its_own_size() {
        let body = ResponseBody::inner(Full::new(Bytes::from_static(b"yes")), None);
        assert_eq!(body.size_hint().exact(), Some(3));
        assert!(ResponseBody::inner(Empty::<Bytes>::new(), None).is_end_stream());
    }

    /// Servers take any error that can be boxed, of which a box is one and no `Error` itself.
    #[test]
    fn the_services_own_error_passes_as_it_is() {
        type Boxed = Box<dyn Error + Send + Sync>;
        #[track_caller]
        fn check<E: Into<Boxed>>(error: BodyError<E>, expected: &str) -> Boxed {
            let boxed: Boxed = error.into();
            assert_eq!(boxed.to_string(), expected);
            boxed
        }
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let boxed = check(BodyError::Service(reset()), "connection reset");
        assert!(boxed.is::<io::Error>());
        let service = Boxed::from(reset());
        let boxed = check(BodyError::Service(service), "connection reset");
        assert!(boxed.is::<io::Error>());
        let boxed = check(BodyError::<Infallible>::Expired, "token has expired");
        assert!(matches!(boxed.downcast_ref(), Some(VerifyError::Expired)));
    }
}
