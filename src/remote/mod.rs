//! One issuer's keys over the network: an immutable snapshot that is read without a lock, and
//! fetches that replace it.
//!
//! [`freshness`] decides when, [`state`] what an answer changes, [`source`] makes one trip to the
//! keys, [`refresh`] sees to it that there is one at a time, [`landing`] that each has an end, and this
//! module is what a verifier asks.

mod freshness;
mod landing;
mod refresh;
mod seed;
mod settings;
mod source;
mod state;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};

use crate::clock::{Now, SharedClock};
use crate::error::{FetchError, FetchErrorKind, VerifyError};
use crate::event::{Event, Events};
use crate::fetch::{Fetch, FetchUrl};
use crate::jwk::VerificationKey;
use crate::jws::Header;
use crate::key_set::{Candidates, KeySet, LastFound};
pub(crate) use freshness::History;
pub use freshness::{Decision, UnknownKey};
use refresh::{Boarding, Flights};
pub use seed::{KeySeed, SeedError};
pub use settings::KeyRefresh;
pub(crate) use source::KeySource;
use state::State;

/// The keys of one issuer and what keeps them fresh. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RemoteKeySet(Arc<Shared>);

/// What a [`RemoteKeySet`] is made of.
pub(crate) struct RemoteConfig {
    pub(crate) issuer: Arc<str>,
    pub(crate) source: KeySource,
    /// Asked when the source fails.
    pub(crate) failover: Option<FetchUrl>,
    pub(crate) rules: KeyRefresh,
    pub(crate) fetch: Arc<dyn Fetch>,
    pub(crate) clock: SharedClock,
    pub(crate) events: Events,
}

struct Shared {
    config: RemoteConfig,
    state: ArcSwap<State>,
    flights: Flights,
}

/// What a fetch that somebody waited for came to.
pub(crate) type Fetched = Result<(), FetchError>;

/// Why there are no keys to use right now.
pub(crate) enum NoKeys {
    /// A fetch may bring some: wait for it.
    Wait,
    /// These are long stale: a key that is among them is used after a fetch at the earliest.
    Join(Snapshot),
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
    /// A signature does not match under a key that is there. Goes past caches on the way.
    BadSignature,
    /// Somebody who runs the service wants it. Goes past caches on the way, and past every grace.
    Operator,
}

/// A snapshot in use.
pub(crate) struct Snapshot {
    state: Guard<Arc<State>>,
    /// The keys are old enough to ask anew in the background.
    refresh_is_due: bool,
}

impl Snapshot {
    /// The keys that a header may have been signed with, at least one.
    pub(crate) fn candidates(&self, header: &Header) -> Result<Candidates<'_>, VerifyError> {
        self.state.candidates(header)
    }

    /// Why this is not the issuer's own word on which keys there are, if it is not.
    pub(crate) fn last_error(&self) -> Option<&FetchError> {
        self.state.last_error.as_ref()
    }

    /// The refusal when there are no usable keys and no fetch is due.
    fn cooling_down(&self, now: Now) -> FetchError {
        let retry_after = self.state.history.retry_after(now);
        FetchError::with_retry_after(FetchErrorKind::CoolingDown, retry_after)
    }

    /// The refusal when a key may not be asked for yet.
    pub(crate) fn cooling_down_unknown_key(&self, now: Now) -> FetchError {
        let retry_after = self.state.history.retry_unknown_key_after(now);
        FetchError::with_retry_after(FetchErrorKind::CoolingDown, retry_after)
    }
}

impl RemoteKeySet {
    pub(crate) fn new(config: RemoteConfig) -> Self {
        let keys = Self(Arc::new(Shared {
            config,
            state: ArcSwap::from_pointee(State::default()),
            flights: Flights::default(),
        }));
        if let KeySource::File(_) = keys.0.config.source {
            refresh::read_now(&keys.0);
        }
        keys
    }

    /// The keys to use now. Whoever has looked for a key in them calls
    /// [`refresh_if_due`](Self::refresh_if_due), or [`decide_unknown_key`](Self::decide_unknown_key)
    /// if it is not there. `waited` is what a fetch came to that this request has already waited for,
    /// so that it waits for one at most.
    #[inline]
    pub(crate) fn current(&self, now: Now, waited: Option<&Fetched>) -> Result<Snapshot, NoKeys> {
        let snapshot = self.snapshot(now);
        match snapshot.state.history.decide(now) {
            Decision::Use => Ok(snapshot),
            decision => Self::current_beyond(snapshot, decision, now, waited),
        }
    }

