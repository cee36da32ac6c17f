//! D: what one parser reads and another does not, and input that costs its reader too much.

use std::time::Duration;

use portcullis::testing::{AUDIENCE, TokenBuilder};
use portcullis::{Algorithm, Audience, Issuer, KeySet, Verifier};
use serde_json::{Value, json};

use super::target::NOW;
use super::{Case, Target, check, check_with};
use crate::support::reason;

pub(super) fn cases(target: &Target) -> Vec<Case> {
    [
        duplicates(target),
        dots(target),
        oversized(target),
        nested(target),
        no_json(target),
        other_types(target),
        numbers(target),
    ]
    .concat()
}

/// Members of a good header, without the braces.
fn header(target: &Target) -> String {
    let kid = target.key_id(Algorithm::Es256);
    format!(r#""alg":"ES256","kid":"{kid}","typ":"at+jwt""#)
}

/// Members of good claims, without the braces.
fn claims(target: &Target) -> String {
    let (iss, exp) = (target.issuer.issuer(), NOW + 60);
    format!(r#""iss":"{iss}","aud":"{AUDIENCE}","sub":"alice","exp":{exp}"#)
}

fn with_header(target: &Target, header: impl Into<Vec<u8>>) -> String {
    target.token().raw_header(header).sign()
}

fn with_claims(target: &Target, claims: impl Into<Vec<u8>>) -> String {
    target.token().raw_payload(claims).sign()
}

fn duplicates(target: &Target) -> Vec<Case> {
    let kid = target.key_id(Algorithm::Es256);
    let (head, body, iss) = (header(target), claims(target), target.issuer.issuer());
    let headers = [
        r#""alg":"ES256""#.to_owned(),
        r#""alg":"none""#.to_owned(),
        r#""\u0061lg":"ES256""#.to_owned(),
        format!(r#""kid":"{kid}""#),
        format!(r#""\u006bid":"{kid}""#),
        r#""typ":"JWT""#.to_owned(),
        r#""x":1,"x":1"#.to_owned(),
        r#""x":{"y":1,"\u0079":1}"#.to_owned(),
    ];
    let payloads = [
        format!(r#""iss":"{iss}""#),
        format!(r#""\u0069ss":"{iss}""#),
        format!(r#""exp":{}"#, NOW + 60),
        r#""\u0065xp":9999999999"#.to_owned(),
        format!(r#""aud":"{AUDIENCE}""#),
        r#""sub":"admin""#.to_owned(),
        r#""s\u0075b":"admin""#.to_owned(),
        r#""role":"user","role":"admin""#.to_owned(),
    ];
    let mut cases = Vec::new();
    for member in headers {
        for all in [
            format!("{{{head},{member}}}"),
            format!("{{{member},{head}}}"),
        ] {
            let token = with_header(target, all.clone());
            cases.push(Case::new(all, token, "malformed"));
        }
    }
    for member in payloads {
        for all in [
            format!("{{{body},{member}}}"),
            format!("{{{member},{body}}}"),
        ] {
            let token = with_claims(target, all.clone());
            cases.push(Case::new(all, token, "malformed"));
        }
    }
    cases
}

#[test]
fn d1_a_member_stands_once_however_it_is_spelled() {
    let target = Target::shared();
    check(&duplicates(target), 32);
    // What the cases are made of is good without a second member.
    for token in [
        with_header(target, format!("{{{}}}", header(target))),
        with_claims(target, format!("{{{}}}", claims(target))),
    ] {
        assert_eq!(reason(&target.verifier.verify_now(&token)), "accepted");
    }
}

fn dots(target: &Target) -> Vec<Case> {
    let good = target.good();
    [
        (1, "malformed"),
        (2, "malformed"),
        (3, "malformed"),
        (10_000, "malformed"),
        (16 << 10, "malformed"),
        ((16 << 10) + 1, "too_large"),
        (1 << 20, "too_large"),
    ]
    .into_iter()
    .map(|(dots, reason)| Case::new(format!("{dots} dots"), ".".repeat(dots), reason))
    .chain([Case::new(
        "dots behind a token",
        format!("{good}{}", ".".repeat(10_000)),
        "malformed",
    )])
    .collect()
}

#[test]
fn d2_a_million_dots_are_not_split() {
    check(&dots(Target::shared()), 8);
}

fn oversized(target: &Target) -> Vec<Case> {
    let payload = |length| target.token().claim("x", "x".repeat(length)).sign();
    let header = |length| target.token().header("x", "x".repeat(length)).sign();
    vec![
        Case::new("a payload of 1 MiB", payload(1 << 20), "too_large"),
        Case::new("a payload of 16 KiB", payload(16 << 10), "too_large"),
        Case::new("a header of 100 kB", header(100_000), "too_large"),
        Case::new("a header of 2 KiB and more", header(2 << 10), "too_large"),
        Case::new(
            "a token of nothing but one letter",
            "A".repeat(1 << 20),
            "too_large",
        ),
    ]
}

#[test]
fn d3_a_part_beyond_its_limit_is_not_decoded() {
    let target = Target::shared();
    check(&oversized(target), 5);
    // As much as fits is none the worse for its size.
    let token = target.token().claim("x", "x".repeat(11_000)).sign();
    assert!(token.len() > 15_000);
    assert_eq!(reason(&target.verifier.verify_now(&token)), "accepted");
}

fn nested(target: &Target) -> Vec<Case> {
    let (head, body) = (header(target), claims(target));
    let mut cases = Vec::new();
    for (open, close) in [("[", "]"), (r#"{"x":"#, "}")] {
        let deep = |depth: usize| {
            let (open, close) = (open.repeat(depth), close.repeat(depth));
            format!(r#""x":{open}1{close}"#)
        };
        // As deep as the limits on length allow.
        let header = deep(1_900 / (open.len() + 1));
        let payload = deep(11_000 / (open.len() + 1));
        for (what, token) in [
            (
                "header",
                with_header(target, format!("{{{head},{header}}}")),
            ),
            (
                "payload",
                with_claims(target, format!("{{{body},{payload}}}")),
            ),
            (
                "payload without an end",
                with_claims(target, format!("{{{body},\"x\":{}", open.repeat(2_000))),
            ),
        ] {
            let what = format!("{what} of many {open}");
            assert!(token.len() < 16 << 10, "{what} fits");
            cases.push(Case::new(what, token, "malformed"));
        }
    }
    cases
}

#[test]
fn d4_depth_does_not_eat_the_stack() {
    let cases = nested(Target::shared());
    let small = std::thread::Builder::new().stack_size(64 << 10);
    let verified = small.spawn(move || check(&cases, 6)).unwrap();
    verified.join().unwrap();
    // As deep as a handler can read is not too deep.
    let target = Target::shared();
    let nested = format!(r#""x":{}1{}"#, "[".repeat(126), "]".repeat(126));
    let token = with_claims(target, format!("{{{},{nested}}}", claims(target)));
    let token = target.verifier.verify_now(&token).unwrap();
    assert!(token.claim::<Value>("x").is_ok());
    assert!(token.claims::<Value>().is_ok());
}

fn no_json(target: &Target) -> Vec<Case> {
    let (head, body) = (header(target), claims(target));
    let mut cases = Vec::new();
    for (what, members) in [("header", head), ("payload", body)] {
        let with = |bytes: Vec<u8>| match what {
            "header" => with_header(target, bytes),
            _ => with_claims(target, bytes),
        };
        let text = format!("{{{members}}}");
        let utf_16 = |order: fn(u16) -> [u8; 2]| text.encode_utf16().flat_map(order).collect();
        let more = |member: &str| format!("{{{members},{member}}}").into_bytes();
        let around = |before: &str, after: &str| format!("{before}{text}{after}").into_bytes();
        for (how, bytes) in [
            ("with a BOM", around("\u{feff}", "")),
            ("in UTF-16", utf_16(u16::to_le_bytes)),
            ("in UTF-16, the other way round", utf_16(u16::to_be_bytes)),
            (
                "not UTF-8",
                [&text.as_bytes()[..text.len() - 1], b",\"x\":\"\xff\"}"].concat(),
            ),
            (
                "overlong UTF-8",
                [&text.as_bytes()[..text.len() - 1], b",\"x\":\"\xc0\xaf\"}"].concat(),
            ),
            ("half a character", more(r#""x":"\ud800""#)),
            ("half a character in a name", more(r#""\udc00":1"#)),
            ("a half, nested", more(r#""x":[{"y":"\ud83d"}]"#)),
            ("NaN", more(r#""x":NaN"#)),
            ("Infinity", more(r#""x":-Infinity"#)),
            ("a hexadecimal number", more(r#""x":0x1"#)),
            ("a leading zero", more(r#""x":01"#)),
            ("a comment", more("\"x\":1/* */")),
            ("a comment behind", around("", "// x")),
            ("a last comma", more("")),
            ("single quotes", more("'x':1")),
            ("a bare name", more("x:1")),
            ("a raw line end in a text", more("\"x\":\"\n\"")),
            ("something behind", around("", "x")),
            ("a second object behind", around("", "{}")),
            ("a NUL behind", around("", "\0")),
            ("in a list", around("[", "]")),
            ("as text", serde_json::to_vec(&text).unwrap()),
            ("cut", text.as_bytes()[..text.len() - 1].to_vec()),
            ("nothing", Vec::new()),
            ("null", b"null".to_vec()),
        ] {
            cases.push(Case::new(format!("{what} {how}"), with(bytes), "malformed"));
        }
    }
    cases
}

#[test]
fn d5_header_and_claims_are_json_in_utf_8() {
    check(&no_json(Target::shared()), 52);
}

fn other_types(target: &Target) -> Vec<Case> {
    let any = [
        json!(null),
        json!(true),
        json!({}),
        json!([["x"]]),
        json!([7]),
    ];
    let text = json!("4102444800");
    let number = json!(7);
    let list = json!(["alice"]);
    let mut cases = Vec::new();
    let mut add = |claim: &str, value: &Value| {
        let token = target.token().claim(claim, value).sign();
        cases.push(Case::new(
            format!("{claim} {value}"),
            token,
            "invalid_claim",
        ));
    };
    for claim in ["iss", "sub", "jti", "client_id", "azp", "acr"] {
        any.iter()
            .chain([&number, &list])
            .for_each(|value| add(claim, value));
    }
    for claim in ["aud", "scope", "scp", "amr"] {
        any.iter()
            .chain([&number])
            .for_each(|value| add(claim, value));
    }
    // CVE-2026-25537: a text was taken for no date at all.
    for claim in ["exp", "nbf", "iat", "auth_time"] {
        any.iter()
            .chain([&text, &list])
            .for_each(|value| add(claim, value));
    }
    cases
}

#[test]
fn d6_a_claim_of_the_wrong_type_is_not_absent() {
    check(&other_types(Target::shared()), 6 * 7 + 4 * 6 + 4 * 7);
}

fn numbers(target: &Target) -> Vec<Case> {
    let claims = |member: &str| {
        let exp = if member.contains("exp") {
            String::new()
        } else {
            format!(r#","exp":{}"#, NOW + 60)
        };
        let iss = target.issuer.issuer();
        with_claims(
            target,
            format!(r#"{{"iss":"{iss}","aud":"{AUDIENCE}"{exp},{member}}}"#),
        )
    };
    [
        (r#""exp":-1"#, "expired"),
        (r#""exp":0"#, "expired"),
        (r#""exp":-0"#, "expired"),
        (r#""exp":-9223372036854775809"#, "expired"),
        (r#""exp":-1e308"#, "expired"),
        (r#""exp":1e-400"#, "expired"),
        (r#""exp":1799999970"#, "expired"),
        (r#""exp":1e400"#, "malformed"),
        (r#""exp":0x7fffffff"#, "malformed"),
        (r#""nbf":18446744073709551615"#, "not_yet_valid"),
        (r#""nbf":9223372036854775807"#, "not_yet_valid"),
        (r#""nbf":18446744073709551616"#, "not_yet_valid"),
        (r#""nbf":1e308"#, "not_yet_valid"),
        (r#""nbf":1800000000000"#, "not_yet_valid"),
        (r#""iat":18446744073709551615"#, "issued_in_future"),
        (r#""iat":1800000000000"#, "issued_in_future"),
    ]
    .into_iter()
    .map(|(member, reason)| Case::new(member, claims(member), reason))
    .collect()
}

#[test]
fn d7_no_number_wraps_round() {
    let target = Target::shared();
    check(&numbers(target), 16);
    // Milliseconds are a date in 59,000 years; a maximum age does not look at it.
    let aged = target.verifier_that(|issuer| issuer.max_token_age(Duration::from_secs(3_600)));
    let milliseconds = |issued: u64| {
        let token = target.token().claim("exp", (NOW + 60) * 1_000);
        token.claim("iat", issued).sign()
    };
    assert_eq!(
        reason(&target.verifier.verify_now(&milliseconds(NOW - 4_000))),
        "accepted"
    );
    assert_eq!(
        reason(&aged.verify_now(&milliseconds(NOW - 3_630))),
        "accepted"
    );
    let old = Case::new("exp in milliseconds", milliseconds(NOW - 3_631), "too_old");
    check_with(&aged, &[old]);
}

/// Every way to cut a real token short, and to change one of its bytes, without a panic.
#[test]
fn d8_no_cut_and_no_changed_byte_gets_through_or_panics() {
    let target = Target::shared();
    let sign = |token: TokenBuilder| {
        [
            token.clone().sign(),
            token.algorithm(Algorithm::EdDsa).sign(),
        ]
    };
    for good in sign(target.token()) {
        for length in 0..good.len() {
            assert!(
                target.verifier.verify_now(&good[..length]).is_err(),
                "{length}"
            );
        }
        for at in 0..good.len() {
            for byte in [0, b'.', b'A', b'-', b'=', b' ', 0x7f] {
                let mut bytes = good.clone().into_bytes();
                if std::mem::replace(&mut bytes[at], byte) == byte {
                    continue;
                }
                let changed = String::from_utf8(bytes).unwrap();
                let outcome = target.verifier.verify_now(&changed);
                assert!(outcome.is_err(), "byte {at} is now {byte:#x}");
            }
        }
    }
}

#[test]
fn d9_what_is_configured_is_a_text_and_no_pattern() {
    let target = Target::shared();
    let keys = || KeySet::from_json(target.issuer.jwks().as_bytes()).unwrap();
    for pattern in [".*", "https://.*", "*", "https://*", "^", "(a+)+$", ""] {
        let issuer = Issuer::keys(pattern, keys(), Audience::of(AUDIENCE));
        if let Ok(verifier) = Verifier::builder()
            .issuer(issuer)
            .clock(target.clock.clone())
            .build()
        {
            let outcome = verifier.verify_now(&target.good());
            assert_eq!(reason(&outcome), "untrusted_issuer", "{pattern}");
        }
        let audience = Issuer::keys(target.issuer.issuer(), keys(), Audience::of(pattern));
        if let Ok(verifier) = Verifier::builder()
            .issuer(audience)
            .clock(target.clock.clone())
            .build()
        {
            let outcome = verifier.verify_now(&target.good());
            assert_eq!(reason(&outcome), "audience_mismatch", "{pattern}");
        }
    }
}
