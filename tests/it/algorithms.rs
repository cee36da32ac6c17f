//! Every algorithm, end to end, and what the header must not choose.

use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{Algorithm, Audience, Issuer, KeySet, Verifier, verify_jws};

use crate::support::{discovered, reason, verifier};

#[tokio::test]
async fn every_algorithm_verifies_end_to_end() {
    let issuer = TestIssuer::start_with(Algorithm::ALL.iter().copied())
        .await
        .unwrap();
    let verifier = verifier(&issuer);
    for algorithm in Algorithm::ALL.iter().copied() {
        let token = issuer.token().algorithm(algorithm).sign();
        let verified = verifier.verify(&token).await;
        assert_eq!(reason(&verified), "accepted", "{algorithm}");
        assert_eq!(verified.unwrap().header().algorithm(), algorithm);
        let forged = issuer.token().algorithm(algorithm).with_invalid_signature();
        assert_eq!(
            reason(&verifier.verify(&forged).await),
            "invalid_signature",
            "{algorithm}"
        );
        let stranger = issuer.token().algorithm(algorithm).sign_with_unknown_key();
        assert_eq!(
            reason(&verifier.verify(&stranger).await),
            "invalid_signature",
            "{algorithm}"
        );
    }
}

#[tokio::test]
async fn configuration_narrows_what_keys_could_do() {
    let issuer = TestIssuer::start_with([Algorithm::Es256, Algorithm::EdDsa])
        .await
        .unwrap();
    let narrow = Verifier::new(discovered(&issuer).algorithms([Algorithm::Es256])).unwrap();
    let es256 = issuer.token().algorithm(Algorithm::Es256).sign();
    let eddsa = issuer.token().algorithm(Algorithm::EdDsa).sign();
    assert_eq!(reason(&narrow.verify(&es256).await), "accepted");
    assert_eq!(
        reason(&narrow.verify(&eddsa).await),
        "algorithm_not_allowed"
    );
}

#[tokio::test]
async fn neither_none_nor_hmac_can_be_asked_for() {
    let issuer = TestIssuer::start_with([Algorithm::Rs256]).await.unwrap();
    let verifier = verifier(&issuer);
    assert_eq!(
        reason(&verifier.verify(&issuer.token().unsigned()).await),
        "unsupported_algorithm"
    );
    let confused = issuer.token().signed_with_hmac_of_public_key();
    assert_eq!(
        reason(&verifier.verify(&confused).await),
        "unsupported_algorithm"
    );
}

#[tokio::test]
async fn a_kid_that_belongs_to_another_kind_of_key_is_a_mismatch() {
    let issuer = TestIssuer::start_with([Algorithm::Es256, Algorithm::EdDsa])
        .await
        .unwrap();
    let verifier = verifier(&issuer);
    let eddsa = verifier
        .verify(&issuer.token().algorithm(Algorithm::EdDsa).sign())
        .await
        .unwrap();
    let key_id = eddsa.header().key_id().unwrap();
    let token = issuer
        .token()
        .algorithm(Algorithm::Es256)
        .key_id(key_id)
        .sign();
    assert_eq!(reason(&verifier.verify(&token).await), "algorithm_mismatch");
}

#[tokio::test]
async fn without_a_kid_the_keys_that_fit_are_tried() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    let token = issuer.token().without_key_id().sign();
    assert_eq!(reason(&verifier.verify(&token).await), "accepted");
}

#[tokio::test]
async fn a_jws_is_judged_by_its_signature_alone() {
    let issuer = TestIssuer::start().await.unwrap();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let jws = issuer.token().raw_payload("not even JSON").sign();
    let verified = verify_jws(&jws, &keys, Algorithm::ALL).unwrap();
    assert_eq!(verified.payload(), b"not even JSON");
    assert_eq!(
        reason(&verify_jws(&jws, &keys, &[Algorithm::Rs256])),
        "algorithm_not_allowed"
    );
    assert_eq!(
        reason(&verify_jws(&jws, &keys, &[])),
        "algorithm_not_allowed"
    );

    let issuer = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    assert_eq!(
        reason(&Verifier::new(issuer).unwrap().verify_now(&jws)),
        "malformed"
    );
}
