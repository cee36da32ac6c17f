use serde_json::{Value, json};

use super::*;

/// Parses the key and says what it can verify, or why it was skipped.
fn parse(key: &str) -> Result<VerificationKey, SkipReason> {
    let json = serde_json::from_str::<&RawValue>(key).unwrap();
    VerificationKey::parse(json).map_err(|skipped| skipped.reason)
}

#[track_caller]
fn check(key: impl AsRef<str>, expected: Result<&[Algorithm], SkipReason>) {
    let key = key.as_ref();
    let serves = |key: VerificationKey| {
        Algorithm::ALL
            .iter()
            .copied()
            .filter(|&algorithm| key.fits(algorithm))
            .collect::<Vec<_>>()
    };
    assert_eq!(parse(key).map(serves), expected.map(<[_]>::to_vec), "{key}");
}

/// A good key with some members changed; `null` removes one.
fn with(mut key: Value, changes: Value) -> String {
    let members = key.as_object_mut().unwrap();
    let Value::Object(changes) = changes else {
        panic!("changes are members");
    };
    members.extend(changes);
    members.retain(|_, value| !value.is_null());
    key.to_string()
}

fn rsa() -> Value {
    json!({"kty": "RSA", "kid": "r", "e": "AQAB", "n": RSA_MODULUS})
}

fn ec() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "e",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    })
}

fn okp() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})
}

fn akp() -> Value {
    json!({"kty": "AKP", "alg": "ML-DSA-44", "kid": "a", "pub": "A".repeat(1312 / 3 * 4 + 2)})
}

const RSA_MODULUS: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";

const RSA: &[Algorithm] = &[
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];
const BOTH_NAMES: &[Algorithm] = &[Algorithm::EdDsa, Algorithm::Ed25519];

/// ML-DSA is what one backend lacks.
fn ml_dsa(algorithms: &[Algorithm]) -> Result<&[Algorithm], SkipReason> {
    if cfg!(feature = "aws-lc-rs") {
        Ok(algorithms)
    } else {
        Err(SkipReason::UnsupportedByBackend)
    }
}

#[test]
fn a_key_without_alg_serves_all_its_kind_can() {
    check(rsa().to_string(), Ok(RSA));
    check(ec().to_string(), Ok(&[Algorithm::Es256]));
    check(okp().to_string(), Ok(BOTH_NAMES));
}

#[test]
fn a_key_with_alg_serves_that_one() {
    check(
        with(rsa(), json!({"alg": "PS384"})),
        Ok(&[Algorithm::Ps384]),
    );
    check(with(ec(), json!({"alg": "ES256"})), Ok(&[Algorithm::Es256]));
    check(akp().to_string(), ml_dsa(&[Algorithm::MlDsa44]));
}

#[test]
fn both_names_of_ed25519_count_as_equal() {
    check(with(okp(), json!({"alg": "EdDSA"})), Ok(BOTH_NAMES));
    check(with(okp(), json!({"alg": "Ed25519"})), Ok(BOTH_NAMES));
}

#[test]
fn an_alg_that_is_not_verified_here_skips_the_key() {
    for alg in [
        "RSA-OAEP",
        "RSA1_5",
        "SHA256",
        "ES521",
        "ES256K",
        "HS256",
        "none",
        "",
        "rs256",
        "UNKNOWN_ALGORITHM",
    ] {
        check(
            with(rsa(), json!({"alg": alg})),
            Err(SkipReason::UnsupportedAlgorithm),
        );
        check(
            with(ec(), json!({"alg": alg})),
            Err(SkipReason::UnsupportedAlgorithm),
        );
    }
    check(
        with(akp(), json!({"alg": "ML-DSA-44-ES256"})),
        Err(SkipReason::UnsupportedAlgorithm),
    );
}

#[test]
fn an_alg_for_another_kind_skips_the_key() {
    check(
        with(rsa(), json!({"alg": "ES256"})),
        Err(SkipReason::AlgorithmMismatch),
    );
    check(
        with(ec(), json!({"alg": "ES384"})),
        Err(SkipReason::AlgorithmMismatch),
    );
    check(
        with(ec(), json!({"alg": "RS256"})),
        Err(SkipReason::AlgorithmMismatch),
    );
    check(
        with(okp(), json!({"alg": "ES256"})),
        Err(SkipReason::AlgorithmMismatch),
    );
    check(
        with(akp(), json!({"alg": "EdDSA"})),
        Err(SkipReason::AlgorithmMismatch),
    );
}

