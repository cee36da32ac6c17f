//! A token that was verified before is accepted when verifying it anew would, and only then.

use std::cell::Cell;
use std::time::{Duration, UNIX_EPOCH};

use portcullis::testing::{AUDIENCE, ScriptedFetch, TestIssuer, VirtualClock};
use portcullis::{
    Audience, Clock as _, FetchResponse, Issuer, KeyRefresh, KeyState, TokenCache, Verifier,
};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRng, TestRunner};

use crate::support::{KEYS, Scene, failure, reason, settle};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

/// Verifies a token as often as it takes to be found where those are that were used in the same second.
async fn remember(scene: &Scene, token: &str) {
    for _ in 0..3 {
        assert_eq!(scene.verify(token).await, "accepted");
    }
}

#[tokio::test]
async fn a_withdrawn_key_is_refused_at_its_bound_however_steady_the_hits() {
    let scene = Scene::set().await;
    let token = scene.token().sign();
    remember(&scene, &token).await;
    scene.rotate();
    // The keys are fresh for 10 min and asked anew at 9 at the latest; the grace is an hour from then.
    let mut minutes = 0;
    while scene.verify(&token).await == "accepted" {
        scene.pass(60);
        settle().await;
        minutes += 1;
        assert!(minutes <= 70, "accepted for {minutes} min");
    }
    assert!(minutes >= 60, "{minutes} min");
    assert_eq!(scene.verify(&token).await, "unknown_key");
}

#[tokio::test]
async fn an_operator_ends_what_is_remembered_with_the_grace() {
    let scene = Scene::set().await;
    let token = scene.token().sign();
    remember(&scene, &token).await;
    scene.rotate();
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(scene.verify(&token).await, "unknown_key");
}

#[tokio::test]
async fn a_key_replaced_under_its_name_ends_what_it_verified() {
    let scene = Scene::set().await;
    let token = scene.token().sign();
    remember(&scene, &token).await;
    scene.issuer.replace_keys();
    scene.publish();
    scene.verifier.refresh_now().await.unwrap();
    assert_eq!(scene.verify(&token).await, "invalid_signature");
}

#[tokio::test]
async fn time_is_held_against_now_on_every_hit() {
    let scene = Scene::with(|issuer| issuer.leeway(Duration::ZERO)).await;
    let now = 1_800_000_000;
    let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
    let token = scene
        .token()
        .issued_at(at(now))
        .not_before(at(now))
        .expires_at(at(now + 60));
    let token = token.sign();
    for (seconds, expected) in [
        (now, "accepted"),
        (now + 1, "accepted"),
        (now + 59, "accepted"),
        (now + 60, "expired"),
        (now + 59, "accepted"),
        (now - 1, "not_yet_valid"),
        (now, "accepted"),
    ] {
        scene.clock.set_wall(at(seconds));
        assert_eq!(scene.verify(&token).await, expected, "{seconds}");
    }
}

#[tokio::test]
async fn a_maximum_age_is_held_against_now_on_every_hit() {
    let minute = Duration::from_secs(60);
    let scene = Scene::with(|issuer| issuer.leeway(Duration::ZERO).max_token_age(minute)).await;
    let token = scene.token().sign();
    for (seconds, expected) in [
        (0, "accepted"),
        (0, "accepted"),
        (60, "accepted"),
        (1, "too_old"),
    ] {
        scene.pass(seconds);
        assert_eq!(scene.verify(&token).await, expected);
    }
}

#[tokio::test]
async fn what_one_verifier_remembers_is_nothing_to_another() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = |audience| {
        let issuer = Issuer::discover(issuer.issuer(), Audience::of(audience));
        Verifier::new(issuer).unwrap()
    };
    let (here, elsewhere) = (verifier(AUDIENCE), verifier("elsewhere"));
    let token = issuer.token().sign();
    for _ in 0..3 {
        assert_eq!(reason(&here.verify(&token).await), "accepted");
        let outcome = elsewhere.verify(&token).await;
        assert_eq!(reason(&outcome), "audience_mismatch");
    }
}

