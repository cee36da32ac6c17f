//! A rotation needs no restart and costs no honest request: the first token of a new key passes.

use std::time::Duration;

use crate::support::{Answer, Door, FastForward, Issuer, forge};

#[tokio::test]
async fn oidc_provider_with_overlap() {
    rotates(&Issuer::oidc_provider(), true).await;
}

#[tokio::test]
async fn oidc_provider_without_overlap() {
    rotates(&Issuer::oidc_provider(), false).await;
}

#[tokio::test]
async fn glewlwyd_with_overlap() {
    rotates(&Issuer::glewlwyd(), true).await;
}

#[tokio::test]
async fn glewlwyd_without_overlap() {
    rotates(&Issuer::glewlwyd(), false).await;
}

async fn rotates(issuer: &Issuer, overlap: bool) {
    let clock = FastForward::default();
    let doors = Door::all(issuer, &clock).await;
    for algorithm in issuer.algorithms {
        let passed = || Answer::passed(algorithm);
        let old = issuer.token(algorithm).await;
        for door in &doors {
            door.expect(passed(), &old, "before").await;
        }
        clock.advance(BETWEEN_FETCHES);
        issuer.rotate(overlap).await;
        let new = issuer.token(algorithm).await;
        for door in &doors {
            door.expect(passed(), &new, "first of the new key").await;
            // Without overlap the old key is gone; how long it is still trusted is not asked here.
            if overlap {
                door.expect(passed(), &old, "of the old key").await;
            }
        }
    }
}

/// Keys that nobody has: the issuer is asked once, however many there are, and honest tokens pass.
#[tokio::test]
async fn invented_keys_cost_one_fetch() {
    let issuer = Issuer::oidc_provider();
    let clock = FastForward::default();
    let doors = Door::all(&issuer, &clock).await;
    let passed = || Answer::passed("ES256");
    let token = issuer.token("ES256").await;
    for door in &doors {
        door.expect(passed(), &token, "before").await;
    }
    clock.advance(BETWEEN_FETCHES);
    for door in &doors {
        let before = issuer.fetches().await;
        for n in 0..200 {
            let invented = forge::header(&token, "kid", &format!("invented-{n}"));
            door.expect(Answer::Refused, &invented, "invented").await;
        }
        assert_eq!(issuer.fetches().await - before, 1, "{door}");
        door.expect(passed(), &token, "after").await;
    }
}

/// Fetches for unknown keys are at least 10 s apart.
const BETWEEN_FETCHES: Duration = Duration::from_secs(11);
