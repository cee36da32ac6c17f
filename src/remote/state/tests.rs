use std::time::UNIX_EPOCH;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::error::FetchErrorKind;
use crate::fetch::PlainHttp;
use crate::jws::{CompactJws, SignatureRoom};

const MIDDLE: f64 = 0.5;
const RULES: KeyRefresh = KeyRefresh::new();
const HOUR: f64 = 3_600.0;
const DAY: f64 = 24.0 * HOUR;

fn at(seconds: f64) -> Now {
    let since = Duration::from_secs_f64(seconds);
    Now {
        wall: UNIX_EPOCH + since,
        monotonic: since,
    }
}

/// Keys of these names; the part up to a `.` is the material, so that `a` and `a.2` are one key.
fn keys(names: &str) -> KeySet {
    let key = |name: &str| {
        let mut modulus = [0xD5; 256];
        let material = name.split('.').next().unwrap().as_bytes();
        modulus[1..=material.len()].copy_from_slice(material);
        let n = URL_SAFE_NO_PAD.encode(modulus);
        format!(r#"{{"kty":"RSA","kid":"{name}","n":"{n}","e":"AQAB"}}"#)
    };
    let keys: Vec<_> = names.split_whitespace().map(key).collect();
    KeySet::from_json(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes()).unwrap()
}

/// The header of a token that names this key.
fn header(name: &str) -> Header {
    let header = URL_SAFE_NO_PAD.encode(format!(r#"{{"alg":"RS256","kid":"{name}"}}"#));
    let (token, mut room) = (format!("{header}.e30.AA"), SignatureRoom::new());
    let jws = CompactJws::parse(token.as_bytes(), &mut room).unwrap();
    jws.header().clone()
}

fn answer(names: &str) -> Answer {
    Answer {
        keys: Some(Fresh {
            keys: keys(names),
            document: None,
            etag: None,
        }),
        lifetime: None,
        failed_over: None,
    }
}

fn tagged(names: &str) -> Answer {
    let url = FetchUrl::parse("https://id.example/keys", PlainHttp::Never).unwrap();
    let mut answer = answer(names);
    if let Some(fresh) = &mut answer.keys {
        fresh.etag = ETag::parse("\"1\"").map(|etag| (url, etag));
    }
    answer
}

fn failed_over(names: &str) -> Answer {
    Answer {
        failed_over: Some(FetchError::new(FetchErrorKind::Connection)),
        ..answer(names)
    }
}

fn not_modified() -> Answer {
    Answer {
        keys: None,
        ..answer("")
    }
}

#[derive(Default)]
struct Scene(State);

impl Scene {
    fn fetch(&mut self, seconds: f64, answer: Answer) -> &mut Self {
        self.fetch_because(Reason::Schedule, seconds, answer)
    }

    fn fetch_because(&mut self, reason: Reason, seconds: f64, answer: Answer) -> &mut Self {
        let accepted = self.0.accept(answer, reason, &RULES, at(seconds), MIDDLE);
        assert!(accepted.is_ok());
        self
    }

    /// The names that serve at this time: published, and after `|` in their grace.
    #[track_caller]
    fn check(&mut self, seconds: f64, expected: &str) -> &mut Self {
        let now = at(seconds);
        if self.0.has_ended_grace(now) {
            self.0.end_graces(now);
        }
        let names = |keys: &KeySet| {
            let names = keys.key_ids().map(Option::unwrap_or_default);
            names.map(str::to_owned).collect::<Vec<_>>().join(" ")
        };
        let found = format!("{}|{}", names(&self.0.published), names(self.0.in_grace()));
        assert_eq!(found, expected, "after {seconds} s");
        self
    }
}

#[test]
fn an_absent_key_serves_through_its_grace_and_no_longer() {
    Scene::default()
        .fetch(0.0, answer("a b"))
        .fetch(480.0, tagged("b c"))
        .check(480.0, "b c|a")
        .fetch(960.0, not_modified())
        .check(480.0 + HOUR - 0.1, "b c|a")
        .check(480.0 + HOUR, "b c|");
}

#[test]
fn an_empty_set_is_authoritative() {
    Scene::default()
        .fetch(0.0, answer("a"))
        .fetch(480.0, answer(""))
        .check(480.0, "|a")
        .check(480.0 + HOUR, "|");
}

#[test]
fn a_key_that_comes_back_is_published_again() {
    Scene::default()
        .fetch(0.0, answer("a b"))
        .fetch(480.0, answer("b"))
        .check(480.0, "b|a")
        .fetch(960.0, answer("a b"))
        .check(960.0, "a b|")
        .check(DAY, "a b|");
}

#[test]
fn answers_do_not_prolong_a_grace() {
    let mut scene = Scene::default();
    scene.fetch(0.0, answer("a b")).fetch(480.0, answer("b"));
    for minutes in 9..68 {
        scene.fetch(f64::from(minutes) * 60.0, answer("b"));
    }
    scene.check(480.0 + HOUR - 0.1, "b|a");
    scene.check(480.0 + HOUR, "b|");
}

#[test]
fn after_a_long_pause_there_is_no_grace() {
    Scene::default()
        .fetch(0.0, answer("a b"))
        .fetch(2.0 * DAY, answer("b"))
        .check(2.0 * DAY, "b|");
}

#[test]
fn an_operators_fetch_ends_every_grace() {
    Scene::default()
        .fetch(0.0, answer("a b c"))
        .fetch(480.0, answer("b c"))
        .check(480.0, "b c|a")
        .fetch_because(Reason::Operator, 500.0, answer("c"))
        .check(500.0, "c|");
}

#[test]
fn without_grace_a_key_goes_with_the_answer() {
    let mut state = State::default();
    let rules = RULES.unpublished_grace(Duration::ZERO);
    for (seconds, names) in [(0.0, "a"), (1.0, "b")] {
        let accepted = state.accept(answer(names), Reason::Schedule, &rules, at(seconds), MIDDLE);
        assert!(accepted.is_ok());
    }
    assert!(state.in_grace().is_empty());
}

#[test]
fn what_the_failover_lacks_serves_on_as_in_an_outage() {
    Scene::default()
        .fetch(0.0, answer("a b"))
        .fetch(480.0, failed_over("a m"))
        .check(480.0, "a m|b")
        .fetch(HOUR, failed_over("a m"))
        .check(DAY - 0.1, "a m|b")
        .check(DAY, "a m|");
}

#[test]
fn the_failover_never_revives_what_the_issuer_withdrew() {
    Scene::default()
        .fetch(0.0, answer("a b"))
        .fetch(480.0, answer("b"))
        .fetch(960.0, failed_over("a b m"))
        .check(960.0, "b m|a")
        .check(480.0 + HOUR, "b m|")
        .fetch(5_000.0, failed_over("a b m"))
        .check(5_000.0, "b m|")
        // Only the issuer itself brings it back.
        .fetch(5_500.0, answer("a"))
        .fetch(6_000.0, failed_over("a"))
        .check(6_000.0, "a|b m");
}

#[test]
fn the_issuers_next_answer_ends_what_the_failover_left() {
    Scene::default()
        .fetch(0.0, answer("a b"))
        .fetch(480.0, failed_over("a"))
        .check(480.0, "a|b")
        .fetch(960.0, answer("a"))
        .check(960.0, "a|b")
        .check(960.0 + HOUR, "a|")
        .fetch(6_000.0, failed_over("b"))
        .check(6_000.0, "|a");
}

#[test]
fn former_keys_are_bounded() {
    let mut scene = Scene::default();
    for round in 0..50 {
        let names: Vec<_> = (0..10).map(|key| format!("{round}-{key}")).collect();
        scene.fetch(f64::from(round), answer(&names.join(" ")));
    }
    assert_eq!(scene.0.in_grace().len(), MAX_FORMER_KEYS);
    assert_eq!(scene.0.withdrawn.len(), MAX_FORMER_KEYS);
    assert!(
        scene
            .0
            .in_grace()
            .key_ids()
            .any(|name| name == Some("48-9"))
    );
}

#[test]
fn a_withdrawn_key_is_remembered_once_and_under_every_name() {
    let mut scene = Scene::default();
    scene.fetch(0.0, answer("a a.2 b"));
    for seconds in 1..200 {
        scene.fetch(f64::from(seconds), answer(""));
    }
    assert_eq!(scene.0.withdrawn.len(), 2);
    scene.fetch(300.0, failed_over("a.3 m"));
    scene.check(300.0, "m|a a.2 b");
    // Published again under another name it is not withdrawn.
    scene
        .fetch(400.0, answer("a.4"))
        .fetch(500.0, failed_over("a"));
    scene.check(500.0, "a|a.2 b m a.4");
}

#[test]
fn word_of_no_change_is_about_the_set_that_was_asked_about() {
    let mut scene = Scene::default();
    scene.fetch(0.0, answer("a"));
    let superseded = scene
        .0
        .accept(not_modified(), Reason::Schedule, &RULES, at(1.0), MIDDLE);
    assert!(superseded.is_err());
    scene.check(1.0, "a|");
}

#[test]
fn word_of_no_change_keeps_the_lifetime_and_the_failover_states_none() {
    let mut scene = Scene::default();
    let hour = Some(Duration::from_secs(3_600));
    scene.fetch(
        0.0,
        Answer {
            lifetime: hour,
            ..tagged("a")
        },
    );
    scene.fetch(1.0, not_modified());
    assert_eq!(scene.0.history.lifetime(), hour);
    scene.fetch(
        2.0,
        Answer {
            lifetime: hour,
            ..failed_over("a")
        },
    );
    assert_eq!(scene.0.history.lifetime(), Some(RULES.min_lifetime));
}

#[test]
fn a_key_that_was_away_for_a_moment_is_not_new() {
    let mut scene = Scene::default();
    scene.fetch(0.0, answer("a b")).fetch(60.0, answer("b"));
    for (seconds, names, retry_after) in [(100.0, "a b", 20), (200.0, "a b c", 10)] {
        scene.0.history.asked_for_unknown_key(&RULES, at(seconds));
        scene.fetch_because(Reason::UnknownKey, seconds, answer(names));
        let left = scene.0.history.retry_unknown_key_after(at(seconds));
        assert_eq!(left, Some(Duration::from_secs(retry_after)), "{names}");
    }
}

fn discovered(seconds: f64) -> State {
    State {
        metadata: Some(Metadata {
            jwks_uri: FetchUrl::parse("https://id.example/keys", PlainHttp::Never).unwrap(),
            confirmed: at(seconds),
            tried: at(seconds),
            error: None,
        }),
        ..State::default()
    }
}

#[test]
fn metadata_is_read_again_when_old_or_when_keys_failed() {
    let due = |state: &State, seconds| state.is_metadata_due(&RULES, at(seconds));
    assert!(due(&State::default(), 0.0));
    let mut state = discovered(0.0);
    assert!(!due(&state, HOUR - 0.1));
    assert!(due(&state, HOUR));
    let error = FetchError::new(FetchErrorKind::Status(404));
    state.reject(error, Reason::Schedule, &RULES, at(1.0), MIDDLE);
    assert!(!due(&state, 59.9));
    assert!(due(&state, 60.0));
}

#[test]
fn an_address_is_not_used_for_ever_without_word_of_it() {
    let state = discovered(0.0);
    assert!(state.known_jwks_uri(&RULES, at(DAY - 0.1)).is_some());
    assert!(state.known_jwks_uri(&RULES, at(DAY)).is_none());
}

#[test]
fn a_grace_ends_as_soon_as_one_clock_says_so() {
    let mut scene = Scene::default();
    scene.fetch(0.0, answer("a b c")).fetch(60.0, answer("b c"));
    scene.fetch(120.0, answer("c"));
    for (wall, monotonic, expected) in [
        (59.9, 59.9, false),
        (60.0, 59.9, true),
        (59.9, 60.0, true),
        (-3_000.0, 59.9, false),
        (-3_000.0, 60.0, true),
    ] {
        let now = Now {
            wall: at(HOUR + wall).wall,
            monotonic: at(HOUR + monotonic).monotonic,
        };
        assert_eq!(scene.0.has_ended_grace(now), expected, "{wall} {monotonic}");
    }
    scene.check(HOUR + 60.0, "c|b").check(HOUR + 119.9, "c|b");
    scene.check(HOUR + 120.0, "c|");
    assert!(!scene.0.has_ended_grace(at(DAY)));
}

/// While the failover answers, graces begin at any time: what the clocks said then differs from key to key.
#[test]
fn each_clock_has_a_first_end_of_a_grace() {
    let now = |wall, monotonic| Now {
        wall: at(wall).wall,
        monotonic: at(monotonic).monotonic,
    };
    let mut state = State::default();
    for (now, answer) in [
        (now(10_000.0, 10_000.0), answer("a b c")),
        (now(10_060.0, 10_060.0), failed_over("b c")),
        (now(6_520.0, 10_120.0), failed_over("c")), // set back by an hour
        (now(13_780.0, 10_180.0), failed_over("")), // and then on by two
    ] {
        let accepted = state.accept(answer, Reason::Schedule, &RULES, now, MIDDLE);
        assert!(accepted.is_ok());
    }
    for (wall, monotonic, expected) in [
        (6_399.9, 6_399.9, false),
        (6_400.0, 0.0, true),
        (0.0, 6_400.0, true),
    ] {
        let now = now(DAY + wall, DAY + monotonic);
        assert_eq!(state.has_ended_grace(now), expected, "{wall} {monotonic}");
    }
}

#[test]
fn a_key_is_a_candidate_from_its_first_answer_to_the_end_of_its_grace() {
    let (last_found, one) = (LastFound::default(), keys("a"));
    let key = one.beyond(&KeySet::default()).remove(0);
    let [header, other] = ["a", "b"].map(header);
    let mut scene = Scene::default();
    for (seconds, names, expected) in [
        (0.0, Some("b"), false),
        (60.0, Some("a b"), true),
        (61.0, None, true),
        (120.0, Some("b"), true), // in its grace
        (121.0, None, true),
        (120.0 + HOUR - 0.1, None, true),
        (120.0 + HOUR, None, false),
        (120.0 + HOUR, Some("b"), false),
        (200.0 + HOUR, Some("b a"), true),
        (260.0 + HOUR, Some("c"), true),
    ] {
        if let Some(names) = names {
            scene.fetch(seconds, answer(names));
        }
        if scene.0.has_ended_grace(at(seconds)) {
            scene.0.end_graces(at(seconds));
        }
        for _ in 0..2 {
            let found = scene.0.has_candidate(&header, &key, &last_found);
            assert_eq!(found, expected, "after {seconds} s");
        }
        let found = scene.0.has_candidate(&other, &key, &LastFound::default());
        assert!(!found, "another's key, after {seconds} s");
    }
}
