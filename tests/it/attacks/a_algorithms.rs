//! A: the token has a say in how it is verified, or a key is taken for one of another kind.

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use portcullis::{Algorithm, KeySet};
use serde_json::{Value, json};

use super::forge::{encode, hmac_signed, pem, resigned, split, wrappings};
use super::{Case, Target, check, check_with};
use crate::support::reason;

pub(super) fn cases(target: &Target) -> Vec<Case> {
    [
        none(target),
        hmac_with_a_public_key(target),
        hmac_without_a_key(target),
        other_than_the_keys(target),
        several_or_no_compact(target),
        malleable_ed25519(target),
    ]
    .concat()
}

fn none(target: &Target) -> Vec<Case> {
    let texts = [
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        " none",
        "none\0",
        "none\n",
        "n\u{43e}ne",
        "\u{ff4e}one",
        "\u{feff}none",
        "",
        "no",
        "null",
        "plain",
        "unsecured",
    ];
    let others = [
        json!(null),
        json!(false),
        json!(0),
        json!([]),
        json!(["none"]),
        json!({}),
    ];
    let with = |alg: Value, reason| {
        let signed = target.token().header("alg", &alg).sign();
        [
            Case::new(
                format!("alg {alg}, unsigned"),
                resigned(&signed, ""),
                reason,
            ),
            Case::new(format!("alg {alg}, signed"), signed, reason),
        ]
    };
    let mut cases: Vec<_> = texts
        .into_iter()
        .flat_map(|text| with(text.into(), "unsupported_algorithm"))
        .chain(
            others
                .into_iter()
                .flat_map(|other| with(other, "malformed")),
        )
        .collect();
    let good = target.good();
    let input = split(&good).0;
    for (what, token) in [
        ("no alg", target.token().without_header("alg").sign()),
        ("a signature of nothing", format!("{input}.")),
        ("no signature", input.to_owned()),
    ] {
        cases.push(Case::new(what, token, "malformed"));
    }
    cases
}

#[test]
fn a1_none_in_every_spelling_is_no_algorithm() {
    check(&none(Target::shared()), 47);
}

fn hmac_with_a_public_key(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        let token = target.token().algorithm(algorithm);
        for (secret, bytes) in wrappings(&target.jwk(algorithm)) {
            let hmac = if secret.starts_with("PEM of") {
                &["HS256", "HS384", "HS512"][..]
            } else {
                &["HS256"]
            };
            for alg in hmac {
                let token = hmac_signed(&token.clone().header("alg", alg).sign(), alg, &bytes);
                cases.push(Case::new(
                    format!("{alg} with {secret}"),
                    token,
                    "unsupported_algorithm",
                ));
            }
            // Where the header keeps the algorithm of the key, the MAC is a wrong signature.
            let token = hmac_signed(&token.clone().sign(), "HS256", &bytes);
            let what = format!("{algorithm} which is HMAC with {secret}");
            cases.push(Case::new(what, token, "invalid_signature"));
        }
    }
    cases
}

#[test]
fn a2_no_wrapping_of_a_public_key_is_a_secret() {
    check(&hmac_with_a_public_key(Target::shared()), 3 * (13 + 2 + 13));
}

fn hmac_without_a_key(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for alg in ["HS256", "HS384", "HS512"] {
        for (what, secret) in [("no", 0), ("one", 1), ("32", 32)] {
            let token = target.token().header("alg", alg).sign();
            let token = hmac_signed(&token, alg, &vec![0; secret]);
            let what = format!("{alg} with a key of {what} zero bytes");
            cases.push(Case::new(what, token, "unsupported_algorithm"));
        }
    }
    cases
}

#[test]
fn a3_an_empty_secret_is_no_key() {
    check(&hmac_without_a_key(Target::shared()), 9);
}

