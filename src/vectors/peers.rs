//! Fixtures that peers test themselves with.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde_json::Value;

use super::{BACKEND, Tally, Vectors, open};
use crate::{Algorithm, Audience, Issuer, KeySet, KeySetError, SkipReason, Verifier};

const IDENTITY_MODEL: &str = "AzureAD__azure-activedirectory-identitymodel-extensions-for-dotnet/test/\
    Microsoft.IdentityModel.Protocols.OpenIdConnect.Tests";
const FUSION_AUTH: &str = "FusionAuth__fusionauth-jwt/src/test/resources/jwk";
const MOD_AUTH_OPENIDC: &str = "OpenIDC__mod_auth_openidc/test/fuzz/corpus";
const PYJWT: &str = "jpadilla__pyjwt/tests/keys";
const JWT_VERIFY_LIB: &str = "google__jwt_verify_lib/test/fuzz/corpus/jwt_verify_lib_fuzz_test";

fn read(vectors: &Vectors, file: &str) -> Vec<u8> {
    vectors.bytes(format!("peer-fixtures/{file}"))
}

/// Names of the files in a folder of fixtures.
fn names(vectors: &Vectors, folder: &str) -> BTreeSet<String> {
    let files = vectors.files(format!("peer-fixtures/{folder}"));
    let name = |file: &std::path::PathBuf| file.file_name().unwrap().to_str().unwrap().to_owned();
    files.iter().map(name).collect()
}

#[test]
fn sets_of_keys() {
    let Some(vectors) = open() else { return };
    /// The file, how many keys are used, and which are not and why.
    type Set = (
        &'static str,
        &'static str,
        usize,
        &'static [(usize, &'static str)],
    );
    let sets: &[Set] = &[
        // The second of these has `alg: SHA256`.
        (
            IDENTITY_MODEL,
            "JsonWebKeySet.json",
            0,
            &[(0, "other_use"), (1, "unsupported_algorithm")],
        ),
        // What is bad about these two is in `x5c`, which is not read.
        (IDENTITY_MODEL, "JsonWebKeySetBadBase64Data.json", 2, &[]),
        (IDENTITY_MODEL, "JsonWebKeySetBadX509Data.json", 2, &[]),
        (
            IDENTITY_MODEL,
            "JsonWebKeySetBadRsaDataMissingComponent.json",
            0,
            &[
                (0, "malformed_member"),
                (1, "other_use"),
                (2, "malformed_member"),
            ],
        ),
        (IDENTITY_MODEL, "JsonWebKeySetEnd2End.json", 2, &[]),
        (
            IDENTITY_MODEL,
            "JsonWebKeySetSingleX509Data.json",
            0,
            &[(0, "malformed_member")],
        ),
        (
            IDENTITY_MODEL,
            "JsonWebKeySetUnrecognizedKty.json",
            0,
            &[(0, "other_use"), (1, "symmetric_key")],
        ),
        (IDENTITY_MODEL, "PingLabsJWKS.json", 3, &[]),
        (
            MOD_AUTH_OPENIDC,
            "jwks/set-bad-kty",
            0,
            &[(0, "unknown_key_type")],
        ),
        (MOD_AUTH_OPENIDC, "jwks/set-empty", 0, &[]),
        (
            MOD_AUTH_OPENIDC,
            "jwks/set-good-then-bad",
            1,
            &[(1, "symmetric_key"), (2, "unknown_key_type")],
        ),
        (
            MOD_AUTH_OPENIDC,
            "jwks/set-rsa-ec-oct",
            2,
            &[(2, "symmetric_key")],
        ),
        // Certificates alone make no key.
        (
            MOD_AUTH_OPENIDC,
            "jwks/set-x5c-real",
            0,
            &[(0, "malformed_member")],
        ),
        (
            PYJWT,
            "jwk_keyset_only_unknown_alg.json",
            0,
            &[(0, "other_use")],
        ),
        (
            PYJWT,
            "jwk_keyset_with_unknown_alg.json",
            1,
            &[(1, "other_use")],
        ),
    ];
    let mut tally = Tally::of(format!("peers' JWK Sets, {BACKEND}"));
    let mut published = 0;
    for (folder, name, usable, skipped) in sets {
        let text = read(&vectors, &format!("{folder}/{name}"));
        let document: Value = serde_json::from_slice(&text).unwrap();
        published += document["keys"].as_array().unwrap().len();
        tally.judge_keys(name, &KeySet::from_json(&text).unwrap(), *usable, skipped);
    }
    tally.report(published);
}

