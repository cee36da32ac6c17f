//! An issuer: its exact name, where its keys come from, and what its tokens are held to.

use std::fmt;
#[cfg(feature = "remote")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::algorithm::Algorithm;
use crate::claims::{Accepted, Audience, DEFAULT_LEEWAY, TokenType};
use crate::key_set::KeySet;
#[cfg(feature = "remote")]
use crate::remote::KeyRefresh;
use crate::text::Configured;

/// An issuer whose tokens a service accepts. Trust is per issuer: keys, audience and every setting
/// belong to one and are never used for another.
///
/// Where its keys come from: `Issuer::discover`, `jwks_uri` and `jwks_file` need the feature `remote`,
/// which is on by default; [`Issuer::keys`] does not. What must be said is an argument; all else has a default. Nothing is checked before
/// [`VerifierBuilder::build`](crate::VerifierBuilder::build), which names every wrong value.
///
/// | setting | default | why |
/// |---|---|---|
/// | [`algorithms`](Self::algorithms) | every [`Algorithm`] | all use public keys; the key decides which one |
/// | [`leeway`](Self::leeway) | 30 s | machines that keep time badly still agree to 30 s |
/// | [`token_type`](Self::token_type) | [`TokenType::Usual`] | most issuers type access tokens `JWT` |
/// | [`require_claims`](Self::require_claims) | none beyond `iss`, `aud`, `exp` | |
/// | [`max_token_age`](Self::max_token_age) | none | `exp` says it already |
#[cfg_attr(
    feature = "remote",
    doc = "| [`key_refresh`](Self::key_refresh) | [`KeyRefresh::new`] | its table says |\n\
           | [`failover_jwks_uri`](Self::failover_jwks_uri) | none | keys outlive an outage of a day anyway |"
)]
///
/// # Example
///
/// ```
/// use portcullis::{Algorithm, Audience, Issuer};
///
/// let issuer = Issuer::discover("https://id.example.com", Audience::of("https://api.example.com"))
///     .algorithms([Algorithm::Es256]);
/// ```
#[derive(Clone)]
#[must_use = "an issuer does nothing until it is given to a verifier"]
pub struct Issuer {
    pub(crate) name: Arc<str>,
    pub(crate) source: Source,
    pub(crate) audience: Audience,
    pub(crate) algorithms: Vec<Algorithm>,
    pub(crate) leeway: Duration,
    pub(crate) token_type: TokenType,
    pub(crate) required_claims: Vec<Arc<str>>,
    pub(crate) max_token_age: Option<Duration>,
    #[cfg(feature = "remote")]
    pub(crate) allow_http: bool,
    #[cfg(feature = "remote")]
    pub(crate) failover: Option<String>,
    #[cfg(feature = "remote")]
    pub(crate) key_refresh: KeyRefresh,
    /// Where it stands in the configuration that it was read from.
    #[cfg(feature = "config")]
    pub(crate) config_path: Option<Box<str>>,
}

/// Where an issuer's keys come from, as configured.
#[derive(Clone)]
pub(crate) enum Source {
    #[cfg(feature = "remote")]
    Discovery,
    #[cfg(feature = "remote")]
    JwksUri(String),
    #[cfg(feature = "remote")]
    File(PathBuf),
    Keys(KeySet),
}

/// Addresses stay out: they are not checked yet, and may hold a password or an API key.
impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("issuer", &Configured(&self.name))
            .field("source", &self.source)
            .field("audience", &self.audience)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            #[cfg(feature = "remote")]
            Self::Discovery => "discovery",
            #[cfg(feature = "remote")]
            Self::JwksUri(_) => "jwks_uri",
            #[cfg(feature = "remote")]
            Self::File(_) => "jwks_file",
            Self::Keys(_) => "keys",
        })
    }
}

impl Issuer {
    /// An issuer that publishes where its keys are
    /// ([OpenID Connect Discovery](https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig)
    /// or [RFC 8414](https://www.rfc-editor.org/rfc/rfc8414#section-3)).
    ///
    /// `issuer` is the exact value of the tokens' `iss`, to the last slash, and an https URL. The
    /// published document must name it, byte for byte
    /// ([RFC 8414 §3.3](https://www.rfc-editor.org/rfc/rfc8414#section-3.3)).
    ///
    /// Needs the feature `remote`, as do the next two.
    #[cfg(feature = "remote")]
    pub fn discover(issuer: impl Into<String>, audience: Audience) -> Self {
        Self::new(issuer.into(), Source::Discovery, audience)
    }

    /// An issuer whose keys are at a known https URL; nothing is discovered.
    ///
    /// `issuer` is the exact value of the tokens' `iss` and need not be a URL.
    #[cfg(feature = "remote")]
    pub fn jwks_uri(
        issuer: impl Into<String>,
        jwks_uri: impl Into<String>,
        audience: Audience,
    ) -> Self {
        Self::new(issuer.into(), Source::JwksUri(jwks_uri.into()), audience)
    }

    /// An issuer whose JWK Set is a file, such as a mounted secret or config map.
    ///
    /// It is read once by [`build`](crate::VerifierBuilder::build), which succeeds without it, and again
    /// when it is nearly a minute old and in use ([`KeyRefresh::min_lifetime`]) or lacks a token's key.
    /// A key that is no longer in it serves on for [`KeyRefresh::unpublished_grace`], an hour, too: set
    /// that to zero where the file is the truth. Seeds and a failover are for keys that are fetched. A file that is not there, half
    /// written or no JWK Set is a failed fetch: the keys at hand serve on for 24 h at most. Reading
    /// needs no runtime. `issuer` is the exact value of the tokens' `iss` and may be any text.
    ///
    /// # Security
    ///
    /// Whoever writes the file decides which keys sign valid tokens.
    #[cfg(feature = "remote")]
    pub fn jwks_file(
        issuer: impl Into<String>,
        path: impl Into<PathBuf>,
        audience: Audience,
    ) -> Self {
        Self::new(issuer.into(), Source::File(path.into()), audience)
    }

