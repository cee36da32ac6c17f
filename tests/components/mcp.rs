//! The Model Context Protocol's own client finds out how to get a token for `examples/mcp.rs`, and calls it.

use std::process::Command;

use http::StatusCode;
use serde_json::{Value, json};

use crate::clients::listening;
use crate::support::{Child, Issuer, example, http};

/// `examples/mcp.rs`, serving; its address is that of the resource.
struct Server {
    origin: String,
    _child: Child,
}

impl Server {
    fn start(issuer: &Issuer) -> Self {
        let mut command = Command::new(example("mcp"));
        command
            .env("LISTEN", "127.0.0.1:0")
            .env("ISSUER", &issuer.issuer);
        let child = Child::start("examples/mcp", &mut command);
        Self {
            origin: listening(&child),
            _child: child,
        }
    }

    fn address(&self) -> String {
        format!("{}/mcp", self.origin)
    }
}

/// What the client asked, and what came of it.
fn ask(server: &Server, issuer: &Issuer) -> Value {
    let output = Child::node("mcp-client.mjs")
        .args([&server.address(), "svc-ES256", &issuer.issuer])
        .output();
    let output = output.expect("the client starts; else run scripts/check-components");
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("the client printed no answer: {error}"))
}

#[tokio::test]
async fn a_client_that_knows_the_address_alone_gets_in() {
    let issuer = Issuer::oidc_provider();
    let server = Server::start(&issuer);
    let answer = ask(&server, &issuer);
    assert_eq!(answer["tools"], json!(["whoami"]), "{answer}");
    assert_eq!(answer["said"], "svc-ES256", "{answer}");

    let (origin, issuer) = (&server.origin, &issuer.issuer);
    let asked = answer["asked"].as_array().expect("a list");
    let first = [
        format!("POST {origin}/mcp 401"),
        format!("GET {origin}/.well-known/oauth-protected-resource/mcp 200"),
        format!("GET {issuer}/.well-known/oauth-authorization-server 200"),
        format!("POST {issuer}/token 200"),
        format!("POST {origin}/mcp 200"),
    ];
    assert_eq!(asked[..first.len()], first, "{answer}");
}

/// A server takes only tokens that were issued for it.
#[tokio::test]
async fn a_token_for_another_resource_does_not_get_in() {
    let issuer = Issuer::oidc_provider();
    let server = Server::start(&issuer);
    let response = http()
        .post(server.address())
        .bearer_auth(issuer.token("ES256").await)
        .json(&json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }))
        .send()
        .await
        .expect("the server answers");
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let challenge = &response.headers()["www-authenticate"];
    let challenge = challenge.to_str().expect("ASCII");
    assert!(
        challenge.contains(r#"error="invalid_token""#),
        "{challenge}"
    );
    let url = format!("{}/.well-known/oauth-protected-resource/mcp", server.origin);
    assert!(challenge.contains(&url), "{challenge}");
}
