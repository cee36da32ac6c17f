//! What holds for every token, and not for the chosen ones only.

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis::testing::{AUDIENCE, TestIssuer, TokenBuilder, VirtualClock};
use portcullis::{
    Algorithm, Audience, BearerToken, Check, CheckOutcome, Issuer, KeySet, TokenType, Verifier,
    VerifyError, verify_jws,
};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use crate::support::{discovered, reason, verifier};

/// The middle of the times that tokens are made of.
const NOW: i64 = 1_800_000_000;

#[track_caller]
fn check<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    // A fixed seed, so that what fails once fails again; fuzzing is where the luck is.
    let config = Config {
        cases: 2_000,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(
        config,
        proptest::test_runner::TestRng::deterministic_rng(Default::default()),
    );
    if let Err(error) = runner.run(strategy, property) {
        panic!("{error}");
    }
}

/// Fixed keys of this issuer.
fn fixed(issuer: &TestIssuer) -> Issuer {
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE))
}

/// The verdict of `verify`, which has nothing to wait for.
fn verify(verifier: &Verifier, token: &str) -> &'static str {
    match pin!(verifier.verify(token)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(outcome) => reason(&outcome),
        Poll::Pending => panic!("waits, though all keys are at hand"),
    }
}

fn verify_now(verifier: &Verifier, token: &str) -> &'static str {
    reason(&verifier.verify_now(token))
}

