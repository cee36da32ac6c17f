//! Hundreds of issuers in one verifier: each has its own trouble, and an idle one costs nothing.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, Fault, ScriptedFetch, TestIssuer, VirtualClock};
use portcullis::{
    Audience, FetchError, FetchErrorKind, FetchResponse, Issuer, KeyRefresh, KeyState, Verifier,
};
use tokio::runtime::Handle;

use crate::support::{discovered, failure, reason, settle};

/// Issuers by the hundred that share a signer; each has an address of its own.
struct Crowd {
    signer: TestIssuer,
    clock: VirtualClock,
    network: ScriptedFetch,
    verifier: Verifier,
}

fn name(number: usize) -> String {
    format!("https://id-{number}.example.com")
}

fn address(number: usize) -> String {
    format!("{}/keys", name(number))
}

impl Crowd {
    async fn of(size: usize) -> Self {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let signer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let network = ScriptedFetch::new();
        let mut builder = Verifier::builder()
            .clock(clock.clone())
            .fetch(network.clone());
        for number in 0..size {
            let audience = Audience::of(AUDIENCE);
            builder = builder.issuer(Issuer::jwks_uri(name(number), address(number), audience));
            let keys = FetchResponse::document(signer.jwks());
            network.answer(&address(number), Ok(keys));
        }
        Self {
            signer,
            clock,
            network,
            verifier: builder.build().unwrap(),
        }
    }

    fn token(&self, number: usize) -> String {
        let week = Duration::from_secs(7 * 86_400);
        let token = self.signer.token().expires_in(week);
        token.issuer(&name(number)).sign()
    }
}

fn alive_tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn a_thousand_issuers_have_no_task_and_no_timer_while_idle() {
    let crowd = Crowd::of(1_000).await;
    assert_eq!(alive_tasks(), 0, "built");
    crowd.verifier.warm_up().await.unwrap();
    settle().await;
    assert_eq!(alive_tasks(), 0, "warmed up");
    assert_eq!(crowd.network.requests().len(), 1_000);
    assert!(crowd.verifier.status().is_ready());

    // Idle for a week, by every clock: nothing is asked and nothing is scheduled.
    crowd.clock.advance(Duration::from_secs(7 * 86_400));
    tokio::time::advance(Duration::from_secs(7 * 86_400)).await;
    settle().await;
    assert_eq!(alive_tasks(), 0, "idle");
    assert_eq!(crowd.network.requests().len(), 1_000);

    // One is used again: one is asked.
    assert_eq!(
        reason(&crowd.verifier.verify(&crowd.token(7)).await),
        "accepted"
    );
    settle().await;
    assert_eq!(crowd.network.requests().len(), 1_001);
    assert_eq!(crowd.network.count(&address(7)), 2);
    assert_eq!(alive_tasks(), 0);
}

#[tokio::test]
async fn a_thousand_issuers_in_trouble_are_a_thousand_flights_that_end() {
    let crowd = Crowd::of(1_000).await;
    crowd.network.hold();
    for number in 0..1_000 {
        let outcome = crowd.verifier.verify_now(&crowd.token(number));
        assert_eq!(reason(&outcome), "key_not_cached");
    }
    crowd.network.until_requests(1_000).await;
    assert_eq!(alive_tasks(), 1_000, "a flight each");
    crowd.network.release();
    let landing = async {
        while alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    };
    let landed = tokio::time::timeout(Duration::from_secs(10), landing).await;
    landed.expect("no flight stays in the air");
    assert!(crowd.verifier.status().is_ready());
}

#[tokio::test(start_paused = true)]
async fn one_issuer_that_hangs_slows_nobody_but_its_own() {
    let crowd = Crowd::of(100).await;
    crowd.verifier.warm_up().await.unwrap();
    // From now on every fetch hangs: 99 issuers need none, and one has an unknown key.
    crowd.network.hold();
    let slow = tokio::spawn({
        let token = crowd.signer.token().issuer(&name(0)).key_id("new").sign();
        let verifier = crowd.verifier.clone();
        async move { verifier.verify(&token).await.map(drop) }
    });
    crowd.network.until_requests(101).await;
    for number in 0..100 {
        let outcome = crowd.verifier.verify_now(&crowd.token(number));
        assert_eq!(reason(&outcome), "accepted", "{number}");
    }
    assert!(!slow.is_finished());
    assert_eq!(reason(&slow.await.unwrap()), "keys_unavailable");
    assert_eq!(crowd.network.requests().len(), 101);
}

