//! A recorded history of a real issuer's keys, replayed in virtual time through a real verifier.
//!
//! Nobody has the issuer's private keys, so each key id gets a key of our own: documents with the
//! recorded ids are published at the recorded times, and real tokens are verified against them. Also
//! compiled into the integration tests.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{
    Audience, Clock as _, Fetch, FetchFuture, FetchRequest, FetchResponse, Freshness, Issuer,
    KeyRefresh, Verifier,
};
use serde_json::{Value, json};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Who published what and when, in seconds since 1970, and tokens to present.
pub(crate) struct History {
    samples: Vec<Sample>,
    tokens: BTreeMap<String, Token>,
}

/// A document, as it was seen.
struct Sample {
    seen_at: u64,
    key_ids: Vec<String>,
    document: Vec<u8>,
}

/// A token of one key, and what became of the key.
struct Token {
    text: String,
    /// The samples that had the key, the first and the last.
    first: u64,
    last: u64,
    /// The sample after the last one with it, if there is one.
    withdrawn: Option<u64>,
}

/// What a replay came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Replayed {
    /// Tokens presented whose key is published now or will be again.
    pub(crate) good: u32,
    /// Those of them whose key is not published at that moment.
    pub(crate) in_a_gap: u32,
    pub(crate) good_refused: u32,
    /// Of the keys withdrawn for good, how many, and the longest that one was accepted after that.
    pub(crate) withdrawn: u32,
    pub(crate) longest_life: Duration,
    pub(crate) fetches: u32,
}

impl History {
    /// Reads a recorded history, and makes a key and a token for each key id in it.
    pub(crate) async fn read(path: &Path) -> Result<Self, Error> {
        let recorded: Value = serde_json::from_slice(&fs::read(path)?)?;
        let recorded = recorded.as_array().ok_or("a history is an array")?;
        let mut seen = Vec::new();
        for sample in recorded {
            let at = sample
                .get("observed_at")
                .and_then(Value::as_str)
                .and_then(unix_seconds);
            let keys = sample
                .pointer("/jwks/keys")
                .and_then(Value::as_array)
                .ok_or("no keys")?;
            let key_ids = keys.iter().filter_map(|key| key.get("kid")?.as_str());
            let key_ids: Vec<_> = key_ids.map(str::to_owned).collect();
            seen.push((at.ok_or("no time")?, key_ids));
        }
        let end = seen.last().ok_or("an empty history")?.0;

        let issuer = TestIssuer::start().await?;
        let mut keys = BTreeMap::new();
        let mut tokens = BTreeMap::<String, Token>::new();
        for (number, (at, key_ids)) in seen.iter().enumerate() {
            let next = seen.get(number + 1).map(|(at, _)| *at);
            for key_id in key_ids {
                if !keys.contains_key(key_id) {
                    issuer.rotate();
                    let mut jwk: Value = serde_json::from_str(&issuer.jwks())?;
                    let jwk = jwk.pointer_mut("/keys/0").and_then(Value::as_object_mut);
                    let jwk = jwk.ok_or("the issuer publishes no key")?;
                    jwk.insert("kid".to_owned(), key_id.as_str().into());
                    keys.insert(key_id.clone(), Value::Object(std::mem::take(jwk)));
                }
                let token = tokens.entry(key_id.clone()).or_insert_with(|| Token {
                    text: issuer
                        .token()
                        .issuer(ISSUER)
                        .key_id(key_id)
                        .issued_at(time(at - DAY))
                        .expires_at(time(end + 2 * DAY))
                        .sign(),
                    first: *at,
                    last: *at,
                    withdrawn: None,
                });
                token.last = *at;
                token.withdrawn = next;
            }
        }
        let samples = seen.into_iter().map(|(seen_at, key_ids)| {
            let published: Vec<_> = key_ids.iter().filter_map(|id| keys.get(id)).collect();
            let document = json!({ "keys": published }).to_string().into_bytes();
            Sample {
                seen_at,
                key_ids,
                document,
            }
        });
        Ok(Self {
            samples: samples.collect(),
            tokens,
        })
    }

    /// From the first sample to the last.
    pub(crate) fn whole(&self) -> Range<u64> {
        let at = |sample: Option<&Sample>| sample.map_or(0, |sample| sample.seen_at);
        at(self.samples.first())..at(self.samples.last())
    }

    pub(crate) fn samples(&self) -> usize {
        self.samples.len()
    }

    /// What was seen last by then; of a time before the first sample, that one.
    fn published(&self, at: u64) -> Option<&Sample> {
        let seen = self.samples.partition_point(|sample| sample.seen_at <= at);
        self.samples.get(seen.saturating_sub(1))
    }
}

