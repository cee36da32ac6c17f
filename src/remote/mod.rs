//! One issuer's keys over the network: an immutable snapshot that is read without a lock, and
//! fetches that replace it.
//!
//! [`freshness`] decides, [`refresh`] fetches, and this module is what a verifier asks.

mod freshness;
mod refresh;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use crate::clock::{Clock, Now};
use crate::error::{FetchError, FetchErrorKind};
use crate::fetch::{ETag, Fetch, FetchUrl, PlainHttp};
use crate::key_set::KeySet;
pub(crate) use freshness::UnknownKey;
use freshness::{Decision, History};
pub(crate) use refresh::Flight;
use refresh::Flights;

/// The keys of one issuer and what keeps them fresh. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RemoteKeySet(Arc<Shared>);

struct Shared {
    issuer: Arc<str>,
    source: KeySource,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    state: ArcSwap<State>,
    flights: Flights,
}

/// Where the key set's address comes from.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    Discovery(PlainHttp),
    JwksUri(FetchUrl),
}

/// Everything a request needs to know, swapped whole.
#[derive(Clone, Default)]
struct State {
    /// Empty before the first success, when [`History::decide`] lets nobody use them.
    keys: KeySet,
    etag: Option<ETag>,
    history: History,
    last_error: Option<FetchError>,
}

/// What a fetch that somebody waited for came to.
pub(crate) type Fetched = Result<(), FetchError>;

/// Why there are no keys to use right now.
#[derive(Debug)]
pub(crate) enum NoKeys {
    /// A fetch may bring some: wait for it.
    Wait,
    /// No fetch is due, or the one that was waited for failed.
    Refuse(FetchError),
}

/// Why somebody fetches.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reason {
    /// There are no usable keys, or they are old enough to ask anew.
    Schedule,
    /// A token names a key that is not there. Goes past caches on the way.
    UnknownKey,
}

/// A snapshot in use.
pub(crate) struct Snapshot(Guard<Arc<State>>);

impl Snapshot {
    pub(crate) fn keys(&self) -> &KeySet {
        &self.0.keys
    }

    /// What to do about a key that is not in it.
    pub(crate) fn decide_unknown_key(&self, now: Now) -> UnknownKey {
        self.0.history.decide_unknown_key(now)
    }

    /// The refusal when no fetch is due.
    pub(crate) fn cooling_down(&self, now: Now) -> FetchError {
        FetchError::with_retry_after(FetchErrorKind::CoolingDown, self.0.history.retry_after(now))
    }
}

impl RemoteKeySet {
    pub(crate) fn new(
        issuer: Arc<str>,
        source: KeySource,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let state = ArcSwap::from_pointee(State::default());
        Self(Arc::new(Shared {
            issuer,
            source,
            fetch,
            clock,
            state,
            flights: Flights::default(),
        }))
    }

    /// The keys to use now. Starts a background fetch when one is due; `waited` is what a fetch came
    /// to that this request has already waited for, so that it waits for one at most.
    pub(crate) fn current(&self, now: Now, waited: Option<&Fetched>) -> Result<Snapshot, NoKeys> {
        let snapshot = Snapshot(self.0.state.load());
        match (snapshot.0.history.decide(now), waited) {
            (Decision::Use, _) | (Decision::JoinThenUse, Some(_)) => Ok(snapshot),
            (Decision::UseAndRefresh, _) => {
                self.request_refresh(Reason::Schedule);
                Ok(snapshot)
            }
            (Decision::JoinThenUse | Decision::Wait, None) => Err(NoKeys::Wait),
            (Decision::Wait | Decision::Refuse, Some(Err(error))) => {
                Err(NoKeys::Refuse(error.clone()))
            }
            (Decision::Wait | Decision::Refuse, _) => {
                Err(NoKeys::Refuse(snapshot.cooling_down(now)))
            }
        }
    }

    /// Starts a fetch that nobody waits for, if there is a runtime to run it on; otherwise it stays
    /// due for the next call that has one.
    pub(crate) fn request_refresh(&self, reason: Reason) {
        drop(self.take_off(reason));
    }

    /// Joins the fetch in flight, or starts one; `None` without a runtime.
    pub(crate) fn take_off(&self, reason: Reason) -> Option<Flight> {
        refresh::join(&self.0, reason)
    }

    /// Waits for a flight to its end.
    pub(crate) async fn landed(flight: Option<Flight>) -> Fetched {
        refresh::landed(flight, refresh::DEADLINE).await
    }

    /// Whether tokens can be verified without waiting for a first fetch.
    pub(crate) fn has_usable_keys(&self, now: Now) -> bool {
        match self.0.state.load().history.decide(now) {
            Decision::Use | Decision::UseAndRefresh | Decision::JoinThenUse => true,
            Decision::Wait | Decision::Refuse => false,
        }
    }

    /// Waits for the fetch in flight, or starts one.
    ///
    /// Cancel safe: the fetch goes on in a task of its own.
    pub(crate) async fn fetched(&self, reason: Reason) -> Fetched {
        let longest = if self.has_usable_keys(self.0.clock.now()) {
            MAX_WAIT
        } else {
            refresh::DEADLINE
        };
        let _waiter = self.0.flights.enter()?;
        refresh::landed(self.take_off(reason), longest).await
    }

    pub(crate) fn status(&self, now: Now) -> RemoteStatus {
        let state = self.0.state.load();
        RemoteStatus {
            usable: self.has_usable_keys(now),
            fresh: state.history.is_fresh(now),
            age: state.history.age(now),
            keys: state.keys.clone(),
            last_error: state.last_error.clone(),
        }
    }
}

impl fmt::Debug for RemoteKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeySet")
            .field("issuer", &self.0.issuer)
            .field("source", &self.0.source)
            .finish_non_exhaustive()
    }
}

/// A look at the keys from outside.
pub(crate) struct RemoteStatus {
    pub(crate) usable: bool,
    pub(crate) fresh: bool,
    pub(crate) age: Option<Duration>,
    pub(crate) keys: KeySet,
    pub(crate) last_error: Option<FetchError>,
}

/// How long a request with something to fall back on waits for a fetch.
const MAX_WAIT: Duration = Duration::from_secs(2);
