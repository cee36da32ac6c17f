//! A server on loopback that says what it is told, byte for byte.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

/// Says the same to everyone, until it is told to say something else, and keeps what it heard.
pub(crate) struct RawServer {
    port: u16,
    scheme: &'static str,
    told: Arc<Told>,
    task: AbortHandle,
}

#[derive(Default)]
struct Told {
    answer: Mutex<Answer>,
    heads: Mutex<Vec<String>>,
    sent: AtomicU64,
}

/// An answer: these bytes, then the last part again and again.
#[derive(Clone, Default)]
struct Answer {
    head: Vec<u8>,
    part: Vec<u8>,
    times: usize,
}

impl RawServer {
    pub(crate) async fn start(answer: impl Into<Vec<u8>>) -> Self {
        Self::listen(answer.into(), None).await
    }

    pub(crate) async fn start_tls(answer: impl Into<Vec<u8>>, acceptor: TlsAcceptor) -> Self {
        Self::listen(answer.into(), Some(acceptor)).await
    }

    async fn listen(answer: Vec<u8>, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let scheme = acceptor.as_ref().map_or("http", |_| "https");
        let told = Arc::<Told>::default();
        let task = tokio::spawn({
            let told = Arc::clone(&told);
            async move {
                while let Ok((stream, _)) = listener.accept().await {
                    let (told, acceptor) = (Arc::clone(&told), acceptor.clone());
                    tokio::spawn(async move {
                        // Whoever goes away, or does not like the certificate, hears no more.
                        match acceptor {
                            None => drop(converse(stream, &told).await),
                            Some(acceptor) => {
                                if let Ok(stream) = acceptor.accept(stream).await {
                                    drop(converse(stream, &told).await);
                                }
                            }
                        }
                    });
                }
            }
        });
        let server = Self {
            port,
            scheme,
            told,
            task: task.abort_handle(),
        };
        server.say(answer);
        server
    }

    pub(crate) fn say(&self, answer: impl Into<Vec<u8>>) {
        self.say_and_repeat(answer, Vec::new(), 0);
    }

    /// Says `answer`, then `part` so many times.
    pub(crate) fn say_and_repeat(&self, answer: impl Into<Vec<u8>>, part: Vec<u8>, times: usize) {
        *self.told.answer.lock().unwrap() = Answer {
            head: answer.into(),
            part,
            times,
        };
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://127.0.0.1:{}/keys", self.scheme, self.port)
    }

    /// The head of each request so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.told.heads.lock().unwrap().clone()
    }

    /// How many bytes of answers have left.
    pub(crate) fn sent(&self) -> u64 {
        self.told.sent.load(Ordering::Relaxed)
    }
}

impl Drop for RawServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    told: &Told,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    told.heads.lock().unwrap().push(head);
    let answer = told.answer.lock().unwrap().clone();
    let parts = std::iter::repeat_n(&answer.part, answer.times);
    for part in std::iter::once(&answer.head).chain(parts) {
        stream.write_all(part).await?;
        told.sent
            .fetch_add(u64::try_from(part.len()).unwrap(), Ordering::Relaxed);
    }
    stream.shutdown().await
}

/// A whole answer: status line with headers, and a body of known length.
pub(crate) fn with_body(head: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// A 200 with this body.
pub(crate) fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    with_body("200 OK", body)
}
