//! What is counted: sums and extremes only, so that tallies of parts of a fleet add up to that of the
//! whole in any order.

use std::ops::Range;
use std::time::Duration;

/// Counts over a fleet, or a part of it.
#[derive(Clone)]
pub(crate) struct Tally {
    /// Fetches that reached the issuer, by minute.
    pub(crate) fetches: Vec<u32>,
    /// Instances that first held the new key, by minute.
    pub(crate) learned: Vec<u32>,
    /// Instances that accepted the withdrawn key for the last time, by minute.
    pub(crate) dropped: Vec<u32>,
    pub(crate) last_learned: Option<Duration>,
    pub(crate) last_dropped: Option<Duration>,
    /// Honest, unexpired tokens that were refused, by minute.
    refused: Vec<u32>,
    /// Fetches by second, for a closer look at a part of the time.
    seconds: Vec<u32>,
    pub(crate) close_up: Range<Duration>,
    /// Within these times a fetch less than a minute after the instance's last is counted and dated.
    pub(crate) watched: Vec<Range<Duration>>,
    /// How long after the start of its watch the last such fetch was.
    pub(crate) last_hasty: Option<Duration>,
}

impl Tally {
    pub(crate) fn new(end: Duration, close_up: Range<Duration>) -> Self {
        let bins = vec![0; minute(end).saturating_add(1)];
        let seconds = close_up.end.saturating_sub(close_up.start).as_secs();
        Self {
            fetches: bins.clone(),
            learned: bins.clone(),
            dropped: bins.clone(),
            refused: bins,
            last_learned: None,
            last_dropped: None,
            seconds: vec![0; usize::try_from(seconds).unwrap_or_default()],
            close_up,
            watched: Vec::new(),
            last_hasty: None,
        }
    }

    /// An instance fetches, and did so before at `last`.
    pub(crate) fn fetch(&mut self, at: Duration, last: Option<Duration>) {
        count(&mut self.fetches, at);
        if self.close_up.contains(&at) {
            let second = usize::try_from((at - self.close_up.start).as_secs());
            if let Some(bin) = second.ok().and_then(|second| self.seconds.get_mut(second)) {
                *bin += 1;
            }
        }
        let watch = self.watched.iter().find(|watch| watch.contains(&at));
        if let (Some(watch), Some(last)) = (watch, last)
            && at.saturating_sub(last) < BIN
        {
            self.last_hasty = self.last_hasty.max(Some(at - watch.start));
        }
    }

    pub(crate) fn learned(&mut self, at: Duration) {
        count(&mut self.learned, at);
        self.last_learned = self.last_learned.max(Some(at));
    }

    pub(crate) fn dropped(&mut self, at: Duration) {
        count(&mut self.dropped, at);
        self.last_dropped = self.last_dropped.max(Some(at));
    }

    /// So many honest tokens are refused.
    pub(crate) fn refused(&mut self, at: Duration, tokens: u32) {
        if let Some(bin) = self.refused.get_mut(minute(at)) {
            *bin += tokens;
        }
    }

    /// Adds the tally of another part of the fleet.
    pub(crate) fn add(&mut self, other: &Self) {
        for (ours, theirs) in [
            (&mut self.fetches, &other.fetches),
            (&mut self.learned, &other.learned),
            (&mut self.dropped, &other.dropped),
            (&mut self.refused, &other.refused),
            (&mut self.seconds, &other.seconds),
        ] {
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                *ours += theirs;
            }
        }
        self.last_learned = self.last_learned.max(other.last_learned);
        self.last_dropped = self.last_dropped.max(other.last_dropped);
        self.last_hasty = self.last_hasty.max(other.last_hasty);
    }

    pub(crate) fn instances_that_learned(&self) -> u32 {
        self.learned.iter().sum()
    }

    pub(crate) fn tokens_refused(&self, window: &Range<Duration>) -> u64 {
        let refused = within(&self.refused, window);
        refused.map(|count| u64::from(*count)).sum()
    }

    /// Fetches a second by minute, over whole minutes.
    pub(crate) fn rates(&self, window: &Range<Duration>) -> impl Iterator<Item = f64> + use<'_> {
        let fetches = within(&self.fetches, window);
        fetches.map(|count| f64::from(*count) / BIN.as_secs_f64())
    }

    /// Fetches in the busiest second of the closer look.
    pub(crate) fn busiest_second(&self) -> u32 {
        self.seconds.iter().copied().max().unwrap_or_default()
    }

    /// Fetches a second: the mean, and that of the busiest minute.
    pub(crate) fn load(&self, window: &Range<Duration>) -> Load {
        let (mut sum, mut bins, mut peak) = (0.0, 0_u32, 0.0_f64);
        for rate in self.rates(window) {
            sum += rate;
            bins += 1;
            peak = peak.max(rate);
        }
        Load {
            mean: sum / f64::from(bins.max(1)),
            peak,
        }
    }
}

/// Fetches a second at the issuer.
#[derive(Clone, Copy)]
pub(crate) struct Load {
    pub(crate) mean: f64,
    pub(crate) peak: f64,
}

pub(crate) const BIN: Duration = Duration::from_secs(60);

pub(crate) fn minute(at: Duration) -> usize {
    usize::try_from(at.as_secs() / BIN.as_secs()).unwrap_or(usize::MAX)
}

/// The whole minutes of a window, as many as there are.
fn within<'a>(
    bins: &'a [u32],
    window: &Range<Duration>,
) -> impl Iterator<Item = &'a u32> + use<'a> {
    let minutes = minute(window.end).saturating_sub(minute(window.start));
    bins.iter().skip(minute(window.start)).take(minutes)
}

fn count(bins: &mut [u32], at: Duration) {
    if let Some(bin) = bins.get_mut(minute(at)) {
        *bin += 1;
    }
}
