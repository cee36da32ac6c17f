//! The routes of `examples/server.rs`, asked by clients in Rust, Python and Node, with tokens of oidc-provider.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::examples::Server;
use crate::support::{Child, Issuer, http};

/// A request, and what is to come back: status and the end of the challenge, after realm and before metadata.
struct Row {
    request: Value,
    status: u16,
    challenge: Option<&'static str>,
}

#[tokio::test]
async fn every_client_is_told_the_same() {
    let issuer = Issuer::oidc_provider();
    let server = Server::start(&issuer);
    let rows = rows(&issuer, &server.url).await;
    for (client, answers) in [
        ("Rust", rust(&rows).await),
        ("Python", ask(Child::python("http_client.py"), &rows)),
        ("Node", ask(Child::node("http-client.mjs"), &rows)),
    ] {
        let answers = answers.as_array().expect("a list");
        assert_eq!(answers.len(), rows.len(), "{client}");
        for (row, answer) in rows.iter().zip(answers) {
            let what = format!("{client}: {} {}", row.request[0], row.request[1]);
            assert_eq!(answer[0], row.status, "{what}: {answer}");
            let metadata = format!(
                r#"resource_metadata="{}/.well-known/oauth-protected-resource""#,
                server.url
            );
            let challenge = row.challenge.map(|asked| match asked {
                "" => format!(r#"Bearer realm="api", {metadata}"#),
                _ => format!(r#"Bearer realm="api", {asked}, {metadata}"#),
            });
            assert_eq!(answer[1], json!(challenge), "{what}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_metadata_says_who_issues_tokens_and_for_which_scopes() {
    let issuer = Issuer::oidc_provider();
    let server = Server::start(&issuer);
    let url = format!("{}/.well-known/oauth-protected-resource", server.url);
    let response = http().get(url).send().await.expect("the server answers");
    let document: Value = response.json().await.expect("JSON");
    assert_eq!(document["resource"], server.url, "{document}");
    assert_eq!(
        document["authorization_servers"],
        json!([issuer.issuer]),
        "{document}"
    );
    assert_eq!(
        document["scopes_supported"],
        json!(["orders:read", "orders:write"]),
        "{document}"
    );
}

async fn rows(issuer: &Issuer, url: &str) -> Vec<Row> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.expect("after 1970").as_secs();
    let with = async |claims: Value| issuer.token_with("ES256", &json!({}), &claims).await;
    // As it comes: the scope `orders:read`, and no more.
    let reader = issuer.token("ES256").await;
    let writer = with(json!({ "scope": "orders:write" })).await;
    let alice = with(json!({ "sub": "alice" })).await;
    let admin = with(json!({ "sub": "root", "roles": ["admin"] })).await;
    let doubtful = with(json!({ "roles": { "admin": true } })).await;
    let fresh = with(json!({ "auth_time": now - 10 })).await;
    let stale = with(json!({ "auth_time": now - 1_000 })).await;
    let strong = with(json!({ "auth_time": now - 1_000, "acr": "phr" })).await;
    let weak = with(json!({ "acr": "0" })).await;

    let read = r#"error="insufficient_scope", scope="orders:read""#;
    let write = r#"error="insufficient_scope", scope="orders:write""#;
    let login = r#"error="insufficient_user_authentication", max_age="300""#;
    let mut rows = Vec::new();
    let mut row = |method: &str, path: &str, token: Option<&str>, status, challenge| {
        let request = json!([method, format!("{url}{path}"), token]);
        rows.push(Row {
            request,
            status,
            challenge,
        });
    };
    row("GET", "/public", None, 200, None);
    row("GET", "/me", None, 401, Some(""));
    row("GET", "/me", Some(&reader), 200, None);
    row("GET", "/orders", None, 401, Some(r#"scope="orders:read""#));
    row(
        "GET",
        "/orders",
        Some("a.b.c"),
        401,
        Some(r#"error="invalid_token""#),
    );
    row("GET", "/orders", Some(&reader), 200, None);
    row("GET", "/orders", Some(&writer), 403, Some(read));
    row(
        "POST",
        "/orders",
        None,
        401,
        Some(r#"scope="orders:write""#),
    );
    row("POST", "/orders", Some(&reader), 403, Some(write));
    row("POST", "/orders", Some(&writer), 201, None);
    row("GET", "/users/alice/orders", None, 401, Some(""));
    row("GET", "/users/alice/orders", Some(&alice), 200, None);
    row("GET", "/users/%61lice/orders", Some(&alice), 200, None);
    row("GET", "/users/bob/orders", Some(&alice), 403, None);
    row("GET", "/users/bob/orders", Some(&admin), 200, None);
    row("GET", "/users/bob/orders", Some(&doubtful), 403, None);
    row("GET", "/admin", Some(&alice), 403, None);
    row("GET", "/admin", Some(&doubtful), 403, None);
    row("GET", "/admin", Some(&admin), 200, None);
    row("GET", "/vault", None, 401, Some(""));
    for token in [&reader, &stale, &weak] {
        row("GET", "/vault", Some(token), 401, Some(login));
    }
    for token in [&fresh, &strong] {
        row("GET", "/vault", Some(token), 200, None);
    }
    row("GET", "/none", None, 401, Some(""));
    row("GET", "/none", Some(&admin), 404, None);
    rows
}

async fn rust(rows: &[Row]) -> Value {
    let mut answers = Vec::new();
    for row in rows {
        let part = |place: usize| row.request[place].as_str();
        let method = part(0).expect("a method").parse().expect("a method");
        let mut request = http().request(method, part(1).expect("an address"));
        if let Some(token) = part(2) {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.expect("the server answers");
        let challenge = response.headers().get("www-authenticate");
        let challenge = challenge.map(|value| value.to_str().expect("ASCII").to_owned());
        answers.push(json!([response.status().as_u16(), challenge]));
    }
    answers.into()
}

fn ask(mut client: Command, rows: &[Row]) -> Value {
    let requests: Vec<_> = rows.iter().map(|row| &row.request).collect();
    let output = client.arg(json!(requests).to_string()).output();
    let output = output.expect("the client starts; else run scripts/check-components");
    let error = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("the client printed no answer: {error}"))
}
