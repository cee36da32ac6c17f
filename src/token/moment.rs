//! When a token was last found acceptable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::claims::NumericDate;

/// A wall time that all clones of a token share, exact from 1970 to 2554 and clamped to these.
///
/// A token of the cache is handed out again and again; the moment it was first verified at would
/// make a login look as fresh as it was then.
pub(super) struct Moment(AtomicU64);

impl Moment {
    pub(super) fn new(now: NumericDate) -> Self {
        Self(AtomicU64::new(now.nanoseconds()))
    }

    pub(super) fn get(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, now: NumericDate) {
        self.0.store(now.nanoseconds(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_exact_and_clamped_at_its_ends() {
        let time = UNIX_EPOCH + Duration::new(1_800_000_000, 999_999_999);
        let at = NumericDate::from_system_time;
        let moment = Moment::new(at(UNIX_EPOCH - Duration::from_secs(1)));
        assert_eq!(moment.get(), UNIX_EPOCH);
        moment.set(at(time));
        assert_eq!(moment.get(), time);
        moment.set(at(UNIX_EPOCH + Duration::from_secs(1 << 40)));
        assert_eq!(moment.get(), UNIX_EPOCH + Duration::from_nanos(u64::MAX));
    }
}
