//! Tokens that this verifier has verified, so that the next request with the same one costs no
//! signature check.
//!
//! Nothing is in here that was not verified, and no refusal. What is found is held against now: the
//! cache saves the work whose outcome cannot change, and decides nothing.

use std::hash::{Hash, Hasher};

use equivalent::Equivalent;
use moka::sync::Cache;

use super::trusted::{TrustedIssuer, TrustedIssuers};
use crate::clock::Now;
use crate::token::VerifiedToken;

/// See the module.
pub(super) struct VerifiedTokens(Option<Cache<Token, Entry>>);

#[derive(Clone)]
struct Entry {
    token: VerifiedToken,
    /// The place of its issuer.
    issuer: usize,
}

/// A token by its exact bytes, all of them.
#[derive(Eq, PartialEq)]
struct Token(Box<str>);

/// The same to look one up with, without a copy.
struct Received<'a>(&'a str);

impl Equivalent<Token> for Received<'_> {
    fn equivalent(&self, key: &Token) -> bool {
        *self.0 == *key.0
    }
}

/// Only the end of a token is hashed, where its signature is: tokens that were verified differ there,
/// and nobody can make one that is verified and ends like another. Hashing all of a token would
/// take twice as long as all else that a hit does. Comparing is done on all of it.
fn hash_end<H: Hasher>(token: &str, state: &mut H) {
    let bytes = token.as_bytes();
    let end = bytes.last_chunk::<HASHED_BYTES>();
    state.write(end.map_or(bytes, <[u8; HASHED_BYTES]>::as_slice));
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
    /// A cache that takes so many bytes; with 0 none.
    pub(super) fn new(max_bytes: u64) -> Self {
        let cache = || {
            Cache::builder()
                .max_capacity(max_bytes)
                .weigher(|token: &Token, _| weight(&token.0))
                .build()
        };
        Self((max_bytes > 0).then(cache))
    }

    /// What was verified before and would be now.
    pub(super) fn get(
        &self,
        token: &str,
        issuers: &TrustedIssuers,
        now: Now,
    ) -> Option<VerifiedToken> {
        let Entry { token, issuer } = self.0.as_ref()?.get(&Received(token))?;
        if !issuers.at(issuer)?.still_accepts(&token, now) {
            return None;
        }
        token.verified_again(now.wall);
        Some(token)
    }

    pub(super) fn insert(&self, token: &str, verified: &VerifiedToken, issuer: &TrustedIssuer) {
        if let Some(cache) = &self.0 {
            let entry = Entry {
                token: verified.clone(),
                issuer: issuer.place,
            };
            cache.insert(Token(token.into()), entry);
        }
    }
}

/// The bytes of an entry: the token, its payload, which is smaller, and what is parsed of it.
fn weight(token: &str) -> u32 {
    let bytes = token.len().saturating_mul(2).saturating_add(PARSED_BYTES);
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Bytes of a token's end that are hashed: 192 bits of its signature.
const HASHED_BYTES: usize = 32;

/// About what a token takes beside its text: claims, header, and the entry itself.
const PARSED_BYTES: usize = 1_024;

/// Some 3,000 tokens of 826 bytes: the clients of a usual service, in a small part of its memory.
pub(super) const DEFAULT_CACHE_BYTES: u64 = 8 * 1024 * 1024;
