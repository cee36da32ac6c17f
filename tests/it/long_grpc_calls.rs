//! Calls of a real gRPC client that go on when their token has expired.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::PathAndQuery;
use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{Audience, AuthLayer, Issuer, KeySet, Verifier};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::{TcpListenerStream, UnboundedReceiverStream};
use tonic::body::Body;
use tonic::client;
use tonic::server::{Grpc, NamedService, ServerStreamingService, UnaryService};
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Code, Request, Response, Status};
use tonic_prost::ProstCodec;

type Message = Result<String, Status>;

/// More than a token lives.
const LONG: Duration = Duration::from_secs(1_000);

/// `/test.Ticker/Stream` sends what it is given; `/test.Ticker/Slow` answers when its token has expired.
#[derive(Clone)]
struct Ticker {
    clock: VirtualClock,
    messages: Arc<Mutex<Option<UnboundedReceiver<Message>>>>,
}

impl ServerStreamingService<String> for Ticker {
    type Response = String;
    type ResponseStream = UnboundedReceiverStream<Message>;
    type Future = Ready<Result<Response<Self::ResponseStream>, Status>>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        let messages = self.messages.lock().unwrap().take().unwrap();
        ready(Ok(Response::new(UnboundedReceiverStream::new(messages))))
    }
}

impl UnaryService<String> for Ticker {
    type Response = String;
    type Future = Ready<Result<Response<String>, Status>>;

    fn call(&mut self, _: Request<String>) -> Self::Future {
        self.clock.advance(LONG);
        ready(Ok(Response::new("done".to_owned())))
    }
}

impl NamedService for Ticker {
    const NAME: &'static str = "test.Ticker";
}

impl tower::Service<http::Request<Body>> for Ticker {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (mut server, method) = (Grpc::new(codec()), self.clone());
        Box::pin(async move {
            Ok(match request.uri().path() {
                "/test.Ticker/Slow" => server.unary(method, request).await,
                _ => server.server_streaming(method, request).await,
            })
        })
    }
}

fn codec() -> ProstCodec<String, String> {
    ProstCodec::default()
}

/// A server of one call, its clock and what it sends, and a client with a token.
struct Scene {
    clock: VirtualClock,
    messages: UnboundedSender<Message>,
    client: client::Grpc<Channel>,
    token: String,
}

impl Scene {
    async fn start() -> Self {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
        let trusted = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
        let builder = Verifier::builder().issuer(trusted).clock(clock.clone());
        let layer = AuthLayer::new(builder.build().unwrap()).end_at_expiry();
        let (messages, received) = unbounded_channel();
        let ticker = Ticker {
            clock: clock.clone(),
            messages: Arc::new(Mutex::new(Some(received))),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = Server::builder().layer(layer).add_service(ticker);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let channel = Endpoint::from_shared(address).unwrap().connect().await;
        let mut client = client::Grpc::new(channel.unwrap());
        client.ready().await.unwrap();
        Self {
            clock,
            messages,
            client,
            token: format!("Bearer {}", issuer.token().sign()),
        }
    }

    fn request(&self) -> Request<String> {
        let mut request = Request::new(String::new());
        let token = self.token.parse().unwrap();
        request.metadata_mut().insert("authorization", token);
        request
    }
}

#[tokio::test]
async fn a_stream_ends_with_a_status_that_says_to_get_a_new_token() {
    let mut scene = Scene::start().await;
    let path = PathAndQuery::from_static("/test.Ticker/Stream");
    scene.messages.send(Ok("one".to_owned())).unwrap();
    let request = scene.request();
    let answer = scene.client.server_streaming(request, path, codec()).await;
    let mut stream = answer.unwrap().into_inner();
    assert_eq!(stream.message().await.unwrap().as_deref(), Some("one"));

    scene.clock.advance(LONG);
    scene.messages.send(Ok("two".to_owned())).unwrap();
    let status = stream.message().await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated);
    let challenge = status.metadata().get("www-authenticate").unwrap();
    assert_eq!(challenge, r#"Bearer realm="api", error="invalid_token""#);
    scene.messages.closed().await;
}

#[tokio::test]
async fn a_unary_call_that_took_long_is_answered() {
    let mut scene = Scene::start().await;
    let path = PathAndQuery::from_static("/test.Ticker/Slow");
    let request = scene.request();
    let answer = scene.client.unary(request, path.clone(), codec()).await;
    assert_eq!(answer.unwrap().into_inner(), "done");
    // The next one is not.
    scene.client.ready().await.unwrap();
    let request = scene.request();
    let answer: Result<Response<String>, _> = scene.client.unary(request, path, codec()).await;
    assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);
}