    /// The same, for keys that are not simply to be used.
    #[cold]
    fn current_beyond(
        mut snapshot: Snapshot,
        decision: Decision,
        now: Now,
        waited: Option<&Fetched>,
    ) -> Result<Snapshot, NoKeys> {
        match (decision, waited) {
            (Decision::Use, _) | (Decision::JoinThenUse, Some(_)) => Ok(snapshot),
            (Decision::UseAndRefresh, _) => {
                snapshot.refresh_is_due = true;
                Ok(snapshot)
            }
            (Decision::JoinThenUse, None) => Err(NoKeys::Join(snapshot)),
            (Decision::Wait, None) => Err(NoKeys::Wait),
            (Decision::Wait | Decision::Refuse, Some(Err(error))) => {
                Err(NoKeys::Refuse(error.clone()))
            }
            (Decision::Wait | Decision::Refuse, _) => {
                Err(NoKeys::Refuse(snapshot.cooling_down(now)))
            }
        }
    }

    /// The state of now. The lock is taken only at the end of a grace.
    #[inline]
    fn snapshot(&self, now: Now) -> Snapshot {
        let mut state = self.0.state.load();
        if state.has_ended_grace(now) {
            state = self.end_graces(now);
        }
        Snapshot {
            state,
            refresh_is_due: false,
        }
    }

    #[cold]
    fn end_graces(&self, now: Now) -> Guard<Arc<State>> {
        self.0.update(|state| state.end_graces(now));
        self.0.state.load()
    }

    /// Starts the background fetch that is due for these keys, if one is.
    pub(crate) fn refresh_if_due(&self, snapshot: &Snapshot, now: Now) {
        if snapshot.refresh_is_due && !refresh::is_in_air(&self.0, now) {
            drop(refresh::join(&self.0, Reason::Schedule));
        }
    }

    /// Starts a fetch that nobody waits for, if there is a runtime to run it on; otherwise it stays
    /// due for the next call that has one.
    pub(crate) fn request_refresh(&self, reason: Reason) {
        if !refresh::is_in_air(&self.0, self.0.config.clock.now()) {
            drop(refresh::join(&self.0, reason));
        }
    }

    /// A signature did not match under a key that is there: the key may have been replaced under its
    /// name. Nobody waits to find out.
    #[cold]
    pub(crate) fn doubt(&self, snapshot: &Snapshot, now: Now) {
        if snapshot
            .state
            .history
            .is_bad_signature_fetch_due(&self.0.config.rules, now)
        {
            self.request_refresh(Reason::BadSignature);
        }
    }

    /// Whether a token that this key verified before would be verified by it now, without waiting. As
    /// much a use of keys as verifying it again.
    pub(crate) fn still_serves(
        &self,
        key: &Arc<VerificationKey>,
        header: &Header,
        last_found: &LastFound,
        now: Now,
    ) -> bool {
        let Ok(snapshot) = self.current(now, None) else {
            return false;
        };
        let serves = snapshot.state.has_candidate(header, key, last_found);
        if serves {
            self.refresh_if_due(&snapshot, now);
        }
        serves
    }

    /// What a request is to do about a key that is not in its snapshot. Starts no scheduled fetch:
    /// a token with an invented key is no use of keys.
    pub(crate) fn decide_unknown_key(&self, snapshot: &Snapshot, now: Now) -> UnknownKey {
        let state = &snapshot.state;
        match state.history.decide_unknown_key(now) {
            UnknownKey::Fetch => UnknownKey::Fetch,
            // Keys are on their way, or have come since this request looked.
            _ if refresh::is_in_air(&self.0, now) || !Arc::ptr_eq(state, &self.0.state.load()) => {
                UnknownKey::Fetch
            }
            UnknownKey::Unknown if state.last_error.is_some() => UnknownKey::Unavailable,
            decision => decision,
        }
    }

    /// A token was refused because there is no such key.
    pub(crate) fn refused_unknown_key(&self) {
        let issuer = &*self.0.config.issuer;
        self.0
            .config
            .events
            .emit(&Event::UnknownKeyRefused { issuer });
    }

    /// Whether tokens can be verified without waiting for a first fetch.
    pub(crate) fn has_usable_keys(&self, now: Now) -> bool {
        match self.0.state.load().history.decide(now) {
            Decision::Use | Decision::UseAndRefresh | Decision::JoinThenUse => true,
            Decision::Wait | Decision::Refuse => false,
        }
    }

