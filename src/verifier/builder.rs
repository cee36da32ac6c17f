//! Configuration, and the one place that checks it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cache::{TokenCache, VerifiedTokens};
#[cfg(feature = "remote")]
use super::fetching::{check_fetching, client_for, failover, key_source};
use super::trusted::{IssuerKeys, TrustedIssuer, TrustedIssuers};
use super::{Inner, Verifier};
use crate::claims::{Accepted, MAX_LEEWAY, TokenType, Validation};
use crate::clock::{Clock, SharedClock};
use crate::error::BuildError;
use crate::issuer::{Issuer, Source};
use crate::jws::KnownHeaders;
use crate::key_set::KeySet;
use crate::signature::{BACKEND_AVAILABLE, is_supported};
use crate::text::{has_userinfo, without_credentials};
#[cfg(feature = "remote")]
use crate::{
    event::{Events, Observer},
    fetch::{ClientBuilder, Configure, Fetch},
    remote::{RemoteConfig, RemoteKeySet},
};

/// Collects issuers and settings for a [`Verifier`]; [`build`](Self::build) checks them all.
///
/// # Example
///
/// ```no_run
/// use portcullis::{Audience, Issuer, Verifier};
///
/// # fn main() -> Result<(), portcullis::BuildError> {
/// let audience = Audience::of("https://api.example.com");
/// let verifier = Verifier::builder()
///     .issuer(Issuer::discover("https://id.example.com", audience.clone()))
///     .issuer(Issuer::jwks_uri("https://old.example.com", "https://old.example.com/keys", audience))
///     .build()?;
/// # Ok(()) }
/// ```
#[derive(Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct VerifierBuilder {
    issuers: Vec<Issuer>,
    cache: TokenCache,
    clock: SharedClock,
    #[cfg(feature = "remote")]
    fetch: Option<Arc<dyn Fetch>>,
    #[cfg(feature = "remote")]
    configure: Option<Configure>,
    #[cfg(feature = "remote")]
    events: Events,
}

impl fmt::Debug for VerifierBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}

impl VerifierBuilder {
    /// Adds an issuer whose tokens are accepted. Its keys never verify another issuer's token.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Reads time from here. Default: [`SystemClock`](crate::SystemClock).
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = SharedClock::Other(Arc::new(clock));
        self
    }

    /// How tokens are remembered that were verified before. Default: in 8 MiB; see [`TokenCache`].
    pub fn cache(mut self, cache: TokenCache) -> Self {
        self.cache = cache;
        self
    }

    /// Fetches through this instead of the crate's own HTTPS client. Default: that client, built
    /// when at least one issuer's keys are fetched.
    #[cfg(feature = "remote")]
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Changes the crate's own HTTPS client: another certificate authority, a client certificate, a
    /// proxy, headers. Called once for each kind of route (https or not, loopback or not).
    ///
    /// `reqwest` is this crate's: [`portcullis::reqwest`](crate::reqwest). Redirects, retries,
    /// compression, referers and the TLS library stay as they are whatever is set here, and loopback
    /// is reached without a proxy. Default: the system's certificates and proxy, and HTTP/1.1 even where another
    /// crate has reqwest's `http2` compiled in.
    ///
    /// Beside [`fetch`](Self::fetch) it is a [`BuildError`], as only one of the two can fetch.
    ///
    /// # Security
    ///
    /// It is one client for every issuer, and for every host that their metadata names: credentials
    /// that are set as default headers are sent to all of them. For credentials of one issuer write a
    /// [`Fetch`] that looks at the URL.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use portcullis::{Audience, Issuer, Verifier, reqwest};
    ///
    /// # fn f(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// let authority = reqwest::Certificate::from_pem(pem)?;
    /// let verifier = Verifier::builder()
    ///     .issuer(Issuer::discover("https://id.internal", Audience::of("orders")))
    ///     .http_client(move |client| client.tls_certs_only([authority.clone()]))
    ///     .build()?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "remote")]
    pub fn http_client(
        mut self,
        configure: impl Fn(ClientBuilder) -> ClientBuilder + Send + Sync + 'static,
    ) -> Self {
        self.configure = Some(Arc::new(configure));
        self
    }

    /// Tells this of what happens to keys; one given before is replaced. Default: nobody; log entries are
    /// written either way. [`build`](Self::build) tells it already of files that it reads.
    #[cfg(feature = "remote")]
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.events = Events(Some(Arc::new(observer)));
        self
    }

    /// Checks every setting and makes the verifier. Touches no network and needs no runtime; reads
    /// the file of each `Issuer::jwks_file` once.
    ///
    /// # Errors
    ///
    /// [`BuildError`] for the first wrong setting, with its value and the remedy.
    pub fn build(self) -> Result<Verifier, BuildError> {
        if !BACKEND_AVAILABLE {
            return Err(BuildError::NoCryptoBackend);
        }
        if self.issuers.is_empty() {
            return Err(BuildError::NoIssuer);
        }
        let mut names = HashSet::new();
        for issuer in &self.issuers {
            check(issuer).map_err(|error| issuer.at_its_path(error))?;
            if !names.insert(&*issuer.name) {
                return Err(issuer.at_its_path(BuildError::DuplicateIssuer {
                    issuer: issuer.name.to_string(),
                }));
            }
        }
        let clock = self.clock;
        #[cfg(feature = "remote")]
        let fetch = match (self.fetch, self.configure) {
            (Some(_), Some(_)) => return Err(BuildError::TwoHttpClients),
            (Some(fetch), None) => fetch,
            (None, configure) => {
                let configure = configure.unwrap_or_else(|| Arc::new(|client| client));
                client_for(&self.issuers, configure)?
            }
        };
        let mut issuers = Vec::with_capacity(self.issuers.len());
        for issuer in self.issuers {
            issuer.log_dangers();
            let keys = match &issuer.source {
                Source::Keys(keys) => IssuerKeys::Fixed(
                    usable(&issuer, keys).map_err(|error| issuer.at_its_path(error))?,
                ),
                #[cfg(feature = "remote")]
                Source::Discovery | Source::JwksUri(_) | Source::File(_) => {
                    IssuerKeys::Remote(RemoteKeySet::new(RemoteConfig {
                        source: key_source(&issuer)?.0,
                        failover: failover(&issuer)?,
                        issuer: Arc::clone(&issuer.name),
                        rules: issuer.key_refresh,
                        fetch: Arc::clone(&fetch),
                        clock: clock.clone(),
                        events: self.events.clone(),
                    }))
                }
            };
            issuers.push(TrustedIssuer {
                place: issuers.len(),
                keys,
                algorithms: issuer.algorithms,
                #[cfg(feature = "metrics")]
                counted: crate::metrics::CountedIssuer::new(Arc::clone(&issuer.name)),
                validation: Validation {
                    issuer: issuer.name,
                    audience: issuer.audience,
                    leeway: issuer.leeway,
                    token_type: issuer.token_type,
                    required_claims: issuer.required_claims,
                    max_token_age: issuer.max_token_age,
                    clock: clock.clone(),
                },
            });
        }
        Ok(Verifier(Arc::new(Inner {
            issuers: TrustedIssuers::new(issuers),
            clock,
            headers: KnownHeaders::default(),
            verified: VerifiedTokens::new(self.cache),
        })))
    }
}

