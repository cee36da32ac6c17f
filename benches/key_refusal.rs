//! What a key that is too large costs whoever fetched it, as a ratio to one RS256 check.
//!
//! Run with: `cargo bench --bench key_refusal --features testing`
//!
//! A set of one RSA key of 32,768 bits is parsed, which refuses the key before a crypto library sees it,
//! in turn with the check of one RS256 token of 2,048 bits. Ends with an error if the refusal takes more
//! than a millisecond.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]

use std::error::Error;
use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis::testing::TestIssuer;
use portcullis::{Algorithm, KeySet, SkipReason, verify_jws};

const ROUNDS: usize = 501;
const TIMES: u32 = 20;
const GOAL: Duration = Duration::from_millis(1);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let issuer = runtime.block_on(TestIssuer::start_with([Algorithm::Rs256]))?;
    let keys = KeySet::from_json(issuer.jwks().as_bytes())?;
    let token = issuer.token().sign();
    let check = || {
        verify_jws(&token, &keys, &[Algorithm::Rs256])
            .map(drop)
            .is_ok()
    };
    assert!(check(), "the token is good");

    let modulus = BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; 32_768 / 8]);
    let large = format!(r#"{{"keys":[{{"kty":"RSA","n":"{modulus}","e":"AQAB"}}]}}"#);
    let refuse = || {
        let keys = KeySet::from_json(large.as_bytes());
        keys.is_ok_and(|keys| {
            keys.skipped()
                .iter()
                .all(|key| key.reason() == SkipReason::RsaTooLarge)
        })
    };
    assert!(refuse(), "the key is refused for its size");

    // Two measurements of the check: what their ratio is off 1 by is noise.
    let (mut checks, mut again, mut refusals) = (Vec::new(), Vec::new(), Vec::new());
    // Once, to show that it runs, under `cargo test --benches`.
    let measures = std::env::args().any(|argument| argument == "--bench");
    for _ in 0..if measures { ROUNDS } else { 1 } {
        checks.push(time(check));
        refusals.push(time(refuse));
        again.push(time(check));
    }
    let [checks, again, refusals] = [checks, again, refusals].map(Percentiles::of);
    println!("one RS256 check of 2,048 bits: {checks}");
    println!("the same again:                {again}");
    println!("refusing a key of 32,768 bits: {refusals}");
    println!(
        "ratio {:.3}, noise {:.3}",
        refusals.median.as_secs_f64() / checks.median.as_secs_f64(),
        again.median.as_secs_f64() / checks.median.as_secs_f64()
    );
    let within = refusals.median <= GOAL;
    println!(
        "{} the goal of {GOAL:?}",
        if within { "within" } else { "OVER" }
    );
    Ok(ExitCode::from(u8::from(measures && !within)))
}

/// The time of one run, as the mean of many.
fn time(run: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    for _ in 0..TIMES {
        black_box(run());
    }
    start.elapsed() / TIMES
}

/// The middle of the rounds, and their tenth and ninetieth percentile.
struct Percentiles {
    low: Duration,
    median: Duration,
    high: Duration,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            times
                .get(times.len() * percent / 100)
                .copied()
                .unwrap_or_default()
        };
        Self {
            low: at(10),
            median: at(50),
            high: at(90),
        }
    }
}

impl std::fmt::Display for Percentiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { low, median, high } = self;
        write!(f, "{median:.1?} ({low:.1?} to {high:.1?})")
    }
}
