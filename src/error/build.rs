//! Why a configuration was refused.

use std::time::Duration;

use crate::SkipReason;
use crate::text::Escaped;

/// Why [`VerifierBuilder::build`](crate::VerifierBuilder::build) refused a configuration.
///
/// Every variant names the value that is wrong, and its text names the remedy. Nothing here comes
/// from a token or from the network.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No issuer was given.
    #[error("no issuer is configured; add one with VerifierBuilder::issuer")]
    NoIssuer,
    /// The same issuer was given twice.
    #[error(
        "issuer {:?} is configured twice; give each issuer once, with all of its settings",
        Escaped(issuer)
    )]
    DuplicateIssuer {
        /// The issuer.
        issuer: String,
    },
    /// An issuer is the empty string.
    #[error("issuer is empty; give the exact value of the tokens' iss claim")]
    EmptyIssuer,
    /// An issuer or a JWK Set address is not a URL that may be fetched.
    #[error(
        "{} of issuer {:?} cannot be fetched: {problem}",
        what,
        Escaped(issuer)
    )]
    ForbiddenUrl {
        /// The issuer it belongs to.
        issuer: String,
        /// Which value: `"the URL"` or `"jwks_uri"`.
        what: &'static str,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// No audience was given, or an empty one.
    #[error(
        "the audience of issuer {:?} is empty; give the value this service has in the tokens' aud claim, \
         or spell out Audience::dangerously_any",
        Escaped(issuer)
    )]
    EmptyAudience {
        /// The issuer.
        issuer: String,
    },
    /// The list of algorithms is empty.
    #[error(
        "no algorithm is allowed for issuer {:?}; name those its tokens are signed with, \
         or leave Issuer::algorithms out",
        Escaped(issuer)
    )]
    NoAlgorithms {
        /// The issuer.
        issuer: String,
    },
    /// The leeway is over its bound.
    #[error(
        "leeway of {leeway:?} for issuer {:?} is over the bound of 300 s; \
         leeway is for clocks that differ, expired tokens must be renewed",
        Escaped(issuer)
    )]
    LeewayTooLong {
        /// The issuer.
        issuer: String,
        /// The leeway given.
        leeway: Duration,
    },
    /// The maximum token age is zero.
    #[error(
        "maximum token age for issuer {:?} is zero, which no token meets; leave it out or give more",
        Escaped(issuer)
    )]
    ZeroMaxTokenAge {
        /// The issuer.
        issuer: String,
    },
    /// A required claim or a token type is the empty string.
    #[error(
        "{what} for issuer {:?} is empty; give its name or leave it out",
        Escaped(issuer)
    )]
    EmptyName {
        /// The issuer.
        issuer: String,
        /// Which value: `"a required claim"` or `"the token type"`.
        what: &'static str,
    },
    /// A fixed key set has no usable key.
    #[error(
        "the key set of issuer {:?} has no usable key ({}); every token would be refused",
        Escaped(issuer),
        first_skipped.map_or_else(|| "it is empty".to_owned(), |reason| reason.to_string())
    )]
    NoUsableKey {
        /// The issuer.
        issuer: String,
        /// Why the first key of the set was left out, if there is one.
        first_skipped: Option<SkipReason>,
    },
    /// The crate was compiled without a crypto backend.
    #[error("no crypto backend is compiled in; enable the feature aws-lc-rs or rust-crypto")]
    NoCryptoBackend,
    /// The HTTP client could not be set up, usually because the system has no certificates.
    #[error("{problem}")]
    HttpClient {
        /// What is missing, and the remedy.
        problem: String,
    },
}