/// A symmetric key that an issuer publishes, or a key that lost its `alg`, opens no way to HMAC.
#[test]
fn a3_a_secret_that_is_published_verifies_nothing() {
    let target = Target::shared();
    let mut keys: Value = serde_json::from_str(&target.issuer.jwks()).unwrap();
    let mut without_alg = target.jwk(Algorithm::Rs256);
    without_alg.as_object_mut().unwrap().remove("alg");
    without_alg["kid"] = "without-alg".into();
    let keys_of = keys["keys"].as_array_mut().unwrap();
    keys_of.push(json!({ "kty": "oct", "kid": "empty", "k": "", "alg": "HS256" }));
    keys_of.push(json!({ "kty": "oct", "kid": "secret", "k": encode("secret") }));
    keys_of.push(without_alg);
    let mut cases = Vec::new();
    for (kid, secret) in [("empty", ""), ("secret", "secret"), ("without-alg", "")] {
        let token = |alg| target.token().key_id(kid).header("alg", alg).sign();
        let hmac = hmac_signed(&token("HS256"), "HS256", secret.as_bytes());
        cases.push(Case::new(kid, hmac, "unsupported_algorithm"));
        let found = match kid {
            "without-alg" => "algorithm_mismatch",
            _ => "unknown_key",
        };
        cases.push(Case::new(kid, token("ES256"), found));
    }
    check_with(&target.verifier_with(&keys.to_string()), &cases);
}

fn other_than_the_keys(target: &Target) -> Vec<Case> {
    use Algorithm::{EdDsa, Es256, Es384, Es512, Rs256};

    let mut cases = Vec::new();
    let mut add = |named: Algorithm, alg: &str, token| {
        let what = format!("{alg} under the key for {named}");
        cases.push(Case::new(what, token, "algorithm_mismatch"));
    };
    // Signed by another key of the issuer, under the name of the first.
    for (named, signs) in [
        (Es256, Es384),
        (Es256, Rs256),
        (Es256, EdDsa),
        (Es384, Es256),
        (Es512, Es384),
        (EdDsa, Es256),
        (Rs256, EdDsa),
    ] {
        let key_id = target.key_id(named);
        let token = target.token().algorithm(signs).key_id(&key_id).sign();
        add(named, &signs.to_string(), token);
    }
    // Signed by the key that is named, which has another algorithm than the header.
    for (named, alg) in [
        (Rs256, "PS256"),
        (Rs256, "RS512"),
        (Es256, "ES384"),
        (EdDsa, "ML-DSA-44"),
    ] {
        let token = target.token().algorithm(named).header("alg", alg).sign();
        add(named, alg, token);
    }
    cases
}

#[test]
fn a4_the_header_agrees_with_the_key() {
    check(&other_than_the_keys(Target::shared()), 11);
}

