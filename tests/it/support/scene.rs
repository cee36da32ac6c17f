//! An issuer whose network is a script and whose time is moved by hand: days pass in no time.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, ScriptedFetch, TestIssuer, TokenBuilder, VirtualClock};
use portcullis::{
    Audience, FetchError, FetchErrorKind, FetchResponse, Issuer, IssuerStatus, Verifier,
    VerifierBuilder,
};

use super::reason;

/// Where the scripted keys are.
pub(crate) const KEYS: &str = "https://id.example.com/keys";

pub(crate) struct Scene {
    /// Makes keys and tokens only; nothing is asked of its server.
    pub(crate) issuer: TestIssuer,
    pub(crate) clock: VirtualClock,
    pub(crate) network: ScriptedFetch,
    pub(crate) verifier: Verifier,
}

impl Scene {
    pub(crate) async fn set() -> Self {
        Self::with(|issuer| issuer).await
    }

    pub(crate) async fn with(settings: impl FnOnce(Issuer) -> Issuer) -> Self {
        Self::built(settings, |builder| builder).await
    }

    /// A scene with other settings of the issuer and of the verifier.
    pub(crate) async fn built(
        settings: impl FnOnce(Issuer) -> Issuer,
        build: impl FnOnce(VerifierBuilder) -> VerifierBuilder,
    ) -> Self {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let network = ScriptedFetch::new();
        let trusted = Issuer::jwks_uri(issuer.issuer(), KEYS, Audience::of(AUDIENCE));
        let builder = Verifier::builder()
            .issuer(settings(trusted))
            .clock(clock.clone())
            .fetch(network.clone());
        let scene = Self {
            verifier: build(builder).build().unwrap(),
            issuer,
            clock,
            network,
        };
        scene.publish();
        scene
    }

    /// The issuer answers, with its keys of now.
    pub(crate) fn publish(&self) {
        self.network
            .answer(KEYS, Ok(FetchResponse::document(self.issuer.jwks())));
    }

    pub(crate) fn go_down(&self) {
        self.network.answer(KEYS, failure());
    }

    /// Another key, and the network says so.
    pub(crate) fn rotate(&self) {
        self.issuer.rotate();
        self.publish();
    }

    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// A token that outlives every test of time.
    pub(crate) fn token(&self) -> TokenBuilder {
        self.issuer
            .token()
            .expires_in(Duration::from_secs(30 * 86_400))
    }

    pub(crate) async fn verify(&self, token: &str) -> &'static str {
        reason(&self.verifier.verify(token).await)
    }

    /// What a good token of now hears.
    pub(crate) async fn good(&self) -> &'static str {
        self.verify(&self.token().sign()).await
    }

    /// What a token under an invented key hears.
    pub(crate) async fn invented(&self) -> &'static str {
        self.verify(&self.token().key_id("invented").sign()).await
    }

    pub(crate) fn fetches(&self) -> usize {
        self.network.count(KEYS)
    }

    pub(crate) fn status(&self) -> IssuerStatus {
        self.verifier.status().issuers()[0].clone()
    }
}

pub(crate) fn failure() -> Result<FetchResponse, FetchError> {
    Err(FetchError::new(FetchErrorKind::Connection))
}

/// Lets fetches in the background that have been started run to their end.
pub(crate) async fn settle() {
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}
