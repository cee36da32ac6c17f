//! An issuer that is down: known keys keep working, and an unknown key is nobody's fault but ours.

use std::time::Duration;

use tokio::time::timeout;

use crate::support::{Answer, Door, FastForward, Issuer};

#[tokio::test]
async fn oidc_provider_stopped() {
    survives(&Issuer::oidc_provider()).await;
}

#[tokio::test]
async fn glewlwyd_stopped() {
    survives(&Issuer::glewlwyd()).await;
}

async fn survives(issuer: &Issuer) {
    let clock = FastForward::default();
    let doors = Door::all(issuer, &clock).await;
    let cold = Door::all(issuer, &clock).await;
    let seen = issuer.token("RS256").await;
    let unseen = issuer.token("RS256").await;
    for door in &doors {
        door.expect(Answer::passed("RS256"), &seen, "before").await;
    }
    issuer.rotate(true).await;
    let unknown = issuer.token("RS256").await;
    issuer.stop().await;
    clock.advance(BETWEEN_FETCHES);

    let passed = || Answer::passed("RS256");
    for door in &doors {
        for _ in 0..2 {
            door.expect(passed(), &seen, "seen before").await;
            door.expect(passed(), &unseen, "of a known key").await;
            door.expect(Answer::Unavailable, &unknown, "of an unknown key")
                .await;
        }
    }
    for door in &cold {
        door.expect(Answer::Unavailable, &seen, "never had a key")
            .await;
    }

    issuer.start_again().await;
    clock.advance(LONGEST_BACK_OFF);
    for door in doors.iter().chain(&cold) {
        door.expect(passed(), &unknown, "the issuer is back").await;
    }
}

/// The other ways to be down: an answer that is none, no answer, a connection that breaks.
#[tokio::test]
async fn oidc_provider_in_trouble() {
    let issuer = Issuer::oidc_provider();
    for trouble in ["500", "hang", "reset"] {
        let clock = FastForward::default();
        let doors = Door::all(&issuer, &clock).await;
        let passed = || Answer::passed("PS256");
        let known = issuer.token("PS256").await;
        for door in &doors {
            door.expect(passed(), &known, "before").await;
        }
        issuer.rotate(true).await;
        let unknown = issuer.token("PS256").await;
        issuer.fault(trouble).await;
        clock.advance(BETWEEN_FETCHES);
        for door in &doors {
            let answer = timeout(Duration::from_secs(4), door.ask(&unknown)).await;
            assert_eq!(answer, Ok(Answer::Unavailable), "{door} during {trouble}");
            door.expect(passed(), &known, trouble).await;
        }

        issuer.fault("ok").await;
        for door in &doors {
            // A fetch that hangs is given up after 5 s, and nobody starts another until then.
            let mut answer = Answer::Unavailable;
            for _ in 0..3 {
                clock.advance(LONGEST_BACK_OFF);
                answer = door.ask(&unknown).await;
                if answer != Answer::Unavailable {
                    break;
                }
            }
            assert_eq!(answer, passed(), "{door} after {trouble}");
        }
    }
}

/// Fetches for unknown keys are at least 10 s apart.
const BETWEEN_FETCHES: Duration = Duration::from_secs(11);

const LONGEST_BACK_OFF: Duration = Duration::from_secs(61);
