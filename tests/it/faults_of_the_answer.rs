//! What an issuer may answer: every document that is none is a failure like any other and costs no
//! key; every JWK Set is the issuer's word, however odd.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{Audience, FetchErrorKind, Issuer, IssuerStatus, KeyState, Verifier, VerifyError};
use serde_json::{Value, json};

use crate::support::{RawServer, Recorder, ok, reason, with_body};

/// An issuer of tokens whose keys are what a raw server says; time is virtual, sockets are real.
struct Door {
    issuer: TestIssuer,
    server: RawServer,
    clock: VirtualClock,
    events: Recorder,
    verifier: Verifier,
}

impl Door {
    async fn open(answer: impl Into<Vec<u8>>) -> Self {
        let clock = VirtualClock::at_unix(1_800_000_000);
        let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let server = RawServer::start(answer).await;
        let events = Recorder::default();
        let trusted = Issuer::jwks_uri(issuer.issuer(), server.url(), Audience::of(AUDIENCE));
        let verifier = Verifier::builder()
            .issuer(trusted)
            .clock(clock.clone())
            .observer(events.clone())
            .build()
            .unwrap();
        Self {
            issuer,
            server,
            clock,
            events,
            verifier,
        }
    }

    /// With the issuer's keys at hand.
    async fn warm() -> Self {
        let door = Self::open("").await;
        door.server.say(ok(door.issuer.jwks()));
        assert_eq!(door.good().await, "accepted");
        door
    }

    /// Waits for the background fetch that the last request started, if it did.
    async fn refreshed(&self) {
        while self.status().next_refresh() == Some(Duration::ZERO) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn good(&self) -> &'static str {
        reason(&self.verifier.verify(&self.issuer.token().sign()).await)
    }

