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

    /// Whether every issuer has keys that can be used.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.issuers.iter().all(|issuer| issuer.state.is_usable())
    }
}

/// How the keys of one issuer are doing.
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    issuer: Arc<str>,
    state: KeyState,
    keys: KeySet,
    age: Option<Duration>,
    last_error: Option<FetchError>,
}

impl IssuerStatus {
    pub(super) fn new(issuer: Arc<str>, state: KeyState, keys: KeySet) -> Self {
        Self {
            issuer,
            state,
            keys,
            age: None,
            last_error: None,
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
            age: status.age,
            last_error: status.last_error,
        }
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

    /// How many keys can be used.
    #[must_use]
    pub fn key_count(&self) -> usize {
        self.keys.len()
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

    /// Why the last fetch failed; `None` when it succeeded.
    #[must_use]
    pub fn last_error(&self) -> Option<&FetchError> {
        self.last_error.as_ref()
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
