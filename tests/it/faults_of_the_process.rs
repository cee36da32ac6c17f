//! What may go wrong on our side of the socket: runtimes that end or stand still, callers that go
//! away, and code of others that panics. No waiter is stuck, and the next caller is served.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use portcullis::testing::{AUDIENCE, Fault, ScriptedFetch, TestIssuer, VirtualClock};
use portcullis::{
    Audience, Clock, Event, FetchError, FetchErrorKind, FetchResponse, Issuer, KeyRefresh, Now,
    Observer, Verifier, VerifierBuilder, VerifyError,
};
use tokio::runtime::{Builder, Runtime};

use crate::support::{KEYS, Recorder, Scene, discovered, failure, reason, settle, verifier};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn a_runtime_that_shuts_down_in_mid_flight_fails_that_flight_only() {
    let first = runtime();
    let scene = first.block_on(Scene::set());
    scene.network.hold();
    first.block_on(async {
        assert_eq!(
            reason(&scene.verifier.verify_now(&scene.token().sign())),
            "key_not_cached"
        );
        scene.network.until_requests(1).await;
    });
    drop(first);
    scene.network.release();
    let second = runtime();
    second.block_on(async {
        let refusal = scene
            .verifier
            .verify(&scene.token().sign())
            .await
            .unwrap_err();
        assert!(refusal.is_unavailable(), "in its back-off: {refusal:?}");
        let kind = scene.status().last_error().unwrap().kind();
        assert_eq!(kind, FetchErrorKind::Aborted);
        scene.pass(1);
        assert_eq!(scene.good().await, "accepted");
    });
}

#[test]
fn without_its_runtime_a_verifier_serves_known_keys_and_finds_another_runtime() {
    let first = runtime();
    let scene = first.block_on(Scene::set());
    assert_eq!(first.block_on(scene.good()), "accepted");
    drop(first);
    // Stale, and nobody there to fetch: that is nobody's failure, and stays due.
    scene.pass(700);
    for _ in 0..3 {
        assert_eq!(
            reason(&scene.verifier.verify_now(&scene.token().sign())),
            "accepted"
        );
        let unknown = scene.token().key_id("new").sign();
        assert_eq!(
            reason(&scene.verifier.verify_now(&unknown)),
            "key_not_cached"
        );
    }
    assert!(scene.status().last_error().is_none());
    assert_eq!(scene.fetches(), 1);
    let second = runtime();
    second.block_on(async {
        assert_eq!(scene.good().await, "accepted");
        settle().await;
    });
    assert_eq!(scene.fetches(), 2);
}

#[test]
fn a_flight_that_nobody_drives_is_given_up_and_never_replaces_newer_keys() {
    let still = runtime();
    let scene = still.block_on(Scene::with(|issuer| {
        let least = Duration::from_millis(100);
        issuer.key_refresh(KeyRefresh::new().fetch_deadline(least).max_wait(least))
    }));
    scene.network.hold();
    still.block_on(async {
        assert!(scene.verifier.verify_now(&scene.token().sign()).is_err());
        scene.network.until_requests(1).await;
    });
    // From here on the first runtime stands still, with its flight in the air.
    let other = runtime();
    let refused = other.block_on(scene.verifier.verify(&scene.token().sign()));
    assert_eq!(reason(&refused), "keys_unavailable", "joined it in vain");
    assert_eq!(scene.fetches(), 1);

    scene.clock.advance(Duration::from_millis(200));
    let refused = other.block_on(scene.verifier.verify(&scene.token().sign()));
    assert!(refused.unwrap_err().is_unavailable());
    let kind = scene.status().last_error().unwrap().kind();
    assert_eq!(kind, FetchErrorKind::Aborted, "given up");

    let old = scene.token().sign();
    scene.rotate();
    scene.pass(1);
    scene.network.release();
    assert_eq!(other.block_on(scene.good()), "accepted");
    assert_eq!(scene.fetches(), 2);
    let before = scene.status();

    // It moves again, and what it brings is of no interest any more.
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::document(r#"{"keys":[]}"#)));
    still.block_on(settle());
    let after = scene.status();
    assert_eq!(
        (before.key_count(), before.age()),
        (after.key_count(), after.age())
    );
    assert!(scene.verifier.verify_now(&old).is_err());
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_nothing_with_it() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    issuer.fail_with(Fault::Hang);
    let call = || {
        let (verifier, token) = (verifier.clone(), issuer.token().sign());
        tokio::spawn(async move { reason(&verifier.verify(&token).await) })
    };
    let (leader, followers) = (call(), [call(), call()]);
    issuer.until_requests(1).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());
    issuer.recover();
    for follower in followers {
        assert_eq!(follower.await.unwrap(), "accepted");
    }
    let requests = issuer.requests();
    assert_eq!((requests.discovery(), requests.jwks()), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_thousand_first_callers_on_many_threads_cause_one_fetch_of_each_document() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    let token: Arc<str> = issuer.token().sign().into();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..1_000 {
        let (verifier, token) = (verifier.clone(), Arc::clone(&token));
        callers.spawn(async move { reason(&verifier.verify(&token).await) });
    }
    let outcomes = callers.join_all().await;
    assert!(outcomes.iter().all(|outcome| *outcome == "accepted"));
    let requests = issuer.requests();
    assert_eq!((requests.discovery(), requests.jwks()), (1, 1));
}

#[derive(Debug)]
struct PanicsWhenShown;

impl fmt::Display for PanicsWhenShown {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("an error that cannot be shown");
    }
}

