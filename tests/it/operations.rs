//! What an operator sees and does: status, readiness, a refresh by hand, events in their order.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, Endpoint, Fault, TestIssuer};
use portcullis::{
    Algorithm, Audience, FetchError, FetchErrorKind, FetchResponse, Freshness, Issuer, KeySet,
    KeyState, Verifier,
};

use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::support::{KEYS, Recorder, Scene, discovered, failure, reason, settle};

async fn recorded() -> (Scene, Recorder) {
    let events = Recorder::default();
    let scene = Scene::built(|issuer| issuer, |builder| builder.observer(events.clone())).await;
    (scene, events)
}

#[tokio::test]
async fn status_tells_of_every_stage() {
    let scene = Scene::set().await;
    let status = scene.status();
    assert_eq!(status.issuer(), scene.issuer.issuer());
    assert_eq!(status.state(), KeyState::NotFetched);
    assert_eq!((status.key_count(), status.age()), (0, None));
    assert_eq!(status.next_refresh(), Some(Duration::ZERO));
    assert!(!scene.verifier.status().is_ready());
    assert_eq!(scene.fetches(), 0, "looking asks nothing");

    assert_eq!(scene.good().await, "accepted");
    scene.pass(100);
    let status = scene.status();
    assert_eq!(status.state(), KeyState::Fresh);
    assert_eq!(status.age(), Some(Duration::from_secs(100)));
    assert!(scene.verifier.status().is_ready());
    assert!(status.last_error().is_none() && status.skipped().is_empty());
    let kids: Vec<_> = status
        .key_ids()
        .map(|kid| kid.unwrap().to_owned())
        .collect();
    assert!(scene.issuer.jwks().contains(&kids[0]), "{kids:?}");

    scene.rotate();
    assert_eq!(scene.good().await, "accepted");
    let status = scene.status();
    let in_grace: Vec<_> = status.in_grace_key_ids().flatten().collect();
    assert_eq!(in_grace, kids);
    assert_eq!((status.key_count(), status.in_grace_count()), (1, 1));

    scene.go_down();
    scene.pass(86_399);
    assert_eq!(scene.good().await, "accepted");
    let status = scene.status();
    assert_eq!(status.state(), KeyState::Stale);
    assert_eq!(
        status.last_error().unwrap().kind(),
        FetchErrorKind::Connection
    );
    assert_eq!(
        status.in_grace_count(),
        0,
        "its grace has ended, whether used or not"
    );
    scene.pass(1);
    assert_eq!(scene.status().state(), KeyState::Overstayed);
    assert!(!scene.verifier.status().is_ready());
}

#[tokio::test]
async fn the_next_refresh_is_the_one_that_happens() {
    for stated in [60, 600, 3_600] {
        let scene = Scene::set().await;
        let lifetime = Freshness::at_most(Duration::from_secs(stated));
        let keys = FetchResponse::document(scene.issuer.jwks()).with_freshness(lifetime);
        scene.network.answer(KEYS, Ok(keys));
        assert_eq!(scene.good().await, "accepted");
        let next = scene.status().next_refresh().unwrap();
        let (least, most) = (stated * 7 / 10, stated * 9 / 10);
        assert!(
            (least..=most).contains(&next.as_secs()),
            "{stated}: {next:?}"
        );
        scene.clock.advance(next - Duration::from_millis(1));
        assert_eq!(scene.good().await, "accepted");
        settle().await;
        assert_eq!(scene.fetches(), 1, "{stated}");
        scene.clock.advance(Duration::from_millis(1));
        assert_eq!(scene.status().next_refresh(), Some(Duration::ZERO));
        assert_eq!(scene.good().await, "accepted");
        settle().await;
        assert_eq!(scene.fetches(), 2, "{stated}");
    }
}

#[tokio::test]
async fn after_a_failure_the_next_refresh_is_the_back_off() {
    let scene = Scene::set().await;
    scene.go_down();
    let mut longest = Duration::ZERO;
    for attempt in 1..=12 {
        assert_eq!(scene.good().await, "keys_unavailable");
        assert_eq!(scene.fetches(), attempt);
        let next = scene.status().next_refresh().unwrap();
        assert!(
            (Duration::from_secs(1)..=Duration::from_secs(60)).contains(&next),
            "{next:?}"
        );
        let error = scene
            .verifier
            .verify(&scene.token().sign())
            .await
            .unwrap_err();
        assert!(format!("{error:?}").contains("CoolingDown"), "{error:?}");
        longest = longest.max(next);
        scene.clock.advance(next);
    }
    assert!(longest >= Duration::from_secs(30), "{longest:?}");
}

