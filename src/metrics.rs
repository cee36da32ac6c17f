//! What of the keys is counted and measured, for whatever recorder of the `metrics` facade the
//! service has installed.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
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
//! when metrics are read.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use metrics::{counter, gauge, histogram};

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

/// A token was looked up among those verified before.
pub(crate) fn token_cache(hit: bool) {
    guarded(|| match hit {
        true => counter!("portcullis_token_cache_hits_total").increment(1),
        false => counter!("portcullis_token_cache_misses_total").increment(1),
    });
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

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;
    use crate::error::{FetchError, FetchErrorKind};

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
}
