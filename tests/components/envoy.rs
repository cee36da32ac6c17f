//! Envoy's `jwt_authn` in front of the same issuer gives the same verdict on the same tokens.

use std::io::Write as _;
use std::time::UNIX_EPOCH;

use portcullis::{Clock as _, Rejection, SystemClock};
use serde_json::{Value, json};

use crate::support::{Door, Envoy, FastForward, Issuer, forge, verifier};

#[tokio::test]
async fn oidc_provider() {
    let issuer = Issuer::oidc_provider();
    let mut rows = simple(&issuer).await;
    rows.extend(signed(&issuer).await);
    agrees(&issuer, rows).await;
}

#[tokio::test]
async fn glewlwyd() {
    let issuer = Issuer::glewlwyd();
    let rows = simple(&issuer).await;
    agrees(&issuer, rows).await;
}

/// What both must say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Verdict {
    Pass,
    Refuse,
    /// Envoy has no setting for what we refuse here; ours says why it is refused all the same.
    Stricter,
}
use Verdict::{Pass, Refuse, Stricter};

/// What it is, what both must say of it, and the `Authorization` it comes in.
type Row = (String, Verdict, Option<String>);

fn bearer(name: impl Into<String>, verdict: Verdict, token: &str) -> Row {
    (name.into(), verdict, Some(format!("Bearer {token}")))
}

/// Tokens as the issuer makes them, and what anybody can make of them.
async fn simple(issuer: &Issuer) -> Vec<Row> {
    let mut rows = Vec::new();
    for alg in issuer.algorithms {
        let token = issuer.token(alg).await;
        let (claims, signature) = (forge::claims(&token), forge::signature(&token));
        rows.push(bearer(*alg, Pass, &token));
        rows.push(bearer(format!("{alg}, claims altered"), Refuse, &claims));
        let name = format!("{alg}, signature altered");
        rows.push(bearer(name, Refuse, &signature));
    }

    let basic = Some("Basic c3ZjOnMzY3JldA==".to_owned());
    rows.push(("no token".into(), Refuse, None));
    rows.push(("basic credentials".into(), Refuse, basic));

    let token = issuer.token("ES256").await;
    let header = |name, value| forge::header(&token, name, value);
    let (signed, signature) = token.rsplit_once('.').expect("three parts");
    let (cut, _) = signature.split_at(signature.len() - 4);
    let none = header("alg", "none");
    let (unsigned, _) = none.rsplit_once('.').expect("three parts");
    let impostor = Issuer::oidc_provider();
    let in_our_name = json!({ "iss": issuer.issuer });
    let in_our_name = impostor.token_with("ES256", &json!({}), &in_our_name).await;
    let bad = [
        ("empty", String::new()),
        ("not a token", "abc".to_owned()),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{token}.x")),
        ("padded", format!("{token}=")),
        ("two tokens", format!("{token} {token}")),
        ("signature missing", format!("{signed}.")),
        ("signature cut", format!("{signed}.{cut}")),
        ("alg none", none.clone()),
        ("alg none, signature missing", format!("{unsigned}.")),
        ("alg HS256", header("alg", "HS256")),
        ("alg of another key", header("alg", "RS256")),
        ("kid of another key", header("kid", "RS256-1")),
        ("kid unknown", header("kid", "nobody")),
        ("another issuer's", impostor.token("ES256").await),
        ("another issuer's, in this one's name", in_our_name),
    ];
    rows.extend(bad.map(|(name, token)| bearer(name, Refuse, &token)));
    let followed = format!("{token} word");
    rows.push(bearer("a word behind it", Refuse, &followed));
    rows
}

