//! Fetches keys, one flight at a time.
//!
//! A flight runs in a task of its own: whoever started it may be cancelled and the others still get
//! its outcome. Whatever ends it, a panic or a runtime that shuts down included, its [`Landing`]
//! records an outcome and lets the waiters go.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::freshness::{Decision, UnknownKey};
use super::landing::Landing;
use super::source::{self, KeySource};
use super::state::State;
use super::{Fetched, Reason, Shared};
use crate::clock::Now;
use crate::error::{FetchError, FetchErrorKind};
use crate::event::Event;

/// The flight in the air, if any, and what outlives it.
#[derive(Default)]
pub(super) struct Flights {
    air: Mutex<Air>,
    /// When the flight in the air started, in milliseconds of monotonic time and one; 0 for none. For
    /// those that only look.
    pub(super) in_air_since: AtomicU64,
    waiters: AtomicUsize,
}

#[derive(Default)]
pub(super) struct Air {
    pub(super) flight: Option<Flight>,
    /// The flight has been reported as lost, and is still held by a thread that hangs.
    pub(super) is_overdue: bool,
    /// The runtime of the last call that had one, for calls that have none.
    pub(super) runtime: Option<Handle>,
}

/// A fetch under way.
#[derive(Clone)]
pub(crate) struct Flight {
    pub(super) reason: Reason,
    pub(super) started: Now,
    /// What it will come to; `None` while it is in the air.
    pub(super) outcome: watch::Receiver<Option<Fetched>>,
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

/// A flight that should have landed long ago, for an event.
struct Lost {
    took: Duration,
    age: Option<Duration>,
    error: FetchError,
}

impl Boarding {
    fn landed(reason: Reason, now: Now, error: Option<FetchError>) -> Self {
        Self::Landed(Flight {
            reason,
            started: now,
            outcome: watch::channel(Some(error.map_or(Ok(()), Err))).1,
        })
    }

