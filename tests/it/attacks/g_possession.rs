//! G: tokens bound to a key. The proofs are not checked yet, so a bound token is no bearer token.

use http::StatusCode;
use serde_json::json;

use super::forge::encode;
use super::h_layers::{Door, request};
use super::{Case, Target, check};

pub(super) fn cases(target: &Target) -> Vec<Case> {
    let thumbprint = encode([7; 32]);
    let confirmations = [
        json!({ "jkt": thumbprint }),
        json!({ "x5t#S256": thumbprint }),
        json!({ "jkt": thumbprint, "x5t#S256": thumbprint }),
        json!({ "jwk": { "kty": "oct", "k": "" } }),
        json!({ "kid": "some-key-of-mine" }),
        json!({ "jku": "https://mallory.example/jwks" }),
        json!({ "osc": {} }),
        json!({ "tbh": thumbprint }),
        json!({ "of a later standard": 1 }),
        json!({}),
        json!(null),
        json!(""),
        json!([]),
        json!(false),
    ];
    confirmations
        .into_iter()
        .map(|cnf| {
            let token = target.token().claim("cnf", &cnf).sign();
            Case::new(format!("cnf {cnf}"), token, "binding_required")
        })
        .collect()
}

#[test]
fn g3_a_binding_that_is_not_checked_refuses() {
    check(&cases(Target::shared()), 14);
}

#[tokio::test]
async fn g1_a_token_bound_to_a_dpop_key_is_no_bearer_token() {
    let target = Target::shared();
    let bound = target
        .token()
        .claim("cnf", json!({ "jkt": encode([7; 32]) }))
        .sign();
    let proof = target
        .token()
        .token_type("dpop+jwt")
        .header("jwk", target.jwk(portcullis::Algorithm::Es256))
        .claim("htm", "GET")
        .claim("htu", "https://api.test/")
        .sign();
    let door = Door::new(target.verifier.clone());
    for (scheme, token, proofs, expected) in [
        ("Bearer", &bound, 0, "binding_required"),
        ("Bearer", &bound, 1, "binding_required"),
        ("Bearer", &bound, 2, "binding_required"),
        // The scheme is not spoken yet; a bound token under it is not downgraded.
        ("DPoP", &bound, 1, "other_scheme"),
        ("DPoP", &target.good(), 1, "other_scheme"),
        // A proof is not an access token.
        ("Bearer", &proof, 0, "wrong_type"),
    ] {
        let mut request = request("/", &[&format!("{scheme} {token}")]);
        for _ in 0..proofs {
            request.headers_mut().append("dpop", proof.parse().unwrap());
        }
        let answer = door.knock(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
        assert_eq!(answer.reason, expected, "{scheme}, {proofs} proofs");
    }
}

#[tokio::test]
async fn g2_a_certificate_named_in_a_header_proves_nothing() {
    let target = Target::shared();
    let thumbprint = encode([7; 32]);
    let bound = target
        .token()
        .claim("cnf", json!({ "x5t#S256": thumbprint }));
    let bound = bound.sign();
    let door = Door::new(target.verifier.clone());
    for name in [
        "x-client-cert",
        "x-forwarded-client-cert",
        "x_client_cert",
        "client-cert",
        "ssl-client-cert",
        "x-ssl-client-sha256",
    ] {
        let mut request = request("/", &[&format!("Bearer {bound}")]);
        let value = format!("Hash={};x5t#S256={thumbprint}", "07".repeat(32));
        request.headers_mut().insert(name, value.parse().unwrap());
        let answer = door.knock(request).await;
        assert_eq!(answer.reason, "binding_required", "{name}");
    }
}