#[tokio::test]
async fn a_fetch_for_an_unknown_key_that_failed_puts_no_refresh_forward() {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    let before = scene.status().next_refresh().unwrap();
    scene.go_down();
    assert_eq!(scene.invented().await, "keys_unavailable");
    for seconds in [1, 2, 60] {
        scene.pass(seconds);
        assert_eq!(scene.good().await, "accepted");
        settle().await;
        assert_eq!(scene.fetches(), 2);
    }
    let next = scene.status().next_refresh().unwrap();
    assert_eq!(next, before - Duration::from_secs(63));
}

#[tokio::test]
async fn fixed_keys_have_no_age_and_nothing_to_refresh() {
    let issuer = TestIssuer::start().await.unwrap();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let fixed = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    let verifier = Verifier::new(fixed).unwrap();
    let status = verifier.status().issuers()[0].clone();
    assert_eq!(status.state(), KeyState::Fixed);
    assert_eq!((status.age(), status.next_refresh()), (None, None));
    assert!(verifier.status().is_ready());
    verifier.ready().await;
    verifier.warm_up().await.unwrap();
    verifier.refresh_now().await.unwrap();
    assert!(verifier.export_keys().is_empty());
    assert_eq!(issuer.requests().total(), 0);
}

#[tokio::test(start_paused = true)]
async fn ready_waits_until_every_issuer_has_answered_and_does_not_hammer() {
    let scene = Scene::set().await;
    scene.go_down();
    let ready = tokio::spawn({
        let verifier = scene.verifier.clone();
        async move { verifier.ready().await }
    });
    for _ in 0..60 {
        scene.pass(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!ready.is_finished());
    assert!((4..=12).contains(&scene.fetches()), "{}", scene.fetches());
    scene.publish();
    for _ in 0..61 {
        scene.pass(1);
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(ready.is_finished());
    ready.await.unwrap();
    let fetches = scene.fetches();
    scene.verifier.ready().await;
    assert_eq!(scene.fetches(), fetches, "at once when it is");
}

/// Requests and seeds bring keys too: a pause of a minute is not slept through.
#[tokio::test(start_paused = true)]
async fn ready_returns_within_a_second_of_keys() {
    let warm = Scene::set().await;
    assert_eq!(warm.good().await, "accepted");
    let scene = Scene::set().await;
    let trusted = Issuer::jwks_uri(warm.issuer.issuer(), KEYS, Audience::of(AUDIENCE));
    let verifier = Verifier::builder()
        .issuer(trusted)
        .clock(scene.clock.clone())
        .fetch(scene.network.clone())
        .build()
        .unwrap();
    scene.go_down();
    // Pauses between attempts have grown to half a minute at least.
    for _ in 0..10 {
        assert!(verifier.warm_up().await.is_err());
        scene.clock.advance(Duration::from_secs(60));
    }
    assert!(verifier.warm_up().await.is_err());
    let ready = tokio::spawn({
        let verifier = verifier.clone();
        async move { verifier.ready().await }
    });
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!ready.is_finished());
    verifier.seed_keys(&warm.verifier.export_keys()).unwrap();
    tokio::time::timeout(Duration::from_secs(1), ready)
        .await
        .expect("not overslept")
        .unwrap();
}

/// An empty set may be used, and lets no token in.
#[tokio::test(start_paused = true)]
async fn ready_waits_for_a_key_of_every_issuer() {
    let scene = Scene::set().await;
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::document(r#"{"keys":[]}"#)));
    let ready = tokio::spawn({
        let verifier = scene.verifier.clone();
        async move { verifier.ready().await }
    });
    for seconds in [0, 600, 600] {
        scene.pass(seconds);
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(!ready.is_finished());
    }
    scene.publish();
    scene.pass(600);
    tokio::time::timeout(Duration::from_secs(2), ready)
        .await
        .expect("asked for on the issuer's schedule")
        .unwrap();
    assert_eq!(scene.fetches(), 4);
}

#[tokio::test]
async fn an_issuer_that_is_down_keeps_no_service_from_starting() {
    let issuer = TestIssuer::start().await.unwrap();
    issuer.fail_with(Fault::Refuse);
    let verifier = Verifier::new(discovered(&issuer)).unwrap();
    let error = verifier.warm_up().await.unwrap_err();
    let (name, cause) = error.failures().next().unwrap();
    assert_eq!(
        (name, cause.kind()),
        (issuer.issuer(), FetchErrorKind::Connection)
    );
    assert!(!verifier.status().is_ready());
    issuer.recover();
    tokio::time::timeout(Duration::from_secs(10), verifier.ready())
        .await
        .unwrap();
    assert_eq!(
        reason(&verifier.verify_now(&issuer.token().sign())),
        "accepted"
    );
}

#[tokio::test]
async fn a_refresh_by_hand_ends_graces_and_ignores_back_off_and_allowance() {
    let scene = Scene::set().await;
    let withdrawn = scene.token().sign();
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    scene.rotate();
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.verify(&withdrawn).await, "accepted", "in its grace");
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(scene.verify(&withdrawn).await, "unknown_key");
    assert!(scene.network.requests()[2].no_cache());
    assert!(scene.network.requests()[2].if_none_match().is_none());

    scene.go_down();
    for fetches in 4..=6 {
        let error = scene.verifier.refresh_now().await.unwrap_err();
        let (issuer, cause) = error.failures().next().unwrap();
        assert_eq!(issuer, scene.issuer.issuer());
        assert_eq!(cause.kind(), FetchErrorKind::Connection);
        assert_eq!(scene.fetches(), fetches, "whenever it is asked to");
    }
    assert_eq!(scene.good().await, "accepted", "those at hand serve on");
    scene.publish();
    scene.verifier.refresh_now().await.unwrap();
    assert!(scene.status().last_error().is_none());
}

#[tokio::test]
async fn refreshes_by_hand_at_the_same_time_are_two_fetches_at_most() {
    let scene = Scene::set().await;
    scene.verifier.warm_up().await.unwrap();
    scene.network.hold();
    let call = || {
        let verifier = scene.verifier.clone();
        tokio::spawn(async move { verifier.refresh_now().await.is_ok() })
    };
    let first = call();
    scene.network.until_requests(2).await;
    // The first fetch began before these were called, so they share one that begins after.
    let others: Vec<_> = (0..20).map(|_| call()).collect();
    settle().await;
    scene.rotate();
    scene.network.release();
    assert!(first.await.unwrap());
    for other in others {
        assert!(other.await.unwrap());
    }
    assert_eq!(scene.fetches(), 3);
    assert_eq!(
        reason(&scene.verifier.verify_now(&scene.token().sign())),
        "accepted"
    );
}

#[tokio::test]
async fn a_refresh_by_hand_does_not_take_a_fetch_from_before_it_for_its_own() {
    let scene = Scene::set().await;
    scene.network.hold();
    assert_eq!(
        reason(&scene.verifier.verify_now(&scene.token().sign())),
        "key_not_cached"
    );
    scene.network.until_requests(1).await;
    scene
        .network
        .answer_once(KEYS, Ok(FetchResponse::document(scene.issuer.jwks())));
    let refresh = tokio::spawn({
        let verifier = scene.verifier.clone();
        async move { verifier.refresh_now().await.is_ok() }
    });
    settle().await;
    let old = scene.token().sign();
    scene.rotate();
    scene.network.release();
    assert!(refresh.await.unwrap());
    assert_eq!(scene.fetches(), 2);
    assert_eq!(
        reason(&scene.verifier.verify_now(&scene.token().sign())),
        "accepted"
    );
    assert_eq!(scene.verify(&old).await, "unknown_key", "without a grace");
}

#[tokio::test]
async fn a_refresh_by_hand_that_nobody_waits_for_goes_on() {
    let scene = Scene::set().await;
    scene.network.hold();
    let refresh = tokio::time::timeout(Duration::ZERO, scene.verifier.refresh_now()).await;
    assert!(refresh.is_err());
    scene.network.release();
    settle().await;
    assert_eq!(
        reason(&scene.verifier.verify_now(&scene.token().sign())),
        "accepted"
    );
}

#[tokio::test]
async fn events_come_in_the_order_of_what_happens() {
    let (scene, events) = recorded().await;
    scene.go_down();
    assert_eq!(scene.good().await, "keys_unavailable");
    assert_eq!(events.take(), ["refresh_failed age=None Connection"]);
    assert_eq!(scene.good().await, "keys_unavailable");
    assert!(events.take().is_empty(), "no fetch, no event");

    scene.publish();
    scene.pass(1);
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(
        events.take(),
        ["keys_refreshed keys=1 skipped=0 added=1 in_grace=0"]
    );

    assert_eq!(scene.invented().await, "unknown_key");
    let none_new = "keys_refreshed keys=1 skipped=0 added=0 in_grace=0";
    assert_eq!(events.take(), [none_new, "unknown_key_refused"]);
    assert_eq!(scene.invented().await, "unknown_key");
    assert_eq!(events.take(), ["unknown_key_refused"]);

    scene.rotate();
    scene.pass(20);
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(
        events.take(),
        ["keys_refreshed keys=1 skipped=0 added=1 in_grace=1"]
    );

    scene.go_down();
    scene.pass(60);
    assert_eq!(scene.invented().await, "keys_unavailable");
    assert_eq!(events.take(), ["refresh_failed age=Some(60) Connection"]);

    let with_more = r#"{"keys":[{"kty":"oct","k":"AA"},{"kty":"new"}]}"#;
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::document(with_more)));
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(
        events.take(),
        [
            "keys_refreshed keys=0 skipped=2 added=0 in_grace=0",
            "secret_key_published"
        ]
    );
}

