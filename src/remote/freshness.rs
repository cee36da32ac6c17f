//! When to fetch keys, and how long to trust those at hand: pure functions of what happened, now
//! and a random number. No clock, no network, so that a day passes in a test in no time.

use std::time::Duration;

use super::settings::KeyRefresh;
use crate::clock::{Deadline, Now};

/// What has happened to one issuer's keys. Changed only by its own methods, each an event.
#[derive(Clone, Debug, Default)]
pub(crate) struct History {
    success: Option<Success>,
    failures: Option<Failures>,
    /// The last fetch made because of an unknown key, and how long until the next one.
    unknown_key: Option<(Now, Duration)>,
    /// The last fetch made because of a bad signature.
    bad_signature: Option<Now>,
}

#[derive(Clone, Copy, Debug)]
struct Success {
    at: Now,
    fresh_for: Duration,
    /// A fetch is due from then on.
    refresh: Deadline,
    /// A fetch that is due is joined from then on, unless the outage is known.
    join: Deadline,
    /// The keys are of no use from then on.
    end: Deadline,
}

/// Attempts since the last success, all of which failed.
#[derive(Clone, Copy, Debug)]
struct Failures {
    count: u32,
    /// A fetch is due from then on.
    next: Deadline,
    /// The same without keys that may be used: a pause that grew long while they might must not keep their
    /// successors away.
    next_without_keys: Deadline,
    /// The outage is known until then: nobody waits to learn of it again.
    known: Deadline,
}

/// What to do for a request that needs a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever asks has to act on each of them"
)]
pub enum Decision {
    /// Use the keys at hand.
    Use,
    /// Use the keys at hand, and start a fetch that nobody waits for.
    UseAndRefresh,
    /// Join a fetch for a moment, then use the keys at hand if it brings nothing.
    JoinThenUse,
    /// There are no usable keys: wait for a fetch.
    Wait,
    /// There are no usable keys, and no fetch is due: refuse.
    Refuse,
}

/// What to do about a key that is not in a set in use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever asks has to act on each of them"
)]
pub enum UnknownKey {
    /// Wait for a fetch.
    Fetch,
    /// No fetch is due and the last one succeeded: the issuer has no such key.
    Unknown,
    /// No fetch is due and the last one failed: nobody knows.
    Unavailable,
}

