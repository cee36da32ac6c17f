//! The conformance example, driven as an outside suite drives it: through its stdin and stdout.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use portcullis::testing::{AUDIENCE, TestIssuer};
use serde_json::{Value, json};

use crate::support::vectors;

/// Runs the driver over these lines, each with its line feed.
fn drive(lines: impl IntoIterator<Item = String>) -> Vec<Value> {
    let input: String = lines.into_iter().map(|line| line + "\n").collect();
    answers(input)
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// Runs the driver over this text; `cargo test` has built it beside this test.
fn answers(input: impl Into<Vec<u8>>) -> Vec<String> {
    let tests = std::env::current_exe().unwrap();
    let driver = tests
        .parent()
        .unwrap()
        .parent()
        .unwrap()
        .join("examples/conformance");
    let mut child = Command::new(&driver)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; cargo test builds it", driver.display()));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.into();
    let writer = std::thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let output = String::from_utf8(output.stdout).unwrap();
    output.lines().map(str::to_owned).collect()
}

#[track_caller]
fn check(verdict: &Value, id: &Value, reason: Option<&str>) {
    assert_eq!(&verdict["id"], id);
    assert_eq!(verdict["accepted"], json!(reason.is_none()), "{verdict}");
    assert_eq!(verdict["reason"], json!(reason), "{verdict}");
}

#[tokio::test]
async fn a_case_is_judged_by_its_own_settings() {
    let issuer = TestIssuer::start().await.unwrap();
    let token = issuer
        .token()
        .subject("alice")
        .claim("iat", 1_000)
        .claim("exp", 2_000);
    let at_jwt = token.clone().sign();
    let typed = token.token_type("x+jwt").sign();
    let case = |token: &str, change: Value| {
        let jwks: Value = serde_json::from_str(&issuer.jwks()).unwrap();
        let mut case = json!({
            "id": change, "token": token, "jwks": jwks,
            "issuer": issuer.issuer(), "audience": AUDIENCE, "now": 1_500,
        });
        case.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        case
    };
    let cases = [
        (&at_jwt, json!({}), None),
        (&at_jwt, json!({ "now": 1_999 }), None),
        (&at_jwt, json!({ "now": 2_000 }), Some("expired")),
        (&at_jwt, json!({ "now": 2_000, "leeway": 1 }), None),
        (&at_jwt, json!({ "now": 999 }), Some("issued_in_future")),
        (&at_jwt, json!({ "now": -1 }), Some("issued_in_future")),
        (
            &at_jwt,
            json!({ "audience": "other" }),
            Some("audience_mismatch"),
        ),
        (
            &at_jwt,
            json!({ "issuer": "https://other.test" }),
            Some("untrusted_issuer"),
        ),
        (
            &at_jwt,
            json!({ "algorithms": ["ES256", "HS256", "XY"] }),
            None,
        ),
        (
            &at_jwt,
            json!({ "algorithms": ["RS256"] }),
            Some("algorithm_not_allowed"),
        ),
        (
            &at_jwt,
            json!({ "algorithms": ["none", "HS256"] }),
            Some("algorithm_not_allowed"),
        ),
        (
            &at_jwt,
            json!({ "algorithms": [] }),
            Some("algorithm_not_allowed"),
        ),
        (&at_jwt, json!({ "require": ["jti"] }), None),
        (
            &at_jwt,
            json!({ "require": ["tenant"] }),
            Some("missing_claim"),
        ),
        (&at_jwt, json!({ "typ": "at+jwt" }), None),
        (&typed, json!({}), Some("wrong_type")),
        (&typed, json!({ "typ": "any" }), None),
        (&typed, json!({ "typ": "at+jwt" }), Some("wrong_type")),
        (&typed, json!({ "mode": "jws" }), None),
        (
            &at_jwt,
            json!({ "jwks": { "keys": [] } }),
            Some("unknown_key"),
        ),
        (
            &at_jwt,
            json!({ "jwks": "not a set" }),
            Some("keys_unavailable"),
        ),
        (&at_jwt, json!({ "now": 1_999.5 }), None),
        (
            &at_jwt,
            json!({ "leeway": null, "typ": null, "mode": null, "require": null, "algorithms": null }),
            None,
        ),
        (&at_jwt, json!({ "leeway": -1 }), Some("bad_case")),
        (&at_jwt, json!({ "leeway": 301 }), Some("bad_case")),
        (&at_jwt, json!({ "mode": "else" }), Some("bad_case")),
        (&at_jwt, json!({ "now": "noon" }), Some("bad_case")),
        (&at_jwt, json!({ "now": 1e19 }), Some("bad_case")),
        (&at_jwt, json!({ "now": -1e19 }), Some("bad_case")),
        (&at_jwt, json!({ "now": 1e300 }), Some("bad_case")),
        (
            &at_jwt,
            json!({ "now": 1e300, "jwks": "not a set" }),
            Some("bad_case"),
        ),
        (&at_jwt, json!({ "now": 4e9 }), Some("expired")),
        (&at_jwt, json!({ "issuer": null }), Some("bad_case")),
    ];
    let verdicts = drive(
        cases
            .iter()
            .map(|(token, change, _)| case(token, change.clone()).to_string()),
    );
    assert_eq!(verdicts.len(), cases.len());
    for (verdict, (_, change, reason)) in verdicts.iter().zip(&cases) {
        let id = change.get("id").unwrap_or(change);
        check(verdict, id, *reason);
    }
    assert_eq!(verdicts[0]["sub"], "alice");
    assert_eq!(verdicts[2]["sub"], Value::Null);
}

#[test]
fn any_line_is_survived() {
    let lines = [
        "[]",
        "null",
        "{",
        "{}",
        r#"{"id":7}"#,
        r#"{"id":7} x"#,
        r#"{"id":{"a":1},"token":7}"#,
        "\u{0}",
        "é",
    ];
    let deep = "[".repeat(100_000);
    let verdicts = drive(
        lines
            .iter()
            .map(|line| (*line).to_owned())
            .chain([deep, "x".repeat(1_000_000)]),
    );
    assert_eq!(verdicts.len(), lines.len() + 2);
    for verdict in &verdicts {
        assert_eq!(verdict["reason"], "bad_case", "{verdict}");
    }
    assert_eq!(verdicts[4]["id"], 7);
    assert_eq!(verdicts[5]["id"], Value::Null);
}

#[tokio::test]
async fn a_set_without_a_usable_key_hides_no_other_fault() {
    let issuer = TestIssuer::start().await.unwrap();
    let good = issuer.token().sign();
    let part = |json: &str| BASE64URL.encode(json);
    let with = |header: &str| format!("{}.{}.AAAA", part(header), part("{}"));
    let mut foreign: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    foreign["keys"][0]["issuer"] = json!("https://other.test");
    let tampered = flipped(&good, 2, 0);
    let cases = [
        (&*good, "unknown_key"),
        (&tampered, "unknown_key"),
        ("", "malformed"),
        ("a.b.c.d.e", "malformed"),
        (&with(r#"{"alg":"ES256","alg":"ES256"}"#), "malformed"),
        (&with(r#"{"alg":"none"}"#), "unsupported_algorithm"),
        (&with(r#"{"alg":"HS256"}"#), "unsupported_algorithm"),
        (&with(r#"{"alg":"RS256"}"#), "algorithm_not_allowed"),
        (
            &with(r#"{"alg":"ES256","crit":["exp"]}"#),
            "unsupported_critical",
        ),
        (&"a".repeat(20_000), "too_large"),
    ];
    for jwks in [
        json!({ "keys": [] }),
        json!({ "keys": [{ "kty": "oct", "k": "c2VjcmV0" }, 7] }),
        foreign,
    ] {
        let case = |(token, _): &(&str, _)| {
            json!({
                "token": token, "jwks": jwks, "algorithms": ["ES256"],
                "issuer": issuer.issuer(), "audience": AUDIENCE, "now": 1_500,
            })
            .to_string()
        };
        let verdicts = drive(cases.iter().map(case));
        for (verdict, (token, reason)) in verdicts.iter().zip(cases) {
            assert_eq!(verdict["reason"], reason, "{token} with {jwks}");
        }
    }
}

#[test]
fn an_id_comes_back_as_it_was_written() {
    let long = format!("[{}]", "7,".repeat(10_000) + "7");
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    let ids = [
        "null",
        "7",
        "-0",
        "1.50",
        "1e400",
        "123456789012345678901234567890",
        r#""a\u0062\/""#,
        r#""\ud800""#,
        r#"{"b":1,"a":[ 2 ],"b":3}"#,
        &long,
        &deep,
    ];
    let others = [
        String::new(),
        r#","now":1e400"#.to_owned(),
        r#","token":"\ud800""#.to_owned(),
        r#","\ud800":1"#.to_owned(),
        r#","token":7,"token":7"#.to_owned(),
        r#","leeway":123456789012345678901234567890"#.to_owned(),
        format!(r#","token":"a","jwks":{deep}"#),
    ];
    for id in ids {
        for other in &others {
            let lines = [
                format!(r#"{{"id":{id}{other}}}"#),
                format!(r#" {{ "x" : {{"id":0}}{other}, "\u0069d" : {id} }} "#),
            ];
            for (line, answer) in lines.iter().zip(answers(lines.join("\n"))) {
                let echo = format!(r#"{{"id":{id},"accepted":false,"reason":"#);
                assert!(answer.starts_with(&echo), "{line}: {answer}");
            }
        }
    }
}

#[tokio::test]
async fn a_list_is_no_case() {
    let issuer = TestIssuer::start().await.unwrap();
    let jwks: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    let line = json!([
        issuer.token().sign(),
        jwks,
        issuer.issuer(),
        AUDIENCE,
        1_500,
        null,
        null,
        null,
        null,
        null,
    ]);
    let verdicts = drive([line.to_string(), r#"[{"id":7}]"#.to_owned()]);
    for verdict in &verdicts {
        check(verdict, &Value::Null, Some("bad_case"));
    }
}

#[test]
fn every_line_has_one_answer() {
    for (input, expected) in [
        (&b""[..], 0),
        (b"\n", 1),
        (b"{}", 1),
        (b"{}\n", 1),
        (b"{}\n\n", 2),
        (b"\n \n\r\n\t{}\r\n{}\n", 5),
        (b"\xff\n{\"id\":\"\xff\"}\n", 2),
    ] {
        let answers = answers(input);
        assert_eq!(answers.len(), expected, "{input:?}");
        for answer in &answers {
            let verdict: Value = serde_json::from_str(answer).unwrap();
            check(&verdict, &Value::Null, Some("bad_case"));
        }
    }
}

/// An example of an RFC: its name, token and public key.
struct Example {
    name: String,
    token: String,
    jwk: Value,
}

/// The compact examples of RFC 7515, 7520 and 8037 with public keys, private members stripped.
fn rfc_examples(vectors: &Path) -> Vec<Example> {
    let read =
        |path: PathBuf| -> Value { serde_json::from_slice(&fs::read(path).unwrap()).unwrap() };
    let mut examples = Vec::new();
    let mut add = |name: String, token: &Value, jwk: &Value| {
        let (Some(token), Some(jwk)) = (token.as_str(), jwk.as_object()) else {
            return;
        };
        if jwk.get("kty") == Some(&json!("oct")) {
            return;
        }
        let mut jwk = jwk.clone();
        for private in ["d", "p", "q", "dp", "dq", "qi", "oth"] {
            jwk.remove(private);
        }
        examples.push(Example {
            name,
            token: token.to_owned(),
            jwk: Value::Object(jwk),
        });
    };
    for example in read(vectors.join("rfc-examples/jws-compact-examples.json"))
        .as_array()
        .unwrap()
    {
        if example["expect"] == "valid" {
            add(
                example["name"].to_string(),
                &example["token"],
                &example["jwk"],
            );
        }
    }
    let cookbook = vectors.join("ietf-jose-cookbook");
    let mut files: Vec<_> = fs::read_dir(cookbook.join("jws"))
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    files.push(cookbook.join("curve25519/jws.json"));
    for file in files {
        let example = read(file.clone());
        add(
            file.display().to_string(),
            &example["output"]["compact"],
            &example["input"]["key"],
        );
    }
    examples
}

fn flipped(token: &str, part: usize, bit: usize) -> String {
    let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut bytes = BASE64URL.decode(&parts[part]).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    parts[part] = BASE64URL.encode(bytes);
    parts.join(".")
}

#[test]
fn the_rfcs_examples_verify_and_no_bit_of_them_can_change() {
    let Some(vectors) = vectors() else { return };
    let examples = rfc_examples(&vectors);
    assert!(examples.len() >= 7, "{} examples", examples.len());
    let mut cases = Vec::new();
    for example in &examples {
        let case = |token: &str, id: String| {
            json!({ "id": id, "token": token, "jwks": { "keys": [example.jwk] }, "mode": "jws" })
                .to_string()
        };
        cases.push(case(&example.token, "accepted".to_owned()));
        for (part, segment) in example.token.split('.').enumerate() {
            let bits = BASE64URL.decode(segment).unwrap().len() * 8;
            // Every bit of short parts, a few hundred of long ones, the first and last among them.
            let step = (bits / 300).max(1);
            for bit in (0..bits).step_by(step).chain([bits - 1]) {
                let expected = if part == 2 {
                    "invalid_signature"
                } else {
                    "refused"
                };
                cases.push(case(
                    &flipped(&example.token, part, bit),
                    expected.to_owned(),
                ));
            }
        }
    }
    let names: Vec<_> = examples.iter().map(|example| &*example.name).collect();
    let verdicts = drive(cases.iter().cloned());
    assert_eq!(verdicts.len(), cases.len());
    for (case, verdict) in cases.iter().zip(&verdicts) {
        match verdict["id"].as_str().unwrap() {
            "accepted" => assert_eq!(verdict["accepted"], json!(true), "{case} of {names:?}"),
            "refused" => assert_eq!(verdict["accepted"], json!(false), "{case}"),
            reason => assert_eq!(verdict["reason"], json!(reason), "{case}"),
        }
    }
}