#[tokio::test]
async fn f3_a_bad_signature_is_doubted_in_the_background_once_in_five_minutes() {
    let (scene, events) = recorded().await;
    assert_eq!(scene.good().await, "accepted");
    scene.pass(60);
    // Replaced under its own name, which no issuer should do.
    scene.issuer.replace_keys();
    scene.publish();
    assert_eq!(scene.good().await, "invalid_signature", "nobody waits");
    settle().await;
    assert_eq!(scene.good().await, "accepted");
    for _ in 0..100 {
        let forged = scene.token().sign_with_unknown_key();
        assert_eq!(scene.verify(&forged).await, "invalid_signature");
        scene.pass(2);
        settle().await;
    }
    assert_eq!(scene.fetches(), 2);
    assert_eq!(events.count("refresh_failed"), 0);
}

/// It starts the scheduled fetch as any use does: where the key was replaced there are no good ones to do it.
#[tokio::test]
async fn a_bad_signature_under_a_key_that_is_there_is_a_use_of_keys() {
    let (scene, events) = recorded().await;
    let forged = async || {
        let forged = scene.token().sign_with_unknown_key();
        assert_eq!(scene.verify(&forged).await, "invalid_signature");
        settle().await;
    };
    assert_eq!(scene.good().await, "accepted");
    scene.pass(300);
    scene.go_down();
    forged().await;
    assert_eq!(events.count("refresh_failed"), 1, "it was doubted");
    scene.publish();
    scene.pass(110);
    forged().await;
    assert_eq!(scene.fetches(), 2, "neither is due");
    scene.pass(140);
    forged().await;
    assert_eq!(scene.fetches(), 3, "the scheduled one is");
}

