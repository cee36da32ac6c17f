//! How the keys are doing, for readiness checks and dashboards.

use std::sync::Arc;
use std::time::Duration;

use crate::error::FetchError;
use crate::jwk::SkippedKey;
use crate::key_set::KeySet;

/// How the keys of every issuer are doing; from [`Verifier::status`](crate::Verifier::status).
///
/// # Example
///
/// ```
/// # fn f(verifier: &portcullis::Verifier) {
/// for issuer in verifier.status().issuers() {
///     println!("{}: {:?}, {} keys", issuer.issuer(), issuer.state(), issuer.key_count());
///     for skipped in issuer.skipped() {
///         println!("  left out: {skipped:?}");
///     }
/// }
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Status {
    pub(super) issuers: Vec<IssuerStatus>,
}

impl Status {
    /// Each issuer, in the order configured.
    #[must_use]
    pub fn issuers(&self) -> &[IssuerStatus] {
        &self.issuers
    }

    /// Whether every issuer has at least one key that can be used.
    ///
    /// Looking starts no fetch: a probe on this alone never becomes true on an instance that is sent
    /// nothing until it is. Call `Verifier::warm_up` in it. With several issuers one
    /// that is down makes it false; look at [`issuers`](Self::issuers) one by one.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers
            .iter()
            .all(|issuer| issuer.state.is_usable() && issuer.key_count() > 0)
    }
}

/// How the keys of one issuer are doing.
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    issuer: Arc<str>,
    state: KeyState,
    keys: KeySet,
    #[cfg(feature = "remote")]
    in_grace: KeySet,
    age: Option<Duration>,
    #[cfg(feature = "remote")]
    next_refresh: Option<Duration>,
    last_error: Option<FetchError>,
    #[cfg(feature = "remote")]
    metadata_error: Option<FetchError>,
}

impl IssuerStatus {
    pub(super) fn new(issuer: Arc<str>, state: KeyState, keys: KeySet) -> Self {
        Self {
            issuer,
            state,
            keys,
            #[cfg(feature = "remote")]
            in_grace: KeySet::default(),
            age: None,
            #[cfg(feature = "remote")]
            next_refresh: None,
            last_error: None,
            #[cfg(feature = "remote")]
            metadata_error: None,
        }
    }

    #[cfg(feature = "remote")]
    pub(super) fn of_remote(issuer: Arc<str>, status: crate::remote::RemoteStatus) -> Self {
        let state = match (status.age, status.usable, status.fresh) {
            (None, _, _) => KeyState::NotFetched,
            (Some(_), false, _) => KeyState::Overstayed,
            (Some(_), true, true) => KeyState::Fresh,
            (Some(_), true, false) => KeyState::Stale,
        };
        Self {
            issuer,
            state,
            keys: status.keys,
            in_grace: status.in_grace,
            age: status.age,
            next_refresh: Some(status.next_refresh),
            last_error: status.last_error,
            metadata_error: status.metadata_error,
        }
    }

    /// The published keys.
    pub(super) fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The keys that are published no more and serve on.
    pub(super) fn in_grace(&self) -> Option<&KeySet> {
        #[cfg(feature = "remote")]
        return Some(&self.in_grace);
        #[cfg(not(feature = "remote"))]
        None
    }

    /// The configured issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// In which state its keys are.
    #[must_use]
    pub fn state(&self) -> KeyState {
        self.state
    }

    /// How many published keys can be used.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
    }

    /// The `kid` of each published key that can be used, in the order of the document; `None` for one
    /// that has none. The issuer's text as it came, at most 256 bytes each: escape it before showing it.
    pub fn key_ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.keys.key_ids()
    }

    /// How many keys are published no more and serve on in their grace
    /// ([`KeyRefresh::unpublished_grace`](crate::KeyRefresh::unpublished_grace)).
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn in_grace_count(&self) -> usize {
        self.in_grace.len()
    }

    /// The `kid` of each key in its grace; see [`key_ids`](Self::key_ids).
    #[cfg(feature = "remote")]
    pub fn in_grace_key_ids(&self) -> impl Iterator<Item = Option<&str>> {
        self.in_grace.key_ids()
    }

    /// How long until a request starts a scheduled fetch; zero if the next one does, `None` for fixed
    /// keys. An idle service starts none.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn next_refresh(&self) -> Option<Duration> {
        self.next_refresh
    }

    /// The published keys that are not used, each with the reason.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedKey] {
        self.keys.skipped()
    }

    /// Time since the last fetch that succeeded; `None` for fixed keys and before the first.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        self.age
    }

    /// Why the last fetch failed, or had to go to the failover address; `None` when it succeeded.
    #[must_use]
    pub fn last_error(&self) -> Option<&FetchError> {
        self.last_error.as_ref()
    }

    /// Why the issuer's metadata could not be read again, while the address it gave before serves on;
    /// `None` when it could, and without discovery. Metadata that names another issuer shows here.
    #[cfg(feature = "remote")]
    #[must_use]
    pub fn metadata_error(&self) -> Option<&FetchError> {
        self.metadata_error.as_ref()
    }
}

/// In which state an issuer's keys are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum KeyState {
    /// Given at `build()`; they never change.
    Fixed,
    /// No fetch has succeeded yet. The next request tries.
    NotFetched,
    /// Within the lifetime their issuer gave them.
    Fresh,
    /// Past it, and still used while they are fetched anew: for 24 h at most while every fetch fails.
    Stale,
    /// Too old to be used; requests are answered 503 until a fetch succeeds.
    Overstayed,
}

impl KeyState {
    /// Whether tokens can be verified with them.
    #[must_use]
    pub fn is_usable(self) -> bool {
        match self {
            Self::Fixed | Self::Fresh | Self::Stale => true,
            Self::NotFetched | Self::Overstayed => false,
        }
    }
}
