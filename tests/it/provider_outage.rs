//! The issuer fails in every way there is: keys at hand serve on, and nobody is blamed.

use std::time::Duration;

use portcullis::testing::{Fault, TestIssuer};
use portcullis::{FetchErrorKind, KeyState, VerifyError};

use crate::support::{reason, verifier};

fn faults() -> Vec<Fault> {
    vec![
        Fault::Status(500),
        Fault::Status(404),
        Fault::Status(204),
        Fault::Status(302),
        Fault::Reset,
        Fault::Garbage,
        Fault::Empty,
        Fault::Huge,
        Fault::Refuse,
    ]
}

#[tokio::test]
async fn without_keys_every_fault_is_unavailable_and_the_next_try_recovers() {
    for fault in faults() {
        let issuer = TestIssuer::start().await.unwrap();
        let verifier = verifier(&issuer);
        let name = format!("{fault:?}");
        issuer.fail_with(fault);
        let outcome = verifier.verify(&issuer.token().sign()).await;
        assert_eq!(reason(&outcome), "keys_unavailable", "{name}");
        assert!(outcome.unwrap_err().is_unavailable());
        assert!(verifier.status().issuers()[0].last_error().is_some());

        issuer.recover();
        // The first back-off is between half a second and one.
        tokio::time::sleep(Duration::from_millis(1_050)).await;
        let outcome = verifier.verify(&issuer.token().sign()).await;
        assert_eq!(reason(&outcome), "accepted", "{name}: {outcome:?}");
        assert!(verifier.status().issuers()[0].last_error().is_none());
    }
}

#[tokio::test]
async fn with_keys_known_tokens_pass_and_unknown_keys_are_nobodys_fault() {
    for fault in faults() {
        let issuer = TestIssuer::start().await.unwrap();
        let verifier = verifier(&issuer);
        let name = format!("{fault:?}");
        let known = issuer.token().sign();
        assert_eq!(reason(&verifier.verify(&known).await), "accepted");

        issuer.fail_with(fault);
        assert_eq!(reason(&verifier.verify(&known).await), "accepted", "{name}");
        let unknown = verifier.verify(&issuer.token().key_id("new").sign()).await;
        assert_eq!(reason(&unknown), "keys_unavailable", "{name}");
        let again = verifier.verify(&issuer.token().key_id("new").sign()).await;
        assert_eq!(
            reason(&again),
            "keys_unavailable",
            "{name}: no fetch is due, the last failed"
        );
        assert_eq!(reason(&verifier.verify(&known).await), "accepted", "{name}");
        assert_eq!(verifier.status().issuers()[0].state(), KeyState::Fresh);
    }
}

#[tokio::test]
async fn a_hanging_issuer_is_given_five_seconds() {
    for fault in [Fault::Hang, Fault::SlowDrip] {
        let issuer = TestIssuer::start().await.unwrap();
        let verifier = verifier(&issuer);
        issuer.fail_with(fault);
        let token = issuer.token().sign();
        let outcome = tokio::time::timeout(Duration::from_secs(7), verifier.verify(&token)).await;
        let Err(VerifyError::KeysUnavailable(error)) = outcome.expect("within the deadline") else {
            panic!("keys cannot be there");
        };
        assert_eq!(error.kind(), FetchErrorKind::Deadline);
    }
}

#[tokio::test]
async fn e6_metadata_of_another_issuer_is_refused() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    issuer.fail_with(Fault::WrongIssuer);
    let Err(VerifyError::KeysUnavailable(error)) = verifier.verify(&issuer.token().sign()).await
    else {
        panic!("keys of a stranger");
    };
    assert_eq!(error.kind(), FetchErrorKind::IssuerMismatch);
    assert_eq!(issuer.requests().jwks(), 0);
}

#[tokio::test]
async fn an_empty_set_is_an_answer_and_not_an_outage() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    issuer.fail_with(Fault::EmptyKeySet);
    assert_eq!(
        reason(&verifier.verify(&issuer.token().sign()).await),
        "unknown_key"
    );
}
