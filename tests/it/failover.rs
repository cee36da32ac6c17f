//! A second address for the keys: asked on error only, and never heard on what the issuer withdrew.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, Fault, TestIssuer};
use portcullis::{
    Audience, FetchError, FetchErrorKind, FetchResponse, Freshness, Issuer, KeyRefresh, KeyState,
    Verifier, VerifyError,
};
use serde_json::Value;

use crate::support::{KEYS, Recorder, Scene, failure, reason, settle};

const FAILOVER: &str = "https://mirror.example.com/keys";

/// A first source and a second with the keys of now.
async fn set() -> Scene {
    let scene = Scene::with(|issuer| issuer.failover_jwks_uri(FAILOVER)).await;
    mirror(&scene);
    scene
}

/// The second source has the issuer's keys of now from here on.
fn mirror(scene: &Scene) {
    let keys = FetchResponse::document(scene.issuer.jwks());
    scene.network.answer(FAILOVER, Ok(keys));
}

fn mirrored(scene: &Scene) -> usize {
    scene.network.count(FAILOVER)
}

/// Withdraws the issuer's key for good; the mirror has `jwks` from here on, and the issuer is down.
async fn withdraw_behind(scene: &Scene, jwks: impl Into<Vec<u8>>) {
    scene.rotate();
    scene.verifier.refresh_now().await.unwrap();
    let keys = FetchResponse::document(jwks);
    scene.network.answer(FAILOVER, Ok(keys));
    scene.go_down();
    scene.pass(1_300);
}

/// How a first source fails.
fn errors() -> Vec<Result<FetchResponse, FetchError>> {
    vec![
        failure(),
        Err(FetchError::new(FetchErrorKind::Status(500))),
        Err(FetchError::new(FetchErrorKind::Status(404))),
        Ok(FetchResponse::document("<html>")),
        Ok(FetchResponse::document("{}")),
        Ok(FetchResponse::document(vec![b' '; 600 * 1024])),
        Ok(FetchResponse::not_modified()),
    ]
}

#[tokio::test]
async fn the_second_address_serves_whenever_the_first_has_no_set() {
    for error in errors() {
        let name = format!("{error:?}");
        let scene = set().await;
        scene.network.answer(KEYS, error);
        assert_eq!(scene.good().await, "accepted", "{name}");
        assert_eq!((scene.fetches(), mirrored(&scene)), (1, 1), "{name}");
        let status = scene.status();
        assert_eq!(status.state(), KeyState::Fresh);
        assert!(status.last_error().is_some(), "says why: {name}");
    }
}

#[tokio::test]
async fn the_second_address_is_not_asked_while_the_first_answers() {
    let scene = set().await;
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.invented().await, "unknown_key");
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::document(r#"{"keys":[]}"#)));
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(
        scene.good().await,
        "unknown_key",
        "an empty set is no error"
    );
    scene.pass(2_000);
    assert_eq!(scene.good().await, "unknown_key");
    assert_eq!(mirrored(&scene), 0);
}

#[tokio::test]
async fn n8_a_withdrawn_key_is_not_revived() {
    let scene = set().await;
    let (withdrawn, published_first) = (scene.token().sign(), scene.issuer.jwks());
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    // Withdrawn at the issuer, still at the mirror.
    scene.rotate();
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(scene.verify(&withdrawn).await, "unknown_key");
    scene.go_down();
    for _ in 0..3 {
        scene.pass(1_300);
        let refused = scene.verifier.verify(&withdrawn).await.unwrap_err();
        assert!(refused.is_unavailable(), "{refused:?}");
        assert_eq!(
            scene.good().await,
            "accepted",
            "what only the issuer had serves on"
        );
    }
    assert!(mirrored(&scene) >= 3);
    assert_eq!(scene.status().key_count(), 0);

    // The issuer itself may bring it back.
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::document(published_first)));
    scene.pass(1_300);
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    assert!(scene.status().last_error().is_none());
}

#[tokio::test]
async fn a_key_in_its_grace_gets_no_new_one_from_the_mirror() {
    let scene = set().await;
    let withdrawn = scene.token().sign();
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    scene.rotate();
    assert_eq!(scene.good().await, "accepted");
    scene.go_down();
    scene.pass(3_599);
    assert_eq!(scene.verify(&withdrawn).await, "accepted", "in its grace");
    scene.pass(1);
    assert!(scene.verifier.verify(&withdrawn).await.is_err());
    assert!(mirrored(&scene) >= 1);
}

