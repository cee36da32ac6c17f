//! Configuration, and the one place that checks it.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::cache::{DEFAULT_CACHE_BYTES, VerifiedTokens};
use super::trusted::{IssuerKeys, TrustedIssuer, TrustedIssuers};
use super::{Inner, Verifier};
use crate::claims::{Accepted, MAX_LEEWAY, TokenType, Validation};
use crate::clock::{Clock, SystemClock};
use crate::error::BuildError;
use crate::expiry::CarriedClock;
use crate::issuer::{Issuer, Source};
use crate::jws::KnownHeaders;
use crate::key_set::KeySet;
use crate::signature::{BACKEND_AVAILABLE, is_supported};
use crate::text::{has_userinfo, without_credentials};
#[cfg(feature = "remote")]
use crate::{
    discovery,
    event::{Events, Observer},
    fetch::{ClientBuilder, Configure, Fetch, FetchUrl, PlainHttp, ReqwestFetch, UrlError},
    remote::{KeySource, RemoteConfig, RemoteKeySet},
    text::address_without_secrets,
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
#[must_use = "a builder does nothing until build() is called"]
pub struct VerifierBuilder {
    issuers: Vec<Issuer>,
    token_cache_bytes: u64,
    clock: Option<Arc<dyn Clock>>,
    #[cfg(feature = "remote")]
    fetch: Option<Arc<dyn Fetch>>,
    #[cfg(feature = "remote")]
    configure: Option<Configure>,
    #[cfg(feature = "remote")]
    events: Events,
}

impl Default for VerifierBuilder {
    fn default() -> Self {
        Self {
            issuers: Vec::new(),
            token_cache_bytes: DEFAULT_CACHE_BYTES,
            clock: None,
            #[cfg(feature = "remote")]
            fetch: None,
            #[cfg(feature = "remote")]
            configure: None,
            #[cfg(feature = "remote")]
            events: Events::default(),
        }
    }
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

    /// Reads time from here. Default: [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Some(Arc::new(clock));
        self
    }

    /// How much memory tokens that were verified before may take, so that the next request with the
    /// same token costs no signature check. Default: 8 MiB, which is some 3,000 usual tokens; 0 keeps
    /// none. Which ones stay when it is full is decided by how often they are used.
    ///
    /// # Security
    ///
    /// A remembered token is accepted when verifying it anew would: the same bytes, by the same
    /// verifier, under a key that still serves, with `exp`, `nbf`, `iat` and
    /// [`Issuer::max_token_age`] held against the time of now. A refusal is not remembered.
    pub fn token_cache_bytes(mut self, bytes: u64) -> Self {
        self.token_cache_bytes = bytes;
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
    /// is reached without a proxy. Default: the system's certificates and proxy.
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
            check(issuer)?;
            #[cfg(feature = "remote")]
            check_fetching(issuer)?;
            if !names.insert(&*issuer.name) {
                return Err(BuildError::DuplicateIssuer {
                    issuer: issuer.name.to_string(),
                });
            }
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
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
                Source::Keys(keys) => IssuerKeys::Fixed(usable(&issuer, keys)?),
                #[cfg(feature = "remote")]
                Source::Discovery | Source::JwksUri(_) | Source::File(_) => {
                    IssuerKeys::Remote(RemoteKeySet::new(RemoteConfig {
                        source: key_source(&issuer)?.0,
                        failover: failover(&issuer)?,
                        issuer: Arc::clone(&issuer.name),
                        rules: issuer.key_refresh,
                        fetch: Arc::clone(&fetch),
                        clock: Arc::clone(&clock),
                        events: self.events.clone(),
                    }))
                }
            };
            issuers.push(TrustedIssuer {
                place: issuers.len(),
                keys,
                algorithms: issuer.algorithms,
                validation: Validation {
                    issuer: issuer.name,
                    audience: issuer.audience,
                    leeway: issuer.leeway,
                    token_type: issuer.token_type,
                    required_claims: issuer.required_claims,
                    max_token_age: issuer.max_token_age,
                    clock: CarriedClock(Arc::clone(&clock)),
                },
            });
        }
        Ok(Verifier(Arc::new(Inner {
            issuers: TrustedIssuers::new(issuers),
            clock,
            headers: KnownHeaders::default(),
            verified: VerifiedTokens::new(self.token_cache_bytes),
        })))
    }
}

/// What can be wrong with an issuer's settings apart from where its keys are.
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

