use super::*;
use crate::algorithm::Algorithm::{self, EdDsa, Es256, Rs256};

const X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

/// An Ed25519 key with further members.
fn okp(members: &str) -> String {
    format!(r#"{{"kty":"OKP","crv":"Ed25519","x":"{X}"{members}}}"#)
}

fn ec(members: &str) -> String {
    let (x, y) = (
        "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    );
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"{members}}}"#)
}

#[track_caller]
fn set(keys: &[String]) -> KeySet {
    KeySet::from_json(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes()).unwrap()
}

/// Names of the selected keys, or the reason of the refusal.
#[track_caller]
fn check(keys: &KeySet, key_id: Option<&str>, algorithm: Algorithm, expected: Result<usize, &str>) {
    let selected = keys.select_named(key_id, algorithm);
    let found = selected
        .as_ref()
        .map(|candidates| candidates.0.iter().flatten().count());
    assert_eq!(
        found.map_err(VerifyError::reason),
        expected,
        "{key_id:?} {algorithm}"
    );
}

#[test]
fn with_a_kid_only_keys_of_that_name_are_selected() {
    let keys = set(&[
        okp(r#","kid":"1""#),
        okp(r#","kid":"2""#),
        ec(r#","kid":"2""#),
        okp(""),
    ]);
    check(&keys, Some("1"), EdDsa, Ok(1));
    check(&keys, Some("2"), EdDsa, Ok(1));
    check(&keys, Some("2"), Es256, Ok(1));
    check(&keys, Some("3"), EdDsa, Err("unknown_key"));
    check(&keys, Some(""), EdDsa, Err("unknown_key"));
    let selected = keys.select_named(Some("2"), Es256).unwrap();
    assert_eq!(selected.0[0].unwrap().material().kind(), Es256.key_kind());
}

#[test]
fn a_known_kid_of_another_kind_or_alg_is_a_mismatch() {
    let keys = set(&[okp(r#","kid":"1""#)]);
    check(&keys, Some("1"), Es256, Err("algorithm_mismatch"));
    check(&keys, Some("1"), Rs256, Err("algorithm_mismatch"));
}

#[test]
fn without_a_kid_all_keys_that_fit_are_selected() {
    let keys = set(&[okp(r#","kid":"1""#), okp(""), ec(r#","kid":"2""#)]);
    check(&keys, None, EdDsa, Ok(2));
    check(&keys, None, Es256, Ok(1));
    check(&keys, None, Rs256, Err("unknown_key"));
}

#[test]
fn four_keys_are_tried_and_five_are_ambiguous() {
    let named = |count| set(&vec![okp(r#","kid":"1""#); count]);
    check(&named(4), Some("1"), EdDsa, Ok(4));
    check(&named(4), None, EdDsa, Ok(4));
    check(&named(5), Some("1"), EdDsa, Err("key_ambiguous"));
    check(&named(5), None, EdDsa, Err("key_ambiguous"));
    // Those that do not fit do not count.
    let mixed: Vec<_> = (0..40)
        .map(|at| {
            if at % 10 == 0 {
                okp(r#","kid":"1""#)
            } else {
                ec(r#","kid":"1""#)
            }
        })
        .collect();
    check(&set(&mixed), Some("1"), EdDsa, Ok(4));
    check(&set(&mixed), None, EdDsa, Ok(4));
}

#[test]
fn an_empty_set_knows_no_key() {
    for keys in [set(&[]), KeySet::default()] {
        assert!(keys.is_empty() && keys.skipped().is_empty());
        check(&keys, None, EdDsa, Err("unknown_key"));
        check(&keys, Some("1"), EdDsa, Err("unknown_key"));
    }
}

#[test]
fn one_bad_key_spoils_nothing() {
    let keys = set(&[
        "null".into(),
        okp(r#","kid":"1""#),
        "7".into(),
        r#"{"kty":"oct","kid":"2","k":"AA"}"#.into(),
        r#"{"kty":"EC","kid":"3","crv":"P-256","x":"","y":""}"#.into(),
        okp(r#","kid":["4"]"#),
        okp(r#","kid":"5","use":["sig"]"#),
        okp(r#","kid":"6""#),
    ]);
    assert_eq!(keys.len(), 2);
    let skipped: Vec<_> = keys
        .skipped()
        .iter()
        .map(|key| (key.index(), key.key_id(), key.reason().code()))
        .collect();
    assert_eq!(
        skipped,
        [
            (0, None, "not_an_object"),
            (2, None, "not_an_object"),
            (3, Some("2"), "symmetric_key"),
            (4, Some("3"), "malformed_member"),
            (5, None, "malformed_member"),
            (6, Some("5"), "malformed_member"),
        ]
    );
}

#[test]
fn only_one_object_with_keys_is_a_set() {
    for text in [
        "",
        "[]",
        "null",
        "{}",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":[]"#,
        r#"{"keys":[]}x"#,
        r#"{"keys":[1,]}"#,
        r#"{"keys":[],"keys":[]}"#,
        r#"{"keys":[],"k\u0065ys":[]}"#,
        r#"{"error":"down"}"#,
        "<html></html>",
        "\u{feff}{\"keys\":[]}",
    ] {
        assert_eq!(
            KeySet::from_json(text.as_bytes()).err(),
            Some(KeySetError::NotAJwkSet),
            "{text}"
        );
    }
    assert_eq!(
        KeySet::from_json(b"{\"keys\":[\"\xff\"]}").err(),
        Some(KeySetError::NotAJwkSet)
    );
    assert!(
        KeySet::from_json(br#" {"spiffe_sequence":12,"keys":[ ],"x":{"keys":1}} "#)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn keys_beyond_the_limit_are_skipped_and_only_some_of_them_listed() {
    let text = |count: usize| format!(r#"{{"keys":[{}]}}"#, vec![okp(""); count].join(","));
    let keys = KeySet::from_json_limited(text(3).as_bytes(), 3).unwrap();
    assert_eq!((keys.len(), keys.skipped().len()), (3, 0));
    let keys = KeySet::from_json_limited(text(4).as_bytes(), 3).unwrap();
    assert_eq!((keys.len(), keys.skipped().len()), (3, 1));
    assert_eq!(
        (keys.skipped()[0].index(), keys.skipped()[0].reason()),
        (3, SkipReason::TooManyKeys)
    );
    let keys = KeySet::from_json_limited(text(1_000).as_bytes(), 3).unwrap();
    assert_eq!((keys.len(), keys.skipped().len()), (3, MAX_EXCESS));
    let keys =
        KeySet::from_json(format!(r#"{{"keys":[{}]}}"#, vec!["0"; 200_000].join(",")).as_bytes())
            .unwrap();
    assert_eq!(keys.skipped().len(), MAX_KEYS + MAX_EXCESS);
    for (count, expected) in [
        (MAX_KEYS - 1, (MAX_KEYS - 1, 0)),
        (MAX_KEYS, (MAX_KEYS, 0)),
        (MAX_KEYS + 1, (MAX_KEYS, 1)),
        (MAX_KEYS + MAX_EXCESS, (MAX_KEYS, MAX_EXCESS)),
        (MAX_KEYS + MAX_EXCESS + 1, (MAX_KEYS, MAX_EXCESS)),
    ] {
        let keys = KeySet::from_json(text(count).as_bytes()).unwrap();
        assert_eq!((keys.len(), keys.skipped().len()), expected, "{count}");
    }
}

#[test]
fn keys_of_another_issuer_are_moved_to_the_skipped_ones() {
    let keys = set(&[
        okp(r#","kid":"0""#),
        okp(r#","kid":"1","issuer":"https://id.example.com/a""#),
        "0".into(),
        okp(r#","kid":"3","issuer":"https://id.example.com/b""#),
        okp(r#","kid":"4","issuer":"https://id.example.com/{tenantid}""#),
    ]);
    assert_eq!(keys.len(), 4);
    let keys = keys.for_issuer("https://id.example.com/a");
    check(&keys, Some("0"), EdDsa, Ok(1));
    check(&keys, Some("1"), EdDsa, Ok(1));
    check(&keys, Some("3"), EdDsa, Err("unknown_key"));
    check(&keys, Some("4"), EdDsa, Ok(1));
    check(&keys, None, EdDsa, Ok(3));
    let skipped: Vec<_> = keys
        .skipped()
        .iter()
        .map(|key| (key.index(), key.key_id(), key.reason()))
        .collect();
    assert_eq!(
        skipped,
        [
            (2, None, SkipReason::NotAnObject),
            (3, Some("3"), SkipReason::ForeignIssuer)
        ]
    );
}

#[test]
fn the_placeholder_stands_for_one_path_segment() {
    #[track_caller]
    fn check(template: &str, issuer: &str, expected: bool) {
        assert_eq!(matches(template, issuer), expected, "{template} {issuer}");
    }
    let template = "https://login.example.com/{tenantid}/v2.0";
    check(
        template,
        "https://login.example.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        true,
    );
    check(template, template, true);
    check(template, "https://login.example.com//v2.0", false);
    check(template, "https://login.example.com/v2.0", false);
    check(template, "https://login.example.com/a/b/v2.0", false);
    check(template, "https://login.example.com/a?b/v2.0", false);
    check(template, "https://login.example.com/a/v2.0/", false);
    check(
        template,
        "https://login.example.com.evil.example/a/v2.0",
        false,
    );
    check(
        "https://sts.example.com/{tenantid}/",
        "https://sts.example.com/a/",
        true,
    );
    check(
        "https://sts.example.com/{tenantid}",
        "https://sts.example.com/a",
        true,
    );
    check(
        "https://sts.example.com/{tenantid}",
        "https://sts.example.com/",
        false,
    );
    check(
        "https://{tenantid}.example.com/",
        "https://a.example.com/",
        false,
    );
    check("{tenantid}", "https:", false);
    check(
        "https://sts.example.com/x{tenantid}",
        "https://sts.example.com/xa",
        false,
    );
    check(
        "https://sts.example.com/{tenantid}x",
        "https://sts.example.com/ax",
        false,
    );
    check(
        "https://sts.example.com/{tenantid}/{tenantid}",
        "https://sts.example.com/a/b",
        false,
    );
    check("https://id.example.com", "https://id.example.com", true);
    check("https://id.example.com", "https://id.example.com/", false);
    check("", "https://id.example.com", false);
}

#[test]
fn new_keys_are_those_of_another_name_or_material() {
    let old = set(&[okp(r#","kid":"1""#), okp("")]);
    let beyond = |keys: &KeySet, other: &KeySet| keys.beyond(other).len();
    assert_eq!(beyond(&old, &old), 0);
    assert_eq!(beyond(&set(&[okp(r#","kid":"1","alg":"EdDSA""#)]), &old), 0);
    assert_eq!(beyond(&set(&[okp("")]), &old), 0);
    assert_eq!(beyond(&set(&[]), &old), 0);
    assert_eq!(beyond(&set(&[okp(r#","kid":"2""#)]), &old), 1);
    assert_eq!(beyond(&set(&[ec(r#","kid":"1""#)]), &old), 1);
    assert_eq!(beyond(&set(&[ec("")]), &old), 1);
    assert_eq!(beyond(&old, &KeySet::default()), 2);
}

#[test]
fn a_set_shows_counts_and_no_key() {
    let keys = set(&[okp(r#","kid":"secret-name""#), "0".into()]);
    assert_eq!(format!("{keys:?}"), "KeySet { keys: 1, skipped: 1 }");
}

/// Not in a JWK Set's bad keys but in its size: a lookup by name does not look at the others.
#[test]
fn a_name_is_found_among_a_thousand() {
    let keys: Vec<_> = (0..1_000)
        .map(|name| okp(&format!(r#","kid":"{name}""#)))
        .collect();
    let keys = set(&keys);
    check(&keys, Some("0"), EdDsa, Ok(1));
    check(&keys, Some("999"), EdDsa, Ok(1));
    check(&keys, Some("1000"), EdDsa, Err("unknown_key"));
    check(&keys, None, EdDsa, Err("key_ambiguous"));
}

#[test]
fn a_kid_that_stands_twice_spoils_neither_key() {
    let keys = set(&[okp(r#","kid":"1""#), ec(r#","kid":"1""#)]);
    assert_eq!((keys.len(), keys.skipped().len()), (2, 0));
    check(&keys, Some("1"), EdDsa, Ok(1));
    check(&keys, Some("1"), Es256, Ok(1));
    check(&keys, Some("1"), Rs256, Err("algorithm_mismatch"));
    // A symmetric twin goes, the public key stays.
    let keys = set(&[
        r#"{"kty":"oct","kid":"1","k":"AA"}"#.into(),
        ec(r#","kid":"1""#),
    ]);
    assert_eq!((keys.len(), keys.skipped().len()), (1, 1));
    check(&keys, Some("1"), Es256, Ok(1));
}

#[cfg(feature = "testing")]
#[test]
fn each_candidate_is_tried() {
    check_each_is_tried(None);
}

#[cfg(feature = "testing")]
#[test]
fn each_key_of_a_kid_that_stands_twice_is_tried() {
    check_each_is_tried(Some("1"));
}

#[cfg(feature = "testing")]
#[track_caller]
fn check_each_is_tried(key_id: Option<&str>) {
    use crate::signature::SigningKey;

    let (first, second) = (SigningKey::generate(Es256), SigningKey::generate(Es256));
    let jwk = |key: &SigningKey| {
        let mut jwk = key.public_jwk();
        jwk.extend(key_id.map(|key_id| ("kid".to_owned(), key_id.into())));
        serde_json::to_string(&jwk).unwrap()
    };
    let keys = set(&[jwk(&first), jwk(&second)]);
    let candidates = keys.select_named(key_id, Es256).unwrap();
    for (at, key) in [&first, &second].into_iter().enumerate() {
        let verified_by = candidates
            .verify(Es256, b"input", &key.sign(Es256, b"input"))
            .unwrap();
        assert!(std::ptr::eq(verified_by, candidates.0[at].unwrap()));
    }
    let stranger = SigningKey::generate(Es256);
    let refused = candidates.verify(Es256, b"input", &stranger.sign(Es256, b"input"));
    assert_eq!(
        refused.err().map(|error| error.reason()),
        Some("invalid_signature")
    );
}

mod pem {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::*;

    const ED25519: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----";

    #[track_caller]
    fn check(pem: &str, expected: Result<usize, KeySetError>) {
        assert_eq!(
            KeySet::from_pem(pem.as_bytes()).map(|keys| keys.len()),
            expected,
            "{pem}"
        );
    }

    #[test]
    fn sections_may_be_several_with_text_around_them() {
        check(ED25519, Ok(1));
        check(&format!("{ED25519}\n"), Ok(1));
        check(
            &format!("# the old one\n{ED25519}\r\n\r\nand the new one:\n{ED25519}\n\ntrailer"),
            Ok(2),
        );
        check(&ED25519.replace('\n', "\r\n"), Ok(1));
        check(&ED25519.replace("7TyWQ", "7TyWQ\n"), Ok(1));
    }

    #[test]
    fn what_is_no_pem_is_refused() {
        check("", Err(KeySetError::NotPem));
        check("{\"keys\":[]}", Err(KeySetError::NotPem));
        check("-----BEGIN PUBLIC KEY-----", Err(KeySetError::NotPem));
        check(
            "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY",
            Err(KeySetError::NotPem),
        );
        check(
            &ED25519.replace("END PUBLIC", "END PRIVATE"),
            Err(KeySetError::NotPem),
        );
        check(&ED25519.replace("URo=", "UR!="), Err(KeySetError::NotPem));
        check(&ED25519.replace("URo=", "URo"), Err(KeySetError::NotPem));
        // One good section does not excuse a bad one.
        check(
            &format!("{ED25519}\n-----BEGIN PUBLIC KEY-----\n"),
            Err(KeySetError::NotPem),
        );
        assert_eq!(KeySet::from_pem(b"\xff").err(), Some(KeySetError::NotPem));
    }

    #[test]
    fn another_thing_than_a_public_key_is_refused() {
        for label in [
            "CERTIFICATE",
            "PRIVATE KEY",
            "RSA PRIVATE KEY",
            "EC PRIVATE KEY",
            "PGP PUBLIC KEY BLOCK",
        ] {
            check(
                &ED25519.replace("PUBLIC KEY", label),
                Err(KeySetError::NotAPublicKey),
            );
        }
        check(
            &ED25519.replace("PUBLIC KEY", "RSA PUBLIC KEY"),
            Err(KeySetError::NotAPublicKey),
        );
        check(
            &ED25519.replace("MCowBQ", "MCswBQ"),
            Err(KeySetError::NotAPublicKey),
        );
    }

    #[test]
    fn a_key_that_cannot_be_used_is_an_error_with_its_reason() {
        // The object identifier of X25519 ends in 110 where that of Ed25519 ends in 112.
        check(
            &ED25519.replace("K2VwAyE", "K2VuAyE"),
            Err(KeySetError::Unusable(SkipReason::UnknownKeyType)),
        );
        let neutral = format!("AyEAAQ{}", "A".repeat(40) + "A=");
        let (head, _) = ED25519.split_once("AyEA").unwrap();
        let small = format!("{head}{neutral}\n-----END PUBLIC KEY-----");
        check(
            &small,
            Err(KeySetError::Unusable(SkipReason::SmallOrderPoint)),
        );
    }

    #[test]
    fn any_kid_may_mean_any_key() {
        let keys = KeySet::from_pem(ED25519.as_bytes()).unwrap();
        super::check(&keys, None, EdDsa, Ok(1));
        super::check(&keys, Some("whatever the issuer calls it"), EdDsa, Ok(1));
        super::check(&keys, Some("1"), Es256, Err("unknown_key"));
        super::check(
            &keys.for_issuer("https://id.example.com"),
            Some("1"),
            EdDsa,
            Ok(1),
        );
    }

    #[test]
    fn pem_and_jwk_of_a_key_are_the_same_key() {
        let Some(vectors) = crate::vectors::open() else {
            return;
        };
        for file in [
            "ecdsa_secp256r1_sha256_p1363_test.json",
            "ecdsa_secp384r1_sha384_p1363_test.json",
            "ecdsa_secp521r1_sha512_p1363_test.json",
            "ed25519_test.json",
            "rsa_signature_2048_sha256_test.json",
        ] {
            let file: Value = vectors.json(format!("wycheproof/{file}"));
            let group = &file["testGroups"][0];
            let jwk = group
                .get("publicKeyJwk")
                .or_else(|| group.get("keyJwk"))
                .unwrap();
            let of_jwk = set(&[jwk.to_string()]);
            let mut pems = vec![group["publicKeyPem"].as_str().unwrap().to_owned()];
            if let Some(pkcs1) = group["publicKeyAsn"].as_str() {
                let body = STANDARD.encode(crate::vectors::hex(pkcs1));
                pems.push(format!(
                    "-----BEGIN RSA PUBLIC KEY-----\n{body}\n-----END RSA PUBLIC KEY-----"
                ));
            }
            for pem in pems {
                let of_pem = KeySet::from_pem(pem.as_bytes()).unwrap();
                assert_eq!(of_pem.0.keys[0].1.material(), of_jwk.0.keys[0].1.material());
            }
        }
        let weak = vectors.bytes("peer-fixtures/jpadilla__pyjwt/tests/keys/testkey_pkcs1.pub.pem");
        assert_eq!(
            KeySet::from_pem(&weak).err(),
            Some(KeySetError::Unusable(SkipReason::RsaTooSmall))
        );
    }
}