#[test]
fn an_akp_key_needs_alg_and_a_key_of_its_length() {
    check(
        with(akp(), json!({"alg": null})),
        Err(SkipReason::MalformedMember),
    );
    check(
        with(akp(), json!({"alg": "ML-DSA-65"})),
        Err(SkipReason::MalformedMember),
    );
    check(
        with(akp(), json!({"pub": null})),
        Err(SkipReason::MalformedMember),
    );
    check(
        with(akp(), json!({"pub": "AA"})),
        Err(SkipReason::MalformedMember),
    );
}

#[test]
fn only_an_object_is_a_key() {
    for key in ["null", "1", "\"RSA\"", "[]", "true", "[{\"kty\":\"RSA\"}]"] {
        check(key, Err(SkipReason::NotAnObject));
    }
    check("{}", Err(SkipReason::MalformedMember));
}

#[test]
fn the_key_type_is_a_known_text() {
    for kty in ["", "rsa", "buz", "Ec", "EC "] {
        check(
            with(ec(), json!({"kty": kty})),
            Err(SkipReason::UnknownKeyType),
        );
    }
    check(
        with(ec(), json!({"kty": 7})),
        Err(SkipReason::MalformedMember),
    );
    check(
        with(ec(), json!({"kty": ["EC"]})),
        Err(SkipReason::MalformedMember),
    );
    // With the members of another type, the needed ones are missing.
    check(
        with(ec(), json!({"kty": "RSA"})),
        Err(SkipReason::MalformedMember),
    );
}

#[test]
fn symmetric_and_private_keys_are_skipped() {
    check(
        r#"{"kty":"oct","k":"c2VjcmV0"}"#,
        Err(SkipReason::Symmetric),
    );
    check(
        r#"{"kty":"oct","k":"","alg":"HS256","use":"sig"}"#,
        Err(SkipReason::Symmetric),
    );
    for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"] {
        check(with(rsa(), json!({name: "AQ"})), Err(SkipReason::Private));
        check(with(ec(), json!({name: 7})), Err(SkipReason::Private));
    }
    check(with(okp(), json!({"d": ""})), Err(SkipReason::Private));
    check(with(akp(), json!({"priv": "AA"})), Err(SkipReason::Private));
}

#[test]
fn a_key_for_another_use_is_skipped() {
    check(with(ec(), json!({"use": "sig"})), Ok(&[Algorithm::Es256]));
    for other in ["enc", "tls", "jwt-svid", "x509-svid", "", "SIG"] {
        check(with(ec(), json!({"use": other})), Err(SkipReason::OtherUse));
    }
    check(
        with(ec(), json!({"key_ops": ["verify"]})),
        Ok(&[Algorithm::Es256]),
    );
    check(
        with(ec(), json!({"key_ops": ["sign", "verify"]})),
        Ok(&[Algorithm::Es256]),
    );
    check(
        with(ec(), json!({"key_ops": ["sign"]})),
        Err(SkipReason::OtherUse),
    );
    check(
        with(ec(), json!({"key_ops": []})),
        Err(SkipReason::OtherUse),
    );
    check(
        with(ec(), json!({"use": "enc", "key_ops": ["verify"]})),
        Err(SkipReason::OtherUse),
    );
    check(
        with(ec(), json!({"use": "sig", "key_ops": ["encrypt"]})),
        Err(SkipReason::OtherUse),
    );
}

