//! Wycheproof's JOSE files: each token with the keys of its group.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{BACKEND, Tally, Vectors, hex, open};
use crate::{Algorithm, KeySet};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    number_of_tests: usize,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    public: Option<Value>,
    private: Option<Value>,
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(rename = "tcId")]
    id: u32,
    result: String,
    #[serde(alias = "jwe")]
    jws: Value,
}

impl Test {
    /// As it is sent: compact, or what one file has in place of that, JSON.
    fn token(&self) -> String {
        self.jws
            .as_str()
            .map_or_else(|| self.jws.to_string(), str::to_owned)
    }
}

impl Group {
    /// What a verifier is given: the public keys, or where there are none, all that there is.
    fn document(&self) -> Value {
        let keys = self.public.as_ref().or(self.private.as_ref()).unwrap();
        match keys.get("keys") {
            Some(_) => keys.clone(),
            None => json!({ "keys": [keys] }),
        }
    }
}

/// Why a verdict differs from the label.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Because {
    /// This crate verifies with public keys only.
    KeyIsSymmetric,
    /// This crate decrypts nothing.
    Encrypted,
    /// STRICT-OVERLAY.json says why a strict verifier must refuse.
    Overlay,
}

impl Because {
    /// Whether the reason is one for this token.
    fn holds(self, group: &Group, overlay: &Value) -> bool {
        match self {
            Self::KeyIsSymmetric => {
                let document = group.document();
                let mut keys = document["keys"].as_array().unwrap().iter();
                keys.all(|key| key["kty"] == "oct")
            }
            Self::Encrypted => group
                .tests
                .iter()
                .all(|test| test.token().matches('.').count() != 2),
            Self::Overlay => overlay["wycheproof"] == "valid" && overlay["strict_policy"] != "OK",
        }
    }
}

/// Runs a file. `deviating` is every token whose verdict is not its label, with the code it is refused
/// with; `codes` is how often each verdict is met in all.
#[track_caller]
fn check(
    vectors: &Vectors,
    (suite, name): (&str, &str),
    deviating: &[(Because, &str, &[u32])],
    codes: &[(&str, usize)],
) {
    let file: File = vectors.json(format!("wycheproof/{name}.json"));
    let overlay: Value = vectors.json("wycheproof/STRICT-OVERLAY.json");
    let mut tally = Tally::of(format!("Wycheproof {suite}, {BACKEND}"));
    let mut found = BTreeMap::<_, usize>::new();
    for group in &file.test_groups {
        let keys = KeySet::from_json(group.document().to_string().as_bytes()).unwrap();
        for test in &group.tests {
            let outcome = crate::verify_jws(&test.token(), &keys, Algorithm::ALL);
            let code = outcome
                .as_ref()
                .err()
                .map_or("accepted", |error| error.reason());
            let stated = deviating.iter().find(|(.., ids)| ids.contains(&test.id));
            if let Some((because, expected, _)) = stated {
                let overlay = &overlay[name][test.id.to_string()];
                assert!(because.holds(group, overlay), "{} {because:?}", test.id);
                assert_eq!(code, *expected, "{} {because:?}", test.id);
            }
            *found.entry(code).or_default() += 1;
            let rule = stated.map(|(because, ..)| format!("{because:?}"));
            tally.judge(
                test.id,
                test.result == "valid",
                outcome.is_ok(),
                rule.as_deref(),
            );
        }
    }
    assert_eq!(found.into_iter().collect::<Vec<_>>(), codes, "{suite}");
    tally.report(file.number_of_tests);
}

#[test]
fn signatures() {
    let Some(vectors) = open() else { return };
    let symmetric = &[1, 348, 352, 357, 358, 359, 373, 376, 377];
    let deviating: &[(_, _, &[u32])] = &[
        (Because::KeyIsSymmetric, "unsupported_algorithm", symmetric),
        (Because::Overlay, "algorithm_mismatch", &[346, 350]),
        // ES521 is no algorithm, so the key is skipped.
        (Because::Overlay, "unknown_key", &[347, 351]),
        (Because::Overlay, "malformed", &[372]),
    ];
    check(
        &vectors,
        ("JWS", "json_web_signature_test"),
        deviating,
        &[
            ("accepted", 32),
            ("algorithm_mismatch", 7),
            ("invalid_signature", 293),
            ("malformed", 29),
            ("unknown_key", 8),
            ("unsupported_algorithm", 32),
        ],
    );
    // 367 and 370 are a valid token that is labelled invalid. Their key is symmetric, so they are refused.
    let overlay: Value = vectors.json("wycheproof/STRICT-OVERLAY.json");
    for id in overlay["json_web_signature_test"]
        .as_object()
        .unwrap()
        .keys()
    {
        let id = id.parse().unwrap();
        let listed = deviating.iter().any(|(.., ids)| ids.contains(&id));
        assert_eq!(listed, ![367, 370].contains(&id), "{id}");
    }
}

