//! Keys of one issuer as they stood at one moment, and which of them a token's header asks for.

mod candidates;
#[cfg(feature = "remote")]
mod last_found;

pub(crate) use candidates::Candidates;
use candidates::MAX_CANDIDATES;
#[cfg(feature = "remote")]
pub(crate) use last_found::LastFound;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde_json::value::RawValue;

use crate::algorithm::Algorithm;
use crate::error::{KeySetError, VerifyError};
use crate::jwk::{self, Members, SkipReason, SkippedKey, VerificationKey};
use crate::jws::Header;

/// An immutable set of public keys, parsed once; cheap to clone.
///
/// A key that cannot be used never spoils the set: it is left out, and [`skipped`](Self::skipped) says
/// which and why. Private and symmetric keys are always left out, so a shared secret that strayed
/// into a JWK Set verifies nothing.
///
/// Keys may share a `kid`: an RSA and an EC key that do are told apart by the token's `alg`, and of those
/// that fit it each is tried, at most 4. Issuers publish both, and each of the keys is theirs.
///
/// # Example
///
/// ```
/// use portcullis::{KeySet, SkipReason};
///
/// # fn main() -> Result<(), portcullis::KeySetError> {
/// let keys = KeySet::from_json(
///     br#"{"keys":[
///         {"kty":"OKP","crv":"Ed25519","kid":"1","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
///         {"kty":"oct","kid":"2","k":"c2VjcmV0"}
///     ]}"#,
/// )?;
/// # if cfg!(any(feature = "aws-lc-rs", feature = "rust-crypto")) {
/// assert_eq!(keys.len(), 1);
/// # }
/// assert_eq!(keys.skipped()[keys.skipped().len() - 1].reason(), SkipReason::Symmetric);
/// # Ok(())
/// # }
/// ```
///
/// The default is the empty set.
#[derive(Clone, Default)]
pub struct KeySet(Arc<Keys>);

#[derive(Default)]
struct Keys {
    /// In the order of the document, each with its place there.
    keys: Vec<(usize, Arc<VerificationKey>)>,
    skipped: Vec<SkippedKey>,
    naming: Naming,
    /// The names are the issuer's: nobody else can make them collide.
    by_key_id: HashMap<Box<str>, Vec<Arc<VerificationKey>>, RandomState>,
    /// For a header without `kid`: of each algorithm the keys that fit, one more than may be tried.
    by_algorithm: Vec<(Algorithm, Vec<Arc<VerificationKey>>)>,
    #[cfg(feature = "remote")]
    identity: last_found::Identity,
}

/// Whether a header's `kid` chooses among the keys.
#[derive(Clone, Copy, Default)]
enum Naming {
    /// Keys of a JWK Set go by their `kid`.
    #[default]
    ByKeyId,
    /// PEM has no names: any `kid` may mean any key.
    Nameless,
}

impl KeySet {
    /// Parses a JWK Set ([RFC 7517 §5](https://www.rfc-editor.org/rfc/rfc7517#section-5)).
    ///
    /// Reads at most 1,024 keys of it. An empty set is a set: it verifies nothing.
    ///
    /// # Errors
    ///
    /// [`KeySetError::NotAJwkSet`] if the text is not one JSON object, each member once, with an array
    /// `keys`. A bad key is not an error; see [`skipped`](Self::skipped).
    pub fn from_json(json: &[u8]) -> Result<Self, KeySetError> {
        Self::from_json_limited(json, MAX_KEYS)
    }

    /// As [`from_json`](Self::from_json), with another limit on the keys that are read.
    pub(crate) fn from_json_limited(json: &[u8], max_keys: usize) -> Result<Self, KeySetError> {
        let entries = entries(json).ok_or(KeySetError::NotAJwkSet)?;
        let (mut keys, mut skipped) = (Vec::new(), Vec::new());
        for (index, entry) in entries
            .into_iter()
            .enumerate()
            .take(max_keys.saturating_add(MAX_EXCESS))
        {
            if index >= max_keys {
                skipped.push(SkippedKey::new(index, None, SkipReason::TooManyKeys));
                continue;
            }
            match VerificationKey::parse(entry) {
                Ok(key) => keys.push((index, Arc::new(key))),
                Err(jwk::Skipped { key_id, reason }) => {
                    skipped.push(SkippedKey::new(index, key_id, reason))
                }
            }
        }
        Ok(Self::collect(keys, skipped, Naming::ByKeyId))
    }

    /// Parses public keys in PEM text, in one or several sections: `PUBLIC KEY`
    /// ([RFC 7468 §13](https://www.rfc-editor.org/rfc/rfc7468#section-13)) with an RSA, P-256, P-384, P-521
    /// or Ed25519 key, or `RSA PUBLIC KEY`.
    ///
    /// PEM keys have no names, so the `kid` of a token's header is ignored and every key of the set
    /// that fits its algorithm is tried, at most 4. They have no `alg` either: an RSA key serves RS256
    /// to PS512 as far as the issuer's configuration allows, so name the one in use there.
    ///
    /// # Errors
    ///
    /// [`KeySetError::NotPem`] without a well-formed section, [`KeySetError::NotAPublicKey`] for a
    /// certificate, a private key or another thing, [`KeySetError::Unusable`] for a key that is too
    /// small or of a kind that is not supported.
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeySetError> {
        let keys = jwk::parse_pem(pem)?
            .into_iter()
            .enumerate()
            .map(|(index, material)| {
                let key =
                    VerificationKey::from_material(material).map_err(KeySetError::Unusable)?;
                Ok((index, Arc::new(key)))
            });
        Ok(Self::collect(
            keys.collect::<Result<_, _>>()?,
            Vec::new(),
            Naming::Nameless,
        ))
    }

