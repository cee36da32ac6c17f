//! Hours pass in no time: a virtual clock, and a network that is a list of answers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{
    Audience, Fetch, FetchError, FetchErrorKind, FetchFuture, FetchRequest, FetchResponse, Issuer,
    KeyState, Verifier,
};

use crate::support::reason;

/// Answers with the JWK Set of the moment, or fails.
#[derive(Clone, Debug, Default)]
struct Network(Arc<NetworkState>);

#[derive(Debug, Default)]
struct NetworkState {
    jwks: Mutex<String>,
    is_down: AtomicBool,
    fetches: AtomicUsize,
}

impl Fetch for Network {
    fn fetch(&self, _: FetchRequest) -> FetchFuture<'_> {
        Box::pin(async {
            self.0.fetches.fetch_add(1, Ordering::Relaxed);
            if self.0.is_down.load(Ordering::Relaxed) {
                return Err(FetchError::new(FetchErrorKind::Connection));
            }
            Ok(FetchResponse::document(self.0.jwks.lock().unwrap().clone()))
        })
    }
}

struct Scene {
    issuer: TestIssuer,
    clock: VirtualClock,
    network: Network,
    verifier: Verifier,
}

impl Scene {
    /// The issuer only makes keys and tokens here; nothing is asked of its server.
    async fn set() -> Self {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let network = Network::default();
        let trusted = Issuer::jwks_uri(
            issuer.issuer(),
            "https://id.example.com/keys",
            Audience::of(AUDIENCE),
        );
        let verifier = Verifier::builder()
            .issuer(trusted)
            .clock(clock.clone())
            .fetch(network.clone())
            .build()
            .unwrap();
        let scene = Self {
            issuer,
            clock,
            network,
            verifier,
        };
        scene.publish();
        scene
    }

    fn publish(&self) {
        *self.network.0.jwks.lock().unwrap() = self.issuer.jwks();
    }

    fn fetches(&self) -> usize {
        self.network.0.fetches.load(Ordering::Relaxed)
    }

    fn go_down(&self) {
        self.network.0.is_down.store(true, Ordering::Relaxed);
    }

    fn come_back(&self) {
        self.network.0.is_down.store(false, Ordering::Relaxed);
    }

    async fn verify(&self) -> &'static str {
        reason(&self.verifier.verify(&self.issuer.token().sign()).await)
    }

    /// Lets a background fetch that was just started run to its end.
    async fn settle(&self) {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn an_idle_service_asks_nothing_and_a_busy_one_refreshes_ahead() {
    let scene = Scene::set().await;
    assert_eq!(scene.verify().await, "accepted");
    scene.clock.advance(Duration::from_secs(400));
    assert_eq!(scene.verify().await, "accepted");
    scene.settle().await;
    assert_eq!(scene.fetches(), 1, "fresh");
    scene.clock.advance(Duration::from_secs(150));
    assert_eq!(
        scene.verifier.status().issuers()[0].state(),
        KeyState::Fresh
    );
    assert_eq!(scene.verify().await, "accepted");
    scene.settle().await;
    assert_eq!(
        scene.fetches(),
        2,
        "refreshed in the background before they were stale"
    );
}

#[tokio::test]
async fn a_withdrawn_key_is_refused_by_an_idle_service_at_its_first_request() {
    // Fresh for 10 minutes, and an hour of grace after that; two days are the issue of idle services.
    for (idle, expected) in [
        (4_199, "accepted"),
        (4_200, "unknown_key"),
        (2 * 86_400, "unknown_key"),
    ] {
        let scene = Scene::set().await;
        let old = scene.issuer.token();
        let old = old.expires_in(Duration::from_secs(7 * 86_400)).sign();
        assert_eq!(reason(&scene.verifier.verify(&old).await), "accepted");
        scene.issuer.rotate();
        scene.publish();
        scene.clock.advance(Duration::from_secs(idle));
        let outcome = scene.verifier.verify(&old).await;
        assert_eq!(reason(&outcome), expected, "after {idle} s");
    }
}

#[tokio::test]
async fn an_outage_is_survived_for_a_day_and_no_longer() {
    let scene = Scene::set().await;
    assert_eq!(scene.verify().await, "accepted");
    scene.go_down();
    for _ in 0..23 {
        scene.clock.advance(Duration::from_secs(3_600));
        assert_eq!(scene.verify().await, "accepted");
        scene.settle().await;
    }
    scene.clock.advance(Duration::from_secs(3_600));
    assert_eq!(scene.verify().await, "keys_unavailable");
    assert_eq!(
        scene.verifier.status().issuers()[0].state(),
        KeyState::Overstayed
    );

    scene.come_back();
    scene.clock.advance(Duration::from_secs(61));
    assert_eq!(scene.verify().await, "accepted");
}

#[tokio::test]
async fn in_an_outage_attempts_back_off() {
    let scene = Scene::set().await;
    scene.go_down();
    for _ in 0..600 {
        assert_eq!(scene.verify().await, "keys_unavailable");
        scene.clock.advance(Duration::from_secs(1));
    }
    // 1, 2, 4 … 60 s, each shortened by up to a half: no fewer than 14 and no more than 28 in ten minutes.
    assert!((14..=28).contains(&scene.fetches()), "{}", scene.fetches());
}

#[tokio::test]
async fn a_suspended_machine_does_not_think_its_keys_are_young() {
    let scene = Scene::set().await;
    assert_eq!(scene.verify().await, "accepted");
    scene.clock.suspend(Duration::from_secs(86_400));
    assert_eq!(
        scene.verifier.status().issuers()[0].state(),
        KeyState::Overstayed
    );
    scene.go_down();
    assert_eq!(scene.verify().await, "keys_unavailable");
}

#[tokio::test]
async fn e9_a_wall_clock_set_back_keeps_keys_as_old_as_they_are() {
    let scene = Scene::set().await;
    assert_eq!(scene.verify().await, "accepted");
    scene.clock.advance(Duration::from_secs(601));
    scene
        .clock
        .set_wall(std::time::UNIX_EPOCH + Duration::from_secs(1_799_000_000));
    assert_eq!(
        scene.verifier.status().issuers()[0].state(),
        KeyState::Stale
    );
}

#[tokio::test]
async fn unknown_keys_are_asked_for_at_growing_intervals() {
    let scene = Scene::set().await;
    assert_eq!(scene.verify().await, "accepted");
    let before = scene.fetches();
    let invented = || scene.issuer.token().key_id("invented").sign();
    for (seconds, fetches) in [
        (0, 1),
        (9, 1),
        (10, 1),
        (1, 2),
        (39, 2),
        (1, 3),
        (59, 3),
        (1, 4),
        (59, 4),
        (1, 5),
    ] {
        scene.clock.advance(Duration::from_secs(seconds));
        assert_eq!(
            reason(&scene.verifier.verify(&invented()).await),
            "unknown_key"
        );
        assert_eq!(scene.fetches() - before, fetches, "after {seconds} s more");
    }
}
