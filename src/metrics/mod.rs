//! What is counted and measured, for whatever recorder of the `metrics` facade the service has installed.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | `portcullis_verifications_total` | counter | `outcome`, `reason`, `issuer` | tokens judged, each call of a verifier once |
//! | `portcullis_verification_duration_seconds` | histogram | `outcome`, `path` | how long that took, where there was work to do |
//! | `portcullis_rejections_total` | counter | `reason`, `status` | requests refused, whatever for, by layers, extractors and handlers |
//! | `portcullis_policy_decisions_total` | counter | `policy`, `outcome`, `reason` | policies checked, by layers, extractors and [`policy_decision`](crate::telemetry::policy_decision) |
//! | `portcullis_key_refreshes_total` | counter | `issuer`, `outcome` | fetches that ended: `success`, `failover` or `failure` |
//! | `portcullis_key_refresh_duration_seconds` | histogram | `issuer`, `outcome` | how long each took |
//! | `portcullis_keys` | gauge | `issuer`, `state` | keys in use: `published` or `in_grace`; set by each successful fetch |
//! | `portcullis_key_age_seconds` | gauge | `issuer` | age of the keys; set when a fetch ends and by [`Verifier::status`](crate::Verifier::status) |
//! | `portcullis_unknown_key_refusals_total` | counter | `issuer` | tokens refused because their key is not published |
//! | `portcullis_token_cache_hits_total` | counter | | tokens that were verified before and accepted without a signature check |
//! | `portcullis_token_cache_misses_total` | counter | | all others, refused ones too |
//! | `portcullis_token_cache_evictions_total` | counter | | tokens that had to go because the cache was full |
//! | `portcullis_key_waiters` | gauge | `issuer` | requests that wait for a fetch now |
//!
//! Names and labels are part of the crate's semantic versioning. `issuer` is a configured one; nothing
//! comes from a token. The age does not move by itself: call `status()` in the readiness probe, or
//! when metrics are read. `docs/operations.md` in the repository says what to look at, and what to do when.
//!
//! # Labels
//!
//! | label | values |
//! |---|---|
//! | `outcome` of a verification | `accepted`; `refused`, which is the token's fault; `unavailable`, which is not: keys are what is missing |
//! | `reason` | `ok`, or the stable code of [`VerifyError::reason`](crate::VerifyError::reason), `Rejection::reason` or [`Forbidden::reason`](crate::Forbidden::reason) |
//! | `issuer` | a configured one that the token names, or `unknown` |
//! | `path` | `verified`: everything was checked with keys at hand; `waited`: for a fetch, too |
//! | `status` | of HTTP, as in the table of refusals of the module `middleware`; that of gRPC calls too, whose responses are a 200 |
//! | `outcome` of a decision | `allowed`; `denied`; `fault`: denied, as it cannot be told |
//! | `policy` | what [`Policy::named`](crate::Policy::named) gave it, or `unnamed`; `other` for names beyond 256 |
//!
//! # Which counter for what
//!
//! The first counts what verifiers said, with or without a layer; the second what clients were told, also
//! where there was no token to judge; the third what policies said. A request whose token has expired is in
//! the first two, one that a policy refuses in all three: never add them up. A call that is dropped while
//! it waits for keys was told nothing, and is counted nowhere.
//!
//! # What it costs
//!
//! Without a recorder next to nothing. With one a remembered token costs two counters of the recorder's and no
//! allocation of ours. It is not timed: reading the clock and keeping a sample would cost more than what
//! they measure.

mod policies;
mod verification;

pub(crate) use policies::policy_decision;
pub(crate) use verification::{CountedIssuer, Passage, Verification, verification};

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use metrics::{
    Key, Level, Metadata, Recorder, Unit, counter, describe_counter, describe_gauge,
    describe_histogram, gauge, histogram,
};

use crate::event::Event;

pub(crate) fn record(event: &Event<'_>) {
    match *event {
        Event::KeysRefreshed {
            issuer,
            took,
            keys,
            in_grace,
            failed_over,
            ..
        } => {
            let outcome = match failed_over {
                None => "success",
                Some(_) => "failover",
            };
            refresh(issuer, outcome, took);
            for (state, count) in [("published", keys), ("in_grace", in_grace)] {
                gauge!("portcullis_keys", "issuer" => issuer.to_owned(), "state" => state)
                    .set(number(count));
            }
            age(issuer.to_owned(), Duration::ZERO);
        }
        Event::RefreshFailed {
            issuer,
            took,
            age: at_hand,
            ..
        } => {
            refresh(issuer, "failure", took);
            if let Some(at_hand) = at_hand {
                age(issuer.to_owned(), at_hand);
            }
        }
        Event::UnknownKeyRefused { issuer } => {
            counter!("portcullis_unknown_key_refusals_total", "issuer" => issuer.to_owned())
                .increment(1);
        }
        Event::JwksUriChanged { .. }
        | Event::MetadataFailed { .. }
        | Event::SecretKeyPublished { .. } => {}
    }
}

