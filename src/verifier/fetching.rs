//! Where an issuer's keys are fetched from, as configured: checked before anything is built.

use std::sync::Arc;

use crate::discovery;
use crate::error::BuildError;
use crate::fetch::{Configure, Fetch, FetchUrl, PlainHttp, ReqwestFetch, UrlError};
use crate::issuer::{Issuer, Source};
use crate::remote::KeySource;
use crate::text::address_without_secrets;

/// Where an issuer's keys are, and the URL to start from if they are fetched.
pub(super) fn key_source(issuer: &Issuer) -> Result<(KeySource, Option<FetchUrl>), BuildError> {
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

pub(super) fn failover(issuer: &Issuer) -> Result<Option<FetchUrl>, BuildError> {
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

fn plain_http(issuer: &Issuer, configured: &str) -> PlainHttp {
    match issuer.allow_http {
        true => PlainHttp::Dangerously,
        false => PlainHttp::for_issuer(configured),
    }
}

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
    // The issuer itself was meant as an address here, unless there is another one.
    let name = match url {
        Some(_) => &issuer.name,
        None => address_without_secrets(&issuer.name),
    };
    BuildError::ForbiddenUrl {
        issuer: name.to_owned(),
        what,
        url: url.map(|url| address_without_secrets(url).to_owned()),
        problem: format!("{problem}{remedy}"),
    }
}

/// What can be wrong with how and where keys are fetched.
pub(super) fn check_fetching(issuer: &Issuer) -> Result<(), BuildError> {
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
    if !matches!(issuer.source, Source::Keys(_)) {
        key_source(issuer)?;
    }
    failover(issuer)?;
    Ok(())
}

/// The one HTTP client of a verifier, set up for the addresses that are configured.
pub(super) fn client_for(
    issuers: &[Issuer],
    configure: Configure,
) -> Result<Arc<dyn Fetch>, BuildError> {
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
