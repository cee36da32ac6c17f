//! The rules on when keys are fetched, for simulations of many instances in virtual time.
//!
//! A service needs none of this; `examples/fleet` is its first user.

use std::time::Duration;

use crate::clock::Now;
pub use crate::remote::{Decision as KeyDecision, UnknownKey as UnknownKeyDecision};
use crate::remote::{History, KeyRefresh};

/// The timing of one instance's keys of one issuer: the very functions that a verifier asks, without
/// network, clock or runtime.
///
/// For simulations of many instances in virtual time. Every method takes the time, and where there
/// is jitter a number in 0..1.
///
/// # Example
///
/// ```
/// use std::time::{Duration, UNIX_EPOCH};
/// use portcullis::simulation::{KeyDecision, KeyTiming};
/// use portcullis::{KeyRefresh, Now};
///
/// let at = |seconds| {
///     let since = Duration::from_secs(seconds);
///     Now { wall: UNIX_EPOCH + since, monotonic: since }
/// };
/// let mut timing = KeyTiming::new(KeyRefresh::new());
/// assert_eq!(timing.decide(at(0)), KeyDecision::Wait);
/// timing.succeeded(at(0), Some(Duration::from_secs(600)), 0.5);
/// assert_eq!(timing.next_refresh(at(0)), Duration::from_secs(480));
/// assert_eq!(timing.decide(at(480)), KeyDecision::UseAndRefresh);
/// ```
#[derive(Clone, Debug)]
pub struct KeyTiming {
    rules: KeyRefresh,
    history: History,
}

impl KeyTiming {
    /// An instance that has never fetched.
    ///
    /// # Panics
    ///
    /// If a setting is out of the bounds that `build()` checks.
    #[must_use]
    #[track_caller]
    pub fn new(rules: KeyRefresh) -> Self {
        assert!(
            rules.problem().is_none(),
            "a setting of KeyRefresh is out of its bounds"
        );
        Self {
            rules,
            history: History::default(),
        }
    }

    /// A fetch succeeded; `stated` is the lifetime that the answer's headers gave.
    pub fn succeeded(&mut self, now: Now, stated: Option<Duration>, random: f64) {
        self.history.succeeded(&self.rules, now, stated, random);
    }

    /// A scheduled fetch failed.
    pub fn failed(&mut self, now: Now, random: f64) {
        self.history.failed(&self.rules, now, random);
    }

    /// A fetch for an unknown key failed.
    pub fn failed_aside(&mut self, now: Now) {
        self.history.failed_aside(&self.rules, now);
    }

    /// A fetch starts because a key is unknown.
    pub fn asked_for_unknown_key(&mut self, now: Now) {
        self.history.asked_for_unknown_key(&self.rules, now);
    }

    /// The fetch for an unknown key has ended.
    pub fn answered_unknown_key(&mut self, found_new_keys: bool) {
        self.history
            .answered_unknown_key(&self.rules, found_new_keys);
    }

    /// What a request with a known key is to do.
    #[must_use]
    pub fn decide(&self, now: Now) -> KeyDecision {
        self.history.decide(now)
    }

    /// What a request with an unknown key is to do.
    #[must_use]
    pub fn decide_unknown_key(&self, now: Now) -> UnknownKeyDecision {
        self.history.decide_unknown_key(now)
    }

    /// How long until a request starts a scheduled fetch.
    #[must_use]
    pub fn next_refresh(&self, now: Now) -> Duration {
        self.history.next_refresh(now)
    }

    /// How long a key goes on to serve that an answer of now lacks and the one before had. Asked
    /// before [`succeeded`](Self::succeeded).
    #[must_use]
    pub fn grace_left(&self, now: Now) -> Duration {
        self.history.grace_left(&self.rules, now)
    }
}
