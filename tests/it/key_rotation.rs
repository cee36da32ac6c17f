//! Keys change without a restart and without a refusal.

use std::time::Duration;

use portcullis::testing::TestIssuer;
use portcullis::{KeyRefresh, Verifier};

use crate::support::{discovered, reason, verifier};

#[tokio::test]
async fn the_first_token_of_a_new_key_passes() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    let old = issuer.token().sign();
    assert_eq!(reason(&verifier.verify(&old).await), "accepted");

    issuer.rotate();
    let new = issuer.token().sign();
    assert_eq!(reason(&verifier.verify(&new).await), "accepted");
    assert_eq!(issuer.requests().jwks(), 2, "one fetch for the new key");
    assert_eq!(
        reason(&verifier.verify(&old).await),
        "accepted",
        "in its grace"
    );
    verifier.refresh_now().await.unwrap();
    assert_eq!(reason(&verifier.verify(&old).await), "unknown_key");
    assert_eq!(reason(&verifier.verify(&new).await), "accepted");
}

#[tokio::test]
async fn without_grace_a_key_goes_with_the_answer_that_lacks_it() {
    let issuer = TestIssuer::start().await.unwrap();
    let strict = KeyRefresh::new().unpublished_grace(Duration::ZERO);
    let verifier = Verifier::new(discovered(&issuer).key_refresh(strict)).unwrap();
    let old = issuer.token().sign();
    assert_eq!(reason(&verifier.verify(&old).await), "accepted");

    issuer.rotate();
    let new = issuer.token().sign();
    assert_eq!(reason(&verifier.verify(&new).await), "accepted");
    assert_eq!(reason(&verifier.verify(&old).await), "unknown_key");
}

#[tokio::test]
async fn during_an_overlap_both_keys_pass() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    let old = issuer.token().sign();
    assert_eq!(reason(&verifier.verify(&old).await), "accepted");

    issuer.rotate_with_overlap();
    let new = issuer.token().sign();
    assert_eq!(reason(&verifier.verify(&old).await), "accepted");
    assert_eq!(reason(&verifier.verify(&new).await), "accepted");
    assert_eq!(reason(&verifier.verify(&old).await), "accepted");
}

#[tokio::test]
async fn without_a_kid_a_new_key_is_found_too() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    assert_eq!(
        reason(
            &verifier
                .verify(&issuer.token().without_key_id().sign())
                .await
        ),
        "accepted"
    );
    issuer.rotate();
    assert_eq!(
        reason(
            &verifier
                .verify(&issuer.token().without_key_id().sign())
                .await
        ),
        "accepted"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_rotation_every_concurrent_request_passes_with_one_fetch() {
    for named in [true, false] {
        let issuer = TestIssuer::start().await.unwrap();
        let verifier = verifier(&issuer);
        verifier.warm_up().await.unwrap();
        issuer.rotate();
        let mut requests = tokio::task::JoinSet::new();
        for _ in 0..200 {
            let verifier = verifier.clone();
            let token = issuer.token();
            let token = if named { token } else { token.without_key_id() };
            let token = token.sign();
            requests.spawn(async move { reason(&verifier.verify(&token).await) });
        }
        let outcomes = requests.join_all().await;
        let refused: Vec<_> = outcomes
            .iter()
            .filter(|outcome| **outcome != "accepted")
            .collect();
        assert!(refused.is_empty(), "named: {named}, refused: {refused:?}");
        assert_eq!(issuer.requests().jwks(), 2);
    }
}