/// Any JSON value, and often one that a claim or a header member has.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (NOW - 100..NOW + 100).prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!(AUDIENCE)),
        Just(json!("at+jwt")),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::hash_map(".{0,4}", inner, 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// One change of a good token.
#[derive(Clone, Debug)]
enum Change {
    Header(&'static str, Value),
    NoHeader(&'static str),
    Claim(&'static str, Value),
    NoClaim(&'static str),
    Unsigned,
    InvalidSignature,
    UnknownKey,
    Hmac,
    /// Another character here.
    Byte(Index, char),
    Cut(Index),
    Insert(Index, String),
}

const HEADERS: [&str; 7] = ["alg", "kid", "typ", "cty", "crit", "b64", "jwk"];
const CLAIMS: [&str; 9] = [
    "iss", "aud", "exp", "nbf", "iat", "sub", "cnf", "events", "scope",
];

fn change() -> impl Strategy<Value = Change> {
    let header = prop::sample::select(&HEADERS[..]);
    let claim = prop::sample::select(&CLAIMS[..]);
    prop_oneof![
        (header.clone(), value()).prop_map(|(name, value)| Change::Header(name, value)),
        header.prop_map(Change::NoHeader),
        (claim.clone(), value()).prop_map(|(name, value)| Change::Claim(name, value)),
        claim.prop_map(Change::NoClaim),
        Just(Change::Unsigned),
        Just(Change::InvalidSignature),
        Just(Change::UnknownKey),
        Just(Change::Hmac),
        (any::<Index>(), any::<char>()).prop_map(|(at, byte)| Change::Byte(at, byte)),
        any::<Index>().prop_map(Change::Cut),
        (any::<Index>(), ".{1,4}").prop_map(|(at, text)| Change::Insert(at, text)),
    ]
}

/// A byte to start from; tokens are ASCII.
fn place(token: &str, at: &Index) -> usize {
    at.index(token.len())
}

fn changed(token: TokenBuilder, change: &Change) -> String {
    match change {
        Change::Header(name, value) => token.header(name, value).sign(),
        Change::NoHeader(name) => token.without_header(name).sign(),
        Change::Claim(name, value) => token.claim(name, value).sign(),
        Change::NoClaim(name) => token.without_claim(name).sign(),
        Change::Unsigned => token.unsigned(),
        Change::InvalidSignature => token.with_invalid_signature(),
        Change::UnknownKey => token.sign_with_unknown_key(),
        Change::Hmac => token.signed_with_hmac_of_public_key(),
        Change::Byte(at, new) => {
            let token = token.sign();
            let at = place(&token, at);
            format!("{}{new}{}", &token[..at], &token[at + 1..])
        }
        Change::Cut(at) => {
            let token = token.sign();
            token[..place(&token, at)].to_owned()
        }
        Change::Insert(at, text) => {
            let mut token = token.sign();
            token.insert_str(place(&token, at), text);
            token
        }
    }
}

/// JSON with a few bytes changed, cut out or put in, and then really signed.
#[tokio::test]
async fn no_nearly_right_json_makes_anything_panic() {
    let issuer = TestIssuer::start().await.unwrap();
    let verifier = Verifier::new(fixed(&issuer)).unwrap();
    let good = issuer.token().sign();
    let part = |number| {
        let part = good.split('.').nth(number).unwrap();
        BASE64_URL_SAFE_NO_PAD.decode(part).unwrap()
    };
    let (header, payload) = (part(0), part(1));
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(&b"{}[],:\"\\ue0-.+\0"[..])
    ];
    let edit = (
        any::<Index>(),
        0..4_usize,
        prop::collection::vec(byte, 0..3),
    );
    let edits = prop::collection::vec(edit, 1..4);
    let reasons = std::cell::RefCell::new(std::collections::BTreeSet::new());
    check(&(any::<bool>(), edits), |(in_header, edits)| {
        let mut json = if in_header {
            header.clone()
        } else {
            payload.clone()
        };
        for (at, cut, put) in edits {
            let at = at.index(json.len() + 1);
            let end = json.len().min(at + cut);
            json.splice(at..end, put);
        }
        let token = match in_header {
            true => issuer.token().raw_header(json),
            false => issuer.token().raw_payload(json),
        };
        let token = token.sign();
        let verdict = verify_now(&verifier, &token);
        prop_assert_eq!(verdict, verify(&verifier, &token));
        reasons.borrow_mut().insert(verdict);
        Ok(())
    });
    // They get past the parser often enough to come to everything behind it.
    let reasons = reasons.into_inner();
    for reason in [
        "accepted",
        "malformed",
        "unknown_key",
        "untrusted_issuer",
        "missing_claim",
    ] {
        assert!(reasons.contains(reason), "{reason}: {reasons:?}");
    }
}

#[tokio::test]
async fn no_text_makes_anything_panic() {
    let issuer = TestIssuer::start().await.unwrap();
    let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
    let verifier = Verifier::new(fixed(&issuer)).unwrap();
    let nearly = "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}";
    check(&prop_oneof![".{0,80}", nearly], |text| {
        prop_assert_ne!(verify_now(&verifier, &text), "accepted");
        prop_assert!(verify_jws(&text, &keys, Algorithm::ALL).is_err());
        prop_assert!(KeySet::from_json(text.as_bytes()).is_err());
        prop_assert!(KeySet::from_pem(text.as_bytes()).is_err());
        prop_assert_eq!(
            Algorithm::from_name(&text).is_some(),
            Algorithm::ALL
                .iter()
                .any(|algorithm| algorithm.name() == text)
        );
        Ok(())
    });
    check(&prop::collection::vec(any::<u8>(), 0..80), |bytes| {
        let Ok(value) = http::HeaderValue::from_bytes(&bytes) else {
            return Ok(());
        };
        let headers = http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
        let is_bearer = matches!(BearerToken::from_headers(&headers), Ok(Some(_)));
        prop_assert!(!is_bearer || bytes[..7].eq_ignore_ascii_case(b"bearer "));
        Ok(())
    });
}

/// No bit of a token is free: of all its neighbours none is accepted.
#[tokio::test]
async fn a_token_with_one_bit_changed_is_refused() {
    let issuer = TestIssuer::start_with(Algorithm::ALL.iter().copied())
        .await
        .unwrap();
    let verifier = Verifier::new(fixed(&issuer)).unwrap();
    for &algorithm in Algorithm::ALL {
        let token = issuer.token().algorithm(algorithm).sign();
        assert_eq!(verify_now(&verifier, &token), "accepted", "{algorithm}");
        let bits = token.len() * 8;
        // All of a classic token, a share of a long post-quantum signature.
        let step = bits / 10_000 + 1;
        for bit in (0..bits).step_by(step) {
            let mut changed = token.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            match String::from_utf8(changed) {
                Ok(changed) => assert_ne!(
                    verify_now(&verifier, &changed),
                    "accepted",
                    "{algorithm}: bit {bit} of {token}"
                ),
                Err(changed) => {
                    let value = [b"Bearer ", changed.as_bytes()].concat();
                    let value = http::HeaderValue::from_bytes(&value).unwrap();
                    let headers =
                        http::HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
                    assert!(BearerToken::from_headers(&headers).is_err());
                }
            }
        }
    }
}

#[tokio::test]
async fn the_two_ways_to_ask_agree() {
    let clock = VirtualClock::at_unix(NOW.unsigned_abs());
    let issuer = TestIssuer::start_with([Algorithm::Es256, Algorithm::EdDsa])
        .await
        .unwrap()
        .with_clock(clock.clone());
    let offline = Verifier::builder()
        .issuer(fixed(&issuer))
        .clock(clock.clone());
    let offline = offline.build().unwrap();
    let remote = Verifier::builder().issuer(discovered(&issuer)).clock(clock);
    let remote = remote.build().unwrap();
    remote.warm_up().await.unwrap();
    let accepted = std::cell::Cell::new(0);
    check(&change(), |change| {
        let token = changed(issuer.token(), &change);
        let verdict = verify(&offline, &token);
        prop_assert_eq!(verdict, verify_now(&offline, &token));
        // Keys from the network judge as fixed ones do, but for a key that may yet come.
        match verify_now(&remote, &token) {
            "key_not_cached" | "keys_unavailable" => prop_assert_eq!(verdict, "unknown_key"),
            now => prop_assert_eq!(verdict, now),
        }
        accepted.set(accepted.get() + u32::from(verdict == "accepted"));
        Ok(())
    });
    assert!(accepted.get() > 100, "{} accepted", accepted.get());
}

/// An explanation is of the verdict, names the one check that it is about, and changes nothing of it.
#[tokio::test]
async fn an_explanation_has_the_verdict_of_the_pipeline() {
    let clock = VirtualClock::at_unix(NOW.unsigned_abs());
    let issuer = TestIssuer::start_with([Algorithm::Es256, Algorithm::EdDsa])
        .await
        .unwrap()
        .with_clock(clock.clone());
    let build = |issuer| Verifier::builder().issuer(issuer).clock(clock.clone());
    let strict = fixed(&issuer)
        .token_type(TokenType::AccessToken)
        .algorithms([Algorithm::Es256])
        .max_token_age(Duration::from_secs(50));
    let offline = [fixed(&issuer), strict].map(|issuer| build(issuer).build().unwrap());
    let remote = build(discovered(&issuer)).build().unwrap();
    remote.warm_up().await.unwrap();
    let times = (
        prop::sample::select(&["exp", "nbf", "iat"][..]),
        NOW - 100..NOW + 100,
    );
    let times = times.prop_map(|(name, time)| Change::Claim(name, time.into()));
    let other = Just(Change::Header("alg", "EdDSA".into()));
    let change = || prop_oneof![8 => change(), 2 => times.clone(), 1 => other.clone()];
    let token = prop_oneof![
        change().prop_map(|change| vec![change]),
        prop::collection::vec(change(), 2..4),
    ];
    let failed = std::cell::RefCell::new(std::collections::BTreeSet::new());
    check(&token, |changes| {
        let token = changes
            .iter()
            .rev()
            .fold(issuer.token(), |token, change| match change {
                Change::Header(name, value) => token.header(name, value),
                Change::NoHeader(name) => token.without_header(name),
                Change::Claim(name, value) => token.claim(name, value),
                Change::NoClaim(name) => token.without_claim(name),
                _ => token,
            });
        let token = changed(token, &changes[0]);
        for verifier in offline.iter().chain([&remote]) {
            let verdict = verify_now(verifier, &token);
            let explanation = verifier.explain_now(&token);
            prop_assert_eq!(
                reason(&explanation.verdict().map_err(Clone::clone)),
                verdict
            );
            prop_assert_eq!(explanation.is_allowed(), verdict == "accepted");
            let outcomes: Vec<_> = explanation.checks().iter().map(Check::outcome).collect();
            let passed = outcomes
                .iter()
                .take_while(|&&outcome| outcome == CheckOutcome::Passed);
            let passed = passed.count();
            match explanation.failed_check() {
                None => prop_assert_eq!((passed, verdict), (outcomes.len(), "accepted")),
                Some(check) => {
                    prop_assert_eq!(outcomes[passed], CheckOutcome::Failed);
                    let mut rest = outcomes[passed + 1..].iter();
                    prop_assert!(rest.all(|&outcome| outcome == CheckOutcome::NotReached));
                    failed.borrow_mut().insert(check.name());
                }
            }
            let json = serde_json::to_value(&explanation).unwrap();
            prop_assert_eq!(json["reason"].as_str().unwrap_or("accepted"), verdict);
            prop_assert_eq!(verify_now(verifier, &token), verdict);
        }
        let waiting =
            pin!(offline[0].explain(&token)).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(explanation) = waiting else {
            return Err(TestCaseError::fail("waits, though all keys are at hand"));
        };
        let verdict = reason(&explanation.verdict().map_err(Clone::clone));
        prop_assert_eq!(verdict, verify(&offline[0], &token));
        Ok(())
    });
    let failed = failed.into_inner();
    // All but the size.
    assert_eq!(failed.len(), 20, "{failed:?}");
}

/// What else is trusted is nothing to an issuer's own tokens: not with the same key ids, not with
/// keys of the same kind.
#[tokio::test]
async fn another_issuer_or_key_changes_no_verdict() {
    let clock = VirtualClock::at_unix(NOW.unsigned_abs());
    let algorithms = [Algorithm::Es256, Algorithm::EdDsa];
    let issuer = TestIssuer::start_with(algorithms).await.unwrap();
    let issuer = issuer.with_clock(clock.clone());
    let other = TestIssuer::start_with(algorithms).await.unwrap();
    let alone = Verifier::builder()
        .issuer(fixed(&issuer))
        .clock(clock.clone());
    let alone = alone.build().unwrap();

    // The other's keys under the names of this one's, and both together.
    let own: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let others: Value = serde_json::from_str(&other.jwks()).unwrap();
    let mut renamed = others.clone();
    for (key, own) in renamed["keys"]
        .as_array_mut()
        .unwrap()
        .iter_mut()
        .zip(own["keys"].as_array().unwrap())
    {
        key["kid"] = own["kid"].clone();
    }
    let mut both = own;
    let keys = both["keys"].as_array_mut().unwrap();
    keys.extend(others["keys"].as_array().unwrap().iter().cloned());
    let crowds = [&renamed, &both, &others].map(|jwks| {
        let keys = KeySet::from_json(jwks.to_string().as_bytes()).unwrap();
        let other = Issuer::keys(other.issuer(), keys, Audience::of(AUDIENCE));
        let crowd = Verifier::builder().issuer(other).issuer(fixed(&issuer));
        crowd.clock(clock.clone()).build().unwrap()
    });
    // A key more in the issuer's own set changes nothing for tokens that name theirs.
    let keys = KeySet::from_json(both.to_string().as_bytes()).unwrap();
    let larger = Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE));
    let larger = Verifier::builder()
        .issuer(larger)
        .clock(clock)
        .build()
        .unwrap();

    let accepted = std::cell::Cell::new(0);
    check(&change(), |change| {
        let token = changed(issuer.token(), &change);
        let verdict = verify_now(&alone, &token);
        for crowd in &crowds {
            prop_assert_eq!(verdict, verify_now(crowd, &token));
        }
        if !matches!(change, Change::Header("kid", _) | Change::NoHeader("kid")) {
            prop_assert_eq!(verdict, verify_now(&larger, &token));
        }
        accepted.set(accepted.get() + u32::from(verdict == "accepted"));
        Ok(())
    });
    assert!(accepted.get() > 100, "{} accepted", accepted.get());
}

/// A token is good in one stretch of time, whose ends are its claims and the leeway.
#[tokio::test]
async fn acceptance_follows_time_and_leeway_and_nothing_else() {
    let clock = VirtualClock::at_unix(NOW.unsigned_abs());
    let issuer = TestIssuer::start().await.unwrap();
    let with = |leeway| {
        let issuer = fixed(&issuer).leeway(Duration::from_secs(leeway));
        let verifier = Verifier::builder().issuer(issuer).clock(clock.clone());
        verifier.build().unwrap()
    };
    let leeways = [0, 1, 30, 300];
    let verifiers = leeways.map(with);
    // Half of the times are where a rule ends, for one of the leeways.
    let near = || {
        let edge = (
            prop::sample::select(leeways.to_vec()),
            -1..=1_i64,
            any::<bool>(),
        );
        let edge = edge.prop_map(|(leeway, off, before)| {
            let leeway = i64::try_from(leeway).unwrap();
            NOW + off + if before { -leeway } else { leeway }
        });
        prop_oneof![NOW - 400..NOW + 400, edge]
    };
    let now = prop_oneof![Just(NOW), NOW - 400..NOW + 400];
    let times = (
        near(),
        prop::option::of(near()),
        prop::option::of(near()),
        now,
    );
    check(&times, |(exp, nbf, iat, now)| {
        let mut token = issuer.token().claim("exp", exp).without_claim("iat");
        for (name, time) in [("nbf", nbf), ("iat", iat)] {
            if let Some(time) = time {
                token = token.claim(name, time);
            }
        }
        let token = token.sign();
        clock.set_wall(UNIX_EPOCH + Duration::from_secs(now.unsigned_abs()));
        let mut was_accepted = false;
        for (leeway, verifier) in leeways.iter().zip(&verifiers) {
            let leeway = i64::try_from(*leeway).unwrap();
            let expected = now < exp + leeway
                && nbf.is_none_or(|nbf| nbf - leeway <= now)
                && iat.is_none_or(|iat| iat - leeway <= now);
            let verdict = verifier.verify_now(&token);
            prop_assert_eq!(verdict.is_ok(), expected, "{:?}", verdict.map(drop));
            prop_assert!(expected || !was_accepted, "more leeway accepts no less");
            was_accepted = expected;
        }
        Ok(())
    });
}

/// A verdict that is not about keys does not depend on there being any.
#[tokio::test]
async fn a_foreign_token_is_refused_whatever_it_claims() {
    let (issuer, other) = (
        TestIssuer::start().await.unwrap(),
        TestIssuer::start().await.unwrap(),
    );
    let verifier = verifier(&issuer);
    check(&change(), |change| {
        if matches!(change, Change::Claim("iss", _)) {
            return Ok(());
        }
        let outcome = verifier.verify_now(&changed(other.token(), &change));
        prop_assert!(outcome.is_err());
        prop_assert!(!outcome.is_err_and(|error: VerifyError| error.is_unavailable()));
        Ok(())
    });
    assert_eq!(issuer.requests().total() + other.requests().total(), 0);
}
