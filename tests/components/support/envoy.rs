//! Envoy's jwt_authn in front of an issuer.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::StatusCode;
use reqwest::header::HeaderValue;
use serde_json::Value;

use super::{Child, Issuer, components, http};

#[derive(Debug)]
pub(crate) struct Envoy {
    pub(crate) url: String,
    client: reqwest::Client,
    _child: Child,
    directory: PathBuf,
}

/// When it fetches keys: the members of `remote_jwks` beside the address.
#[derive(Clone, Copy, Debug)]
pub(crate) enum KeyFetch {
    /// When a request needs them and those at hand are older than this; `None` is Envoy's own default.
    OnDemand(Option<u32>),
    /// In the background, with every member at Envoy's default but this one. The listener opens when
    /// the first fetch has ended.
    Async(Option<u32>),
}

impl KeyFetch {
    fn members(self) -> String {
        let cache = |seconds: Option<u32>| {
            seconds.map_or_else(String::new, |seconds| format!("cache_duration: {seconds}s"))
        };
        match self {
            Self::OnDemand(seconds) => cache(seconds),
            Self::Async(seconds) => {
                format!("async_fetch: {{}}\n{INDENT}{}", cache(seconds))
            }
        }
    }
}

/// How deep the members of `remote_jwks` stand in `envoy.yaml`.
const INDENT: &str = "                            ";

/// Whose tokens it lets pass, for whom.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Trust<'a> {
    pub(crate) issuer: &'a str,
    pub(crate) audience: &'a str,
}

impl Envoy {
    /// With keys that are there when this returns.
    pub(crate) async fn in_front_of(issuer: &Issuer) -> Self {
        Self::start(issuer, &issuer.jwks_uri().await, KeyFetch::Async(Some(600))).await
    }

    pub(crate) async fn start(issuer: &Issuer, jwks_uri: &str, fetch: KeyFetch) -> Self {
        let port = reqwest::Url::parse(jwks_uri)
            .ok()
            .and_then(|url| url.port())
            .expect("a loopback URL with a port");
        let keys = format!(
            "remote_jwks:\n\
             {INDENT}http_uri: {{ uri: \"{jwks_uri}\", cluster: issuer, timeout: 5s }}\n\
             {INDENT}{}",
            fetch.members()
        );
        let trust = Trust {
            issuer: &issuer.issuer,
            audience: &issuer.audience,
        };
        Self::run(trust, &keys, port, None).await
    }

    /// With these keys for good, and by the clock in this library, which is loaded before its own.
    pub(crate) async fn with_keys(trust: Trust<'_>, jwks: &Value, clock: &Path) -> Self {
        // A string of JSON is one of YAML, too.
        let keys = format!(
            "local_jwks: {{ inline_string: {} }}",
            Value::from(jwks.to_string())
        );
        Self::run(trust, &keys, 1, Some(clock)).await
    }

    async fn run(trust: Trust<'_>, keys: &str, port: u16, clock: Option<&Path>) -> Self {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("envoy-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a temporary directory");
        let (configuration, admin_address) =
            (directory.join("envoy.yaml"), directory.join("admin"));
        let filled = include_str!("../envoy.yaml")
            .replace("@ISSUER@", trust.issuer)
            .replace("@AUDIENCE@", trust.audience)
            .replace("@KEYS@", keys)
            .replace("@PORT@", &port.to_string());
        std::fs::write(&configuration, filled).expect("the configuration is written");

        let mut command = Command::new(components().join("envoy"));
        command
            .arg("--config-path")
            .arg(&configuration)
            .arg("--admin-address-path")
            .arg(&admin_address);
        command.args([
            "--concurrency",
            "1",
            "--disable-hot-restart",
            "--log-level",
            "warn",
        ]);
        if let Some(clock) = clock {
            command.env("LD_PRELOAD", clock);
        }
        let mut child = Child::start("envoy", &mut command);

        let admin = format!("http://{}", child.file(&admin_address).trim());
        let client = http();
        // "LIVE" comes when the listener is open, with `async_fetch` after the first fetch; until then
        // it is asked again.
        let ready = async {
            while get(&client, &format!("{admin}/ready")).await.trim() != "LIVE" {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(60), ready)
            .await
            .expect("Envoy becomes ready");
        let listeners: Value =
            serde_json::from_str(&get(&client, &format!("{admin}/listeners?format=json")).await)
                .expect("the list of listeners is JSON");
        let port =
            &listeners["listener_statuses"][0]["local_address"]["socket_address"]["port_value"];
        Self {
            url: format!("http://127.0.0.1:{port}/"),
            client,
            _child: child,
            directory,
        }
    }

    /// What Envoy answers to a request with this `Authorization`, and why.
    pub(crate) async fn ask(&self, authorization: Option<&str>) -> (StatusCode, String) {
        let authorization =
            authorization.map(|text| HeaderValue::from_str(text).expect("a header"));
        self.ask_with(authorization).await
    }

    /// As [`ask`](Self::ask), with a header that need not be ASCII.
    pub(crate) async fn ask_with(
        &self,
        authorization: Option<HeaderValue>,
    ) -> (StatusCode, String) {
        let mut request = self.client.get(&self.url);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let response = request.send().await.expect("Envoy answers");
        (
            response.status(),
            response.text().await.expect("Envoy answers in full"),
        )
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

async fn get(client: &reqwest::Client, url: &str) -> String {
    client
        .get(url)
        .send()
        .await
        .expect("Envoy's admin port answers")
        .text()
        .await
        .expect("in full")
}
