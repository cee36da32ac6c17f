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
use moka::sync::Cache;

use super::account::Account;
use super::explanation::Witness as _;
use super::trusted::{TrustedIssuer, TrustedIssuers};
use crate::clock::Now;
use crate::jws::MAX_TOKEN_BYTES;
use crate::token::VerifiedToken;

/// How a verifier remembers tokens that it has verified, so that the next request with the same one costs
/// no signature check.
///
/// The default takes 8 MiB, which is some 3,000 usual tokens. A token is remembered when it is verified for
/// the second time; the ones used last stay. For a moment there may be a few more than fit.
///
/// # Security
///
/// A remembered token is accepted when verifying it anew would: the same bytes, by the same
/// verifier, under a key that still serves, with `exp`, `nbf`, `iat` and
/// [`Issuer::max_token_age`](crate::Issuer::max_token_age) held against the time of now. A refusal is never
/// remembered.
///
/// # Example
///
/// ```no_run
/// use portcullis::{Audience, Issuer, TokenCache, Verifier};
///
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// let verifier = Verifier::builder()
///     .issuer(Issuer::discover("https://id.example.com", Audience::of("https://api.example.com")))
///     .cache(TokenCache::bytes(64 * 1024 * 1024)) // some 25,000 tokens
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TokenCache {
    max_bytes: u64,
}

impl TokenCache {
    /// A cache that takes about so many bytes of memory; with 0 there is none. A token counts as twice its
    /// length and 1 KiB. One of thousands of audiences or scopes takes some four times that, and what
    /// handlers and policies parse of a token is kept with it and not counted.
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

/// Some 3,000 tokens of 826 bytes: the clients of a usual service, in a small part of its memory.
impl Default for TokenCache {
    fn default() -> Self {
        Self::bytes(8 * 1024 * 1024)
    }
}

/// See the module.
///
/// A token is kept when it is verified for the second time: keeping costs more than all else that is done
/// beside the signature check, and is of no use for a token that comes once. The time in between a
/// token that many requests bring at once is verified by each of them, on as many processors as there are.
pub(super) struct VerifiedTokens(Option<Tokens>);

struct Tokens {
    cache: Cache<Token, Entry, RandomState>,
    seen: Seen,
}

/// Which tokens were verified once, as far as there is room: a slot a token, which the next one takes.
struct Seen {
    slots: Box<[AtomicU64]>,
    hasher: RandomState,
}

impl Seen {
    fn new(slots: u64) -> Self {
        let slots = slots.clamp(1, MAX_SEEN);
        Self {
            slots: (0..slots).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
        }
    }

    /// Whether it was the last one in its slot, where it is now.
    fn again(&self, token: &[u8]) -> bool {
        let hash = self.hasher.hash_one(Received(token));
        let slots = u64::try_from(self.slots.len()).unwrap_or(u64::MAX);
        let slot = usize::try_from(hash % slots).unwrap_or_default();
        let last = self
            .slots
            .get(slot)
            .map(|slot| slot.swap(hash, Ordering::Relaxed));
        last == Some(hash)
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

/// The same to look one up with, without a copy.
struct Received<'a>(&'a [u8]);

impl Equivalent<Token> for Received<'_> {
    fn equivalent(&self, key: &Token) -> bool {
        *self.0 == *key.0
    }
}

/// Only the end of a token is hashed, where its signature is: tokens that were verified differ there,
/// and nobody can make one that is verified and ends like another. Hashing all of a token would
/// take twice as long as all else that a hit does. Comparing is done on all of it.
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

/// Tokens of which it is remembered that they were verified once: half a megabyte at most.
const MAX_SEEN: u64 = 65_536;
