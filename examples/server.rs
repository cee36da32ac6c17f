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
//! | | who gets in |
//! |---|---|
//! | `GET /public`, `GET /.well-known/oauth-protected-resource` | everybody |
//! | `GET /me` | whoever has a token |
//! | `GET /orders`, `POST /orders` | a client with the scope `orders:read`, `orders:write` |
//! | `GET /users/{id}/orders` | this user, and admins |
//! | `GET /admin` | admins: those with the role `admin` |
//! | `GET /vault` | who logged in within five minutes, or resistant to phishing; others are told to log in again |
//!
//! Any other path is 401 without a token, and 404 with one. `RESOURCE` gives the address by which clients
//! know this server where it is not the one that it listens at.
//!
//! `JWKS_URI` gives the address of the keys where the issuer does not publish it. What happens to the
//! keys, and why requests are refused, is logged to stderr.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env::{self, VarError};
use std::time::Duration;

use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{any_service, get, post};
use axum::{Json, Router};
use portcullis::axum::PolicyRouter;
use portcullis::middleware::{MetadataService, ProtectedResource};
use portcullis::{Audience, AuthLayer, BuildError, Issuer, Policy, VerifiedToken, Verifier};
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

    let listener = TcpListener::bind(&listen)
        .await
        .map_err(|error| format!("LISTEN={listen:?}: {error}"))?;
    let own_address = format!("http://{}", listener.local_addr()?);
    let resource = optional("RESOURCE")?.unwrap_or_else(|| own_address.clone());
    let app = app(&verifier, &resource)?;
    println!("listening on {own_address}");

    // Beside serving: an issuer that hangs must not keep the service from starting.
    tokio::spawn(async move {
        if let Err(error) = verifier.warm_up().await {
            eprintln!("{error}; the next request tries again");
        }
    });
    axum::serve(listener, app).await?;
    Ok(())
}

/// Each route with who may use it.
fn app(verifier: &Verifier, resource: &str) -> Result<Router, BuildError> {
    let admin = Policy::role("admin");
    // The path says whose orders they are, so it is what the caller's subject is compared with.
    let own = Policy::claim("sub").equals_fact("path.id");
    let fresh = Policy::auth_time_within(Duration::from_secs(5 * 60));
    let strong = Policy::acr_at_least("phr", ["phr", "phrh"]);

    let metadata = ProtectedResource::new(resource, verifier)?
        .scopes_supported(["orders:read", "orders:write"]);
    let layer = AuthLayer::new(verifier.clone()).resource_metadata(&metadata);
    let metadata_path = metadata.metadata_path().to_owned();
    let metadata = MetadataService::new([metadata])?;
    PolicyRouter::new()
        .public("/public", get(async || "open to all\n"))
        .public(metadata_path, any_service(metadata))
        .authenticated("/me", get(me))
        .route("/orders", get(orders), Policy::scope("orders:read"))
        .route("/orders", post(place_order), Policy::scope("orders:write"))
        .route("/users/{id}/orders", get(orders_of), own.or(admin.clone()))
        .route("/admin", get(async || "the back office\n"), admin)
        .route("/vault", get(async || "the vault\n"), fresh.or(strong))
        .guarded_by(layer)
}

async fn orders() -> Json<Value> {
    Json(json!([{ "of": "alice", "what": "bread" }, { "of": "bob", "what": "milk" }]))
}

async fn place_order() -> (StatusCode, &'static str) {
    (StatusCode::CREATED, "placed\n")
}

async fn orders_of(Path(id): Path<String>) -> Json<Value> {
    Json(json!([{ "of": id, "what": "bread" }]))
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
