//! Keys that outlive a process.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{
    Audience, Clock as _, FetchResponse, Issuer, KeySeed, KeyState, SeedError, Verifier,
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

/// What a mirror says is used in its turn, and never handed on as the issuer's word.
#[tokio::test]
async fn a_mirrors_keys_are_neither_exported_nor_seeded() {
    const MIRROR: &str = "https://mirror.example.com/keys";
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
