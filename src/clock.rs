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

#[cfg(feature = "remote")]
impl Now {
    /// What both clocks say so much later. One that cannot tell it says what it says now.
    pub(crate) fn plus(self, time: Duration) -> Self {
        Self {
            wall: self.wall.checked_add(time).unwrap_or(self.wall),
            monotonic: self.monotonic.saturating_add(time),
        }
    }

    /// Of each clock what is earlier.
    pub(crate) fn earlier(self, other: Self) -> Self {
        Self {
            wall: self.wall.min(other.wall),
            monotonic: self.monotonic.min(other.monotonic),
        }
    }

    /// Whether one of the clocks has come so far. Every token asks, and comparing is quicker than to tell how
    /// long ago something was.
    #[inline]
    pub(crate) fn has_reached(self, moment: Self) -> bool {
        self.wall >= moment.wall || self.monotonic >= moment.monotonic
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
    fn each_clock_is_compared_with_itself() {
        let now = |wall, monotonic| Now {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(wall),
            monotonic: Duration::from_secs(monotonic),
        };
        let moment = now(10, 20);
        assert_eq!(moment.plus(Duration::from_secs(5)), now(15, 25));
        for (other, earlier) in [
            (now(9, 19), now(9, 19)),
            (now(9, 21), now(9, 20)),
            (now(11, 19), now(10, 19)),
            (now(11, 21), moment),
        ] {
            assert_eq!(moment.earlier(other), earlier);
            assert_eq!(other.earlier(moment), earlier);
            assert_eq!(other.has_reached(moment), other != now(9, 19));
        }
        assert!(moment.has_reached(moment));
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