/// The age of an issuer's keys, as somebody looks at it.
pub(crate) fn key_age(issuer: &str, at_hand: Option<Duration>) {
    if let Some(at_hand) = at_hand {
        guarded(|| age(issuer.to_owned(), at_hand));
    }
}

/// One more or one fewer caller waits for an issuer's keys.
pub(crate) fn waiters(issuer: &str, change: f64) {
    guarded(|| gauge!("portcullis_key_waiters", "issuer" => issuer.to_owned()).increment(change));
}

/// A recorder is the service's code, and may be called while a caller is dropped after a panic.
fn guarded(record: impl FnOnce()) {
    let _ = catch_unwind(AssertUnwindSafe(record));
}

/// A token was dropped from those verified before.
pub(crate) fn token_evicted(cause: moka::notification::RemovalCause) {
    if cause == moka::notification::RemovalCause::Size {
        guarded(|| counter!("portcullis_token_cache_evictions_total").increment(1));
    }
}

fn refresh(issuer: &str, outcome: &'static str, took: Duration) {
    counter!("portcullis_key_refreshes_total", "issuer" => issuer.to_owned(), "outcome" => outcome)
        .increment(1);
    histogram!("portcullis_key_refresh_duration_seconds", "issuer" => issuer.to_owned(), "outcome" => outcome)
        .record(took);
}

fn age(issuer: String, age: Duration) {
    gauge!("portcullis_key_age_seconds", "issuer" => issuer).set(age);
}

/// Counts here are bounded by a hundred thousand, which any float holds.
fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Tells the recorder what each metric is, for exporters that show it. Optional: call it once, after the
/// recorder was installed.
pub fn describe() {
    guarded(|| {
        describe_counter!(VERIFICATIONS, "Access tokens judged");
        describe_histogram!(
            DURATION,
            Unit::Seconds,
            "Time it took to judge an access token that was not remembered"
        );
        describe_counter!(REJECTIONS, "Requests refused, whatever for");
        describe_counter!(DECISIONS, "Policies checked");
        describe_counter!(
            "portcullis_key_refreshes_total",
            "Fetches of an issuer's keys that ended"
        );
        describe_histogram!(
            "portcullis_key_refresh_duration_seconds",
            Unit::Seconds,
            "Time a fetch of keys took"
        );
        describe_gauge!("portcullis_keys", "Keys of an issuer in use");
        describe_gauge!(
            "portcullis_key_age_seconds",
            Unit::Seconds,
            "Age of an issuer's keys when last looked at"
        );
        describe_counter!(
            "portcullis_unknown_key_refusals_total",
            "Tokens refused because their key is not published"
        );
        describe_counter!(
            "portcullis_token_cache_hits_total",
            "Tokens accepted without a signature check"
        );
        describe_counter!(
            "portcullis_token_cache_misses_total",
            "Tokens that were not among those remembered"
        );
        describe_counter!(
            "portcullis_token_cache_evictions_total",
            "Tokens forgotten because the cache was full"
        );
        describe_gauge!(
            "portcullis_key_waiters",
            "Requests that wait for a fetch of keys"
        );
    });
}

/// A key whose labels are known when the program is compiled: it costs nothing to make.
macro_rules! key {
    ($name:expr, $($label:literal => $value:literal),+) => {{
        static LABELS: [::metrics::Label; [$($label),+].len()] = [$(::metrics::Label::from_static_parts($label, $value)),+];
        static KEY: ::metrics::Key = ::metrics::Key::from_static_parts($name, &LABELS);
        &KEY
    }};
}
use key;

/// A request was refused.
#[cfg(feature = "tower")]
pub(crate) fn rejection(reason: &'static str, status: u16) {
    guarded(|| {
        counter!(REJECTIONS, "reason" => reason, "status" => status.to_string()).increment(1);
    });
}

fn increment(recorder: &dyn Recorder, key: &Key) {
    recorder.register_counter(key, &METADATA).increment(1);
}

