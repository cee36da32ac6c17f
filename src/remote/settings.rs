//! The settings of the rules that keep an issuer's keys fresh, with their defaults and bounds.

use std::time::Duration;

/// How an issuer's keys are kept fresh, and how long they are trusted.
///
/// The defaults serve; each setting says what it trades. All are checked by
/// [`VerifierBuilder::build`](crate::VerifierBuilder::build), which names the one that is out of bounds.
/// Given to [`Issuer::key_refresh`](crate::Issuer::key_refresh). Where a bound is another setting, the two
/// change together: a `min_lifetime` of 15 minutes needs a `default_lifetime` that is as long.
///
/// | setting | default | bounds | why |
/// |---|---|---|---|
/// | [`default_lifetime`](Self::default_lifetime) | 10 min | within the next two | what most verifiers use, and most issuers state |
/// | [`min_lifetime`](Self::min_lifetime) | 60 s | from 1 s | `max-age=0` must not mean a fetch a request |
/// | [`max_lifetime`](Self::max_lifetime) | 1 h | to 24 h | some issuers state a month, and keys are withdrawn in an hour |
/// | [`refresh_at`](Self::refresh_at) | 0.8 ± 0.1 | 0.3 to 0.9, ± 0 to 0.2 | a known key never waits; a fleet does not march in step |
/// | [`stale_while_revalidate`](Self::stale_while_revalidate) | 10 min | to 1 h | nobody waits after a pause, and no idle service trusts old keys |
/// | [`stale_if_error`](Self::stale_if_error) | 24 h | `max_lifetime` to 7 days | a night without the issuer is survived |
/// | [`unpublished_grace`](Self::unpublished_grace) | 1 h | to 4 h | real issuers' replicas disagree for that long |
/// | [`unknown_key_interval`](Self::unknown_key_interval) | 10 s, doubling to 60 s | 1 s to 1 h | the first token after a rotation passes; a flood costs nothing |
/// | [`bad_signature_interval`](Self::bad_signature_interval) | 5 min | from 10 s to 24 h | no issuer we know replaced a key under its name |
/// | [`back_off`](Self::back_off) | 1 s, doubling to 60 s | 100 ms to 1 h | recovery is found soon, and not by all at once |
/// | [`metadata_lifetime`](Self::metadata_lifetime) | 1 h | 60 s to 24 h | addresses of keys move once in years |
/// | [`fetch_deadline`](Self::fetch_deadline) | 5 s | 100 ms to 60 s | providers answer within a second or not at all |
/// | [`max_wait`](Self::max_wait) | 2 s | 10 ms to `fetch_deadline` | clients of a service give up soon after |
/// | [`max_waiters`](Self::max_waiters) | 1,024 | 1 to 65,536 | a flood must not hold every connection of a service |
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis::{Audience, Issuer, KeyRefresh};
///
/// // Withdrawn keys are refused as soon as a fetch says so; an outage is survived for two hours.
/// let strict = KeyRefresh::new()
///     .unpublished_grace(Duration::ZERO)
///     .stale_if_error(Duration::from_secs(2 * 60 * 60));
/// let issuer = Issuer::discover("https://id.example.com", Audience::of("https://api.example.com"))
///     .key_refresh(strict);
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use = "settings do nothing until they are given to an issuer"]
pub struct KeyRefresh {
    pub(crate) default_lifetime: Duration,
    pub(crate) min_lifetime: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) refresh_at: f64,
    pub(crate) refresh_jitter: f64,
    pub(crate) stale_while_revalidate: Duration,
    pub(crate) stale_if_error: Duration,
    pub(crate) unpublished_grace: Duration,
    pub(crate) min_unknown_key_interval: Duration,
    pub(crate) max_unknown_key_interval: Duration,
    pub(crate) bad_signature_interval: Duration,
    pub(crate) min_back_off: Duration,
    pub(crate) max_back_off: Duration,
    pub(crate) metadata_lifetime: Duration,
    pub(crate) fetch_deadline: Duration,
    pub(crate) max_wait: Duration,
    pub(crate) max_waiters: usize,
}

