//! A tonic server behind the layer, unary and streaming, and a client that calls it.
//!
//! Run with: `cargo run --example grpc --features tonic,testing`
//!
//! `-- --serve` runs the server alone, configured by `ISSUER`, `AUDIENCE` and `LISTEN`, and prints
//! `listening on http://…`.
//!
//! `greeter.rs` is what `tonic-prost-build` makes of `greeter.proto`; it is kept here so that the
//! example builds without `protoc`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env;
use std::pin::Pin;

use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::tonic::verified_token;
use portcullis::{Audience, AuthLayer, Issuer, Verifier};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_stream::{Stream, StreamExt as _};
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};

#[allow(
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    missing_docs,
    unused_qualifications,
    unreachable_pub,
    reason = "generated"
)]
mod greeter;

use greeter::greeter_client::GreeterClient;
use greeter::greeter_server::{Greeter, GreeterServer};
use greeter::{HelloReply, HelloRequest};

type Error = Box<dyn std::error::Error>;

struct MyGreeter;

#[tonic::async_trait]
impl Greeter for MyGreeter {
    async fn say_hello(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<HelloReply>, Status> {
        let caller = verified_token(&request)?
            .subject()
            .unwrap_or("nobody")
            .to_owned();
        let message = format!("hello {} from {caller}", request.into_inner().name);
        Ok(Response::new(HelloReply { message }))
    }

    type SayHellosStream = Pin<Box<dyn Stream<Item = Result<HelloReply, Status>> + Send>>;

    async fn say_hellos(
        &self,
        request: Request<HelloRequest>,
    ) -> Result<Response<Self::SayHellosStream>, Status> {
        let caller = verified_token(&request)?
            .subject()
            .unwrap_or("nobody")
            .to_owned();
        let name = request.into_inner().name;
        let replies = (1..=3).map(move |n| {
            Ok(HelloReply {
                message: format!("hello {name} from {caller}, {n}"),
            })
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(replies))))
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    if env::args().any(|argument| argument == "--serve") {
        let audience = Audience::of(required("AUDIENCE")?);
        let verifier = Verifier::new(Issuer::discover(required("ISSUER")?, audience))?;
        let listen = required("LISTEN")?;
        let listener = TcpListener::bind(&listen)
            .await
            .map_err(|error| format!("LISTEN={listen:?}: {error}"))?;
        println!("listening on http://{}", listener.local_addr()?);
        return serve(listener, verifier).await.map_err(Into::into);
    }

    let test_issuer = TestIssuer::start().await?;
    let verifier = Verifier::new(Issuer::discover(
        test_issuer.issuer(),
        Audience::of(AUDIENCE),
    ))?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let channel =
        Channel::from_shared(format!("http://{}", listener.local_addr()?))?.connect_lazy();
    tokio::spawn(serve(listener, verifier));

    let mut client = GreeterClient::new(channel);
    let token = test_issuer.token().subject("alice").sign();
    let reply = client.say_hello(request(Some(&token))?).await?.into_inner();
    println!("unary:         {}", reply.message);
    let mut replies = client
        .say_hellos(request(Some(&token))?)
        .await?
        .into_inner();
    while let Some(reply) = replies.next().await {
        println!("stream:        {}", reply?.message);
    }
    let refused = client
        .say_hello(request(None)?)
        .await
        .map(|_| "an answer")
        .map_err(|status| status.code());
    println!("without token: {refused:?}");
    if refused == Err(Code::Unauthenticated) {
        Ok(())
    } else {
        Err("not refused".into())
    }
}

async fn serve(listener: TcpListener, verifier: Verifier) -> Result<(), tonic::transport::Error> {
    Server::builder()
        .layer(AuthLayer::new(verifier))
        .add_service(GreeterServer::new(MyGreeter))
        .serve_with_incoming(TcpListenerStream::new(listener))
        .await
}

fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name} in the environment: {error}"))
}

fn request(token: Option<&str>) -> Result<Request<HelloRequest>, Error> {
    let mut request = Request::new(HelloRequest {
        name: "world".to_owned(),
    });
    if let Some(token) = token {
        request
            .metadata_mut()
            .insert("authorization", format!("Bearer {token}").parse()?);
    }
    Ok(request)
}