/// Tokens that the issuer's own key signs although they should not pass, or just so.
async fn signed(issuer: &Issuer) -> Vec<Row> {
    let wall = SystemClock::default().now().wall;
    let now = wall
        .duration_since(UNIX_EPOCH)
        .expect("after 1970")
        .as_secs();
    let ours = issuer.audience.as_str();
    let [iss_slash, aud_slash] = [&issuer.issuer, &issuer.audience].map(|url| format!("{url}/"));
    let half: Value = serde_json::from_str(&format!("{}.5", now + 60)).expect("a number");
    let claims = [
        (Refuse, "expired", json!({ "exp": now - 60 })),
        (Pass, "expired, within leeway", json!({ "exp": now - 10 })),
        (Refuse, "exp missing", json!({ "exp": null })),
        (Refuse, "exp a string", json!({ "exp": "9999999999" })),
        (Pass, "exp with a fraction", json!({ "exp": half })),
        (Refuse, "exp negative", json!({ "exp": -1 })),
        (Refuse, "nbf ahead", json!({ "nbf": now + 90 })),
        (Pass, "nbf ahead, within leeway", json!({ "nbf": now + 20 })),
        (Refuse, "nbf a string", json!({ "nbf": "1" })),
        (Refuse, "aud another", json!({ "aud": OTHER })),
        (
            Pass,
            "aud, ours one of two",
            json!({ "aud": [OTHER, ours] }),
        ),
        (Refuse, "aud only others", json!({ "aud": [OTHER] })),
        (Refuse, "aud a number", json!({ "aud": 7 })),
        (Refuse, "iss another", json!({ "iss": OTHER })),
        (Refuse, "iss with a slash", json!({ "iss": iss_slash })),
        (Refuse, "iss missing", json!({ "iss": null })),
        (Pass, "sub missing", json!({ "sub": null })),
        (Stricter, "aud with a slash", json!({ "aud": aud_slash })),
        (Stricter, "iat ahead", json!({ "iat": now + 90 })),
        (Stricter, "at_hash: an ID token", json!({ "at_hash": "x" })),
        (Stricter, "events: a logout token", json!({ "events": {} })),
        (Stricter, "cnf: bound", json!({ "cnf": { "jkt": "x" } })),
    ];
    let headers = [
        (Pass, "typ JWT", json!({ "typ": "JWT" })),
        (Pass, "typ missing", json!({ "typ": null })),
        (Pass, "kid missing", json!({ "kid": null })),
        (Refuse, "kid unknown, signed", json!({ "kid": "nobody" })),
        (Pass, "jwk in the header", json!({ "jwk": { "kty": "EC" } })),
        (Stricter, "crit", json!({ "crit": ["b64"], "b64": true })),
        (Stricter, "typ logout+jwt", json!({ "typ": "logout+jwt" })),
    ];
    let none = json!({});
    let mut rows = Vec::new();
    for (verdict, name, payload) in &claims {
        let token = issuer.token_with("ES256", &none, payload).await;
        rows.push(bearer(*name, *verdict, &token));
    }
    for (verdict, name, header) in &headers {
        let token = issuer.token_with("ES256", header, &none).await;
        rows.push(bearer(*name, *verdict, &token));
    }
    rows
}

const OTHER: &str = "https://other.test";

async fn agrees(issuer: &Issuer, rows: Vec<Row>) {
    let envoy = Envoy::in_front_of(issuer).await;
    let door = Door::axum(verifier(issuer, &FastForward::default()));

    let mut table = format!("\nEnvoy and portcullis in front of {}\n", issuer.name);
    let mut surprises = Vec::new();
    for (name, verdict, authorization) in rows {
        let (theirs, said) = envoy.ask(authorization.as_deref()).await;
        let response = door.ask_http(authorization.as_deref()).await;
        let ours = response.status();
        let reason = response
            .extensions()
            .get::<Rejection>()
            .map_or("passed", Rejection::reason);
        let note = match verdict {
            Pass | Refuse => "",
            Stricter => "stricter than Envoy",
        };
        let (their, our) = (theirs.as_str(), ours.as_str());
        let ours_and_theirs = format!("ours {our} {reason:<21}  Envoy {their} {said:<85}");
        table += &format!("  {name:<36}  {ours_and_theirs}  {note}\n");
        if (theirs.is_success(), ours.is_success()) != (verdict != Refuse, verdict == Pass) {
            surprises.push(name);
        }
    }
    // Past the test harness, which keeps to itself what a passing test prints.
    std::io::stdout()
        .write_all(table.as_bytes())
        .expect("stdout");
    assert!(surprises.is_empty(), "not as expected: {surprises:?}");
}