impl History {
    /// A fetch brought keys, or confirmed those at hand. `stated` is the lifetime the answer's
    /// headers gave, `random` is in 0..1.
    pub(crate) fn succeeded(
        &mut self,
        rules: &KeyRefresh,
        now: Now,
        stated: Option<Duration>,
        random: f64,
    ) {
        let fresh_for = stated
            .unwrap_or(rules.default_lifetime)
            .clamp(rules.min_lifetime, rules.max_lifetime);
        let jitter = rules.refresh_jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0);
        let refresh_after = fresh_for.mul_f64((rules.refresh_at + jitter).clamp(0.0, 1.0));
        self.success = Some(Success {
            at: now,
            fresh_for,
            refresh: Deadline::after(refresh_after, now),
            join: Deadline::after(fresh_for.saturating_add(rules.stale_while_revalidate), now),
            end: Deadline::after(rules.stale_if_error, now),
        });
        self.failures = None;
    }

    /// A fetch failed. `random` is in 0..1.
    pub(crate) fn failed(&mut self, rules: &KeyRefresh, now: Now, random: f64) {
        let count = self
            .failures
            .map_or(0, |failures| failures.count)
            .saturating_add(1);
        let longest = match self.success {
            Some(success) if age(success.at, now) < rules.stale_if_error => {
                rules.max_back_off.max(success.fresh_for / 4)
            }
            _ => rules.max_back_off,
        };
        let doubled = rules
            .min_back_off
            .saturating_mul(2_u32.saturating_pow(count.saturating_sub(1)));
        let back_off = doubled
            .min(longest)
            .mul_f64(0.5 + random.clamp(0.0, 1.0) / 2.0)
            .max(rules.min_back_off);
        self.failures = Some(Failures::new(rules, count, now, back_off));
    }

    /// A fetch outside the schedule failed. The schedule is not put off by it.
    pub(crate) fn failed_aside(&mut self, rules: &KeyRefresh, now: Now) {
        self.failures
            .get_or_insert_with(|| Failures::new(rules, 0, now, rules.min_back_off));
    }

    /// A fetch starts because a key is unknown. Stamped before its outcome is known, so that no
    /// outcome shortens the interval.
    pub(crate) fn asked_for_unknown_key(&mut self, rules: &KeyRefresh, now: Now) {
        let interval = self
            .unknown_key
            .map_or(rules.min_unknown_key_interval, |(_, interval)| interval);
        self.unknown_key = Some((now, interval));
    }

    /// The fetch for an unknown key has ended; the interval grows while such fetches find nothing new.
    pub(crate) fn answered_unknown_key(&mut self, rules: &KeyRefresh, found_new_keys: bool) {
        if let Some((_, interval)) = &mut self.unknown_key {
            *interval = if found_new_keys {
                rules.min_unknown_key_interval
            } else {
                interval
                    .saturating_mul(2)
                    .min(rules.max_unknown_key_interval)
            };
        }
    }

    /// A fetch starts because a signature under a known key did not match.
    pub(crate) fn asked_for_bad_signature(&mut self, now: Now) {
        self.bad_signature = Some(now);
    }

    /// What a request with a known key is to do.
    #[inline]
    pub(crate) fn decide(&self, now: Now) -> Decision {
        match &self.success {
            Some(success) if !success.refresh.has_come(now) => Decision::Use,
            success => self.decide_beyond(success.as_ref(), now),
        }
    }

    /// The same, for keys that are to be refreshed or are not there.
    #[cold]
    fn decide_beyond(&self, success: Option<&Success>, now: Now) -> Decision {
        let failures = self.failures.as_ref();
        let usable = success.filter(|success| !success.end.has_come(now));
        let is_due = failures.is_none_or(|failures| failures.next(usable).has_come(now));
        let is_known = || failures.is_some_and(|failures| !failures.known.has_come(now));
        match (usable, is_due) {
            (Some(keys), true) if !keys.join.has_come(now) || is_known() => Decision::UseAndRefresh,
            (Some(_), true) => Decision::JoinThenUse,
            (Some(_), false) => Decision::Use,
            (None, true) => Decision::Wait,
            (None, false) => Decision::Refuse,
        }
    }

    /// What a request with an unknown key is to do.
    pub(crate) fn decide_unknown_key(&self, now: Now) -> UnknownKey {
        let due = self
            .unknown_key
            .is_none_or(|(asked, interval)| age(asked, now) >= interval);
        match (due, self.failures) {
            (true, _) => UnknownKey::Fetch,
            (false, None) => UnknownKey::Unknown,
            (false, Some(_)) => UnknownKey::Unavailable,
        }
    }

    /// Whether a signature that does not match under a known key is reason to fetch: an allowance of
    /// its own, and not for keys that have just been fetched.
    pub(crate) fn is_bad_signature_fetch_due(&self, rules: &KeyRefresh, now: Now) -> bool {
        let just_fetched = self
            .success
            .is_some_and(|success| age(success.at, now) < rules.min_unknown_key_interval);
        !just_fetched
            && self
                .bad_signature
                .is_none_or(|asked| age(asked, now) >= rules.bad_signature_interval)
    }

    /// How long a key that the answer of now lacks, and the one before had, goes on to serve: the
    /// grace counts from now, or from when the answer with the key went stale, if that was earlier.
    pub(crate) fn grace_left(&self, rules: &KeyRefresh, now: Now) -> Duration {
        let stale_for = self.success.map_or(Duration::ZERO, |success| {
            age(success.at, now).saturating_sub(success.fresh_for)
        });
        rules.unpublished_grace.saturating_sub(stale_for)
    }

    /// How old the keys at hand are.
    pub(crate) fn age(&self, now: Now) -> Option<Duration> {
        self.success.map(|success| age(success.at, now))
    }

    /// When the keys at hand were fetched or confirmed.
    pub(crate) fn fetched_at(&self) -> Option<Now> {
        self.success.map(|success| success.at)
    }

    /// Whether the keys at hand are within the lifetime their issuer gave them.
    pub(crate) fn is_fresh(&self, now: Now) -> bool {
        self.success
            .is_some_and(|success| age(success.at, now) < success.fresh_for)
    }

    /// How long the keys at hand were to be fresh when they were fetched.
    pub(crate) fn lifetime(&self) -> Option<Duration> {
        self.success.map(|success| success.fresh_for)
    }

    /// How long until a request starts a scheduled fetch; zero when the next one does.
    pub(crate) fn next_refresh(&self, now: Now) -> Duration {
        let pause = self.retry_after(now).unwrap_or_default();
        let left = self
            .success
            .map_or(Duration::ZERO, |success| success.refresh.left(now));
        pause.max(left)
    }

    /// How long until an unknown key may be asked for again.
    pub(crate) fn retry_unknown_key_after(&self, now: Now) -> Option<Duration> {
        self.unknown_key
            .map(|(asked, interval)| interval.saturating_sub(age(asked, now)))
    }

    /// How long until a scheduled fetch is due after failures: the pause is over, or the keys have ended
    /// and the shorter one is.
    pub(crate) fn retry_after(&self, now: Now) -> Option<Duration> {
        let end = self.success.map(|success| success.end.left(now));
        self.failures.map(|failures| {
            let without_keys = failures.next_without_keys.left(now);
            let next = failures.next.left(now);
            next.min(without_keys.max(end.unwrap_or_default()))
        })
    }
}

