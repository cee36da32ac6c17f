//! The examples as whole processes: nothing of the tests in them, and real time.

use std::process::Command;
use std::time::Duration;

use http::StatusCode;

use crate::clients::{Greeter, listening, python};
use crate::support::{Child, Issuer, example, http};

#[tokio::test]
async fn server_with_oidc_provider() {
    serves(&Issuer::oidc_provider()).await;
}

#[tokio::test]
async fn server_with_glewlwyd() {
    serves(&Issuer::glewlwyd()).await;
}

async fn serves(issuer: &Issuer) {
    let server = Server::start(issuer);
    assert_eq!(server.get("/public", None).await, StatusCode::OK);
    assert_eq!(server.get("/me", None).await, StatusCode::UNAUTHORIZED);
    assert_eq!(
        server.get("/me", Some("abc")).await,
        StatusCode::UNAUTHORIZED
    );
    for algorithm in issuer.algorithms {
        let token = issuer.token(algorithm).await;
        assert_eq!(
            server.get("/me", Some(&token)).await,
            StatusCode::OK,
            "{algorithm}"
        );
    }

    let token = issuer.token("ES256").await;
    issuer.stop().await;
    assert_eq!(
        server.get("/me", Some(&token)).await,
        StatusCode::OK,
        "a known key"
    );
    let cold = Server::start(issuer);
    assert_eq!(cold.get("/public", None).await, StatusCode::OK);
    assert_eq!(
        cold.get("/me", Some(&token)).await,
        StatusCode::SERVICE_UNAVAILABLE,
        "no keys yet"
    );
}

#[tokio::test]
async fn rotation_reaches_running_servers() {
    let issuer = Issuer::oidc_provider();
    let (server, greeter) = (Server::start(&issuer), Greeter::start(&issuer));
    let check = async |when: &str| {
        let token = issuer.token("EdDSA").await;
        assert_eq!(
            server.get("/me", Some(&token)).await,
            StatusCode::OK,
            "{when}"
        );
        let answer = greeter.ask(python(), "SayHello", &[&format!("Bearer {token}")]);
        assert_eq!(answer["code"], "OK", "{when}: {answer}");
    };
    check("before").await;
    for overlap in [true, false] {
        // Not for readiness: fetches for unknown keys are at least 10 s apart, and these clocks are real.
        tokio::time::sleep(Duration::from_secs(11)).await;
        issuer.rotate(overlap).await;
        check(if overlap {
            "first request after a rotation"
        } else {
            "and without overlap"
        })
        .await;
    }
}

/// `examples/server.rs`, serving.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) url: String,
    client: reqwest::Client,
    _child: Child,
}

impl Server {
    pub(crate) fn start(issuer: &Issuer) -> Self {
        let mut command = Command::new(example("server"));
        command
            .env("LISTEN", "127.0.0.1:0")
            .env("ISSUER", &issuer.issuer)
            .env("AUDIENCE", &issuer.audience);
        let child = Child::start("examples/server", &mut command);
        Self {
            url: listening(&child),
            client: http(),
            _child: child,
        }
    }

    async fn get(&self, path: &str, token: Option<&str>) -> StatusCode {
        let mut request = self.client.get(format!("{}{path}", self.url));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.expect("the server answers").status()
    }
}
