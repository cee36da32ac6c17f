//! Errors, sorted by who must act on them, with stable reason codes.
//!
//! | type | when | who acts |
//! |---|---|---|
//! | [`BuildError`] | `build()` | whoever configured the service; it names the value and the remedy |
//! | [`VerifyError`] | a token | the client (get another token) or, for `keys_unavailable`, the operator |
//! | [`FetchError`] | keys over the network | the operator of the issuer or of the network between |
//! | [`KeySetError`] | a JWK Set or PEM text | whoever wrote it |
//! | [`ClaimError`] | a claim read from a verified token | the developer, or the issuer |
//!
//! None of them carries token text, an unverified claim or key material.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

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

    pub(crate) const fn missing(claim: &'static str) -> Self {
        Self::MissingClaim(ClaimName(Cow::Borrowed(claim)))
    }

    pub(crate) const fn invalid(claim: &'static str) -> Self {
        Self::InvalidClaim(ClaimName(Cow::Borrowed(claim)))
    }
}

/// The name of a claim that the crate or the configuration asks for; never one that only a token names.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct ClaimName(pub(crate) Cow<'static, str>);

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

/// Why keys could not be fetched. Shared by every caller that waited for the same fetch.
///
/// `Display` says what went wrong in a few words; the cause below it is in
/// [`source`](Error::source). Neither has a body, a URL's userinfo or its query.
#[derive(Clone)]
pub struct FetchError(Arc<FetchFailure>);

struct FetchFailure {
    kind: FetchErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
    retry_after: Option<Duration>,
}

/// The kinds of [`FetchError`], one for each party that may have to act.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// Connecting, TLS or reading failed.
    #[error("could not connect or read")]
    Connection,
    /// The deadline passed.
    #[error("no complete answer within the deadline")]
    Deadline,
    /// Another status than 200 or an asked-for 304; redirects are not followed.
    #[error("unexpected HTTP status {0}")]
    Status(u16),
    /// The body is over its size limit.
    #[error("answer is over its size limit")]
    TooLarge,
    /// The answer is not a JWK Set.
    #[error("answer is not a JWK Set")]
    NotAKeySet,
    /// The answer is not provider metadata with a `jwks_uri`.
    #[error("answer is not provider metadata with a jwks_uri")]
    NotMetadata,
    /// The metadata is of another issuer than the configured one.
    #[error("provider metadata names another issuer")]
    IssuerMismatch,
    /// The metadata's `jwks_uri` may not be fetched: not https, or with userinfo or a fragment.
    #[error("provider metadata has a jwks_uri that may not be fetched")]
    ForbiddenUrl,
    /// The last usable keys are too old and no fetch has succeeded since.
    #[error("cached keys are over their age limit")]
    Overstayed,
    /// No fetch is allowed at the moment; the last one failed.
    #[error("the last fetch failed and the next is not due yet")]
    CoolingDown,
    /// Too many callers wait for this issuer's keys already.
    #[error("too many callers are waiting for keys")]
    TooManyWaiters,
    /// The task that fetched was dropped or panicked, such as when a runtime shuts down.
    #[error("the fetch was aborted")]
    Aborted,
}

impl FetchError {
    /// A failure of this kind, for implementations of [`Fetch`](crate::Fetch).
    #[must_use]
    pub fn new(kind: FetchErrorKind) -> Self {
        Self(Arc::new(FetchFailure { kind, source: None, retry_after: None }))
    }

    /// A failure of this kind with the error that caused it.
    ///
    /// # Security
    ///
    /// The source is shown to operators: it must not hold a body or a URL with credentials.
    #[must_use]
    pub fn with_source(kind: FetchErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self(Arc::new(FetchFailure { kind, source: Some(source.into()), retry_after: None }))
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> FetchErrorKind {
        self.0.kind
    }

    /// When another attempt makes sense, as far as is known.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }
}

impl fmt::Debug for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchError").field("kind", &self.0.kind).field("source", &self.0.source).finish()
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.kind.fmt(f)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_deref().map(|source| -> &(dyn Error + 'static) { source })
    }
}

/// Why a text is not a set of keys at all. A single bad key is no error: see
/// [`KeySet::skipped`](crate::KeySet::skipped).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a JSON object with an array `keys`.
    #[error("not a JSON object with an array \"keys\" (RFC 7517 section 5)")]
    NotAJwkSet,
    /// PEM text without a section, or one that does not parse.
    #[error("not PEM text")]
    NotPem,
    /// A PEM section with something else than a public key, such as a certificate or a private key.
    #[error("a PEM section is not a public key; give \"PUBLIC KEY\" or \"RSA PUBLIC KEY\" sections")]
    NotAPublicKey,
    /// A PEM key that cannot be used, with the reason.
    #[error("a PEM key cannot be used: {0}")]
    Unusable(crate::SkipReason),
}

/// Why a claim of a verified token could not be read as the type asked for.
///
/// Says which claim, never its value.
#[derive(Clone, Eq, PartialEq, thiserror::Error)]
#[error("claim {name:?} is not of the expected type")]
pub struct ClaimError {
    name: Box<str>,
}

impl ClaimError {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into() }
    }

    /// The claim's name, or `"*"` when all claims were read as one type.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Debug for ClaimError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimError").field("name", &Escaped(&self.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_three_words() {
        assert!(size_of::<VerifyError>() <= 3 * size_of::<usize>());
    }

    #[test]
    fn the_cause_of_a_fetch_error_is_its_source() {
        let error = FetchError::with_source(FetchErrorKind::Connection, "refused");
        assert_eq!(error.to_string(), "could not connect or read");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("refused"));
    }
}