#[tokio::test]
async fn what_the_mirror_lacks_serves_on_for_its_day() {
    let scene = set().await;
    let good = scene.token().sign();
    assert_eq!(scene.verify(&good).await, "accepted");
    scene
        .network
        .answer(FAILOVER, Ok(FetchResponse::document(r#"{"keys":[]}"#)));
    scene.go_down();
    scene.pass(1_300);
    for _ in 0..22 {
        assert_eq!(scene.verify(&good).await, "accepted");
        scene.pass(3_600);
    }
    assert_eq!(scene.verify(&good).await, "accepted");
    scene.pass(86_400 - 22 * 3_600 - 1_300);
    let refused = scene.verifier.verify(&good).await.unwrap_err();
    assert!(
        refused.is_unavailable(),
        "a day after the issuer's last word: {refused:?}"
    );
}

#[tokio::test]
async fn an_unknown_key_under_failover_is_503_and_a_new_one_of_the_mirror_serves() {
    let scene = set().await;
    assert_eq!(scene.good().await, "accepted");
    scene.go_down();
    for _ in 0..3 {
        // The mirror may be behind: it does not speak for the issuer.
        assert_eq!(scene.invented().await, "keys_unavailable");
        scene.pass(20);
    }
    scene.issuer.rotate_with_overlap();
    mirror(&scene);
    scene.pass(60);
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.status().key_count(), 2);
    scene.publish();
    scene.pass(60);
    assert_eq!(
        scene.invented().await,
        "unknown_key",
        "the issuer's own word again"
    );
}

#[tokio::test]
async fn when_both_fail_the_first_is_the_one_to_look_at() {
    let scene = set().await;
    scene
        .network
        .answer(KEYS, Err(FetchError::new(FetchErrorKind::Status(500))));
    scene.network.answer(FAILOVER, failure());
    let Err(VerifyError::KeysUnavailable(error)) =
        scene.verifier.verify(&scene.token().sign()).await
    else {
        panic!("no keys anywhere");
    };
    assert_eq!(error.kind(), FetchErrorKind::Status(500));
    assert_eq!((scene.fetches(), mirrored(&scene)), (1, 1));
}

#[tokio::test]
async fn entity_tags_of_one_address_are_not_sent_to_the_other() {
    let scene = set().await;
    let tagged =
        |scene: &Scene, tag| Ok(FetchResponse::document(scene.issuer.jwks()).with_etag(tag));
    scene.network.answer(KEYS, tagged(&scene, "\"first\""));
    scene.network.answer(FAILOVER, tagged(&scene, "\"second\""));
    for down in [false, true, false, false] {
        match down {
            true => scene.go_down(),
            false => scene.network.answer(KEYS, tagged(&scene, "\"first\"")),
        }
        assert_eq!(scene.good().await, "accepted");
        settle().await;
        scene.pass(1_300);
    }
    let tags: Vec<_> = scene
        .network
        .requests()
        .iter()
        .map(|request| {
            (
                request.url() == KEYS,
                request.if_none_match().map(str::to_owned),
            )
        })
        .collect();
    let first = Some("\"first\"".to_owned());
    let expected = [
        (true, None),
        (true, first.clone()),
        (false, None),
        (true, None),
        (true, first),
    ];
    assert_eq!(tags, expected);
}

#[tokio::test]
async fn failing_over_is_told_and_recovery_is_too() {
    let events = Recorder::default();
    let scene = Scene::built(
        |issuer| issuer.failover_jwks_uri(FAILOVER),
        |builder| builder.observer(events.clone()),
    )
    .await;
    let lifetime = Freshness::at_most(Duration::from_secs(60));
    let keys = FetchResponse::document(scene.issuer.jwks()).with_freshness(lifetime);
    scene.network.answer(FAILOVER, Ok(keys));
    scene.go_down();
    assert_eq!(scene.good().await, "accepted");
    scene.publish();
    scene.pass(700);
    assert_eq!(scene.good().await, "accepted");
    let failed_over = "keys_refreshed keys=1 skipped=0 added=1 in_grace=0 failed_over=Connection";
    let recovered = "keys_refreshed keys=1 skipped=0 added=0 in_grace=0";
    assert_eq!(events.take(), [failed_over, recovered]);
}

/// On sockets: the first hangs, and the second still has 40 % of the deadline.
#[tokio::test]
async fn a_first_address_that_hangs_leaves_time_for_the_second() {
    let (issuer, mirror) = (
        TestIssuer::start().await.unwrap(),
        TestIssuer::start().await.unwrap(),
    );
    let jwks = issuer.jwks();
    mirror.fail_with(Fault::Body(jwks.into()));
    issuer.fail_with(Fault::Hang);
    let deadline = Duration::from_millis(1_500);
    let trusted = Issuer::jwks_uri(issuer.issuer(), issuer.jwks_uri(), Audience::of(AUDIENCE))
        .failover_jwks_uri(mirror.jwks_uri())
        .key_refresh(
            KeyRefresh::new()
                .fetch_deadline(deadline)
                .max_wait(deadline),
        );
    let verifier = Verifier::new(trusted).unwrap();
    let outcome = verifier.verify(&issuer.token().sign()).await;
    assert_eq!(reason(&outcome), "accepted");
    let error = verifier.status().issuers()[0].last_error().unwrap().kind();
    assert_eq!(error, FetchErrorKind::Deadline);
    assert_eq!((issuer.requests().jwks(), mirror.requests().jwks()), (1, 1));
}

/// Material is withdrawn, not its name.
#[tokio::test]
async fn a_withdrawn_key_is_not_revived_under_another_name() {
    let scene = set().await;
    let withdrawn = scene.token().key_id("renamed").sign();
    let mut renamed: Value = serde_json::from_str(&scene.issuer.jwks()).unwrap();
    renamed["keys"][0]["kid"] = "renamed".into();
    assert_eq!(scene.good().await, "accepted");
    withdraw_behind(&scene, renamed.to_string()).await;
    assert_eq!(scene.verify(&withdrawn).await, "keys_unavailable");
    assert_eq!((mirrored(&scene), scene.status().key_count()), (1, 0));
}

/// Each answer withdraws anew what is in its grace, which pushes nothing out of the memory.
#[tokio::test]
async fn a_withdrawn_key_is_not_revived_however_often_others_are_withdrawn_again() {
    let scene = set().await;
    let (withdrawn, published_first) = (scene.token().sign(), scene.issuer.jwks());
    let minute = Freshness::at_most(Duration::from_secs(60));
    let publish = || {
        let keys = FetchResponse::document(scene.issuer.jwks());
        scene.network.answer(KEYS, Ok(keys.with_freshness(minute)));
    };
    publish();
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    scene.rotate();
    scene.verifier.refresh_now().await.unwrap();
    for _ in 0..3 {
        scene.issuer.rotate();
        publish();
        scene.pass(60);
        assert_eq!(scene.good().await, "accepted");
    }
    // Three in their grace, and more answers than the memory has room for.
    for _ in 0..50 {
        scene.pass(60);
        assert_eq!(scene.good().await, "accepted");
        settle().await;
    }
    assert!(scene.fetches() > 50, "{}", scene.fetches());
    let keys = FetchResponse::document(published_first);
    scene.network.answer(FAILOVER, Ok(keys));
    scene.go_down();
    scene.pass(1_300);
    assert_eq!(scene.verify(&withdrawn).await, "keys_unavailable");
    assert!(mirrored(&scene) >= 1);
}

/// Whatever lifetime the mirror states.
#[tokio::test]
async fn after_a_failover_the_first_source_is_asked_again_within_a_minute() {
    let scene = set().await;
    let hour = Freshness::at_most(Duration::from_secs(3_600));
    let keys = FetchResponse::document(scene.issuer.jwks()).with_freshness(hour);
    scene.network.answer(FAILOVER, Ok(keys));
    assert_eq!(scene.good().await, "accepted");
    scene.pass(599);
    scene.network.answer_once(KEYS, failure());
    assert_eq!(scene.good().await, "accepted");
    settle().await;
    assert_eq!((scene.fetches(), mirrored(&scene)), (2, 1));
    scene.pass(60);
    assert_eq!(scene.good().await, "accepted");
    settle().await;
    assert_eq!((scene.fetches(), mirrored(&scene)), (3, 1));
    assert!(scene.status().last_error().is_none());
}

/// The mirror does not know what has been withdrawn: whoever acts on a leak must hear of it.
#[tokio::test]
async fn a_refresh_by_hand_that_only_the_mirror_answered_is_an_error() {
    let scene = set().await;
    assert_eq!(scene.good().await, "accepted");
    scene.go_down();
    let error = scene.verifier.refresh_now().await.unwrap_err();
    let kinds: Vec<_> = error.failures().map(|(_, error)| error.kind()).collect();
    assert_eq!(kinds, [FetchErrorKind::Connection]);
    assert_eq!(mirrored(&scene), 1);
    scene.publish();
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(mirrored(&scene), 1);
}
