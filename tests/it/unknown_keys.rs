//! Invented key ids cost one fetch, not one each.

use portcullis::testing::TestIssuer;

use crate::support::{reason, verifier};

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
