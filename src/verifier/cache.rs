//! Tokens that this verifier has verified, so that the next request with the same one costs no
//! signature check.
//!
//! Nothing is in here that was not verified, and no refusal. What is found is held against now: the
//! cache saves the work whose outcome cannot change, and decides nothing.

use std::hash::{BuildHasher as _, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use equivalent::Equivalent;
use foldhash::fast::RandomState;
use moka::policy::EvictionPolicy;
use moka::sync::{Cache, SegmentedCache};

use super::account::Account;
use super::explanation::Witness as _;
use super::trusted::{TrustedIssuer, TrustedIssuers};
use crate::clock::Now;
use crate::jws::MAX_TOKEN_BYTES;
use crate::token::VerifiedToken;

/// How a verifier remembers tokens that it has verified, so that the next request with the same one costs
/// no signature check.
///
/// The default takes 8 MiB, which is some 2,800 usual tokens. A token is remembered when it is verified for
/// the second time, so the third is the first that costs no signature check. When there is no more room, the
/// ones used last stay. For a while there may be hundreds more than fit. A token goes only for want of room:
/// an expired one stays until then, and is refused.
///
/// From 4 MiB on a cache is in two parts, from 8 MiB on in four, each with its share of the room: processors that note
/// their hits in one place slow each other down. Parts do not fill up alike, so the first tokens may go at nine
/// tenths of what fits.
///
/// With the feature `metrics`, `portcullis_token_cache_hits_total`, `portcullis_token_cache_misses_total` and
/// `portcullis_token_cache_evictions_total` tell whether more would help.
///
/// # Security
///
/// A remembered token is accepted when verifying it anew would: the same bytes, by the same
/// verifier, under a key that still serves, with `exp`, `nbf`, `iat` and
/// [`Issuer::max_token_age`](crate::Issuer::max_token_age) held against the time of now. A refusal is never
/// remembered. With a cache or without, nobody asks the issuer whether it has revoked a token since.
///
/// # Example
///
/// ```no_run
/// use portcullis::{Audience, Issuer, TokenCache, Verifier};
///
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::builder()
///     .issuer(Issuer::discover("https://id.example.com", Audience::of("https://api.example.com")))
///     .cache(TokenCache::bytes(64 * 1024 * 1024)) // some 24,000 tokens
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenCache {
    max_bytes: u64,
}

impl TokenCache {
    /// A cache that takes about so many bytes of memory; with 0 there is none. A token counts as twice its
    /// length and 1 KiB, and one that counts as more than all is not remembered. One of thousands of audiences
    /// or scopes takes some four times that, and what handlers and policies parse of a token is kept with it
    /// and not counted.
    #[must_use]
    pub const fn bytes(max_bytes: u64) -> Self {
        Self { max_bytes }
    }

    /// Remembers nothing: each request costs a signature check.
    #[must_use]
    pub const fn off() -> Self {
        Self::bytes(0)
    }
}

/// Some 2,800 tokens of 826 bytes: the clients of a usual service, in a small part of its memory.
impl Default for TokenCache {
    fn default() -> Self {
        Self::bytes(8 * 1024 * 1024)
    }
}

/// See the module.
///
/// A token is kept when it is verified for the second time: keeping costs more than all else that is done
/// beside the signature check, and is of no use for a token that comes once. Until then a token that many
/// requests bring at once is verified by each of them, on as many processors as there are.
pub(super) struct VerifiedTokens(Option<Tokens>);

struct Tokens {
    /// In parts, because processors that note their hits in one place slow each other down.
    cache: SegmentedCache<Token, Entry, RandomState>,
    seen: Seen,
}

/// Which tokens were verified once, as far as there is room: a few that share a place, the newest. Clients
/// that take turns, as those do that poll, do not make each other forgotten before they are many.
struct Seen {
    places: Box<[[AtomicU64; SHARERS]]>,
    hasher: RandomState,
}

impl Seen {
    fn new(tokens: u64) -> Self {
        let tokens = usize::try_from(tokens).unwrap_or(usize::MAX);
        let places = tokens.clamp(1, MAX_SEEN).div_ceil(SHARERS);
        Self {
            places: (0..places).map(|_| Default::default()).collect(),
            hasher: RandomState::default(),
        }
    }

    /// Whether it is still known from before; from now on it is, and the oldest in its place is not.
    ///
    /// Nobody is kept waiting: of two tokens that come to one place at the same time one may be lost.
    fn again(&self, token: &[u8]) -> bool {
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

#[derive(Clone)]
struct Entry {
    token: VerifiedToken,
    /// The place of its issuer.
    issuer: usize,
}

/// A token by its exact bytes, all of them.
#[derive(Eq, PartialEq)]
struct Token(Box<[u8]>);

/// The same to look one up with, without a copy. `SegmentedCache` asks for `Eq`.
#[derive(Eq, PartialEq)]
struct Received<'a>(&'a [u8]);

impl Equivalent<Token> for Received<'_> {
    fn equivalent(&self, key: &Token) -> bool {
        *self.0 == *key.0
    }
}

/// Only the end of a token is hashed, where its signature is: tokens that were verified differ there,
/// and nobody can make one that is verified and ends like another. Hashing all of a token would
/// take longer and tell no more. Comparing is done on all of it.
fn hash_end<H: Hasher>(token: &[u8], state: &mut H) {
    let end = token.last_chunk::<HASHED_BYTES>();
    state.write(end.map_or(token, <[u8; HASHED_BYTES]>::as_slice));
}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_end(&self.0, state);
    }
}

