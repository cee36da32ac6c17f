//! An axum API: one open route, one for any caller with a token, one that greets callers with and without.
//!
//! Run with: `cargo run --example axum --features axum,testing`
//!
//! It starts an issuer of its own and prints curl lines with a fresh token, good for five minutes. In a
//! service, replace the lines about `TestIssuer` with `Issuer::discover("https://id.example.com", …)`.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use axum::Router;
use axum::routing::get;
use portcullis::axum::Claims;
use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{Audience, AuthLayer, Issuer, VerifiedToken, Verifier};

/// Your own claims: parsed once per token, on demand.
#[derive(serde::Deserialize)]
struct Tenant {
    tenant: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let test_issuer = TestIssuer::start().await?;
    let token = test_issuer
        .token()
        .subject("alice")
        .claim("tenant", "acme")
        .sign();

    let verifier = Verifier::new(Issuer::discover(
        test_issuer.issuer(),
        Audience::of(AUDIENCE),
    ))?;
    let members = Router::new()
        .route("/me", get(me))
        .route("/tenant", get(tenant))
        .layer(AuthLayer::new(verifier.clone()));
    let anyone = Router::new()
        .route("/hello", get(hello))
        .layer(AuthLayer::new(verifier).optional());
    let app = Router::new()
        .route("/health", get(|| async { "ok\n" }))
        .merge(members)
        .merge(anyone);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    println!("curl -i http://{address}/hello");
    println!("curl -i http://{address}/me -H 'Authorization: Bearer {token}'");
    println!("curl -i http://{address}/tenant -H 'Authorization: Bearer {token}'");
    axum::serve(listener, app).await?;
    Ok(())
}

async fn me(token: VerifiedToken) -> String {
    format!("you are {}\n", token.subject().unwrap_or("nobody"))
}

async fn tenant(Claims(claims): Claims<Tenant>) -> String {
    format!("your tenant is {}\n", claims.tenant)
}

async fn hello(token: Option<VerifiedToken>) -> String {
    match token {
        Some(token) => format!("hello {}\n", token.subject().unwrap_or("nobody")),
        None => "hello stranger\n".to_owned(),
    }
}
