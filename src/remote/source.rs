//! Where an issuer's keys come from, and one trip there.

use std::path::PathBuf;
use std::time::Duration;

use super::state::{Answer, Document, Fresh, Metadata};
use super::{Reason, Shared};
use crate::discovery;
use crate::error::{FetchError, FetchErrorKind};
use crate::event::Event;
use crate::fetch::{Content, ETag, FetchRequest, FetchUrl, MAX_BODY_BYTES, PlainHttp, read_file};
use crate::key_set::KeySet;

/// Where an issuer's keys come from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// The issuer's metadata says where.
    Discovery(PlainHttp),
    JwksUri(FetchUrl),
    File(PathBuf),
}

/// One trip to the keys: to the first source, and to the failover if that fails.
pub(super) async fn fetch(shared: &Shared, reason: Reason) -> Result<Answer, FetchError> {
    let Some(failover) = &shared.config.failover else {
        return primary(shared, reason).await;
    };
    // A first source that hangs leaves time for the second.
    let share = shared.config.rules.fetch_deadline.mul_f64(PRIMARY_SHARE);
    let error = match tokio::time::timeout(share, primary(shared, reason)).await {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(error)) => error,
        Err(_) => FetchError::new(FetchErrorKind::Deadline),
    };
    match key_set(shared, failover, None, reason).await {
        Ok(answer) => Ok(Answer {
            failed_over: Some(error),
            ..answer
        }),
        Err(_) => Err(error),
    }
}

async fn primary(shared: &Shared, reason: Reason) -> Result<Answer, FetchError> {
    let url = match &shared.config.source {
        KeySource::JwksUri(url) => url.clone(),
        KeySource::Discovery(plain_http) => jwks_uri(shared, *plain_http, reason).await?,
        KeySource::File(_) => return file(shared),
    };
    let etag = match &shared.state.load().etag {
        Some((tagged, etag)) if *tagged == url => Some(etag.clone()),
        _ => None,
    };
    key_set(shared, &url, etag, reason).await
}

/// The address of the keys: the known one, or the one that the metadata names now.
async fn jwks_uri(
    shared: &Shared,
    plain_http: PlainHttp,
    reason: Reason,
) -> Result<FetchUrl, FetchError> {
    let now = shared.config.clock.now();
    let state = shared.state.load_full();
    let known = state.known_jwks_uri(&shared.config.rules, now);
    if let Some(known) = known
        && reason != Reason::Operator
        && !state.is_metadata_due(&shared.config.rules, now)
    {
        return Ok(known.clone());
    }
    let issuer = &*shared.config.issuer;
    let discovering = discovery::discover(&*shared.config.fetch, issuer, plain_http);
    // With an address to fall back on, metadata that hangs leaves time for the keys.
    let share = match known {
        Some(_) => shared.config.rules.fetch_deadline.mul_f64(METADATA_SHARE),
        None => shared.config.rules.fetch_deadline,
    };
    let discovered = match tokio::time::timeout(share, discovering).await {
        Ok(discovered) => discovered,
        Err(_) => Err(FetchError::new(FetchErrorKind::Deadline)),
    };
    match discovered {
        Ok(metadata) => {
            let jwks_uri = metadata.jwks_uri;
            // The old address is forgotten: whoever holds it now has no say any more.
            shared.update(|state| {
                // Unless this flight was given up and a later one has been there.
                let later = |metadata: &Metadata| metadata.tried.monotonic > now.monotonic;
                if !state.metadata.as_ref().is_some_and(later) {
                    state.metadata = Some(Metadata {
                        jwks_uri: jwks_uri.clone(),
                        confirmed: now,
                        tried: now,
                        error: None,
                    });
                }
            });
            if known.is_some_and(|known| *known != jwks_uri) {
                shared.config.events.emit(&Event::JwksUriChanged { issuer });
            }
            Ok(jwks_uri)
        }
        Err(error) => {
            shared.update(|state| {
                if let Some(metadata) = &mut state.metadata
                    && metadata.tried.monotonic <= now.monotonic
                {
                    metadata.tried = now;
                    metadata.error = Some(error.clone());
                }
            });
            let Some(known) = known else {
                return Err(error);
            };
            let error = &error;
            shared
                .config
                .events
                .emit(&Event::MetadataFailed { issuer, error });
            Ok(known.clone())
        }
    }
}

/// The JWK Set of an address; a scheduled fetch asks whether it has changed, the others go past
/// every cache on the way.
async fn key_set(
    shared: &Shared,
    url: &FetchUrl,
    etag: Option<ETag>,
    reason: Reason,
) -> Result<Answer, FetchError> {
    let request = FetchRequest::new(url.clone(), MAX_BODY_BYTES);
    let request = match reason {
        Reason::Schedule => request.with_if_none_match(etag),
        Reason::UnknownKey | Reason::BadSignature | Reason::Operator => request.with_no_cache(),
    };
    let response = request.send(&*shared.config.fetch).await?;
    let keys = match response.content {
        Content::NotModified => None,
        Content::Document { body, etag } => Some(Fresh {
            keys: parse(shared, &body)?,
            etag: etag.map(|etag| (url.clone(), etag)),
            document: Some(Document {
                url: url.clone(),
                body,
            }),
        }),
    };
    Ok(Answer {
        keys,
        lifetime: response.freshness.max_age(),
        failed_over: None,
    })
}

/// Reads the keys of a file. Blocks.
pub(super) fn file(shared: &Shared) -> Result<Answer, FetchError> {
    let KeySource::File(path) = &shared.config.source else {
        return Err(FetchError::new(FetchErrorKind::File));
    };
    let body = read_file(path, MAX_BODY_BYTES)?;
    Ok(Answer {
        keys: Some(Fresh {
            keys: parse(shared, &body)?,
            document: None,
            etag: None,
        }),
        // Files say nothing of their lifetime and cost nothing to read: the shortest one there is.
        lifetime: Some(Duration::ZERO),
        failed_over: None,
    })
}

/// The keys of a document that its issuer may use.
pub(super) fn parse(shared: &Shared, body: &[u8]) -> Result<KeySet, FetchError> {
    let keys = KeySet::from_json_limited(body, MAX_KEYS)
        .map_err(|error| FetchError::with_source(FetchErrorKind::NotAKeySet, error))?;
    Ok(keys.for_issuer(&shared.config.issuer))
}

/// Share of the deadline that metadata has when there is an address from before.
const METADATA_SHARE: f64 = 0.3;
/// Share of the deadline that the first source has when there is a failover.
const PRIMARY_SHARE: f64 = 0.6;
/// Most keys of a fetched set that are used. Real sets have 1 to 25.
const MAX_KEYS: usize = 100;