impl Default for KeyRefresh {
    fn default() -> Self {
        Self::new()
    }
}

impl KeyRefresh {
    /// Every setting at its default.
    pub const fn new() -> Self {
        Self {
            default_lifetime: Duration::from_secs(10 * 60),
            min_lifetime: Duration::from_secs(60),
            max_lifetime: HOUR,
            refresh_at: 0.8,
            refresh_jitter: 0.1,
            stale_while_revalidate: Duration::from_secs(10 * 60),
            stale_if_error: DAY,
            unpublished_grace: HOUR,
            min_unknown_key_interval: Duration::from_secs(10),
            max_unknown_key_interval: Duration::from_secs(60),
            bad_signature_interval: Duration::from_secs(5 * 60),
            min_back_off: Duration::from_secs(1),
            max_back_off: Duration::from_secs(60),
            metadata_lifetime: HOUR,
            fetch_deadline: Duration::from_secs(5),
            max_wait: Duration::from_secs(2),
            max_waiters: 1_024,
        }
    }

    /// How long keys are fresh when their issuer does not say
    /// ([RFC 9111 §4.2](https://www.rfc-editor.org/rfc/rfc9111#section-4.2)). Default: 10 min.
    pub const fn default_lifetime(mut self, lifetime: Duration) -> Self {
        self.default_lifetime = lifetime;
        self
    }

    /// Keys are fresh for at least this long, whatever their issuer says. Default: 60 s; at least 1 s.
    ///
    /// Also how often a [`jwks_file`](crate::Issuer::jwks_file) is read anew.
    pub const fn min_lifetime(mut self, lifetime: Duration) -> Self {
        self.min_lifetime = lifetime;
        self
    }