/// With a kid that is there the key is not unknown, nor is it without a kid.
#[tokio::test]
async fn a_bad_signature_is_no_unknown_key_to_an_operator() {
    let (scene, events) = recorded().await;
    assert_eq!(scene.good().await, "accepted");
    events.take();
    for seconds in [0, 11, 1] {
        scene.pass(seconds);
        let token = scene.token().without_key_id().with_invalid_signature();
        assert_eq!(scene.verify(&token).await, "invalid_signature");
        let token = scene.token().with_invalid_signature();
        assert_eq!(scene.verify(&token).await, "invalid_signature");
    }
    settle().await;
    assert_eq!(events.count("unknown_key_refused"), 0);
    assert!(events.count("keys_refreshed") >= 1, "it is looked for");
    assert_eq!(scene.invented().await, "unknown_key");
    assert_eq!(events.count("unknown_key_refused"), 1);
}

/// The header then fits no key of that name, which is doubted as a bad signature is.
#[tokio::test]
async fn a_kid_with_a_key_of_another_type_is_doubted_in_the_background() {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    let kid = scene
        .status()
        .key_ids()
        .flatten()
        .next()
        .unwrap()
        .to_owned();
    let other = TestIssuer::start_with([Algorithm::Rs256]).await.unwrap();
    let other = other.with_clock(scene.clock.clone());
    let token = || {
        let token = other.token().issuer(scene.issuer.issuer());
        token.key_id(&kid).sign()
    };
    scene.pass(60);
    for fetches in [2, 2, 3] {
        assert_eq!(scene.verify(&token()).await, "algorithm_mismatch");
        settle().await;
        assert_eq!(scene.fetches(), fetches);
        scene.pass(150);
    }
    let mut jwks: Value = serde_json::from_str(&other.jwks()).unwrap();
    jwks["keys"][0]["kid"] = kid.as_str().into();
    let keys = FetchResponse::document(jwks.to_string());
    scene.network.answer(KEYS, Ok(keys));
    scene.pass(150);
    assert_eq!(
        scene.verify(&token()).await,
        "algorithm_mismatch",
        "nobody waits"
    );
    settle().await;
    assert_eq!(scene.verify(&token()).await, "accepted");
    assert_eq!(scene.fetches(), 4);
}

