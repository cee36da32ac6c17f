//! Responses that go on when their token has expired, and who waits for that moment.

use std::convert::Infallible;
use std::future::ready;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Response, Version};
use http_body::Frame;
use http_body_util::{BodyExt as _, Empty, Full, StreamBody};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::middleware::{BodyError, ResponseBody};
use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{Audience, AuthLayer, Clock, Issuer, KeySet, VerifiedToken, Verifier};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tower::{Layer as _, ServiceExt as _, service_fn};

use crate::support::PausedTime;

const LIFETIME: Duration = Duration::from_secs(300);
/// The default one.
const LEEWAY: Duration = Duration::from_secs(30);
const NANOSECOND: Duration = Duration::from_nanos(1);
const MINUTE: Duration = Duration::from_secs(60);

/// What an issuer's tokens are held to besides.
type Rules = fn(Issuer) -> Issuer;

/// An issuer with its keys at hand, and a layer that follows a clock.
struct Gate {
    issuer: TestIssuer,
    verifier: Verifier,
    layer: AuthLayer,
}

impl Gate {
    async fn start(clock: impl Clock + Clone) -> Self {
        Self::start_with(clock, |issuer| issuer).await
    }

    async fn start_with(clock: impl Clock + Clone, rules: Rules) -> Self {
        let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
        let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
        let builder = Verifier::builder().issuer(rules(trusted)).clock(clock);
        let verifier = builder.build().unwrap();
        Self {
            issuer,
            layer: AuthLayer::new(verifier.clone()).end_at_expiry(),
            verifier,
        }
    }

    fn token(&self) -> String {
        self.issuer.token().expires_in(LIFETIME).sign()
    }

    fn verified(&self) -> VerifiedToken {
        self.verifier.verify_now(&self.token()).unwrap()
    }

    /// Opens a stream as a service of this kind answers.
    async fn open(&self, kind: Kind) -> Stream {
        Stream::open(&self.layer, kind, Some(&self.token())).await
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Events,
    Grpc,
    Other,
}

const KINDS: [Kind; 3] = [Kind::Events, Kind::Grpc, Kind::Other];

impl Kind {
    fn content_type(self) -> &'static str {
        match self {
            Self::Events => "Text/Event-Stream; charset=utf-8",
            Self::Grpc => "application/grpc",
            Self::Other => "application/x-ndjson",
        }
    }

    fn request<B>(self, token: Option<&str>, body: B) -> Request<B> {
        let mut request = Request::builder();
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        if self == Self::Grpc {
            let call = request.method(Method::POST).version(Version::HTTP_2);
            request = call.header(CONTENT_TYPE, "application/grpc");
        }
        request.body(body).unwrap()
    }
}

type Sent = Result<Frame<Bytes>, Infallible>;

/// A response of the layer, and the service's end of it.
struct Stream {
    service: UnboundedSender<Sent>,
    body: ResponseBody<StreamBody<UnboundedReceiverStream<Sent>>>,
}

/// What a client sees next.
#[derive(Debug, PartialEq)]
enum Seen {
    Data(Bytes),
    Trailers(String),
    End,
    Broken,
}

impl Stream {
    async fn open(layer: &AuthLayer, kind: Kind, token: Option<&str>) -> Self {
        let handler = service_fn(move |_| {
            let (service, frames) = unbounded_channel::<Sent>();
            let response = Response::builder()
                .header(CONTENT_TYPE, kind.content_type())
                .extension(service)
                .body(StreamBody::new(UnboundedReceiverStream::new(frames)));
            ready(Ok::<_, Infallible>(response.unwrap()))
        });
        let request = kind.request(token, Empty::<Bytes>::new());
        let response = layer.layer(handler).oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        let (mut head, body) = response.into_parts();
        let service = head.extensions.remove().unwrap();
        Self { service, body }
    }

