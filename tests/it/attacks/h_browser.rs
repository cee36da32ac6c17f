//! H, over real HTTP: what a browser sends along without being asked, and where it cannot set a header.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::header::{CONNECTION, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{Method, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http2;
use hyper::ext::Protocol;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::AuthLayer;
use portcullis::middleware::TokenSource;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tracing::Level;

use super::Target;
use crate::support::Log;

const ORIGIN: &str = "https://app.example.com";

/// A service on a socket that takes a token of a browser, and switches protocols when asked to.
struct Server {
    address: SocketAddr,
    task: AbortHandle,
}

impl Server {
    async fn start(sources: impl IntoIterator<Item = TokenSource>) -> Self {
        let layer = AuthLayer::new(Target::shared().verifier.clone());
        let layer = sources.into_iter().fold(layer, AuthLayer::token_from);
        let handler = |request: Request| std::future::ready(served(&request));
        let app = Router::new().route("/events", any(handler)).layer(layer);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            address,
            task: serving.abort_handle(),
        }
    }

    async fn with_cookies() -> Self {
        Self::start([TokenSource::cookie("__Host-token", &[ORIGIN]).unwrap()]).await
    }

    /// The head of the answer to a request with these lines.
    async fn send(&self, request_line: &str, lines: &[&str]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let lines: Vec<_> = [request_line, "Host: api.test", "Content-Length: 0"]
            .iter()
            .chain(lines)
            .copied()
            .collect();
        let request = format!("{}\r\n\r\n", lines.join("\r\n"));
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(answer).unwrap().to_lowercase()
    }

    /// The status of the answer to an extended CONNECT (RFC 8441), which opens a WebSocket.
    async fn connect(&self, headers: &[(&str, &str)]) -> StatusCode {
        let stream = TokioIo::new(TcpStream::connect(self.address).await.unwrap());
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), stream)
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let request = || http::Request::builder().uri("http://api.test/events");
        // The server's settings, which allow the method, come before any answer.
        let first = request().body(Empty::<Bytes>::new()).unwrap();
        sender.send_request(first).await.unwrap();
        let connect = headers.iter().fold(
            request().method(Method::CONNECT),
            |connect, (name, value)| connect.header(*name, *value),
        );
        let connect = connect.extension(Protocol::from_static("websocket"));
        let connect = connect.body(Empty::new()).unwrap();
        let response = sender.send_request(connect).await.unwrap();
        connection.abort();
        response.status()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Chooses the first protocol there is, as a careless handler does.
fn served(request: &Request) -> Response {
    let mut response = Response::default();
    if let Some(upgrade) = request.headers().get(UPGRADE) {
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(UPGRADE, upgrade.clone());
        headers.insert(CONNECTION, "upgrade".parse().unwrap());
    }
    let offered = request.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let first = offered.and_then(|offered| offered.to_str().unwrap().split(',').next());
    if let Some(first) = first {
        let headers = response.headers_mut();
        headers.insert(SEC_WEBSOCKET_PROTOCOL, first.trim().parse().unwrap());
    }
    response
}

#[tokio::test]
async fn h13_a_cookie_opens_nothing_for_another_site() {
    let server = Server::with_cookies().await;
    let cookie = format!("Cookie: a=1; __Host-token={}", Target::shared().good());
    let upgrade = "Upgrade: websocket\r\nConnection: upgrade";
    for (origin, allowed) in [
        ("Origin: https://app.example.com", true),
        ("Sec-Fetch-Site: same-origin", true),
        (
            "Origin: https://api.test\r\nSec-Fetch-Site: same-origin",
            true,
        ),
        ("X: neither", false),
        ("Origin: null", false),
        ("Origin: null\r\nSec-Fetch-Site: same-origin", false),
        ("Origin: https://evil.example", false),
        ("Origin: https://app.example.com.evil.example", false),
        ("Origin: http://app.example.com", false),
        ("Sec-Fetch-Site: same-site", false),
        ("Sec-Fetch-Site: cross-site", false),
        ("Sec-Fetch-Site: none", false),
        ("Referer: https://app.example.com/", false),
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let line = format!("{method} /events HTTP/1.1");
            let answer = server.send(&line, &[&cookie, origin]).await;
            check_answer(&answer, if allowed { "200" } else { "403" });
        }
        // Opening a WebSocket is a GET, of which scripts of any site may read the answer.
        let answer = server
            .send("GET /events HTTP/1.1", &[&cookie, origin, upgrade])
            .await;
        check_answer(&answer, if allowed { "101" } else { "403" });
        let answer = server
            .send("GET /events HTTP/1.1", &[&cookie, origin])
            .await;
        check_answer(&answer, "200");

        let mut headers = vec![("cookie", cookie.trim_start_matches("Cookie: "))];
        headers.extend(
            origin
                .split("\r\n")
                .filter_map(|line| line.split_once(": ")),
        );
        let headers: Vec<_> = headers
            .into_iter()
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (name.as_str(), *value))
            .collect();
        let expected = if allowed { 200 } else { 403 };
        assert_eq!(server.connect(&headers).await, expected, "{origin}");
    }
}