    /// An issuer whose keys are given and never change. Nothing is fetched.
    ///
    /// `issuer` is the exact value of the tokens' `iss` and may be any text.
    ///
    /// # Security
    ///
    /// A withdrawn key is trusted until the process is given another set.
    pub fn keys(issuer: impl Into<String>, keys: KeySet, audience: Audience) -> Self {
        Self::new(issuer.into(), Source::Keys(keys), audience)
    }

    fn new(issuer: String, source: Source, audience: Audience) -> Self {
        Self {
            name: issuer.into(),
            source,
            audience,
            algorithms: Algorithm::ALL.to_vec(),
            leeway: DEFAULT_LEEWAY,
            token_type: TokenType::default(),
            required_claims: Vec::new(),
            max_token_age: None,
            #[cfg(feature = "remote")]
            allow_http: false,
            #[cfg(feature = "remote")]
            failover: None,
            #[cfg(feature = "remote")]
            key_refresh: KeyRefresh::new(),
            #[cfg(feature = "config")]
            config_path: None,
        }
    }

    /// Only these algorithms. Recommended where the issuer signs with one and publishes keys without
    /// `alg`, as Entra ID does: such a key serves every allowed algorithm of its type.
    ///
    /// Default: every [`Algorithm`]. An empty list is a [`BuildError`](crate::BuildError).
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How far apart this machine's clock and the issuer's may be, for `exp`, `nbf`, `iat` and the
    /// maximum age ([RFC 7519 §4.1.4](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4)).
    ///
    /// Default: 30 s. More than 300 s is a [`BuildError`](crate::BuildError): leeway is also how long
    /// an expired token still works.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// Which kinds of JWT are accepted. Default: [`TokenType::Usual`].
    pub fn token_type(mut self, token_type: TokenType) -> Self {
        self.token_type = token_type;
        self
    }

    /// Claims that must be there, beside `iss`, `aud` and `exp`; `null` counts as not there.
    ///
    /// Default: none. May be called more than once. An empty name is a [`BuildError`](crate::BuildError).
    pub fn require_claims<T: Into<String>>(mut self, claims: impl IntoIterator<Item = T>) -> Self {
        self.required_claims
            .extend(claims.into_iter().map(|claim| Arc::from(claim.into())));
        self
    }

    /// How long after `iat` a token is accepted at most, plus leeway, whatever its `exp` says.
    /// Makes `iat` required.
    ///
    /// Default: no limit. Zero is a [`BuildError`](crate::BuildError). Useful against issuers that
    /// write milliseconds into `exp`, which is a date millennia away.
    pub fn max_token_age(mut self, age: Duration) -> Self {
        self.max_token_age = Some(age);
        self
    }

    /// How this issuer's keys are kept fresh, and how long they are trusted. Default:
    /// [`KeyRefresh::new`]. A setting out of its bounds is a [`BuildError`](crate::BuildError).
    #[cfg(feature = "remote")]
    pub fn key_refresh(mut self, key_refresh: KeyRefresh) -> Self {
        self.key_refresh = key_refresh;
        self
    }

    /// A second address for the JWK Set, asked only when the first does not answer with one.
    ///
    /// Keys it has beyond those at hand are used; keys it lacks serve on as they do while fetches fail.
    /// A key that this process has seen the issuer withdraw is not brought back by it; that is not
    /// remembered beyond the process. The first address has
    /// 60 % of [`KeyRefresh::fetch_deadline`] when there is a second. Default: none.
    ///
    /// # Security
    ///
    /// Whoever answers there decides which keys sign valid tokens whenever the issuer is down, or cut
    /// off.
    #[cfg(feature = "remote")]
    pub fn failover_jwks_uri(mut self, jwks_uri: impl Into<String>) -> Self {
        self.failover = Some(jwks_uri.into());
        self
    }

    /// Fetches this issuer's documents over plain http too, as inside a cluster without TLS.
    ///
    /// Default: https only, apart from an issuer that is itself on loopback.
    ///
    /// # Security
    ///
    /// Whoever can answer in the issuer's place on that network chooses the keys, and with them who
    /// is let in.
    #[cfg(feature = "remote")]
    pub fn dangerously_allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// What is wrong with this issuer, with the path of the setting if it was read from a configuration.
    pub(crate) fn at_its_path(&self, error: crate::BuildError) -> crate::BuildError {
        #[cfg(feature = "config")]
        if let Some(path) = &self.config_path {
            return error.at_path(path);
        }
        error
    }

    /// Writes a log entry for each setting that weakens a check, so that none of them is silent.
    pub(crate) fn log_dangers(&self) {
        let dangers = [
            (
                matches!(self.audience.0, Accepted::Everything),
                "tokens for any audience are accepted",
            ),
            (
                self.token_type == TokenType::DangerouslyAny,
                "tokens of any type are accepted",
            ),
            #[cfg(feature = "remote")]
            (self.allow_http, "keys are fetched over plain http too"),
        ];
        for (_, danger) in dangers.into_iter().filter(|(set, _)| *set) {
            tracing::warn!(target: LOG_TARGET, issuer = ?Configured(&self.name), "{danger}");
        }
    }
}

const LOG_TARGET: &str = "portcullis::config";
