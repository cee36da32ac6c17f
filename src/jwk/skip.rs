//! Why a key of a set is left out.

use std::fmt;

use crate::signature::Unusable;
use crate::text::Escaped;

/// Why a key of a set is not used. The rest of the set serves all the same.
///
/// [`code`](Self::code) is stable; `Display` is for people and may change.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SkipReason {
    /// `not_an_object`: an entry of `keys` is `null`, a number or another thing than an object.
    #[error("not a JSON object")]
    NotAnObject,
    /// `malformed_member`: a member that is needed or read is missing, of the wrong type or length, not
    /// base64 in one of its two alphabets with unused bits zero, or a `kid` over 256 bytes.
    #[error("a member is missing or malformed")]
    MalformedMember,
    /// `duplicate_member`: a member stands twice, so that two readers could see two keys.
    #[error("a member stands twice")]
    DuplicateMember,
    /// `unknown_key_type`: `kty` is none of `RSA`, `EC`, `OKP`, `AKP` and `oct`.
    #[error("key type is unknown")]
    UnknownKeyType,
    /// `symmetric_key`: `kty` is `oct`. Whoever can verify with such a key can sign with it.
    #[error("key is symmetric")]
    Symmetric,
    /// `private_key`: a private member such as `d` is there. The key is to be taken for leaked.
    #[error("key is a private one; it must not be published, and is to be replaced")]
    Private,
    /// `other_use`: `use` is not `sig`, or `key_ops` has no `verify`.
    #[error("key is not for verifying signatures")]
    OtherUse,
    /// `unsupported_algorithm`: `alg` is none that the crate verifies.
    #[error("algorithm of the key is not supported")]
    UnsupportedAlgorithm,
    /// `algorithm_mismatch`: `alg` needs a key of another type or curve.
    #[error("algorithm of the key does not fit its type")]
    AlgorithmMismatch,
    /// `unsupported_curve`: `crv` is none that the crate verifies with, such as `X25519` or `secp256k1`.
    #[error("curve is not supported")]
    UnsupportedCurve,
    /// `rsa_too_small`: a modulus under 2048 bits (RFC 7518 §3.3).
    #[error("RSA modulus is under 2048 bits")]
    RsaTooSmall,
    /// `rsa_too_large`: a modulus over 8192 bits, which costs too much to verify with.
    #[error("RSA modulus is over 8192 bits")]
    RsaTooLarge,
    /// `rsa_bad_exponent`: an exponent that is even, under 3, or not under 2³².
    #[error("RSA exponent is even, under 3 or not under 2^32")]
    RsaBadExponent,
    /// `rsa_even_modulus`: a modulus that is no product of odd primes.
    #[error("RSA modulus is even")]
    RsaEvenModulus,
    /// `rsa_roca`: a modulus made by a chip whose keys can be factored (ROCA, CVE-2017-15361). The key is to
    /// be replaced.
    #[error("RSA key is of a kind that can be factored (ROCA); it is to be replaced")]
    RsaRoca,
    /// `invalid_point`: the coordinates are not those of a point of the curve, in its one encoding.
    #[error("not a point of the curve")]
    InvalidPoint,
    /// `small_order_point`: an Ed25519 key for which anybody can make signatures.
    #[error("Ed25519 key is of small order")]
    SmallOrderPoint,
    /// `foreign_issuer`: the key's own `issuer` member names another issuer.
    #[error("key belongs to another issuer")]
    ForeignIssuer,
    /// `too_many_keys`: beyond the number of keys that are read of one set.
    #[error("set has more keys than are read")]
    TooManyKeys,
    /// `unsupported_by_backend`: the crypto backend that is compiled in lacks the algorithm.
    #[error("not supported by the enabled crypto backend")]
    UnsupportedByBackend,
    /// `no_backend`: no crypto backend is compiled in.
    #[error("no crypto backend is compiled in; enable the feature aws-lc-rs or rust-crypto")]
    NoBackend,
}

impl SkipReason {
    /// The stable code of this reason, such as `"private_key"`: low in cardinality, safe as a metric
    /// label, part of the crate's semantic versioning.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NotAnObject => "not_an_object",
            Self::MalformedMember => "malformed_member",
            Self::DuplicateMember => "duplicate_member",
            Self::UnknownKeyType => "unknown_key_type",
            Self::Symmetric => "symmetric_key",
            Self::Private => "private_key",
            Self::OtherUse => "other_use",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::UnsupportedCurve => "unsupported_curve",
            Self::RsaTooSmall => "rsa_too_small",
            Self::RsaTooLarge => "rsa_too_large",
            Self::RsaBadExponent => "rsa_bad_exponent",
            Self::RsaEvenModulus => "rsa_even_modulus",
            Self::RsaRoca => "rsa_roca",
            Self::InvalidPoint => "invalid_point",
            Self::SmallOrderPoint => "small_order_point",
            Self::ForeignIssuer => "foreign_issuer",
            Self::TooManyKeys => "too_many_keys",
            Self::UnsupportedByBackend => "unsupported_by_backend",
            Self::NoBackend => "no_backend",
        }
    }
}

impl From<Unusable> for SkipReason {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
            Unusable::NoBackend => Self::NoBackend,
            #[cfg(all(feature = "rust-crypto", any(test, not(feature = "aws-lc-rs"))))]
            Unusable::Unsupported => Self::UnsupportedByBackend,
            // Numbers and lengths have been checked before; what is left to find is a point.
            #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
            Unusable::Rejected => Self::InvalidPoint,
        }
    }
}

/// A key that was left out of a [`KeySet`](crate::KeySet), and why.
#[derive(Clone, Eq, PartialEq)]
pub struct SkippedKey {
    index: usize,
    key_id: Option<Box<str>>,
    reason: SkipReason,
}

impl SkippedKey {
    pub(crate) fn new(index: usize, key_id: Option<Box<str>>, reason: SkipReason) -> Self {
        Self {
            index,
            key_id,
            reason,
        }
    }

    /// Where the key stands in the set's `keys`, counted from 0.
    #[must_use]
    pub fn index(&self) -> usize {
        self.index
    }

    /// The key's `kid`, if it has one that could be read: the issuer's text as it came, at most 256
    /// bytes. Escape it before showing it, or show this value with `{:?}`.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// Why the key is not used.
    #[must_use]
    pub fn reason(&self) -> SkipReason {
        self.reason
    }
}

impl fmt::Debug for SkippedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkippedKey")
            .field("index", &self.index)
            .field("key_id", &self.key_id().map(Escaped))
            .field("reason", &self.reason)
            .finish()
    }
}