/// How far the gauge of this name has moved since the last call.
fn moved(recorder: &DebuggingRecorder, name: &str) -> Option<f64> {
    let metrics = recorder.snapshotter().snapshot().into_vec();
    metrics.into_iter().find_map(|(key, _, _, value)| {
        let DebugValue::Gauge(value) = value else {
            return None;
        };
        (key.key().name() == name).then(|| value.into_inner())
    })
}

#[test]
fn nobody_waits_when_all_have_been_served() {
    let recorder = DebuggingRecorder::new();
    let waiting = || moved(&recorder, "portcullis_key_waiters");
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    // On this one thread, whose recorder it is.
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let scene = Scene::set().await;
            scene.network.hold();
            let call = || {
                let (verifier, token) = (scene.verifier.clone(), scene.token().sign());
                tokio::spawn(async move { reason(&verifier.verify(&token).await) })
            };
            let (first, others) = (call(), [call(), call()]);
            settle().await;
            assert_eq!(waiting(), Some(3.0));
            first.abort();
            assert!(first.await.unwrap_err().is_cancelled());
            assert_eq!(waiting(), Some(-1.0));
            scene.network.release();
            for other in others {
                assert_eq!(other.await.unwrap(), "accepted");
            }
            assert_eq!(waiting(), Some(-2.0));
        });
    });
}

/// What is told to operators has no query of a URL and no token in it.
#[tokio::test]
async fn what_is_told_holds_no_secret() {
    const URL: &str = "https://id.example.com/keys?key=hunter2";
    let issuer = TestIssuer::start().await.unwrap();
    let scene = Scene::set().await;
    let trusted = Issuer::jwks_uri(issuer.issuer(), URL, Audience::of(AUDIENCE))
        .failover_jwks_uri("https://mirror.example.com/keys?key=hunter2");
    let verifier = Verifier::builder()
        .issuer(trusted)
        .fetch(scene.network.clone())
        .build()
        .unwrap();
    scene.network.answer(URL, failure());
    let token = issuer.token().key_id("hunter2").sign();
    let refusal = verifier.verify(&token).await.unwrap_err();
    let refresh = verifier.refresh_now().await.unwrap_err();
    for shown in [
        format!("{verifier:?} {:?}", verifier.status()),
        format!("{refusal:?} {refusal}"),
        format!("{refresh:?} {refresh}"),
    ] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
    scene
        .network
        .answer(URL, Ok(FetchResponse::document(issuer.jwks())));
    verifier.refresh_now().await.unwrap();
    let seed = verifier.export_keys();
    assert!(!format!("{seed:?}").contains("hunter2"));
}

#[tokio::test]
async fn discovery_shows_where_it_failed() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = Verifier::new(discovered(&issuer)).unwrap();
    issuer.fail_at(Endpoint::Jwks, Fault::Status(500));
    assert!(verifier.warm_up().await.is_err());
    let status = verifier.status().issuers()[0].clone();
    assert_eq!(
        status.last_error().map(FetchError::kind),
        Some(FetchErrorKind::Status(500))
    );
    assert!(status.metadata_error().is_none(), "metadata is well");
}
