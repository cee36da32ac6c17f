//! A service on a loopback port behind one of the layers: `server WHAT ISSUER [THREADS]`. Prints the port;
//! ends when its standard input closes.
//!
//! HTTP is axum, HTTP/1.1 and HTTP/2 with prior knowledge, and answers `ok` to `GET /`. gRPC is the Greeter
//! of examples/grpc.

use std::hint::black_box;
use std::io::{copy, sink, stdin};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::{Instant, SystemTime};
use std::{process, thread};

use axum::Router;
use axum::routing::get;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use portcullis_peers::{
    Error, huskarl_axum, jwt_authorizer, oauth_resource_server, portcullis_layer,
    tower_oauth2_resource_server,
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, empty};
use tonic::transport::Server;
use tonic::{Request, Response, Status};
use tower::util::MapRequestLayer;

#[allow(
    clippy::all,
    clippy::restriction,
    dead_code,
    unused_qualifications,
    reason = "generated; the client is not used"
)]
#[path = "../../../../examples/grpc/greeter.rs"]
mod greeter;

use greeter::greeter_server::{Greeter, GreeterServer};
use greeter::{HelloReply, HelloRequest};

fn main() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let (Some(what), Some(issuer)) = (arguments.next(), arguments.next()) else {
        return Err("server WHAT ISSUER [THREADS]".into());
    };
    let threads = arguments.next().as_deref().unwrap_or("1").parse()?;
    thread::spawn(|| {
        let _ = copy(&mut stdin(), &mut sink());
        process::exit(0);
    });
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?
        // Connections are tasks of the workers; the main thread accepts them.
        .block_on(serve(&what, &issuer))
}

async fn serve(what: &str, issuer: &str) -> Result<(), Error> {
    let app = Router::new().route("/", get(async || "ok"));
    let app = match what {
        "bare" => app,
        // What axum asks for any layer: a box around the route, and one around each future.
        "nothing" => app.layer(MapRequestLayer::new(|request: axum::extract::Request| {
            request
        })),
        "sketch" => {
            let sketch = Arc::new(Sketch::default());
            app.layer(MapRequestLayer::new(move |request| sketch.mark(request)))
        }
        "portcullis" => app.layer(portcullis_layer(issuer, true).await?),
        "portcullis-uncached" => app.layer(portcullis_layer(issuer, false).await?),
        "tower-oauth2-resource-server" => app.layer(tower_oauth2_resource_server(issuer).await?),
        "jwt-authorizer" => app.layer(jwt_authorizer(issuer).await?),
        "oauth-resource-server" => app.layer(oauth_resource_server(issuer).await?),
        "huskarl-axum" => app.layer(huskarl_axum(issuer).await?),
        "grpc-bare" => {
            let server = Server::builder().add_service(GreeterServer::new(Hello));
            return Ok(server.serve_with_incoming(listen().await?).await?);
        }
        "grpc-portcullis" | "grpc-portcullis-uncached" => {
            let layer = portcullis_layer(issuer, what == "grpc-portcullis").await?;
            let server = Server::builder()
                .layer(layer)
                .add_service(GreeterServer::new(Hello));
            return Ok(server.serve_with_incoming(listen().await?).await?);
        }
        _ => return Err(format!("no server is called {what}").into()),
    };
    axum::serve(listener().await?, app).await?;
    Ok(())
}

/// The least that a cache of tokens does: finds the header and the token's place, compares all of it, reads the
/// two clocks, and puts what it found into the request. It knows the first token that comes, whatever it is, and
/// guards nothing.
#[derive(Default)]
struct Sketch(OnceLock<Vec<Option<Arc<Remembered>>>>);

struct Remembered {
    token: Box<[u8]>,
    from: SystemTime,
}

impl Sketch {
    const PLACES: usize = 4_096;

    fn mark(&self, mut request: axum::extract::Request) -> axum::extract::Request {
        if let Some(found) = self.find(request.headers()) {
            request.extensions_mut().insert(found);
        }
        request
    }

    fn find(&self, headers: &HeaderMap) -> Option<Arc<Remembered>> {
        let token = headers
            .get(AUTHORIZATION)?
            .as_bytes()
            .strip_prefix(b"Bearer ")?;
        let place = usize::from_le_bytes(*token.last_chunk()?) % Self::PLACES;
        let (wall, _) = (SystemTime::now(), black_box(Instant::now()));
        let places = self.0.get_or_init(|| {
            let mut places = vec![None; Self::PLACES];
            let token = token.into();
            places[place] = Some(Arc::new(Remembered { token, from: wall }));
            places
        });
        let found = places.get(place)?.as_ref()?;
        (*found.token == *token && found.from <= wall).then(|| Arc::clone(found))
    }
}

async fn listener() -> Result<TcpListener, Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    Ok(listener)
}

/// tonic sets TCP_NODELAY only on sockets that it accepts itself; axum sets it on none.
async fn listen() -> Result<TcpListenerStream, Error> {
    Ok(TcpListenerStream::new(listener().await?))
}

struct Hello;

#[tonic::async_trait]
impl Greeter for Hello {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let message = format!("hello {}", request.into_inner().name);
        Ok(Response::new(HelloReply { message }))
    }

    type SayHellosStream = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

    async fn say_hellos(
        &self,
        _: Request<HelloRequest>,
    ) -> Result<Response<Self::SayHellosStream>, Status> {
        Ok(Response::new(Box::pin(empty())))
    }
}