#[test]
fn keys() {
    let Some(vectors) = open() else { return };
    check(
        &vectors,
        ("JWK", "json_web_key_test"),
        &[(
            Because::KeyIsSymmetric,
            "unsupported_algorithm",
            &[2, 13, 14, 15],
        )],
        &[
            ("accepted", 1),
            ("unknown_key", 10),
            ("unsupported_algorithm", 15),
        ],
    );
}

/// The tests of keys hold for the right reason: each bad key is skipped for what is bad about it.
#[test]
fn why_keys_are_skipped() {
    let Some(vectors) = open() else { return };
    let file: File = vectors.json("wycheproof/json_web_key_test.json");
    let mut tests = 0;
    for group in &file.test_groups {
        let keys = KeySet::from_json(group.document().to_string().as_bytes()).unwrap();
        let skipped: Vec<_> = keys
            .skipped()
            .iter()
            .map(|key| key.reason().code())
            .collect();
        for test in &group.tests {
            let expected: &[&str] = match test.id {
                // Sets with two symmetric keys; those of 4 have one name.
                2..=4 => &["symmetric_key"; 2],
                1 | 10..=18 | 25 | 26 => &["symmetric_key"],
                5 => &[],
                6 | 21 => &["other_use"],
                7 => &["rsa_roca"],
                8 => &["rsa_too_small"],
                9 => &["rsa_bad_exponent"],
                19 | 20 => &["unsupported_algorithm"],
                22 => &["invalid_point"],
                23 | 24 => &["malformed_member"],
                other => panic!("{other} is a new test"),
            };
            assert_eq!(skipped, expected, "{}", test.id);
            tests += 1;
        }
    }
    assert_eq!(tests, file.number_of_tests);
}

/// None of the RSA keys that sign in the raw files is taken for one that can be factored.
#[test]
fn every_other_rsa_key_is_used() {
    let Some(vectors) = open() else { return };
    let mut moduli = BTreeSet::new();
    for file in vectors.files("wycheproof") {
        let name = file.file_name().unwrap().to_str().unwrap();
        if !name.starts_with("rsa_") || !name.ends_with("_test.json") {
            continue;
        }
        let file: Value = vectors.json(&file);
        for group in file["testGroups"].as_array().unwrap() {
            let number = |name| BASE64URL.encode(hex(group["publicKey"][name].as_str().unwrap()));
            let (n, e) = (number("modulus"), number("publicExponent"));
            // The numbers have the leading zero of DER.
            assert!(n.starts_with('A'));
            let document = json!({ "keys": [{ "kty": "RSA", "n": n, "e": e }] }).to_string();
            let keys = KeySet::from_json(document.as_bytes()).unwrap();
            assert_eq!((keys.len(), keys.skipped()), (1, &[][..]));
            moduli.insert(n);
        }
    }
    assert_eq!(moduli.len(), 15);
}

#[test]
fn crypto() {
    let Some(vectors) = open() else { return };
    check(
        &vectors,
        ("JWCrypto", "json_web_crypto_test"),
        &[
            (Because::KeyIsSymmetric, "unsupported_algorithm", &[1, 48]),
            (Because::Encrypted, "malformed", &[50, 67]),
        ],
        &[
            ("accepted", 2),
            ("invalid_signature", 7),
            ("malformed", 60),
            ("unknown_key", 3),
            ("unsupported_algorithm", 11),
        ],
    );
}

#[test]
fn encryption() {
    let Some(vectors) = open() else { return };
    let file: File = vectors.json("wycheproof/json_web_encryption_test.json");
    let tests = file.test_groups.iter().flat_map(|group| &group.tests);
    let valid: Vec<_> = tests
        .filter(|test| test.result == "valid")
        .map(|test| test.id)
        .collect();
    check(
        &vectors,
        ("JWE", "json_web_encryption_test"),
        &[(Because::Encrypted, "malformed", &valid)],
        &[("malformed", 139)],
    );
}