#[tokio::test]
async fn an_issuer_that_is_down_takes_nothing_from_the_others() {
    let crowd = Crowd::of(100).await;
    for number in 0..50 {
        crowd.network.answer(&address(number), failure());
    }
    let error = crowd.verifier.warm_up().await.unwrap_err();
    let failed: Vec<_> = error
        .failures()
        .map(|(issuer, _)| issuer.to_owned())
        .collect();
    assert_eq!(failed, (0..50).map(name).collect::<Vec<_>>());
    for number in 0..100 {
        let outcome = crowd.verifier.verify(&crowd.token(number)).await;
        let expected = if number < 50 {
            "keys_unavailable"
        } else {
            "accepted"
        };
        assert_eq!(reason(&outcome), expected, "{number}");
    }
    let states: Vec<_> = crowd
        .verifier
        .status()
        .issuers()
        .iter()
        .map(|issuer| issuer.state())
        .collect();
    assert_eq!(states[..50], [KeyState::NotFetched; 50]);
    assert_eq!(states[50..], [KeyState::Fresh; 50]);
    assert_eq!(
        crowd.network.requests().len(),
        100,
        "and is not asked again so soon"
    );
}

#[tokio::test(start_paused = true)]
async fn waiting_for_all_asks_all_at_once_though_one_is_down() {
    let crowd = Crowd::of(10).await;
    crowd.network.answer(&address(0), failure());
    let ready = tokio::spawn({
        let verifier = crowd.verifier.clone();
        async move { verifier.ready().await }
    });
    settle().await;
    for number in 1..10 {
        let outcome = crowd.verifier.verify_now(&crowd.token(number));
        assert_eq!(reason(&outcome), "accepted", "{number}");
    }
    let keys = FetchResponse::document(crowd.signer.jwks());
    crowd.network.answer(&address(0), Ok(keys));
    crowd.clock.advance(Duration::from_secs(60));
    ready.await.unwrap();
    assert_eq!(crowd.network.requests().len(), 11);
}

/// On sockets, with a deadline of its own.
#[tokio::test]
async fn warming_up_takes_as_long_as_the_slowest_and_no_longer() {
    let deadline = Duration::from_secs(1);
    let mut issuers = Vec::new();
    let mut builder = Verifier::builder();
    for number in 0..6 {
        let issuer = TestIssuer::start().await.unwrap();
        if number % 2 == 0 {
            issuer.fail_with(Fault::Hang);
        }
        let refresh = KeyRefresh::new()
            .fetch_deadline(deadline)
            .max_wait(deadline);
        builder = builder.issuer(discovered(&issuer).key_refresh(refresh));
        issuers.push(issuer);
    }
    let verifier = builder.build().unwrap();
    // One after the other they would take 3 s.
    let error = tokio::time::timeout(Duration::from_millis(2_800), verifier.warm_up());
    let error = error.await.expect("all at once").unwrap_err();
    let kinds: Vec<_> = error.failures().map(|(_, error)| error.kind()).collect();
    assert_eq!(kinds, [FetchErrorKind::Deadline; 3]);
    for (number, issuer) in issuers.iter().enumerate() {
        let outcome = verifier.verify_now(&issuer.token().sign());
        assert_eq!(outcome.is_ok(), number % 2 == 1);
    }
}

#[tokio::test]
async fn a_flood_for_one_issuer_is_no_allowance_of_anothers() {
    let crowd = Crowd::of(2).await;
    crowd.verifier.warm_up().await.unwrap();
    for number in 0..100 {
        let token = crowd
            .signer
            .token()
            .issuer(&name(0))
            .key_id(&format!("new-{number}"));
        assert_eq!(
            reason(&crowd.verifier.verify(&token.sign()).await),
            "unknown_key"
        );
    }
    crowd.network.answer(
        &address(0),
        Err(FetchError::new(FetchErrorKind::Status(429))),
    );
    crowd.signer.rotate();
    let keys = FetchResponse::document(crowd.signer.jwks());
    crowd.network.answer(&address(1), Ok(keys));
    assert_eq!(
        reason(&crowd.verifier.verify(&crowd.token(1)).await),
        "accepted"
    );
    let counts = (
        crowd.network.count(&address(0)),
        crowd.network.count(&address(1)),
    );
    assert_eq!(counts, (2, 2));
}