/// Where an issuer's keys are, and the URL to start from if they are fetched.
#[cfg(feature = "remote")]
fn key_source(issuer: &Issuer) -> Result<(KeySource, Option<FetchUrl>), BuildError> {
    match &issuer.source {
        Source::JwksUri(jwks_uri) => {
            // The address is what was configured here; the issuer need not even be a URL.
            let url = FetchUrl::parse(jwks_uri, plain_http(issuer, jwks_uri))
                .map_err(|problem| forbidden(issuer, "jwks_uri", Some(jwks_uri), problem))?;
            Ok((KeySource::JwksUri(url.clone()), Some(url)))
        }
        Source::File(path) => Ok((KeySource::File(path.clone()), None)),
        Source::Discovery | Source::Keys(_) => {
            let plain_http = plain_http(issuer, &issuer.name);
            let [url, _] = discovery::candidates(&issuer.name, plain_http)
                .map_err(|problem| forbidden(issuer, "the URL", None, problem))?;
            Ok((KeySource::Discovery(plain_http), Some(url)))
        }
    }
}

#[cfg(feature = "remote")]
fn failover(issuer: &Issuer) -> Result<Option<FetchUrl>, BuildError> {
    let Some(failover) = &issuer.failover else {
        return Ok(None);
    };
    // Plain http only beside a first source on loopback: the second is no way to weaken the first.
    let first = match &issuer.source {
        Source::JwksUri(jwks_uri) => jwks_uri,
        Source::Discovery | Source::File(_) | Source::Keys(_) => &*issuer.name,
    };
    FetchUrl::parse(failover, plain_http(issuer, first))
        .map(Some)
        .map_err(|problem| forbidden(issuer, "failover_jwks_uri", Some(failover), problem))
}

#[cfg(feature = "remote")]
fn plain_http(issuer: &Issuer, configured: &str) -> PlainHttp {
    match issuer.allow_http {
        true => PlainHttp::Dangerously,
        false => PlainHttp::for_issuer(configured),
    }
}

#[cfg(feature = "remote")]
fn forbidden(
    issuer: &Issuer,
    what: &'static str,
    url: Option<&str>,
    problem: UrlError,
) -> BuildError {
    let remedy = match problem {
        UrlError::TooLong => "; give a shorter one",
        UrlError::Malformed => "; percent-encode everything else",
        UrlError::NoHost => "; write it out as https://host/path",
        UrlError::Scheme if url.is_none() => {
            "; where the issuer is no URL, say where its keys are with Issuer::jwks_uri or Issuer::keys"
        }
        UrlError::Scheme => "; write it out, or use Issuer::jwks_file for a file",
        UrlError::PlainHttp => {
            ", or spell out Issuer::dangerously_allow_http in a network you trust"
        }
        UrlError::Userinfo => {
            "; leave it out, and send credentials with VerifierBuilder::http_client"
        }
        UrlError::Fragment => "; leave out the # and all behind it",
        UrlError::Query => "; say where its keys are with Issuer::jwks_uri",
    };
    BuildError::ForbiddenUrl {
        issuer: issuer.name.to_string(),
        what,
        url: url.map(|url| address_without_secrets(url).to_owned()),
        problem: format!("{problem}{remedy}"),
    }
}

/// What can be wrong with how keys are fetched, apart from where.
#[cfg(feature = "remote")]
fn check_fetching(issuer: &Issuer) -> Result<(), BuildError> {
    let name = || issuer.name.to_string();
    if let Some(problem) = issuer.key_refresh.problem() {
        return Err(BuildError::KeyRefreshOutOfBounds {
            issuer: name(),
            setting: problem.setting,
            value: problem.value,
            bounds: problem.bounds,
        });
    }
    if issuer.failover.is_some() && matches!(issuer.source, Source::Keys(_) | Source::File(_)) {
        return Err(BuildError::NothingToFailOver { issuer: name() });
    }
    if matches!(&issuer.source, Source::File(path) if path.as_os_str().is_empty()) {
        return Err(BuildError::EmptyName {
            issuer: name(),
            what: "the path of jwks_file",
        });
    }
    Ok(())
}

/// The one HTTP client of a verifier, set up for the addresses that are configured.
#[cfg(feature = "remote")]
fn client_for(issuers: &[Issuer], configure: Configure) -> Result<Arc<dyn Fetch>, BuildError> {
    let mut urls = Vec::new();
    for issuer in issuers {
        if !matches!(issuer.source, Source::Keys(_)) {
            urls.extend(key_source(issuer)?.1);
        }
        urls.extend(failover(issuer)?);
    }
    match ReqwestFetch::new(&urls, configure) {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => Err(BuildError::HttpClient {
            problem: error.to_string(),
        }),
    }
}
