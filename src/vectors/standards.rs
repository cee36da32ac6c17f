//! The examples of RFC 7515, 7517, 7520, 7797 and 8037, and of the ML-DSA drafts.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};

use super::{BACKEND, Tally, Vectors, open};
use crate::{Algorithm, KeySet, KeySetError};

/// The code that a token is refused with, or `accepted`. Examples have private keys; a verifier gets the public half.
fn verdict(token: &str, jwk: &Value) -> &'static str {
    let mut keys = match jwk.get("keys") {
        Some(keys) => keys.as_array().unwrap().clone(),
        None => vec![jwk.clone()],
    };
    for key in keys.iter_mut().filter_map(Value::as_object_mut) {
        for private in ["d", "p", "q", "dp", "dq", "qi", "priv"] {
            key.remove(private);
        }
    }
    let keys = KeySet::from_json(json!({ "keys": keys }).to_string().as_bytes()).unwrap();
    crate::verify_jws(token.trim(), &keys, Algorithm::ALL)
        .err()
        .map_or("accepted", |error| error.reason())
}

fn name(file: &Path) -> String {
    file.file_name().unwrap().to_str().unwrap().to_owned()
}

fn files_ending_in<'v>(
    vectors: &Vectors,
    folder: &str,
    ending: &'v str,
) -> impl Iterator<Item = (String, std::path::PathBuf)> + use<'v> {
    let files = vectors
        .files(folder)
        .into_iter()
        .map(|file| (name(&file), file));
    files.filter(move |(name, _)| name.ends_with(ending))
}

/// A key file, or the one that it names: links came as their text.
fn jwk(vectors: &Vectors, file: &Path) -> Value {
    let text = vectors.bytes(file);
    serde_json::from_slice(&text).unwrap_or_else(|_| {
        let link = std::str::from_utf8(&text).unwrap();
        vectors.json(file.with_file_name(link))
    })
}

/// An example: its name, what its author says of it, the token and the key.
type Example = (String, bool, String, Value);

fn compact_examples(vectors: &Vectors) -> Vec<Example> {
    let mut examples = Vec::new();
    for (name, file) in files_ending_in(vectors, LATCHSET, ".jwsc") {
        let key = file.with_extension("jwk");
        // The unsecured one has no key.
        let jwk = if key.exists() {
            jwk(vectors, &key)
        } else {
            Value::Null
        };
        let token = String::from_utf8(vectors.bytes(file)).unwrap();
        examples.push((name, !jwk.is_null(), token, jwk));
    }
    for (name, file) in files_ending_in(vectors, "ietf-jose-cookbook", ".json") {
        let example: Value = vectors.json(file);
        let signed = example.get("sign").unwrap_or(&example);
        let token = signed
            .get("signing")
            .and_then(|_| signed["output"]["compact"].as_str());
        examples.extend(
            token.map(|token| (name, true, token.to_owned(), signed["input"]["key"].clone())),
        );
    }
    let derived: Vec<Value> = vectors.json("rfc-examples/jws-compact-examples.json");
    for example in derived {
        let text = |member: &str| example[member].as_str().map(str::to_owned);
        let token = text("token").unwrap_or_else(|| example["token"].to_string());
        let valid = example["expect"] == "valid";
        examples.push((text("name").unwrap(), valid, token, example["jwk"].clone()));
    }
    examples
}

#[test]
fn compact_signatures() {
    let Some(vectors) = open() else { return };
    let expected: &[(&str, &[&str])] = &[
        (
            "accepted",
            &[
                "rfc7515_A.2.jwsc",
                "rfc7515_A.3.jwsc",
                "rfc7515_A.4.jwsc",
                "rfc7520_4.1.jwsc",
                "rfc7520_4.2.jwsc",
                "rfc7520_4.3.jwsc",
                "6.nesting_signatures_and_encryption.json",
                "jws.json",
                "4_1.rsa_v15_signature.json",
                "4_2.rsa-pss_signature.json",
                "4_3.ecdsa_signature.json",
                "rfc7515 A.2",
                "rfc7515 A.3",
                "rfc7515 A.4",
                "rfc7520 4.1",
                "rfc7520 4.2",
                "rfc7520 4.3",
                "cookbook jws.json",
                "cookbook 4_1.rsa_v15_signature.json",
                "cookbook 4_2.rsa-pss_signature.json",
                "cookbook 4_3.ecdsa_signature.json",
            ],
        ),
        (
            "malformed",
            &["rfc7515 A.6 general JSON", "rfc7515 A.7 flattened JSON"],
        ),
        // HMAC, one with its payload detached, and `none`.
        (
            "unsupported_algorithm",
            &[
                "rfc7515_A.1.jwsc",
                "rfc7515_A.5.jwsc",
                "rfc7520_4.4.jwsc",
                "rfc7520_4.5.jwsc",
                "4_4.hmac-sha2_integrity_protection.json",
                "4_5.signature_with_detached_content.json",
                "rfc7515 A.1",
                "rfc7515 A.5 unsecured",
                "rfc7520 4.4",
                "cookbook 4_4.hmac-sha2_integrity_protection.json",
                "cookbook 4_5.signature_with_detached_content.json",
            ],
        ),
        (
            "unsupported_critical",
            &[
                "hmac-sha2_b64_false.json",
                "rfc7515 Appendix E negative crit",
                "cookbook hmac-sha2_b64_false.json",
            ],
        ),
    ];
    let examples = compact_examples(&vectors);
    let mut tally = Tally::of(format!("RFC compact JWS, {BACKEND}"));
    let mut found = BTreeMap::<_, Vec<_>>::new();
    for (name, valid, token, jwk) in &examples {
        let code = verdict(token, jwk);
        found.entry(code).or_default().push(&**name);
        let rule = (*valid && code != "accepted").then_some("no HMAC and no extension");
        tally.judge(name, *valid, code == "accepted", rule);
    }
    let found: Vec<_> = found
        .iter()
        .map(|(code, names)| (*code, &**names))
        .collect();
    assert_eq!(found, expected);
    tally.report(37);
}