#[test]
fn a_member_that_is_read_is_of_its_type() {
    for (name, value) in [
        ("use", json!(["sig"])),
        ("key_ops", json!("verify")),
        ("key_ops", json!([1])),
        ("alg", json!(["ES256"])),
        ("kid", json!(1)),
        ("issuer", json!({})),
        ("crv", json!(256)),
        ("x", json!(7)),
    ] {
        check(
            with(ec(), json!({name: value})),
            Err(SkipReason::MalformedMember),
        );
    }
    for name in ["use", "alg", "kid", "issuer", "key_ops"] {
        let key = ec()
            .to_string()
            .replacen('{', &format!("{{\"{name}\":null,"), 1)
            .replacen(r#""kid":"e","#, "", 1);
        check(key, Err(SkipReason::MalformedMember));
    }
}

#[test]
fn members_that_are_not_read_may_be_anything() {
    check(
        with(
            ec(),
            json!({"x5c": 7, "x5t": [], "acr": ["x"], "exp": 1.5e300}),
        ),
        Ok(&[Algorithm::Es256]),
    );
    let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
    check(
        ec().to_string()
            .replacen('{', &format!("{{\"x5c\":{deep},"), 1),
        Ok(&[Algorithm::Es256]),
    );
}

#[test]
fn a_member_that_stands_twice_skips_the_key() {
    let key = ec().to_string();
    check(
        key.replacen('{', r#"{"kid":"other","#, 1),
        Err(SkipReason::DuplicateMember),
    );
    check(
        key.replacen('{', r#"{"\u006bid":"other","#, 1),
        Err(SkipReason::DuplicateMember),
    );
    check(
        key.replacen('{', r#"{"unread":1,"unread":1,"#, 1),
        Err(SkipReason::DuplicateMember),
    );
    check(
        key.replacen('{', r#"{"a\ud800":1,"#, 1),
        Err(SkipReason::MalformedMember),
    );
}

#[test]
fn a_kid_has_at_most_256_bytes() {
    check(
        with(ec(), json!({"kid": "k".repeat(256)})),
        Ok(&[Algorithm::Es256]),
    );
    check(
        with(ec(), json!({"kid": "k".repeat(257)})),
        Err(SkipReason::MalformedMember),
    );
    check(with(ec(), json!({"kid": ""})), Ok(&[Algorithm::Es256]));
    assert_eq!(
        parse(&with(ec(), json!({"kid": null}))).unwrap().key_id(),
        None
    );
    assert_eq!(
        parse(&with(ec(), json!({"kid": "\u{202e}\n"})))
            .unwrap()
            .key_id(),
        Some("\u{202e}\n")
    );
}

#[test]
fn numbers_are_base64_of_either_alphabet_padded_or_not_and_canonical() {
    let x = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
    check(
        with(ec(), json!({"x": format!("{x}=")})),
        Ok(&[Algorithm::Es256]),
    );
    let rsa_in_the_other_alphabet = RSA_MODULUS.replace('-', "+").replace('_', "/");
    assert_ne!(rsa_in_the_other_alphabet, RSA_MODULUS);
    assert!(parse(&with(rsa(), json!({"n": rsa_in_the_other_alphabet}))).is_ok());
    // The last character has two bits to spare; U is the one where they are zero.
    for wrong in [
        format!("{x} "),
        format!("{x}=="),
        x.replace("VEU", "VEV"),
        format!("{x}A"),
        format!("{x}+_"),
    ] {
        check(
            with(ec(), json!({"x": wrong})),
            Err(SkipReason::MalformedMember),
        );
    }
}

#[test]
fn leading_zeros_of_rsa_numbers_are_dropped() {
    // Java writes the sign of a number as a zero byte.
    let n = format!("AKH4FgrixcNlzw{}", "A".repeat(328));
    check(with(rsa(), json!({"n": n + "E"})), Ok(RSA));
    check(with(rsa(), json!({"e": "AAEAAQ"})), Ok(RSA));
    let KeyMaterial::Rsa { n, e } = parse(&with(rsa(), json!({"e": "AAEAAQ"})))
        .unwrap()
        .material()
        .clone()
    else {
        panic!("not an RSA key")
    };
    assert_eq!((n.len(), &*e), (256, &[1, 0, 1][..]));
}

#[test]
fn weak_rsa_keys_are_skipped() {
    check(
        with(rsa(), json!({"n": "_".repeat(172)})),
        Err(SkipReason::RsaTooSmall),
    );
    check(
        with(rsa(), json!({"n": "_".repeat(5464)})),
        Err(SkipReason::RsaTooLarge),
    );
    // The largest that fits a document of 512 KiB.
    check(
        with(rsa(), json!({"n": "_".repeat(520_000)})),
        Err(SkipReason::RsaTooLarge),
    );
    check(
        with(rsa(), json!({"n": RSA_MODULUS.replace("poQ", "poA")})),
        Err(SkipReason::RsaEvenModulus),
    );
    for e in ["", "AA", "AQ", "Ag", "BA", "AQAAAAE"] {
        check(
            with(rsa(), json!({"e": e})),
            Err(SkipReason::RsaBadExponent),
        );
    }
    check(
        with(rsa(), json!({"e": RSA_MODULUS})),
        Err(SkipReason::RsaBadExponent),
    );
    check(with(rsa(), json!({"e": "Aw"})), Ok(RSA));
}

#[test]
fn a6_coordinates_are_as_long_as_the_field() {
    let y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
    check(
        with(ec(), json!({"y": format!("AA{y}")})),
        Err(SkipReason::MalformedMember),
    );
    check(
        with(ec(), json!({"y": &y[..42]})),
        Err(SkipReason::MalformedMember),
    );
    check(
        with(ec(), json!({"y": ""})),
        Err(SkipReason::MalformedMember),
    );
    check(
        with(ec(), json!({"crv": "P-384"})),
        Err(SkipReason::MalformedMember),
    );
}

#[test]
fn a_point_is_on_its_curve() {
    check(
        with(
            ec(),
            json!({"y": "y_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}),
        ),
        Err(SkipReason::InvalidPoint),
    );
    let zero = "A".repeat(43);
    check(
        with(ec(), json!({"x": zero, "y": zero})),
        Err(SkipReason::InvalidPoint),
    );
}

#[test]
fn other_curves_are_skipped() {
    for crv in [
        "secp256k1",
        "BP-256",
        "brainpoolP256r1",
        "P-256K",
        "p-256",
        "Ed25519",
        "",
    ] {
        check(
            with(ec(), json!({"crv": crv})),
            Err(SkipReason::UnsupportedCurve),
        );
    }
    for crv in ["X25519", "Ed448", "X448", "P-256", "ed25519"] {
        check(
            with(okp(), json!({"crv": crv})),
            Err(SkipReason::UnsupportedCurve),
        );
    }
    check(
        with(ec(), json!({"crv": null})),
        Err(SkipReason::MalformedMember),
    );
}

fn okp_with(x: &[u8]) -> String {
    use base64::Engine as _;
    with(
        okp(),
        json!({"x": base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(x)}),
    )
}

#[test]
fn ed25519_keys_of_small_order_are_skipped() {
    let small = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    for y in small {
        let mut x = crate::vectors::hex(y);
        check(okp_with(&x), Err(SkipReason::SmallOrderPoint));
        x[31] |= 0x80;
        check(okp_with(&x), Err(SkipReason::SmallOrderPoint));
    }
}

#[test]
fn ed25519_keys_are_canonical() {
    let largest = |first: u8| {
        let mut x = [0xff; 32];
        x[0] = first;
        x[31] = 0x7f;
        x
    };
    // From p on, which is 2^255 - 19, y is another name of y - p.
    for first in 0xed..=0xff {
        let mut x = largest(first);
        check(okp_with(&x), Err(SkipReason::InvalidPoint));
        x[31] = 0xff;
        check(okp_with(&x), Err(SkipReason::InvalidPoint));
    }
    check(okp_with(&largest(0xec)), Err(SkipReason::SmallOrderPoint));
    // One less in a middle byte is below p again.
    let mut below = largest(0xff);
    below[16] = 0xfe;
    assert_ne!(
        parse(&okp_with(&below)).err(),
        Some(SkipReason::SmallOrderPoint)
    );
    check(okp_with(&[9; 31]), Err(SkipReason::MalformedMember));
    check(okp_with(&[9; 33]), Err(SkipReason::MalformedMember));
}

#[test]
fn what_a_skipped_key_is_called_is_kept_and_shown_escaped() {
    let json = serde_json::from_str::<&RawValue>(r#"{"kty":"oct","kid":"a\n\u001b"}"#).unwrap();
    let skipped = VerificationKey::parse(json).err().unwrap();
    assert_eq!(skipped.key_id.as_deref(), Some("a\n\u{1b}"));
    let skipped = SkippedKey::new(3, skipped.key_id, skipped.reason);
    assert_eq!(skipped.key_id(), Some("a\n\u{1b}"));
    let shown = format!("{skipped:?}");
    assert_eq!(
        shown,
        r#"SkippedKey { index: 3, key_id: Some("a\u{a}\u{1b}"), reason: Symmetric }"#
    );
}

#[test]
fn a_key_shows_its_name_and_algorithms_and_no_material() {
    let key = parse(&with(ec(), json!({"issuer": "https://id.example.com"}))).unwrap();
    assert_eq!(key.issuer(), Some("https://id.example.com"));
    assert_eq!(
        format!("{key:?}"),
        r#"VerificationKey { key_id: Some("e"), algorithms: {Es256}, .. }"#
    );
    assert_eq!(format!("{:?}", key.material()), "P256 [redacted]");
}

#[test]
fn codes_are_the_snake_case_that_is_documented() {
    assert_eq!(SkipReason::Private.code(), "private_key");
    assert_eq!(SkipReason::NoBackend.code(), "no_backend");
    assert_eq!(
        SkipReason::RsaTooSmall.to_string(),
        "RSA modulus is under 2048 bits"
    );
}