    /// How many keys can verify.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.keys.len()
    }

    /// Whether no key can verify.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.keys.is_empty()
    }

    /// The keys that were left out and why, in the order of the document. Of those beyond the number
    /// that is read, only the first 100 are listed.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        &self.0.skipped
    }

    /// The keys that this issuer may use: those whose own `issuer` member, if they have one, is this
    /// issuer. The others are skipped.
    ///
    /// Entra publishes one document for many tenants; keys of one tenant are marked with its issuer
    /// and must not vouch for another. Keys shared by all have the placeholder `{tenantid}` there.
    pub(crate) fn for_issuer(&self, issuer: &str) -> Self {
        let belongs = |key: &VerificationKey| {
            key.issuer()
                .is_none_or(|template| matches(template, issuer))
        };
        if self.0.keys.iter().all(|(_, key)| belongs(key)) {
            return self.clone();
        }
        let (keys, foreign): (Vec<_>, Vec<_>) = self
            .0
            .keys
            .iter()
            .cloned()
            .partition(|(_, key)| belongs(key));
        let foreign = foreign.iter().map(|(index, key)| {
            SkippedKey::new(
                *index,
                key.key_id().map(Into::into),
                SkipReason::ForeignIssuer,
            )
        });
        let mut skipped: Vec<_> = self.0.skipped.iter().cloned().chain(foreign).collect();
        skipped.sort_by_key(SkippedKey::index);
        Self::collect(keys, skipped, self.0.naming)
    }

    /// Whether a key here serves one of these algorithms.
    pub(crate) fn serves_any(&self, algorithms: &[Algorithm]) -> bool {
        self.0
            .by_algorithm
            .iter()
            .any(|(served, keys)| algorithms.contains(served) && !keys.is_empty())
    }

    /// Whether more keys without names serve one of these algorithms than are tried for a token.
    pub(crate) fn is_nameless_and_ambiguous(&self, algorithms: &[Algorithm]) -> bool {
        let mut served = self.0.by_algorithm.iter();
        matches!(self.0.naming, Naming::Nameless)
            && served
                .any(|(served, keys)| algorithms.contains(served) && keys.len() > MAX_CANDIDATES)
    }

    /// The keys here that the other set lacks: of another name or other material.
    #[cfg(any(test, feature = "remote"))]
    pub(crate) fn beyond(&self, other: &Self) -> Vec<Arc<VerificationKey>> {
        let keys = self.0.keys.iter().map(|(_, key)| key);
        keys.filter(|key| !other.has(key)).cloned().collect()
    }

    /// Whether this key is here, under its name.
    pub(crate) fn has(&self, key: &VerificationKey) -> bool {
        match key.key_id() {
            Some(key_id) => {
                let named = self.0.by_key_id.get(key_id);
                named.is_some_and(|named| named.iter().any(|other| other.is_same_as(key)))
            }
            None => self.0.keys.iter().any(|(_, other)| other.is_same_as(key)),
        }
    }

    /// Whether this key is here, under whatever name.
    #[cfg(feature = "remote")]
    pub(crate) fn has_material_of(&self, key: &VerificationKey) -> bool {
        let mut keys = self.0.keys.iter();
        keys.any(|(_, other)| other.has_material_of(key))
    }

    /// The same set without these keys, whatever they are called here.
    #[cfg(feature = "remote")]
    pub(crate) fn without(&self, keys: &[Arc<VerificationKey>]) -> Self {
        let (left, skipped) = (self.0.keys.iter(), self.0.skipped.clone());
        let left = left.filter(|(_, key)| !keys.iter().any(|other| other.has_material_of(key)));
        Self::collect(left.cloned().collect(), skipped, self.0.naming)
    }

    /// A set of keys that were parsed before.
    #[cfg(feature = "remote")]
    pub(crate) fn of(keys: impl Iterator<Item = Arc<VerificationKey>>) -> Self {
        Self::collect(keys.enumerate().collect(), Vec::new(), Naming::ByKeyId)
    }

    /// Whether a private or symmetric key was left out.
    #[cfg(feature = "remote")]
    pub(crate) fn has_secrets(&self) -> bool {
        let mut reasons = self.0.skipped.iter().map(SkippedKey::reason);
        reasons.any(|reason| matches!(reason, SkipReason::Private | SkipReason::Symmetric))
    }

    /// The names of the keys, in the order of the document.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys().map(VerificationKey::key_id)
    }

    /// The keys, in the order of the document.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &VerificationKey> {
        self.0.keys.iter().map(|(_, key)| &**key)
    }

    /// The keys that a header may have been signed with: with a `kid`, the keys of that name that fit
    /// its `alg`; without one, all that fit.
    ///
    /// Pure, allocates nothing, and takes as long for 1 key as for 1,000 differently named ones.
    ///
    /// # Errors
    ///
    /// `UnknownKey` if there is no such key, `AlgorithmMismatch` if there is one of that name and its
    /// type or `alg` is another, `KeyAmbiguous` if there are more than 4.
    #[inline]
    pub(crate) fn select(&self, header: &Header) -> Result<Candidates<'_>, VerifyError> {
        self.select_named(header.key_id(), header.algorithm())
    }

    /// The same, by the two members of a header that it goes by.
    #[inline]
    pub(crate) fn select_named(
        &self,
        key_id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Candidates<'_>, VerifyError> {
        match (key_id, self.0.naming) {
            (Some(key_id), Naming::ByKeyId) => {
                let named = self
                    .0
                    .by_key_id
                    .get(key_id)
                    .ok_or(VerifyError::UnknownKey)?;
                Candidates::of(
                    named.iter().filter(|key| key.fits(algorithm)),
                    VerifyError::AlgorithmMismatch,
                )
            }
            (None, _) | (Some(_), Naming::Nameless) => {
                let fitting = self
                    .0
                    .by_algorithm
                    .iter()
                    .find(|(served, _)| *served == algorithm);
                Candidates::of(
                    fitting.iter().flat_map(|(_, keys)| keys),
                    VerifyError::UnknownKey,
                )
            }
        }
    }

    fn collect(
        keys: Vec<(usize, Arc<VerificationKey>)>,
        skipped: Vec<SkippedKey>,
        naming: Naming,
    ) -> Self {
        let mut by_key_id = HashMap::<Box<str>, Vec<_>, RandomState>::default();
        for (_, key) in &keys {
            if let Some(key_id) = key.key_id() {
                by_key_id
                    .entry(key_id.into())
                    .or_default()
                    .push(Arc::clone(key));
            }
        }
        let fitting = |algorithm| {
            let fitting = keys
                .iter()
                .map(|(_, key)| key)
                .filter(|key| key.fits(algorithm));
            (
                algorithm,
                fitting.take(MAX_CANDIDATES + 1).map(Arc::clone).collect(),
            )
        };
        let by_algorithm = Algorithm::ALL.iter().copied().map(fitting).collect();
        Self(Arc::new(Keys {
            keys,
            skipped,
            naming,
            by_key_id,
            by_algorithm,
            #[cfg(feature = "remote")]
            identity: last_found::Identity::default(),
        }))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("keys", &self.len())
            .field("skipped", &self.skipped().len())
            .finish()
    }
}

