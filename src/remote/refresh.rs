//! Fetches keys, one flight at a time.
//!
//! A flight runs in a task of its own: whoever started it may be cancelled and the others still get
//! its outcome. Whatever ends it, a panic or a runtime that shuts down included, its [`Landing`]
//! records an outcome and lets the waiters go.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::freshness::{Decision, UnknownKey, age};
use super::{Fetched, KeySource, Reason, Shared, State};
use crate::clock::Now;
use crate::discovery;
use crate::error::{FetchError, FetchErrorKind};
use crate::fetch::{Content, FetchRequest, FetchUrl, MAX_BODY_BYTES};
use crate::key_set::KeySet;

/// The flight in the air, if any, and what outlives it.
#[derive(Default)]
pub(super) struct Flights {
    air: Mutex<Air>,
    waiters: AtomicUsize,
}

#[derive(Default)]
struct Air {
    flight: Option<Flight>,
    /// The runtime of the last call that had one, for calls that have none.
    runtime: Option<Handle>,
    /// The address that discovery gave, and when.
    discovered: Option<(FetchUrl, Now)>,
}

/// What a flight will come to; `None` while it is in the air.
pub(crate) type Flight = watch::Receiver<Option<Fetched>>;

impl Flights {
    fn air(&self) -> MutexGuard<'_, Air> {
        // No code panics while it is held, so a poisoned lock still guards a sound value.
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a caller that is about to wait.
    pub(super) fn enter(&self) -> Result<Waiter<'_>, FetchError> {
        let waiter = Waiter(&self.waiters);
        if self.waiters.fetch_add(1, Ordering::Relaxed) >= MAX_WAITERS {
            return Err(FetchError::new(FetchErrorKind::TooManyWaiters));
        }
        Ok(waiter)
    }
}

/// The flight in the air, or a new one, or the last one if it has landed since the caller looked and
/// no other is due. `None` when there is no runtime to start it on.
pub(super) fn join(shared: &Arc<Shared>, reason: Reason) -> Option<Flight> {
    let (runtime, sender, flight) = {
        let mut air = shared.flights.air();
        if let Some(flight) = &air.flight {
            return Some(flight.clone());
        }
        let state = shared.state.load();
        if !state.is_fetch_due(reason, shared.clock.now()) {
            let outcome = state.last_error.clone().map_or(Ok(()), Err);
            return Some(watch::channel(Some(outcome)).1);
        }
        if let Ok(current) = Handle::try_current() {
            air.runtime = Some(current);
        }
        let runtime = air.runtime.clone()?;
        let (sender, flight) = watch::channel(None);
        air.flight = Some(flight.clone());
        (runtime, sender, flight)
    };
    if reason == Reason::UnknownKey {
        let now = shared.clock.now();
        shared.update(|state| state.history.asked_for_unknown_key(now));
    }
    // Spawned with the lock released: a runtime that has shut down drops the task here and now,
    // and its landing takes the lock.
    let landing = Landing {
        shared: Arc::clone(shared),
        reason,
        sender,
        landed: false,
    };
    runtime.spawn(fly(landing));
    Some(flight)
}

/// Waits for a flight to land, for `longest` at most.
pub(super) async fn landed(flight: Option<Flight>, longest: Duration) -> Fetched {
    let (Some(mut flight), Ok(_)) = (flight, Handle::try_current()) else {
        // Without a runtime there is no timer either that could bound the wait.
        return Err(FetchError::new(FetchErrorKind::NoRuntime));
    };
    match tokio::time::timeout(longest, flight.wait_for(Option::is_some)).await {
        Ok(Ok(outcome)) => outcome
            .clone()
            .unwrap_or_else(|| Err(FetchError::new(FetchErrorKind::Aborted))),
        Ok(Err(_)) => Err(FetchError::new(FetchErrorKind::Aborted)),
        Err(_) => Err(FetchError::new(FetchErrorKind::Deadline)),
    }
}

async fn fly(landing: Landing) {
    let fetching = fetch(&landing.shared, landing.reason);
    let answer = match tokio::time::timeout(DEADLINE, fetching).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::new(FetchErrorKind::Deadline)),
    };
    landing.land(answer);
}

/// What a fetch that succeeded brought.
struct Answer {
    /// `None`: those at hand are still the current ones.
    keys: Option<(KeySet, Option<crate::fetch::ETag>)>,
    fresh_for: Option<Duration>,
}

