//! Tokens that were judged: how many, with which outcome, and how long it took.

use std::sync::Arc;
use std::time::Duration;

use metrics::{IntoF64, Key, Label, Recorder, SharedString, with_recorder};

use super::{DURATION, METADATA, OK, VERIFICATIONS, guarded, increment, key};
use crate::clock::SharedClock;
use crate::error::VerifyError;

/// One call of a verifier, as it ended.
pub(crate) struct Verification<'a> {
    /// `None` if it did not come to that, or it is not a configured one.
    pub(crate) issuer: Option<&'a CountedIssuer>,
    pub(crate) error: Option<&'a VerifyError>,
    /// Whether it was among the tokens that are remembered, where there are any.
    pub(crate) remembered: Option<bool>,
    pub(crate) passage: Passage,
    pub(crate) clock: &'a SharedClock,
    pub(crate) started: Option<Duration>,
}

/// How a token came through.
#[derive(Clone, Copy)]
pub(crate) enum Passage {
    Remembered,
    Verified,
    Waited,
}

/// What an issuer's tokens are counted with.
pub(crate) struct CountedIssuer {
    name: Arc<str>,
    /// Made once: most tokens are counted here. It is a key and no handle: a handle from before a recorder
    /// was installed, or of a metric that the recorder has let go of as idle, counts nowhere.
    accepted: Key,
}

impl CountedIssuer {
    pub(crate) fn new(name: Arc<str>) -> Self {
        let accepted = Self::key(&name, "accepted", OK);
        Self { name, accepted }
    }

    fn key(name: &Arc<str>, outcome: &'static str, reason: &'static str) -> Key {
        let issuer = SharedString::from_shared(Arc::clone(name));
        let labels = vec![
            Label::from_static_parts("outcome", outcome),
            Label::from_static_parts("reason", reason),
            Label::new("issuer", issuer),
        ];
        Key::from_parts(VERIFICATIONS, labels)
    }
}

/// A call of a verifier has ended.
pub(crate) fn verification(verification: &Verification<'_>) {
    guarded(|| {
        with_recorder(|recorder| {
            match verification.remembered {
                Some(true) => increment(recorder, &CACHE_HITS),
                Some(false) => increment(recorder, &CACHE_MISSES),
                None => {}
            }
            judged(recorder, verification.issuer, verification.error);
            timed(recorder, verification);
        });
    });
}

fn judged(recorder: &dyn Recorder, issuer: Option<&CountedIssuer>, error: Option<&VerifyError>) {
    let (outcome, reason) = match (issuer, error) {
        (Some(issuer), None) => return increment(recorder, &issuer.accepted),
        (None, None) => ("accepted", OK),
        (_, Some(error)) if error.is_unavailable() => ("unavailable", error.reason()),
        (_, Some(error)) => ("refused", error.reason()),
    };
    match issuer {
        Some(issuer) => increment(recorder, &CountedIssuer::key(&issuer.name, outcome, reason)),
        None => match of_no_issuer(reason) {
            Some(key) => increment(recorder, key),
            None => increment(
                recorder,
                &CountedIssuer::key(&UNKNOWN.into(), outcome, reason),
            ),
        },
    }
}

/// What is refused before its issuer is known is what anybody can send at no cost: it takes no memory.
fn of_no_issuer(reason: &str) -> Option<&'static Key> {
    macro_rules! refused {
        ($($reason:literal)+) => {
            match reason {
                $($reason => Some(key!(
                    VERIFICATIONS,
                    "outcome" => "refused", "reason" => $reason, "issuer" => "unknown"
                )),)+
                _ => None,
            }
        };
    }
    refused!("malformed" "too_large" "unsupported_algorithm" "unsupported_critical" "wrong_type"
        "missing_claim" "invalid_claim" "untrusted_issuer")
}

fn timed(recorder: &dyn Recorder, verification: &Verification<'_>) {
    let Some(started) = verification.started else {
        return;
    };
    macro_rules! keys {
        ($outcome:literal) => {
            match verification.passage {
                Passage::Remembered => return,
                Passage::Verified => {
                    key!(DURATION, "outcome" => $outcome, "path" => "verified")
                }
                Passage::Waited => key!(DURATION, "outcome" => $outcome, "path" => "waited"),
            }
        };
    }
    let key = match verification.error {
        None => keys!("accepted"),
        Some(error) if error.is_unavailable() => keys!("unavailable"),
        Some(_) => keys!("refused"),
    };
    let clock = verification.clock;
    recorder
        .register_histogram(key, &METADATA)
        .record(Since { clock, started });
}

/// The time since then, which is read only where somebody wants to know.
struct Since<'a> {
    clock: &'a SharedClock,
    started: Duration,
}

impl IntoF64 for Since<'_> {
    fn into_f64(self) -> f64 {
        let now = self.clock.now().monotonic;
        now.saturating_sub(self.started).as_secs_f64()
    }
}

static CACHE_HITS: Key = Key::from_static_name("portcullis_token_cache_hits_total");
static CACHE_MISSES: Key = Key::from_static_name("portcullis_token_cache_misses_total");
const UNKNOWN: &str = "unknown";

#[cfg(test)]
mod tests {
    use super::*;

    /// Each reason has a key that costs nothing where its issuer is not known, and the same one.
    #[test]
    fn what_anybody_can_send_is_counted_by_keys_that_are_there() {
        for reason in [
            "malformed",
            "too_large",
            "untrusted_issuer",
            "missing_claim",
        ] {
            let made = CountedIssuer::key(&UNKNOWN.into(), "refused", reason);
            assert_eq!(of_no_issuer(reason), Some(&made));
        }
        assert_eq!(of_no_issuer("expired"), None);
    }
}