/// The text of each key. What is in it is looked at later, one by one.
fn entries(json: &[u8]) -> Option<Vec<&RawValue>> {
    let document: &RawValue = serde_json::from_slice(json).ok()?;
    let keys = Members::parse(document).ok()?.get("keys")?;
    serde_json::from_str(keys.get()).ok()
}

/// Whether a key's `issuer` is this issuer, byte for byte but for the placeholder, which stands for
/// one whole, non-empty path segment.
fn matches(template: &str, issuer: &str) -> bool {
    let Some((before, after)) = template.split_once(TENANT_PLACEHOLDER) else {
        return template == issuer;
    };
    let tenant = issuer
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after));
    let whole_segment = before.ends_with('/') && (after.is_empty() || after.starts_with('/'));
    whole_segment
        && tenant.is_some_and(|tenant| !tenant.is_empty() && !tenant.contains(['/', '?', '#']))
}

const TENANT_PLACEHOLDER: &str = "{tenantid}";

/// Keys read of one document. The largest real set we know has 15.
const MAX_KEYS: usize = 1_024;

/// Keys beyond the limit that are listed as skipped: enough to see that there are some.
const MAX_EXCESS: usize = 100;

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;

#[cfg(test)]
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    #[test]
    fn without_a_backend_every_key_is_skipped_and_says_so() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let json = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        let keys = KeySet::from_json(json.as_bytes()).unwrap();
        assert!(keys.is_empty() && keys.beyond(&KeySet::default()).is_empty());
        assert_eq!(keys.skipped()[0].reason(), SkipReason::NoBackend);
    }

    #[test]
    fn a_modulus_that_is_too_long_is_refused_before_a_backend_is_asked() {
        for (bytes, reason) in [
            (255, SkipReason::RsaTooSmall),
            (256, SkipReason::NoBackend),
            (1_024, SkipReason::NoBackend),
            (1_025, SkipReason::RsaTooLarge),
            (4_096, SkipReason::RsaTooLarge),
        ] {
            let n = BASE64_URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
            let json = format!(r#"{{"keys":[{{"kty":"RSA","n":"{n}","e":"AQAB"}}]}}"#);
            let keys = KeySet::from_json(json.as_bytes()).unwrap();
            assert_eq!(keys.skipped()[0].reason(), reason, "{bytes}");
        }
    }
}
