//! What mends a refusal.

use crate::error::{Malformation, VerifyError};
use crate::jwk::SkipReason;

/// Who has to do what, for whoever reads it in a ticket. `skipped`: why the key that the token names is left
/// out, if it is published.
pub(super) const fn remedy(error: &VerifyError, skipped: Option<SkipReason>) -> &'static str {
    match error {
        VerifyError::UnknownKey if skipped.is_some() => {
            "have the issuer publish the key as one that can be used, or sign with another"
        }
        VerifyError::Malformed(Malformation::Parts) => {
            "send the access token as it was issued; one of 5 parts is encrypted and one without dots \
             is opaque, and neither can be verified here"
        }
        VerifyError::Malformed(_) => {
            "send the access token exactly as it was issued: this one was cut, wrapped or changed, or \
             its issuer does not follow RFC 7519"
        }
        VerifyError::TooLarge => {
            "have the issuer put less into tokens, such as fewer groups, and no certificates into the header"
        }
        VerifyError::UnsupportedAlgorithm => {
            "have the issuer sign with a key pair, such as ES256 or RS256; none and HS256 prove nothing here"
        }
        VerifyError::AlgorithmNotAllowed => {
            "allow it with Issuer::algorithms if the issuer is meant to sign so"
        }
        VerifyError::AlgorithmMismatch | VerifyError::KeyAmbiguous => {
            "have the issuer publish each key with a kid of its own and the alg that it signs with"
        }
        VerifyError::UnsupportedCritical => "have the issuer sign without the extension",
        VerifyError::WrongType => {
            "send the access token, not an ID token or another one; if it is the access token, set \
             Issuer::token_type to the typ that its issuer writes"
        }
        VerifyError::UntrustedIssuer => {
            "get a token of a configured issuer, or configure the issuer exactly as it calls itself in iss, \
             to the last slash"
        }
        VerifyError::UnknownKey => {
            "get a new token: the issuer has withdrawn the key, or the token is of another environment; \
             if it is new, look at which keys the issuer publishes"
        }
        VerifyError::KeyNotCached => "ask again: a fetch was asked for; or await explain",
        VerifyError::KeysUnavailable(_) => {
            "make the issuer's keys reachable from here; the token may be fine, and is tried again with \
             the next fetch"
        }
        VerifyError::InvalidSignature => {
            "get a new token: this one was changed, or made with another key than the issuer publishes \
             under that name"
        }
        VerifyError::MissingClaim(_) | VerifyError::InvalidClaim(_) => {
            "have the issuer write the claim as expected"
        }
        VerifyError::Expired | VerifyError::TooOld => {
            "get a new token; if it is new, compare the clocks of issuer and service"
        }
        VerifyError::NotYetValid | VerifyError::IssuedInFuture => {
            "compare the clocks of issuer and service"
        }
        VerifyError::AudienceMismatch => {
            "ask the issuer for a token for this service, or add the audience to its configuration if it is \
             this service's own"
        }
        VerifyError::BindingRequired => {
            "ask for a token without cnf: bound tokens cannot be checked here yet"
        }
    }
}