/// Whoever can set a cookie for the site, on another subdomain say, adds one of the same name.
#[tokio::test]
async fn h13_a_planted_cookie_takes_no_place() {
    let server = Server::with_cookies().await;
    let target = Target::shared();
    let (own, planted) = (target.good(), target.token().subject("mallory").sign());
    for cookies in [
        format!("Cookie: __Host-token={own}; __Host-token={planted}"),
        format!("Cookie: __Host-token={planted}; __Host-token={own}"),
        format!("Cookie: __Host-token={own}\r\nCookie: __Host-token={planted}"),
        format!("Cookie: __Host-token={own}; __Host-token ={planted}"),
    ] {
        let answer = server.send("GET /events HTTP/1.1", &[&cookies]).await;
        check_answer(&answer, "400");
    }
    for cookies in [
        format!("Cookie: __Host-token={own}; __host-token={planted}"),
        format!("Cookie: __Host-token={own}; token={planted}"),
    ] {
        let answer = server.send("GET /events HTTP/1.1", &[&cookies]).await;
        check_answer(&answer, "200");
    }
}

#[tokio::test]
async fn h14_a_token_among_the_protocols_is_not_sent_back() {
    let server = Server::start([TokenSource::web_socket_protocol()]).await;
    let good = Target::shared().good();
    let upgrade = "Upgrade: websocket\r\nConnection: upgrade";
    for (protocols, chosen) in [
        (format!("bearer.{good}, v1"), Some("v1")),
        (format!("v1, bearer.{good}, v2"), Some("v1")),
        (
            format!("v1\r\nSec-WebSocket-Protocol: bearer.{good}"),
            Some("v1"),
        ),
        (format!("bearer.{good}"), None),
    ] {
        let line = format!("Sec-WebSocket-Protocol: {protocols}");
        let answer = server.send("GET /events HTTP/1.1", &[&line, upgrade]).await;
        check_answer(&answer, "101");
        let echoed = answer
            .lines()
            .find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(echoed, chosen, "{answer}");
        assert!(!answer.contains("bearer."), "{answer}");
    }
    for protocols in ["v1", "bearer.a.b.c", "bearer."] {
        let line = format!("Sec-WebSocket-Protocol: {protocols}");
        let answer = server.send("GET /events HTTP/1.1", &[&line, upgrade]).await;
        let expected = if protocols == "bearer." { "400" } else { "401" };
        check_answer(&answer, expected);
    }
}

/// A refusal, too, is not logged with the address it was sent to.
#[tokio::test]
async fn h14_a_token_of_the_query_is_not_logged() {
    let (log, _guard) = Log::start(Level::TRACE);
    let source = TokenSource::dangerously_query("access_token").unwrap();
    let told = log.take();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("WARN portcullis::config"), "{told:?}");

    let server = Server::start([source]).await;
    let target = Target::shared();
    let good = target.good();
    let expired = target.token().expired_for(Duration::from_secs(60)).sign();
    for (token, status) in [(&*good, "200"), (&*expired, "401"), ("a%2Eb", "400")] {
        let line = format!("GET /events?access_token={token} HTTP/1.1");
        check_answer(&server.send(&line, &[]).await, status);
        let both = format!("Authorization: Bearer {good}");
        check_answer(&server.send(&line, &[&both]).await, "400");
    }
    let log: String = log
        .take()
        .into_iter()
        .filter(|entry| entry.contains("portcullis"))
        .collect();
    assert!(log.contains("expired"), "{log}");
    for part in good.split('.').chain(expired.split('.')) {
        assert!(!log.contains(part), "{log}");
    }
}

/// The status, and that no refusal is stored.
#[track_caller]
fn check_answer(answer: &str, status: &str) {
    assert_eq!(answer.split(' ').nth(1), Some(status), "{answer}");
    let stored = !answer.contains("cache-control: no-store");
    let refused = status.starts_with('4');
    assert_eq!(stored, !refused, "{answer}");
}
