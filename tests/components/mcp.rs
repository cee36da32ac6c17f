//! The Model Context Protocol's own client finds out how to get a token for `examples/mcp.rs`, and calls it.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

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
fn ask(server: &Server, issuer: &Issuer, tool: &[&str]) -> Value {
    let output = Child::node("mcp-client.mjs")
        .args([&server.address(), "svc-ES256", &issuer.issuer])
        .args(tool)
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
    let answer = ask(&server, &issuer, &["whoami"]);
    assert_eq!(
        answer["tools"],
        json!(["whoami", "list_orders", "refund_order"]),
        "{answer}"
    );
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

/// The 403 names the scopes that the tool takes, and the client comes back with them.
#[tokio::test]
async fn a_client_gets_the_scopes_of_the_tool_that_it_calls() {
    let issuer = Issuer::oidc_provider();
    let server = Server::start(&issuer);
    let answer = ask(&server, &issuer, &["list_orders", "orders:write"]);
    assert_eq!(answer["said"], "bread, milk", "{answer}");
    let (origin, issuer) = (&server.origin, &issuer.issuer);
    let last = [
        format!("POST {origin}/mcp 403"),
        format!("POST {issuer}/token 200"),
        format!("POST {origin}/mcp 200"),
    ];
    let asked = answer["asked"].as_array().expect("a list");
    let asked = asked.iter().map(|line| line.as_str().expect("a text"));
    let told: Vec<_> = asked
        .filter(|line| last.iter().any(|known| known == line))
        .skip_while(|line| *line != last[0])
        .collect();
    assert_eq!(told, last, "{answer}");
}

/// For a tool that moves money the person must have logged in a moment ago, which no scope makes up for.
#[tokio::test]
async fn a_tool_asks_for_a_fresh_login() {
    let issuer = Issuer::oidc_provider();
    let server = Server::start(&issuer);
    let call = async |claims: Value| {
        let mut all = json!({ "aud": server.address(), "scope": "orders:read orders:write" });
        let members = all.as_object_mut().expect("an object");
        members.extend(claims.as_object().expect("an object").clone());
        let token = issuer.token_with("ES256", &json!({}), &all).await;
        let parameters = json!({ "name": "refund_order", "arguments": {} });
        let response = http()
            .post(server.address())
            .bearer_auth(token)
            .json(
                &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": parameters }),
            )
            .send()
            .await
            .expect("the server answers");
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().expect("ASCII").to_owned());
        let status = response.status();
        let body = response.text().await.expect("the server answers in full");
        (status, challenge.unwrap_or_default(), body)
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();

    let (status, challenge, _) = call(json!({ "auth_time": now - 1_000 })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let asked = r#"error="insufficient_user_authentication", max_age="300""#;
    assert!(challenge.contains(asked), "{challenge}");
    let (status, challenge, _) = call(json!({ "scope": "orders:write" })).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let asked = r#"scope="orders:read orders:write", max_age="300""#;
    assert!(challenge.contains(asked), "{challenge}");
    let (status, _, body) = call(json!({ "auth_time": now - 10 })).await;
    assert_eq!(status, StatusCode::OK);
    assert!(body.contains("refunded"), "{body}");
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
