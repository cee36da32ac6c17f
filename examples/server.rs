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
//! `JWKS_URI` gives the address of the keys where the issuer does not publish it. What happens to the
//! keys, and why requests are refused, is logged to stderr.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env::{self, VarError};

use axum::routing::get;
use axum::{Json, Router};
use portcullis::{Audience, AuthLayer, Issuer, VerifiedToken, Verifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_writer(std::io::stderr))
        .with(Targets::new().with_target("portcullis", LevelFilter::DEBUG))
        .init();

    let (issuer, listen) = (required("ISSUER")?, required("LISTEN")?);
    let audience = Audience::of(required("AUDIENCE")?);
    let verifier = Verifier::new(match optional("JWKS_URI")? {
        Some(jwks_uri) => Issuer::jwks_uri(issuer, jwks_uri, audience),
        None => Issuer::discover(issuer, audience),
    })?;

    let app = Router::new()
        .route("/me", get(me))
        .layer(AuthLayer::new(verifier.clone()))
        .route("/public", get(|| async { "open to all\n" }));
    let listener = TcpListener::bind(&listen)
        .await
        .map_err(|error| format!("LISTEN={listen:?}: {error}"))?;
    println!("listening on http://{}", listener.local_addr()?);

    // Beside serving: an issuer that hangs must not keep the service from starting.
    tokio::spawn(async move {
        if let Err(error) = verifier.warm_up().await {
            eprintln!("{error}; the next request tries again");
        }
    });
    axum::serve(listener, app).await?;
    Ok(())
}

async fn me(token: VerifiedToken) -> Json<Value> {
    let scopes: Vec<_> = token.scopes().iter().collect();
    Json(json!({ "sub": token.subject(), "iss": token.issuer(), "scopes": scopes }))
}

fn required(name: &str) -> Result<String, String> {
    optional(name)?.ok_or_else(|| format!("set {name} in the environment"))
}

fn optional(name: &str) -> Result<Option<String>, String> {
    match env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} in the environment is not UTF-8")),
    }
}
