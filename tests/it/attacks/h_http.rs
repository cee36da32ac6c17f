//! H, over real HTTP in front of axum: what clients write that no HTTP library would.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use http::StatusCode;
use http::header::{CONNECTION, UPGRADE};
use portcullis::AuthLayer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

use super::Target;

/// An axum service behind the layer, on a socket.
struct Server {
    address: SocketAddr,
    calls: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Server {
    async fn start(layer: AuthLayer) -> Self {
        let calls = Arc::<AtomicUsize>::default();
        let counter = Arc::clone(&calls);
        let handler = move |request: Request| {
            counter.fetch_add(1, Ordering::Relaxed);
            std::future::ready(served(&request))
        };
        let app = Router::new()
            .route("/me", any(handler.clone()))
            .fallback(handler)
            .layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            calls,
            task: serving.abort_handle(),
        }
    }

    async fn strict() -> Self {
        Self::start(AuthLayer::new(Target::shared().verifier.clone())).await
    }

    /// Sends these bytes, and gives the status of the answer and how often the service was called.
    async fn send(&self, request: impl AsRef<[u8]>) -> (u16, usize) {
        let before = self.calls.load(Ordering::Relaxed);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_ref()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, self.calls.load(Ordering::Relaxed) - before)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Switches protocols when asked to, as a WebSocket handler does.
fn served(request: &Request) -> Response {
    let mut response = Response::new(Body::empty());
    if let Some(protocol) = request.headers().get(UPGRADE) {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        response.headers_mut().insert(UPGRADE, protocol.clone());
        response
            .headers_mut()
            .insert(CONNECTION, "upgrade".parse().unwrap());
    }
    response
}

fn get(headers: &[&[u8]]) -> Vec<u8> {
    let mut request = b"GET /me HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n".to_vec();
    for header in headers {
        request.extend([header, &b"\r\n"[..]].concat());
    }
    [request, b"\r\n".to_vec()].concat()
}

#[tokio::test]
async fn h1_every_way_to_write_the_header() {
    let server = Server::strict().await;
    let good = Target::shared().good();
    let bad = Target::shared().token().with_invalid_signature();
    let header = |before: &[u8], token: &str, after: &[u8]| {
        [b"Authorization: ", before, token.as_bytes(), after].concat()
    };
    for (before, after, expected) in [
        (&b"Bearer "[..], &b""[..], 200),
        (b"bearer ", b"", 200),
        (b"BEARER ", b"", 200),
        (b"bEaReR  ", b"", 200),
        // White space around a value is HTTP's own.
        (b"  Bearer ", b" ", 200),
        (b"\tBearer ", b"\t", 200),
        (b"Bearer\t", b"", 400),
        (b"Bearer \t", b"", 400),
        (b"Bearer", b"", 401),
        (b"Bearer: ", b"", 400),
        (b"Bearer=", b"", 400),
        (b"Bearer \"", b"\"", 400),
        (b"Bearer token=", b"", 400),
        (b"Bearer <", b">", 400),
        (b"Bearer ", b",", 400),
        (b"Bearer ", b";", 400),
        (b"Bearer ", b" x", 400),
        (b"Bearer ", b", Basic Og==", 400),
        (b"Basic Og==, Bearer ", b"", 401),
        (b"Bearer , ", b"", 400),
        (b"Bearer Bearer ", b"", 400),
        (b"", b"", 401),
        (b"Basic ", b"", 401),
        (b"Token ", b"", 401),
        (b"JWT ", b"", 401),
        (b"DPoP ", b"", 401),
        (b"Bearers ", b"", 401),
        (b"B\xc3\xa9arer ", b"", 400),
        (b"Bearer\xc2\xa0", b"", 400),
        (b"Bearer\xa0", b"", 400),
        (b"Bearer \xff", b"", 400),
        (b"Bearer ", b"\xe2\x80\x8b", 400),
        (b"Bearer \xef\xbb\xbf", b"", 400),
    ] {
        let line = header(before, &good, after);
        let (status, calls) = server.send(get(&[&line])).await;
        let shown = String::from_utf8_lossy(before);
        assert_eq!(status, expected, "{shown:?} … {after:?}");
        assert_eq!(calls, usize::from(expected == 200), "{shown:?}");
    }
    // The name has no case, and no line of it hides behind another.
    for (lines, expected) in [
        (
            vec![
                header(b"Bearer ", &good, b""),
                header(b"Bearer ", &bad, b""),
            ],
            400,
        ),
        (
            vec![
                header(b"Bearer ", &bad, b""),
                header(b"Bearer ", &good, b""),
            ],
            400,
        ),
        (
            vec![
                header(b"Bearer ", &good, b""),
                header(b"Bearer ", &good, b""),
            ],
            400,
        ),
        (
            vec![
                header(b"Basic Og==", "", b""),
                header(b"Bearer ", &good, b""),
            ],
            400,
        ),
        (
            vec![
                header(b"Bearer ", &good, b""),
                header(b"Basic Og==", "", b""),
            ],
            400,
        ),
        (
            vec![header(b"", "", b""), header(b"Bearer ", &good, b"")],
            400,
        ),
        (vec![header(b"Bearer ", &bad, b"")], 401),
        (
            vec![format!("AUTHORIZATION: Bearer {good}").into_bytes()],
            200,
        ),
        (
            vec![format!("Authorization:Bearer {good}").into_bytes()],
            200,
        ),
        // Folded, spaced and underscored names are the server's to refuse, or no such header.
        (
            vec![format!("Authorization : Bearer {good}").into_bytes()],
            400,
        ),
        (
            vec![format!("Authorization: Bearer\r\n {good}").into_bytes()],
            400,
        ),
        (
            vec![format!("Authorization_: Bearer {good}").into_bytes()],
            401,
        ),
        (
            vec![format!("X-Authorization: Bearer {good}").into_bytes()],
            401,
        ),
        (
            vec![format!("Authorization: Bearer {good}\0").into_bytes()],
            400,
        ),
    ] {
        let lines: Vec<_> = lines.iter().map(Vec::as_slice).collect();
        let shown = lines.join(&b" | "[..]);
        let shown = String::from_utf8_lossy(&shown);
        let (status, calls) = server.send(get(&lines)).await;
        assert_eq!(status, expected, "{shown}");
        assert_eq!(calls, usize::from(expected == 200), "{shown}");
    }
}

const METHODS: [&str; 12] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY", "PROPFIND",
    "get", "X",
];