    async fn invented(&self) -> &'static str {
        let token = self.issuer.token().key_id("invented").sign();
        reason(&self.verifier.verify(&token).await)
    }

    async fn refused_with(&self) -> FetchErrorKind {
        match self.verifier.verify(&self.issuer.token().sign()).await {
            Err(VerifyError::KeysUnavailable(error)) => error.kind(),
            outcome => panic!("{outcome:?}"),
        }
    }

    fn status(&self) -> IssuerStatus {
        self.verifier.status().issuers()[0].clone()
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

/// Answers that are no JWK Set, and what each is called.
fn failures(elsewhere: &str) -> Vec<(&'static str, Vec<u8>, FetchErrorKind)> {
    let status = |line: &str| with_body(line, r#"{"keys":[]}"#);
    let to = |place: &str| with_body(&format!("302 Found\r\nLocation: {place}"), "");
    let html = "<!doctype html><title>Log in to the network</title>";
    let page = |head: &str| with_body(&format!("200 OK\r\nContent-Type: {head}"), html);
    use FetchErrorKind::{Connection, NotAKeySet, Status, TooLarge};
    vec![
        ("500", status("500 Internal Server Error"), Status(500)),
        ("404", status("404 Not Found"), Status(404)),
        ("201", status("201 Created"), Status(201)),
        ("206", status("206 Partial Content"), Status(206)),
        (
            "204",
            b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            Status(204),
        ),
        (
            "304 to nothing",
            b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(),
            Status(304),
        ),
        ("redirect to the same host", to("/elsewhere"), Status(302)),
        ("redirect to another host", to(elsewhere), Status(302)),
        (
            "permanent redirect",
            with_body(
                &format!("308 Permanent Redirect\r\nLocation: {elsewhere}"),
                "",
            ),
            Status(308),
        ),
        ("web page", page("text/html"), NotAKeySet),
        (
            "web page that claims to be keys",
            page("application/jwk-set+json"),
            NotAKeySet,
        ),
        ("nothing", ok(""), NotAKeySet),
        ("another object", ok("{}"), NotAKeySet),
        ("keys that are no array", ok(r#"{"keys":{}}"#), NotAKeySet),
        ("keys that are null", ok(r#"{"keys":null}"#), NotAKeySet),
        ("keys twice", ok(r#"{"keys":[],"keys":[]}"#), NotAKeySet),
        ("an array", ok("[]"), NotAKeySet),
        ("half a set", ok(r#"{"keys":["#), NotAKeySet),
        ("two sets", ok(r#"{"keys":[]}{"keys":[]}"#), NotAKeySet),
        ("no text", ok([0xff, 0xfe, 0x7b]), NotAKeySet),
        ("a deep nest", ok("[".repeat(100_000)), NotAKeySet),
        (
            "too much",
            ok(format!(r#"{{"keys":[]}}{}"#, " ".repeat(512 * 1024))),
            TooLarge,
        ),
        ("no HTTP", b"SSH-2.0-OpenSSH_9.9\r\n".to_vec(), Connection),
        ("nothing at all", Vec::new(), Connection),
    ]
}

#[tokio::test]
async fn without_keys_an_answer_that_is_no_set_is_a_failure_and_is_recovered_from() {
    let elsewhere = TestIssuer::start().await.unwrap();
    for (name, answer, kind) in failures(elsewhere.jwks_uri()) {
        let door = Door::open(answer).await;
        assert_eq!(door.refused_with().await, kind, "{name}");
        assert_eq!(door.status().last_error().unwrap().kind(), kind, "{name}");
        assert_eq!(door.status().state(), KeyState::NotFetched, "{name}");
        assert_eq!(door.server.heads().len(), 1, "{name}: asked once");

        door.server.say(ok(door.issuer.jwks()));
        door.pass(1);
        assert_eq!(door.good().await, "accepted", "{name}");
    }
    assert_eq!(elsewhere.requests().total(), 0, "no redirect is followed");
}

#[tokio::test]
async fn with_keys_an_answer_that_is_no_set_replaces_nothing() {
    let elsewhere = TestIssuer::start().await.unwrap();
    for (name, answer, kind) in failures(elsewhere.jwks_uri()) {
        let door = Door::warm().await;
        door.server.say(answer);
        assert_eq!(door.invented().await, "keys_unavailable", "{name}");
        assert_eq!(door.good().await, "accepted", "{name}");
        assert_eq!(door.status().last_error().unwrap().kind(), kind, "{name}");
        assert_eq!(door.status().state(), KeyState::Fresh, "{name}");
        assert_eq!(door.server.heads().len(), 2, "{name}: asked once");

        door.server.say(ok(door.issuer.jwks()));
        door.pass(20);
        assert_eq!(door.invented().await, "unknown_key", "{name}");
    }
    assert_eq!(elsewhere.requests().total(), 0, "no redirect is followed");
}

#[tokio::test]
async fn a_set_is_one_whatever_its_content_type() {
    for content_type in [
        "\r\nContent-Type: application/jwk-set+json",
        "\r\nContent-Type: application/json; charset=utf-8",
        "\r\nContent-Type: text/plain",
        "\r\nContent-Type: text/html",
        "\r\nContent-Type: image/png",
        "\r\nContent-Type:",
        "",
    ] {
        let door = Door::open("").await;
        let head = format!("200 OK{content_type}");
        door.server.say(with_body(&head, door.issuer.jwks()));
        assert_eq!(door.good().await, "accepted", "{content_type}");
    }
}

#[tokio::test]
async fn a_304_confirms_what_is_at_hand_and_only_if_it_was_asked_for() {
    let door = Door::open("").await;
    let tagged = with_body("200 OK\r\nETag: \"1\"", door.issuer.jwks());
    door.server.say(tagged);
    assert_eq!(door.good().await, "accepted");
    door.server.say("HTTP/1.1 304 Not Modified\r\n\r\n");

    // A forced fetch wants the document itself.
    assert_eq!(door.invented().await, "keys_unavailable");
    let kind = door.status().last_error().unwrap().kind();
    assert_eq!(kind, FetchErrorKind::Status(304));
    assert!(!door.server.heads()[1].contains("if-none-match"));

    // Long stale, so that the request joins the scheduled fetch, which asks with the tag.
    door.pass(1_300);
    assert_eq!(door.good().await, "accepted");
    assert!(door.server.heads()[2].contains("if-none-match: \"1\""));
    assert_eq!(door.status().state(), KeyState::Fresh);
    assert!(door.status().last_error().is_none());
}

/// RFC 9111 §4.3.4: what it does not say stays as it was.
#[tokio::test]
async fn a_304_keeps_the_lifetime_unless_it_states_another() {
    for (header, lifetime) in [("", 120), ("Cache-Control: max-age=300\r\n", 300)] {
        let door = Door::open("").await;
        let head = "200 OK\r\nETag: \"1\"\r\nCache-Control: max-age=120";
        door.server.say(with_body(head, door.issuer.jwks()));
        assert_eq!(door.good().await, "accepted");
        let not_modified = format!("HTTP/1.1 304 Not Modified\r\n{header}\r\n");
        door.server.say(not_modified);
        door.pass(119);
        assert_eq!(door.good().await, "accepted");
        door.refreshed().await;
        assert_eq!(door.status().age(), Some(Duration::ZERO));
        for (pass, state) in [(lifetime - 1, KeyState::Fresh), (1, KeyState::Stale)] {
            door.pass(pass);
            assert_eq!(door.status().state(), state, "{header}");
        }
    }
}

#[tokio::test]
async fn an_empty_set_is_an_emergency_withdrawal() {
    for nothing in [
        r#"{"keys":[]}"#,
        r#"{"keys":[{"kty":"oct","k":"AA"},{"kty":"new"},{},null]}"#,
    ] {
        let door = Door::warm().await;
        door.server.say(ok(nothing));
        assert_eq!(door.invented().await, "unknown_key", "{nothing}");
        let status = door.status();
        assert_eq!((status.key_count(), status.in_grace_count()), (0, 1));
        assert!(!door.verifier.status().is_ready());

        // The grace is an hour, however often the issuer says so.
        for _ in 0..7 {
            assert_eq!(door.good().await, "accepted", "in its grace: {nothing}");
            door.refreshed().await;
            door.pass(515);
        }
        assert_eq!(door.good().await, "unknown_key", "{nothing}");
        assert_eq!(door.status().in_grace_count(), 0);

        door.server.say(ok(door.issuer.jwks()));
        door.pass(60);
        assert_eq!(door.good().await, "accepted", "published again");
    }
}

#[tokio::test]
async fn an_operator_ends_the_grace_of_a_withdrawn_key() {
    let door = Door::warm().await;
    door.server.say(ok(r#"{"keys":[]}"#));
    door.verifier.refresh_now().await.unwrap();
    assert_eq!(door.good().await, "unknown_key");
    assert!(door.server.heads()[1].contains("cache-control: no-cache"));
}

/// The published keys, to be changed.
fn published(issuer: &TestIssuer) -> Vec<Value> {
    let mut set: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    set["keys"].as_array_mut().unwrap().drain(..).collect()
}

fn set(keys: &[Value]) -> Vec<u8> {
    ok(json!({ "keys": keys }).to_string())
}

#[tokio::test]
async fn f8_one_good_key_among_forty_bad_serves() {
    let door = Door::open("").await;
    let good = published(&door.issuer).remove(0);
    let with = |name: &str, value: Value| {
        let mut key = good.clone();
        key[name] = value;
        key
    };
    let bad = [
        Value::Null,
        json!(7),
        json!([]),
        json!({}),
        with("kty", json!("oct")),
        with("kty", json!("quantum")),
        with("crv", json!("P-256K")),
        with("crv", json!("P-384")),
        with("x", json!("AA")),
        with("x", Value::Null),
        with("y", good["x"].clone()),
        with("d", good["x"].clone()),
        with("use", json!("enc")),
        with("key_ops", json!(["sign"])),
        with("alg", json!("ES512")),
        with("alg", json!("RSA-OAEP")),
        with("kid", json!("k".repeat(257))),
        with("kid", json!(5)),
        json!({"kty": "RSA", "n": "AQAB", "e": "AQAB"}),
        json!({"kty": "OKP", "crv": "X25519", "x": good["x"]}),
    ];
    let mut keys: Vec<_> = bad.iter().chain(&bad).cloned().collect();
    keys.insert(33, good);
    door.server.say(set(&keys));
    assert_eq!(door.good().await, "accepted");
    let status = door.status();
    assert_eq!((status.key_count(), status.skipped().len()), (1, 40));
}

#[tokio::test]
async fn private_and_symmetric_keys_are_left_out_and_reported_once() {
    for (name, secret) in [
        ("private", json!({"d": "AQAB"})),
        (
            "symmetric",
            json!({"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}),
        ),
    ] {
        let door = Door::open("").await;
        let mut leaked = published(&door.issuer).remove(0);
        leaked
            .as_object_mut()
            .unwrap()
            .extend(secret.as_object().unwrap().clone());
        door.server.say(set(&[leaked]));
        assert_eq!(door.good().await, "unknown_key", "{name}");
        let token = door.issuer.token().signed_with_hmac_of_public_key();
        let forged = door.verifier.verify(&token).await;
        assert_eq!(reason(&forged), "unsupported_algorithm", "{name}");
        assert_eq!(door.status().skipped().len(), 1);
        for _ in 0..2 {
            door.verifier.refresh_now().await.unwrap();
        }
        assert_eq!(door.events.count("secret_key_published"), 1, "{name}");
    }
}

#[tokio::test]
async fn keys_that_share_a_kid_are_all_tried_up_to_four() {
    for (twins, expected) in [(1, "accepted"), (3, "accepted"), (4, "key_ambiguous")] {
        let door = Door::open("").await;
        let mut keys = Vec::new();
        for _ in 0..twins {
            keys.extend(published(&TestIssuer::start().await.unwrap()));
        }
        keys.extend(published(&door.issuer));
        for key in &mut keys {
            key["kid"] = json!("shared");
        }
        door.server.say(set(&keys));
        let token = door.issuer.token().key_id("shared");
        let outcome = door.verifier.verify(&token.clone().sign()).await;
        assert_eq!(reason(&outcome), expected, "{twins} twins");
        let forged = door.verifier.verify(&token.sign_with_unknown_key()).await;
        let refusal = if twins < 4 {
            "invalid_signature"
        } else {
            expected
        };
        assert_eq!(reason(&forged), refusal, "{twins} twins");
    }
}

#[tokio::test]
async fn a_stated_lifetime_is_kept_between_a_minute_and_an_hour() {
    for (header, seconds) in [
        ("Cache-Control: max-age=0", 60),
        ("Cache-Control: max-age=-1", 60),
        ("Cache-Control: max-age=59", 60),
        ("Cache-Control: max-age=61", 61),
        ("Cache-Control: max-age=1000000000000", 3_600),
        ("Cache-Control: max-age=99999999999999999999999", 3_600),
        ("Cache-Control: max-age=1800\r\nAge: 600", 1_200),
        ("Cache-Control: max-age=1800\r\nAge: 99999", 60),
        ("Cache-Control: no-store", 60),
        ("Expires: 0", 60),
        (
            "Date: Sun, 06 Nov 1994 08:00:00 GMT\r\nExpires: Sun, 06 Nov 1994 08:20:00 GMT",
            1_200,
        ),
        ("X-Nothing: stated", 600),
    ] {
        let door = Door::open("").await;
        let head = format!("200 OK\r\n{header}");
        door.server.say(with_body(&head, door.issuer.jwks()));
        assert_eq!(door.good().await, "accepted", "{header}");
        let next = door.status().next_refresh().unwrap().as_secs_f64();
        let lifetime = f64::from(seconds);
        assert!(
            (0.69..0.91).contains(&(next / lifetime)),
            "{header}: {next}"
        );
        door.pass(u64::from(seconds - 1_u32));
        assert_eq!(door.status().state(), KeyState::Fresh, "{header}");
        door.pass(1);
        assert_eq!(door.status().state(), KeyState::Stale, "{header}");
    }
}
