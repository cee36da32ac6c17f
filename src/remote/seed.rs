//! Keys that outlive a process: exported by one, and a warm start for the next.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::freshness::age;
use super::state::{Answer, Document, Fresh, Metadata};
use super::{KeySource, Reason, RemoteKeySet, refresh, source};
use crate::clock::Now;
use crate::fetch::{FetchUrl, MAX_BODY_BYTES, PlainHttp};
use crate::text::Escaped;

/// The published keys of issuers with where and when they were fetched, to be kept as text.
///
/// With it a function or a job verifies its first token without a fetch: export once, in a
/// deployment or a warm instance, and seed at the start. Rules are the same as if the new process
/// had fetched the keys itself at that time: past their lifetime they are fetched anew, and after
/// 24 h without success they are refused.
///
/// # Security
///
/// Whoever writes a seed decides which keys sign valid tokens. Keep it where the service's code is
/// kept, or as a secret's integrity is kept; never take it from a request. One that is older than the
/// withdrawal of a key brings that key back until the next fetch and its grace. Documents are kept as
/// they were published, a secret that should not have been among them included.
///
/// # Example
///
/// ```no_run
/// use portcullis::{KeySeed, Verifier};
///
/// # fn f(running: &Verifier, starting: &Verifier) -> Result<(), Box<dyn std::error::Error>> {
/// let seed = running.export_keys();
/// if !seed.is_empty() {
///     std::fs::write("keys.json.new", seed.to_json())?;
///     std::fs::rename("keys.json.new", "keys.json")?;
/// }
///
/// let seed = KeySeed::from_json(&std::fs::read("keys.json")?)?;
/// starting.seed_keys(&seed)?;
/// # Ok(()) }
/// ```
#[derive(Clone, Default)]
pub struct KeySeed {
    pub(crate) issuers: Vec<IssuerSeed>,
}

/// One issuer's part of a seed.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerSeed {
    pub(crate) issuer: String,
    jwks_uri: String,
    /// Seconds since 1970-01-01T00:00:00Z.
    fetched_at: u64,
    /// Seconds that they were to be fresh for.
    lifetime: u64,
    jwks: Box<RawValue>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct SeedDocument {
    version: u32,
    issuers: Vec<IssuerSeed>,
}

impl KeySeed {
    /// The seed as JSON text, to be kept.
    #[must_use]
    pub fn to_json(&self) -> String {
        let document = SeedDocument {
            version: VERSION,
            issuers: self.issuers.clone(),
        };
        // Strings, numbers and JSON that has been parsed before: nothing in it can fail.
        serde_json::to_string(&document).unwrap_or_default()
    }

    /// Reads what [`to_json`](Self::to_json) wrote.
    ///
    /// # Errors
    ///
    /// [`SeedError::NotASeed`] for any other text, and one of another version of this format.
    pub fn from_json(json: &[u8]) -> Result<Self, SeedError> {
        let document: SeedDocument =
            serde_json::from_slice(json).map_err(|_| SeedError::NotASeed)?;
        if document.version != VERSION {
            return Err(SeedError::NotASeed);
        }
        Ok(Self {
            issuers: document.issuers,
        })
    }

    /// The issuers whose keys it holds.
    pub fn issuers(&self) -> impl Iterator<Item = &str> {
        self.issuers.iter().map(|seed| seed.issuer.as_str())
    }

    /// Whether it holds no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }
}

impl fmt::Debug for KeySeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySeed")
            .field("issuers", &self.issuers.len())
            .finish_non_exhaustive()
    }
}

/// Why a seed was not taken. Issuers without a fault are seeded all the same.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SeedError {
    /// The text is not a seed of this version.
    #[error("not a key seed of this version; export it anew")]
    NotASeed,
    /// No remote keys of this issuer are configured.
    #[error(
        "the seed has keys of issuer {:?}, whose keys are not fetched by this verifier",
        Escaped(issuer)
    )]
    UnknownIssuer {
        /// The seed's issuer.
        issuer: String,
    },
    /// The keys are from another address than the one configured, or one that may not be fetched.
    #[error(
        "the keys of issuer {:?} in the seed are from another address than is configured",
        Escaped(issuer)
    )]
    OtherAddress {
        /// The issuer.
        issuer: String,
    },
    /// The keys were fetched in the future, be it by a second: one of the two clocks is wrong.
    #[error(
        "the keys of issuer {:?} in the seed are from the future; check the clocks",
        Escaped(issuer)
    )]
    FromTheFuture {
        /// The issuer.
        issuer: String,
    },
    /// The keys are older than keys are trusted without a successful fetch.
    #[error(
        "the keys of issuer {:?} in the seed are too old to be trusted; export them anew",
        Escaped(issuer)
    )]
    TooOld {
        /// The issuer.
        issuer: String,
    },
    /// The keys are not a JWK Set.
    #[error(
        "the keys of issuer {:?} in the seed are not a JWK Set",
        Escaped(issuer)
    )]
    NotAKeySet {
        /// The issuer.
        issuer: String,
    },
}