impl Error for PanicsWhenShown {}

#[derive(Debug)]
struct PanicsWhenTold;

impl Observer for PanicsWhenTold {
    fn observe(&self, _: &Event<'_>) {
        panic!("an observer that panics");
    }
}

/// Panics in the task of a flight while it is armed.
#[derive(Clone, Debug)]
struct PanicsInFlight {
    armed: Arc<AtomicBool>,
    clock: VirtualClock,
}

impl Clock for PanicsInFlight {
    fn now(&self) -> Now {
        if self.armed.load(Ordering::Relaxed) && tokio::task::try_id().is_some() {
            panic!("a clock that panics");
        }
        self.clock.now()
    }
}

/// Whatever panics beside a fetch, that fetch fails or succeeds, nobody hangs, and the next succeeds.
async fn survives(
    first: Option<FetchError>,
    build: impl FnOnce(VerifierBuilder) -> VerifierBuilder,
    disarm: impl FnOnce(),
) {
    let scene = Scene::built(|issuer| issuer, build).await;
    if let Some(error) = first {
        scene.network.answer_once(KEYS, Err(error));
    }
    let token = scene.token().sign();
    let first = tokio::time::timeout(Duration::from_secs(10), scene.verifier.verify(&token));
    let first = first.await.expect("nobody is stuck");
    assert!(
        first.as_ref().err().is_none_or(VerifyError::is_unavailable),
        "{first:?}"
    );
    disarm();
    scene.pass(1);
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.invented().await, "unknown_key");
    scene.rotate();
    scene.pass(20);
    assert_eq!(scene.good().await, "accepted");
    scene.verifier.refresh_now().await.unwrap();
}

#[tokio::test]
async fn an_error_that_panics_when_it_is_shown_is_one_like_any_other() {
    // Somebody must look for the text to be made.
    let subscriber = tracing_subscriber::fmt()
        .with_writer(std::io::sink)
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let error = FetchError::with_source(FetchErrorKind::Connection, PanicsWhenShown);
    survives(Some(error), |builder| builder, || ()).await;
}

#[tokio::test]
async fn an_observer_that_panics_is_not_heard_of() {
    survives(None, |builder| builder.observer(PanicsWhenTold), || ()).await;
    survives(
        failure().err(),
        |builder| builder.observer(PanicsWhenTold),
        || (),
    )
    .await;
}

#[tokio::test]
async fn a_clock_that_panics_in_flight_fails_the_flight() {
    let armed = Arc::new(AtomicBool::new(true));
    let disarm = Arc::clone(&armed);
    let build = |builder: VerifierBuilder| {
        let clock = VirtualClock::at_unix(1_800_000_000);
        builder.clock(PanicsInFlight { armed, clock })
    };
    let scene = Scene::built(|issuer| issuer, build).await;
    let refused = scene.verifier.verify(&scene.token().sign()).await;
    assert_eq!(reason(&refused), "keys_unavailable");
    let kind = scene.status().last_error().unwrap().kind();
    assert_eq!(kind, FetchErrorKind::Aborted);
    disarm.store(false, Ordering::Relaxed);
    // Its clock stands still: an operator needs no back-off to pass.
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(scene.good().await, "accepted");
}

#[tokio::test]
async fn what_is_told_of_a_panic_has_the_age_of_the_keys() {
    let (armed, events) = (Arc::new(AtomicBool::new(false)), Recorder::default());
    let clock = VirtualClock::at_unix(1_800_000_000);
    let panics = PanicsInFlight {
        armed: Arc::clone(&armed),
        clock: clock.clone(),
    };
    let build = |builder: VerifierBuilder| builder.clock(panics).observer(events.clone());
    let scene = Scene::built(|issuer| issuer, build).await;
    assert_eq!(scene.good().await, "accepted");
    clock.advance(Duration::from_secs(100));
    armed.store(true, Ordering::Relaxed);
    assert!(scene.verifier.refresh_now().await.is_err());
    settle().await;
    let told = events.all().pop().unwrap();
    assert_eq!(told, "refresh_failed age=Some(100) Aborted");
}

