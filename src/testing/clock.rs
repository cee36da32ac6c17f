//! A clock that stands still until a test moves it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use crate::clock::{Clock, Now};

/// A [`Clock`] that a test moves by hand. Clones share the time.
///
/// Give one to the verifier through [`VerifierBuilder::clock`](crate::VerifierBuilder::clock), and to
/// the issuer through [`TestIssuer::with_clock`](crate::testing::TestIssuer::with_clock), so that
/// tokens are issued and checked at the same time of day.
///
/// It moves claims, key ages and cool-downs. It does not move the deadlines of a fetch that is under
/// way: those are the runtime's, and tokio's paused time moves them.
///
/// # Example
///
/// ```
/// use std::time::Duration;
/// use portcullis::Clock;
/// use portcullis::testing::VirtualClock;
///
/// let clock = VirtualClock::at_unix(1_800_000_000);
/// let before = clock.now();
/// let minute = Duration::from_secs(60);
/// clock.advance(minute);
/// assert_eq!(clock.now().wall, before.wall + minute);
/// assert_eq!(clock.now().monotonic, before.monotonic + minute);
/// ```
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<Mutex<Now>>);

impl VirtualClock {
    /// A clock whose time of day is `wall` and whose monotonic time starts at zero.
    #[must_use]
    pub fn new(wall: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(Now {
            wall,
            monotonic: Duration::ZERO,
        })))
    }

    /// A clock whose time of day is so many seconds after 1970-01-01T00:00:00Z, as claims count them.
    ///
    /// # Panics
    ///
    /// If the operating system cannot represent that time.
    #[must_use]
    #[track_caller]
    pub fn at_unix(seconds: u64) -> Self {
        Self::new(later(SystemTime::UNIX_EPOCH, Duration::from_secs(seconds)))
    }

    /// Lets time pass on both clocks.
    ///
    /// # Panics
    ///
    /// If the operating system cannot represent the time that would be reached.
    #[track_caller]
    pub fn advance(&self, duration: Duration) {
        let mut now = self.lock();
        now.wall = later(now.wall, duration);
        now.monotonic = now.monotonic.saturating_add(duration);
    }

    /// Sets the time of day, forwards or backwards, as an administrator or NTP does. Monotonic time
    /// stays.
    pub fn set_wall(&self, wall: SystemTime) {
        self.lock().wall = wall;
    }

    /// Lets time pass as a suspended machine sees it: the time of day moves, monotonic time does not.
    ///
    /// # Panics
    ///
    /// If the operating system cannot represent the time that would be reached.
    #[track_caller]
    pub fn suspend(&self, duration: Duration) {
        let mut now = self.lock();
        now.wall = later(now.wall, duration);
    }

    // Every change is a plain assignment, so a panic elsewhere cannot leave half of one behind.
    fn lock(&self) -> MutexGuard<'_, Now> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Now {
        *self.lock()
    }
}

#[track_caller]
fn later(time: SystemTime, duration: Duration) -> SystemTime {
    time.checked_add(duration)
        .expect("the operating system can represent the time of the test")
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_800_000_000;

    /// Applies `change` and checks by how many seconds each clock is ahead of the start.
    #[track_caller]
    fn check(change: impl FnOnce(&VirtualClock), wall: u64, monotonic: u64) {
        let clock = VirtualClock::at_unix(START);
        let twin = clock.clone();
        change(&twin);
        let now = clock.now();
        let ahead =
            now.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap() - Duration::from_secs(START);
        assert_eq!(
            (ahead.as_secs(), now.monotonic.as_secs()),
            (wall, monotonic)
        );
    }

    #[test]
    fn each_change_moves_the_clocks_it_names() {
        check(|_| (), 0, 0);
        check(|clock| clock.advance(Duration::from_secs(7)), 7, 7);
        check(|clock| clock.suspend(Duration::from_secs(7)), 7, 0);
        check(
            |clock| clock.set_wall(SystemTime::UNIX_EPOCH + Duration::from_secs(START + 7)),
            7,
            0,
        );
    }

    #[test]
    fn the_time_of_day_can_go_back_and_monotonic_time_cannot() {
        let clock = VirtualClock::at_unix(START);
        clock.advance(Duration::from_secs(5));
        clock.set_wall(SystemTime::UNIX_EPOCH);
        let expected = Now {
            wall: SystemTime::UNIX_EPOCH,
            monotonic: Duration::from_secs(5),
        };
        assert_eq!(clock.now(), expected);
    }
}
