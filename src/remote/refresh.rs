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
use super::settings::KeyRefresh;
use super::source::{self, KeySource};
use super::state::{Answer, State};
use super::{Fetched, Reason, Shared};
use crate::clock::Now;
use crate::error::{FetchError, FetchErrorKind};
use crate::event::Event;

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
}

/// A fetch under way.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(super) reason: Reason,
    started: Now,
    /// What it will come to; `None` while it is in the air.
    outcome: watch::Receiver<Option<Fetched>>,
}

/// How a caller came to a flight.
pub(super) enum Boarding {
    /// It was in the air already.
    Joined(Flight),
    /// It starts now.
    Started(Flight),
    /// It has landed since the caller looked, and no other is due.
    Landed(Flight),
}

impl Boarding {
    pub(super) fn flight(self) -> Flight {
        match self {
            Self::Joined(flight) | Self::Started(flight) | Self::Landed(flight) => flight,
        }
    }
}

impl Flights {
    fn air(&self) -> MutexGuard<'_, Air> {
        // No code panics while it is held, so a poisoned lock still guards a sound value.
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether keys are on their way.
pub(super) fn is_in_air(shared: &Shared) -> bool {
    shared.flights.air().flight.is_some()
}

/// The flight in the air, or a new one. `None` when there is no runtime to start it on.
pub(super) fn join(shared: &Arc<Shared>, reason: Reason) -> Option<Boarding> {
    let now = shared.config.clock.now();
    let reads_a_file = matches!(shared.config.source, KeySource::File(_));
    let (runtime, landing, flight) = {
        let mut air = shared.flights.air();
        if let Ok(current) = Handle::try_current() {
            air.runtime = Some(current);
        }
        if let Some(flight) = &air.flight {
            // Nobody drives the task of a runtime that stands still, so its deadline never passes. A
            // thread ends by itself.
            if reads_a_file || age(flight.started, now) < shared.longest_flight() {
                return Some(Boarding::Joined(flight.clone()));
            }
            let lost = FetchError::new(FetchErrorKind::Aborted);
            let reason = flight.reason;
            air.flight = None;
            shared.change(&air, |state| {
                state.reject(lost, reason, &shared.config.rules, now, random());
            });
        }
        let state = shared.state.load();
        if !state.is_fetch_due(reason, &shared.config.rules, now) {
            let outcome = state.last_error.clone().map_or(Ok(()), Err);
            return Some(Boarding::Landed(Flight {
                reason,
                started: now,
                outcome: watch::channel(Some(outcome)).1,
            }));
        }
        let runtime = match reads_a_file {
            true => None,
            false => Some(air.runtime.clone()?),
        };
        let (landing, flight) = Landing::board(shared, &mut air, reason, now);
        shared.change(&air, |state| match reason {
            Reason::UnknownKey => state
                .history
                .asked_for_unknown_key(&shared.config.rules, now),
            Reason::BadSignature => state.history.asked_for_bad_signature(now),
            Reason::Schedule | Reason::Operator => {}
        });
        (runtime, landing, flight)
    };
    // Started with the lock released: a runtime that has shut down drops the task here and now,
    // and its landing takes the lock.
    match runtime {
        Some(runtime) => drop(runtime.spawn(fly(landing))),
        // Reading blocks, so it has a thread of its own and needs no runtime.
        None => drop(
            std::thread::Builder::new()
                .name("portcullis-file".to_owned())
                .spawn(move || read(landing)),
        ),
    }
    Some(Boarding::Started(flight))
}

/// Reads a file here and now, for a verifier that is being built.
pub(super) fn read_now(shared: &Arc<Shared>) {
    let now = shared.config.clock.now();
    let (landing, _) = Landing::board(shared, &mut shared.flights.air(), Reason::Schedule, now);
    read(landing);
}

fn read(mut landing: Landing) {
    landing.taken_off = true;
    let answer = source::file(&landing.shared);
    landing.land(answer);
}

/// Waits for a flight to land, for `longest` at most.
pub(super) async fn landed(flight: Option<Flight>, longest: Duration) -> Fetched {
    let (Some(mut flight), Ok(_)) = (flight, Handle::try_current()) else {
        // Without a runtime there is no timer either that could bound the wait.
        return Err(FetchError::new(FetchErrorKind::NoRuntime));
    };
    let outcome = flight.outcome.wait_for(Option::is_some);
    match tokio::time::timeout(longest, outcome).await {
        Ok(Ok(outcome)) => outcome
            .clone()
            .unwrap_or_else(|| Err(FetchError::new(FetchErrorKind::Aborted))),
        Ok(Err(_)) => Err(FetchError::new(FetchErrorKind::Aborted)),
        Err(_) => Err(FetchError::new(FetchErrorKind::Deadline)),
    }
}

async fn fly(mut landing: Landing) {
    landing.taken_off = true;
    let shared = &landing.shared;
    let fetching = source::fetch(shared, landing.reason);
    let answer = match tokio::time::timeout(shared.config.rules.fetch_deadline, fetching).await {
        Ok(answer) => answer,
        Err(_) => Err(FetchError::new(FetchErrorKind::Deadline)),
    };
    landing.land(answer);
}

/// Ends a flight, whatever happens to it.
struct Landing {
    shared: Arc<Shared>,
    reason: Reason,
    sender: watch::Sender<Option<Fetched>>,
    started: Now,
    taken_off: bool,
    landed: bool,
}

impl Landing {
    /// A flight that is in the air from now on.
    fn board(shared: &Arc<Shared>, air: &mut Air, reason: Reason, now: Now) -> (Self, Flight) {
        let (sender, outcome) = watch::channel(None);
        let flight = Flight {
            reason,
            started: now,
            outcome,
        };
        air.flight = Some(flight.clone());
        let landing = Self {
            shared: Arc::clone(shared),
            reason,
            sender,
            started: now,
            taken_off: false,
            landed: false,
        };
        (landing, flight)
    }

