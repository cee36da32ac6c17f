//! One time for everything: tokio's, paused.

use std::time::{Duration, UNIX_EPOCH};

use portcullis::{Clock, Now};
use tokio::time::Instant;

/// A clock that shows tokio's time, so that keys age while a paused runtime sleeps and waits.
#[derive(Clone, Debug)]
pub(crate) struct PausedTime(Instant);

impl PausedTime {
    #[expect(
        clippy::disallowed_methods,
        reason = "a clock of the tests, which reads a time that stands still"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(&self) -> Duration {
        Self::start().0 - self.0
    }
}

impl Clock for PausedTime {
    fn now(&self) -> Now {
        let monotonic = self.elapsed();
        Now {
            wall: UNIX_EPOCH + Duration::from_secs(1_800_000_000) + monotonic,
            monotonic,
        }
    }
}