/// Two issuers that publish one key, each with rules of its own.
#[tokio::test]
async fn a_remembered_token_is_held_to_the_rules_of_its_own_issuer() {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let signer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
    let network = ScriptedFetch::new();
    network.answer(KEYS, Ok(FetchResponse::document(signer.jwks())));
    let minute = Duration::from_secs(60);
    let [lax, strict] = ["https://lax.example.com", "https://strict.example.com"];
    let issuer = |name| Issuer::jwks_uri(name, KEYS, Audience::of(AUDIENCE));
    let strictly = issuer(strict).leeway(Duration::ZERO).max_token_age(minute);
    let verifier = Verifier::builder()
        .issuer(issuer(lax))
        .issuer(strictly)
        .clock(clock.clone())
        .fetch(network.clone())
        .build()
        .unwrap();
    let tokens = [lax, strict].map(|name| signer.token().issuer(name).sign());
    for (seconds, expected) in [
        (0, ["accepted", "accepted"]),
        (0, ["accepted", "accepted"]),
        (60, ["accepted", "accepted"]),
        (1, ["accepted", "too_old"]),
    ] {
        clock.advance(Duration::from_secs(seconds));
        for (token, expected) in tokens.iter().zip(expected) {
            assert_eq!(reason(&verifier.verify(token).await), expected);
        }
    }
}

/// The end of a token is what finds it, and all of it is compared.
#[tokio::test]
async fn a_token_that_ends_like_a_remembered_one_is_another() {
    let scene = Scene::set().await;
    let token = scene.token().sign();
    remember(&scene, &token).await;
    let (_, signature) = token.rsplit_once('.').unwrap();
    let other = scene.token().subject("mallory").sign();
    let (signing_input, _) = other.rsplit_once('.').unwrap();
    let spliced = format!("{signing_input}.{signature}");
    assert_eq!(scene.verify(&spliced).await, "invalid_signature");
    for at in 0..token.len() - 1 {
        let mut changed = token.clone();
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        changed.replace_range(at..=at, other);
        assert_ne!(scene.verify(&changed).await, "accepted", "{at}");
    }
}

#[tokio::test]
async fn a_refusal_is_not_remembered() {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    scene.issuer.rotate();
    let token = scene.token().sign();
    assert_eq!(scene.verify(&token).await, "unknown_key");
    scene.publish();
    scene.pass(20);
    assert_eq!(scene.verify(&token).await, "accepted");
}

/// What recorders of the `metrics` facade counted while this ran.
#[cfg(feature = "metrics")]
fn counted(run: impl Future<Output = ()>) -> impl Fn(&str) -> u64 {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    let recorder = DebuggingRecorder::new();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(run));
    let metrics = recorder.snapshotter().snapshot().into_vec();
    move |name| {
        let mut named = metrics.iter().filter(|(key, ..)| key.key().name() == name);
        match named.next() {
            Some((_, _, _, DebugValue::Counter(count))) => *count,
            _ => 0,
        }
    }
}

#[cfg(feature = "metrics")]
#[test]
fn a_token_is_remembered_when_it_comes_again() {
    for (times, hits) in [(1, 0), (2, 0), (3, 1), (10, 8)] {
        let count = counted(async move {
            let scene = Scene::set().await;
            let token = scene.token().sign();
            for _ in 0..times {
                assert_eq!(scene.verify(&token).await, "accepted");
            }
        });
        assert_eq!(count("portcullis_token_cache_hits_total"), hits);
        // The first one waits for keys, and looks twice: it is one token all the same.
        assert_eq!(count("portcullis_token_cache_misses_total"), times - hits);
        assert_eq!(count("portcullis_token_cache_evictions_total"), 0);
    }
}

/// Room for three: the rest goes, whoever comes.
#[cfg(feature = "metrics")]
#[test]
fn tokens_that_do_not_fit_are_evicted() {
    let count = counted(async {
        let issuer = TestIssuer::start().await.unwrap();
        let trusted = Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE));
        let verifier = Verifier::builder()
            .issuer(trusted)
            .cache(TokenCache::bytes(8_192))
            .build()
            .unwrap();
        verifier.warm_up().await.unwrap();
        for _ in 0..100 {
            let token = issuer.token().sign();
            for _ in 0..3 {
                assert!(verifier.verify(&token).await.is_ok());
            }
        }
    });
    let evicted = count("portcullis_token_cache_evictions_total");
    // Room is made for many at once, a moment later.
    assert!((30..100).contains(&evicted), "{evicted}");
    assert!(count("portcullis_token_cache_hits_total") > 90);
}

