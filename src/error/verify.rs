//! Why a token was refused.

use std::fmt;
use std::sync::Arc;

use super::FetchError;
use crate::text::Escaped;

/// Why a token was refused.
///
/// Cheap to clone and three words long. [`reason`](Self::reason) is the stable code for metrics,
/// logs and tests; `Display` is for people and may change.
///
/// # Security
///
/// None of this is for the client: whoever forged a token learns from the difference between
/// `unknown_key` and `invalid_signature`. `AuthLayer` answers all of them alike.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// `malformed`: not a compact JWS with a JSON header and, for a token, JSON claims.
    #[error("token is malformed: {0}")]
    Malformed(Malformation),
    /// `too_large`: over the limit of 16 KiB for the token, 2 KiB for its header or 256 bytes for its `kid`.
    #[error("token or a part of it is over its size limit")]
    TooLarge,
    /// `unsupported_algorithm`: the header's `alg` is none that the crate knows, such as `none` or `HS256`.
    #[error("algorithm in the header is not a supported one")]
    UnsupportedAlgorithm,
    /// `algorithm_not_allowed`: a supported `alg` that this issuer's configuration does not allow.
    #[error("algorithm in the header is not allowed for this issuer")]
    AlgorithmNotAllowed,
    /// `algorithm_mismatch`: the key of this `kid` is for another algorithm.
    #[error("algorithm in the header is not that of the key it names")]
    AlgorithmMismatch,
    /// `unsupported_critical`: the header has `crit`, `b64` or `zip`; no extension is supported.
    #[error("header demands an extension that is not supported")]
    UnsupportedCritical,
    /// `wrong_type`: another kind of JWT than an access token, by its `typ` or by claims only such a kind has.
    #[error("token is of another kind than accepted here")]
    WrongType,
    /// `untrusted_issuer`: `iss` is not a configured issuer.
    #[error("issuer of the token is not a configured one")]
    UntrustedIssuer,
    /// `unknown_key`: the issuer publishes no such key, as far as a fetch that succeeded tells.
    #[error("no key of the issuer matches the header")]
    UnknownKey,
    /// `key_ambiguous`: more than 4 keys match the header.
    #[error("more keys match the header than are tried")]
    KeyAmbiguous,
    /// `key_not_cached`: [`verify_now`](crate::Verifier::verify_now) would have had to wait for a fetch.
    #[error("the key is not cached and this call does not wait for it")]
    KeyNotCached,
    /// `keys_unavailable`: no usable keys, and they cannot be had at the moment. Not the token's fault.
    #[error("keys of the issuer are unavailable")]
    KeysUnavailable(#[source] FetchError),
    /// `invalid_signature`: no matching key verifies it.
    #[error("signature does not match")]
    InvalidSignature,
    /// `missing_claim`: a required claim is absent.
    #[error("claim {0:?} is required and missing")]
    MissingClaim(ClaimName),
    /// `invalid_claim`: a claim is present and of the wrong type, or empty where it must not be.
    #[error("claim {0:?} is of the wrong type or empty")]
    InvalidClaim(ClaimName),
    /// `expired`: `exp` plus leeway has been reached.
    #[error("token has expired")]
    Expired,
    /// `not_yet_valid`: `nbf` less leeway has not been reached.
    #[error("token is not valid yet")]
    NotYetValid,
    /// `issued_in_future`: `iat` less leeway has not been reached.
    #[error("token claims to be issued in the future")]
    IssuedInFuture,
    /// `too_old`: `iat` is longer ago than the configured maximum age.
    #[error("token is older than accepted here")]
    TooOld,
    /// `audience_mismatch`: `aud` has none of the configured audiences.
    #[error("token is meant for another audience")]
    AudienceMismatch,
    /// `binding_required`: the token is bound to a key or certificate (`cnf`) and came as plain bearer.
    #[error("token is bound to a key that was not shown")]
    BindingRequired,
}

impl VerifyError {
    /// The stable code of this refusal, such as `"expired"`: low in cardinality, safe as a metric
    /// label, part of the crate's semantic versioning.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::TooLarge => "too_large",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::AlgorithmNotAllowed => "algorithm_not_allowed",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::UnsupportedCritical => "unsupported_critical",
            Self::WrongType => "wrong_type",
            Self::UntrustedIssuer => "untrusted_issuer",
            Self::UnknownKey => "unknown_key",
            Self::KeyAmbiguous => "key_ambiguous",
            Self::KeyNotCached => "key_not_cached",
            Self::KeysUnavailable(_) => "keys_unavailable",
            Self::InvalidSignature => "invalid_signature",
            Self::MissingClaim(_) => "missing_claim",
            Self::InvalidClaim(_) => "invalid_claim",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::TooOld => "too_old",
            Self::AudienceMismatch => "audience_mismatch",
            Self::BindingRequired => "binding_required",
        }
    }

    /// Whether the token may be fine and our keys are what is missing: answer 503 or `UNAVAILABLE`,
    /// never 401, or clients throw good tokens away.
    #[must_use]
    pub const fn is_unavailable(&self) -> bool {
        matches!(self, Self::KeyNotCached | Self::KeysUnavailable(_))
    }

    /// For a claim that the crate or the configuration names, never one that only a token does.
    pub(crate) fn missing(claim: impl Into<Arc<str>>) -> Self {
        Self::MissingClaim(ClaimName(claim.into()))
    }

    pub(crate) fn invalid(claim: impl Into<Arc<str>>) -> Self {
        Self::InvalidClaim(ClaimName(claim.into()))
    }
}

/// The name of a claim that the crate or the configuration asks for; never one that only a token names.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct ClaimName(Arc<str>);

impl ClaimName {
    /// The name, such as `"exp"`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for ClaimName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", Escaped(&self.0))
    }
}

/// What about a token was malformed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformation {
    /// Not three parts with two dots between.
    #[error("not three parts separated by two dots")]
    Parts,
    /// A part is not unpadded base64url in its one canonical form.
    #[error("a part is not canonical base64url without padding")]
    Base64,
    /// The signature part is empty.
    #[error("the signature is empty")]
    EmptySignature,
    /// The header is not one JSON object of bounded depth, or names a member twice.
    #[error("the header is not a JSON object with each member once")]
    Header,
    /// A header member the crate reads is of the wrong type, or `alg` is missing.
    #[error("a header member is missing or of the wrong type")]
    HeaderMember,
    /// The claims are not one JSON object in UTF-8, or name a member twice.
    #[error("the claims are not a JSON object with each member once")]
    Claims,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_three_words() {
        assert!(size_of::<VerifyError>() <= 3 * size_of::<usize>());
    }
}
