//! Every token of a real issuer passes every door; one that somebody touched passes none.

use serde_json::json;

use crate::support::{Answer, Door, FastForward, Issuer, forge, verifier};

#[tokio::test]
async fn oidc_provider() {
    checks(&Issuer::oidc_provider()).await;
}

#[tokio::test]
async fn glewlwyd() {
    checks(&Issuer::glewlwyd()).await;
}

async fn checks(issuer: &Issuer) {
    discovers(issuer).await;
    let impostor = Issuer::oidc_provider();
    let doors = Door::all(issuer, &FastForward::default()).await;
    for algorithm in issuer.algorithms {
        let passed = || Answer::passed(algorithm);
        let token = issuer.token(algorithm).await;
        let in_its_name = json!({ "iss": issuer.issuer });
        let of_impostor = impostor
            .token_with(algorithm, &json!({}), &in_its_name)
            .await;
        let altered = forge::claims(&token);
        for door in &doors {
            door.expect(passed(), &token, algorithm).await;
            door.expect(passed(), &token, "seen before").await;
            door.expect(Answer::Refused, &altered, "altered").await;
            door.expect(Answer::Refused, &of_impostor, "same kid, other key")
                .await;
        }
    }
}

async fn discovers(issuer: &Issuer) {
    let verifier = verifier(issuer, &FastForward::default());
    let token = issuer.token("ES256").await;
    assert_eq!(
        verifier
            .verify_now(&token)
            .expect_err("nothing is fetched yet")
            .reason(),
        "key_not_cached"
    );
    verifier.warm_up().await.expect("discovery and keys");
    let token = verifier.verify_now(&token).expect("the keys are there");

    assert_eq!(token.issuer(), issuer.issuer);
    assert_eq!(token.subject(), Some("svc-ES256"));
    assert!(token.audience().eq([issuer.audience.as_str()]));
    assert!(token.scopes().contains("orders:read"));
    assert_eq!(
        token
            .claim::<String>("client_id")
            .expect("a string")
            .as_deref(),
        Some("svc-ES256")
    );
}