    fn send(&self, text: &'static str) {
        let frame = Frame::data(Bytes::from_static(text.as_bytes()));
        let _ = self.service.send(Ok(frame));
    }

    async fn next(&mut self) -> Seen {
        match self.body.frame().await {
            None => Seen::End,
            Some(Err(BodyError::Expired)) => Seen::Broken,
            Some(Err(error)) => panic!("{error:?}"),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => Seen::Data(data),
                Err(frame) => Seen::Trailers(shown(&frame.into_trailers().ok().unwrap())),
            },
        }
    }

    /// The stream is over in the way of its kind, and the service knows.
    async fn check_ended(&mut self, kind: Kind) {
        let last = self.next().await;
        match kind {
            Kind::Events => assert_eq!(last, Seen::End),
            Kind::Other => assert_eq!(last, Seen::Broken),
            Kind::Grpc => assert_eq!(last, Seen::Trailers(EXPIRED.to_owned())),
        }
        assert_eq!(self.next().await, Seen::End, "{kind:?}");
        assert!(self.service.is_closed(), "{kind:?}");
    }
}

/// What the trailers say that matters.
fn shown(trailers: &HeaderMap) -> String {
    ["grpc-status", "grpc-message", "www-authenticate"]
        .map(|name| {
            trailers
                .get(name)
                .map_or("-", |value| value.to_str().unwrap())
        })
        .join("; ")
}

const EXPIRED: &str = "16; The access token is expired, revoked, malformed or not valid here.; \
                       Bearer realm=\"api\", error=\"invalid_token\"";

fn data(text: &'static str) -> Seen {
    Seen::Data(Bytes::from_static(text.as_bytes()))
}

#[tokio::test(start_paused = true)]
async fn an_idle_stream_ends_when_the_verifier_would_refuse_its_token() {
    for kind in KINDS {
        let clock = PausedTime::start();
        let gate = Gate::start(clock.clone()).await;
        let mut stream = gate.open(kind).await;
        stream.send("one");
        assert_eq!(stream.next().await, data("one"));
        stream.check_ended(kind).await;
        assert_eq!(clock.elapsed(), LIFETIME + LEEWAY, "{kind:?}");
    }
}

