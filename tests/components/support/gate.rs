//! A guarded port, ours or Envoy's, that answers over HTTP and fetches keys under a name of its own.

use std::time::Duration;

use portcullis::{Audience, Clock as _, Issuer as Trusted, KeyRefresh, SystemClock, Verifier};

use super::{Envoy, Issuer, KeyFetch, Service, http};

/// Whatever guards it, in real time and with real sockets on both sides.
#[derive(Debug)]
pub(crate) struct Gate {
    url: String,
    client: reqwest::Client,
    /// The path and query under which it asks for keys.
    keys: String,
    _guard: Guard,
}

#[derive(Debug)]
#[expect(dead_code, reason = "kept for what their drops end")]
enum Guard {
    Ours(Service),
    Envoy(Envoy),
}

/// What it said, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub(crate) status: u16,
    pub(crate) retry_after: bool,
    pub(crate) took: Duration,
}

impl Verdict {
    pub(crate) fn passed(self) -> bool {
        self.status == 200
    }
}

impl Gate {
    pub(crate) async fn ours(issuer: &Issuer, keys: &Keys, name: &str, rules: KeyRefresh) -> Self {
        let (jwks_uri, keys) = keys.asked_by(name);
        let audience = Audience::of(&issuer.audience);
        let trusted = Trusted::jwks_uri(&issuer.issuer, jwks_uri, audience).key_refresh(rules);
        let verifier = Verifier::new(trusted).expect("a sound configuration");
        let service = Service::start(verifier).await;
        Self::new(service.url.clone(), keys, Guard::Ours(service))
    }

    pub(crate) async fn envoy(issuer: &Issuer, keys: &Keys, name: &str, fetch: KeyFetch) -> Self {
        let (jwks_uri, keys) = keys.asked_by(name);
        let envoy = Envoy::start(issuer, &jwks_uri, fetch).await;
        Self::new(envoy.url.clone(), keys, Guard::Envoy(envoy))
    }

    fn new(url: String, keys: String, guard: Guard) -> Self {
        Self {
            url,
            client: http(),
            keys,
            _guard: guard,
        }
    }

    pub(crate) async fn ask(&self, token: &str) -> Verdict {
        let start = elapsed();
        let request = self.client.get(&self.url).bearer_auth(token);
        let response = request.send().await.expect("the gate answers");
        let (status, headers) = (response.status().as_u16(), response.headers());
        let retry_after = headers.contains_key("retry-after");
        response.bytes().await.expect("the gate answers in full");
        Verdict {
            status,
            retry_after,
            took: elapsed() - start,
        }
    }

    /// How often it has asked for keys so far.
    pub(crate) async fn fetches(&self, issuer: &Issuer) -> u64 {
        issuer.requests(&self.keys).await
    }
}

/// Where an issuer's keys are; read while it is up.
#[derive(Clone, Debug)]
pub(crate) struct Keys(reqwest::Url);

impl Keys {
    pub(crate) async fn of(issuer: &Issuer) -> Self {
        Self(issuer.jwks_uri().await.parse().expect("a URL"))
    }

    /// The URL for one who is counted under this name, and how the issuer counts it.
    fn asked_by(&self, name: &str) -> (String, String) {
        let path = format!("{}?by={name}", self.0.path());
        let url = self.0.join(&path).expect("a path and a query");
        (url.into(), path)
    }
}

/// Time since some moment of this process.
pub(crate) fn elapsed() -> Duration {
    SystemClock::default().now().monotonic
}
