//! One instance of the fleet, event by event. Every rule is asked of [`KeyTiming`], the code that a
//! verifier asks; what is modelled here is the world around it: requests, flights, answers.

use std::time::{Duration, UNIX_EPOCH};

use portcullis::simulation::{KeyDecision, KeyTiming, UnknownKeyDecision};
use portcullis::{KeyRefresh, Now};

use crate::issuer::{Issuer, Key, Published};
use crate::tally::Tally;
use crate::traffic::Traffic;

/// What all instances have in common.
pub(crate) struct World {
    pub(crate) issuer: Issuer,
    pub(crate) traffic: Traffic,
    /// Instances start at random within this time.
    pub(crate) started_within: Duration,
    pub(crate) end: Duration,
}

/// An instance, what it holds and what is in the air.
pub(crate) struct Instance<'a> {
    world: &'a World,
    tally: &'a mut Tally,
    rng: fastrand::Rng,
    timing: KeyTiming,
    now: Duration,
    /// The keys of the last answer.
    held: Published,
    /// Until when the old key serves although the last answer lacks it.
    old_in_grace_until: Option<Duration>,
    flight: Option<Flight>,
    /// Whether requests with a known key were served when that was last asked.
    is_usable: bool,
    last_fetch: Option<Duration>,
    /// How long after its last fetch one for an unknown key was due when that was last looked for.
    unknown_key_pause: Duration,
}

/// A fetch in the air, which requests join.
struct Flight {
    is_for_unknown_key: bool,
    lands: Duration,
    answer: Option<Published>,
    /// Honest requests that wait for it: for either key, or for any because there are none at all.
    waiting_for_old: u32,
    waiting_for_new: u32,
    waiting_for_any: u32,
}

enum Event {
    Landing,
    /// A request that finds a fetch due, or no usable keys.
    Request,
    /// An honest token of a key that is not at hand.
    Token(Key),
    /// A token with an invented key id, at a time when that starts a fetch.
    Invented,
}

/// The earliest of the events considered.
struct Next(Option<(Duration, Event)>);

impl Next {
    fn consider(&mut self, at: Duration, event: Event) {
        if self.is_after(at) {
            self.0 = Some((at, event));
        }
    }

    fn is_after(&self, at: Duration) -> bool {
        self.0.as_ref().is_none_or(|(earliest, _)| at < *earliest)
    }
}

impl<'a> Instance<'a> {
    /// Lives one instance from its start to the end, and tallies what happens.
    pub(crate) fn live(world: &'a World, tally: &'a mut Tally, mut rng: fastrand::Rng) {
        let now = world.started_within.mul_f64(rng.f64());
        let mut instance = Self {
            world,
            tally,
            rng,
            timing: KeyTiming::new(KeyRefresh::new()),
            now,
            held: Published::default(),
            old_in_grace_until: None,
            flight: None,
            is_usable: false,
            last_fetch: None,
            unknown_key_pause: Duration::ZERO,
        };
        while let Some((at, event)) = instance.next_event() {
            if at >= world.end {
                break;
            }
            instance.now = at;
            match event {
                Event::Landing => instance.land(),
                Event::Request => instance.request(),
                Event::Token(key) => instance.token(key),
                Event::Invented => instance.invented(),
            }
        }
        instance.retire();
    }

    /// The next event. Drawn anew after each one, which changes nothing: the time until the next
    /// arrival of a Poisson process does not depend on how long none has come.
    fn next_event(&mut self) -> Option<(Duration, Event)> {
        let mut next = Next(
            self.flight
                .as_ref()
                .map(|flight| (flight.lands, Event::Landing)),
        );
        let traffic = &self.world.traffic;
        if self.flight.is_none() || !self.is_usable {
            let due = match self.is_usable {
                true => self.now + self.timing.next_refresh(now(self.now)),
                false => self.now,
            };
            let at = due + traffic.next_request(due, &mut self.rng);
            next.consider(at, Event::Request);
        }
        if !self.is_usable {
            return next.0;
        }
        if let Some(rotation) = &self.world.issuer.rotation
            && next.is_after(rotation.sign)
        {
            if !self.held.new
                && let Some(at) = traffic.next_token(Key::New, rotation, self.now, &mut self.rng)
            {
                next.consider(at, Event::Token(Key::New));
            }
            let from = self.old_in_grace_until.unwrap_or_default().max(self.now);
            if !self.held.old
                && next.is_after(from)
                && let Some(at) = traffic.next_token(Key::Old, rotation, from, &mut self.rng)
            {
                next.consider(at, Event::Token(Key::Old));
            }
        }
        if let Some(flood) = &traffic.flood
            && self.flight.is_none()
            && self.now < flood.end
            && next.is_after(flood.start)
        {
            let due = self.unknown_key_due().max(flood.start);
            let at = due + traffic.next_invented(&mut self.rng);
            if at < flood.end {
                next.consider(at, Event::Invented);
            }
        }
        next.0
    }

    fn decide(&mut self) -> KeyDecision {
        let decision = self.timing.decide(now(self.now));
        self.is_usable = match decision {
            KeyDecision::Use | KeyDecision::UseAndRefresh | KeyDecision::JoinThenUse => true,
            KeyDecision::Wait | KeyDecision::Refuse => false,
        };
        decision
    }

