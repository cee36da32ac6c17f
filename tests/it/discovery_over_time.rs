//! Metadata on its own slow schedule: where keys are may change, on the issuer's word alone.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, Endpoint, Fault, ScriptedFetch, TestIssuer, VirtualClock};
use portcullis::{
    Audience, FetchError, FetchErrorKind, FetchResponse, Issuer, KeyRefresh, KeyState, Verifier,
};
use serde_json::json;

use tokio::runtime::Builder;

use crate::support::{Recorder, discovered, failure, reason, settle};

const FIRST: &str = "https://keys.example.com/first";
const SECOND: &str = "https://keys.example.com/second";

/// An issuer whose metadata and keys are scripts. Time is moved by hand.
struct Scene {
    issuer: TestIssuer,
    clock: VirtualClock,
    network: ScriptedFetch,
    events: Recorder,
    verifier: Verifier,
}

impl Scene {
    /// With the keys found at [`FIRST`].
    async fn set() -> Self {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let (network, events) = (ScriptedFetch::new(), Recorder::default());
        let verifier = Verifier::builder()
            .issuer(discovered(&issuer))
            .clock(clock.clone())
            .fetch(network.clone())
            .observer(events.clone())
            .build()
            .unwrap();
        let scene = Self {
            issuer,
            clock,
            network,
            events,
            verifier,
        };
        scene.publish(FIRST);
        scene.point_to(FIRST);
        assert_eq!(scene.good().await, "accepted");
        assert_eq!(scene.asked(), (1, 1, 0));
        scene.events.take();
        scene
    }

    fn metadata(&self) -> String {
        format!(
            "{}{}",
            self.issuer.issuer(),
            Endpoint::OpenIdConfiguration.path()
        )
    }

    fn publish(&self, url: &str) {
        let keys = FetchResponse::document(self.issuer.jwks());
        self.network.answer(url, Ok(keys.with_etag("\"tag\"")));
    }

    fn point_to(&self, jwks_uri: &str) {
        self.say(&json!({"issuer": self.issuer.issuer(), "jwks_uri": jwks_uri}));
    }

    fn say(&self, document: &impl ToString) {
        let document = FetchResponse::document(document.to_string());
        self.network.answer(&self.metadata(), Ok(document));
    }

    /// Requests so far: for metadata, for keys at the first address and at the second.
    fn asked(&self) -> (usize, usize, usize) {
        let count = |url| self.network.count(url);
        (count(&self.metadata()), count(FIRST), count(SECOND))
    }

    async fn good(&self) -> &'static str {
        reason(&self.verifier.verify(&self.issuer.token().sign()).await)
    }

    /// So much later: long enough for keys to be fetched anew, by a request that waits for them.
    async fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        assert_eq!(self.good().await, "accepted");
        settle().await;
    }

    fn metadata_error(&self) -> Option<FetchErrorKind> {
        let status = self.verifier.status().issuers()[0].clone();
        status.metadata_error().map(FetchError::kind)
    }
}

#[tokio::test]
async fn metadata_is_read_once_an_hour_and_keys_more_often() {
    let scene = Scene::set().await;
    for _ in 0..6 {
        scene.later(599).await;
    }
    assert_eq!(scene.asked(), (1, 7, 0));
    scene.later(599).await;
    assert_eq!(scene.asked(), (2, 8, 0));
    for _ in 0..6 {
        scene.later(599).await;
    }
    assert_eq!(scene.asked(), (2, 14, 0));
}

#[tokio::test]
async fn n6_a_moved_address_is_followed_and_the_old_one_never_asked_again() {
    let scene = Scene::set().await;
    scene.issuer.rotate();
    scene.publish(SECOND);
    scene.point_to(SECOND);
    // Whoever holds the old address now has nothing to say.
    let withdrawal = FetchResponse::document(r#"{"keys":[]}"#);
    scene.clock.advance(Duration::from_secs(3_600));
    scene.network.answer(FIRST, Ok(withdrawal));
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.asked(), (2, 1, 1));
    assert!(scene.events.all().contains(&"jwks_uri_changed".to_owned()));
    let first_at_second = scene.network.requests().pop().unwrap();
    assert_eq!(first_at_second.url(), SECOND);
    assert!(
        first_at_second.if_none_match().is_none(),
        "the tag is the old address's"
    );

    // Not when the new one fails either, nor when metadata does.
    scene.network.answer(SECOND, failure());
    scene.network.answer(&scene.metadata(), failure());
    for _ in 0..40 {
        scene.later(1_800).await;
    }
    let (_, first, second) = scene.asked();
    assert_eq!(first, 1);
    assert!(second > 20, "{second}");
}