const PATHS: [&str; 22] = [
    "/me",
    "/",
    "//me",
    "/me/",
    "/./me",
    "/x/../me",
    "/..;/me",
    "/me;x=y",
    "/%6de",
    "/%2fme",
    "/me%2f",
    "/me%00",
    "/me%",
    "/ME",
    "/health",
    "/metrics",
    "/public/../me",
    "/favicon.ico",
    "/.well-known/x",
    "/me?skip=/health",
    "/me?/health",
    "http://other.test/me",
];

#[tokio::test]
async fn h4_no_path_and_no_method_goes_round_the_gate() {
    let server = Server::strict().await;
    let good = Target::shared().good();
    let lines = METHODS
        .iter()
        .flat_map(|method| PATHS.map(|path| format!("{method} {path}")))
        .chain(["OPTIONS *".to_owned(), "CONNECT api.test:443".to_owned()]);
    let mut asked = 0;
    for line in lines {
        let request = |more: &str| {
            format!("{line} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n{more}\r\n")
        };
        assert_eq!(server.send(request("")).await, (401, 0), "{line}");
        // The gate is what stood there: with a token the same request is served.
        let with_token = request(&format!("Authorization: Bearer {good}\r\n"));
        assert_eq!(server.send(with_token).await, (200, 1), "{line}");
        asked += 1;
    }
    assert_eq!(asked, METHODS.len() * PATHS.len() + 2);
    // What is no request is refused by the server.
    for line in ["GET me", "GET \\me", "GET ", "GET /m e", "CONNECT /me"] {
        let request = format!("{line} HTTP/1.1\r\nHost: api.test\r\nConnection: close\r\n\r\n");
        let (status, calls) = server.send(request).await;
        assert!((400..402).contains(&status), "{line:?}: {status}");
        assert_eq!(calls, 0, "{line:?}");
    }
}

#[tokio::test]
async fn h5_no_header_makes_another_request_of_one_without_a_token() {
    let server = Server::strict().await;
    let good = Target::shared().good();
    let host = "Host: api.test\r\n";
    let socket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for more in [
        "X-HTTP-Method-Override: OPTIONS\r\n",
        "X-HTTP-Method: HEAD\r\n",
        "X-Method-Override: GET\r\n",
        "X-Original-URL: /health\r\n",
        "X-Rewrite-URL: /health\r\n",
        "X-Forwarded-Prefix: /health\r\n",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "Origin: https://app.test\r\nAccess-Control-Request-Method: GET\r\n",
        // Nor is a protocol switched before the token was seen.
        socket,
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
    ] {
        for method in ["GET", "POST", "OPTIONS"] {
            let request = format!("{method} /me HTTP/1.1\r\n{host}{more}");
            let close = if more.contains("Connection") {
                ""
            } else {
                "Connection: close\r\n"
            };
            // A server that keeps the connection is told to close it by the next request.
            let last = format!("GET /me HTTP/1.1\r\n{host}Connection: close\r\n\r\n");
            let request = match close {
                "" => format!("{request}\r\n{last}"),
                close => format!("{request}{close}\r\n"),
            };
            assert_eq!(server.send(request).await, (401, 0), "{method} {more}");
        }
    }
    let request = format!("GET /me HTTP/1.1\r\n{host}{socket}Authorization: Bearer {good}\r\n\r\n");
    assert_eq!(server.send(request).await, (101, 1));
}
