//! Why a configuration was refused.

use std::fmt;
use std::time::Duration;

use crate::SkipReason;
use crate::text::Configured;

/// Why [`VerifierBuilder::build`](crate::VerifierBuilder::build), or the value of a setting itself, refused a
/// configuration.
///
/// Every text names the issuer and the setting that is wrong, with its value where that helps, and the
/// remedy; `Debug` shows the same text, so that `?` in `main` does. A URL is shown without user name,
/// password and query. Nothing here comes from a token or from the network.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No issuer was given.
    #[error(
        "no issuer is configured; add one with VerifierBuilder::issuer, or under `issuers` in a configuration"
    )]
    NoIssuer,
    /// The same issuer was given twice.
    #[error(
        "issuer {:?} is configured twice; give each issuer once, with all of its settings",
        Configured(issuer)
    )]
    DuplicateIssuer {
        /// The issuer.
        issuer: String,
    },
    /// An issuer is empty or blank.
    #[error("issuer is empty; give the exact value of the tokens' iss claim")]
    EmptyIssuer,
    /// An issuer is a URL with a user name or password.
    #[error(
        "issuer {:?} has a user name or password, which would stand in every log; \
         give the exact value of the tokens' iss claim",
        Configured(issuer)
    )]
    IssuerWithCredentials {
        /// The issuer without them.
        issuer: String,
    },
    /// An issuer or a JWK Set address is not a URL that may be fetched.
    #[error(
        "{what}{} of issuer {:?} cannot be fetched: {problem}",
        url.as_ref().map(|url| format!(" {:?}", Configured(url))).unwrap_or_default(),
        Configured(issuer)
    )]
    ForbiddenUrl {
        /// The issuer it belongs to.
        issuer: String,
        /// Which value: `"the URL"`, `"jwks_uri"` or `"failover_jwks_uri"`.
        what: &'static str,
        /// The value, unless it is the issuer itself: without user name, password and query.
        url: Option<String>,
        /// What is wrong with it, and the remedy.
        problem: String,
    },
    /// No audience was given, or one that is empty or blank.
    #[error(
        "{what} of issuer {:?} is empty; give the value this service has in the tokens' aud claim, \
         or spell out Audience::dangerously_any",
        Configured(issuer)
    )]
    EmptyAudience {
        /// The issuer.
        issuer: String,
        /// Which value: `"the audience"`, `"one of the audiences"` or `"the list of audiences"`.
        what: &'static str,
    },
    /// The list of algorithms is empty.
    #[error(
        "no algorithm is allowed for issuer {:?}; name those its tokens are signed with, \
         or leave Issuer::algorithms out",
        Configured(issuer)
    )]
    NoAlgorithms {
        /// The issuer.
        issuer: String,
    },
    /// The leeway is over its bound.
    #[error(
        "leeway of {leeway:?} for issuer {:?} is over the bound; give 300 s or less: \
         leeway is for clocks that differ, and expired tokens must be renewed",
        Configured(issuer)
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
        Configured(issuer)
    )]
    ZeroMaxTokenAge {
        /// The issuer.
        issuer: String,
    },
    /// A required claim or a token type is empty or blank.
    #[error(
        "{what} for issuer {:?} is empty; give its name or leave it out",
        Configured(issuer)
    )]
    EmptyName {
        /// The issuer.
        issuer: String,
        /// Which value: `"a required claim"`, `"the token type"` or `"the path of jwks_file"`.
        what: &'static str,
    },
    /// No key of a fixed key set serves an algorithm that is allowed.
    #[error(
        "no key of issuer {:?} serves an allowed algorithm; every token would be refused: \
         give the key's algorithm to Issuer::algorithms, or another key",
        Configured(issuer)
    )]
    NoKeyForAlgorithms {
        /// The issuer.
        issuer: String,
    },
    /// More keys without names than are tried for one token.
    #[error(
        "issuer {:?} has more than 4 keys without a kid for one algorithm; every such token would be \
         refused: give fewer, or a JWK Set whose keys have a kid",
        Configured(issuer)
    )]
    TooManyNamelessKeys {
        /// The issuer.
        issuer: String,
    },
    /// The crypto backend supports none of the allowed algorithms.
    #[error(
        "the enabled crypto backend supports no algorithm allowed for issuer {:?}; \
         enable the feature aws-lc-rs, or allow another algorithm",
        Configured(issuer)
    )]
    UnsupportedAlgorithms {
        /// The issuer.
        issuer: String,
    },
    /// A fixed key set has no usable key.
    #[error(
        "the key set of issuer {:?} has no usable key ({}); every token would be refused: \
         give its public signing keys, as its jwks_uri publishes them",
        Configured(issuer),
        first_skipped.map_or_else(|| "it is empty".to_owned(), |reason| reason.to_string())
    )]
    NoUsableKey {
        /// The issuer.
        issuer: String,
        /// Why the first key of the set was left out, if there is one.
        first_skipped: Option<SkipReason>,
    },
    /// A setting of `KeyRefresh` is out of its bounds.
    #[error(
        "KeyRefresh::{setting}({value}) of issuer {:?} is out of its bounds: give {bounds}",
        Configured(issuer)
    )]
    KeyRefreshOutOfBounds {
        /// The issuer.
        issuer: String,
        /// The setter's name.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What the value must be.
        bounds: String,
    },
    /// A failover address for keys that are not fetched.
    #[error(
        "issuer {:?} has a failover_jwks_uri, but its keys come from no URL; leave it out, \
         or use Issuer::jwks_uri or Issuer::discover",
        Configured(issuer)
    )]
    NothingToFailOver {
        /// The issuer.
        issuer: String,
    },
    /// The `keys_file` of a configuration cannot be read, or holds no keys.
    #[cfg(feature = "config")]
    #[error(
        "keys_file {:?} of issuer {:?} cannot be used: {problem}; give a JWK Set or public keys in PEM text",
        Configured(path),
        Configured(issuer)
    )]
    UnreadableKeysFile {
        /// The issuer.
        issuer: String,
        /// The path given.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A setting that was read from a configuration is wrong.
    #[cfg(feature = "config")]
    #[error("{path}: {error}")]
    InConfig {
        /// Where the setting stands, seen from the `VerifierConfig`: `"issuers[0].leeway"`.
        path: String,
        /// What is wrong with it.
        error: Box<Self>,
    },
    /// Both a `Fetch` and settings for the crate's own HTTP client were given.
    #[error(
        "both VerifierBuilder::fetch and VerifierBuilder::http_client are set, and only one can fetch; \
         leave one out"
    )]
    TwoHttpClients,
    /// A setting of a layer, which belongs to no issuer, is not what it must be.
    #[error("{setting} cannot be {:?}: {problem}", Configured(value))]
    InvalidSetting {
        /// Which setting, such as `"an origin of a cookie"`.
        setting: &'static str,
        /// The value given.
        value: String,
        /// What is wrong with it, and the remedy.
        problem: &'static str,
    },
    /// A policy cannot be asked where it stands.
    #[error("{place}: {problem}")]
    UnusablePolicy {
        /// Where: `"AuthLayer::require"`, or a route or method.
        place: String,
        /// Which part of the policy it is, what is wrong with it, and the remedy.
        problem: String,
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

impl BuildError {
    #[cfg(feature = "tower")]
    pub(crate) fn policy(place: impl fmt::Display, problem: impl fmt::Display) -> Self {
        Self::UnusablePolicy {
            place: place.to_string(),
            problem: problem.to_string(),
        }
    }

    fn variant(&self) -> &'static str {
        match self {
            Self::NoIssuer => "NoIssuer",
            Self::DuplicateIssuer { .. } => "DuplicateIssuer",
            Self::EmptyIssuer => "EmptyIssuer",
            Self::ForbiddenUrl { .. } => "ForbiddenUrl",
            Self::EmptyAudience { .. } => "EmptyAudience",
            Self::NoAlgorithms { .. } => "NoAlgorithms",
            Self::LeewayTooLong { .. } => "LeewayTooLong",
            Self::ZeroMaxTokenAge { .. } => "ZeroMaxTokenAge",
            Self::IssuerWithCredentials { .. } => "IssuerWithCredentials",
            Self::EmptyName { .. } => "EmptyName",
            Self::NoKeyForAlgorithms { .. } => "NoKeyForAlgorithms",
            Self::TooManyNamelessKeys { .. } => "TooManyNamelessKeys",
            Self::UnsupportedAlgorithms { .. } => "UnsupportedAlgorithms",
            Self::NoUsableKey { .. } => "NoUsableKey",
            Self::KeyRefreshOutOfBounds { .. } => "KeyRefreshOutOfBounds",
            Self::NothingToFailOver { .. } => "NothingToFailOver",
            #[cfg(feature = "config")]
            Self::UnreadableKeysFile { .. } => "UnreadableKeysFile",
            #[cfg(feature = "config")]
            Self::InConfig { error, .. } => error.variant(),
            Self::TwoHttpClients => "TwoHttpClients",
            Self::InvalidSetting { .. } => "InvalidSetting",
            Self::UnusablePolicy { .. } => "UnusablePolicy",
            Self::NoCryptoBackend => "NoCryptoBackend",
            Self::HttpClient { .. } => "HttpClient",
        }
    }
}

/// `?` in `main` prints this, and the remedy must be in it.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {self}", self.variant())
    }
}
