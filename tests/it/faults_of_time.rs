//! Clocks that jump, machines that sleep, outages and pauses: the age of keys is never understated,
//! and nobody waits for what is known.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use portcullis::{
    Clock as _, FetchErrorKind, FetchResponse, Freshness, KeyRefresh, KeyState, VerifyError,
};

use crate::support::{KEYS, Recorder, Scene, reason, settle};

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;

fn wall(scene: &Scene) -> SystemTime {
    scene.clock.now().wall
}

#[tokio::test]
async fn a_wall_clock_that_jumps_to_and_fro_never_makes_keys_younger() {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    let start = wall(&scene);
    scene.pass(599);
    for hours in [1, 5, 23] {
        scene
            .clock
            .set_wall(start - Duration::from_secs(hours * HOUR));
        assert_eq!(scene.status().state(), KeyState::Fresh, "back {hours} h");
    }
    scene.pass(1);
    assert_eq!(scene.status().state(), KeyState::Stale, "by monotonic time");

    // Forwards, it is believed: a machine may have slept.
    scene.clock.set_wall(start + Duration::from_secs(23 * HOUR));
    assert_eq!(scene.status().state(), KeyState::Stale);
    scene.clock.set_wall(start + Duration::from_secs(DAY));
    assert_eq!(scene.status().state(), KeyState::Overstayed);
    assert_eq!(scene.good().await, "accepted", "fetched anew");
    scene.clock.set_wall(start);
    assert_eq!(scene.status().state(), KeyState::Fresh, "and back: no time");
}

#[tokio::test]
async fn a_wall_clock_before_1970_harms_nothing() {
    let scene = Scene::set().await;
    scene.clock.set_wall(UNIX_EPOCH - Duration::from_secs(DAY));
    let token = scene
        .issuer
        .token()
        .expires_in(Duration::from_secs(2 * DAY));
    assert_eq!(scene.verify(&token.sign()).await, "accepted");
    scene.pass(2 * HOUR);
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.fetches(), 2);
}

/// Back-off, the allowance and the grace count by the same age: a wall clock set back stops none.
#[tokio::test]
async fn intervals_end_though_the_wall_clock_is_set_back() {
    let scene = Scene::set().await;
    let old = scene.token().sign();
    assert_eq!(scene.verify(&old).await, "accepted");
    assert_eq!(scene.invented().await, "unknown_key");
    scene
        .clock
        .set_wall(wall(&scene) - Duration::from_secs(5 * HOUR));
    assert_eq!(scene.invented().await, "unknown_key");
    assert_eq!(scene.fetches(), 2, "no fetch is due");
    scene.rotate();
    scene.pass(20);
    let young = |scene: &Scene| scene.token().issued_at(UNIX_EPOCH).sign();
    assert_eq!(scene.verify(&young(&scene)).await, "accepted");
    assert_eq!(scene.fetches(), 3);

    scene
        .clock
        .set_wall(wall(&scene) - Duration::from_secs(5 * HOUR));
    let old = scene.verifier.verify_now(&old).map(drop);
    assert_eq!(reason(&old), "issued_in_future");
    assert_eq!(scene.status().in_grace_count(), 1);
    scene.pass(HOUR);
    assert_eq!(scene.status().in_grace_count(), 0);

    scene.go_down();
    scene.pass(DAY);
    assert_eq!(scene.verify(&young(&scene)).await, "keys_unavailable");
    scene.publish();
    scene
        .clock
        .set_wall(wall(&scene) - Duration::from_secs(5 * HOUR));
    assert_eq!(scene.verify(&young(&scene)).await, "keys_unavailable");
    scene.pass(1);
    assert_eq!(scene.verify(&young(&scene)).await, "accepted");
}

#[tokio::test]
async fn f12_a_machine_that_slept_for_a_day_asks_before_it_trusts() {
    let scene = Scene::set().await;
    let withdrawn = scene.token().sign();
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    scene.issuer.rotate();
    scene.publish();
    scene.clock.suspend(Duration::from_secs(DAY));
    assert_eq!(scene.status().state(), KeyState::Overstayed);
    assert_eq!(scene.verify(&withdrawn).await, "unknown_key");
    assert_eq!(scene.good().await, "accepted");
    assert_eq!(scene.fetches(), 2);
}

/// A token a minute while the issuer is down; none of them waits, however long a fetch hangs.
async fn outage(hangs: bool) -> Scene {
    let scene = Scene::set().await;
    assert_eq!(scene.good().await, "accepted");
    if hangs {
        scene.network.hold();
    } else {
        scene.go_down();
    }
    scene
}

