//! H, over real HTTP/2 in front of tonic.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::AuthLayer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::body::Body;
use tonic::server::{NamedService, UnaryService};
use tonic::transport::Server;
use tonic_prost::ProstCodec;

use super::Target;

/// `/test.Caller/Name` as a generated service is; counts its calls.
#[derive(Clone)]
struct Caller(Arc<AtomicUsize>);

impl UnaryService<String> for Caller {
    type Response = String;
    type Future = Ready<Result<tonic::Response<String>, tonic::Status>>;

    fn call(&mut self, _: tonic::Request<String>) -> Self::Future {
        self.0.fetch_add(1, Ordering::Relaxed);
        ready(Ok(tonic::Response::new(String::new())))
    }
}

impl NamedService for Caller {
    const NAME: &'static str = "test.Caller";
}

impl tower::Service<http::Request<Body>> for Caller {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (codec, method) = (ProstCodec::<String, String>::default(), self.clone());
        Box::pin(async { Ok(tonic::server::Grpc::new(codec).unary(method, request).await) })
    }
}

struct Served {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Served {
    async fn start() -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Server::builder()
            .layer(AuthLayer::new(Target::shared().verifier.clone()))
            .add_service(Caller(Arc::clone(&calls)))
            .serve_with_incoming(TcpListenerStream::new(listener));
        Self {
            address,
            calls,
            task: tokio::spawn(server).abort_handle(),
        }
    }

    /// The HTTP status and the gRPC one, in the headers or behind the body.
    async fn send(&self, request: http::Request<Full<Bytes>>) -> (u16, Option<u8>) {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let collected = body.collect().await.unwrap();
        let of = |headers: &http::HeaderMap| {
            let status = headers.get("grpc-status")?.to_str().unwrap();
            Some(status.parse().unwrap())
        };
        let grpc = of(&parts.headers).or_else(|| collected.trailers().and_then(of));
        connection.abort();
        (parts.status.as_u16(), grpc)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An empty message, as gRPC frames it.
const EMPTY: &[u8] = b"\0\0\0\0\0";

fn request(
    method: &str,
    path: &str,
    content_type: &str,
    token: Option<&str>,
) -> http::Request<Full<Bytes>> {
    let mut request = http::Request::builder()
        .method(method)
        .uri(format!("http://api.test{path}"))
        .header("te", "trailers");
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    request.body(Full::from(EMPTY)).unwrap()
}

#[tokio::test]
async fn h4_no_path_method_or_content_type_goes_round_the_gate_of_grpc() {
    let server = Served::start().await;
    for path in [
        "/test.Caller/Name",
        "/test.Caller/Name/",
        "//test.Caller/Name",
        "/test.Caller//Name",
        "/./test.Caller/Name",
        "/TEST.Caller/Name",
        "/test.Caller/Other",
        "/test.Caller%2fName",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/",
        "/test.Caller/Name?x=/grpc.health.v1.Health/Check",
    ] {
        for method in ["POST", "GET", "PUT", "OPTIONS", "HEAD", "TRACE", "DELETE"] {
            for (content_type, is_grpc) in [
                ("application/grpc", true),
                ("application/grpc+proto", true),
                ("application/grpc;charset=utf-8", true),
                ("Application/GRPC", true),
                ("application/grpc-web", false),
                ("application/grpcx", false),
                ("application/json", false),
                ("", false),
            ] {
                let answer = server.send(request(method, path, content_type, None)).await;
                let expected = match is_grpc && method == "POST" {
                    true => (200, Some(16)),
                    false => (401, None),
                };
                assert_eq!(answer, expected, "{method} {path} {content_type}");
            }
        }
    }
    assert_eq!(server.calls.load(Ordering::Relaxed), 0);
    // With a token the path is the router's business, and it is exact.
    let good = Target::shared().good();
    for (path, expected) in [("/test.Caller/Name", Some(0)), ("/x.Y/Z", Some(12))] {
        let answer = server
            .send(request("POST", path, "application/grpc", Some(&good)))
            .await;
        assert_eq!(answer, (200, expected), "{path}");
    }
    assert_eq!(server.calls.load(Ordering::Relaxed), 1);
}

/// CVE-2026-33186: such a path was no rule's, and the method's nevertheless. Written by hand, as no
/// client library sends it.
#[tokio::test]
async fn h4_a_path_without_its_slash_is_not_served() {
    let server = Served::start().await;
    let good = Target::shared().good();
    for path in [
        "test.Caller/Name",
        "*",
        "",
        "http://api.test/test.Caller/Name",
    ] {
        for token in [None, Some(&good)] {
            let mut fields = vec![
                (":method", "POST".to_owned()),
                (":scheme", "http".to_owned()),
                (":authority", "api.test".to_owned()),
                (":path", path.to_owned()),
                ("content-type", "application/grpc".to_owned()),
                ("te", "trailers".to_owned()),
            ];
            if let Some(token) = token {
                fields.push(("authorization", format!("Bearer {token}")));
            }
            let answered = exchange(server.address, &fields).await;
            println!(
                "{path:?} with a token: {}, frame {answered}",
                token.is_some()
            );
        }
    }
    let calls = server.calls.load(Ordering::Relaxed);
    assert_eq!(calls, 0, "no method was found by a path like these");
    // The same frames with a good path are a call.
    let fields = [
        (":method", "POST".to_owned()),
        (":scheme", "http".to_owned()),
        (":authority", "api.test".to_owned()),
        (":path", "/test.Caller/Name".to_owned()),
        ("content-type", "application/grpc".to_owned()),
        ("te", "trailers".to_owned()),
        ("authorization", format!("Bearer {good}")),
    ];
    exchange(server.address, &fields).await;
    assert_eq!(server.calls.load(Ordering::Relaxed), 1);
}

/// Sends one request in frames of HTTP/2, and waits for the kind of frame that ends it.
async fn exchange(address: SocketAddr, fields: &[(&str, String)]) -> u8 {
    let mut block = Vec::new();
    for (name, value) in fields {
        // A literal field, never indexed, without Huffman coding (RFC 7541 §6.2.3).
        block.push(0x10);
        for text in [name.as_bytes(), value.as_bytes()] {
            block.extend(hpack_length(text.len()));
            block.extend(text);
        }
    }
    let settings = frame(4, 0, 0, &[]);
    let (headers, data) = (frame(1, 4, 1, &block), frame(0, 1, 1, EMPTY));
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let bytes = [preface, settings, headers, data].concat();
    stream.write_all(&bytes).await.unwrap();
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).await.unwrap();
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut rest = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut rest).await.unwrap();
        // HEADERS, RST_STREAM or GOAWAY.
        if matches!(head[3], 1 | 3 | 7) {
            return head[3];
        }
    }
}

/// An integer of seven bits or more (RFC 7541 §5.1).
fn hpack_length(length: usize) -> Vec<u8> {
    let mut rest = match u8::try_from(length) {
        Ok(short @ ..0x7f) => return vec![short],
        _ => length - 0x7f,
    };
    let mut bytes = vec![0x7f];
    while rest >= 0x80 {
        bytes.push(u8::try_from(rest % 0x80).unwrap() | 0x80);
        rest /= 0x80;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let head = [
        length[1], length[2], length[3], kind, flags, 0, 0, 0, stream,
    ];
    [&head, payload].concat()
}