impl Failures {
    fn new(rules: &KeyRefresh, count: u32, now: Now, back_off: Duration) -> Self {
        let known_for = back_off.saturating_add(rules.stale_while_revalidate);
        Self {
            count,
            next: Deadline::after(back_off, now),
            next_without_keys: Deadline::after(back_off.min(rules.max_back_off), now),
            known: Deadline::after(known_for, now),
        }
    }

    /// When a fetch is due again.
    fn next(&self, usable: Option<&Success>) -> &Deadline {
        match usable {
            Some(_) => &self.next,
            None => &self.next_without_keys,
        }
    }
}

/// Time since then: the larger of what the two clocks say. Monotonic time stands still while a
/// machine is suspended; wall time may be set back, which counts as no time.
#[inline]
pub(crate) fn age(then: Now, now: Now) -> Duration {
    let wall = now.wall.duration_since(then.wall).unwrap_or_default();
    wall.max(now.monotonic.saturating_sub(then.monotonic))
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    const MIDDLE: f64 = 0.5;
    const RULES: KeyRefresh = KeyRefresh::new();

    fn at(seconds: f64) -> Now {
        let since = Duration::from_secs_f64(seconds);
        Now {
            wall: UNIX_EPOCH + since,
            monotonic: since,
        }
    }

    fn fetched_at_0(stated: Option<u64>) -> History {
        let mut history = History::default();
        history.succeeded(&RULES, at(0.0), stated.map(Duration::from_secs), MIDDLE);
        history
    }

    #[track_caller]
    fn check(history: &History, seconds: f64, expected: Decision) {
        assert_eq!(history.decide(at(seconds)), expected, "after {seconds} s");
    }

    #[test]
    fn without_keys_the_first_request_waits() {
        check(&History::default(), 0.0, Decision::Wait);
    }

    #[test]
    fn keys_of_100_seconds_are_used_refreshed_joined_and_dropped() {
        let history = fetched_at_0(Some(100));
        check(&history, 0.0, Decision::Use);
        check(&history, 79.9, Decision::Use);
        check(&history, 80.0, Decision::UseAndRefresh);
        check(&history, 699.9, Decision::UseAndRefresh);
        check(&history, 700.0, Decision::JoinThenUse);
        check(&history, 86_399.9, Decision::JoinThenUse);
        check(&history, 86_400.0, Decision::Wait);
    }

    #[test]
    fn without_a_fetch_keys_serve_for_stale_if_error_and_no_longer() {
        let hour = Duration::from_secs(3_600);
        let rules = RULES.stale_if_error(hour);
        let mut history = History::default();
        history.succeeded(&rules, at(0.0), Some(hour), MIDDLE);
        check(&history, 3_599.9, Decision::UseAndRefresh);
        check(&history, 3_600.0, Decision::Wait);
        history.failed(&rules, at(3_600.0), 1.0);
        check(&history, 3_600.9, Decision::Refuse);
        check(&history, 3_601.0, Decision::Wait);
    }

    #[test]
    fn a_stated_lifetime_is_clamped() {
        let refresh_after = |stated| fetched_at_0(stated).next_refresh(at(0.0)).as_secs();
        assert_eq!(refresh_after(None), 480);
        assert_eq!(refresh_after(Some(0)), 48);
        assert_eq!(refresh_after(Some(60)), 48);
        assert_eq!(refresh_after(Some(61)), 48);
        assert_eq!(refresh_after(Some(3_600)), 2_880);
        assert_eq!(refresh_after(Some(u64::MAX)), 2_880);
    }

    #[test]
    fn jitter_spreads_refreshes_over_a_fifth_of_the_lifetime() {
        let refresh_after = |random| {
            let mut history = History::default();
            history.succeeded(&RULES, at(0.0), Some(Duration::from_secs(100)), random);
            history.next_refresh(at(0.0)).as_secs_f64().round()
        };
        assert_eq!(refresh_after(0.0), 70.0);
        assert_eq!(refresh_after(1.0), 90.0);
    }

    #[test]
    fn while_fetches_fail_keys_serve_and_attempts_back_off() {
        let mut history = fetched_at_0(Some(100));
        history.failed(&RULES, at(80.0), 1.0);
        check(&history, 80.9, Decision::Use);
        check(&history, 81.0, Decision::UseAndRefresh);
        history.failed(&RULES, at(800.0), 1.0);
        check(&history, 801.9, Decision::Use);
        check(&history, 802.0, Decision::UseAndRefresh);
        check(&history, 1_401.9, Decision::UseAndRefresh);
        check(&history, 1_402.0, Decision::JoinThenUse);
        check(&history, 86_400.0, Decision::Wait);
        history.failed(&RULES, at(86_400.0), 1.0);
        check(&history, 86_401.0, Decision::Refuse);
    }

    #[test]
    fn back_off_ends_at_a_minute_or_a_quarter_of_the_lifetime() {
        let after_many = |mut history: History| {
            for _ in 0..1_000 {
                history.failed(&RULES, at(1.0), 1.0);
            }
            history.retry_after(at(1.0)).map(|pause| pause.as_secs())
        };
        assert_eq!(after_many(History::default()), Some(60));
        assert_eq!(after_many(fetched_at_0(Some(100))), Some(60));
        assert_eq!(after_many(fetched_at_0(Some(3_600))), Some(900));
    }

    #[test]
    fn a_success_ends_the_back_off() {
        let mut history = History::default();
        history.failed(&RULES, at(0.0), 1.0);
        check(&history, 0.5, Decision::Refuse);
        check(&history, 1.0, Decision::Wait);
        history.succeeded(&RULES, at(1.0), None, MIDDLE);
        check(&history, 1.0, Decision::Use);
        assert_eq!(history.retry_after(at(1.0)), None);
    }

    #[track_caller]
    fn check_unknown(history: &History, seconds: f64, expected: UnknownKey) {
        assert_eq!(
            history.decide_unknown_key(at(seconds)),
            expected,
            "after {seconds} s"
        );
    }

    #[test]
    fn unknown_keys_fetch_no_more_often_than_their_interval() {
        let mut history = fetched_at_0(None);
        check_unknown(&history, 0.0, UnknownKey::Fetch);
        history.asked_for_unknown_key(&RULES, at(0.0));
        check_unknown(&history, 0.0, UnknownKey::Unknown);
        check_unknown(&history, 9.9, UnknownKey::Unknown);
        check_unknown(&history, 10.0, UnknownKey::Fetch);
    }

    #[test]
    fn the_interval_doubles_while_nothing_new_is_found() {
        let mut history = fetched_at_0(None);
        for expected in [20, 40, 60, 60] {
            history.asked_for_unknown_key(&RULES, at(0.0));
            history.answered_unknown_key(&RULES, false);
            check_unknown(&history, f64::from(expected) - 0.1, UnknownKey::Unknown);
            check_unknown(&history, f64::from(expected), UnknownKey::Fetch);
        }
        history.answered_unknown_key(&RULES, true);
        check_unknown(&history, 10.0, UnknownKey::Fetch);
    }

    #[test]
    fn after_a_failed_fetch_an_unknown_key_is_nobodys_fault() {
        let mut history = fetched_at_0(None);
        history.asked_for_unknown_key(&RULES, at(0.0));
        history.failed(&RULES, at(0.0), MIDDLE);
        check_unknown(&history, 9.9, UnknownKey::Unavailable);
        check_unknown(&history, 10.0, UnknownKey::Fetch);
    }

    #[test]
    fn a_refresh_is_due_as_soon_as_one_clock_says_so() {
        let mut history = History::default();
        history.succeeded(&RULES, at(1_000.0), Some(Duration::from_secs(100)), MIDDLE);
        for (wall, monotonic, expected) in [
            (1_079.9, 1_079.9, Decision::Use),
            (1_080.0, 1_079.9, Decision::UseAndRefresh),
            (1_079.9, 1_080.0, Decision::UseAndRefresh),
            (0.0, 1_079.9, Decision::Use),
            (0.0, 1_080.0, Decision::UseAndRefresh),
            (1_079.9, 0.0, Decision::Use),
        ] {
            let now = Now {
                wall: at(wall).wall,
                monotonic: at(monotonic).monotonic,
            };
            assert_eq!(history.decide(now), expected, "{wall} {monotonic}");
        }
    }

    /// The clocks together or some seconds apart, and often where something is due.
    fn moment() -> impl Strategy<Value = Now> {
        let due = proptest::sample::select(vec![
            0, 1, 2, 80, 99, 100, 110, 500, 700, 86_399, 86_400, 86_401,
        ]);
        let seconds = move || prop_oneof![due.clone(), 0..100_u64];
        let other = proptest::option::of(seconds());
        (seconds(), other, -1_i64..=1).prop_map(|(wall, other, nanos)| {
            let monotonic = other.unwrap_or(wall);
            let start = Duration::from_secs(100_000);
            let clock = |seconds| {
                let since = start + Duration::from_secs(seconds);
                let nanos_away = Duration::from_nanos(nanos.unsigned_abs());
                if nanos < 0 {
                    since - nanos_away
                } else {
                    since + nanos_away
                }
            };
            Now {
                wall: UNIX_EPOCH + clock(wall),
                monotonic: clock(monotonic),
            }
        })
    }

    /// The rules as they read, by ages.
    struct ByAge {
        rules: KeyRefresh,
        /// When keys came, and how long after it a fetch is due.
        keys: Option<(Now, Duration)>,
        /// When a fetch failed, and how long none is due.
        failed: Option<(Now, Duration)>,
    }

    fn later(now: Now, time: Duration) -> Now {
        Now {
            wall: now.wall + time,
            monotonic: now.monotonic + time,
        }
    }

    impl History {
        fn is_fetch_due(&self, now: Now) -> bool {
            !matches!(self.decide(now), Decision::Use | Decision::Refuse)
        }
    }

    fn left(time: Duration, since: Now, now: Now) -> Duration {
        time.saturating_sub(age(since, now))
    }

    impl ByAge {
        const LIFETIME: Duration = Duration::from_secs(100);

        fn pause(&self, now: Now) -> Option<Duration> {
            let (failed, back_off) = self.failed?;
            let keys = self
                .keys
                .map(|(came, _)| left(self.rules.stale_if_error, came, now));
            let shorter = back_off.min(self.rules.max_back_off);
            let without_keys = left(shorter, failed, now).max(keys.unwrap_or_default());
            Some(left(back_off, failed, now).min(without_keys))
        }

        fn next_refresh(&self, now: Now) -> Duration {
            let due = self.keys.map(|(came, due)| left(due, came, now));
            self.pause(now).max(due).unwrap_or_default()
        }

        fn are_keys_younger(&self, time: Duration, now: Now) -> bool {
            self.keys.is_some_and(|(came, _)| age(came, now) < time)
        }

        fn decide(&self, now: Now) -> Decision {
            let rules = &self.rules;
            let usable = self.are_keys_younger(rules.stale_if_error, now);
            let is_known = self.failed.is_some_and(|(failed, back_off)| {
                age(failed, now) < back_off + rules.stale_while_revalidate
            });
            if self.keys.is_some_and(|(came, due)| age(came, now) < due) {
                Decision::Use
            } else if self.pause(now).is_some_and(|pause| !pause.is_zero()) {
                if usable {
                    Decision::Use
                } else {
                    Decision::Refuse
                }
            } else if !usable {
                Decision::Wait
            } else if is_known
                || self.are_keys_younger(Self::LIFETIME + rules.stale_while_revalidate, now)
            {
                Decision::UseAndRefresh
            } else {
                Decision::JoinThenUse
            }
        }
    }

    proptest! {
        #[test]
        fn deadlines_say_what_ages_say(
            events in proptest::collection::vec((moment(), 0..6_u8, 0.0..1.0), 0..9),
            moments in proptest::collection::vec(moment(), 8),
            stale_if_error in proptest::sample::select(vec![100, 500, 700, 86_400]),
            stale_while_revalidate in proptest::sample::select(vec![0, 1, 600]),
            max_back_off in proptest::sample::select(vec![1, 2, 60]),
        ) {
            let rules = RULES
                .stale_if_error(Duration::from_secs(stale_if_error))
                .stale_while_revalidate(Duration::from_secs(stale_while_revalidate))
                .back_off(Duration::from_secs(1), Duration::from_secs(max_back_off));
            let mut history = History::default();
            let mut by_age = ByAge { rules: rules.clone(), keys: None, failed: None };
            let mut latest = Duration::ZERO;
            for (now, event, random) in events {
                match event {
                    0 => {
                        history.succeeded(&rules, now, Some(ByAge::LIFETIME), random);
                        by_age.keys = Some((now, history.next_refresh(now)));
                        by_age.failed = None;
                    }
                    1 => {
                        history.failed_aside(&rules, now);
                        by_age.failed.get_or_insert((now, rules.min_back_off));
                    }
                    _ => {
                        history.failed(&rules, now, random);
                        by_age.failed = history.failures.map(|failures| (now, failures.next.left(now)));
                    }
                }
                latest = latest.max(now.monotonic);
                for &now in &moments {
                    prop_assert_eq!(history.decide(now), by_age.decide(now));
                    // Else both clocks went back, which the monotonic one never does.
                    if now.monotonic >= latest {
                        prop_assert_eq!(history.retry_after(now), by_age.pause(now));
                        let next = history.next_refresh(now);
                        prop_assert_eq!(next, by_age.next_refresh(now));
                        prop_assert!(history.is_fetch_due(later(now, next)));
                        let before = next.checked_sub(Duration::from_nanos(1));
                        prop_assert!(before.is_none_or(|before| !history.is_fetch_due(later(now, before))));
                    }
                }
            }
        }
    }

    /// Such as one that a test gives.
    #[test]
    fn the_last_moment_that_a_clock_can_tell_is_like_any_other() {
        let mut last = UNIX_EPOCH;
        for step in (0..64).rev().map(|bit| Duration::from_secs(1 << bit)) {
            last = last.checked_add(step).unwrap_or(last);
        }
        let now = Now {
            wall: last,
            monotonic: Duration::MAX,
        };
        let mut history = History::default();
        history.succeeded(&RULES, now, None, MIDDLE);
        assert_eq!(history.decide(now), Decision::Use);
        let mut history = History::default();
        history.failed(&RULES, now, MIDDLE);
        assert_eq!(history.decide(now), Decision::Refuse);
    }

    #[test]
    fn age_is_the_larger_of_two_clocks() {
        let then = at(1_000.0);
        let suspended = Now {
            wall: at(5_000.0).wall,
            monotonic: then.monotonic,
        };
        assert_eq!(age(then, suspended), Duration::from_secs(4_000));
        let set_back = Now {
            wall: at(0.0).wall,
            monotonic: Duration::from_secs(1_007),
        };
        assert_eq!(age(then, set_back), Duration::from_secs(7));
    }

    #[test]
    fn in_a_known_outage_nobody_waits_up_to_the_last_minute() {
        let hour = 3_600;
        let mut history = fetched_at_0(Some(hour));
        let (mut now, mut attempts) = (2_880.0, 0);
        // Attempts as a service in steady use makes them: one as soon as it is due.
        while now < 86_400.0 {
            check(&history, now, Decision::UseAndRefresh);
            history.failed(&RULES, at(now), 1.0);
            check(&history, now + 0.1, Decision::Use);
            now += history.retry_after(at(now)).unwrap().as_secs_f64();
            attempts += 1;
        }
        check(&history, 86_399.9, Decision::Use);
        check(&history, 86_400.0, Decision::Wait);
        assert_eq!(
            attempts, 102,
            "ten while it doubles to a quarter of an hour, then each quarter"
        );
    }

    #[test]
    fn a_long_pause_ends_when_keys_are_not_usable_any_more() {
        let mut history = fetched_at_0(Some(3_600));
        for _ in 0..20 {
            history.failed(&RULES, at(86_399.0), 1.0);
        }
        check(&history, 86_399.9, Decision::Use);
        let retry = |seconds| {
            history
                .retry_after(at(seconds))
                .map(|pause| pause.as_secs())
        };
        assert_eq!(retry(86_399.0), Some(60), "the keys end in a second");
        assert_eq!(retry(86_400.0), Some(59));
        check(&history, 86_458.9, Decision::Refuse);
        check(&history, 86_459.0, Decision::Wait);
    }

    #[test]
    fn a_pause_after_a_failure_is_never_under_the_first() {
        let mut history = History::default();
        history.failed(&RULES, at(0.0), 0.0);
        assert_eq!(history.retry_after(at(0.0)), Some(Duration::from_secs(1)));
        history.failed(&RULES, at(0.0), 0.0);
        history.failed(&RULES, at(0.0), 0.0);
        assert_eq!(history.retry_after(at(0.0)), Some(Duration::from_secs(2)));
    }

    #[test]
    fn a_bad_signature_has_an_allowance_of_its_own() {
        let mut history = fetched_at_0(None);
        let due =
            |history: &History, seconds| history.is_bad_signature_fetch_due(&RULES, at(seconds));
        assert!(!due(&history, 9.9), "just fetched");
        assert!(due(&history, 10.0));
        history.asked_for_bad_signature(at(10.0));
        assert!(!due(&history, 309.9));
        assert!(due(&history, 310.0));
        check_unknown(&history, 10.0, UnknownKey::Fetch);
        history.asked_for_unknown_key(&RULES, at(310.0));
        assert!(due(&history, 310.0));
    }

    #[test]
    fn grace_counts_from_the_first_answer_without_a_key_or_from_staleness() {
        let left = |stated, seconds| {
            fetched_at_0(Some(stated))
                .grace_left(&RULES, at(seconds))
                .as_secs()
        };
        assert_eq!(left(600, 0.0), 3_600);
        assert_eq!(left(600, 480.0), 3_600);
        assert_eq!(left(600, 600.0), 3_600);
        assert_eq!(left(600, 601.0), 3_599);
        assert_eq!(left(600, 4_199.0), 1);
        assert_eq!(left(600, 4_200.0), 0);
        assert_eq!(left(600, 172_800.0), 0);
        let none = RULES.unpublished_grace(Duration::ZERO);
        assert_eq!(
            fetched_at_0(None).grace_left(&none, at(1.0)),
            Duration::ZERO
        );
    }

    #[test]
    fn the_next_refresh_is_after_the_share_of_the_lifetime_or_the_pause() {
        let next = |history: &History, seconds| history.next_refresh(at(seconds)).as_secs();
        assert_eq!(next(&History::default(), 0.0), 0);
        let mut history = fetched_at_0(Some(100));
        assert_eq!(next(&history, 30.0), 50);
        assert_eq!(next(&history, 90.0), 0);
        history.failed(&RULES, at(90.0), 1.0);
        history.failed(&RULES, at(91.0), 1.0);
        assert_eq!(next(&history, 91.0), 2);
        let mut history = fetched_at_0(Some(100));
        history.failed_aside(&RULES, at(30.0));
        assert_eq!(
            next(&history, 30.0),
            50,
            "a failure aside changes no schedule"
        );
    }
}
