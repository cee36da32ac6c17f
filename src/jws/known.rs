//! Headers that tokens had whose signature was right, so that the next token with the same one costs no
//! parsing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arc_swap::ArcSwap;

use super::{Header, Signed};

/// A few headers by their exact text. An issuer has one for each of its keys in use.
///
/// A header is nothing but what its text says, so knowing it changes no outcome. None is kept before
/// its signature was right: strangers cannot push out the ones in use.
#[derive(Default)]
pub(crate) struct KnownHeaders {
    known: ArcSwap<Vec<Known>>,
    /// How many tokens with another header there were.
    others: AtomicUsize,
}

#[derive(Clone)]
struct Known {
    /// As it stands in a token.
    text: Arc<[u8]>,
    header: Header,
}

impl KnownHeaders {
    pub(super) fn find(&self, text: &[u8]) -> Option<Header> {
        let known = self.known.load();
        let found = known.iter().find(|known| *known.text == *text);
        found.map(|known| known.header.clone())
    }

    /// Remembers the header of this token, whose signature was right, unless it was found here.
    pub(crate) fn learn(&self, token: &[u8], signed: &Signed) {
        self.keep(token, &signed.header);
    }

    fn keep(&self, token: &[u8], header: &Header) {
        // One that was found here, and not parsed, is held here.
        if header.is_shared() {
            return;
        }
        let known = self.known.load();
        let Some(text) = token.split(|&byte| byte == b'.').next() else {
            return;
        };
        // Requests that parsed it at the same time learn it once.
        if known.iter().any(|known| *known.text == *text) {
            return;
        }
        let others = self.others.fetch_add(1, Ordering::Relaxed);
        let is_full = known.len() >= MAX_KNOWN;
        if is_full && !others.is_multiple_of(LEARN_ONE_IN) {
            return;
        }
        let kept = known.iter().skip(usize::from(is_full)).cloned();
        let new = Known {
            text: text.into(),
            header: header.clone(),
        };
        self.known.store(Arc::new(kept.chain([new]).collect()));
    }
}

/// Headers that are kept, the newest: two keys of four issuers. They are looked through one by one.
const MAX_KNOWN: usize = 8;

/// Of the headers beyond, so many go by before one takes the place of the oldest: a service of a
/// hundred issuers would do nothing else.
const LEARN_ONE_IN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn header(n: usize) -> (Vec<u8>, Header) {
        let header = Header::parse(format!(r#"{{"alg":"ES256","kid":"{n}"}}"#).as_bytes());
        (format!("header-{n}").into_bytes(), header.unwrap())
    }

    fn learn(known: &KnownHeaders, n: usize) {
        let (text, header) = header(n);
        known.keep(&[&text, &b".payload.signature"[..]].concat(), &header);
    }

    fn knows(known: &KnownHeaders, n: usize) -> bool {
        let (text, expected) = header(n);
        let found = known.find(&text);
        assert!(found.as_ref().is_none_or(|found| *found == expected));
        found.is_some()
    }

    #[test]
    fn a_header_is_known_by_all_of_its_text() {
        let known = KnownHeaders::default();
        assert!(!knows(&known, 1));
        learn(&known, 1);
        assert!(knows(&known, 1));
        assert!(known.find(b"header-").is_none() && known.find(b"header-11").is_none());
        assert!(!knows(&known, 2));
    }

    #[test]
    fn the_newest_eight_are_kept() {
        let known = KnownHeaders::default();
        (0..MAX_KNOWN).for_each(|n| learn(&known, n));
        assert!((0..MAX_KNOWN).all(|n| knows(&known, n)));
        let far = 1_000;
        (0..LEARN_ONE_IN).for_each(|_| learn(&known, far));
        assert!(knows(&known, far) && !knows(&known, 0));
        assert!((1..MAX_KNOWN).all(|n| knows(&known, n)));
        (0..10_000).for_each(|n| learn(&known, n));
        assert_eq!(known.known.load().len(), MAX_KNOWN);
    }

    /// As when many requests bring the first tokens of a key at once.
    #[test]
    fn one_that_was_parsed_at_the_same_time_by_others_is_kept_once() {
        let known = KnownHeaders::default();
        (0..MAX_KNOWN).for_each(|_| learn(&known, 1));
        assert_eq!(known.known.load().len(), 1);
        learn(&known, 2);
        assert!(knows(&known, 1) && knows(&known, 2));
    }

    #[test]
    fn one_that_was_found_is_not_learnt_again() {
        let known = KnownHeaders::default();
        learn(&known, 1);
        let found = known.find(b"header-1").unwrap();
        known.keep(b"header-1.payload.signature", &found);
        assert_eq!(known.known.load().len(), 1);
    }
}
