//! Which tokens were verified once, so that they are kept when they are verified again.

use std::hash::BuildHasher as _;
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::fast::RandomState;

use super::{MAX_PLACES, Received};

/// Which tokens were verified once, as far as there is room: a few that share a place, the newest. Clients
/// that take turns, as those do that poll, do not make each other forgotten before they are many.
pub(super) struct Seen {
    places: Box<[[AtomicU64; SHARERS]]>,
    hasher: RandomState,
}

impl Seen {
    pub(super) fn new(tokens: u64) -> Self {
        let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
        let places = tokens.clamp(1, MAX_PLACES).div_ceil(SHARERS);
        Self {
            places: (0..places).map(|_| Default::default()).collect(),
            hasher: RandomState::default(),
        }
    }

    /// Whether it is still known from before; from now on it is, and the oldest in its place is not.
    ///
    /// Nobody is kept waiting: of two tokens that come to one place at the same time one may be lost.
    pub(super) fn again(&self, token: &[u8]) -> bool {
        let hash = self.hasher.hash_one(Received(token));
        let places = u64::try_from(self.places.len()).unwrap_or(u64::MAX);
        let place = usize::try_from(hash % places).unwrap_or_default();
        let mut newest = hash;
        for seen in self.places.get(place).into_iter().flatten() {
            let older = seen.load(Ordering::Relaxed);
            seen.store(newest, Ordering::Relaxed);
            if older == hash {
                return true;
            }
            newest = older;
        }
        false
    }
}

/// Tokens that share a place among those that were verified once: of a thousand tokens in a cache of the
/// default size, two have four others there.
const SHARERS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows each of these tokens so many times, all in turn; which were known the last time.
    fn known(seen: &Seen, tokens: usize, rounds: usize) -> Vec<bool> {
        let show = |n: usize| seen.again(format!("{n:032}").as_bytes());
        (1..rounds).for_each(|_| (0..tokens).for_each(|n| _ = show(n)));
        (0..tokens).map(show).collect()
    }

    #[test]
    fn tokens_that_take_turns_in_one_place_are_known_the_second_time_if_they_are_few() {
        for (tokens, expected) in [(1, true), (2, true), (SHARERS, true), (SHARERS + 1, false)] {
            let seen = Seen::new(1);
            assert_eq!(seen.places.len(), 1);
            assert_eq!(known(&seen, tokens, 1), vec![false; tokens]);
            assert_eq!(known(&seen, tokens, 1), vec![expected; tokens]);
            assert_eq!(known(&seen, tokens, 9), vec![expected; tokens]);
        }
    }

    #[test]
    fn the_newest_are_known() {
        let seen = Seen::new(1);
        known(&seen, 100, 1);
        for n in (100 - SHARERS..100).rev() {
            assert!(seen.again(format!("{n:032}").as_bytes()), "{n}");
        }
        assert!(!seen.again(format!("{:032}", 99 - SHARERS).as_bytes()));
    }

    #[test]
    fn there_are_no_more_places_than_the_most() {
        assert_eq!(Seen::new(0).places.len(), 1);
        assert_eq!(Seen::new(9).places.len(), 3);
        assert_eq!(Seen::new(u64::MAX).places.len(), MAX_PLACES / SHARERS);
    }
}