    /// Keys are fresh for at most this long, whatever their issuer says. Default: 1 h; at most 24 h.
    ///
    /// # Security
    ///
    /// A service in steady use learns of a withdrawn key within 0.9 of this.
    pub const fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = lifetime;
        self
    }

    /// After which share of their lifetime keys are fetched anew in the background, and how much that
    /// share differs from fetch to fetch and from instance to instance. Default: 0.8 and 0.1, which
    /// is 70 % to 90 %.
    ///
    /// Started by a request, so an idle service asks nothing. Without jitter instances that started
    /// together ask together, for ever.
    pub const fn refresh_at(mut self, share: f64, jitter: f64) -> Self {
        self.refresh_at = share;
        self.refresh_jitter = jitter;
        self
    }

    /// How long past their lifetime keys serve while a fetch runs in the background
    /// ([RFC 5861 §3](https://www.rfc-editor.org/rfc/rfc5861#section-3)). After that a request joins
    /// the fetch, for at most [`max_wait`](Self::max_wait). Default: 10 min; at most 1 h.
    pub const fn stale_while_revalidate(mut self, duration: Duration) -> Self {
        self.stale_while_revalidate = duration;
        self
    }

    /// How long after the last success keys serve while every fetch fails
    /// ([RFC 5861 §4](https://www.rfc-editor.org/rfc/rfc5861#section-4)). Default: 24 h; from
    /// [`max_lifetime`](Self::max_lifetime) to 7 days.
    ///
    /// # Security
    ///
    /// Whoever can keep a service from its issuer keeps a withdrawn key alive for this long.
    pub const fn stale_if_error(mut self, duration: Duration) -> Self {
        self.stale_if_error = duration;
        self
    }

    /// How long a key serves after it is published no more. Counts from the first answer without it,
    /// or from when the last answer with it went stale, whichever was first. Default: 1 h; at most
    /// 4 h; zero refuses it with the first answer without it.
    ///
    /// The default is what the histories of real issuers say: replicas of Entra ID disagreed for an
    /// hour or less four times out of five, and withdrew good keys by that.
    ///
    /// # Security
    ///
    /// With steady use a withdrawn key is refused at most 0.9 [lifetimes](Self::max_lifetime) plus this
    /// after its withdrawal: 1 h 54 min with every default and an issuer that states an hour, 1 h 9 min
    /// with one that states 10 minutes. [`Verifier::refresh_now`](crate::Verifier::refresh_now) ends
    /// it at once.
    pub const fn unpublished_grace(mut self, grace: Duration) -> Self {
        self.unpublished_grace = grace;
        self
    }

    /// Least time between two fetches for keys that are not there, whatever their outcome, and what
    /// it doubles up to while they find nothing new. Default: 10 s and 60 s.
    pub const fn unknown_key_interval(mut self, least: Duration, most: Duration) -> Self {
        self.min_unknown_key_interval = least;
        self.max_unknown_key_interval = most;
        self
    }

    /// Least time between two background fetches because a signature under a known key did not
    /// match, which is what a key replaced under its own name looks like. Default: 5 min.
    pub const fn bad_signature_interval(mut self, interval: Duration) -> Self {
        self.bad_signature_interval = interval;
        self
    }

    /// First pause after a scheduled fetch that failed, and what it doubles up to; while keys are
    /// usable up to a quarter of their lifetime if that is more. Each pause is shortened by up to
    /// half at random. Default: 1 s and 60 s.
    pub const fn back_off(mut self, first: Duration, most: Duration) -> Self {
        self.min_back_off = first;
        self.max_back_off = most;
        self
    }

    /// How long the address that discovery gave is used before the metadata is read again. Default: 1 h.
    ///
    /// It is read together with a fetch of keys, so a moved address is followed within this and 0.9
    /// lifetimes, or when the old one fails.
    ///
    /// While metadata cannot be read the last address serves on, for
    /// [`stale_if_error`](Self::stale_if_error) at most.
    pub const fn metadata_lifetime(mut self, lifetime: Duration) -> Self {
        self.metadata_lifetime = lifetime;
        self
    }

    /// Longest fetch, metadata, keys and failover together. Default: 5 s.
    pub const fn fetch_deadline(mut self, deadline: Duration) -> Self {
        self.fetch_deadline = deadline;
        self
    }

    /// How long a request waits at most for a fetch: for a key that is not at hand, because those at
    /// hand are long stale, or because there are none. Default: 2 s.
    ///
    /// The fetch goes on for the next request. Where an issuer takes longer to answer and the first
    /// request has to pass, as in a function, raise it, warm up, or start with a seed.
    pub const fn max_wait(mut self, wait: Duration) -> Self {
        self.max_wait = wait;
        self
    }

    /// How many requests may wait for one issuer at once; those beyond are answered 503. Default: 1,024.
    pub const fn max_waiters(mut self, waiters: usize) -> Self {
        self.max_waiters = waiters;
        self
    }

    /// The first setting that is out of its bounds.
    pub(crate) fn problem(&self) -> Option<OutOfBounds> {
        let (share, jitter) = (self.refresh_at, self.refresh_jitter);
        let pair = |first: Duration, second: Duration| format!("{first:?}, {second:?}");
        let one = |value: Duration| format!("{value:?}");
        let checks = [
            (
                within(self.min_lifetime, SECOND, self.max_lifetime),
                "min_lifetime",
                one(self.min_lifetime),
                format!("from 1 s to max_lifetime, which is {:?}", self.max_lifetime),
            ),
            (
                self.max_lifetime <= DAY,
                "max_lifetime",
                one(self.max_lifetime),
                "from min_lifetime to 24 h".to_owned(),
            ),
            (
                within(self.default_lifetime, self.min_lifetime, self.max_lifetime),
                "default_lifetime",
                one(self.default_lifetime),
                format!(
                    "from min_lifetime to max_lifetime, which are {:?} and {:?}",
                    self.min_lifetime, self.max_lifetime
                ),
            ),
            (
                (0.3..=0.9).contains(&share)
                    && (0.0..=0.2).contains(&jitter)
                    && share + jitter <= 1.0,
                "refresh_at",
                format!("{share}, {jitter}"),
                "a share from 0.3 to 0.9 with a jitter from 0 to 0.2, together at most 1"
                    .to_owned(),
            ),
            (
                self.stale_while_revalidate <= HOUR,
                "stale_while_revalidate",
                one(self.stale_while_revalidate),
                "at most 1 h".to_owned(),
            ),
            (
                within(self.stale_if_error, self.max_lifetime, 7 * DAY),
                "stale_if_error",
                one(self.stale_if_error),
                format!(
                    "from max_lifetime, which is {:?}, to 7 days",
                    self.max_lifetime
                ),
            ),
            (
                self.unpublished_grace <= 4 * HOUR,
                "unpublished_grace",
                one(self.unpublished_grace),
                "at most 4 h".to_owned(),
            ),
            (
                within(
                    self.min_unknown_key_interval,
                    SECOND,
                    self.max_unknown_key_interval,
                ) && self.max_unknown_key_interval <= HOUR,
                "unknown_key_interval",
                pair(self.min_unknown_key_interval, self.max_unknown_key_interval),
                "from 1 s to 1 h, the smaller first".to_owned(),
            ),
            (
                within(self.bad_signature_interval, 10 * SECOND, DAY),
                "bad_signature_interval",
                one(self.bad_signature_interval),
                "from 10 s to 24 h".to_owned(),
            ),
            (
                within(
                    self.min_back_off,
                    Duration::from_millis(100),
                    self.max_back_off,
                ) && self.max_back_off <= HOUR,
                "back_off",
                pair(self.min_back_off, self.max_back_off),
                "from 100 ms to 1 h, the smaller first".to_owned(),
            ),
            (
                within(self.metadata_lifetime, 60 * SECOND, DAY),
                "metadata_lifetime",
                one(self.metadata_lifetime),
                "from 60 s to 24 h".to_owned(),
            ),
            (
                within(self.fetch_deadline, Duration::from_millis(100), 60 * SECOND),
                "fetch_deadline",
                one(self.fetch_deadline),
                "from 100 ms to 60 s".to_owned(),
            ),
            (
                within(
                    self.max_wait,
                    Duration::from_millis(10),
                    self.fetch_deadline,
                ),
                "max_wait",
                one(self.max_wait),
                format!(
                    "from 10 ms to fetch_deadline, which is {:?}",
                    self.fetch_deadline
                ),
            ),
            (
                (1..=65_536).contains(&self.max_waiters),
                "max_waiters",
                self.max_waiters.to_string(),
                "from 1 to 65,536".to_owned(),
            ),
        ];
        checks
            .into_iter()
            .find(|(is_met, ..)| !is_met)
            .map(|(_, setting, value, bounds)| OutOfBounds {
                setting,
                value,
                bounds,
            })
    }
}