    /// Whether some token can be verified without waiting: an empty set is one to use, too.
    pub(crate) fn is_ready(&self, now: Now) -> bool {
        self.has_usable_keys(now) && !self.0.state.load().published.is_empty()
    }

    /// Waits for the fetch in flight, or starts one.
    ///
    /// Cancel safe: the fetch goes on in a task of its own.
    pub(crate) async fn fetched(&self, reason: Reason) -> Fetched {
        let now = self.0.config.clock.now();
        let _waiter = self.0.enter()?;
        let is_due = reason == Reason::UnknownKey
            && self.0.state.load().history.decide_unknown_key(now) == UnknownKey::Fetch;
        let boarding = refresh::join(&self.0, reason);
        // A scheduled fetch that was under way before the key was missed may have read what was
        // published before, perhaps from a cache: what it lacks may exist.
        let may_be_older = is_due
            && matches!(
                &boarding,
                Some(Boarding::Joined(flight)) if flight.reason == Reason::Schedule
            );
        let flight = boarding.map(Boarding::flight);
        match refresh::landed(flight, self.0.config.rules.max_wait).await {
            Ok(()) if may_be_older => Err(FetchError::new(FetchErrorKind::StartedEarlier)),
            fetched => fetched,
        }
    }

    /// Waits for the scheduled fetch, for as long as it takes. It is in the air when this returns,
    /// before anything is awaited.
    pub(crate) fn fetch_as_due(&self) -> impl Future<Output = Fetched> + Send + use<> {
        let flight = refresh::join(&self.0, Reason::Schedule).map(Boarding::flight);
        // A flight ends at its deadline; what remains is to hear of it.
        let longest = self.0.config.rules.fetch_deadline.saturating_mul(2);
        async move { refresh::landed(flight, longest).await }
    }

    /// How long until a scheduled fetch is due.
    pub(crate) fn next_refresh(&self) -> Duration {
        let now = self.0.config.clock.now();
        self.0.state.load().history.next_refresh(now)
    }

    /// Fetches anew, with a fetch that starts after this call, and from the issuer itself.
    pub(crate) async fn fetch_now(&self) -> Fetched {
        let longest = self.0.config.rules.fetch_deadline.saturating_mul(2);
        let mut may_be_older = true;
        loop {
            let (flight, is_new) = match refresh::join(&self.0, Reason::Operator) {
                None => return refresh::landed(None, longest).await,
                Some(Boarding::Joined(flight)) => {
                    let is_new = !may_be_older && flight.reason == Reason::Operator;
                    (flight, is_new)
                }
                Some(Boarding::Started(flight) | Boarding::Landed(flight)) => (flight, true),
            };
            match refresh::landed(Some(flight), longest).await {
                Ok(()) if is_new => break,
                // One that began before this call may fail or hang; no other is waited for in vain.
                Err(error)
                    if is_new || !may_be_older || error.kind() == FetchErrorKind::NoRuntime =>
                {
                    return Err(error);
                }
                Ok(()) | Err(_) => may_be_older = false,
            }
        }
        // The failover's word does not say which keys the issuer has withdrawn.
        self.0.state.load().last_error.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn status(&self, now: Now) -> RemoteStatus {
        let snapshot = self.snapshot(now);
        let state = &snapshot.state;
        let age = state.history.age(now);
        #[cfg(feature = "metrics")]
        crate::metrics::key_age(&self.0.config.issuer, age);
        RemoteStatus {
            usable: self.has_usable_keys(now),
            fresh: state.history.is_fresh(now),
            age,
            keys: state.published.clone(),
            in_grace: state.in_grace().clone(),
            next_refresh: state.history.next_refresh(now),
            last_error: state.last_error.clone(),
            metadata_error: state.metadata_error().cloned(),
        }
    }
}

impl fmt::Debug for RemoteKeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteKeySet")
            .field("issuer", &self.0.config.issuer)
            .field("source", &self.0.config.source)
            .finish_non_exhaustive()
    }
}

/// A look at the keys from outside.
pub(crate) struct RemoteStatus {
    pub(crate) usable: bool,
    pub(crate) fresh: bool,
    pub(crate) age: Option<Duration>,
    pub(crate) keys: KeySet,
    pub(crate) in_grace: KeySet,
    pub(crate) next_refresh: Duration,
    pub(crate) last_error: Option<FetchError>,
    pub(crate) metadata_error: Option<FetchError>,
}
