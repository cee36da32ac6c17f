//! Invented key ids cost one fetch, not one each.

use std::time::Duration;

use portcullis::KeyRefresh;
use portcullis::testing::TestIssuer;

use crate::support::{Scene, reason, settle, verifier};

#[tokio::test]
async fn a_flood_of_invented_key_ids_is_one_fetch() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    assert_eq!(
        reason(&verifier.verify(&issuer.token().sign()).await),
        "accepted"
    );
    let before = issuer.requests().jwks();
    for n in 0..1_000 {
        let token = issuer.token().key_id(&format!("invented-{n}")).sign();
        assert_eq!(reason(&verifier.verify(&token).await), "unknown_key");
        assert!(verifier.verify_now(&token).is_err());
    }
    assert_eq!(issuer.requests().jwks() - before, 1);
    assert_eq!(
        reason(&verifier.verify(&issuer.token().sign()).await),
        "accepted"
    );
}

#[tokio::test]
async fn a_bad_signature_under_a_known_key_fetches_nothing() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    verifier.warm_up().await.unwrap();
    let before = issuer.requests().total();
    for _ in 0..100 {
        let forged = issuer.token().with_invalid_signature();
        assert_eq!(reason(&verifier.verify(&forged).await), "invalid_signature");
    }
    assert_eq!(issuer.requests().total(), before);
}

#[tokio::test]
async fn what_a_header_points_at_is_never_fetched() {
    let (issuer, elsewhere) = (
        TestIssuer::start().await.unwrap(),
        TestIssuer::start().await.unwrap(),
    );
    let verifier = verifier(&issuer);
    for member in ["jku", "x5u"] {
        let token = issuer.token().header(member, elsewhere.jwks_uri()).sign();
        assert_eq!(reason(&verifier.verify(&token).await), "accepted");
        let forged = elsewhere
            .token()
            .issuer(issuer.issuer())
            .header(member, elsewhere.jwks_uri())
            .sign();
        assert_eq!(reason(&verifier.verify(&forged).await), "unknown_key");
    }
    assert_eq!(elsewhere.requests().total(), 0);
}

/// What a token hears that is verified while fetches are held, and then they are not.
async fn joining(scene: &Scene, token: String) -> &'static str {
    let joining = tokio::spawn({
        let verifier = scene.verifier.clone();
        async move { reason(&verifier.verify(&token).await) }
    });
    settle().await;
    assert!(!joining.is_finished());
    scene.network.release();
    joining.await.unwrap()
}

#[tokio::test]
async fn without_an_allowance_an_unknown_key_joins_the_fetch_in_the_air() {
    for rotated in [true, false] {
        let scene = Scene::with(|issuer| {
            let minute = Duration::from_secs(60);
            issuer.key_refresh(KeyRefresh::new().default_lifetime(minute))
        })
        .await;
        assert_eq!(scene.good().await, "accepted");
        for seconds in [0, 20, 40] {
            scene.pass(seconds);
            assert_eq!(scene.invented().await, "unknown_key");
        }
        // The next fetch for such a key is due after 60 s, and the scheduled one after 54 at the latest.
        scene.pass(55);
        scene.network.hold();
        assert!(scene.verifier.verify_now(&scene.token().sign()).is_ok());
        scene.network.until_requests(5).await;
        let (token, expected) = match rotated {
            true => {
                scene.rotate();
                (scene.token().sign(), "accepted")
            }
            false => (scene.token().key_id("new").sign(), "unknown_key"),
        };
        assert_eq!(joining(&scene, token).await, expected);
        assert_eq!(scene.fetches(), 5);
    }
}

/// What a scheduled fetch that was under way lacks may exist: its answer may be a cache's.
#[tokio::test]
async fn a_fetch_that_began_earlier_is_no_proof_that_a_key_is_unknown() {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    scene.pass(599);
    scene.network.hold();
    assert!(scene.verifier.verify_now(&scene.token().sign()).is_ok());
    scene.network.until_requests(2).await;
    let invented = scene.token().key_id("new").sign();
    assert_eq!(joining(&scene, invented.clone()).await, "keys_unavailable");
    assert_eq!(scene.fetches(), 2);
    assert!(!scene.network.requests()[1].no_cache());
    assert_eq!(
        scene.verify(&invented).await,
        "unknown_key",
        "asked for past caches"
    );
    assert!(scene.network.requests()[2].no_cache());
}

/// An issuer may sign with a key before all its replicas publish it: that one of them lacked it is not
/// held against the key for longer than against any other.
#[tokio::test]
async fn a_key_that_is_published_later_than_it_signs_is_accepted_with_the_next_fetch() {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    scene.issuer.rotate();
    let early = scene.token().sign();
    assert_eq!(scene.verify(&early).await, "unknown_key");
    scene.publish();
    scene.pass(19);
    assert_eq!(scene.verify(&early).await, "unknown_key");
    scene.pass(1);
    assert_eq!(scene.verify(&early).await, "accepted");
    assert_eq!(scene.fetches(), 3);
}