    pub(super) fn flight(self) -> Flight {
        match self {
            Self::Joined(flight) | Self::Started(flight) | Self::Landed(flight) => flight,
        }
    }
}

impl Flights {
    pub(super) fn air(&self) -> MutexGuard<'_, Air> {
        // No code panics while it is held, so a poisoned lock still guards a sound value.
        self.air.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether keys are on their way, for all that is known. Takes no lock.
pub(super) fn is_in_air(shared: &Shared, now: Now) -> bool {
    let since = shared.flights.in_air_since.load(Ordering::Acquire);
    let longest = u64::try_from(shared.longest_flight().as_millis()).unwrap_or(u64::MAX);
    since != 0 && milliseconds(now).saturating_add(1).saturating_sub(since) < longest
}

pub(super) fn milliseconds(now: Now) -> u64 {
    u64::try_from(now.monotonic.as_millis()).unwrap_or(u64::MAX)
}

/// The flight in the air, or a new one. `None` when there is no runtime to start it on.
pub(super) fn join(shared: &Arc<Shared>, reason: Reason) -> Option<Boarding> {
    let mut lost = None;
    let boarding = board(shared, reason, &mut lost);
    if let Some(Lost { took, age, error }) = lost {
        shared.config.events.emit(&Event::RefreshFailed {
            issuer: &shared.config.issuer,
            took,
            age,
            error: &error,
        });
    }
    boarding
}

fn board(shared: &Arc<Shared>, reason: Reason, lost: &mut Option<Lost>) -> Option<Boarding> {
    let now = shared.config.clock.now();
    let reads_a_file = matches!(shared.config.source, KeySource::File(_));
    let (runtime, landing, flight) = {
        let mut air = shared.flights.air();
        if let Ok(current) = Handle::try_current() {
            air.runtime = Some(current);
        }
        if let Some(flight) = &air.flight {
            // Monotonic, as the deadline is: a step of the wall clock loses no flight.
            let took = now.monotonic.saturating_sub(flight.started.monotonic);
            if took < shared.longest_flight() {
                return Some(Boarding::Joined(flight.clone()));
            }
            // What still hangs is a failure anew whenever a fetch is due, so that attempts count on and
            // nobody waits in an outage that is known.
            if !air.is_overdue {
                *lost = Some(shared.lose(&air, flight.reason, took, now));
            } else if shared.is_fetch_due(reason, now) {
                shared.ask(&air, reason, now);
                *lost = Some(shared.lose(&air, reason, took, now));
            }
            // Nobody drives the task of a runtime that stands still, so its deadline never passes; a
            // thread that hangs is not joined by a second one.
            air.is_overdue = reads_a_file;
            if reads_a_file {
                let error = FetchError::new(FetchErrorKind::Aborted);
                return Some(Boarding::landed(reason, now, Some(error)));
            }
            air.flight = None;
            shared.flights.in_air_since.store(0, Ordering::Release);
        }
        if !shared.is_fetch_due(reason, now) {
            let error = shared.state.load().last_error.clone();
            return Some(Boarding::landed(reason, now, error));
        }
        let runtime = match reads_a_file {
            true => None,
            false => Some(air.runtime.clone()?),
        };
        let (landing, flight) = Landing::take_off(shared, &mut air, reason, now);
        shared.ask(&air, reason, now);
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
    let (landing, _) = Landing::take_off(shared, &mut shared.flights.air(), Reason::Schedule, now);
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

impl Shared {
    /// Swaps the state for a changed copy.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.change(&self.flights.air(), change)
    }

    /// The same for who holds the lock, as whoever changes the state does.
    pub(super) fn change<T>(&self, _one_writer: &Air, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = State::clone(&self.state.load());
        let result = change(&mut state);
        self.state.store(Arc::new(state));
        result
    }

    fn is_fetch_due(&self, reason: Reason, now: Now) -> bool {
        let (rules, state) = (&self.config.rules, self.state.load());
        match reason {
            Reason::Schedule => {
                !matches!(state.history.decide(now), Decision::Use | Decision::Refuse)
            }
            Reason::UnknownKey => state.history.decide_unknown_key(now) == UnknownKey::Fetch,
            Reason::BadSignature => state.history.is_bad_signature_fetch_due(rules, now),
            Reason::Operator => true,
        }
    }

    /// Uses up the allowance for this.
    fn ask(&self, air: &Air, reason: Reason, now: Now) {
        self.change(air, |state| match reason {
            Reason::UnknownKey => state.history.asked_for_unknown_key(&self.config.rules, now),
            Reason::BadSignature => state.history.asked_for_bad_signature(now),
            Reason::Schedule | Reason::Operator => {}
        });
    }

    /// A flight that has not landed counts as a failure.
    fn lose(&self, air: &Air, reason: Reason, took: Duration, now: Now) -> Lost {
        let error = FetchError::new(FetchErrorKind::Aborted);
        let age = self.change(air, |state| {
            state.reject(error.clone(), reason, &self.config.rules, now, random());
            state.history.age(now)
        });
        Lost { took, age, error }
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
        crate::metrics::waiters(&self.config.issuer, 1.0);
        if before >= self.config.rules.max_waiters {
            return Err(FetchError::new(FetchErrorKind::TooManyWaiters));
        }
        Ok(waiter)
    }
}

/// One of the callers that wait, while it waits.
pub(super) struct Waiter<'a>(&'a Shared);

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.flights.waiters.fetch_sub(1, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        crate::metrics::waiters(&self.0.config.issuer, -1.0);
    }
}

/// A number in 0..1 that differs from instance to instance; jitter needs no better one, and the
/// standard library's hash keys are random.
pub(super) fn random() -> f64 {
    let bits = RandomState::new().hash_one(0_u8);
    f64::from(u32::try_from(bits >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::state::{Answer, Fresh};
    use super::super::{KeyRefresh, NoKeys, RemoteConfig, RemoteKeySet};
    use super::*;
    use crate::clock::{Clock, SharedClock};
    use crate::event::{Events, Observer};
    use crate::fetch::{Fetch, FetchFuture, FetchRequest};
    use crate::key_set::KeySet;

    /// A clock that is moved by hand, and a list of what is told.
    #[derive(Debug, Default)]
    struct Hand {
        now: Mutex<Duration>,
        told: AtomicUsize,
    }

    impl Clock for &'static Hand {
        fn now(&self) -> Now {
            let monotonic = *self.now.lock().unwrap();
            Now {
                wall: std::time::UNIX_EPOCH + monotonic,
                monotonic,
            }
        }
    }

    impl Observer for &'static Hand {
        fn observe(&self, event: &Event<'_>) {
            assert!(matches!(event, Event::RefreshFailed { .. }), "{event:?}");
            self.told.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[derive(Debug)]
    struct Nowhere;

    impl Fetch for Nowhere {
        fn fetch(&self, _: FetchRequest) -> FetchFuture<'_> {
            Box::pin(async { Err(FetchError::new(FetchErrorKind::Connection)) })
        }
    }

    impl Hand {
        fn pass(&self, seconds: u64) {
            *self.now.lock().unwrap() += Duration::from_secs(seconds);
        }

        fn told(&self) -> usize {
            self.told.load(Ordering::Relaxed)
        }
    }

    /// Keys of a file that was read well once, a minute ago, and is read again by a thread that hangs.
    fn hung() -> (RemoteKeySet, &'static Hand, Landing) {
        let hand: &'static Hand = Box::leak(Box::default());
        let keys = RemoteKeySet(Arc::new(Shared {
            config: RemoteConfig {
                issuer: "https://id.example".into(),
                source: KeySource::File("gone".into()),
                failover: None,
                rules: KeyRefresh::new(),
                fetch: Arc::new(Nowhere),
                clock: SharedClock::Other(Arc::new(hand)),
                events: Events(Some(Arc::new(hand))),
            },
            state: arc_swap::ArcSwap::default(),
            flights: Flights::default(),
        }));
        let shared = &keys.0;
        let now = hand.now();
        let answer = empty_set();
        let accepted =
            shared.update(|state| state.accept(answer, Reason::Schedule, &RULES, now, 0.5));
        assert!(accepted.is_ok());
        hand.pass(60);
        let mut air = shared.flights.air();
        let (mut landing, _) = Landing::take_off(shared, &mut air, Reason::Schedule, hand.now());
        landing.taken_off = true;
        drop(air);
        (keys, hand, landing)
    }

    fn empty_set() -> Answer {
        Answer {
            keys: Some(Fresh {
                keys: KeySet::of([].into_iter()),
                document: None,
                etag: None,
            }),
            lifetime: Some(Duration::ZERO),
            failed_over: None,
        }
    }

    const RULES: KeyRefresh = KeyRefresh::new();

    /// What a request does whose key is there.
    #[track_caller]
    fn request(keys: &RemoteKeySet) {
        let now = keys.0.config.clock.now();
        match keys.current(now, None) {
            Ok(snapshot) => keys.refresh_if_due(&snapshot, now),
            Err(NoKeys::Wait) => keys.request_refresh(Reason::Schedule),
            Err(NoKeys::Join(_)) => panic!("a request waits for a thread that hangs"),
            Err(NoKeys::Refuse(_)) => {}
        }
    }

    #[test]
    fn a_file_that_hangs_is_told_of_after_twice_the_deadline_and_may_come_back() {
        let (keys, hand, landing) = hung();
        for (seconds, told) in [(0, 0), (9, 0), (1, 1), (0, 1)] {
            hand.pass(seconds);
            request(&keys);
            assert_eq!(hand.told(), told);
        }
        let error = keys.0.state.load().last_error.clone();
        assert_eq!(
            error.map(|error| error.kind()),
            Some(FetchErrorKind::Aborted)
        );
        landing.land(Ok(empty_set()));
        assert!(keys.0.state.load().last_error.is_none());
        assert!(keys.0.flights.air().flight.is_none());
        assert_eq!(keys.status(hand.now()).age, Some(Duration::ZERO));
    }

    #[test]
    fn a_file_that_hangs_fails_whenever_it_is_due_and_no_second_thread_reads() {
        let (keys, hand, landing) = hung();
        // Three requests a minute, in the day that keys serve on and an hour beyond.
        for _ in 0..25 * 60 {
            hand.pass(60);
            for _ in 0..3 {
                request(&keys);
            }
        }
        assert!((1_000..=1_500).contains(&hand.told()), "{}", hand.told());
        let told = hand.told();
        for (reason, more) in [
            (Reason::Operator, 1),
            (Reason::UnknownKey, 2),
            (Reason::UnknownKey, 2),
            (Reason::BadSignature, 3),
            (Reason::BadSignature, 3),
        ] {
            let boarding = join(&keys.0, reason);
            let Some(Boarding::Landed(flight)) = boarding else {
                panic!("a second thread, or one that nobody can wait for");
            };
            let outcome = flight.outcome.borrow().clone();
            assert!(matches!(outcome, Some(Err(_))));
            assert_eq!(hand.told() - told, more, "{reason:?}");
        }
        drop(landing);
    }
    /// On the clock of keys no time passes at all.
    #[tokio::test(start_paused = true)]
    async fn a_file_that_hangs_holds_up_no_operator_for_ever() {
        let (keys, hand, landing) = hung();
        for (seconds, kind) in [(0, FetchErrorKind::Deadline), (10, FetchErrorKind::Aborted)] {
            hand.pass(seconds);
            let minute = Duration::from_secs(60);
            let fetched = tokio::time::timeout(minute, keys.fetch_now()).await;
            assert_eq!(fetched.unwrap().unwrap_err().kind(), kind);
        }
        drop(landing);
    }
}