    fn land(mut self, answer: Result<Answer, FetchError>) {
        let shared = Arc::clone(&self.shared);
        let (issuer, events) = (&*shared.config.issuer, &shared.config.events);
        let (rules, reason) = (&shared.config.rules, self.reason);
        let now = shared.config.clock.now();
        let took = now.monotonic.saturating_sub(self.started.monotonic);
        // Waiters go before anybody hears of it: an observer is not in their way.
        match answer {
            Ok(answer) => {
                let accept = |state: &mut State| {
                    let change = state.accept(answer, reason, rules, now, random());
                    (change, state.clone())
                };
                let Some((change, state)) = self.end(Ok(()), accept) else {
                    return;
                };
                events.emit(&Event::KeysRefreshed {
                    issuer,
                    took,
                    keys: state.published.len(),
                    skipped: state.published.skipped().len(),
                    added: change.added,
                    in_grace: state.in_grace().len(),
                    failed_over: state.last_error.as_ref(),
                });
                if change.secret_published {
                    events.emit(&Event::SecretKeyPublished { issuer });
                }
            }
            Err(error) => {
                let reject = |state: &mut State| {
                    state.reject(error.clone(), reason, rules, now, random());
                    state.history.age(now)
                };
                let Some(age) = self.end(Err(error.clone()), reject) else {
                    return;
                };
                events.emit(&Event::RefreshFailed {
                    issuer,
                    took,
                    age,
                    error: &error,
                });
            }
        }
    }

    /// Records the outcome and lets the waiters go. `None` for a flight that was given up as lost:
    /// what it brings may be older than what is at hand.
    fn end<T>(&mut self, outcome: Fetched, change: impl FnOnce(&mut State) -> T) -> Option<T> {
        self.landed = true;
        let changed = {
            let mut air = self.shared.flights.air();
            let own = self.sender.subscribe();
            let current = air
                .flight
                .take_if(|flight| flight.outcome.same_channel(&own));
            current.map(|_| self.shared.change(&air, change))
        };
        self.sender.send_replace(Some(outcome));
        changed
    }
}

/// Dropped before it landed: by a panic, or by a runtime that shuts down.
impl Drop for Landing {
    fn drop(&mut self) {
        if self.landed {
            return;
        }
        let error = FetchError::new(FetchErrorKind::Aborted);
        if !self.taken_off {
            // The runtime is gone, which says nothing of the issuer.
            self.shared.flights.air().runtime = None;
            self.end(Err(error), |_| ());
            return;
        }
        // Nothing of others is called here, the clock included: a second panic would abort.
        let shared = Arc::clone(&self.shared);
        let (now, reason) = (self.started, self.reason);
        let rules = &shared.config.rules;
        self.end(Err(error.clone()), |state| {
            state.reject(error.clone(), reason, rules, now, random());
        });
        shared.config.events.emit(&Event::RefreshFailed {
            issuer: &shared.config.issuer,
            took: Duration::ZERO,
            age: None,
            error: &error,
        });
    }
}

impl Shared {
    /// Swaps the state for a changed copy.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.change(&self.flights.air(), change)
    }

    /// The same for who holds the lock, as whoever changes the state does.
    fn change<T>(&self, _one_writer: &Air, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = State::clone(&self.state.load());
        let result = change(&mut state);
        self.state.store(Arc::new(state));
        result
    }

    /// After this a flight that has not landed is lost: twice its deadline.
    fn longest_flight(&self) -> Duration {
        self.config.rules.fetch_deadline.saturating_mul(2)
    }

    /// Counts a caller that is about to wait.
    pub(super) fn enter(&self) -> Result<Waiter<'_>, FetchError> {
        let waiter = Waiter(self);
        let waiters = &self.flights.waiters;
        let before = waiters.fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        crate::metrics::waiters(&self.config.issuer, before.saturating_add(1));
        if before >= self.config.rules.max_waiters {
            return Err(FetchError::new(FetchErrorKind::TooManyWaiters));
        }
        Ok(waiter)
    }
}

impl State {
    fn is_fetch_due(&self, reason: Reason, rules: &KeyRefresh, now: Now) -> bool {
        match reason {
            Reason::Schedule => !matches!(
                self.history.decide(rules, now),
                Decision::Use | Decision::Refuse
            ),
            Reason::UnknownKey => self.history.decide_unknown_key(now) == UnknownKey::Fetch,
            Reason::BadSignature => self.history.is_bad_signature_fetch_due(rules, now),
            Reason::Operator => true,
        }
    }
}

/// One of the callers that wait, while it waits.
pub(super) struct Waiter<'a>(&'a Shared);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let before = self.0.flights.waiters.fetch_sub(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        crate::metrics::waiters(&self.0.config.issuer, before.saturating_sub(1));
        let _ = before;
    }
}

/// A number in 0..1 that differs from instance to instance; jitter needs no better one, and the
/// standard library's hash keys are random.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}