/// Nothing else among the fixtures is a set; one of them would be, but for its byte order mark.
#[test]
fn no_other_fixture_is_a_set() {
    let Some(vectors) = open() else { return };
    let files = vectors.files("peer-fixtures");
    let sets = files.iter().filter(|file| {
        let keys = KeySet::from_json(&vectors.bytes(file));
        assert!(keys.is_ok() || keys.err() == Some(KeySetError::NotAJwkSet));
        KeySet::from_json(&vectors.bytes(file)).is_ok()
    });
    assert_eq!(sets.count(), 15);
    let mut marked = read(
        &vectors,
        &format!("{IDENTITY_MODEL}/JsonWebKeySetEnd2EndEC.json"),
    );
    assert_eq!(marked.drain(..3).as_slice(), b"\xef\xbb\xbf");
    let keys = KeySet::from_json(&marked).unwrap();
    // Its third key is for "ES521".
    let skipped = keys
        .skipped()
        .iter()
        .map(|key| (key.index(), key.reason().code()));
    assert_eq!(
        (keys.len(), skipped.collect()),
        (2, vec![(2, "unsupported_algorithm")])
    );
}

#[test]
fn single_keys() {
    let Some(vectors) = open() else { return };
    // A file not named here holds a key that is used.
    let skipped = |name: &str| {
        Some(match name {
            "ec_private_prime256v1_p_256_openssl_pkcs8.json"
            | "ed_dsa_ed25519_private_key.json"
            | "ed_dsa_ed448_private_key.json"
            | "ed_dsa_private_key.json"
            | "rsa_private_key_jwk_control.json"
            | "rsa_pss_private_key_2048.json"
            | "jwk_ec_key_P-256.json"
            | "jwk_ec_key_P-384.json"
            | "jwk_ec_key_P-521.json"
            | "jwk_ec_key_secp256k1.json"
            | "jwk_okp_key_Ed25519.json"
            | "jwk_okp_key_Ed448.json"
            | "jwk_rsa_key.json" => "private_key",
            "ed_dsa_ed448_certificate.json" | "ed_dsa_ed448_public_key.json" => {
                "unsupported_algorithm"
            }
            "jwk_ec_pub_secp256k1.json" | "jwk_okp_pub_Ed448.json" => "unsupported_curve",
            "jwk_hmac.json" | "oct" => "symmetric_key",
            "ec-short-coords" | "x5c-garbage" => "malformed_member",
            _ => return None,
        })
    };
    let mut tally = Tally::of(format!("peers' JWKs, {BACKEND}"));
    let mut count = 0;
    let others = ["jwk_empty.json", "empty", "not-a-jwks"];
    let is_key = |name: &&String| {
        !name.starts_with("set-") && !name.contains("keyset") && !others.contains(&name.as_str())
    };
    for folder in [FUSION_AUTH, PYJWT, &format!("{MOD_AUTH_OPENIDC}/jwks")] {
        let names = names(&vectors, folder);
        let names = names.iter().filter(|name| !name.starts_with("testkey"));
        for name in names.filter(is_key) {
            let jwk = read(&vectors, &format!("{folder}/{name}"));
            let keys = KeySet::from_json(&[b"{\"keys\":[", &jwk[..], b"]}"].concat()).unwrap();
            let skipped: Vec<_> = skipped(name).map(|code| (0, code)).into_iter().collect();
            tally.judge_keys(name, &keys, 1 - skipped.len(), &skipped);
            count += 1;
        }
    }
    assert_eq!(count, 28 + 15 + 5);
    tally.report(count);
}