#[tokio::test]
async fn a_stream_that_always_has_more_to_send_ends_too() {
    for kind in KINDS {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let gate = Gate::start(clock.clone()).await;
        let mut stream = gate.open(kind).await;
        for text in ["one", "two", "three", "four"] {
            stream.send(text);
        }
        assert_eq!(stream.next().await, data("one"));
        assert_eq!(stream.next().await, data("two"));
        clock.advance(LIFETIME + LEEWAY - NANOSECOND);
        assert_eq!(stream.next().await, data("three"), "{kind:?}");
        clock.advance(NANOSECOND);
        stream.check_ended(kind).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_rules_about_the_token_say_when() {
    let rows: [(Rules, Duration); 4] = [
        (|issuer| issuer.leeway(Duration::ZERO), LIFETIME),
        (|issuer| issuer.leeway(LIFETIME), LIFETIME + LIFETIME),
        (|issuer| issuer.max_token_age(MINUTE), MINUTE + LEEWAY),
        (
            |issuer| issuer.max_token_age(LIFETIME * 2),
            LIFETIME + LEEWAY,
        ),
    ];
    for (rules, expected) in rows {
        let clock = PausedTime::start();
        let gate = Gate::start_with(clock.clone(), rules).await;
        let mut stream = gate.open(Kind::Events).await;
        assert_eq!(stream.next().await, Seen::End);
        // Timers count milliseconds, and the greatest age is still accepted.
        let late = clock.elapsed() - expected;
        assert!(late <= Duration::from_millis(1), "{late:?}");
    }
}

/// The moment that is waited for is the one from which the verifier refuses.
#[tokio::test]
async fn a_stream_ends_neither_before_nor_after_the_verifier_refuses() {
    let rows: [Rules; 2] = [|issuer| issuer, |issuer| issuer.max_token_age(MINUTE)];
    for rules in rows {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let gate = Gate::start_with(clock.clone(), rules).await;
        let token = gate.token();
        let mut stream = Stream::open(&gate.layer, Kind::Other, Some(&token)).await;
        stream.send("begun");
        assert_eq!(stream.next().await, data("begun"));
        for step in [
            MINUTE + LEEWAY,
            NANOSECOND,
            LIFETIME - MINUTE - NANOSECOND * 2,
            NANOSECOND,
            NANOSECOND,
        ] {
            clock.advance(step);
            stream.send("more");
            let expected = match gate.verifier.verify_now(&token) {
                Ok(_) => data("more"),
                Err(_) => Seen::Broken,
            };
            assert_eq!(stream.next().await, expected);
            if expected == Seen::Broken {
                break;
            }
        }
        assert!(gate.verifier.verify_now(&token).is_err());
        assert!(stream.service.is_closed());
    }
}

#[tokio::test]
async fn what_answers_the_request_passes_whenever_it_comes() {
    for kind in KINDS {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let gate = Gate::start(clock.clone()).await;
        let mut stream = gate.open(kind).await;
        clock.advance(LIFETIME * 2);
        // A unary call: one message, and the status.
        stream.send("answer");
        let trailers = HeaderMap::from_iter([(
            HeaderName::from_static("grpc-status"),
            HeaderValue::from_static("0"),
        )]);
        stream.service.send(Ok(Frame::trailers(trailers))).unwrap();
        assert_eq!(stream.next().await, data("answer"), "{kind:?}");
        assert_eq!(stream.next().await, Seen::Trailers("0; -; -".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_response_of_known_length_is_sent_to_its_end() {
    let clock = PausedTime::start();
    let gate = Gate::start(clock.clone()).await;
    let handler = service_fn(|_| {
        let body = Full::new(Bytes::from_static(b"whole"));
        ready(Ok::<_, Infallible>(Response::new(body)))
    });
    let token = gate.token();
    let request = Kind::Events.request(Some(&token), Empty::<Bytes>::new());
    let response = gate.layer.layer(handler).oneshot(request).await.unwrap();
    tokio::time::sleep(LIFETIME * 2).await;
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "whole");
}

#[tokio::test]
async fn nothing_is_ended_unasked_or_of_an_anonymous_caller() {
    for kind in KINDS {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let gate = Gate::start(clock.clone()).await;
        let unasked = AuthLayer::new(gate.verifier.clone());
        let anonymous = gate.layer.clone().optional();
        let token = gate.token();
        for (layer, token) in [(unasked, Some(&*token)), (anonymous, None)] {
            let mut stream = Stream::open(&layer, kind, token).await;
            stream.send("one");
            assert_eq!(stream.next().await, data("one"));
            clock.advance(LIFETIME * 2);
            stream.send("two");
            assert_eq!(stream.next().await, data("two"), "{kind:?}");
            drop(stream.service);
            assert!(stream.body.frame().await.is_none());
        }
    }
}

/// A machine that slept, or whose clock was set: timers know nothing of it.
#[tokio::test(start_paused = true)]
async fn a_jump_of_the_clock_is_found_out_within_a_minute() {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let gate = Gate::start(clock.clone()).await;
    let mut stream = gate.open(Kind::Events).await;
    let waiting = tokio::time::timeout(Duration::from_secs(90), stream.next());
    assert!(waiting.await.is_err(), "this clock has not moved");
    clock.suspend(LIFETIME * 2);
    let waiting = tokio::time::timeout(Duration::from_secs(60), stream.next());
    assert_eq!(waiting.await.unwrap(), Seen::End);
}

#[tokio::test(start_paused = true)]
async fn whoever_holds_a_token_can_wait_for_its_end() {
    let clock = PausedTime::start();
    let gate = Gate::start(clock.clone()).await;
    let token = gate.verified();
    let mut expired = token.expired();
    let early = tokio::time::timeout(LIFETIME + LEEWAY - Duration::from_millis(1), &mut expired);
    assert!(early.await.is_err());
    expired.await;
    assert_eq!(clock.elapsed(), LIFETIME + LEEWAY);
    // And is told at once when it is over; also by a token that was remembered.
    token.expired().await;
    token.clone().expired().await;
    assert_eq!(clock.elapsed(), LIFETIME + LEEWAY);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_a_test_asserts_has_the_end_it_says() {
    let past = VerifiedToken::dangerously_assert_verified(&serde_json::json!({ "exp": 1 }));
    past.expired().await;
    let endless = VerifiedToken::dangerously_assert_verified(&serde_json::json!({}));
    let day = Duration::from_secs(86_400);
    let waiting = tokio::time::timeout(day, endless.expired());
    assert!(waiting.await.is_err());
}

/// One response over a socket, until it is over: what arrived, and whether it looks whole.
#[derive(Debug, PartialEq)]
struct Arrived {
    data: String,
    trailers: Option<String>,
    whole: bool,
}

/// A service on a socket that sends one frame, lets the token expire, and sends another.
async fn over_a_socket(kind: Kind, version: Version) -> Arrived {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let gate = Gate::start(clock.clone()).await;
    let (service, frames) = unbounded_channel::<Sent>();
    let frames = Arc::new(Mutex::new(Some(UnboundedReceiverStream::new(frames))));
    let handler = move || {
        let frames = frames.lock().unwrap().take().unwrap();
        let response = Response::builder().header(CONTENT_TYPE, kind.content_type());
        ready(response.body(Body::new(StreamBody::new(frames))).unwrap())
    };
    let app = Router::new()
        .route("/", any(handler))
        .layer(gate.layer.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let stream = TokioIo::new(TcpStream::connect(address).await.unwrap());
    let mut request = kind.request(Some(&gate.token()), Empty::<Bytes>::new());
    *request.version_mut() = version;
    *request.uri_mut() = "http://api.test/".parse().unwrap();
    let response = match version {
        Version::HTTP_2 => {
            let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
                .await
                .unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        }
        _ => {
            request
                .headers_mut()
                .insert("host", "api.test".parse().unwrap());
            let (mut sender, connection) = http1::handshake(stream).await.unwrap();
            tokio::spawn(connection);
            sender.send_request(request).await.unwrap()
        }
    };
    assert_eq!(response.status(), 200);
    let mut body = response.into_body();
    service
        .send(Ok(Frame::data(Bytes::from_static(b"one"))))
        .unwrap();
    let mut arrived = Arrived {
        data: String::new(),
        trailers: None,
        whole: true,
    };
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => {
                arrived.data.push_str(str::from_utf8(&data).unwrap());
                clock.advance(LIFETIME + LEEWAY);
                let _ = service.send(Ok(Frame::data(Bytes::from_static(b"two"))));
            }
            Ok(Err(frame)) => arrived.trailers = frame.into_trailers().ok().as_ref().map(shown),
            Err(_) => {
                arrived.whole = false;
                break;
            }
        }
    }
    assert!(service.is_closed());
    serving.abort();
    arrived
}

#[tokio::test]
async fn over_a_socket_events_end_and_anything_else_is_broken_off() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        for kind in [Kind::Events, Kind::Other] {
            let expected = Arrived {
                data: "one".to_owned(),
                trailers: None,
                whole: kind == Kind::Events,
            };
            assert_eq!(
                over_a_socket(kind, version).await,
                expected,
                "{kind:?} {version:?}"
            );
        }
    }
    let expected = Arrived {
        data: "one".to_owned(),
        trailers: Some(EXPIRED.to_owned()),
        whole: true,
    };
    assert_eq!(over_a_socket(Kind::Grpc, Version::HTTP_2).await, expected);
}
