//! An issuer with one fixed key, for the tests of the edge.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};

use crate::{Audience, Issuer, KeySet, Verifier};

pub(crate) const ISSUER: &str = "https://id.example.com";

/// Accepts what [`token`] makes, from a key that is at hand.
pub(crate) fn verifier() -> Verifier {
    let keys = KeySet::from_json(JWKS.as_bytes()).unwrap();
    Verifier::new(Issuer::keys(ISSUER, keys, Audience::of("orders"))).unwrap()
}

/// As [`verifier`], of a second issuer's tokens too.
pub(crate) fn verifier_of_two() -> Verifier {
    let issuer = |name| {
        let keys = KeySet::from_json(JWKS.as_bytes()).unwrap();
        Issuer::keys(name, keys, Audience::of("orders"))
    };
    let both = Verifier::builder().issuer(issuer(ISSUER));
    both.issuer(issuer("https://id.example.org"))
        .build()
        .unwrap()
}

/// A token of alice's that is valid for long, with these claims besides or instead.
pub(crate) fn token(claims: &Value) -> String {
    signed("fixed", claims)
}

/// As [`token`], naming a key that the issuer does not have.
pub(crate) fn token_of_unknown_key() -> String {
    signed("another", &json!({}))
}

fn signed(key_id: &str, claims: &Value) -> String {
    let mut all =
        json!({ "iss": ISSUER, "aud": "orders", "sub": "alice", "exp": 32_503_680_000_u64 });
    all.as_object_mut()
        .unwrap()
        .extend(claims.as_object().unwrap().clone());
    let header = Header {
        kid: Some(key_id.to_owned()),
        ..Header::new(jsonwebtoken::Algorithm::EdDSA)
    };
    encode(&header, &all, &EncodingKey::from_ed_der(PRIVATE_KEY)).unwrap()
}

/// The key pair of RFC 8037 appendix A, as a JWK Set and as PKCS #8.
pub(crate) const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"fixed",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
const PRIVATE_KEY: &[u8] = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20\
    \x9d\x61\xb1\x9d\xef\xfd\x5a\x60\xba\x84\x4a\xf4\x92\xec\x2c\xc4\
    \x44\x49\xc5\x69\x7b\x32\x69\x19\x70\x3b\xac\x03\x1c\xae\x7f\x60";
