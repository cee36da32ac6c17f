//! The only reader of wall and monotonic time.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime};

/// One reading of both clocks of a machine.
///
/// Claims are compared with `wall`; the age of keys is the larger of what the two say, so that
/// neither a suspended machine nor a wall clock set back makes old keys look young.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "two clocks are all there are; a fake clock builds it"
)]
pub struct Now {
    /// Time of day, as claims mean it.
    pub wall: SystemTime,
    /// Time since some fixed moment of this process; never goes back.
    pub monotonic: Duration,
}

/// What each clock will say when it has come; `None` if that is more than it can tell.
///
/// It has come when one of them says so. Every token asks, and comparing is quicker than to tell how long ago
/// something was.
#[cfg(feature = "remote")]
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Deadline {
    wall: Option<SystemTime>,
    monotonic: Option<Duration>,
}

#[cfg(feature = "remote")]
impl Deadline {
    pub(crate) fn after(time: Duration, now: Now) -> Self {
        Self {
            wall: now.wall.checked_add(time),
            monotonic: now.monotonic.checked_add(time),
        }
    }

    /// When the first of two has come.
    pub(crate) fn or(self, other: Self) -> Self {
        fn earlier<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        Self {
            wall: earlier(self.wall, other.wall),
            monotonic: earlier(self.monotonic, other.monotonic),
        }
    }

    /// How long until it has come; zero when it has.
    pub(crate) fn left(&self, now: Now) -> Duration {
        let wall = self
            .wall
            .map(|wall| wall.duration_since(now.wall).unwrap_or_default());
        let monotonic = self
            .monotonic
            .map(|monotonic| monotonic.saturating_sub(now.monotonic));
        wall.into_iter()
            .chain(monotonic)
            .min()
            .unwrap_or(Duration::MAX)
    }

    #[inline]
    pub(crate) fn has_come(&self, now: Now) -> bool {
        self.wall.is_some_and(|wall| now.wall >= wall)
            || self
                .monotonic
                .is_some_and(|monotonic| now.monotonic >= monotonic)
    }
}

/// Where the crate reads time from.
///
/// The default is [`SystemClock`]. Tests give another one through
/// [`VerifierBuilder::clock`](crate::VerifierBuilder::clock).
///
/// # Security
///
/// A clock that runs behind accepts expired tokens and trusts withdrawn keys for as long as it is
/// behind. `monotonic` must never go back, and should start a week or more above zero: keys of a seed
/// are dated back on it.
///
/// # Example
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use portcullis::{Clock, Now};
///
/// #[derive(Debug)]
/// struct Epoch;
///
/// impl Clock for Epoch {
///     fn now(&self) -> Now {
///         Now { wall: SystemTime::UNIX_EPOCH, monotonic: Duration::ZERO }
///     }
/// }
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// Reads both clocks.
    fn now(&self) -> Now;
}

/// The clocks of the operating system.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads time"
    )]
    fn now(&self) -> Now {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let monotonic = BEFORE_START.saturating_add(START.elapsed());
        Now {
            wall: SystemTime::now(),
            monotonic,
        }
    }
}

/// The clock of a verifier, which each of its tokens carries along. The system's is nobody's to share, so that
/// a token counts itself nowhere for it.
#[derive(Clone, Debug, Default)]
pub(crate) enum SharedClock {
    #[default]
    System,
    Other(Arc<dyn Clock>),
}

impl SharedClock {
    #[inline]
    pub(crate) fn now(&self) -> Now {
        match self {
            Self::System => SystemClock.now(),
            Self::Other(clock) => clock.now(),
        }
    }
}

/// What monotonic time says at the start of a process: keys of a seed are up to so old, the most that
/// `KeyRefresh::stale_if_error` may be, and are dated back.
const BEFORE_START: Duration = Duration::from_secs(7 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "remote")]
    #[test]
    fn a_deadline_has_come_when_one_clock_says_so() {
        let now = |wall, monotonic| Now {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
            monotonic: Duration::from_secs(monotonic),
        };
        let at = |wall, monotonic| Deadline::after(Duration::ZERO, now(wall, monotonic));
        let deadline = at(10, 20);
        let never = Deadline::after(Duration::MAX, now(0, 1));
        assert_eq!(
            Deadline::after(Duration::from_secs(4), now(6, 16)),
            deadline
        );
        for (other, first) in [
            (at(9, 19), at(9, 19)),
            (at(9, 21), at(9, 20)),
            (at(11, 19), at(10, 19)),
            (at(11, 21), deadline),
            (never, deadline),
        ] {
            assert_eq!(deadline.or(other), first);
            assert_eq!(other.or(deadline), first);
        }
        for (now, expected) in [
            (now(9, 19), false),
            (now(9, 20), true),
            (now(10, 19), true),
            (now(10, 0), true),
            (now(0, 20), true),
        ] {
            assert_eq!(deadline.has_come(now), expected, "{now:?}");
            assert_eq!(deadline.left(now).is_zero(), expected, "{now:?}");
            assert!(!never.has_come(now));
            assert_eq!(never.left(now), Duration::MAX);
        }
        for (now, seconds) in [
            (now(3, 14), 6),
            (now(3, 10), 7),
            (now(4, 13), 6),
            (now(11, 0), 0),
            (now(0, 21), 0),
        ] {
            assert_eq!(deadline.left(now), Duration::from_secs(seconds), "{now:?}");
        }
    }

    #[test]
    fn monotonic_time_does_not_go_back() {
        let first = SystemClock.now();
        let second = SystemClock.now();
        assert!(second.monotonic >= first.monotonic);
        assert!(
            first.monotonic >= BEFORE_START,
            "what is a week old can be dated"
        );
    }
}
