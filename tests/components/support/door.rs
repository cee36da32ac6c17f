//! The three ways into a service that the crate guards, asked alike.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::get;
use http::{Request, Response, StatusCode, header};
use portcullis::{Audience, AuthLayer, Issuer as Trusted, VerifiedToken, Verifier};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::{Channel, Endpoint, Server};
use tonic_prost::ProstCodec;
use tower::{Service, ServiceExt};

use super::{FastForward, Issuer};

/// A way in, with a verifier of its own, so that none profits from what another has fetched.
#[derive(Debug)]
pub(crate) enum Door {
    Plain(Verifier),
    Axum(Router),
    Tonic(Channel),
}

/// What a caller learns.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Answer {
    /// Served, as this subject.
    Passed(String),
    /// 400, 401, `UNAUTHENTICATED`: the token's fault.
    Refused,
    /// 503, `UNAVAILABLE`: try again later.
    Unavailable,
}

impl Answer {
    /// Served as the client that asks for tokens of this algorithm.
    pub(crate) fn passed(algorithm: &str) -> Self {
        Self::Passed(format!("svc-{algorithm}"))
    }
}

impl Door {
    pub(crate) async fn all(issuer: &Issuer, clock: &FastForward) -> [Self; 3] {
        let verifier = || verifier(issuer, clock);
        [
            Self::Plain(verifier()),
            Self::axum(verifier()),
            Self::tonic(verifier()).await,
        ]
    }

    pub(crate) fn axum(verifier: Verifier) -> Self {
        let whoami = get(|token: VerifiedToken| ready(subject(&token)));
        Self::Axum(
            Router::new()
                .route("/", whoami)
                .layer(AuthLayer::new(verifier)),
        )
    }

    async fn tonic(verifier: Verifier) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let server = Server::builder()
            .layer(AuthLayer::new(verifier))
            .add_service(Whoami);
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        let endpoint = Endpoint::from_shared(format!("http://{address}")).expect("a URL");
        Self::Tonic(endpoint.connect().await.expect("the server listens"))
    }

    /// Knocks with this bearer token.
    pub(crate) async fn ask(&self, token: &str) -> Answer {
        match self {
            Self::Plain(verifier) => match verifier.verify(token).await {
                Ok(token) => Answer::Passed(subject(&token)),
                Err(error) if error.is_unavailable() => Answer::Unavailable,
                Err(_) => Answer::Refused,
            },
            Self::Axum(_) => answer(self.ask_http(Some(&format!("Bearer {token}"))).await).await,
            Self::Tonic(channel) => ask_tonic(channel.clone(), token).await,
        }
    }

    /// Knocks with this bearer token and fails the test when the answer is another.
    pub(crate) async fn expect(&self, answer: Answer, token: &str, which: &str) {
        assert_eq!(self.ask(token).await, answer, "{self}: token {which}");
    }

    /// Knocks at the axum door with this `Authorization`, or none.
    pub(crate) async fn ask_http(&self, authorization: Option<&str>) -> Response<Body> {
        let Self::Axum(router) = self else {
            panic!("{self} has no headers")
        };
        let mut request = Request::new(Body::empty());
        if let Some(authorization) = authorization {
            let value = authorization.parse().expect("a header value");
            request.headers_mut().insert(header::AUTHORIZATION, value);
        }
        router
            .clone()
            .oneshot(request)
            .await
            .expect("axum does not fail")
    }
}

async fn answer(response: Response<Body>) -> Answer {
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, 64 * 1024).await.expect("a short body");
    match parts.status {
        StatusCode::OK => Answer::Passed(String::from_utf8(body.to_vec()).expect("a subject")),
        StatusCode::SERVICE_UNAVAILABLE => {
            assert!(
                parts.headers.contains_key(header::RETRY_AFTER),
                "503 says when to come back"
            );
            Answer::Unavailable
        }
        StatusCode::BAD_REQUEST | StatusCode::UNAUTHORIZED => {
            assert!(
                parts.headers.contains_key(header::WWW_AUTHENTICATE),
                "a refusal has a challenge"
            );
            Answer::Refused
        }
        other => panic!("no answer of ours: {other}"),
    }
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain(_) => "plain call",
            Self::Axum(_) => "axum",
            Self::Tonic(_) => "tonic",
        })
    }
}

/// What a service writes to trust this issuer, and the clock of the tests.
pub(crate) fn verifier(issuer: &Issuer, clock: &FastForward) -> Verifier {
    let trusted = Trusted::discover(&issuer.issuer, Audience::of(&issuer.audience));
    Verifier::builder()
        .issuer(trusted)
        .clock(clock.clone())
        .build()
        .expect("a sound configuration")
}

fn subject(token: &VerifiedToken) -> String {
    token.subject().unwrap_or_default().to_owned()
}

async fn ask_tonic(channel: Channel, token: &str) -> Answer {
    let mut client = tonic::client::Grpc::new(channel);
    client.ready().await.expect("the server is there");
    let mut request = tonic::Request::new(());
    request.metadata_mut().insert(
        "authorization",
        format!("Bearer {token}").parse().expect("ASCII"),
    );
    let path = http::uri::PathAndQuery::from_static("/components.Whoami/Ask");
    match client
        .unary(request, path, ProstCodec::<(), String>::default())
        .await
    {
        Ok(reply) => Answer::Passed(reply.into_inner()),
        Err(status) => match status.code() {
            tonic::Code::Unauthenticated => Answer::Refused,
            tonic::Code::Unavailable => Answer::Unavailable,
            other => panic!("no answer of ours: {other}: {}", status.message()),
        },
    }
}

/// A tonic service as the generator would write it: one unary method that says who called.
#[derive(Clone, Copy, Debug)]
struct Whoami;

impl tonic::server::NamedService for Whoami {
    const NAME: &'static str = "components.Whoami";
}

impl tonic::server::UnaryService<()> for Whoami {
    type Response = String;
    type Future = Ready<Result<tonic::Response<String>, tonic::Status>>;

    fn call(&mut self, request: tonic::Request<()>) -> Self::Future {
        let token = request.extensions().get::<VerifiedToken>();
        ready(
            token
                .map(|token| tonic::Response::new(subject(token)))
                .ok_or_else(|| tonic::Status::internal("no token")),
        )
    }
}

impl Service<Request<tonic::body::Body>> for Whoami {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        Box::pin(async move {
            Ok(tonic::server::Grpc::new(ProstCodec::default())
                .unary(Self, request)
                .await)
        })
    }
}
