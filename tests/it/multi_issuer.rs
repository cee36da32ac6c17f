//! Several issuers in one verifier share nothing.

use portcullis::Verifier;
use portcullis::testing::{Fault, TestIssuer};

use crate::support::{discovered, reason};

async fn two() -> (TestIssuer, TestIssuer, Verifier) {
    let (a, b) = (
        TestIssuer::start().await.unwrap(),
        TestIssuer::start().await.unwrap(),
    );
    let verifier = Verifier::builder()
        .issuer(discovered(&a))
        .issuer(discovered(&b))
        .build()
        .unwrap();
    (a, b, verifier)
}

#[tokio::test]
async fn each_issuer_opens_the_gate_for_its_own_tokens() {
    let (a, b, verifier) = two().await;
    for issuer in [&a, &b] {
        let token = verifier.verify(&issuer.token().sign()).await.unwrap();
        assert_eq!(token.issuer(), issuer.issuer());
    }
}

#[tokio::test]
async fn a_key_verifies_its_own_issuers_tokens_only() {
    for warm_first in [true, false] {
        let (a, b, verifier) = two().await;
        if warm_first {
            verifier.warm_up().await.unwrap();
        }
        let key_of_a = verifier.verify(&a.token().sign()).await.unwrap();
        let key_of_a = key_of_a.header().key_id().unwrap();
        // B signs and claims to be A, once under its own kid and once under A's.
        let outcome = verifier
            .verify(&b.token().issuer(a.issuer()).key_id(key_of_a).sign())
            .await;
        assert_eq!(reason(&outcome), "invalid_signature");
        let outcome = verifier
            .verify(&b.token().issuer(a.issuer()).key_id("of-b").sign())
            .await;
        assert_eq!(reason(&outcome), "unknown_key");
    }
}

#[tokio::test]
async fn one_issuers_trouble_is_not_anothers() {
    let (a, b, verifier) = two().await;
    a.fail_with(Fault::Hang);
    let waiting = tokio::spawn({
        let (verifier, token) = (verifier.clone(), a.token().sign());
        async move { verifier.verify(&token).await.map(drop) }
    });
    a.until_requests(1).await;
    assert_eq!(
        reason(&verifier.verify(&b.token().sign()).await),
        "accepted"
    );
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn warming_up_reports_who_is_down_and_readies_the_others() {
    let (a, b, verifier) = two().await;
    a.fail_with(Fault::Status(500));
    let error = verifier.warm_up().await.unwrap_err();
    let failed: Vec<_> = error.failures().map(|(issuer, _)| issuer).collect();
    assert_eq!(failed, [a.issuer()]);
    assert!(error.to_string().contains(a.issuer()));
    assert_eq!(reason(&verifier.verify_now(&b.token().sign())), "accepted");
    assert!(!verifier.status().is_ready());

    let states: Vec<_> = verifier
        .status()
        .issuers()
        .iter()
        .map(|issuer| issuer.key_count())
        .collect();
    assert_eq!(states, [0, 1]);
}