/// A setting that is out of its bounds.
pub(crate) struct OutOfBounds {
    pub(crate) setting: &'static str,
    pub(crate) value: String,
    pub(crate) bounds: String,
}

fn within(value: Duration, least: Duration, most: Duration) -> bool {
    (least..=most).contains(&value)
}

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl Fn(KeyRefresh) -> KeyRefresh, problem: Option<&str>) {
        let found = change(KeyRefresh::new())
            .problem()
            .map(|problem| problem.setting);
        assert_eq!(found, problem);
    }

    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn the_defaults_are_within_their_bounds() {
        check(|refresh| refresh, None);
        assert_eq!(KeyRefresh::default(), KeyRefresh::new());
    }

    #[test]
    fn both_sides_of_every_bound() {
        let none = None;
        check(|r| r.min_lifetime(SECOND), none);
        check(
            |r| r.min_lifetime(SECOND - MILLISECOND),
            Some("min_lifetime"),
        );
        check(|r| r.min_lifetime(600 * SECOND), none);
        check(|r| r.min_lifetime(HOUR + SECOND), Some("min_lifetime"));
        check(|r| r.max_lifetime(DAY), none);
        check(|r| r.max_lifetime(DAY + SECOND), Some("max_lifetime"));
        check(|r| r.default_lifetime(60 * SECOND), none);
        check(
            |r| r.default_lifetime(59 * SECOND),
            Some("default_lifetime"),
        );
        check(|r| r.default_lifetime(HOUR), none);
        check(
            |r| r.default_lifetime(HOUR + SECOND),
            Some("default_lifetime"),
        );
        check(|r| r.refresh_at(0.3, 0.2), none);
        check(|r| r.refresh_at(0.9, 0.1), none);
        check(|r| r.refresh_at(0.9, 0.11), Some("refresh_at"));
        check(|r| r.refresh_at(0.29, 0.0), Some("refresh_at"));
        check(|r| r.refresh_at(0.91, 0.0), Some("refresh_at"));
        check(|r| r.refresh_at(0.8, 0.21), Some("refresh_at"));
        check(|r| r.refresh_at(0.8, -0.01), Some("refresh_at"));
        check(|r| r.refresh_at(f64::NAN, 0.1), Some("refresh_at"));
        check(|r| r.refresh_at(0.8, f64::NAN), Some("refresh_at"));
        check(|r| r.stale_while_revalidate(Duration::ZERO), none);
        check(|r| r.stale_while_revalidate(HOUR), none);
        check(
            |r| r.stale_while_revalidate(HOUR + SECOND),
            Some("stale_while_revalidate"),
        );
        check(|r| r.stale_if_error(HOUR), none);
        check(|r| r.stale_if_error(HOUR - SECOND), Some("stale_if_error"));
        check(|r| r.stale_if_error(7 * DAY), none);
        check(
            |r| r.stale_if_error(7 * DAY + SECOND),
            Some("stale_if_error"),
        );
        check(|r| r.unpublished_grace(Duration::ZERO), none);
        check(|r| r.unpublished_grace(4 * HOUR), none);
        check(
            |r| r.unpublished_grace(4 * HOUR + SECOND),
            Some("unpublished_grace"),
        );
        check(|r| r.unknown_key_interval(SECOND, HOUR), none);
        for (least, most) in [
            (SECOND - MILLISECOND, HOUR),
            (2 * SECOND, SECOND),
            (SECOND, HOUR + SECOND),
        ] {
            check(
                |r| r.unknown_key_interval(least, most),
                Some("unknown_key_interval"),
            );
        }
        check(|r| r.bad_signature_interval(10 * SECOND), none);
        check(|r| r.bad_signature_interval(DAY), none);
        for wrong in [10 * SECOND - MILLISECOND, DAY + SECOND] {
            check(
                |r| r.bad_signature_interval(wrong),
                Some("bad_signature_interval"),
            );
        }
        check(|r| r.back_off(100 * MILLISECOND, HOUR), none);
        for (first, most) in [
            (99 * MILLISECOND, HOUR),
            (2 * SECOND, SECOND),
            (SECOND, HOUR + SECOND),
        ] {
            check(|r| r.back_off(first, most), Some("back_off"));
        }
        check(|r| r.metadata_lifetime(60 * SECOND), none);
        check(|r| r.metadata_lifetime(DAY), none);
        for wrong in [59 * SECOND, DAY + SECOND] {
            check(|r| r.metadata_lifetime(wrong), Some("metadata_lifetime"));
        }
        check(|r| r.fetch_deadline(60 * SECOND), none);
        check(
            |r| {
                r.fetch_deadline(100 * MILLISECOND)
                    .max_wait(100 * MILLISECOND)
            },
            none,
        );
        check(|r| r.fetch_deadline(61 * SECOND), Some("fetch_deadline"));
        check(
            |r| {
                r.fetch_deadline(99 * MILLISECOND)
                    .max_wait(20 * MILLISECOND)
            },
            Some("fetch_deadline"),
        );
        check(|r| r.max_wait(10 * MILLISECOND), none);
        check(|r| r.max_wait(5 * SECOND), none);
        for wrong in [9 * MILLISECOND, 5 * SECOND + MILLISECOND] {
            check(|r| r.max_wait(wrong), Some("max_wait"));
        }
        check(|r| r.max_waiters(1), none);
        check(|r| r.max_waiters(65_536), none);
        for wrong in [0, 65_537] {
            check(|r| r.max_waiters(wrong), Some("max_waiters"));
        }
    }
}