/// A verifier with room for a hundred, on a clock that stands still. moka puts up to 64 new ones behind all
/// that were used, however they came.
#[cfg(feature = "metrics")]
async fn room_for_a_hundred() -> (TestIssuer, VirtualClock, Verifier) {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
    let trusted = Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE));
    let verifier = Verifier::builder()
        .issuer(trusted)
        .cache(TokenCache::bytes(256 << 10))
        .clock(clock.clone())
        .build()
        .unwrap();
    verifier.warm_up().await.unwrap();
    (issuer, clock, verifier)
}

#[cfg(feature = "metrics")]
async fn accept(verifier: &Verifier, token: &str, times: usize) {
    for _ in 0..times {
        assert!(verifier.verify(token).await.is_ok());
    }
}

/// Hits of one token that is used five times between any two others, of which so many come a second.
#[cfg(feature = "metrics")]
fn hits_among_others(a_second: u32) -> u64 {
    let count = counted(async {
        let (issuer, clock, verifier) = room_for_a_hundred().await;
        let hour = Duration::from_secs(HOUR);
        let token = issuer.token().expires_in(hour).sign();
        accept(&verifier, &token, 2).await;
        for _ in 0..400 {
            clock.advance(Duration::from_secs(1) / a_second);
            accept(&verifier, &token, 5).await;
            accept(&verifier, &issuer.token().sign(), 2).await;
        }
    });
    count("portcullis_token_cache_hits_total")
}

#[cfg(feature = "metrics")]
#[test]
fn a_token_that_is_used_stays_whoever_comes() {
    assert_eq!(hits_among_others(1), 2_000);
}

/// The rest of the second it is found without moka, which lets it go for others.
#[cfg(feature = "metrics")]
#[test]
fn a_use_is_noted_once_a_second() {
    let hits = hits_among_others(1_000);
    assert!((1_900..2_000).contains(&hits), "{hits}");
}

#[cfg(feature = "metrics")]
#[test]
fn an_evicted_token_is_forgotten_however_lately_it_was_used() {
    let count = counted(async {
        let (issuer, _, verifier) = room_for_a_hundred().await;
        let token = issuer.token().sign();
        accept(&verifier, &token, 5).await;
        for _ in 0..400 {
            accept(&verifier, &issuer.token().sign(), 2).await;
        }
        accept(&verifier, &token, 1).await;
    });
    assert_eq!(count("portcullis_token_cache_hits_total"), 3);
}

#[tokio::test]
async fn a_hit_is_a_use_of_the_keys() {
    let scene = Scene::set().await;
    let token = scene.token().sign();
    remember(&scene, &token).await;
    for _ in 0..10 {
        scene.pass(9 * 60);
        assert_eq!(scene.verify(&token).await, "accepted");
        settle().await;
        assert_eq!(scene.status().state(), KeyState::Fresh);
    }
    assert_eq!(scene.fetches(), 11);
}

#[tokio::test]
async fn in_an_outage_hits_end_with_the_keys() {
    let scene = Scene::set().await;
    let token = scene.token().sign();
    remember(&scene, &token).await;
    scene.go_down();
    for hour in 1..24 {
        scene.pass(HOUR);
        assert_eq!(scene.verify(&token).await, "accepted", "{hour} h");
        settle().await;
    }
    scene.pass(HOUR - 1);
    assert_eq!(scene.verify(&token).await, "accepted");
    settle().await;
    scene.pass(1);
    assert_eq!(scene.verify(&token).await, "keys_unavailable");
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Which token, and how many times.
    Verify(usize, u8),
    Sign(usize),
    Pass(u64),
    Back(u64),
    Rotate,
    RotateWithOverlap,
    Replace,
    Down,
    Publish,
    RefreshNow,
}

