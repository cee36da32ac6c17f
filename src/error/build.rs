//! Why a configuration was refused.

use std::time::Duration;

use crate::SkipReason;
use crate::text::{Escaped, without_credentials};

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
        Escaped(without_credentials(issuer))
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
        Escaped(without_credentials(issuer))
    )]
    ForbiddenUrl {
        /// The issuer it belongs to.
        issuer: String,
        /// Which value: `"the URL"`, `"jwks_uri"` or `"failover_jwks_uri"`.
        what: &'static str,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// No audience was given, or an empty one.
    #[error(
        "the audience of issuer {:?} is empty; give the value this service has in the tokens' aud claim, \
         or spell out Audience::dangerously_any",
        Escaped(without_credentials(issuer))
    )]
    EmptyAudience {
        /// The issuer.
        issuer: String,
    },
    /// The list of algorithms is empty.
    #[error(
        "no algorithm is allowed for issuer {:?}; name those its tokens are signed with, \
         or leave Issuer::algorithms out",
        Escaped(without_credentials(issuer))
    )]
    NoAlgorithms {
        /// The issuer.
        issuer: String,
    },
    /// The leeway is over its bound.
    #[error(
        "leeway of {leeway:?} for issuer {:?} is over the bound of 300 s; \
         leeway is for clocks that differ, expired tokens must be renewed",
        Escaped(without_credentials(issuer))
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
        Escaped(without_credentials(issuer))
    )]
    ZeroMaxTokenAge {
        /// The issuer.
        issuer: String,
    },
    /// A required claim or a token type is the empty string.
    #[error(
        "{what} for issuer {:?} is empty; give its name or leave it out",
        Escaped(without_credentials(issuer))
    )]
    EmptyName {
        /// The issuer.
        issuer: String,
        /// Which value: `"a required claim"` or `"the token type"`.
        what: &'static str,
    },
    /// No key of a fixed key set serves an algorithm that is allowed.
    #[error(
        "no key of issuer {:?} serves an allowed algorithm; every token would be refused: \
         give the key's algorithm to Issuer::algorithms, or another key",
        Escaped(without_credentials(issuer))
    )]
    NoKeyForAlgorithms {
        /// The issuer.
        issuer: String,
    },
    /// More keys without names than are tried for one token.
    #[error(
        "issuer {:?} has more than 4 keys without a kid for one algorithm; every such token would be \
         refused: give fewer, or a JWK Set whose keys have a kid",
        Escaped(without_credentials(issuer))
    )]
    TooManyNamelessKeys {
        /// The issuer.
        issuer: String,
    },
    /// The crypto backend supports none of the allowed algorithms.
    #[error(
        "the enabled crypto backend supports no algorithm allowed for issuer {:?}; \
         enable the feature aws-lc-rs, or allow another algorithm",
        Escaped(without_credentials(issuer))
    )]
    UnsupportedAlgorithms {
        /// The issuer.
        issuer: String,
    },
    /// A fixed key set has no usable key.
    #[error(
        "the key set of issuer {:?} has no usable key ({}); every token would be refused",
        Escaped(without_credentials(issuer)),
        first_skipped.map_or_else(|| "it is empty".to_owned(), |reason| reason.to_string())
    )]
    NoUsableKey {
        /// The issuer.
        issuer: String,
        /// Why the first key of the set was left out, if there is one.
        first_skipped: Option<SkipReason>,
    },
    /// A setting of [`KeyRefresh`](crate::KeyRefresh) is out of its bounds.
    #[error(
        "KeyRefresh::{setting} of issuer {:?} is out of its bounds: it must be {bounds}",
        Escaped(without_credentials(issuer))
    )]
    KeyRefreshOutOfBounds {
        /// The issuer.
        issuer: String,
        /// The setter's name.
        setting: &'static str,
        /// What the value must be.
        bounds: &'static str,
    },
    /// A failover address for keys that are not fetched.
    #[error(
        "issuer {:?} has a failover_jwks_uri, but its keys are not fetched; leave it out,          or use Issuer::jwks_uri or Issuer::discover",
        Escaped(without_credentials(issuer))
    )]
    NothingToFailOver {
        /// The issuer.
        issuer: String,
    },
    /// Both a `Fetch` and settings for the crate's own HTTP client were given.
    #[error(
        "both VerifierBuilder::fetch and VerifierBuilder::http_client are set, and only one can fetch;          leave one out"
    )]
    TwoHttpClients,
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
