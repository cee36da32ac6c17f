//! Tokens that this verifier has verified, so that the next request with the same one costs no
//! signature check.
//!
//! Nothing is in here that was not verified, and no refusal. What is found is held against now: the
//! cache saves the work whose outcome cannot change, and decides nothing.
//!
//! moka decides which tokens are kept, [`Recent`] finds those that are used again and again, and [`Seen`]
//! knows which are worth keeping.

mod recent;
mod seen;

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
use recent::Recent;
use seen::Seen;

/// How a verifier remembers tokens that it has verified, so that the next request with the same one costs
/// no signature check.
///
/// A verifier has one, which its clones share; configuration (feature `config`) sets it by `cache`. It takes
/// memory as it fills, but for what finds tokens in it. The default takes 8 MiB, which is some 3,100 usual tokens. A token is remembered when it is verified for
/// the second time, so the third is the first that costs no signature check. When there is no more room, the
/// ones used last stay, to the second. Room is made a little later than it is taken: for a while there may be
/// hundreds more than fit. A token goes only for want of room: an expired one stays until then, and is refused.
///
/// With the feature `metrics`, `portcullis_token_cache_hits_total`, `portcullis_token_cache_misses_total` and
/// `portcullis_token_cache_evictions_total` tell whether more would help: where tokens are evicted all the time
/// and there are few hits. Each new token misses twice, however much room there is.
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
    /// length and 1 KiB, and one that counts as more than all is not remembered. One of thousands of audiences
    /// or scopes takes some four times that, and what handlers and policies parse of a token is kept with it
    /// and not counted. Nor is what finds them again: an eighth of a mebibyte by default, a whole one at most.
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

/// Some 3,100 tokens of 826 bytes: the clients of a usual service, in a small part of its memory.
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
    kept: Cache<Text, Arc<Entry>, RandomState>,
    recent: Arc<Recent>,
    seen: Seen,
}

struct Entry {
    text: Text,
    token: VerifiedToken,
    /// The place of its issuer.
    issuer: usize,
    /// The second of monotonic time in which moka was last told of a use.
    noted: AtomicU64,
    /// Whether moka keeps it no more.
    gone: AtomicBool,
}

impl Entry {
    fn new(token: &[u8], verified: VerifiedToken, issuer: usize) -> Self {
        Self {
            text: Text(token.into()),
            token: verified,
            issuer,
            noted: AtomicU64::default(),
            gone: AtomicBool::default(),
        }
    }

    fn is_noted_in(&self, second: u64) -> bool {
        self.noted.load(Ordering::Relaxed) == second
    }

    fn note(&self, second: u64) {
        self.noted.store(second, Ordering::Relaxed);
    }
}

/// A token's exact bytes, all of them.
///
/// An entry is not its own key in moka: where a client begins with many requests at once it is replaced, and
/// moka stays with the key of the first.
#[derive(Clone, Eq, PartialEq)]
struct Text(Arc<[u8]>);

/// The same to look one up with, without a copy.
struct Received<'a>(&'a [u8]);

impl Equivalent<Text> for Received<'_> {
    fn equivalent(&self, Text(text): &Text) -> bool {
        *self.0 == **text
    }
}

/// Only the end of a token is hashed, where its signature is: tokens that were verified differ there,
/// and nobody can make one that is verified and ends like another. A few of ML-DSA do, whose signatures end
/// with counts and padding: they share a place. Hashing all of a token would take longer and tell no more.
/// Comparing is done on all of it.
fn hash_end<H: Hasher>(token: &[u8], state: &mut H) {
    let end = token.last_chunk::<HASHED_BYTES>();
    state.write(end.map_or(token, <[u8; HASHED_BYTES]>::as_slice));
}

impl Hash for Text {
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
            let places = max_bytes / PARSED_BYTES;
            let recent = Arc::new(Recent::new(places));
            let going = Arc::clone(&recent);
            let kept = Cache::builder()
                .max_capacity(max_bytes)
                // What was popular yesterday has expired.
                .eviction_policy(EvictionPolicy::lru())
                .weigher(|Text(text), _| weight(text))
                .eviction_listener(move |_, entry, cause| {
                    going.remove(&entry);
                    #[cfg(feature = "metrics")]
                    crate::metrics::token_evicted(cause);
                    let _ = cause;
                });
            Tokens {
                kept: kept.build_with_hasher(RandomState::default()),
                recent,
                seen: Seen::new(places),
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
        let tokens = self.0.as_ref()?;
        if token.len() > MAX_TOKEN_BYTES {
            return None; // never verified, and not worth a look
        }
        let mut accept = |entry: &Entry| {
            let issuer = issuers.at(entry.issuer)?;
            if !issuer.accept_again(&entry.token, now) {
                return None;
            }
            account.trusts(issuer);
            Some(entry.token.clone())
        };
        let second = now.monotonic.as_secs();
        let hit = match tokens.recent.look(token, second, &mut accept) {
            Some(looked) => looked,
            None => tokens.kept(token, second).as_deref().and_then(accept),
        };
        account.looked_up(hit.is_some());
        hit
    }

    pub(super) fn insert(&self, token: &[u8], verified: &VerifiedToken, issuer: &TrustedIssuer) {
        if let Some(Tokens { kept, seen, .. }) = &self.0
            && seen.again(token)
        {
            let entry = Arc::new(Entry::new(token, verified.clone(), issuer.place));
            kept.insert(entry.text.clone(), entry);
        }
    }
}

impl Tokens {
    /// What moka keeps of a token, which is noted as its use.
    #[inline(never)]
    fn kept(&self, token: &[u8], second: u64) -> Option<Arc<Entry>> {
        let entry = self.kept.get(&Received(token))?;
        self.recent.put(&entry, second);
        Some(entry)
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

/// Places for tokens that were verified once, and for those that are used: half a megabyte each at most.
const MAX_PLACES: usize = 65_536;

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::{AcceptedJwt, NumericDate};

    pub(super) fn entry(text: &str) -> Arc<Entry> {
        let jwt = AcceptedJwt::asserted("{}".into()).unwrap();
        let token = VerifiedToken::new(jwt, NumericDate::from_system_time(std::time::UNIX_EPOCH));
        Arc::new(Entry::new(text.as_bytes(), token, 0))
    }

    /// moka lets go of it a while later.
    #[test]
    fn an_entry_that_is_replaced_goes() {
        let VerifiedTokens(Some(tokens)) = VerifiedTokens::new(TokenCache::default()) else {
            panic!("there is a cache");
        };
        let keep = |entry: Arc<Entry>| tokens.kept.insert(entry.text.clone(), entry);
        let first = entry("a");
        keep(Arc::clone(&first));
        let gone = (0..100_000).any(|_| {
            keep(entry("a"));
            tokens.kept.run_pending_tasks();
            Arc::strong_count(&first) == 1
        });
        assert!(gone);
    }
}