#[tokio::test]
async fn for_a_day_of_outage_no_request_waits_and_then_keys_are_unavailable() {
    let scene = outage(false).await;
    let token = scene.token().sign();
    for minute in 1..=24 * 60 - 1 {
        scene.pass(60);
        // It never waits: what would wait is refused with `key_not_cached` here.
        let outcome = scene.verifier.verify_now(&token);
        assert!(outcome.is_ok(), "after {minute} min: {outcome:?}");
        settle().await;
    }
    let status = scene.status();
    assert_eq!(status.age(), Some(Duration::from_secs(DAY - 60)));
    assert_eq!(
        status.last_error().unwrap().kind(),
        FetchErrorKind::Connection
    );

    scene.pass(120);
    assert_eq!(scene.status().state(), KeyState::Overstayed);
    let Err(VerifyError::KeysUnavailable(error)) = scene.verifier.verify(&token).await else {
        panic!("a day is over");
    };
    assert!(
        error
            .retry_after()
            .is_none_or(|after| after <= Duration::from_secs(60))
    );

    // While keys are usable attempts are up to 150 s apart, shortened by up to a half.
    let attempts = scene.fetches();
    assert!(
        (500..1_300).contains(&attempts),
        "{attempts} attempts in a day"
    );
    scene.publish();
    scene.pass(150);
    assert_eq!(scene.verify(&token).await, "accepted", "recovers by itself");
}

#[tokio::test(start_paused = true)]
async fn an_outage_that_hangs_makes_nobody_wait_either() {
    let scene = outage(true).await;
    let token = scene.token().sign();
    for minute in 1..=24 * 60 - 1 {
        // The flight of the last minute has met its deadline.
        tokio::time::sleep(Duration::from_secs(60)).await;
        scene.pass(60);
        let outcome = scene.verifier.verify_now(&token);
        assert!(outcome.is_ok(), "after {minute} min: {outcome:?}");
    }
    let status = scene.status();
    assert_eq!(
        status.last_error().unwrap().kind(),
        FetchErrorKind::Deadline
    );
    scene.pass(120);
    assert_eq!(scene.verify(&token).await, "keys_unavailable");
}

#[tokio::test]
async fn f4_between_23_59_and_24_01_the_outage_becomes_one_for_everybody() {
    for (seconds, expected) in [
        (DAY - 60, "accepted"),
        (DAY - 1, "accepted"),
        (DAY, "keys_unavailable"),
        (DAY + 60, "keys_unavailable"),
    ] {
        let scene = outage(false).await;
        // Not a single request until then.
        scene.pass(seconds);
        assert_eq!(scene.good().await, expected, "after {seconds} s");
        let unknown = scene.token().key_id("new").sign();
        let unknown = scene.verifier.verify(&unknown).await.unwrap_err();
        assert!(unknown.is_unavailable(), "after {seconds} s: {unknown:?}");
    }
}

#[tokio::test]
async fn an_idle_service_refuses_a_withdrawn_key_at_its_first_request() {
    for days in [1, 2, 30] {
        let scene = Scene::set().await;
        let withdrawn = scene
            .token()
            .expires_in(Duration::from_secs(60 * DAY))
            .sign();
        assert_eq!(scene.verify(&withdrawn).await, "accepted");
        scene.rotate();
        scene.pass(days * DAY);
        assert_eq!(scene.verify(&withdrawn).await, "unknown_key", "{days} days");
        assert_eq!(scene.good().await, "accepted");
        assert_eq!(scene.fetches(), 2, "an idle service asks nothing");
    }
}

#[tokio::test]
async fn f2_with_steady_use_a_withdrawn_key_is_refused_within_the_stated_bound() {
    // Nobody sends an unknown key: only the schedule tells. 0.9 of ten minutes, and an hour.
    let scene = Scene::set().await;
    let withdrawn = scene.token().sign();
    scene.issuer.rotate_with_overlap();
    scene.publish();
    assert_eq!(scene.verify(&withdrawn).await, "accepted");
    let steady = scene.token().sign();
    scene.issuer.end_overlap();
    scene.publish();
    let mut refused_after = None;
    for second in (0..=2 * HOUR).step_by(5) {
        assert_eq!(scene.verify(&steady).await, "accepted", "after {second} s");
        settle().await;
        if second >= 4_140 && refused_after.is_none() {
            refused_after = Some(scene.verify(&withdrawn).await);
        }
        scene.pass(5);
    }
    assert_eq!(refused_after, Some("unknown_key"), "after 1 h 9 min");
    let fetches = scene.fetches();
    assert!((13..=18).contains(&fetches), "{fetches} in two hours");
}

