//! The end of a flight, whatever ends it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::watch;

use super::refresh::{Air, Flight, milliseconds, random};
use super::state::{Answer, State};
use super::{Fetched, Reason, Shared};
use crate::clock::Now;
use crate::error::{FetchError, FetchErrorKind};
use crate::event::Event;

/// Ends a flight, whatever happens to it.
pub(super) struct Landing {
    pub(super) shared: Arc<Shared>,
    pub(super) reason: Reason,
    sender: watch::Sender<Option<Fetched>>,
    started: Now,
    pub(super) taken_off: bool,
    landed: bool,
}

impl Landing {
    /// A flight that is in the air from now on.
    pub(super) fn take_off(
        shared: &Arc<Shared>,
        air: &mut Air,
        reason: Reason,
        now: Now,
    ) -> (Self, Flight) {
        let (sender, outcome) = watch::channel(None);
        let flight = Flight {
            reason,
            started: now,
            outcome,
        };
        air.flight = Some(flight.clone());
        let since = milliseconds(now).saturating_add(1);
        shared.flights.in_air_since.store(since, Ordering::Release);
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

    pub(super) fn land(mut self, answer: Result<Answer, FetchError>) {
        let shared = Arc::clone(&self.shared);
        let (issuer, events) = (&*shared.config.issuer, &shared.config.events);
        let (rules, reason) = (&shared.config.rules, self.reason);
        let now = shared.config.clock.now();
        let took = now.monotonic.saturating_sub(self.started.monotonic);
        // Waiters go before anybody hears of it: an observer is not in their way.
        let change = |state: &mut State| {
            let accepted = match answer {
                Ok(answer) => state.accept(answer, reason, rules, now, random()),
                Err(error) => Err(error),
            };
            if let Err(error) = &accepted {
                state.reject(error.clone(), reason, rules, now, random());
            }
            let outcome = accepted.as_ref().map(|_| ()).map_err(Clone::clone);
            (outcome, (accepted, state.clone()))
        };
        match self.end(change) {
            None => {}
            Some((Ok(change), state)) => {
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
            Some((Err(error), state)) => events.emit(&Event::RefreshFailed {
                issuer,
                took,
                age: state.history.age(now),
                error: &error,
            }),
        }
    }

    /// Records the outcome and lets the waiters go. `None` for a flight that was given up as lost:
    /// what it brings may be older than what is at hand.
    fn end<T>(&mut self, change: impl FnOnce(&mut State) -> (Fetched, T)) -> Option<T> {
        self.landed = true;
        let changed = {
            let mut air = self.shared.flights.air();
            let own = self.sender.subscribe();
            let current = air
                .flight
                .take_if(|flight| flight.outcome.same_channel(&own));
            current.map(|_| {
                air.is_overdue = false;
                let changed = self.shared.change(&air, change);
                // After the change: whoever looks without the lock and finds nothing in the air must find
                // what came. The other way round a good token was refused between the two.
                self.shared.flights.in_air_since.store(0, Ordering::Release);
                changed
            })
        };
        let (outcome, changed) = match changed {
            Some((outcome, changed)) => (outcome, Some(changed)),
            None => (Err(FetchError::new(FetchErrorKind::Aborted)), None),
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
            self.end(|_| (Err(error), ()));
            return;
        }
        // Nothing of others is called here, the clock included: a second panic would abort.
        let shared = Arc::clone(&self.shared);
        let (now, reason) = (self.started, self.reason);
        let rules = &shared.config.rules;
        let age = self.end(|state| {
            state.reject(error.clone(), reason, rules, now, random());
            (Err(error.clone()), state.history.age(now))
        });
        if let Some(age) = age {
            shared.config.events.emit(&Event::RefreshFailed {
                issuer: &shared.config.issuer,
                took: Duration::ZERO,
                age,
                error: &error,
            });
        }
    }
}
