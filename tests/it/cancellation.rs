//! A caller that goes away takes nothing with it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::testing::{AUDIENCE, Fault, TestIssuer, VirtualClock};
use portcullis::{Audience, Fetch, FetchFuture, FetchRequest, FetchResponse, Issuer, Verifier};

use crate::support::{reason, verifier};

#[tokio::test]
async fn a_fetch_outlives_the_caller_that_started_it() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    let token = issuer.token().sign();

    issuer.fail_with(Fault::Hang);
    let leader = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await.map(drop) }
    });
    issuer.until_requests(1).await;
    leader.abort();
    assert!(leader.await.unwrap_err().is_cancelled());

    // The flight of the cancelled leader is still in the air, so this joins it and starts no other.
    let follower = tokio::spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await.map(drop) }
    });
    let outcome = tokio::time::timeout(Duration::from_secs(6), follower)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(reason(&outcome), "keys_unavailable");
    assert_eq!(issuer.requests().total(), 1);
}

#[tokio::test]
async fn f11_a_thousand_callers_cause_one_fetch() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = verifier(&issuer);
    let token = issuer.token().sign();
    let callers: Vec<_> = (0..1_000)
        .map(|_| {
            let (verifier, token) = (verifier.clone(), token.clone());
            tokio::spawn(async move { verifier.verify(&token).await.map(drop) })
        })
        .collect();
    for caller in callers {
        assert_eq!(reason(&caller.await.unwrap()), "accepted");
    }
    assert_eq!(
        (issuer.requests().discovery(), issuer.requests().jwks()),
        (1, 1)
    );
}

#[test]
fn a_runtime_that_shuts_down_leaves_no_waiter_stuck() {
    let issuer_runtime = tokio::runtime::Runtime::new().unwrap();
    let issuer = issuer_runtime.block_on(TestIssuer::start()).unwrap();
    let verifier = verifier(&issuer);
    let token = issuer.token().sign();
    issuer.fail_with(Fault::Hang);

    let first = tokio::runtime::Runtime::new().unwrap();
    first.spawn({
        let (verifier, token) = (verifier.clone(), token.clone());
        async move { verifier.verify(&token).await.map(drop) }
    });
    issuer_runtime.block_on(issuer.until_requests(1));
    first.shutdown_background();
    issuer.recover();

    // The flight died with its runtime; a later call starts a new one, after the back-off.
    let second = tokio::runtime::Runtime::new().unwrap();
    let outcome = second.block_on(async {
        for _ in 0..50 {
            let outcome = verifier.verify(&token).await;
            if outcome.is_ok() {
                return outcome;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        verifier.verify(&token).await
    });
    assert_eq!(reason(&outcome), "accepted");
}

#[test]
fn without_a_runtime_verify_now_refuses_and_recovers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let issuer = runtime.block_on(TestIssuer::start()).unwrap();
    let verifier = verifier(&issuer);
    let token = issuer.token().sign();
    assert_eq!(reason(&verifier.verify_now(&token)), "key_not_cached");
    assert_eq!(issuer.requests().total(), 0);
    assert!(runtime.block_on(verifier.verify(&token)).is_ok());
    assert_eq!(reason(&verifier.verify_now(&token)), "accepted");

    // A runtime is known by now: the fetch that this asks for runs on it.
    issuer.rotate();
    let rotated = issuer.token().sign();
    assert_eq!(reason(&verifier.verify_now(&rotated)), "key_not_cached");
    runtime.block_on(async {
        while verifier.verify_now(&rotated).is_err() {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn outside_of_a_runtime_verify_refuses_and_does_not_panic() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let issuer = runtime.block_on(TestIssuer::start()).unwrap();
    let verifier = verifier(&issuer);
    let token = issuer.token().sign();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let outcome = std::pin::pin!(verifier.verify(&token)).poll(&mut context);
    let std::task::Poll::Ready(outcome) = outcome else {
        panic!("nothing can wake it");
    };
    assert_eq!(reason(&outcome), "keys_unavailable");
    assert!(runtime.block_on(verifier.verify(&token)).is_ok());
}

/// Panics on its first call and answers every other.
#[derive(Debug)]
struct PanicsOnce {
    jwks: String,
    calls: AtomicUsize,
}

impl Fetch for PanicsOnce {
    fn fetch(&self, _: FetchRequest) -> FetchFuture<'_> {
        Box::pin(async {
            if self.calls.fetch_add(1, Ordering::Relaxed) == 0 {
                panic!("a bug in a Fetch of the user's");
            }
            Ok(FetchResponse::document(self.jwks.clone()))
        })
    }
}

#[tokio::test]
async fn a_fetch_that_panics_is_a_failure_like_any_other() {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
    let trusted = Issuer::jwks_uri(
        issuer.issuer(),
        "https://id.example.com/keys",
        Audience::of(AUDIENCE),
    );
    let fetch = PanicsOnce {
        jwks: issuer.jwks(),
        calls: AtomicUsize::new(0),
    };
    let verifier = Verifier::builder()
        .issuer(trusted)
        .clock(clock.clone())
        .fetch(fetch)
        .build()
        .unwrap();
    let outcome = verifier.verify(&issuer.token().sign()).await;
    assert_eq!(reason(&outcome), "keys_unavailable");
    clock.advance(Duration::from_secs(1));
    assert_eq!(
        reason(&verifier.verify(&issuer.token().sign()).await),
        "accepted"
    );
}
