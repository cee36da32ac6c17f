//! What is attacked: an issuer with a key of each kind, and a service that trusts it.

use std::sync::LazyLock;
use std::thread;

use portcullis::testing::{AUDIENCE, TestIssuer, TokenBuilder, VirtualClock};
use portcullis::{Algorithm, Audience, Issuer, KeySet, Verifier};
use serde_json::Value;

/// An issuer, a stranger with keys of the same kinds, and a verifier with the issuer's keys at hand.
pub(crate) struct Target {
    pub(crate) issuer: TestIssuer,
    /// Whoever attacks: has an issuer too, whom nobody trusts.
    pub(crate) mallory: TestIssuer,
    pub(crate) clock: VirtualClock,
    pub(crate) verifier: Verifier,
}

/// The time of every token and verifier here.
pub(crate) const NOW: u64 = 1_800_000_000;

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::Es256,
    Algorithm::Rs256,
    Algorithm::EdDsa,
    Algorithm::Es384,
    Algorithm::Es512,
];

static SHARED: LazyLock<Target> = LazyLock::new(|| {
    // On a thread of its own, as the first to ask may be inside a runtime.
    let start = thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build();
        runtime.unwrap().block_on(Target::start())
    });
    start.join().unwrap()
});

impl Target {
    /// One for all who neither move its clock nor change its issuer.
    pub(crate) fn shared() -> &'static Self {
        &SHARED
    }

    pub(crate) async fn start() -> Self {
        let clock = VirtualClock::at_unix(NOW);
        let start = async || {
            let issuer = TestIssuer::start_with(ALGORITHMS).await.unwrap();
            issuer.with_clock(clock.clone())
        };
        let (issuer, mallory) = (start().await, start().await);
        let verifier = with_keys(&issuer, &clock, &issuer.jwks());
        Self {
            issuer,
            mallory,
            clock,
            verifier,
        }
    }

    /// A token that would be accepted.
    pub(crate) fn token(&self) -> TokenBuilder {
        self.issuer.token()
    }

    pub(crate) fn good(&self) -> String {
        self.token().sign()
    }

    /// A token of mallory's that claims to be of the issuer.
    pub(crate) fn forged(&self) -> TokenBuilder {
        self.mallory.token().issuer(self.issuer.issuer())
    }

    /// A verifier for the issuer with these keys.
    pub(crate) fn verifier_with(&self, jwks: &str) -> Verifier {
        with_keys(&self.issuer, &self.clock, jwks)
    }

    /// A verifier with other rules about the issuer's tokens.
    pub(crate) fn verifier_that(&self, configure: impl FnOnce(Issuer) -> Issuer) -> Verifier {
        let keys = KeySet::from_json(self.issuer.jwks().as_bytes()).unwrap();
        let issuer = Issuer::keys(self.issuer.issuer(), keys, Audience::of(AUDIENCE));
        Verifier::builder()
            .issuer(configure(issuer))
            .clock(self.clock.clone())
            .build()
            .unwrap()
    }

    /// The published key for an algorithm.
    pub(crate) fn jwk(&self, algorithm: Algorithm) -> Value {
        jwk_of(&self.issuer, algorithm)
    }

    pub(crate) fn key_id(&self, algorithm: Algorithm) -> String {
        self.jwk(algorithm)["kid"].as_str().unwrap().to_owned()
    }
}

pub(crate) fn jwk_of(issuer: &TestIssuer, algorithm: Algorithm) -> Value {
    let jwks: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let mut keys = jwks["keys"].as_array().unwrap().iter();
    keys.find(|key| key["alg"] == algorithm.name())
        .unwrap()
        .clone()
}

fn with_keys(issuer: &TestIssuer, clock: &VirtualClock, jwks: &str) -> Verifier {
    let keys = KeySet::from_json(jwks.as_bytes()).unwrap();
    let issuer = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    Verifier::builder()
        .issuer(issuer)
        .clock(clock.clone())
        .build()
        .unwrap()
}

/// A listener that nobody may connect to.
pub(super) struct Trap(tokio::net::TcpListener);

impl Trap {
    pub(super) async fn set() -> Self {
        Self(tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap())
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.local_addr().unwrap())
    }

    /// Connections are accepted in their order: ours is the first, so there was none before it.
    pub(super) async fn must_be_untouched(self) {
        let address = self.0.local_addr().unwrap();
        let own = tokio::net::TcpStream::connect(address).await.unwrap();
        let (_, first) = self.0.accept().await.unwrap();
        assert_eq!(first, own.local_addr().unwrap(), "somebody connected");
    }
}