#[test]
fn pem() {
    let Some(vectors) = open() else { return };
    let mut tally = Tally::of(format!("peers' PEM, {BACKEND}"));
    let files = [
        ("jpadilla__pyjwt/tests/keys/testkey2_rsa.pub.pem", Ok(1)),
        ("jpadilla__pyjwt/tests/keys/testkey_ec.pub", Ok(1)),
        ("jpadilla__pyjwt/tests/keys/testkey_ed25519.pub.pem", Ok(1)),
        (
            "jpadilla__pyjwt/tests/keys/testkey_pkcs1.pub.pem",
            Err(KeySetError::Unusable(SkipReason::RsaTooSmall)),
        ),
        (
            "jpadilla__pyjwt/tests/keys/testkey_ed25519.pem",
            Err(KeySetError::NotAPublicKey),
        ),
        (
            "jpadilla__pyjwt/tests/keys/testkey_rsa.cer",
            Err(KeySetError::NotAPublicKey),
        ),
        // The form of OpenSSH.
        (
            "jpadilla__pyjwt/tests/keys/testkey_rsa.pub",
            Err(KeySetError::NotPem),
        ),
        (
            "jpadilla__pyjwt/tests/keys/testkey_ec_ssh.pub",
            Err(KeySetError::NotPem),
        ),
        (
            "jpadilla__pyjwt/tests/keys/testkey_ed25519.pub",
            Err(KeySetError::NotPem),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/rsa-public-key",
            Ok(1),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/ec-private-key",
            Err(KeySetError::NotAPublicKey),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/rsa-private-key",
            Err(KeySetError::NotAPublicKey),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/x509-ec-cert",
            Err(KeySetError::NotAPublicKey),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/x509-rsa-cert",
            Err(KeySetError::NotAPublicKey),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/pem-truncated",
            Err(KeySetError::NotAPublicKey),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/pem-empty-body",
            Err(KeySetError::NotPem),
        ),
        (
            "OpenIDC__mod_auth_openidc/test/fuzz/corpus/pem_key/empty",
            Err(KeySetError::NotPem),
        ),
    ];
    for (file, expected) in &files {
        let keys = KeySet::from_pem(&read(&vectors, file)).map(|keys| keys.len());
        assert_eq!(keys, *expected, "{file}");
        tally.judge(file, expected.is_ok(), keys.is_ok(), None);
    }
    tally.report(17);
    let all = vectors.files("peer-fixtures");
    let good = all
        .iter()
        .filter(|file| KeySet::from_pem(&vectors.bytes(file)).is_ok());
    assert_eq!(good.count(), 4, "no other fixture is PEM");
}

