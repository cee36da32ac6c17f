//! Thousands of tokens under invented key ids: the issuer hardly notices, few wait and not for long,
//! good tokens pass, and memory stays where it is. Time is paused and one for all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::testing::{AUDIENCE, TestIssuer};
use portcullis::{
    Audience, Fetch, FetchError, FetchErrorKind, FetchFuture, FetchRequest, FetchResponse, Issuer,
    Verifier, VerifyError,
};
use tokio::time::sleep;

use crate::support::{KEYS, PausedTime, reason};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mood {
    Answers,
    Fails,
    Hangs,
}

/// A network that takes a tenth of a second.
#[derive(Clone, Debug)]
struct Network(Arc<Line>);

#[derive(Debug)]
struct Line {
    mood: Mutex<Mood>,
    jwks: Mutex<String>,
    fetches: AtomicUsize,
}

impl Fetch for Network {
    fn fetch(&self, _: FetchRequest) -> FetchFuture<'_> {
        Box::pin(async {
            self.0.fetches.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_millis(100)).await;
            let mood = *self.0.mood.lock().unwrap();
            match mood {
                Mood::Answers => {
                    let jwks = self.0.jwks.lock().unwrap().clone();
                    Ok(FetchResponse::document(jwks))
                }
                Mood::Fails => Err(FetchError::new(FetchErrorKind::Status(500))),
                Mood::Hangs => std::future::pending().await,
            }
        })
    }
}

/// A verifier, and tokens that no key will ever fit.
struct Scene {
    issuer: TestIssuer,
    time: PausedTime,
    network: Network,
    verifier: Verifier,
    /// Everything of a token but its header.
    rest: String,
}

/// What a second of it came to.
#[derive(Debug, Default)]
struct Toll {
    outcomes: BTreeMap<&'static str, usize>,
    most_waiting: usize,
    longest: Duration,
}

impl Scene {
    async fn set() -> Self {
        let time = PausedTime::start();
        let issuer = TestIssuer::start().await.unwrap().with_clock(time.clone());
        let network = Network(Arc::new(Line {
            mood: Mutex::new(Mood::Answers),
            jwks: Mutex::new(issuer.jwks()),
            fetches: AtomicUsize::new(0),
        }));
        let trusted = Issuer::jwks_uri(issuer.issuer(), KEYS, Audience::of(AUDIENCE));
        let verifier = Verifier::builder()
            .issuer(trusted)
            .clock(time.clone())
            .fetch(network.clone())
            .build()
            .unwrap();
        let token = issuer
            .token()
            .without_claim("sub")
            .without_claim("jti")
            .sign();
        let (_, rest) = token.split_once('.').unwrap();
        Self {
            rest: rest.to_owned(),
            issuer,
            time,
            network,
            verifier,
        }
    }

    /// With the keys at hand that the issuer publishes.
    async fn warm() -> Self {
        let scene = Self::set().await;
        scene.verifier.warm_up().await.unwrap();
        scene
    }

    fn is(&self, mood: Mood) {
        *self.network.0.mood.lock().unwrap() = mood;
    }

    fn publish(&self, jwks: impl Into<String>) {
        *self.network.0.jwks.lock().unwrap() = jwks.into();
    }

    fn fetches(&self) -> usize {
        self.network.0.fetches.load(Ordering::Relaxed)
    }

    /// A token whose signature was made for another header: nobody gets to look at it.
    fn invented(&self, number: usize) -> String {
        let header = format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"invented-{number:016x}"}}"#);
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), self.rest)
    }

    fn good(&self) -> String {
        let day = Duration::from_secs(86_400);
        self.issuer.token().expires_in(day).sign()
    }

    /// So many invented key ids within a second, and a good token every 10 ms beside them.
    async fn flood(&self, tokens: usize, first: usize, good: Option<&str>) -> Toll {
        let waiting = Arc::new(AtomicUsize::new(0));
        let mut callers = tokio::task::JoinSet::new();
        for number in 0..tokens {
            let (verifier, waiting) = (self.verifier.clone(), Arc::clone(&waiting));
            let (token, time) = (self.invented(first + number), self.time.clone());
            let at = Duration::from_secs(1) * u32::try_from(number).unwrap()
                / u32::try_from(tokens).unwrap();
            callers.spawn(async move {
                sleep(at).await;
                let before = time.elapsed();
                waiting.fetch_add(1, Ordering::Relaxed);
                let outcome = verifier.verify(&token).await;
                waiting.fetch_sub(1, Ordering::Relaxed);
                (reason(&outcome), time.elapsed() - before)
            });
        }
        let mut toll = Toll::default();
        for _ in 0..100 {
            sleep(Duration::from_millis(10)).await;
            // Between two polls those that count are those that wait.
            toll.most_waiting = toll.most_waiting.max(waiting.load(Ordering::Relaxed));
            if let Some(good) = good {
                assert_eq!(reason(&self.verifier.verify_now(good)), "accepted");
            }
        }
        for (outcome, took) in callers.join_all().await {
            *toll.outcomes.entry(outcome).or_default() += 1;
            toll.longest = toll.longest.max(took);
        }
        toll
    }
}

