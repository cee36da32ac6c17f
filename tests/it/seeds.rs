//! Keys that outlive a process.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{
    Audience, Clock as _, FetchErrorKind, FetchResponse, Issuer, KeySeed, KeyState, SeedError,
    Verifier,
};
use serde_json::Value;

use crate::support::{KEYS, Scene, reason, settle};

/// A scene whose keys are fetched, and what it exports.
async fn exported() -> (Scene, KeySeed) {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    let seed = scene.verifier.export_keys();
    (scene, seed)
}

/// Another process with the same configuration, clock and network.
fn another(scene: &Scene) -> Verifier {
    with(
        scene,
        Issuer::jwks_uri(scene.issuer.issuer(), KEYS, Audience::of(AUDIENCE)),
    )
}

fn with(scene: &Scene, issuer: Issuer) -> Verifier {
    Verifier::builder()
        .issuer(issuer)
        .clock(scene.clock.clone())
        .fetch(scene.network.clone())
        .build()
        .unwrap()
}

/// The seed as text with one member of its first issuer changed.
fn changed(seed: &KeySeed, member: &str, value: impl Into<Value>) -> KeySeed {
    let mut document: Value = serde_json::from_str(&seed.to_json()).unwrap();
    document["issuers"][0][member] = value.into();
    KeySeed::from_json(document.to_string().as_bytes()).unwrap()
}