#[test]
fn a_refresh_by_hand_outside_a_runtime_fails_at_once() {
    for in_air in [false, true] {
        let runtime = runtime();
        let scene = runtime.block_on(Scene::set());
        scene.network.hold();
        if in_air {
            runtime.block_on(async {
                assert!(scene.verifier.verify_now(&scene.token().sign()).is_err());
                scene.network.until_requests(1).await;
            });
        }
        let (sender, outcome) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut refresh = std::pin::pin!(scene.verifier.refresh_now());
            let mut context = Context::from_waker(Waker::noop());
            drop(sender.send(refresh.as_mut().poll(&mut context)));
        });
        let polled = outcome.recv_timeout(Duration::from_secs(10));
        let Poll::Ready(Err(error)) = polled.expect("one poll ends") else {
            panic!("nobody would ever wake it");
        };
        let kinds: Vec<_> = error.failures().map(|(_, error)| error.kind()).collect();
        assert_eq!(kinds, [FetchErrorKind::NoRuntime], "in the air: {in_air}");
    }
}

#[tokio::test]
async fn a_rotation_during_an_outage_is_found_soon_after_it() {
    let scene = Scene::set().await;
    let old = scene.token().sign();
    assert_eq!(scene.verify(&old).await, "accepted");
    scene.go_down();
    scene.issuer.rotate();
    for _ in 0..60 {
        scene.pass(60);
        assert_eq!(scene.verify(&old).await, "accepted");
        assert_eq!(
            scene.good().await,
            "keys_unavailable",
            "nobody knows the new key yet"
        );
        settle().await;
    }
    scene.publish();
    scene.pass(60);
    assert_eq!(
        scene.good().await,
        "accepted",
        "within the allowance of a minute"
    );
    let old_now = scene.verify(&old).await;
    // The last answer with it went stale 50 minutes ago, so little of its hour is left.
    assert_eq!(old_now, "accepted");
    scene.pass(601);
    assert_eq!(scene.verify(&old).await, "unknown_key");
}

#[tokio::test]
async fn issuers_that_share_a_kid_are_kept_apart_in_both_orders() {
    for order in [[0, 1], [1, 0]] {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let mut issuers = Vec::new();
        let network = ScriptedFetch::new();
        let mut builder = Verifier::builder()
            .clock(clock.clone())
            .fetch(network.clone());
        for number in 0..2 {
            let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
            let mut jwks: serde_json::Value = serde_json::from_str(&issuer.jwks()).unwrap();
            jwks["keys"][0]["kid"] = "shared".into();
            let url = format!("https://id-{number}.example.com/keys");
            network.answer(&url, Ok(FetchResponse::document(jwks.to_string())));
            let trusted = Issuer::jwks_uri(issuer.issuer(), url, Audience::of(AUDIENCE));
            builder = builder.issuer(trusted);
            issuers.push(issuer);
        }
        let verifier = builder.build().unwrap();
        for number in order {
            let (own, other) = (&issuers[number], &issuers[1 - number]);
            let token = own.token().key_id("shared").sign();
            assert_eq!(reason(&verifier.verify(&token).await), "accepted");
            let forged = own.token().issuer(other.issuer()).key_id("shared").sign();
            assert_eq!(reason(&verifier.verify(&forged).await), "invalid_signature");
            let token = own.token().key_id("shared").sign();
            assert_eq!(reason(&verifier.verify(&token).await), "accepted");
        }
    }
}

#[test]
fn many_runtimes_one_after_the_other_share_a_verifier() {
    let issuer = runtime().block_on(TestIssuer::start()).unwrap();
    let events = Recorder::default();
    let verifier = Verifier::builder()
        .issuer(discovered(&issuer))
        .observer(events.clone())
        .build()
        .unwrap();
    for turn in 0..5 {
        issuer.rotate();
        let runtime = runtime();
        // The client's pooled connection belongs to a runtime that is gone.
        runtime.block_on(verifier.refresh_now()).unwrap();
        let token = issuer.token().sign();
        assert_eq!(
            reason(&runtime.block_on(verifier.verify(&token))),
            "accepted",
            "turn {turn}"
        );
    }
    assert_eq!(events.count("keys_refreshed"), 5);
}