async fn fetch(shared: &Shared, reason: Reason) -> Result<Answer, FetchError> {
    let url = match &shared.source {
        KeySource::JwksUri(url) => url.clone(),
        KeySource::Discovery(plain_http) => {
            let now = shared.clock.now();
            let known = shared.flights.air().discovered.clone();
            let failed_before = shared.state.load().last_error.is_some();
            match known {
                Some((url, at)) if age(at, now) < DISCOVERY_FRESH_FOR && !failed_before => url,
                known => {
                    let found =
                        discovery::discover(&*shared.fetch, &shared.issuer, *plain_http).await;
                    match (found, known) {
                        (Ok(metadata), _) => {
                            shared.flights.air().discovered =
                                Some((metadata.jwks_uri.clone(), now));
                            metadata.jwks_uri
                        }
                        (Err(_), Some((url, _))) => url,
                        (Err(error), None) => return Err(error),
                    }
                }
            }
        }
    };
    let mut request = FetchRequest::new(url, MAX_BODY_BYTES);
    request = match reason {
        Reason::Schedule => request.with_if_none_match(shared.state.load().etag.clone()),
        Reason::UnknownKey => request.with_no_cache(),
    };
    let response = request.send(&*shared.fetch).await?;
    let keys = match response.content {
        Content::NotModified => None,
        Content::Document { body, etag } => {
            let keys = KeySet::from_json_limited(&body, MAX_KEYS)
                .map_err(|error| FetchError::with_source(FetchErrorKind::NotAKeySet, error))?;
            Some((keys.for_issuer(&shared.issuer), etag))
        }
    };
    Ok(Answer {
        keys,
        fresh_for: response.freshness.max_age(),
    })
}

/// Ends a flight, whatever happens to it.
struct Landing {
    shared: Arc<Shared>,
    reason: Reason,
    sender: watch::Sender<Option<Fetched>>,
    landed: bool,
}

impl Landing {
    fn land(mut self, answer: Result<Answer, FetchError>) {
        self.record(answer);
    }

    fn record(&mut self, answer: Result<Answer, FetchError>) {
        self.landed = true;
        let now = self.shared.clock.now();
        let outcome = match answer {
            Ok(answer) => {
                self.shared
                    .update(|state| state.accept(answer, self.reason, now));
                let state = self.shared.state.load();
                let (keys, skipped) = (state.keys.len(), state.keys.skipped().len());
                tracing::debug!(target: "portcullis::keys", issuer = %self.shared.issuer, keys, skipped, "keys fetched");
                Ok(())
            }
            Err(error) => {
                let source = std::error::Error::source(&error)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                tracing::warn!(target: "portcullis::keys", issuer = %self.shared.issuer, %error, source, "keys could not be fetched");
                self.shared
                    .update(|state| state.reject(error.clone(), self.reason, now));
                Err(error)
            }
        };
        self.shared.flights.air().flight = None;
        self.sender.send_replace(Some(outcome));
    }
}

impl Drop for Landing {
    fn drop(&mut self) {
        if !self.landed {
            self.record(Err(FetchError::new(FetchErrorKind::Aborted)));
        }
    }
}

impl Shared {
    /// Swaps the state for a changed copy. Only a flight and its start call this, and there is one
    /// flight at a time, so an older answer never replaces a newer one.
    fn update(&self, change: impl FnOnce(&mut State)) {
        let _one_writer = self.flights.air();
        let mut state = State::clone(&self.state.load());
        change(&mut state);
        self.state.store(Arc::new(state));
    }
}

impl State {
    fn is_fetch_due(&self, reason: Reason, now: Now) -> bool {
        match reason {
            Reason::Schedule => {
                !matches!(self.history.decide(now), Decision::Use | Decision::Refuse)
            }
            Reason::UnknownKey => self.history.decide_unknown_key(now) == UnknownKey::Fetch,
        }
    }

    fn accept(&mut self, answer: Answer, reason: Reason, now: Now) {
        let mut found_new_keys = false;
        if let Some((keys, etag)) = answer.keys {
            found_new_keys = keys.has_keys_beyond(&self.keys);
            self.keys = keys;
            self.etag = etag;
        }
        self.history.succeeded(now, answer.fresh_for, random());
        self.last_error = None;
        if reason == Reason::UnknownKey {
            self.history.answered_unknown_key(found_new_keys);
        }
    }

    fn reject(&mut self, error: FetchError, reason: Reason, now: Now) {
        self.history.failed(now, random());
        self.last_error = Some(error);
        if reason == Reason::UnknownKey {
            self.history.answered_unknown_key(false);
        }
    }
}

/// One of the callers that wait, while it waits.
pub(super) struct Waiter<'a>(&'a AtomicUsize);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A number in 0..1 that differs from instance to instance; jitter needs no better one, and the
/// standard library's hash keys are random.
fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

/// Longest flight, discovery and keys together. Providers answer within a second or not at all.
pub(super) const DEADLINE: Duration = Duration::from_secs(5);
/// Most keys of a fetched set that are used. Real sets have 1 to 25.
const MAX_KEYS: usize = 100;
/// Most callers that wait for one issuer at once: a flood of invented key ids must not hold
/// every connection of the service.
const MAX_WAITERS: usize = 1_024;
/// How long the address that discovery gave is used before it is asked for again.
const DISCOVERY_FRESH_FOR: Duration = Duration::from_secs(60 * 60);