    /// From when on an unknown key starts a fetch, to the millisecond: the real decision is asked
    /// until it says so.
    fn unknown_key_due(&mut self) -> Duration {
        let is_due = |at| self.timing.decide_unknown_key(now(at)) == UnknownKeyDecision::Fetch;
        let Some(last_fetch) = self.last_fetch.filter(|_| !is_due(self.now)) else {
            return self.now;
        };
        // As long after the last fetch as it was before, most of the time.
        let as_before = last_fetch + self.unknown_key_pause;
        if is_due(as_before) && !is_due(as_before.saturating_sub(MILLISECOND)) {
            return as_before;
        }
        let (mut early, mut late) = (self.now, self.now + Duration::from_secs(1));
        while !is_due(late) {
            (early, late) = (late, late + (late - self.now));
        }
        while late - early > MILLISECOND {
            let middle = early + (late - early) / 2;
            match is_due(middle) {
                true => late = middle,
                false => early = middle,
            }
        }
        self.unknown_key_pause = late - last_fetch;
        late
    }

    /// What every request does first: the schedule.
    fn request(&mut self) {
        if let Some(flight) = &mut self.flight {
            flight.waiting_for_any += 1;
            return;
        }
        match self.decide() {
            KeyDecision::Use => {}
            KeyDecision::UseAndRefresh | KeyDecision::JoinThenUse => {
                let _ = self.take_off(false);
            }
            KeyDecision::Wait => self.take_off(false).waiting_for_any += 1,
            KeyDecision::Refuse => self.tally.refused(self.now, 1),
        }
    }

    fn token(&mut self, key: Key) {
        match self.flight_for_unknown_key() {
            None => self.tally.refused(self.now, 1),
            Some(flight) => match key {
                Key::Old => flight.waiting_for_old += 1,
                Key::New => flight.waiting_for_new += 1,
            },
        }
    }

    fn invented(&mut self) {
        let _ = self.flight_for_unknown_key();
    }

    /// The flight that a request with an unknown key joins or starts, if it may. It may be one that
    /// the schedule has just started for this very request.
    fn flight_for_unknown_key(&mut self) -> Option<&mut Flight> {
        if self.flight.is_none() {
            self.request();
        }
        if self.flight.is_some() {
            return self.flight.as_mut();
        }
        match self.timing.decide_unknown_key(now(self.now)) {
            UnknownKeyDecision::Fetch => {
                self.timing.asked_for_unknown_key(now(self.now));
                Some(self.take_off(true))
            }
            UnknownKeyDecision::Unknown | UnknownKeyDecision::Unavailable => None,
        }
    }

    fn take_off(&mut self, is_for_unknown_key: bool) -> &mut Flight {
        let answer = self.world.issuer.answer(self.now);
        let took = match answer {
            Some(_) => LEAST_LATENCY + (MOST_LATENCY - LEAST_LATENCY).mul_f64(self.rng.f64()),
            None => FETCH_DEADLINE,
        };
        self.tally
            .fetch(self.now, self.last_fetch.replace(self.now));
        self.flight.insert(Flight {
            is_for_unknown_key,
            lands: self.now + took,
            answer,
            waiting_for_old: 0,
            waiting_for_new: 0,
            waiting_for_any: 0,
        })
    }

    fn land(&mut self) {
        let Some(flight) = self.flight.take() else {
            return;
        };
        let at = now(self.now);
        match flight.answer {
            Some(answer) => {
                self.old_in_grace_until = match self.old_in_grace_until {
                    _ if answer.old => None,
                    None if !self.held.old => None,
                    earlier => {
                        let grace_ends = self.now + self.timing.grace_left(at);
                        Some(earlier.map_or(grace_ends, |earlier| earlier.min(grace_ends)))
                    }
                };
                let found_new_keys =
                    (answer.new && !self.held.new) || (answer.old && !self.held.old);
                if answer.new && !self.held.new {
                    self.tally.learned(self.now);
                }
                self.held = answer;
                let random = self.rng.f64();
                self.timing
                    .succeeded(at, Some(self.world.issuer.max_age), random);
                if flight.is_for_unknown_key {
                    self.timing.answered_unknown_key(found_new_keys);
                }
            }
            None if flight.is_for_unknown_key => {
                self.timing.failed_aside(at);
                self.timing.answered_unknown_key(false);
            }
            None => self.timing.failed(at, self.rng.f64()),
        }
        if !self.held.new {
            self.tally.refused(self.now, flight.waiting_for_new);
        }
        if !self.held.old
            && self
                .old_in_grace_until
                .is_none_or(|until| until <= self.now)
        {
            self.tally.refused(self.now, flight.waiting_for_old);
        }
        if !self.is_usable || flight.answer.is_none() {
            self.decide();
        }
        if !self.is_usable {
            self.tally.refused(self.now, flight.waiting_for_any);
        }
    }

    /// The end of the simulation: until when was the withdrawn key accepted?
    fn retire(self) {
        if self.world.issuer.rotation.is_some() {
            let until = match self.held.old {
                true => self.world.end,
                false => self.old_in_grace_until.unwrap_or_default(),
            };
            self.tally.dropped(until);
        }
    }
}

/// Both clocks of a machine that is never suspended.
fn now(since: Duration) -> Now {
    Now {
        wall: UNIX_EPOCH + since,
        monotonic: since,
    }
}

const MILLISECOND: Duration = Duration::from_millis(1);

/// An answer takes between these, each as likely. What it says is from the moment it was asked for.
pub(crate) const LEAST_LATENCY: Duration = Duration::from_millis(20);
pub(crate) const MOST_LATENCY: Duration = Duration::from_millis(200);
/// While the issuer is down nothing answers, so a fetch ends at the default deadline.
pub(crate) const FETCH_DEADLINE: Duration = Duration::from_secs(5);