fn seconds(scene: &Scene) -> u64 {
    let wall = scene.clock.now().wall;
    wall.duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

#[tokio::test]
async fn the_first_token_after_a_seed_needs_no_fetch_and_no_runtime() {
    let (scene, seed) = exported().await;
    let text = seed.to_json();
    let seed = KeySeed::from_json(text.as_bytes()).unwrap();
    assert_eq!(seed.to_json(), text);
    assert_eq!(seed.issuers().collect::<Vec<_>>(), [scene.issuer.issuer()]);
    scene.pass(300);
    let (verifier, token) = (another(&scene), scene.token().sign());
    let outcome = std::thread::spawn(move || {
        verifier.seed_keys(&seed).unwrap();
        let outcome = reason(&verifier.verify_now(&token));
        (
            outcome,
            verifier.status().issuers()[0].age(),
            verifier.export_keys().to_json(),
        )
    });
    let age = Some(Duration::from_secs(300));
    assert_eq!(
        outcome.join().unwrap(),
        ("accepted", age, text),
        "as old as they are"
    );
    assert_eq!(scene.fetches(), 1);
}

#[tokio::test]
async fn keys_of_a_seed_age_like_fetched_ones() {
    for (age, state, fetches) in [
        (299, KeyState::Fresh, 1),
        (599, KeyState::Fresh, 2),
        (600, KeyState::Stale, 2),
        (86_399, KeyState::Stale, 2),
    ] {
        let (scene, seed) = exported().await;
        scene.pass(age);
        let verifier = another(&scene);
        verifier.seed_keys(&seed).unwrap();
        assert_eq!(verifier.status().issuers()[0].state(), state, "{age} s");
        assert_eq!(
            reason(&verifier.verify(&scene.token().sign()).await),
            "accepted"
        );
        settle().await;
        assert_eq!(scene.fetches(), fetches, "{age} s");
    }
}

#[tokio::test]
async fn a_key_withdrawn_since_the_export_is_refused_once_the_issuer_says_so() {
    let (scene, seed) = exported().await;
    let withdrawn = scene.token().sign();
    scene.rotate();
    scene.pass(1_000);
    let verifier = another(&scene);
    verifier.seed_keys(&seed).unwrap();
    assert_eq!(reason(&verifier.verify(&withdrawn).await), "accepted");
    settle().await;
    // Stale for 400 s of the hour of grace already.
    assert_eq!(verifier.status().issuers()[0].in_grace_count(), 1);
    scene.pass(3_200);
    assert_eq!(reason(&verifier.verify(&withdrawn).await), "unknown_key");
}

#[tokio::test]
async fn what_a_seed_may_not_be_is_refused_and_nothing_is_taken() {
    let (scene, seed) = exported().await;
    let issuer = || scene.issuer.issuer().to_owned();
    let now = seconds(&scene);
    let rows = [
        (
            changed(&seed, "fetched_at", now + 1),
            SeedError::FromTheFuture { issuer: issuer() },
        ),
        (
            changed(&seed, "fetched_at", u64::MAX),
            SeedError::FromTheFuture { issuer: issuer() },
        ),
        (
            changed(&seed, "fetched_at", now - 86_400),
            SeedError::TooOld { issuer: issuer() },
        ),
        (
            changed(&seed, "fetched_at", 0),
            SeedError::TooOld { issuer: issuer() },
        ),
        (
            changed(&seed, "jwks_uri", "https://id.example.com/other"),
            SeedError::OtherAddress { issuer: issuer() },
        ),
        (
            changed(&seed, "jwks_uri", "http://id.example.com/keys"),
            SeedError::OtherAddress { issuer: issuer() },
        ),
        (
            changed(&seed, "jwks_uri", "not a URL"),
            SeedError::OtherAddress { issuer: issuer() },
        ),
        (
            changed(&seed, "issuer", "https://stranger.example.com"),
            SeedError::UnknownIssuer {
                issuer: "https://stranger.example.com".to_owned(),
            },
        ),
        (
            changed(&seed, "jwks", "keys"),
            SeedError::NotAKeySet { issuer: issuer() },
        ),
    ];
    for (seed, error) in rows {
        let verifier = another(&scene);
        assert_eq!(verifier.seed_keys(&seed).unwrap_err(), error);
        assert_eq!(
            verifier.status().issuers()[0].state(),
            KeyState::NotFetched,
            "{error}"
        );
    }
    let verifier = another(&scene);
    verifier
        .seed_keys(&changed(&seed, "fetched_at", now - 86_399))
        .unwrap();
}

#[test]
fn a_text_that_is_no_seed_is_not_read() {
    for text in [
        "",
        "null",
        "[]",
        "{}",
        r#"{"version":1}"#,
        r#"{"version":2,"issuers":[]}"#,
        r#"{"version":1,"issuers":{}}"#,
        r#"{"version":1,"issuers":[],"more":1}"#,
        r#"{"version":1,"issuers":[{"issuer":"a"}]}"#,
        r#"{"version":1,"issuers":[{"issuer":"a","jwks_uri":"b","fetched_at":-1,"lifetime":1,"jwks":{}}]}"#,
    ] {
        let error = KeySeed::from_json(text.as_bytes()).unwrap_err();
        assert_eq!(error, SeedError::NotASeed, "{text}");
    }
    assert!(
        KeySeed::from_json(br#"{"version":1,"issuers":[]}"#)
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_seed_never_replaces_newer_keys_and_does_older_ones() {
    let (scene, old) = exported().await;
    let old_token = scene.token().sign();
    scene.pass(60);
    scene.rotate();
    assert_eq!(scene.good().await, "accepted");
    let new = scene.verifier.export_keys();
    let before = scene.status();
    // Not this one, nor the same again.
    for seed in [&old, &new] {
        scene.verifier.seed_keys(seed).unwrap();
        assert_eq!(scene.status().age(), before.age());
        assert_eq!(scene.status().in_grace_count(), 1);
    }
    let verifier = another(&scene);
    verifier.seed_keys(&old).unwrap();
    verifier.seed_keys(&new).unwrap();
    for token in [scene.token().sign(), old_token] {
        assert_eq!(reason(&verifier.verify_now(&token)), "accepted");
    }
    let fetches = scene.fetches();
    verifier.seed_keys(&old).unwrap();
    assert_eq!(
        reason(&verifier.verify_now(&scene.token().sign())),
        "accepted"
    );
    assert_eq!(scene.fetches(), fetches);
}

#[tokio::test]
async fn nothing_is_exported_before_there_are_keys_nor_of_a_failure() {
    let scene = Scene::set().await;
    assert!(scene.verifier.export_keys().is_empty());
    scene.go_down();
    assert_eq!(scene.good().await, "keys_unavailable");
    assert!(scene.verifier.export_keys().is_empty());
}

#[tokio::test]
async fn one_issuers_faulty_seed_does_not_keep_another_from_its_own() {
    let (scene, seed) = exported().await;
    let mut document: Value = serde_json::from_str(&seed.to_json()).unwrap();
    let mut faulty = document["issuers"][0].clone();
    faulty["issuer"] = "https://stranger.example.com".into();
    document["issuers"]
        .as_array_mut()
        .unwrap()
        .insert(0, faulty);
    let seed = KeySeed::from_json(document.to_string().as_bytes()).unwrap();
    let verifier = another(&scene);
    assert!(matches!(
        verifier.seed_keys(&seed),
        Err(SeedError::UnknownIssuer { .. })
    ));
    assert_eq!(
        reason(&verifier.verify_now(&scene.token().sign())),
        "accepted"
    );
}

/// Discovery has no configured address: the seed's is taken, if it may be fetched at all.
#[tokio::test]
async fn with_discovery_the_address_comes_with_the_seed() {
    let issuer = TestIssuer::start().await.unwrap();
    let warm = crate::support::verifier(&issuer);
    warm.warm_up().await.unwrap();
    let seed = warm.export_keys();
    let fresh = crate::support::verifier(&issuer);
    fresh.seed_keys(&seed).unwrap();
    let before = issuer.requests();
    assert_eq!(
        reason(&fresh.verify(&issuer.token().sign()).await),
        "accepted"
    );
    assert_eq!(issuer.requests(), before);
    issuer.rotate();
    assert_eq!(
        reason(&fresh.verify(&issuer.token().sign()).await),
        "accepted"
    );
    assert_eq!(
        issuer.requests().discovery(),
        before.discovery(),
        "known from the seed"
    );

    let forbidden = changed(&seed, "jwks_uri", "http://id.example.com/keys");
    let error = crate::support::verifier(&issuer)
        .seed_keys(&forbidden)
        .unwrap_err();
    assert!(matches!(error, SeedError::OtherAddress { .. }));
}

#[tokio::test]
async fn a_key_of_another_issuer_in_a_seed_is_left_out() {
    let (scene, seed) = exported().await;
    let mut jwks: Value = serde_json::from_str(&scene.issuer.jwks()).unwrap();
    jwks["keys"][0]["issuer"] = "https://stranger.example.com".into();
    let verifier = another(&scene);
    verifier.seed_keys(&changed(&seed, "jwks", jwks)).unwrap();
    assert_eq!(verifier.status().issuers()[0].key_count(), 0);
}

const MIRROR: &str = "https://mirror.example.com/keys";

/// What a mirror says is used in its turn, and never handed on as the issuer's word.
#[tokio::test]
async fn a_mirrors_keys_are_neither_exported_nor_seeded() {
    let scene = Scene::built(|issuer| issuer.failover_jwks_uri(MIRROR), |builder| builder).await;
    scene.go_down();
    let keys = FetchResponse::document(scene.issuer.jwks());
    scene.network.answer(MIRROR, Ok(keys));
    assert_eq!(scene.good().await, "accepted");
    assert!(scene.verifier.export_keys().is_empty());

    let trusted = || Issuer::jwks_uri(scene.issuer.issuer(), MIRROR, Audience::of(AUDIENCE));
    let of_mirror = with(&scene, trusted());
    of_mirror.warm_up().await.unwrap();
    let error = scene
        .verifier
        .seed_keys(&of_mirror.export_keys())
        .unwrap_err();
    assert!(matches!(error, SeedError::OtherAddress { .. }));
}

/// A restart must not forget what the issuer has withdrawn.
#[tokio::test]
async fn an_export_under_failover_is_the_issuers_own_last_answer() {
    let scene = Scene::with(|issuer| issuer.failover_jwks_uri(MIRROR)).await;
    let (withdrawn, published_first) = (scene.token().sign(), scene.issuer.jwks());
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    scene.rotate();
    scene.verifier.refresh_now().await.unwrap();
    let before = scene.verifier.export_keys().to_json();
    let keys = FetchResponse::document(published_first);
    scene.network.answer(MIRROR, Ok(keys));
    scene.go_down();
    scene.pass(1_300);
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.network.count(MIRROR), 1);

    let seed = scene.verifier.export_keys();
    let of = |text: &str| serde_json::from_str::<Value>(text).unwrap()["issuers"][0].clone();
    let (before, after) = (of(&before), of(&seed.to_json()));
    for member in ["jwks", "jwks_uri", "fetched_at"] {
        assert_eq!(after[member], before[member], "{member}");
    }
    let verifier = another(&scene);
    verifier.seed_keys(&seed).unwrap();
    assert!(verifier.verify(&withdrawn).await.is_err());
    assert_eq!(
        reason(&verifier.verify(&scene.token().sign()).await),
        "accepted"
    );
}

#[tokio::test]
async fn a_wall_clock_that_was_set_back_makes_no_exported_key_younger() {
    let (scene, _) = exported().await;
    let wall = scene.clock.now().wall;
    let age = Duration::from_secs(23 * 3_600);
    scene.clock.advance(age);
    scene.clock.set_wall(wall);
    let verifier = another(&scene);
    verifier.seed_keys(&scene.verifier.export_keys()).unwrap();
    assert_eq!(verifier.status().issuers()[0].age(), Some(age));
    assert_eq!(scene.status().age(), Some(age));
}

/// The issuer has not been heard on the key: a seed is older than the question.
#[tokio::test]
async fn a_seed_in_an_outage_makes_no_unknown_key_known_to_be_invented() {
    let (scene, _) = exported().await;
    scene.pass(300);
    let other = another(&scene);
    other.warm_up().await.unwrap();
    scene.go_down();
    assert_eq!(scene.invented().await, "keys_unavailable");
    scene.verifier.seed_keys(&other.export_keys()).unwrap();
    assert_eq!(scene.status().age(), Some(Duration::ZERO));
    assert_eq!(scene.invented().await, "keys_unavailable");
    scene.publish();
    scene.pass(60);
    assert_eq!(scene.invented().await, "unknown_key");
}

/// The answer is about the set that was asked about, which is not the one at hand any more.
#[tokio::test]
async fn word_of_no_change_that_a_seed_overtook_confirms_nothing() {
    let scene = Scene::set().await;
    let keys = FetchResponse::document(scene.issuer.jwks()).with_etag("\"1\"");
    scene.network.answer(KEYS, Ok(keys));
    assert_eq!(scene.good().await, "accepted");
    let seed = scene.verifier.export_keys();
    scene.pass(599);
    let seed = changed(&seed, "fetched_at", seconds(&scene) - 100);
    scene.network.hold();
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::not_modified()));
    assert_eq!(
        reason(&scene.verifier.verify_now(&scene.token().sign())),
        "accepted"
    );
    scene.network.until_requests(2).await;
    scene.verifier.seed_keys(&seed).unwrap();
    scene.network.release();
    settle().await;
    let status = scene.status();
    assert_eq!(status.age(), Some(Duration::from_secs(100)), "the seed's");
    let kind = status.last_error().map(portcullis::FetchError::kind);
    assert_eq!(kind, Some(FetchErrorKind::Status(304)));

    scene.publish();
    scene.pass(599);
    assert_eq!(scene.good().await, "accepted");
    settle().await;
    assert!(scene.network.requests()[2].if_none_match().is_none());
}
