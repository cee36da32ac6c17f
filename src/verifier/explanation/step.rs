//! The checks of a token, and which of them a verdict is about.

use super::case::Case;
use crate::error::{Malformation, VerifyError};
use crate::jws::MAX_TOKEN_BYTES;

/// A check, in the order in which they are made. A test holds the order to the pipeline.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Step {
    Size,
    Parts,
    Header,
    Extensions,
    Algorithm,
    Encoding,
    Claims,
    Issuer,
    AllowedAlgorithm,
    Keys,
    Key,
    Signature,
    Type,
    ClaimTypes,
    Audience,
    RequiredClaims,
    ExpiresAt,
    NotBefore,
    IssuedAt,
    MaxAge,
    Binding,
}

impl Step {
    pub(super) const ALL: [Self; 21] = [
        Self::Size,
        Self::Parts,
        Self::Header,
        Self::Extensions,
        Self::Algorithm,
        Self::Encoding,
        Self::Claims,
        Self::Issuer,
        Self::AllowedAlgorithm,
        Self::Keys,
        Self::Key,
        Self::Signature,
        Self::Type,
        Self::ClaimTypes,
        Self::Audience,
        Self::RequiredClaims,
        Self::ExpiresAt,
        Self::NotBefore,
        Self::IssuedAt,
        Self::MaxAge,
        Self::Binding,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Parts => "parts",
            Self::Header => "header",
            Self::Extensions => "extensions",
            Self::Algorithm => "algorithm",
            Self::Encoding => "encoding",
            Self::Claims => "claims",
            Self::Issuer => "issuer",
            Self::AllowedAlgorithm => "allowed_algorithm",
            Self::Keys => "keys",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Type => "type",
            Self::ClaimTypes => "claim_types",
            Self::Audience => "audience",
            Self::RequiredClaims => "required_claims",
            Self::ExpiresAt => "exp",
            Self::NotBefore => "nbf",
            Self::IssuedAt => "iat",
            Self::MaxAge => "max_age",
            Self::Binding => "binding",
        }
    }
}

impl Case<'_> {
    /// The check that this refusal is about. Where a refusal can be about two, it is the earlier one, so that no
    /// check is said to have passed that was not made.
    pub(super) fn failed_step(&self, error: &VerifyError) -> Step {
        match error {
            VerifyError::TooLarge if self.token.len() > MAX_TOKEN_BYTES => Step::Size,
            VerifyError::TooLarge => Step::Header,
            VerifyError::Malformed(what) => match what {
                Malformation::Parts => Step::Parts,
                Malformation::Base64 if self.stated.is_none() => Step::Header,
                Malformation::Header => Step::Header,
                Malformation::HeaderMember => Step::Algorithm,
                Malformation::Base64 | Malformation::EmptySignature => Step::Encoding,
                Malformation::Claims => Step::Claims,
            },
            VerifyError::UnsupportedCritical => Step::Extensions,
            VerifyError::UnsupportedAlgorithm => Step::Algorithm,
            VerifyError::UntrustedIssuer => Step::Issuer,
            VerifyError::MissingClaim(_) | VerifyError::InvalidClaim(_) if self.rules.is_none() => {
                Step::Issuer
            }
            VerifyError::AlgorithmNotAllowed => Step::AllowedAlgorithm,
            VerifyError::KeyNotCached | VerifyError::KeysUnavailable(_) => Step::Keys,
            VerifyError::UnknownKey
            | VerifyError::AlgorithmMismatch
            | VerifyError::KeyAmbiguous => Step::Key,
            VerifyError::InvalidSignature => Step::Signature,
            VerifyError::WrongType => Step::Type,
            VerifyError::InvalidClaim(_) => Step::ClaimTypes,
            VerifyError::MissingClaim(name) => match name.as_str() {
                "exp" => Step::ClaimTypes,
                "aud" if self.wants_audience() => Step::Audience,
                name if self.requires(name) => Step::RequiredClaims,
                _ => Step::MaxAge,
            },
            VerifyError::AudienceMismatch => Step::Audience,
            VerifyError::Expired => Step::ExpiresAt,
            VerifyError::NotYetValid => Step::NotBefore,
            VerifyError::IssuedInFuture => Step::IssuedAt,
            VerifyError::TooOld => Step::MaxAge,
            VerifyError::BindingRequired => Step::Binding,
        }
    }
}
