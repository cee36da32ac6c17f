//! Where the tokens are found that are used again and again.

use std::hash::BuildHasher as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use arc_swap::ArcSwapOption;
use foldhash::fast::RandomState;

use super::{Entry, MAX_PLACES, Received};

/// Entries of moka, each in a place that its token's hash names, one to a place.
///
/// For moka to find an entry takes longer than all else that a remembered token costs, and it notes each use
/// where other processors note theirs. Told of a token once a second it knows as well which are in use; for
/// the rest of the second the token is found here.
pub(super) struct Recent {
    /// So many that their number less one is a mask.
    places: Box<[ArcSwapOption<Entry>]>,
    mask: u64,
    hasher: RandomState,
}

impl Recent {
    pub(super) fn new(tokens: u64) -> Self {
        let places = usize::try_from(tokens).unwrap_or(MAX_PLACES);
        let places = places.clamp(1, MAX_PLACES).next_power_of_two();
        Self {
            mask: u64::try_from(places).map_or(0, |places| places - 1),
            places: (0..places).map(|_| ArcSwapOption::empty()).collect(),
            hasher: RandomState::default(),
        }
    }

    /// Looks at the entry of this token, if moka was told of a use in this second.
    #[inline]
    pub(super) fn look<T>(
        &self,
        token: &[u8],
        second: u64,
        look: impl FnOnce(&Entry) -> T,
    ) -> Option<T> {
        let there = self.place(token)?.load();
        let entry = there.as_ref()?;
        (entry.is_noted_in(second) && *entry.text.0 == *token).then(|| look(entry))
    }

    /// What moka has found, and so has noted in this second.
    ///
    /// Of two tokens for one place the first stays as long as it is used: moka finds the other.
    pub(super) fn put(&self, entry: &Arc<Entry>, second: u64) {
        if !entry.is_noted_in(second) {
            entry.note(second);
        }
        let Some(place) = self.place(&entry.text.0) else {
            return;
        };
        let in_use = |there: &Arc<Entry>| {
            there.is_noted_in(second) || there.is_noted_in(second.saturating_sub(1))
        };
        if !place.load().as_ref().is_some_and(in_use) {
            place.store(Some(Arc::clone(entry)));
            if entry.gone.load(Ordering::SeqCst) {
                self.remove(entry); // while it was put here, perhaps
            }
        }
    }

    /// What moka keeps no more.
    pub(super) fn remove(&self, entry: &Arc<Entry>) {
        entry.gone.store(true, Ordering::SeqCst);
        if let Some(place) = self.place(&entry.text.0) {
            place.compare_and_swap(Arc::as_ptr(entry), None);
        }
    }

    #[inline]
    fn place(&self, token: &[u8]) -> Option<&ArcSwapOption<Entry>> {
        let hash = self.hasher.hash_one(Received(token));
        self.places.get(usize::try_from(hash & self.mask).ok()?)
    }
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use super::super::tests::entry;
    use super::super::{TokenCache, VerifiedTokens};
    use super::*;

    const SECOND: u64 = 700_000;

    fn knows(recent: &Recent, text: &str, second: u64) -> bool {
        let found = recent.look(text.as_bytes(), second, |entry| {
            assert_eq!(*entry.text.0, *text.as_bytes());
        });
        found.is_some()
    }

    #[test]
    fn an_entry_is_found_in_the_second_of_its_use() {
        let recent = Recent::new(1_000);
        assert!(!knows(&recent, "a", SECOND));
        let entry = entry("a");
        for second in [SECOND, SECOND + 1, SECOND + 9, SECOND - 9] {
            assert!(!knows(&recent, "a", second));
            recent.put(&entry, second);
            assert!(knows(&recent, "a", second));
            assert!(!knows(&recent, "a", second + 1) && !knows(&recent, "a", second - 1));
        }
    }

    #[test]
    fn of_two_for_one_place_the_first_stays_as_long_as_it_is_used() {
        let recent = Recent::new(1);
        let (first, other) = (entry("a"), entry("b"));
        recent.put(&first, SECOND);
        for second in [SECOND, SECOND + 1] {
            recent.put(&other, second); // the first may be used again in this second
            assert!(!knows(&recent, "b", second));
        }
        recent.put(&first, SECOND + 1);
        recent.put(&other, SECOND + 2);
        assert!(!knows(&recent, "b", SECOND + 2));
        recent.put(&other, SECOND + 3);
        assert!(knows(&recent, "b", SECOND + 3));
        recent.put(&first, SECOND + 4);
        assert!(!knows(&recent, "a", SECOND + 4));
    }

    #[test]
    fn what_is_removed_is_not_found() {
        let recent = Recent::new(1);
        let (one, other) = (entry("a"), entry("a"));
        recent.put(&one, SECOND);
        recent.remove(&other); // another entry of the same token
        assert!(knows(&recent, "a", SECOND));
        recent.remove(&one);
        assert!(!knows(&recent, "a", SECOND));
        recent.put(&one, SECOND); // by who has just got it from moka
        assert!(!knows(&recent, "a", SECOND));
        assert_eq!(Arc::strong_count(&one), 1);
    }

    #[test]
    fn most_of_many_have_a_place() {
        let recent = Recent::new(1_000);
        let texts: Vec<_> = (0..100).map(|n| format!("{n:032}")).collect();
        texts
            .iter()
            .for_each(|text| recent.put(&entry(text), SECOND));
        let found = texts.iter().filter(|text| knows(&recent, text, SECOND));
        assert!(found.count() > 80);
    }

    #[test]
    fn places_are_for_as_many_tokens_as_may_fit() {
        for (tokens, places) in [
            (0, 1),
            (1, 1),
            (9, 16),
            (8_192, 8_192),
            (u64::MAX, MAX_PLACES),
        ] {
            assert_eq!(Recent::new(tokens).places.len(), places);
        }
        for (bytes, places) in [(1, 1), (1 << 20, 1_024), (8 << 20, 8_192)] {
            let VerifiedTokens(Some(tokens)) = VerifiedTokens::new(TokenCache::bytes(bytes)) else {
                panic!("there is a cache");
            };
            assert_eq!(tokens.recent.places.len(), places);
        }
    }
}