#[tokio::test]
async fn a_moved_address_is_looked_for_at_once_when_the_old_one_fails() {
    let scene = Scene::set().await;
    scene
        .network
        .answer(FIRST, Err(FetchError::new(FetchErrorKind::Status(410))));
    scene.publish(SECOND);
    scene.point_to(SECOND);
    scene.later(599).await;
    assert_eq!(scene.asked(), (1, 2, 0), "nobody knows yet");
    scene.later(60).await;
    assert_eq!(scene.asked(), (2, 2, 1));
    scene.later(1).await;
    assert_eq!(
        scene.verifier.status().issuers()[0].state(),
        KeyState::Fresh
    );
}

/// What metadata may be that is not to be followed.
fn lies(issuer: &str) -> Vec<(String, FetchErrorKind)> {
    let of =
        |issuer: &str, jwks_uri: &str| json!({"issuer": issuer, "jwks_uri": jwks_uri}).to_string();
    vec![
        (
            of("https://stranger.example.com", SECOND),
            FetchErrorKind::IssuerMismatch,
        ),
        (
            of(&format!("{issuer}/"), SECOND),
            FetchErrorKind::IssuerMismatch,
        ),
        (
            of(&issuer.to_uppercase(), SECOND),
            FetchErrorKind::IssuerMismatch,
        ),
        (
            of(issuer, "http://keys.example.com/second"),
            FetchErrorKind::ForbiddenUrl,
        ),
        (
            of(issuer, "https://user:pw@keys.example.com/second"),
            FetchErrorKind::ForbiddenUrl,
        ),
        (of(issuer, "file:///etc/keys"), FetchErrorKind::ForbiddenUrl),
        (
            json!({"issuer": issuer}).to_string(),
            FetchErrorKind::NotMetadata,
        ),
        (
            json!({"jwks_uri": SECOND}).to_string(),
            FetchErrorKind::NotMetadata,
        ),
        ("<html>".to_owned(), FetchErrorKind::NotMetadata),
        (String::new(), FetchErrorKind::NotMetadata),
    ]
}

#[tokio::test]
async fn metadata_that_is_not_our_issuers_is_shown_and_not_followed() {
    let scene = Scene::set().await;
    scene.publish(SECOND);
    for (lie, kind) in lies(scene.issuer.issuer()) {
        scene.events.take();
        scene.say(&lie);
        let (metadata, first, _) = scene.asked();
        scene.later(3_600).await;
        assert_eq!(scene.asked(), (metadata + 1, first + 1, 0), "{lie}");
        assert_eq!(scene.metadata_error(), Some(kind), "{lie}");
        let status = scene.verifier.status().issuers()[0].clone();
        assert!(status.last_error().is_none(), "keys are well: {lie}");
        let told = format!("metadata_failed {kind:?}");
        assert!(scene.events.all().contains(&told), "{lie}");

        scene.point_to(FIRST);
        scene.later(3_600).await;
        assert_eq!(scene.metadata_error(), None);
    }
}

#[tokio::test]
async fn an_address_that_metadata_never_confirms_is_trusted_for_a_day() {
    let scene = Scene::set().await;
    scene.network.answer(&scene.metadata(), failure());
    for _ in 0..47 {
        scene.later(1_800).await;
    }
    assert_eq!(scene.metadata_error(), Some(FetchErrorKind::Connection));
    let (_, first, _) = scene.asked();
    scene.later(1_801).await;
    let (_, now, _) = scene.asked();
    assert_eq!(now, first, "no fetch from an address that is a day old");
    let status = scene.verifier.status().issuers()[0].clone();
    assert_eq!(
        status.last_error().unwrap().kind(),
        FetchErrorKind::Connection
    );
}

#[tokio::test]
async fn metadata_that_cannot_be_read_is_tried_once_a_minute_at_most() {
    let scene = Scene::set().await;
    scene.network.answer(&scene.metadata(), failure());
    scene.network.answer(FIRST, failure());
    scene.clock.advance(Duration::from_secs(3_600));
    for second in 0..600 {
        scene.clock.advance(Duration::from_secs(1));
        let unknown = scene.issuer.token().key_id(&format!("new-{second}")).sign();
        assert!(
            scene
                .verifier
                .verify(&unknown)
                .await
                .unwrap_err()
                .is_unavailable()
        );
        assert_eq!(scene.good().await, "accepted");
        settle().await;
    }
    let (metadata, ..) = scene.asked();
    assert!((6..=12).contains(&metadata), "{metadata} in eleven minutes");
}

