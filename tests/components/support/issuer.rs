//! The two issuers, seen through their one control protocol.

use serde_json::Value;

use super::{Child, http};

/// A running issuer, of which the tests know what a service knows, and a control port.
#[derive(Debug)]
pub(crate) struct Issuer {
    pub(crate) name: &'static str,
    pub(crate) issuer: String,
    pub(crate) audience: String,
    /// What it signs with; one key each.
    pub(crate) algorithms: &'static [&'static str],
    control: String,
    client: reqwest::Client,
    _child: Child,
}

impl Issuer {
    /// npm's oidc-provider: RFC 9068 tokens with a JWK Set that says nothing about caching.
    pub(crate) fn oidc_provider() -> Self {
        Self::start(
            "oidc-provider",
            "op.mjs",
            &["RS256", "PS256", "ES256", "ES384", "EdDSA"],
        )
    }

    /// glewlwyd: another code base, in C, whose issuer has a path and whose JWK Set is `no-store`.
    pub(crate) fn glewlwyd() -> Self {
        Self::start(
            "glewlwyd",
            "glewlwyd.mjs",
            &["RS256", "PS256", "ES256", "EdDSA"],
        )
    }

    fn start(name: &'static str, script: &str, algorithms: &'static [&'static str]) -> Self {
        let child = Child::start(script, &mut Child::node(script));
        let ready: Value = serde_json::from_str(&child.line()).expect("the ready line is JSON");
        let member = |name: &str| {
            ready[name]
                .as_str()
                .expect("the ready line is complete")
                .to_owned()
        };
        Self {
            name,
            issuer: member("issuer"),
            audience: member("audience"),
            algorithms,
            control: member("control"),
            client: http(),
            _child: child,
        }
    }

    /// A token from the issuer's own token endpoint.
    pub(crate) async fn token(&self, algorithm: &str) -> String {
        self.ask("/token", &[("alg", algorithm)]).await
    }

    /// As [`token`](Self::token), with members of the header and the claims replaced before it signs;
    /// `null` removes one. oidc-provider only.
    pub(crate) async fn token_with(
        &self,
        algorithm: &str,
        header: &Value,
        payload: &Value,
    ) -> String {
        let (header, payload) = (header.to_string(), payload.to_string());
        self.ask(
            "/token",
            &[
                ("alg", algorithm),
                ("header", &header),
                ("payload", &payload),
            ],
        )
        .await
    }

    /// New keys that sign from now on; `overlap` keeps the old ones published.
    pub(crate) async fn rotate(&self, overlap: bool) {
        self.ask("/rotate", &[("overlap", if overlap { "1" } else { "0" })])
            .await;
    }

    /// Nothing listens on the issuer's port any more.
    pub(crate) async fn stop(&self) {
        self.ask("/stop-issuer", &[]).await;
    }

    /// Back on the same port, with the same keys.
    pub(crate) async fn start_again(&self) {
        self.ask("/start-issuer", &[]).await;
    }

    /// What its JWK Set endpoint does from now on: `ok`, `500`, `hang` or `reset`. oidc-provider only.
    pub(crate) async fn fault(&self, mode: &str) {
        self.ask("/fault", &[("mode", mode)]).await;
    }

    /// How often its JWK Set was asked for so far. oidc-provider only.
    pub(crate) async fn fetches(&self) -> u64 {
        self.requests("/jwks").await
    }

    /// How often it was asked for this path so far, or for this path with this query. oidc-provider only.
    pub(crate) async fn requests(&self, path: &str) -> u64 {
        let stats: Value = serde_json::from_str(&self.ask("/stats", &[]).await).expect("JSON");
        stats[path].as_u64().unwrap_or_default()
    }

    /// Where its discovery document says the keys are.
    pub(crate) async fn jwks_uri(&self) -> String {
        let url = format!("{}/.well-known/openid-configuration", self.issuer);
        let document: Value = self
            .client
            .get(url)
            .send()
            .await
            .expect("discovery")
            .json()
            .await
            .expect("JSON");
        document["jwks_uri"]
            .as_str()
            .expect("a jwks_uri")
            .to_owned()
    }

    async fn ask(&self, command: &str, parameters: &[(&str, &str)]) -> String {
        let url =
            reqwest::Url::parse_with_params(&format!("{}{command}", self.control), parameters)
                .expect("a URL");
        let response = self
            .client
            .get(url)
            .send()
            .await
            .expect("the control port answers");
        let ok = response.status().is_success();
        let text = response
            .text()
            .await
            .expect("the control port answers in full");
        assert!(ok, "{}: {command}: {text}", self.name);
        text
    }
}