impl RemoteKeySet {
    /// The keys of the issuer's own last answer. A failover's are not exported as if they were that.
    pub(crate) fn export(&self) -> Option<IssuerSeed> {
        let state = self.0.state.load();
        let document = state.document.as_ref()?;
        // Counted back from now: a wall clock that was set back makes no key younger.
        let now = self.0.config.clock.now();
        let fetched_at = now.wall.checked_sub(age(state.primary_at?, now))?;
        let lifetime = state.history.lifetime()?;
        Some(IssuerSeed {
            issuer: self.0.config.issuer.to_string(),
            jwks_uri: document.url.as_str().to_owned(),
            fetched_at: fetched_at.duration_since(UNIX_EPOCH).ok()?.as_secs(),
            lifetime: lifetime.as_secs(),
            jwks: serde_json::from_slice(&document.body).ok()?,
        })
    }

    /// Takes the keys of a seed, unless there are newer ones.
    pub(crate) fn seed(&self, seed: &IssuerSeed) -> Result<(), SeedError> {
        let shared = &self.0;
        let issuer = || seed.issuer.clone();
        let (plain_http, configured) = match &shared.config.source {
            KeySource::Discovery(plain_http) => (*plain_http, None),
            KeySource::JwksUri(url) => (PlainHttp::Dangerously, Some(url)),
            KeySource::File(_) => return Err(SeedError::UnknownIssuer { issuer: issuer() }),
        };
        let other_address = || SeedError::OtherAddress { issuer: issuer() };
        let url = FetchUrl::parse(&seed.jwks_uri, plain_http).map_err(|_| other_address())?;
        if configured.is_some_and(|configured| *configured != url) {
            return Err(other_address());
        }

        let now = shared.config.clock.now();
        let fetched_at = UNIX_EPOCH
            .checked_add(Duration::from_secs(seed.fetched_at))
            .filter(|fetched_at| *fetched_at <= now.wall)
            .ok_or_else(|| SeedError::FromTheFuture { issuer: issuer() })?;
        let since = now.wall.duration_since(fetched_at).unwrap_or_default();
        let then = Now {
            wall: fetched_at,
            monotonic: now.monotonic.saturating_sub(since),
        };
        if since >= shared.config.rules.stale_if_error {
            return Err(SeedError::TooOld { issuer: issuer() });
        }
        let body = seed.jwks.get().as_bytes().to_vec();
        let not_a_key_set = || SeedError::NotAKeySet { issuer: issuer() };
        if body.len() > MAX_BODY_BYTES {
            return Err(not_a_key_set());
        }
        let keys = source::parse(shared, &body).map_err(|_| not_a_key_set())?;
        let answer = Answer {
            keys: Some(Fresh {
                keys,
                document: Some(Document {
                    url: url.clone(),
                    body,
                }),
                etag: None,
            }),
            lifetime: Some(Duration::from_secs(seed.lifetime)),
            failed_over: None,
        };
        shared.update(|state| {
            let seeded = age(then, now);
            let is_newer = |at_hand: Now| age(at_hand, now) <= seeded;
            if state.history.fetched_at().is_some_and(is_newer) {
                return Ok(());
            }
            let mut confirmed = state.metadata.iter().map(|metadata| metadata.confirmed);
            let is_discovered = matches!(shared.config.source, KeySource::Discovery(_));
            if is_discovered && !confirmed.any(is_newer) {
                state.metadata = Some(Metadata {
                    jwks_uri: url,
                    confirmed: then,
                    tried: then,
                    error: None,
                });
            }
            let (rules, random) = (&shared.config.rules, refresh::random());
            // A seed is no fetch: what the last one failed with still stands.
            let last_error = state.last_error.take();
            let accepted = state.accept(answer, Reason::Schedule, rules, then, random);
            state.last_error = last_error;
            accepted.map(drop).map_err(|_| not_a_key_set())
        })
    }
}

const VERSION: u32 = 1;