/// On sockets: metadata hangs, keys are well.
#[tokio::test]
async fn metadata_that_hangs_does_not_starve_keys_that_are_well() {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
    let deadline = Duration::from_millis(1_500);
    let refresh = KeyRefresh::new()
        .fetch_deadline(deadline)
        .max_wait(deadline);
    let verifier = Verifier::builder()
        .issuer(discovered(&issuer).key_refresh(refresh))
        .clock(clock.clone())
        .build()
        .unwrap();
    let verify = async || reason(&verifier.verify(&issuer.token().sign()).await);
    assert_eq!(verify().await, "accepted");
    issuer.fail_at(Endpoint::OpenIdConfiguration, Fault::Hang);
    issuer.fail_at(Endpoint::AuthorizationServerMetadata, Fault::Hang);
    issuer.rotate();
    clock.advance(Duration::from_secs(4 * 3_600));
    assert_eq!(verify().await, "accepted");
    let status = verifier.status().issuers()[0].clone();
    assert_eq!(
        status.metadata_error().unwrap().kind(),
        FetchErrorKind::Deadline
    );
    assert!(status.last_error().is_none());
    let requests = issuer.requests();
    assert_eq!((requests.discovery(), requests.jwks()), (2, 2));
}

#[tokio::test]
async fn an_address_that_is_gone_by_the_time_it_is_asked_is_a_failure_and_then_found() {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
    let network = ScriptedFetch::new();
    let metadata = format!(
        "{}{}",
        issuer.issuer(),
        Endpoint::OpenIdConfiguration.path()
    );
    let names = |url: &str| {
        let document = json!({"issuer": issuer.issuer(), "jwks_uri": url}).to_string();
        Ok(FetchResponse::document(document))
    };
    network.answer_once(&metadata, names(FIRST));
    network.answer(&metadata, names(SECOND));
    network.answer(SECOND, Ok(FetchResponse::document(issuer.jwks())));
    let verifier = Verifier::builder()
        .issuer(Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE)))
        .clock(clock.clone())
        .fetch(network.clone())
        .build()
        .unwrap();
    let verify = async || reason(&verifier.verify(&issuer.token().sign()).await);
    assert_eq!(verify().await, "keys_unavailable");
    let mut seconds = 0;
    while verify().await != "accepted" {
        clock.advance(Duration::from_secs(1));
        seconds += 1;
        // A minute between two looks at metadata, and a back-off of up to another.
        assert!(seconds <= 120, "not found again");
    }
    assert_eq!(network.count(&metadata), 2);
}

#[tokio::test]
async fn a_refresh_by_hand_reads_metadata_too() {
    let scene = Scene::set().await;
    let withdrawn = scene.issuer.token().sign();
    scene.issuer.rotate();
    scene.publish(SECOND);
    scene.point_to(SECOND);
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(scene.asked(), (2, 1, 1));
    assert_eq!(
        reason(&scene.verifier.verify(&withdrawn).await),
        "unknown_key"
    );
}

#[tokio::test]
async fn an_older_seed_leaves_newer_metadata_alone() {
    let scene = Scene::set().await;
    scene.clock.advance(Duration::from_secs(600));
    let other = Verifier::builder()
        .issuer(discovered(&scene.issuer))
        .clock(scene.clock.clone())
        .fetch(scene.network.clone())
        .build()
        .unwrap();
    other.warm_up().await.unwrap();
    // Newer than the keys at hand, and older than the word that they have moved.
    let seed = other.export_keys();
    scene.point_to(SECOND);
    scene.network.answer(SECOND, failure());
    scene.later(3_000).await;
    let before = scene.asked();
    assert!(before.2 >= 1, "moved");
    scene.verifier.seed_keys(&seed).unwrap();
    assert_eq!(
        scene.verifier.status().issuers()[0].age(),
        Some(Duration::from_secs(3_000))
    );
    scene.later(1).await;
    scene.later(61).await;
    let after = scene.asked();
    assert_eq!(after.1, before.1, "the old address is not asked again");
    assert!(after.2 > before.2);
}

#[test]
fn what_a_flight_that_was_given_up_reads_replaces_no_newer_metadata() {
    let runtime = || Builder::new_current_thread().enable_all().build().unwrap();
    let (still, other) = (runtime(), runtime());
    let scene = still.block_on(Scene::set());
    scene.clock.advance(Duration::from_secs(3_600));
    scene.network.hold();
    still.block_on(async {
        assert!(
            scene
                .verifier
                .verify_now(&scene.issuer.token().sign())
                .is_err()
        );
        scene.network.until_requests(3).await;
    });
    // Its runtime stands still with it; another finds where the keys are now.
    scene.clock.advance(Duration::from_secs(10));
    assert_eq!(other.block_on(scene.good()), "accepted", "of before");
    scene.publish(SECOND);
    scene.point_to(SECOND);
    scene.network.release();
    other.block_on(scene.later(1));
    assert_eq!(scene.asked(), (3, 1, 1));

    scene.point_to(FIRST);
    still.block_on(settle());
    assert_eq!(scene.asked(), (3, 2, 1), "it goes on");
    other.block_on(scene.later(599));
    assert_eq!(scene.asked(), (3, 2, 2), "and is not heard");
}
