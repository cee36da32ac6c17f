//! A server of the Model Context Protocol with one tool, for callers with a token.
//!
//! Run with:
//! `ISSUER=https://id.example.com RESOURCE=https://tools.example.com/mcp LISTEN=127.0.0.1:8080 cargo run --example mcp --features axum`
//!
//! A client that knows nothing but `RESOURCE` is told by the 401 where the metadata is, by the metadata
//! who issues tokens, and asks that issuer for a token for `RESOURCE`. Without `RESOURCE` it is
//! `http://LISTEN/mcp`. The protocol itself is written out by hand, as much of it as one tool needs.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use portcullis::middleware::{MetadataService, ProtectedResource};
use portcullis::{Audience, AuthLayer, Issuer, VerifiedToken, Verifier};
use serde_json::{Value, json};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let issuer = env::var("ISSUER").map_err(|_| "set ISSUER in the environment")?;
    let listen = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&listen).await?;
    let own_address = format!("http://{}", listener.local_addr()?);
    let resource = env::var("RESOURCE").unwrap_or_else(|_| format!("{own_address}/mcp"));

    // Only tokens that were issued for this server are taken.
    let verifier = Verifier::new(Issuer::discover(issuer, Audience::of(resource.clone())))?;
    let metadata = ProtectedResource::new(&resource, &verifier)?
        .scopes_supported(["orders:read"])
        .resource_name("Who am I");
    let app = Router::new()
        .route("/mcp", post(answer))
        .layer(AuthLayer::new(verifier).resource_metadata(&metadata))
        .fallback_service(MetadataService::new([metadata])?);

    println!("listening on {own_address}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// What is spoken here; the client goes away if it cannot.
const PROTOCOL_VERSION: &str = "2025-06-18";

/// One message of the client: a request is answered, a notification accepted.
async fn answer(token: VerifiedToken, Json(message): Json<Value>) -> Response {
    let Some(id) = message.get("id") else {
        return StatusCode::ACCEPTED.into_response();
    };
    let outcome = match message.get("method").and_then(Value::as_str) {
        Some("initialize") => Ok(json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "whoami", "version": env!("CARGO_PKG_VERSION") },
        })),
        Some("ping") => Ok(json!({})),
        Some("tools/list") => Ok(json!({ "tools": [{
            "name": "whoami",
            "description": "Says who calls.",
            "inputSchema": { "type": "object" },
        }] })),
        Some("tools/call") if message.pointer("/params/name") == Some(&json!("whoami")) => {
            let caller = token.subject().or_else(|| token.client_id());
            Ok(json!({ "content": [{ "type": "text", "text": caller.unwrap_or("nobody") }] }))
        }
        Some("tools/call") => Err((-32602, "unknown tool")),
        _ => Err((-32601, "unknown method")),
    };
    let member = match outcome {
        Ok(result) => ("result", result),
        Err((code, message)) => ("error", json!({ "code": code, "message": message })),
    };
    Json(json!({ "jsonrpc": "2.0", "id": id, (member.0): member.1 })).into_response()
}
