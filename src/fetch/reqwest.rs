//! The HTTP client behind [`Fetch`] when the configuration brings none.
//!
//! Everything that reqwest does of its own accord and that a fetch of keys must not do is switched
//! off by name here. Cargo unifies features: what another crate in the tree enables, such as gzip,
//! would be on by default otherwise.

use std::collections::HashMap;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{ACCEPT, CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
pub(crate) use reqwest::ClientBuilder;
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use super::{Fetch, FetchFuture, FetchRequest, FetchResponse, FetchUrl, Freshness};
use crate::error::{FetchError, FetchErrorKind};
use crate::text::Escaped;

/// Fetches over HTTP with the system's certificates and, off loopback, the system's proxy.
///
/// TLS is rustls. It uses the crypto provider that the process has installed, else aws-lc-rs by
/// name: with several providers in the tree rustls's own choice of one would panic, and is not
/// made. Certificates are the platform's (Security framework, CryptoAPI, or on other systems the
/// usual files, `SSL_CERT_FILE` and `SSL_CERT_DIR`).
pub(crate) struct ReqwestFetch {
    clients: Mutex<HashMap<Route, Client>>,
    configure: Configure,
}

/// What the configuration adds to a client: certificates, a proxy, headers.
pub(crate) type Configure = Arc<dyn Fn(ClientBuilder) -> ClientBuilder + Send + Sync>;

impl ReqwestFetch {
    /// Builds the clients that the configured URLs need, so that a machine which cannot reach them
    /// says so before the service starts. Touches no network.
    ///
    /// Metadata may lead to a URL of another kind (a loopback issuer's to a public host); the
    /// client for that one is built when it is met.
    pub(crate) fn new<'a>(
        configured: impl IntoIterator<Item = &'a FetchUrl>,
        configure: Configure,
    ) -> Result<Self, ClientError> {
        let fetch = Self {
            clients: Mutex::default(),
            configure,
        };
        for url in configured {
            fetch.client(Route::of(url))?;
        }
        Ok(fetch)
    }

    fn client(&self, route: Route) -> Result<Client, ClientError> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&route) {
            return Ok(client.clone());
        }
        let client = route.client(&self.configure)?;
        clients.insert(route, client.clone());
        Ok(client)
    }

    async fn get(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let client = self
            .client(Route::of(&request.url))
            .map_err(|error| FetchError::with_source(FetchErrorKind::Connection, error))?;

        let mut get = client.get(request.url.to_url());
        if let Some(etag) = request.if_none_match() {
            get = get.header(IF_NONE_MATCH, etag);
        }
        if request.no_cache() {
            get = get.header(CACHE_CONTROL, "no-cache");
        }
        let response = get.send().await.map_err(failure)?;

        let freshness = Freshness::from_headers(response.headers());
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if request.if_none_match().is_some() => {
                return Ok(FetchResponse::not_modified().with_freshness(freshness));
            }
            status => return Err(FetchError::new(FetchErrorKind::Status(status.as_u16()))),
        }
        // Deliberately no look at Content-Type: issuers send JWK Sets as text/plain and worse, and
        // whether the body is one is for its parser to say.
        let etag = etag(response.headers());
        let body = read(response, request.max_bytes()).await?;
        let document = FetchResponse::document(body).with_freshness(freshness);
        Ok(match etag {
            Some(etag) => document.with_etag(&etag),
            None => document,
        })
    }
}

impl fmt::Debug for ReqwestFetch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A client's own Debug shows its proxies, and those may have a password.
        f.debug_struct("ReqwestFetch").finish_non_exhaustive()
    }
}

impl Fetch for ReqwestFetch {
    fn fetch(&self, request: FetchRequest) -> FetchFuture<'_> {
        Box::pin(self.get(request))
    }
}

/// No HTTP client could be built. The text names the remedy.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "no HTTP client could be built ({0}): install the system's CA certificates (often the package \
     `ca-certificates`), point SSL_CERT_FILE at a PEM bundle, or configure a `Fetch` of your own"
)]
pub(crate) struct ClientError(String);