impl Hash for Received<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        hash_end(self.0, state);
    }
}

impl VerifiedTokens {
    pub(super) fn new(TokenCache { max_bytes }: TokenCache) -> Self {
        let tokens = || {
            let cache = Cache::builder()
                .max_capacity(max_bytes)
                .segments(parts(max_bytes))
                // What was popular yesterday has expired.
                .eviction_policy(EvictionPolicy::lru())
                .weigher(|token: &Token, _| weight(&token.0));
            #[cfg(feature = "metrics")]
            let cache = cache.eviction_listener(|_, _, cause| crate::metrics::token_evicted(cause));
            Tokens {
                cache: cache.build_with_hasher(RandomState::default()),
                seen: Seen::new(max_bytes / PARSED_BYTES),
            }
        };
        Self((max_bytes > 0).then(tokens))
    }

    /// What was verified before and would be now.
    #[inline]
    pub(super) fn get<'v>(
        &self,
        token: &[u8],
        issuers: &'v TrustedIssuers,
        now: Now,
        account: &mut Account<'v>,
    ) -> Option<VerifiedToken> {
        let Tokens { cache, .. } = self.0.as_ref()?;
        if token.len() > MAX_TOKEN_BYTES {
            return None; // never verified, and not worth a look
        }
        let hit = cache.get(&Received(token)).and_then(|entry| {
            let issuer = issuers.at(entry.issuer)?;
            if !issuer.accept_again(&entry.token, now) {
                return None;
            }
            account.trusts(issuer);
            Some(entry.token)
        });
        account.looked_up(hit.is_some());
        hit
    }

    pub(super) fn insert(&self, token: &[u8], verified: &VerifiedToken, issuer: &TrustedIssuer) {
        if let Some(Tokens { cache, seen }) = &self.0
            && seen.again(token)
        {
            let entry = Entry {
                token: verified.clone(),
                issuer: issuer.place,
            };
            cache.insert(Token(token.into()), entry);
        }
    }
}

/// How many parts a cache has. A power of two, as moka would make it one.
fn parts(max_bytes: u64) -> usize {
    let parts = usize::try_from(max_bytes / PART_BYTES).unwrap_or(usize::MAX);
    1 << parts.clamp(1, MAX_PARTS).ilog2()
}

/// The bytes of an entry: the token, its payload, which is smaller, and what is parsed of it.
fn weight(token: &[u8]) -> u32 {
    let bytes = u64::try_from(token.len()).unwrap_or(u64::MAX);
    let bytes = bytes.saturating_mul(2).saturating_add(PARSED_BYTES);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Bytes of a token's end that are hashed: 192 bits of its signature.
const HASHED_BYTES: usize = 32;

/// About what a token takes beside its text: claims, header, and the entry itself.
const PARSED_BYTES: u64 = 1_024;

/// The least that a part of a cache is, if it is not all: room for sixty of the longest tokens.
const PART_BYTES: u64 = 2 << 20;

/// With more, two processors with different tokens meet less often, and more room stays unused: parts do
/// not fill up alike.
const MAX_PARTS: usize = 4;

/// Tokens that share a place among those that were verified once: of a thousand tokens in a cache of the
/// default size, two have four others there.
const SHARERS: usize = 4;

/// Tokens of which it is remembered that they were verified once: half a megabyte at most.
const MAX_SEEN: usize = 65_536;

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
    fn a_cache_is_in_parts_if_it_is_large() {
        for (mib, expected) in [
            (0, 1),
            (1, 1),
            (3, 1),
            (4, 2),
            (5, 2),
            (7, 2),
            (8, 4),
            (64, 4),
        ] {
            assert_eq!(parts(mib << 20), expected, "{mib}");
        }
        assert_eq!(parts(u64::MAX), MAX_PARTS);
    }

    #[test]
    fn there_are_no_more_places_than_the_most() {
        assert_eq!(Seen::new(0).places.len(), 1);
        assert_eq!(Seen::new(9).places.len(), 3);
        assert_eq!(Seen::new(u64::MAX).places.len(), MAX_SEEN / SHARERS);
    }
}
