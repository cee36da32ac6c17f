//! A protected axum service, configured by its environment, for tests from outside.
//!
//! Run with:
//! `ISSUER=https://id.example.com AUDIENCE=https://api.example.com LISTEN=127.0.0.1:8080 cargo run --example server --features axum`
//!
//! ```sh
//! curl -i http://127.0.0.1:8080/public
//! curl -i http://127.0.0.1:8080/me -H "Authorization: Bearer $TOKEN"
//! ```
//!
//! `JWKS_URI` gives the address of the keys where the issuer does not publish it.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env;

use axum::routing::get;
use axum::{Json, Router};
use portcullis::{Audience, AuthLayer, Issuer, VerifiedToken, Verifier};
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = required("ISSUER")?;
    let audience = Audience::of(required("AUDIENCE")?);
    let issuer = match env::var("JWKS_URI") {
        Ok(jwks_uri) => Issuer::jwks_uri(issuer, jwks_uri, audience),
        Err(_) => Issuer::discover(issuer, audience),
    };
    let verifier = Verifier::new(issuer)?;
    if let Err(error) = verifier.warm_up().await {
        // Not fatal: the first request tries again.
        eprintln!("{error}");
    }

    let app = Router::new()
        .route("/me", get(me))
        .layer(AuthLayer::new(verifier))
        .route("/public", get(|| async { "open to all\n" }));
    let listener = tokio::net::TcpListener::bind(required("LISTEN")?).await?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app).await?;
    Ok(())
}

async fn me(token: VerifiedToken) -> Json<Value> {
    let scopes: Vec<_> = token.scopes().iter().collect();
    Json(json!({ "sub": token.subject(), "iss": token.issuer(), "scopes": scopes }))
}

fn required(name: &str) -> Result<String, String> {
    env::var(name).map_err(|_| format!("set {name} in the environment"))
}