#[test]
fn tokens() {
    let Some(vectors) = open() else { return };
    let mut tally = Tally::of(format!("peers' tokens, {BACKEND}"));
    let verdict = |token: &str, keys: &KeySet| {
        let outcome = crate::verify_jws(token.trim_end(), keys, Algorithm::ALL);
        outcome.err().map_or("accepted", |error| error.reason())
    };

    // The key of the one and the certificate of the other are elsewhere in that corpus.
    let set = read(&vectors, &format!("{MOD_AUTH_OPENIDC}/jwks/set-rsa-ec-oct"));
    let keys = KeySet::from_json(&set).unwrap();
    let tokens = [
        ("es256-kid-valid", "accepted"),
        ("rs256-x5t-valid", "accepted"),
        ("es256-unknown-kid", "unknown_key"),
        ("alg-kty-mismatch", "algorithm_mismatch"),
        ("alg-none", "unsupported_algorithm"),
        ("hs256", "unsupported_algorithm"),
        ("hs256-rfc-valid", "unsupported_algorithm"),
        ("regression-payload-not-json", "unsupported_algorithm"),
        ("empty", "malformed"),
        ("five-segments", "malformed"),
        ("jwe-a128kw-rfc", "malformed"),
        ("jwe-rsa-oaep-gcm-rfc", "malformed"),
        ("not-a-jwt", "malformed"),
    ];
    for (name, code) in tokens {
        let token =
            String::from_utf8(read(&vectors, &format!("{MOD_AUTH_OPENIDC}/jwt/{name}"))).unwrap();
        assert_eq!(verdict(&token, &keys), code, "{name}");
        let rule = (name == "hs256-rfc-valid").then_some("public keys only");
        tally.judge(
            name,
            code == "accepted" || rule.is_some(),
            code == "accepted",
            rule,
        );
    }
    assert_eq!(
        names(&vectors, &format!("{MOD_AUTH_OPENIDC}/jwt")).len(),
        tokens.len()
    );

    // A token and its keys in one file, as text of protobuf.
    let bundles = [
        // The key for ES512 lacks a leading zero, which RFC 7518 §6.2.1.2 demands.
        ("jwks_ec", 3, "accepted", None),
        (
            "jwks_hmac",
            0,
            "unsupported_algorithm",
            Some("public keys only"),
        ),
        ("jwks_okp", 2, "accepted", None),
        ("jwks_pem", 1, "accepted", None),
        ("jwks_rsa", 2, "accepted", None),
        (
            "jwks_x509",
            0,
            "unknown_key",
            Some("a map of certificates is no JWK Set"),
        ),
    ];
    for (name, usable, code, rule) in bundles {
        let text =
            String::from_utf8(read(&vectors, &format!("{JWT_VERIFY_LIB}/{name}.txt"))).unwrap();
        let (token, keys) = text.split_once("\njwks: ").unwrap();
        let token = token
            .strip_prefix("jwt: \"")
            .unwrap()
            .trim_end_matches(['"', '\n']);
        let keys = keys.trim().trim_matches(['"', '\'']);
        let keys = KeySet::from_json(keys.as_bytes())
            .or_else(|_| KeySet::from_pem(keys.replace("\\n", "\n").as_bytes()))
            .unwrap_or_default();
        assert_eq!(
            (keys.len(), verdict(token, &keys)),
            (usable, code),
            "{name}"
        );
        tally.judge(name, true, code == "accepted", rule);
    }
    assert_eq!(names(&vectors, JWT_VERIFY_LIB).len(), bundles.len());
    tally.report(tokens.len() + bundles.len());
}

/// Texts for other parsers too, each whole and cut short.
#[test]
fn nothing_that_peers_test_with_panics() {
    let Some(vectors) = open() else { return };
    let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let keys = KeySet::from_json(jwks.as_bytes()).unwrap();
    let issuer = Issuer::keys("https://id.example.com", keys, Audience::of("api"));
    let verifier = Verifier::new(issuer).unwrap();
    let signed = |header: &[u8], payload: &[u8]| {
        format!(
            "{}.{}.AAAA",
            BASE64URL.encode(header),
            BASE64URL.encode(payload)
        )
    };
    for file in vectors.files("peer-fixtures") {
        let text = vectors.bytes(&file);
        for length in (0..text.len()).step_by(97).chain([text.len()]) {
            let text = &text[..length];
            let _ = KeySet::from_json(text);
            let _ = KeySet::from_json(&[b"{\"keys\":[", text, b"]}"].concat());
            let _ = KeySet::from_pem(text);
            let token = String::from_utf8_lossy(text);
            let verified = crate::verify_jws(&token, &KeySet::default(), Algorithm::ALL);
            assert!(verified.is_err());
            for token in [signed(b"{\"alg\":\"ES256\"}", text), signed(text, b"{}")] {
                assert!(verifier.verify_now(&token).is_err());
            }
        }
    }
}