/// The kinds of way to a host. Each needs a client of its own, as proxies and certificates are
/// properties of a client.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct Route {
    https: bool,
    loopback: bool,
}

impl Route {
    fn of(url: &FetchUrl) -> Self {
        Self {
            https: url.is_https(),
            loopback: url.is_loopback(),
        }
    }

    fn client(self, configure: &Configure) -> Result<Client, ClientError> {
        let accept = HeaderValue::from_static("application/jwk-set+json, application/json");
        let client = Client::builder()
            .user_agent(concat!("portcullis/", env!("CARGO_PKG_VERSION")))
            .default_headers(HeaderMap::from_iter([(ACCEPT, accept)]))
            .http1_only()
            .connect_timeout(CONNECT_TIMEOUT)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(IDLE_TIMEOUT);
        // What follows is not for the configuration to change.
        let mut client = configure(client)
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_gzip()
            .no_brotli()
            .no_deflate()
            .no_zstd()
            .no_hickory_dns()
            .tls_backend_rustls()
            .https_only(self.https);
        if self.loopback {
            // A proxy's loopback is another machine's, and so may a resolver's `localhost` be.
            let localhost = [
                SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
                SocketAddr::from((Ipv6Addr::LOCALHOST, 0)),
            ];
            client = client.no_proxy().resolve_to_addrs("localhost", &localhost);
        }
        if !self.https {
            // Plain http works on a machine without certificates too, so none are loaded.
            client = client.tls_certs_only([]);
        }
        client
            .build()
            .map_err(|error| ClientError(chain(&error.without_url())))
    }
}