#[tokio::test]
async fn a_rotation_without_overlap_costs_one_fetch_and_no_refusal() {
    // With keys that are fresh, due, and so long stale that their use waits for a fetch.
    for idle in [0, 599, 1_199, 1_200, DAY - 1] {
        let scene = Scene::set().await;
        assert_eq!(scene.good().await, "accepted");
        scene.rotate();
        scene.pass(idle);
        assert_eq!(scene.good().await, "accepted", "after {idle} s");
        settle().await;
        assert_eq!(scene.fetches(), 2, "after {idle} s");
        assert!(scene.network.requests()[1].no_cache(), "after {idle} s");
    }
}

/// At the time of a scheduled fetch too, whose answer may be a cache's.
#[tokio::test]
async fn a_rotation_is_seen_past_caches_by_the_request_that_refreshes() {
    for named in [true, false] {
        let scene = Scene::set().await;
        let token = |key: &str| match named {
            true => scene.token().key_id(key).sign(),
            false => scene.token().without_key_id().sign_with_unknown_key(),
        };
        assert_eq!(scene.good().await, "accepted");
        scene.pass(599);
        let expected = if named {
            "unknown_key"
        } else {
            "invalid_signature"
        };
        assert_eq!(scene.verify(&token("new")).await, expected);
        settle().await;
        let requests = scene.network.requests();
        assert_eq!(requests.len(), 2);
        assert!(requests[1].url() == KEYS && requests[1].no_cache());
        assert_eq!(scene.status().state(), KeyState::Fresh);
        scene.pass(1);
        assert_eq!(scene.verify(&token("new")).await, expected);
        assert_eq!(scene.fetches(), 2, "the schedule was served as well");
    }
}

/// A pause that grew long while keys were usable ends with them.
#[tokio::test]
async fn recovery_after_the_bound_is_a_minute_away_however_long_the_pauses_were() {
    for (most, stated) in [(HOUR, HOUR), (DAY, DAY)] {
        let (most, stated) = (Duration::from_secs(most), Duration::from_secs(stated));
        let scene = Scene::with(|issuer| {
            let refresh = KeyRefresh::new().max_lifetime(most);
            issuer.key_refresh(refresh)
        })
        .await;
        let keys = FetchResponse::document(scene.issuer.jwks());
        let keys = keys.with_freshness(Freshness::at_most(stated));
        scene.network.answer(KEYS, Ok(keys));
        assert_eq!(scene.good().await, "accepted");
        scene.go_down();
        let token = scene.token().sign();
        for _ in 0..24 * 60 {
            scene.pass(60);
            drop(scene.verifier.verify_now(&token));
            settle().await;
        }
        assert_eq!(scene.verify(&token).await, "keys_unavailable");
        scene.publish();
        scene.pass(60);
        assert_eq!(scene.verify(&token).await, "accepted", "{stated:?}");
    }
}

#[tokio::test]
async fn a_step_of_the_wall_clock_during_a_fetch_loses_no_answer() {
    for forwards in [true, false] {
        let scene = Scene::set().await;
        scene.network.hold();
        let waiter = tokio::spawn({
            let (verifier, token) = (scene.verifier.clone(), scene.token().sign());
            async move { reason(&verifier.verify(&token).await) }
        });
        scene.network.until_requests(1).await;
        let (before, hour) = (wall(&scene), Duration::from_secs(HOUR));
        let step = if forwards {
            before + hour
        } else {
            before - hour
        };
        scene.clock.set_wall(step);
        drop(scene.verifier.verify_now(&scene.token().sign()));
        settle().await;
        scene.clock.set_wall(before);
        scene.network.release();
        assert_eq!(waiter.await.unwrap(), "accepted");
        assert_eq!(scene.fetches(), 1);
    }
}

#[tokio::test]
async fn a_flight_that_does_not_land_is_told_of_once() {
    let events = Recorder::default();
    let scene = Scene::built(|issuer| issuer, |builder| builder.observer(events.clone())).await;
    scene.network.hold();
    let ask = async || {
        drop(scene.verifier.verify_now(&scene.token().sign()));
        settle().await;
    };
    ask().await;
    // Twice the deadline of 5 s, on both sides.
    for (pass, lost) in [(9, 0), (1, 1), (1, 1), (9, 1), (1, 2)] {
        scene.pass(pass);
        ask().await;
        assert_eq!(events.count("refresh_failed"), lost);
    }
    let kind = scene.status().last_error().unwrap().kind();
    assert_eq!(kind, FetchErrorKind::Aborted);
    scene.network.release();
    settle().await;
    let landed_late = events.take();
    assert_eq!(landed_late, ["refresh_failed age=None Aborted"; 2]);
    scene.pass(60);
    assert_eq!(scene.good().await, "accepted");
}