/// The issuers of the figures: what each does, and what ten thousand hear.
const ISSUERS: [(&str, Mood, &str); 4] = [
    ("warm", Mood::Answers, "unknown_key"),
    ("empty", Mood::Answers, "unknown_key"),
    ("failing", Mood::Fails, "keys_unavailable"),
    ("hanging", Mood::Hangs, "keys_unavailable"),
];

async fn with(name: &str, mood: Mood) -> (Scene, Option<String>) {
    let scene = Scene::set().await;
    if name == "empty" {
        scene.publish(r#"{"keys":[]}"#);
    }
    scene.verifier.warm_up().await.unwrap();
    scene.is(mood);
    let good = (name != "empty").then(|| scene.good());
    (scene, good)
}

#[tokio::test(start_paused = true)]
async fn f1_ten_thousand_in_a_second_are_one_fetch_and_few_wait_and_not_for_long() {
    for (name, mood, expected) in ISSUERS {
        let (scene, good) = with(name, mood).await;
        let before = scene.fetches();
        let toll = scene.flood(10_000, 0, good.as_deref()).await;
        println!("{name}: {} fetches, {toll:?}", scene.fetches() - before);
        assert_eq!(scene.fetches() - before, 1, "{name}");
        assert!(toll.most_waiting <= 1_024, "{name}: {toll:?}");
        assert!(
            toll.longest <= Duration::from_millis(2_002),
            "{name}: {toll:?}"
        );
        // Those beyond the 1,024 that wait are told that they may try again.
        let as_expected = toll.outcomes.get(expected).copied().unwrap_or_default();
        let turned_away = match expected {
            "keys_unavailable" => 0,
            _ => toll
                .outcomes
                .get("keys_unavailable")
                .copied()
                .unwrap_or_default(),
        };
        assert_eq!(as_expected + turned_away, 10_000, "{name}: {toll:?}");
        assert!(as_expected > 8_000, "{name}: {toll:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_flood_is_at_most_a_fetch_in_ten_seconds_falling_to_one_a_minute() {
    for (name, mood, _) in ISSUERS {
        let (scene, good) = with(name, mood).await;
        let (before, start) = (scene.fetches(), scene.time.elapsed());
        let mut minutes = Vec::new();
        for second in 0..30 * 60 {
            for number in 0..20 {
                let invented = scene.invented(second * 20 + number);
                assert!(scene.verifier.verify_now(&invented).is_err());
            }
            if let Some(good) = &good {
                let outcome = scene.verifier.verify_now(good);
                assert_eq!(reason(&outcome), "accepted", "{name}");
            }
            sleep(Duration::from_secs(1)).await;
            let elapsed = usize::try_from((scene.time.elapsed() - start).as_secs()).unwrap();
            let fetches = scene.fetches() - before;
            assert!(
                fetches <= 1 + elapsed / 10,
                "{name}: {fetches} after {elapsed} s"
            );
            if elapsed / 60 >= minutes.len() {
                minutes.push(fetches);
            }
        }
        let a_minute: Vec<_> = minutes.windows(2).map(|pair| pair[1] - pair[0]).collect();
        println!("{name}: fetches a minute: {a_minute:?}");
        // Before the schedule of an issuer that fails has its own attempts.
        assert!(
            a_minute[2..6].iter().all(|fetches| *fetches <= 1),
            "{name}: {a_minute:?}"
        );
        if mood == Mood::Answers {
            assert!(
                a_minute[2..].iter().all(|fetches| *fetches <= 1),
                "{name}: {a_minute:?}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_rotated_in_during_a_flood_is_accepted_within_a_minute() {
    // At once, and when the interval has grown to its longest.
    for seconds in [0, 1, 11, 300] {
        let scene = Scene::warm().await;
        for second in 0..=seconds {
            scene.flood(50, second * 50, None).await;
        }
        scene.issuer.rotate();
        scene.publish(scene.issuer.jwks());
        let (new, rotated) = (scene.good(), scene.time.elapsed());
        while scene.verifier.verify(&new).await.is_err() {
            let waited = scene.time.elapsed() - rotated;
            assert!(waited <= Duration::from_secs(60), "{seconds} s of flood");
            scene.flood(50, 1_000_000, None).await;
        }
        println!(
            "after {seconds} s of flood: {:?}",
            scene.time.elapsed() - rotated
        );
        assert!(scene.time.elapsed() - rotated <= Duration::from_secs(60));
    }
}

#[tokio::test(start_paused = true)]
async fn without_any_keys_a_flood_is_one_fetch_and_attempts_back_off() {
    for mood in [Mood::Fails, Mood::Hangs] {
        let scene = Scene::set().await;
        scene.is(mood);
        let toll = scene.flood(10_000, 0, None).await;
        println!("{mood:?}: {} fetches, {toll:?}", scene.fetches());
        assert_eq!(scene.fetches(), 1, "{mood:?}");
        assert!(toll.most_waiting <= 1_024, "{mood:?}: {toll:?}");
        assert!(
            toll.longest <= Duration::from_millis(2_002),
            "{mood:?}: {toll:?}"
        );
        assert_eq!(
            toll.outcomes,
            BTreeMap::from([("keys_unavailable", 10_000)])
        );

        // Two minutes on: 1, 2, 4 … 60 s apart, each shortened by up to a half.
        for second in 0..120 {
            scene.flood(20, second * 20, None).await;
        }
        assert!(scene.fetches() <= 12, "{mood:?}: {}", scene.fetches());
        scene.is(Mood::Answers);
        sleep(Duration::from_secs(60)).await;
        let good = scene.good();
        assert_eq!(reason(&scene.verifier.verify(&good).await), "accepted");
    }
}

#[tokio::test(start_paused = true)]
async fn callers_beyond_the_limit_are_turned_away_and_may_come_back() {
    let scene = Scene::warm().await;
    scene.is(Mood::Hangs);
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..1_025 {
        let (verifier, token) = (scene.verifier.clone(), scene.invented(number));
        callers.spawn(async move { verifier.verify(&token).await.map(drop) });
    }
    let kinds: Vec<_> = callers
        .join_all()
        .await
        .into_iter()
        .map(|outcome| match outcome {
            Err(VerifyError::KeysUnavailable(error)) => error.kind(),
            outcome => panic!("{outcome:?}"),
        })
        .collect();
    let of = |kind| kinds.iter().filter(|found| **found == kind).count();
    assert_eq!(
        (
            of(FetchErrorKind::TooManyWaiters),
            of(FetchErrorKind::Deadline)
        ),
        (1, 1_024)
    );
    // The place of each is free again.
    scene.is(Mood::Answers);
    sleep(Duration::from_secs(60)).await;
    let outcome = scene.verifier.verify(&scene.invented(0)).await;
    assert_eq!(reason(&outcome), "unknown_key");
}

/// In a process of its own, since the memory of this one is that of every test.
#[cfg(target_os = "linux")]
#[test]
fn f9_a_million_invented_key_ids_leave_memory_where_it_is() {
    const CHILD: &str = "PORTCULLIS_MEMORY_CHILD";
    const NAME: &str = "floods::f9_a_million_invented_key_ids_leave_memory_where_it_is";
    if std::env::var_os(CHILD).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build();
        return runtime.unwrap().block_on(a_million());
    }
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", NAME, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    println!("{said}");
    assert!(
        child.status.success(),
        "{}",
        String::from_utf8_lossy(&child.stderr)
    );
    assert!(said.contains("KiB more"), "the child ran no test: {said}");
}

#[cfg(target_os = "linux")]
async fn a_million() {
    let scene = Scene::warm().await;
    let send = async |numbers: std::ops::Range<usize>| {
        for number in numbers {
            // A thousand a second, so that fetches are made in vain all the while.
            let outcome = match number % 1_000 {
                0 => {
                    sleep(Duration::from_secs(1)).await;
                    scene.verifier.verify(&scene.invented(number)).await
                }
                _ => scene.verifier.verify_now(&scene.invented(number)),
            };
            assert_eq!(reason(&outcome), "unknown_key");
        }
    };
    send(0..50_000).await;
    let before = resident_kib();
    send(50_000..1_050_000).await;
    let more = resident_kib().saturating_sub(before);
    println!("{} fetches, {before} KiB, {more} KiB more", scene.fetches());
    assert!(more < 2_048, "{more} KiB more");
}

#[cfg(target_os = "linux")]
fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