/// What can be wrong with an issuer's settings apart from its keys.
fn check(issuer: &Issuer) -> Result<(), BuildError> {
    let name = || issuer.name.to_string();
    if is_blank(&issuer.name) {
        return Err(BuildError::EmptyIssuer);
    }
    if has_userinfo(&issuer.name) {
        return Err(BuildError::IssuerWithCredentials {
            issuer: without_credentials(&issuer.name).to_owned(),
        });
    }
    if let Accepted::AnyOf(audiences) = &issuer.audience.0 {
        let what = match &**audiences {
            [] => Some("the list of audiences"),
            [only] => is_blank(only).then_some("the audience"),
            several => several
                .iter()
                .any(|audience| is_blank(audience))
                .then_some("one of the audiences"),
        };
        if let Some(what) = what {
            return Err(BuildError::EmptyAudience {
                issuer: name(),
                what,
            });
        }
    }
    if issuer.algorithms.is_empty() {
        return Err(BuildError::NoAlgorithms { issuer: name() });
    }
    if !issuer.algorithms.iter().copied().any(is_supported) {
        return Err(BuildError::UnsupportedAlgorithms { issuer: name() });
    }
    if issuer.leeway > MAX_LEEWAY {
        return Err(BuildError::LeewayTooLong {
            issuer: name(),
            leeway: issuer.leeway,
        });
    }
    if issuer.max_token_age == Some(Duration::ZERO) {
        return Err(BuildError::ZeroMaxTokenAge { issuer: name() });
    }
    if issuer.required_claims.iter().any(|claim| is_blank(claim)) {
        return Err(BuildError::EmptyName {
            issuer: name(),
            what: "a required claim",
        });
    }
    if matches!(&issuer.token_type, TokenType::Exactly(typ) if is_blank(typ) || typ.ends_with('/'))
    {
        return Err(BuildError::EmptyName {
            issuer: name(),
            what: "the token type",
        });
    }
    #[cfg(feature = "remote")]
    check_fetching(issuer)?;
    Ok(())
}

/// Nothing that a token says on purpose: an environment variable that is there and not set, rather.
fn is_blank(value: &str) -> bool {
    value.trim().is_empty()
}

/// The keys of a fixed set that this issuer may use, of which there must be one.
fn usable(issuer: &Issuer, keys: &KeySet) -> Result<KeySet, BuildError> {
    let keys = keys.for_issuer(&issuer.name);
    if keys.is_empty() {
        return Err(BuildError::NoUsableKey {
            issuer: issuer.name.to_string(),
            first_skipped: keys.skipped().first().map(crate::jwk::SkippedKey::reason),
        });
    }
    let name = || issuer.name.to_string();
    if !keys.serves_any(&issuer.algorithms) {
        return Err(BuildError::NoKeyForAlgorithms { issuer: name() });
    }
    if keys.is_nameless_and_ambiguous(&issuer.algorithms) {
        return Err(BuildError::TooManyNamelessKeys { issuer: name() });
    }
    Ok(keys)
}
