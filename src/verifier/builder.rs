//! Configuration, and the one place that checks it.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::trusted::{IssuerKeys, TrustedIssuer, TrustedIssuers};
use super::{Inner, Verifier};
use crate::claims::{Accepted, MAX_LEEWAY, TokenType, Validation};
use crate::clock::{Clock, SystemClock};
use crate::error::BuildError;
use crate::issuer::{Issuer, Source};
use crate::key_set::KeySet;
use crate::signature::BACKEND_AVAILABLE;
#[cfg(feature = "remote")]
use crate::{
    discovery,
    fetch::{Fetch, FetchUrl, PlainHttp, ReqwestFetch, UrlError},
    remote::{KeySource, RemoteKeySet},
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
#[derive(Debug, Default)]
#[must_use = "a builder does nothing until build() is called"]
pub struct VerifierBuilder {
    issuers: Vec<Issuer>,
    clock: Option<Arc<dyn Clock>>,
    #[cfg(feature = "remote")]
    fetch: Option<Arc<dyn Fetch>>,
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

    /// Fetches through this instead of the crate's own HTTPS client. Default: that client, built
    /// when at least one issuer's keys are fetched.
    #[cfg(feature = "remote")]
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Checks every setting and makes the verifier. Touches no network and needs no runtime.
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
            if !names.insert(&*issuer.name) {
                return Err(BuildError::DuplicateIssuer {
                    issuer: issuer.name.to_string(),
                });
            }
        }
        let clock = self.clock.unwrap_or_else(|| Arc::new(SystemClock));
        #[cfg(feature = "remote")]
        let fetch = match self.fetch {
            Some(fetch) => fetch,
            None => client_for(&self.issuers)?,
        };
        let mut issuers = Vec::with_capacity(self.issuers.len());
        for issuer in self.issuers {
            let keys = match &issuer.source {
                Source::Keys(keys) => IssuerKeys::Fixed(usable(&issuer, keys)?),
                #[cfg(feature = "remote")]
                Source::Discovery | Source::JwksUri(_) => {
                    let (source, _) = key_source(&issuer)?;
                    let (name, fetch, clock) = (
                        Arc::clone(&issuer.name),
                        Arc::clone(&fetch),
                        Arc::clone(&clock),
                    );
                    IssuerKeys::Remote(RemoteKeySet::new(name, source, fetch, clock))
                }
            };
            issuers.push(TrustedIssuer {
                keys,
                algorithms: issuer.algorithms,
                validation: Validation {
                    issuer: issuer.name,
                    audience: issuer.audience,
                    leeway: issuer.leeway,
                    token_type: issuer.token_type,
                    required_claims: issuer.required_claims,
                    max_token_age: issuer.max_token_age,
                },
            });
        }
        Ok(Verifier(Arc::new(Inner {
            issuers: TrustedIssuers::new(issuers),
            clock,
        })))
    }
}

/// What can be wrong with an issuer's settings apart from where its keys are.
fn check(issuer: &Issuer) -> Result<(), BuildError> {
    let name = || issuer.name.to_string();
    if issuer.name.is_empty() {
        return Err(BuildError::EmptyIssuer);
    }
    if let Accepted::AnyOf(audiences) = &issuer.audience.0
        && (audiences.is_empty() || audiences.iter().any(|audience| audience.is_empty()))
    {
        return Err(BuildError::EmptyAudience { issuer: name() });
    }
    if issuer.algorithms.is_empty() {
        return Err(BuildError::NoAlgorithms { issuer: name() });
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
    if issuer.required_claims.iter().any(|claim| claim.is_empty()) {
        return Err(BuildError::EmptyName {
            issuer: name(),
            what: "a required claim",
        });
    }
    if matches!(&issuer.token_type, TokenType::Exactly(typ) if typ.is_empty()) {
        return Err(BuildError::EmptyName {
            issuer: name(),
            what: "the token type",
        });
    }
    Ok(())
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
    Ok(keys)
}

/// The address of an issuer's keys, or of the document that says it, and the URL to start from.
#[cfg(feature = "remote")]
fn key_source(issuer: &Issuer) -> Result<(KeySource, FetchUrl), BuildError> {
    let forbidden = |what, problem: UrlError| BuildError::ForbiddenUrl {
        issuer: issuer.name.to_string(),
        what,
        problem: problem.to_string(),
    };
    let plain_http = |configured| match issuer.allow_http {
        true => PlainHttp::Dangerously,
        false => PlainHttp::for_issuer(configured),
    };
    match &issuer.source {
        Source::JwksUri(jwks_uri) => {
            // The address is what was configured here; the issuer need not even be a URL.
            let url = FetchUrl::parse(jwks_uri, plain_http(jwks_uri))
                .map_err(|problem| forbidden("jwks_uri", problem))?;
            Ok((KeySource::JwksUri(url.clone()), url))
        }
        Source::Discovery | Source::Keys(_) => {
            let plain_http = plain_http(&issuer.name);
            let [url, _] = discovery::candidates(&issuer.name, plain_http)
                .map_err(|problem| forbidden("the URL", problem))?;
            Ok((KeySource::Discovery(plain_http), url))
        }
    }
}

/// The one HTTP client of a verifier, set up for the addresses that are configured.
#[cfg(feature = "remote")]
fn client_for(issuers: &[Issuer]) -> Result<Arc<dyn Fetch>, BuildError> {
    let fetched = issuers
        .iter()
        .filter(|issuer| !matches!(issuer.source, Source::Keys(_)));
    let urls = fetched
        .map(|issuer| Ok(key_source(issuer)?.1))
        .collect::<Result<Vec<_>, BuildError>>()?;
    match ReqwestFetch::new(&urls) {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => Err(BuildError::HttpClient {
            problem: error.to_string(),
        }),
    }
}
