//! Real time, with jumps ahead.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use portcullis::{Clock, Now, SystemClock};

/// The system's clock, moved ahead by hand: real tokens stay valid, and the seconds that must pass
/// between two fetches need not be waited for.
#[derive(Clone, Debug, Default)]
pub(crate) struct FastForward(Arc<AtomicU64>);

impl FastForward {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), Ordering::SeqCst);
    }
}

impl Clock for FastForward {
    fn now(&self) -> Now {
        let ahead = Duration::from_secs(self.0.load(Ordering::SeqCst));
        let now = SystemClock::default().now();
        Now {
            wall: now.wall + ahead,
            monotonic: now.monotonic + ahead,
        }
    }
}