/// JSON serializations, and all that is encrypted: among these CVE-2023-50967, a header that asks for
/// a billion rounds of key derivation.
#[test]
fn what_is_no_compact_jws_is_malformed() {
    let Some(vectors) = open() else { return };
    let mut texts = Vec::new();
    for ending in ["jwsf", "jwsg", "jwec", "jwef", "jweg", "jwe"] {
        for (name, file) in files_ending_in(&vectors, "latchset-jose", &format!(".{ending}")) {
            texts.push((name, String::from_utf8(vectors.bytes(file)).unwrap()));
        }
    }
    for (name, file) in files_ending_in(&vectors, "ietf-jose-cookbook", ".json") {
        let example: Value = vectors.json(file);
        for output in [
            &example["output"],
            &example["encrypt"]["output"],
            &example["sign"]["output"],
        ] {
            for form in ["json", "json_flat"] {
                if let Some(text) = output.get(form) {
                    texts.push((format!("{name} {form}"), text.to_string()));
                }
            }
            let compact = output["compact"]
                .as_str()
                .filter(|text| text.matches('.').count() == 4);
            texts.extend(compact.map(|text| (name.clone(), text.to_owned())));
        }
    }
    let mut tally = Tally::of("RFC JSON serializations and JWE");
    for (name, text) in &texts {
        let code = verdict(text, &json!({ "keys": [] }));
        assert_eq!(code, "malformed", "{name}");
        tally.judge(name, true, false, Some("compact JWS only"));
    }
    assert_eq!(texts.len(), 111);
    tally.report(111);
}

#[test]
fn keys() {
    let Some(vectors) = open() else { return };
    let mut tally = Tally::of(format!("RFC JWK, {BACKEND}"));
    let mut found = BTreeMap::<_, usize>::new();
    let mut judge = |name: &str, jwk: &Value| {
        let keys = KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
        let code = keys
            .skipped()
            .first()
            .map_or("accepted", |key| key.reason().code());
        let rule = match (&jwk["kty"], &jwk["d"], &jwk["use"]) {
            (Value::String(kty), ..) if kty == "oct" => Some("symmetric_key"),
            (_, Value::String(_), _) => Some("private_key"),
            (_, _, Value::String(intended)) if intended != "sig" => Some("other_use"),
            _ => None,
        };
        assert_eq!(code, rule.unwrap_or("accepted"), "{name}");
        *found.entry(code).or_default() += 1;
        tally.judge(name, true, keys.len() == 1, rule);
    };
    for (name, file) in files_ending_in(&vectors, "latchset-jose", ".jwk") {
        judge(&name, &jwk(&vectors, &file));
    }
    for (name, file) in files_ending_in(&vectors, "ietf-jose-cookbook/jwk", ".json") {
        judge(&name, &jwk(&vectors, &file));
    }
    let single: usize = found.values().sum();
    assert_eq!(
        found.into_iter().collect::<Vec<_>>(),
        [("accepted", 6), ("private_key", 21), ("symmetric_key", 20)]
    );

    /// The set, how many keys are used, and which are not and why.
    type Set = (&'static str, usize, &'static [(usize, &'static str)]);
    let sets: &[Set] = &[
        ("7515_A.6", 0, &[(0, "private_key"), (1, "private_key")]),
        ("7517_A.1", 1, &[(0, "other_use")]),
        ("7517_A.2", 0, &[(0, "private_key"), (1, "private_key")]),
        ("7517_A.3", 0, &[(0, "symmetric_key"), (1, "symmetric_key")]),
        (
            "7520_4.8",
            0,
            &[(0, "private_key"), (1, "private_key"), (2, "symmetric_key")],
        ),
    ];
    let mut in_sets = 0;
    for (name, usable, skipped) in sets {
        let document = vectors.bytes(format!("{LATCHSET}/rfc{name}.jwkset"));
        tally.judge_keys(
            name,
            &KeySet::from_json(&document).unwrap(),
            *usable,
            skipped,
        );
        in_sets += usable + skipped.len();
    }
    assert_eq!(
        files_ending_in(&vectors, LATCHSET, ".jwkset").count(),
        sets.len()
    );
    tally.report(single + in_sets);

    let pem = vectors.bytes("latchset-jose/tests/issue-75/rsa512.pem");
    assert_eq!(
        KeySet::from_pem(&pem).err(),
        Some(KeySetError::NotAPublicKey)
    );
}

#[test]
fn ml_dsa() {
    let Some(vectors) = open() else { return };
    let files = vectors.files("mldsa-jose/examples/jose/examples");
    let mut tally = Tally::of(format!("ML-DSA JWS, {BACKEND}"));
    for file in &files {
        let example: Value = vectors.json(file);
        let code = verdict(example["jws"].as_str().unwrap(), &example["jwk"]);
        let (expected, rule) = match example.get("raw_composite_signature") {
            Some(_) => (
                "unsupported_algorithm",
                Some("composite signatures are a draft"),
            ),
            None if BACKEND == "aws-lc-rs" => ("accepted", None),
            None => ("unknown_key", Some("the backend lacks ML-DSA")),
        };
        assert_eq!(code, expected, "{}", file.display());
        tally.judge(file.display(), true, code == "accepted", rule);
    }
    assert_eq!(files.len(), 9);
    tally.report(9);
}

const LATCHSET: &str = "latchset-jose/tests/vectors";
