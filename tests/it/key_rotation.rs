//! Keys change without a restart and without a refusal.

use portcullis::testing::TestIssuer;

use crate::support::{reason, verifier};

#[tokio::test]
async fn the_first_token_of_a_new_key_passes() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
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