fn step() -> impl Strategy<Value = Step> {
    let token = 0..TOKENS;
    prop_oneof![
        12 => (token.clone(), 1..7_u8).prop_map(|(token, times)| Step::Verify(token, times)),
        2 => token.prop_map(Step::Sign),
        4 => (0..900_u64).prop_map(Step::Pass),
        1 => (0..2 * DAY).prop_map(Step::Pass),
        1 => (0..900_u64).prop_map(Step::Back),
        1 => Just(Step::Rotate),
        1 => Just(Step::RotateWithOverlap),
        1 => Just(Step::Replace),
        2 => Just(Step::Down),
        3 => Just(Step::Publish),
        1 => Just(Step::RefreshNow),
    ]
}

const TOKENS: usize = 4;

/// Whatever happens, whoever remembers and who does not give one answer, and ask as often.
#[test]
fn remembering_changes_no_verdict_and_no_fetch() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases: 300,
        failure_persistence: None,
        ..Config::default()
    };
    let random = TestRng::deterministic_rng(Default::default());
    let steps = prop::collection::vec(step(), 1..60);
    let again = Cell::new(0);
    let outcome = TestRunner::new_with_rng(config, random)
        .run(&steps, |steps| runtime.block_on(both_agree(&steps, &again)));
    if let Err(error) = outcome {
        panic!("{error}");
    }
    assert!(
        again.get() > 1_000,
        "{} accepted for the third time or later",
        again.get()
    );
}

/// One of two that live through the same.
struct Twin {
    network: ScriptedFetch,
    verifier: Verifier,
}

async fn both_agree(steps: &[Step], again: &Cell<u32>) -> Result<(), TestCaseError> {
    let clock = VirtualClock::at_unix(1_800_000_000);
    let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
    // Nothing is left to chance, so that both ask at the same time.
    let hour = Duration::from_secs(HOUR);
    let rules = KeyRefresh::new().refresh_at(0.8, 0.0).back_off(hour, hour);
    let twin = |cache_bytes: Option<u64>| {
        let network = ScriptedFetch::new();
        let trusted = Issuer::jwks_uri(issuer.issuer(), KEYS, Audience::of(AUDIENCE));
        let builder = Verifier::builder()
            .issuer(trusted.key_refresh(rules.clone()))
            .clock(clock.clone())
            .fetch(network.clone());
        let builder = match cache_bytes {
            Some(bytes) => builder.cache(TokenCache::bytes(bytes)),
            None => builder,
        };
        let verifier = builder.build().unwrap();
        Twin { network, verifier }
    };
    let twins = [twin(None), twin(Some(0))];
    let publish = || {
        for twin in &twins {
            let document = FetchResponse::document(issuer.jwks());
            twin.network.answer(KEYS, Ok(document));
        }
    };
    publish();
    let sign = || issuer.token().expires_in(Duration::from_secs(DAY)).sign();
    let mut tokens: Vec<_> = (0..TOKENS).map(|_| sign()).collect();
    let mut accepted = [0; TOKENS];
    for &step in steps {
        match step {
            Step::Verify(token, times) => {
                let [one, other] = &twins;
                for _ in 0..times {
                    let verdict = reason(&one.verifier.verify(&tokens[token]).await);
                    let expected = reason(&other.verifier.verify(&tokens[token]).await);
                    prop_assert_eq!(verdict, expected);
                    if verdict == "accepted" {
                        accepted[token] += 1;
                        again.set(again.get() + u32::from(accepted[token] > 2));
                    }
                }
            }
            Step::Sign(token) => (tokens[token], accepted[token]) = (sign(), 0),
            Step::Pass(seconds) => clock.advance(Duration::from_secs(seconds)),
            Step::Back(seconds) => {
                clock.set_wall(clock.now().wall - Duration::from_secs(seconds));
            }
            Step::Rotate => issuer.rotate(),
            Step::RotateWithOverlap => issuer.rotate_with_overlap(),
            Step::Replace => issuer.replace_keys(),
            Step::Down => {
                for twin in &twins {
                    twin.network.answer(KEYS, failure());
                }
            }
            Step::Publish => publish(),
            Step::RefreshNow => {
                for twin in &twins {
                    drop(twin.verifier.refresh_now().await);
                }
            }
        }
        settle().await;
        let [one, other] = twins.each_ref().map(|twin| twin.network.count(KEYS));
        prop_assert_eq!(one, other);
    }
    Ok(())
}