/// Replays a part of a history with this grace: every `step` a token of each key is presented that is
/// published or will be again, and of each that is withdrawn for good until it is refused.
///
/// Before the part a day is replayed and not counted, as far as there is one, so that the verifier
/// does not start cold; after it another 6 h, so that the last withdrawn keys live to their end.
pub(crate) async fn replay(
    history: Arc<History>,
    counted: Range<u64>,
    step: u64,
    max_age: Option<Duration>,
    grace: Duration,
) -> Result<Replayed, Error> {
    let start = counted.start.saturating_sub(DAY).max(history.whole().start);
    let clock = VirtualClock::at_unix(start);
    let recorded = Recorded(Arc::new(Answers {
        history: Arc::clone(&history),
        clock: clock.clone(),
        max_age,
        fetches: AtomicU32::new(0),
    }));
    let issuer = Issuer::jwks_uri(ISSUER, JWKS_URI, Audience::of(AUDIENCE))
        .key_refresh(KeyRefresh::new().unpublished_grace(grace));
    let verifier = Verifier::builder()
        .issuer(issuer)
        .clock(clock.clone())
        .fetch(recorded.clone())
        .build()?;

    let mut replayed = Replayed::default();
    let mut dead: Vec<&str> = Vec::new();
    let mut fetches_before = 0;
    for now in (start..=counted.end + AFTERWARDS).step_by(usize::try_from(step)?) {
        if now < counted.start {
            fetches_before = recorded.0.fetches.load(Ordering::Relaxed);
        }
        let is_counted = counted.contains(&now);
        let published = history.published(now).ok_or("an empty history")?;
        for (key_id, token) in &history.tokens {
            let is_good = (token.first..=token.last).contains(&now);
            let withdrawn = token.withdrawn.filter(|withdrawn| *withdrawn <= now);
            if is_good {
                let is_accepted = verifier.verify(&token.text).await.is_ok();
                if is_counted {
                    replayed.good += 1;
                    replayed.in_a_gap += u32::from(!published.key_ids.contains(key_id));
                    replayed.good_refused += u32::from(!is_accepted);
                }
            } else if let Some(withdrawn) = withdrawn
                && withdrawn >= start
                && !dead.contains(&key_id.as_str())
            {
                if verifier.verify(&token.text).await.is_err() {
                    dead.push(key_id);
                } else if counted.contains(&withdrawn) || withdrawn == counted.end {
                    let life = Duration::from_secs(now - withdrawn);
                    replayed.longest_life = replayed.longest_life.max(life);
                }
            }
        }
        // A fetch in the background is a task of its own; a turn or two and it has landed.
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(step));
    }
    let withdrawn = history.tokens.values().filter_map(|token| token.withdrawn);
    let withdrawn = withdrawn.filter(|at| (counted.start..=counted.end).contains(at));
    replayed.withdrawn = u32::try_from(withdrawn.count())?;
    replayed.fetches = recorded.0.fetches.load(Ordering::Relaxed) - fetches_before;
    Ok(replayed)
}

/// An issuer that publishes what was recorded for the time it is.
#[derive(Clone)]
struct Recorded(Arc<Answers>);

struct Answers {
    history: Arc<History>,
    clock: VirtualClock,
    max_age: Option<Duration>,
    fetches: AtomicU32,
}

impl Fetch for Recorded {
    fn fetch(&self, _request: FetchRequest) -> FetchFuture<'_> {
        Box::pin(async {
            self.0.fetches.fetch_add(1, Ordering::Relaxed);
            let wall = self.0.clock.now().wall.duration_since(UNIX_EPOCH);
            let published = self.0.history.published(wall.unwrap_or_default().as_secs());
            let document = published.map(|sample| sample.document.clone());
            let freshness = match self.0.max_age {
                Some(max_age) => Freshness::at_most(max_age),
                None => Freshness::unstated(),
            };
            Ok(FetchResponse::document(document.unwrap_or_default()).with_freshness(freshness))
        })
    }
}

impl std::fmt::Debug for Recorded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

/// `2024-10-26T04:39:33Z` in seconds since 1970.
pub(crate) fn unix_seconds(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let numbers = |text: &str, separator: char| -> Option<[u64; 3]> {
        let parts: Result<Vec<u64>, _> = text.split(separator).map(str::parse).collect();
        parts.ok()?.try_into().ok()
    };
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(time, ':')?;
    // Years that begin in March have their leap day at the end.
    let (year, month) = match month {
        1 | 2 => (year.checked_sub(1)?, month + 9),
        3..=12 => (year, month - 3),
        _ => return None,
    };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day;
    let days = days.checked_sub(DAYS_TO_1970 + 1)?;
    Some(days * DAY + hour * 3_600 + minute * 60 + second)
}

fn time(unix_seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(unix_seconds)
}

const ISSUER: &str = "https://id.example.com";
const JWKS_URI: &str = "https://id.example.com/keys";
const DAY: u64 = 24 * 60 * 60;
/// Longer than the longest grace and a lifetime.
const AFTERWARDS: u64 = 6 * 60 * 60;
/// From the first of March of the year 0.
const DAYS_TO_1970: u64 = 719_468;