#[test]
fn a5_a_key_without_alg_serves_what_is_configured_and_no_more() {
    let target = Target::shared();
    let key = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let public = key.public_key();
    let jwk = json!({
        "kty": "RSA",
        "kid": "without-alg",
        "n": encode(public.modulus().big_endian_without_leading_zero()),
        "e": encode(public.exponent().big_endian_without_leading_zero()),
    });
    let keys = KeySet::from_json(json!({ "keys": [jwk] }).to_string().as_bytes()).unwrap();
    let configured = [Algorithm::Rs256, Algorithm::Ps256];
    let issuer = portcullis::Issuer::keys(
        target.issuer.issuer(),
        keys,
        portcullis::Audience::of(portcullis::testing::AUDIENCE),
    );
    let verifier = portcullis::Verifier::builder()
        .issuer(issuer.algorithms(configured))
        .clock(target.clock.clone())
        .build()
        .unwrap();
    let encodings: [(&str, &'static dyn RsaEncoding, &str); 3] = [
        ("RS256", &RSA_PKCS1_SHA256, "accepted"),
        ("PS256", &RSA_PSS_SHA256, "accepted"),
        ("PS512", &RSA_PSS_SHA512, "algorithm_not_allowed"),
    ];
    for (alg, encoding, expected) in encodings {
        let unsigned = target.token().key_id("without-alg").header("alg", alg);
        let unsigned = unsigned.sign();
        let mut signature = vec![0; key.public_modulus_len()];
        let input = split(&unsigned).0.as_bytes();
        key.sign(encoding, &SystemRandom::new(), input, &mut signature)
            .unwrap();
        let outcome = verifier.verify_now(&resigned(&unsigned, signature));
        assert_eq!(reason(&outcome), expected, "{alg}");
    }
}

fn several_or_no_compact(target: &Target) -> Vec<Case> {
    let good = target.good();
    let [header, payload, signature]: [&str; 3] =
        good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let forged = encode(r#"{"iss":"x","sub":"admin"}"#);
    let one = json!({ "protected": header, "signature": signature });
    let texts = [
        (
            "flattened JSON",
            json!({ "protected": header, "payload": payload, "signature": signature }).to_string(),
        ),
        (
            "general JSON",
            json!({ "payload": payload, "signatures": [one] }).to_string(),
        ),
        (
            "general JSON with two signatures",
            json!({ "payload": payload, "signatures": [one, one] }).to_string(),
        ),
        (
            "general JSON with an unprotected header",
            json!({ "payload": payload, "signatures": [{ "header": { "alg": "none" }, "signature": "" }] })
                .to_string(),
        ),
        ("JSON without protected", json!({ "payload": payload }).to_string()),
        // CVE-2022-39227: two dots for one parser, JSON with other claims for the next.
        (
            "JSON that is compact for others",
            format!(
                r#"{{"{header}.{forged}.{signature}":"","protected":"{header}","payload":"{payload}","signature":"{signature}"}}"#
            ),
        ),
        (
            "JSON with white space that is compact for others",
            format!(
                r#"{{"  {header}.{forged}.":"","protected":"{header}", "payload":"{payload}","signature":"{signature}"}}"#
            ),
        ),
        ("a second signature", format!("{good}.{signature}")),
        ("two tokens", format!("{good}.{good}")),
        ("two tokens and a comma", format!("{good},{good}")),
        ("two tokens and a space", format!("{good} {good}")),
        ("a dot before", format!(".{good}")),
        ("a dot behind", format!("{good}.")),
        ("no header", format!(".{payload}.{signature}")),
        ("two parts", format!("{header}.{payload}")),
        ("one part", header.to_owned()),
        ("nothing", String::new()),
    ];
    texts
        .map(|(what, text)| Case::new(what, text, "malformed"))
        .to_vec()
}

#[test]
fn a7_one_compact_serialization_and_nothing_else() {
    check(&several_or_no_compact(Target::shared()), 17);
}

/// With an exponent of one the padded digest is its own signature: nobody's private key is needed.
#[test]
fn a8_a_signature_forged_for_an_exponent_of_one_finds_no_key() {
    let target = Target::shared();
    let mut keys: Value = serde_json::from_str(&target.issuer.jwks()).unwrap();
    let mut weak = target.jwk(Algorithm::Rs256);
    weak["kid"] = "weak".into();
    weak["e"] = encode([1]).into();
    keys["keys"].as_array_mut().unwrap().push(weak);
    let token = target
        .token()
        .algorithm(Algorithm::Rs256)
        .key_id("weak")
        .sign();
    let digest = digest::digest(&digest::SHA256, split(&token).0.as_bytes());
    let info = [DIGEST_INFO_SHA256, digest.as_ref()].concat();
    let padding = vec![0xff; 256 - 3 - info.len()];
    let padded = [&[0, 1], &padding[..], &[0], &info].concat();
    let forged = Case::new("e = 1", resigned(&token, padded), "unknown_key");
    check_with(&target.verifier_with(&keys.to_string()), &[forged]);
    let skipped = KeySet::from_json(keys.to_string().as_bytes()).unwrap();
    assert_eq!(skipped.skipped().len(), 1, "the weak key is left out");
    // Nor may a PEM have it.
    let e = encode([1]);
    let mut jwk = target.jwk(Algorithm::Rs256);
    jwk["e"] = e.into();
    let der = wrappings(&jwk)
        .into_iter()
        .find(|(what, _)| what.starts_with("DER"));
    assert!(KeySet::from_pem(pem("PUBLIC KEY", &der.unwrap().1).as_bytes()).is_err());
}

const DIGEST_INFO_SHA256: &[u8] =
    b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20";

/// A genuine Ed25519 signature whose scalar is larger by the order of the group.
fn malleable_ed25519(target: &Target) -> Vec<Case> {
    let token = target.token().algorithm(Algorithm::EdDsa).sign();
    let mut signature = split(&token).1;
    let mut carry = 0;
    for (byte, order) in signature[32..].iter_mut().zip(GROUP_ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert_eq!(carry, 0, "it still fits");
    let mut identity = vec![0; 64];
    identity[0] = 1;
    vec![
        Case::new("S + L", resigned(&token, signature), "invalid_signature"),
        Case::new(
            "R the identity and S zero",
            resigned(&token, identity),
            "invalid_signature",
        ),
    ]
}

const GROUP_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn a9_an_ed25519_signature_has_one_form() {
    check(&malleable_ed25519(Target::shared()), 2);
}
