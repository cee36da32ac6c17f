//! Python and Node call the tonic example as services written in them would.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Child, Issuer, example};

#[tokio::test]
async fn python_sees_the_right_codes() {
    sees_the_right_codes(python).await;
}

#[tokio::test]
async fn node_sees_the_right_codes() {
    sees_the_right_codes(node).await;
}

pub(crate) fn python() -> Command {
    Child::python("grpc_client.py")
}

fn node() -> Command {
    Child::node("grpc-client.mjs")
}

async fn sees_the_right_codes(client: fn() -> Command) {
    let issuer = Issuer::oidc_provider();
    let server = Greeter::start(&issuer);
    let good = issuer.token("ES256").await;
    let expired = issuer
        .token_with("ES256", &json!({}), &json!({ "exp": 1 }))
        .await;
    let elsewhere = issuer
        .token_with("ES256", &json!({}), &json!({ "aud": "https://other.test" }))
        .await;

    for method in ["SayHello", "SayHellos"] {
        let ask = |authorization: &[&str]| server.ask(client(), method, authorization);
        let answer = ask(&[&format!("Bearer {good}")]);
        assert_eq!(answer["code"], "OK", "{method}: {answer}");
        assert!(
            answer["messages"]
                .as_array()
                .is_some_and(|messages| !messages.is_empty()),
            "{method}: {answer}"
        );
        for (name, authorization) in [
            ("none", vec![]),
            ("not a token", vec!["Bearer abc".to_owned()]),
            ("another scheme", vec!["Basic c3ZjOnMzY3JldA==".to_owned()]),
            ("expired", vec![format!("Bearer {expired}")]),
            ("for another service", vec![format!("Bearer {elsewhere}")]),
        ] {
            let authorization: Vec<&str> = authorization.iter().map(String::as_str).collect();
            assert_eq!(
                ask(&authorization)["code"],
                "UNAUTHENTICATED",
                "{method}: {name}"
            );
        }
    }
    drop(server);

    // A server that comes up while the issuer is down has no keys: not the caller's fault.
    issuer.stop().await;
    let server = Greeter::start(&issuer);
    for method in ["SayHello", "SayHellos"] {
        let answer = server.ask(client(), method, &[&format!("Bearer {good}")]);
        assert_eq!(answer["code"], "UNAVAILABLE", "{method}: {answer}");
        assert!(
            answer["metadata"]["grpc-retry-pushback-ms"].is_string(),
            "{method}: {answer}"
        );
    }
}

/// `examples/grpc`, serving.
#[derive(Debug)]
pub(crate) struct Greeter {
    address: String,
    _child: Child,
}

impl Greeter {
    pub(crate) fn start(issuer: &Issuer) -> Self {
        let mut command = Command::new(example("grpc"));
        command.arg("--serve").env("LISTEN", "127.0.0.1:0");
        command
            .env("ISSUER", &issuer.issuer)
            .env("AUDIENCE", &issuer.audience);
        let child = Child::start("examples/grpc", &mut command);
        let address = listening(&child).trim_start_matches("http://").to_owned();
        Self {
            address,
            _child: child,
        }
    }

    pub(crate) fn ask(&self, mut client: Command, method: &str, authorization: &[&str]) -> Value {
        let output = client
            .arg(&self.address)
            .arg(method)
            .args(authorization)
            .output();
        let output = output.expect("the client starts; else run scripts/check-components");
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{error}");
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("the client printed no answer: {error}"))
    }
}

/// The address that an example prints once it listens.
pub(crate) fn listening(child: &Child) -> String {
    let line = child.line();
    line.strip_prefix("listening on ")
        .unwrap_or_else(|| panic!("unexpected: {line}"))
        .trim()
        .to_owned()
}