/// Reads the body, and stops as soon as it is known to be over the limit.
async fn read(mut response: Response, max_bytes: usize) -> Result<Vec<u8>, FetchError> {
    let too_large = || FetchError::new(FetchErrorKind::TooLarge);
    let announced = match response.content_length() {
        Some(bytes) => usize::try_from(bytes).map_err(|_| too_large())?,
        None => 0,
    };
    if announced > max_bytes {
        return Err(too_large());
    }
    let mut body = Vec::with_capacity(announced);
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if chunk.len() > max_bytes.saturating_sub(body.len()) {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

fn etag(headers: &HeaderMap) -> Option<String> {
    headers.get(ETAG)?.to_str().ok().map(str::to_owned)
}

/// Keeps of reqwest's error what an operator needs: the causes as text, without the URL.
fn failure(error: reqwest::Error) -> FetchError {
    let kind = if error.is_timeout() {
        FetchErrorKind::Deadline
    } else {
        FetchErrorKind::Connection
    };
    FetchError::with_source(kind, chain(&error.without_url()))
}

/// The error and its causes on one line. Causes may quote the other side (a certificate's names,
/// say), so each is escaped and cut, and there are at most so many.
fn chain(error: &dyn Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    for _ in 0..MAX_CAUSES {
        let Some(error) = next else { break };
        if !text.is_empty() {
            text.push_str(": ");
        }
        // Writing to a String does not fail.
        let _ = write!(text, "{}", Escaped(&error.to_string()));
        next = error.source();
    }
    text
}

/// Leaves 2 of the flight's 5 seconds for the answer. Without it a host that drops packets would
/// show as a bare deadline, with no word about what was waited for.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// Long enough for metadata and keys on one connection, too short to meet a connection that a
/// server, a load balancer or a change of DNS has long made useless.
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// reqwest, hyper-util, the connector, TLS and the operating system make five.
const MAX_CAUSES: usize = 8;

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::io;
    use std::process::Command;

    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::AbortHandle;
    use tokio::time::{sleep, timeout};

    use super::*;
    use crate::fetch::{Content, ETag, PlainHttp};

    /// A server on loopback that says the same to everyone, byte for byte, and keeps what it heard.
    struct Server {
        origin: String,
        heads: Arc<Mutex<Vec<String>>>,
        task: AbortHandle,
    }

    /// What a server does after it has read a request and written its answer.
    #[derive(Clone, Copy)]
    enum Then {
        Close,
        Hold,
        Repeat(&'static str, Duration),
    }

    impl Server {
        async fn start(answer: impl Into<Vec<u8>>, then: Then) -> Self {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let origin = format!("http://{}", listener.local_addr().unwrap());
            let heads = Arc::new(Mutex::new(Vec::new()));
            let (answer, heard) = (answer.into(), Arc::clone(&heads));
            let task = tokio::spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (answer, heard) = (answer.clone(), Arc::clone(&heard));
                    tokio::spawn(async move {
                        while let Ok(head) = read_head(&mut stream).await {
                            heard.lock().unwrap().push(head);
                            if say(&mut stream, &answer, then).await.is_err() {
                                return;
                            }
                        }
                    });
                }
            });
            Self {
                origin,
                heads,
                task: task.abort_handle(),
            }
        }

        async fn closing(answer: impl Into<Vec<u8>>) -> Self {
            Self::start(answer, Then::Close).await
        }

        fn request(&self) -> FetchRequest {
            request(&format!("{}/keys?p=hunter2", self.origin))
        }

        fn heads(&self) -> Vec<String> {
            self.heads.lock().unwrap().clone()
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.task.abort();
        }
    }

    async fn read_head(stream: &mut TcpStream) -> io::Result<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await?);
        }
        Ok(String::from_utf8(head).unwrap())
    }

    async fn say(stream: &mut TcpStream, answer: &[u8], then: Then) -> io::Result<()> {
        stream.write_all(answer).await?;
        match then {
            Then::Close => stream.shutdown().await,
            Then::Hold => Ok(()),
            Then::Repeat(piece, pause) => loop {
                stream.write_all(piece.as_bytes()).await?;
                sleep(pause).await;
            },
        }
    }

    const LIMIT: usize = 1000;

    fn unchanged() -> Configure {
        Arc::new(|client| client)
    }

    fn url(text: &str) -> FetchUrl {
        FetchUrl::parse(text, PlainHttp::Loopback).unwrap()
    }

    fn request(text: &str) -> FetchRequest {
        FetchRequest::new(url(text), LIMIT)
    }

    fn door() -> ReqwestFetch {
        ReqwestFetch::new([&url("http://127.0.0.1/")], unchanged()).unwrap()
    }

    /// Fetches with a door of its own. The guard is no part of any behaviour: it ends a hung test.
    async fn fetch(request: FetchRequest) -> Result<FetchResponse, FetchError> {
        timeout(Duration::from_secs(10), door().fetch(request))
            .await
            .expect("an answer before the guard")
    }

    fn with_body(head: &str, body: &str) -> String {
        format!(
            "HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    #[track_caller]
    fn assert_fails(result: Result<FetchResponse, FetchError>, kind: FetchErrorKind, row: &str) {
        let error = result.expect_err(row);
        assert_eq!(error.kind(), kind, "{row}: {error:?}");
        let shown = format!(
            "{error:?} {error} {:?}",
            error.source().map(ToString::to_string)
        );
        assert!(
            !shown.contains("hunter2") && !shown.contains("/keys"),
            "{shown}"
        );
    }

    #[tokio::test]
    async fn a_document_comes_with_its_etag_and_freshness() {
        let headers = "200 OK\r\nETag: W/\"1\"\r\nCache-Control: max-age=60\r\nAge: 10\r\nContent-Type: image/png";
        let server = Server::closing(with_body(headers, "{}")).await;
        let response = fetch(server.request()).await.unwrap();
        assert_eq!(response.body(), Some(&b"{}"[..]));
        assert_eq!(response.freshness.max_age(), Some(Duration::from_secs(50)));
        let Content::Document { etag, .. } = response.content else {
            panic!("a document")
        };
        assert_eq!(etag, ETag::parse("W/\"1\""));
    }

    /// Name and value of each header, and the request line.
    fn lines(head: &str) -> Vec<String> {
        let mut lines: Vec<_> = head.trim_end().lines().map(str::to_owned).collect();
        lines.sort_unstable();
        lines
    }

    #[tokio::test]
    async fn a_request_has_what_it_must_have_and_nothing_else() {
        let server = Server::closing(with_body("200 OK\r\nSet-Cookie: a=b", "{}")).await;
        let host = server.origin.strip_prefix("http://").unwrap().to_owned();
        let always = |more: &[&str]| {
            let mut lines = vec![
                "GET /keys?p=hunter2 HTTP/1.1".to_owned(),
                "accept: application/jwk-set+json, application/json".to_owned(),
                format!("host: {host}"),
                format!("user-agent: portcullis/{}", env!("CARGO_PKG_VERSION")),
            ];
            lines.extend(more.iter().map(|line| (*line).to_owned()));
            lines.sort_unstable();
            lines
        };
        let door = door();
        let conditional = server.request().with_if_none_match(ETag::parse("\"1\""));
        door.fetch(server.request()).await.unwrap();
        door.fetch(conditional.clone()).await.unwrap();
        door.fetch(conditional.with_no_cache()).await.unwrap();
        let heads = server.heads();
        assert_eq!(lines(&heads[0]), always(&[]));
        assert_eq!(lines(&heads[1]), always(&["if-none-match: \"1\""]));
        assert_eq!(
            lines(&heads[2]),
            always(&["cache-control: no-cache", "if-none-match: \"1\""])
        );
    }

    #[tokio::test]
    async fn not_modified_counts_only_when_asked_for() {
        let server =
            Server::closing("HTTP/1.1 304 Not Modified\r\nCache-Control: max-age=60\r\n\r\n").await;
        let response = fetch(server.request().with_if_none_match(ETag::parse("\"1\"")))
            .await
            .unwrap();
        assert_eq!(response.body(), None);
        assert_eq!(response.freshness.max_age(), Some(Duration::from_secs(60)));
        assert_fails(
            fetch(server.request()).await,
            FetchErrorKind::Status(304),
            "304 without If-None-Match",
        );
    }

    #[tokio::test]
    async fn every_other_status_is_a_failure() {
        for status in [
            101, 201, 202, 203, 204, 206, 226, 300, 400, 401, 403, 404, 410, 429, 500, 502, 503,
            504, 999,
        ] {
            let server = Server::closing(with_body(
                &format!("{status} Whatever\r\nRetry-After: 1"),
                "{}",
            ))
            .await;
            let asked = server.request().with_if_none_match(ETag::parse("\"1\""));
            assert_fails(
                fetch(asked).await,
                FetchErrorKind::Status(status),
                &status.to_string(),
            );
            assert_eq!(server.heads().len(), 1, "{status} was retried");
        }
    }

    #[tokio::test]
    async fn redirects_are_not_followed() {
        let target = Server::closing(with_body("200 OK", "{}")).await;
        for status in [301, 302, 303, 307, 308] {
            let location = format!("{status} Elsewhere\r\nLocation: {}/keys", target.origin);
            let server = Server::closing(with_body(&location, "{}")).await;
            assert_fails(
                fetch(server.request()).await,
                FetchErrorKind::Status(status),
                &status.to_string(),
            );
        }
        assert_eq!(target.heads(), Vec::<String>::new());
    }

    #[tokio::test]
    async fn the_body_is_bounded_whatever_frames_it() {
        for (bytes, expected) in [
            (0, Ok(())),
            (LIMIT, Ok(())),
            (LIMIT + 1, Err(FetchErrorKind::TooLarge)),
        ] {
            let body = "b".repeat(bytes);
            let (first, second) = body.split_at(bytes / 2);
            let chunk = |part: &str| {
                if part.is_empty() {
                    String::new()
                } else {
                    format!("{:x}\r\n{part}\r\n", part.len())
                }
            };
            for answer in [
                with_body("200 OK", &body),
                format!(
                    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{}{}0\r\n\r\n",
                    chunk(first),
                    chunk(second)
                ),
                format!("HTTP/1.1 200 OK\r\n\r\n{body}"),
                format!("HTTP/1.0 200 OK\r\n\r\n{body}"),
            ] {
                let server = Server::closing(answer).await;
                let response = fetch(server.request()).await;
                let outcome = response
                    .as_ref()
                    .map(|response| assert_eq!(response.body(), Some(body.as_bytes())));
                assert_eq!(outcome.map_err(FetchError::kind), expected, "{bytes} bytes");
            }
        }
    }

    #[tokio::test]
    async fn a_length_over_the_limit_is_refused_before_the_body() {
        for length in [LIMIT + 1, 1 << 40] {
            let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let server = Server::start(answer, Then::Hold).await;
            assert_fails(
                fetch(server.request()).await,
                FetchErrorKind::TooLarge,
                &length.to_string(),
            );
        }
    }

    #[tokio::test]
    async fn an_endless_body_is_left_at_the_limit() {
        for head in [
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            let server =
                Server::start(head, Then::Repeat("8\r\nbbbbbbbb\r\n", Duration::ZERO)).await;
            assert_fails(
                fetch(server.request()).await,
                FetchErrorKind::TooLarge,
                head,
            );
        }
    }

    #[tokio::test]
    async fn a_slow_answer_ends_at_the_callers_deadline() {
        let drip = |piece| Then::Repeat(piece, Duration::from_millis(5));
        let rows = [
            ("", Then::Hold),
            ("HTTP/1.1 200 OK\r\n", drip("a: b\r\n")),
            ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", drip("b")),
            (
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                drip("1\r\nb\r\n"),
            ),
            ("", drip("HTTP/1.1 100 Continue\r\n\r\n")),
        ];
        for (head, then) in rows {
            let server = Server::start(head, then).await;
            let door = door();
            let result = timeout(Duration::from_millis(100), door.fetch(server.request())).await;
            assert!(result.is_err(), "{head:?}: {result:?}");
        }
    }

    #[tokio::test]
    async fn compression_is_neither_asked_for_nor_undone() {
        let server =
            Server::closing(with_body("200 OK\r\nContent-Encoding: gzip", "not gzip")).await;
        assert_eq!(
            fetch(server.request()).await.unwrap().body(),
            Some(&b"not gzip"[..])
        );
    }

    #[tokio::test]
    async fn what_is_not_http_is_a_connection_failure() {
        let many = format!("HTTP/1.1 200 OK\r\n{}\r\n{{}}", "a: b\r\n".repeat(101));
        let long = format!("HTTP/1.1 200 OK\r\na: {}\r\n\r\n{{}}", "b".repeat(1 << 20));
        let rows = [
            ("nothing", ""),
            ("garbage", "\0\u{1}\u{1b}[31mhunter2\r\n\r\n"),
            ("old", "HTTP/0.9 200 OK\r\n\r\n"),
            ("half a head", "HTTP/1.1 200 OK\r\nContent-Le"),
            (
                "half a body",
                "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345",
            ),
            (
                "half a chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",
            ),
            (
                "no last chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n12345\r\n",
            ),
            (
                "bad chunk",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n12345\r\n0\r\n\r\n",
            ),
            (
                "two lengths",
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n12",
            ),
            (
                "bad length",
                "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n12",
            ),
            (
                "length over 64 bits",
                "HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551616\r\n\r\n12",
            ),
            ("101 headers", &many),
            ("a header of 1 MiB", &long),
        ];
        for (row, answer) in rows {
            let server = Server::closing(answer).await;
            assert_fails(
                fetch(server.request()).await,
                FetchErrorKind::Connection,
                row,
            );
        }
    }

    #[tokio::test]
    async fn a_refused_or_reset_connection_is_a_connection_failure() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let resetting = tokio::spawn(async move {
            // Closing with unread bytes makes the kernel send a reset.
            let (stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
        });
        let to_keys = format!("{origin}/keys");
        assert_fails(
            fetch(request(&to_keys)).await,
            FetchErrorKind::Connection,
            "reset",
        );
        resetting.await.unwrap();
        assert_fails(
            fetch(request(&to_keys)).await,
            FetchErrorKind::Connection,
            "refused",
        );
    }

    #[tokio::test]
    async fn https_is_not_spoken_in_the_clear() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let host = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let answer = with_body("200 OK", "{}");
            say(&mut stream, answer.as_bytes(), Then::Close)
                .await
                .unwrap();
        });
        let to_keys = format!("https://{host}/keys");
        assert_fails(
            fetch(request(&to_keys)).await,
            FetchErrorKind::Connection,
            "plain server",
        );

        let route = Route {
            https: true,
            loopback: true,
        };
        let plain = route
            .client(&unchanged())
            .unwrap()
            .get(format!("http://{host}/"))
            .send()
            .await;
        assert!(plain.is_err_and(|error| error.is_builder()));
    }

    #[tokio::test]
    async fn localhost_is_this_machine() {
        let server = Server::closing(with_body("200 OK", "{}")).await;
        let named = server.origin.replace("127.0.0.1", "localhost");
        assert!(fetch(request(&named)).await.is_ok());
    }

    #[test]
    fn a_door_outlives_the_runtime_that_used_it_first() {
        let door = door();
        for _ in 0..2 {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let server = Server::start(with_body("200 OK", "{}"), Then::Hold).await;
                for _ in 0..2 {
                    door.fetch(server.request()).await.unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn a_dropped_fetch_leaves_the_door_usable() {
        let silent = Server::start("", Then::Hold).await;
        let server = Server::closing(with_body("200 OK", "{}")).await;
        let door = door();
        tokio::select! {
            biased;
            _ = door.fetch(silent.request()) => panic!("nobody answers"),
            () = async { while silent.heads().is_empty() { sleep(Duration::from_millis(1)).await } } => {}
            () = pending() => {}
        }
        assert!(door.fetch(server.request()).await.is_ok());
    }

    /// Runs one test of this module in a process of its own, under another environment.
    fn run_with_environment(test: &str, environment: &[(&str, &str)]) {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                &format!("fetch::reqwest::tests::{test}"),
                "--include-ignored",
            ])
            .envs(environment.iter().copied())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
    }

    #[test]
    fn loopback_is_reached_past_every_proxy() {
        let mut environment = [
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "http_proxy",
            "https_proxy",
            "all_proxy",
        ]
        .map(|name| (name, "http://127.0.0.1:1"))
        .to_vec();
        environment.extend([("NO_PROXY", ""), ("no_proxy", "")]);
        run_with_environment("localhost_is_this_machine", &environment);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_machine_without_certificates_still_does_plain_http() {
        run_with_environment(
            "on_a_machine_without_certificates",
            &[
                ("SSL_CERT_FILE", "/nonexistent"),
                ("SSL_CERT_DIR", "/nonexistent"),
            ],
        );
    }

    #[tokio::test]
    #[ignore = "run by the test above, without certificates"]
    async fn on_a_machine_without_certificates() {
        for needs_them in ["https://id.example/", "https://localhost/"] {
            let error = ReqwestFetch::new([&url(needs_them)], unchanged())
                .unwrap_err()
                .to_string();
            assert!(
                error.contains("No CA certificates") && error.contains("ca-certificates"),
                "{error}"
            );
        }
        let server = Server::closing(with_body("200 OK", "{}")).await;
        assert!(fetch(server.request()).await.is_ok());
        // Metadata on loopback may lead to https; that is then a failed fetch, and no panic.
        assert_fails(
            fetch(request("https://id.example/keys")).await,
            FetchErrorKind::Connection,
            "https",
        );
    }

    #[derive(Debug)]
    struct Cause(String, Option<Box<Self>>);

    impl fmt::Display for Cause {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(&self.0)
        }
    }

    impl Error for Cause {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            self.1
                .as_deref()
                .map(|cause| -> &(dyn Error + 'static) { cause })
        }
    }

    #[test]
    fn causes_are_joined_escaped_and_bounded() {
        let inner = Cause("b\r\n\u{1b}[31m".to_owned(), None);
        assert_eq!(
            chain(&Cause("a".to_owned(), Some(Box::new(inner)))),
            r"a: b\u{d}\u{a}\u{1b}[31m"
        );
        let mut deep = Cause("x".repeat(1 << 20), None);
        for _ in 0..100 {
            deep = Cause("\u{202e}".repeat(1 << 10), Some(Box::new(deep)));
        }
        assert!(chain(&deep).len() < 8 * 64 * 10);
    }
}