const VERIFICATIONS: &str = "portcullis_verifications_total";
const DURATION: &str = "portcullis_verification_duration_seconds";
const REJECTIONS: &str = "portcullis_rejections_total";
const DECISIONS: &str = "portcullis_policy_decisions_total";
static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// The reason of what is not refused.
const OK: &str = "ok";

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::error::{FetchError, FetchErrorKind, VerifyError};
    use crate::policy::Policy;

    #[test]
    fn names_and_labels_are_stable() {
        let recorder = DebuggingRecorder::new();
        let snapshotter = recorder.snapshotter();
        let issuer = "https://id.example";
        let error = FetchError::new(FetchErrorKind::Deadline);
        let took = Duration::from_millis(1_500);
        let refreshed = |failed_over| Event::KeysRefreshed {
            issuer,
            took,
            keys: 3,
            skipped: 0,
            added: 1,
            in_grace: 2,
            failed_over,
        };
        metrics::with_local_recorder(&recorder, || {
            record(&refreshed(None));
            record(&refreshed(Some(&error)));
            record(&Event::RefreshFailed {
                issuer,
                took,
                age: Some(Duration::from_secs(7)),
                error: &error,
            });
            record(&Event::UnknownKeyRefused { issuer });
            record(&Event::JwksUriChanged { issuer });
            waiters(issuer, 1.0);
            waiters(issuer, 1.0);
            waiters(issuer, -1.0);
            key_age(issuer, None);
        });
        let mut lines: Vec<_> = snapshotter
            .snapshot()
            .into_vec()
            .into_iter()
            .map(|(key, _, _, value)| {
                let labels = key.key().labels().map(|label| label.value().to_owned());
                let value = match value {
                    DebugValue::Counter(count) => count.to_string(),
                    DebugValue::Gauge(value) => value.to_string(),
                    DebugValue::Histogram(values) => format!("{values:?}"),
                };
                let labels: Vec<_> = labels.filter(|label| label != issuer).collect();
                format!("{} {labels:?} {value}", key.key().name())
            })
            .collect();
        lines.sort();
        assert_eq!(
            lines,
            [
                r#"portcullis_key_age_seconds [] 7"#,
                r#"portcullis_key_refresh_duration_seconds ["failover"] [1.5]"#,
                r#"portcullis_key_refresh_duration_seconds ["failure"] [1.5]"#,
                r#"portcullis_key_refresh_duration_seconds ["success"] [1.5]"#,
                r#"portcullis_key_refreshes_total ["failover"] 1"#,
                r#"portcullis_key_refreshes_total ["failure"] 1"#,
                r#"portcullis_key_refreshes_total ["success"] 1"#,
                r#"portcullis_key_waiters [] 1"#,
                r#"portcullis_keys ["in_grace"] 2"#,
                r#"portcullis_keys ["published"] 3"#,
                r#"portcullis_unknown_key_refusals_total [] 1"#,
            ]
        );
    }

    /// A recorder is the service's code.
    #[test]
    fn a_recorder_that_panics_breaks_nothing() {
        struct Panicking;
        impl Recorder for Panicking {
            fn describe_counter(
                &self,
                _: metrics::KeyName,
                _: Option<Unit>,
                _: metrics::SharedString,
            ) {
            }
            fn describe_gauge(
                &self,
                _: metrics::KeyName,
                _: Option<Unit>,
                _: metrics::SharedString,
            ) {
            }
            fn describe_histogram(
                &self,
                _: metrics::KeyName,
                _: Option<Unit>,
                _: metrics::SharedString,
            ) {
            }
            fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> metrics::Counter {
                panic!("a recorder that panics")
            }
            fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> metrics::Gauge {
                panic!("a recorder that panics")
            }
            fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> metrics::Histogram {
                panic!("a recorder that panics")
            }
        }
        metrics::with_local_recorder(&Panicking, || {
            verification(&Verification {
                issuer: None,
                error: Some(&VerifyError::TooLarge),
                remembered: Some(false),
                passage: Passage::Verified,
                clock: &crate::clock::SharedClock::System,
                started: Some(Duration::ZERO),
            });
            #[cfg(feature = "tower")]
            rejection("expired", 401);
            policy_decision(&Policy::scope("a"), None);
        });
    }

    #[test]
    fn every_metric_is_described() {
        let recorder = DebuggingRecorder::new();
        // What is only described is not in a snapshot: a copy of the source tells.
        metrics::with_local_recorder(&recorder, describe);
        let source = include_str!("mod.rs");
        let table = source
            .lines()
            .filter(|line| line.starts_with("//! | `portcullis_"));
        let body = source.split("pub fn describe()").nth(1).unwrap();
        let body = body.split("macro_rules").next().unwrap();
        assert_eq!(table.count(), body.matches("describe_").count());
    }
}
