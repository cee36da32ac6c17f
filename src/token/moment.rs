//! When a token was last found acceptable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A wall time that all clones of a token share, exact from 1970 to 2554 and clamped to these.
///
/// A token of the cache is handed out again and again; the moment it was first verified at would
/// make a login look as fresh as it was then.
pub(super) struct Moment(AtomicU64);

impl Moment {
    pub(super) fn new(now: SystemTime) -> Self {
        Self(AtomicU64::new(nanoseconds(now)))
    }

    pub(super) fn get(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    pub(super) fn set(&self, now: SystemTime) {
        self.0.store(nanoseconds(now), Ordering::Relaxed);
    }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_exact_and_clamped_at_its_ends() {
        let time = UNIX_EPOCH + Duration::new(1_800_000_000, 999_999_999);
        let moment = Moment::new(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(moment.get(), UNIX_EPOCH);
        moment.set(time);
        assert_eq!(moment.get(), time);
        moment.set(UNIX_EPOCH + Duration::from_secs(1 << 40));
        assert_eq!(moment.get(), UNIX_EPOCH + Duration::from_nanos(u64::MAX));
    }
}
