//! A server of the Model Context Protocol, each of whose tools says who may call it.
//!
//! Run with:
//! `ISSUER=https://id.example.com RESOURCE=https://tools.example.com/mcp LISTEN=127.0.0.1:8080 cargo run --example mcp --features axum`
//!
//! A client that knows nothing but `RESOURCE` is told by the 401 where the metadata is, by the metadata
//! who issues tokens, and asks that issuer for a token for `RESOURCE`. Without `RESOURCE` it is
//! `http://LISTEN/mcp`. The protocol itself is written out by hand, as much of it as three tools need.
//!
//! | tool | who may call it | what others are told |
//! |---|---|---|
//! | `whoami` | whoever has a token | |
//! | `list_orders` | a client with the scope `orders:read` | 403 `insufficient_scope`, and the scope |
//! | `refund_order` | one with `orders:read` and `orders:write`, for somebody who logged in within five minutes | the same; 401 `insufficient_user_authentication`, and `max_age` |
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::env;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use portcullis::middleware::{MetadataService, ProtectedResource};
use portcullis::{Audience, AuthLayer, Caller, Issuer, Policy, PolicyError, Rejection, Verifier};
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
        .scopes_supported(["orders:read", "orders:write"])
        .resource_name("Orders");
    let app = Router::new()
        .route("/mcp", post(answer))
        .layer(AuthLayer::new(verifier).resource_metadata(&metadata))
        .fallback_service(MetadataService::new([metadata])?)
        .with_state(tools()?.into());

    println!("listening on {own_address}");
    axum::serve(listener, app).await?;
    Ok(())
}

/// What a client can ask for, and what that takes beside a token.
struct Tool {
    name: &'static str,
    description: &'static str,
    policy: Option<Policy>,
    run: fn(&Caller) -> String,
}

fn tools() -> Result<Vec<Tool>, PolicyError> {
    let fresh = Policy::auth_time_within(Duration::from_secs(5 * 60));
    let refund = Policy::all_scopes(["orders:read", "orders:write"]).and(fresh);
    Ok(vec![
        Tool {
            name: "whoami",
            description: "Says who calls.",
            policy: None,
            run: |caller| {
                let token = caller.token();
                let name = token.subject().or_else(|| token.client_id());
                name.unwrap_or("nobody").to_owned()
            },
        },
        Tool {
            name: "list_orders",
            description: "Lists the orders.",
            policy: Some(Policy::scope("orders:read").validated()?),
            run: |_| "bread, milk".to_owned(),
        },
        Tool {
            name: "refund_order",
            description: "Gives the money back.",
            policy: Some(refund.validated()?),
            run: |_| "refunded".to_owned(),
        },
    ])
}

/// What is spoken here; the client goes away if it cannot.
const PROTOCOL_VERSION: &str = "2025-06-18";

/// One message of the client: a request is answered, a notification accepted.
async fn answer(
    State(tools): State<Arc<[Tool]>>,
    caller: Caller,
    Json(message): Json<Value>,
) -> Result<Response, Rejection> {
    let Some(id) = message.get("id") else {
        return Ok(StatusCode::ACCEPTED.into_response());
    };
    let outcome = match message.get("method").and_then(Value::as_str) {
        Some("initialize") => Ok(json!({
            "protocolVersion": PROTOCOL_VERSION,
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "orders", "version": env!("CARGO_PKG_VERSION") },
        })),
        Some("ping") => Ok(json!({})),
        Some("tools/list") => {
            Ok(json!({ "tools": tools.iter().map(Tool::entry).collect::<Vec<_>>() }))
        }
        Some("tools/call") => call(&tools, &caller, &message)?,
        _ => Err((-32601, "unknown method")),
    };
    let member = match outcome {
        Ok(result) => ("result", result),
        Err((code, message)) => ("error", json!({ "code": code, "message": message })),
    };
    Ok(Json(json!({ "jsonrpc": "2.0", "id": id, (member.0): member.1 })).into_response())
}

/// A refusal is an answer of HTTP, with the challenge that tells the client what to get.
fn call(
    tools: &[Tool],
    caller: &Caller,
    message: &Value,
) -> Result<Result<Value, (i32, &'static str)>, Rejection> {
    let name = message.pointer("/params/name").and_then(Value::as_str);
    let Some(tool) = tools.iter().find(|tool| Some(tool.name) == name) else {
        return Ok(Err((-32602, "unknown tool")));
    };
    if let Some(policy) = &tool.policy {
        caller.check(policy)?;
    }
    let text = (tool.run)(caller);
    Ok(Ok(json!({ "content": [{ "type": "text", "text": text }] })))
}

impl Tool {
    fn entry(&self) -> Value {
        json!({
            "name": self.name,
            "description": self.description,
            "inputSchema": { "type": "object" },
        })
    }
}
