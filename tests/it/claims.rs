//! Claims through the public API: correctly signed tokens that must still be refused.

use std::time::{Duration, UNIX_EPOCH};

use portcullis::testing::{AUDIENCE, TestIssuer, TokenBuilder, VirtualClock};
use portcullis::{Audience, Issuer, KeySet, TokenType, VerifiedToken, Verifier, VerifyError};
use serde_json::{Value, json};

use crate::support::{discovered, reason};

const NOW: u64 = 1_800_000_000;

/// An issuer and a service that share a clock standing at [`NOW`].
struct Gate {
    issuer: TestIssuer,
    verifier: Verifier,
}

impl Gate {
    async fn new(configure: impl FnOnce(Issuer) -> Issuer) -> Self {
        Self::trusting(|issuer| configure(discovered(issuer))).await
    }

    async fn trusting(trusted: impl FnOnce(&TestIssuer) -> Issuer) -> Self {
        let clock = VirtualClock::at_unix(NOW);
        let issuer = TestIssuer::start().await.unwrap().with_clock(clock.clone());
        let trusted = trusted(&issuer);
        let verifier = Verifier::builder()
            .issuer(trusted)
            .clock(clock)
            .build()
            .unwrap();
        Self { issuer, verifier }
    }

    async fn verify(
        &self,
        change: impl FnOnce(TokenBuilder) -> TokenBuilder,
    ) -> Result<VerifiedToken, VerifyError> {
        self.verifier
            .verify(&change(self.issuer.token()).sign())
            .await
    }

    #[track_caller]
    fn check(&self, what: &str, outcome: &Result<VerifiedToken, VerifyError>, expected: &str) {
        assert_eq!(reason(outcome), expected, "{what}");
    }
}

#[tokio::test]
async fn what_is_required_is_required() {
    let gate = Gate::new(|issuer| issuer).await;
    for (claim, expected) in [
        ("iss", "missing_claim"),
        ("aud", "missing_claim"),
        ("exp", "missing_claim"),
        ("sub", "accepted"),
        ("iat", "accepted"),
        ("jti", "accepted"),
    ] {
        let outcome = gate.verify(|token| token.without_claim(claim)).await;
        gate.check(claim, &outcome, expected);
    }
}

#[tokio::test]
async fn a_claim_of_the_wrong_type_is_never_an_absent_one() {
    let gate = Gate::new(|issuer| issuer).await;
    let texts = ["iss", "sub", "jti", "client_id", "azp", "acr"];
    let dates = ["exp", "nbf", "iat", "auth_time"];
    let lists = ["aud", "scope", "scp", "amr"];
    let not_text = [
        json!(null),
        json!(true),
        json!(7),
        json!({}),
        json!([]),
        json!(["a"]),
    ];
    let not_date = [
        json!(null),
        json!(true),
        json!("1"),
        json!(""),
        json!([]),
        json!({}),
    ];
    let not_list = [
        json!(null),
        json!(true),
        json!(7),
        json!({}),
        json!([7]),
        json!(["a", null]),
        json!([["a"]]),
    ];
    for (claims, values) in [
        (&texts[..], &not_text[..]),
        (&dates, &not_date),
        (&lists, &not_list),
    ] {
        for claim in claims {
            for value in values {
                let outcome = gate.verify(|token| token.claim(claim, value)).await;
                gate.check(&format!("{claim}: {value}"), &outcome, "invalid_claim");
            }
        }
    }
}

#[tokio::test]
async fn an_empty_name_names_nobody() {
    let gate = Gate::new(|issuer| issuer).await;
    for claim in ["sub", "client_id", "azp"] {
        let outcome = gate.verify(|token| token.claim(claim, "")).await;
        gate.check(claim, &outcome, "invalid_claim");
    }
    let outcome = gate.verify(|token| token.claim("iss", "")).await;
    gate.check("iss", &outcome, "untrusted_issuer");
}

#[tokio::test]
async fn times_are_judged_to_the_second_and_leeway_counts_once() {
    let strict = Gate::new(|issuer| issuer.leeway(Duration::ZERO)).await;
    let lenient = Gate::new(|issuer| issuer).await;
    let longest = Gate::new(|issuer| issuer.leeway(Duration::from_secs(300))).await;
    for (gate, leeway) in [(&strict, 0), (&lenient, 30), (&longest, 300)] {
        for (claim, seconds, expected) in [
            ("exp", NOW - leeway, "expired"),
            ("exp", NOW - leeway + 1, "accepted"),
            ("nbf", NOW + leeway, "accepted"),
            ("nbf", NOW + leeway + 1, "not_yet_valid"),
            ("iat", NOW + leeway, "accepted"),
            ("iat", NOW + leeway + 1, "issued_in_future"),
        ] {
            let outcome = gate.verify(|token| token.claim(claim, seconds)).await;
            gate.check(
                &format!("{claim} = {seconds} with {leeway} s"),
                &outcome,
                expected,
            );
        }
    }
}

#[tokio::test]
async fn numbers_at_the_edge_neither_wrap_nor_panic() {
    let gate = Gate::new(|issuer| issuer).await;
    for (claim, number, expected) in [
        ("exp", "-1", "expired"),
        ("exp", "0", "expired"),
        ("exp", "-0", "expired"),
        ("exp", "-9223372036854775808", "expired"),
        ("exp", "9007199254740993", "accepted"),
        ("exp", "9223372036854775807", "accepted"),
        ("exp", "18446744073709551615", "accepted"),
        ("exp", "18446744073709551616", "accepted"),
        ("exp", "1e300", "accepted"),
        ("exp", "1e400", "malformed"),
        ("exp", "1800000000.5", "accepted"),
        ("exp", "1799999970.0", "expired"),
        ("exp", "1799999970.5", "accepted"),
        ("nbf", "18446744073709551615", "not_yet_valid"),
        ("nbf", "-18446744073709551615", "accepted"),
        ("iat", "1e300", "issued_in_future"),
    ] {
        let others = if claim == "exp" {
            String::new()
        } else {
            format!(r#","exp":{}"#, NOW + 60)
        };
        let payload = format!(
            r#"{{"iss":"{}","aud":"{AUDIENCE}","sub":"alice","{claim}":{number}{others}}}"#,
            gate.issuer.issuer()
        );
        let outcome = gate.verify(|token| token.raw_payload(payload)).await;
        gate.check(&format!("{claim}: {number}"), &outcome, expected);
    }
}

#[tokio::test]
async fn an_audience_is_an_exact_member() {
    let gate = Gate::new(|issuer| issuer).await;
    for (audience, expected) in [
        (json!(AUDIENCE), "accepted"),
        (json!([AUDIENCE]), "accepted"),
        (json!(["x", AUDIENCE]), "accepted"),
        (json!([]), "audience_mismatch"),
        (json!(""), "audience_mismatch"),
        (json!("x"), "audience_mismatch"),
        (json!(format!("{AUDIENCE}/")), "audience_mismatch"),
        (json!(AUDIENCE.to_uppercase()), "audience_mismatch"),
        (json!(format!("x {AUDIENCE}")), "audience_mismatch"),
        (json!(format!("x,{AUDIENCE}")), "audience_mismatch"),
        (json!(&AUDIENCE[..AUDIENCE.len() - 1]), "audience_mismatch"),
    ] {
        let outcome = gate.verify(|token| token.claim("aud", &audience)).await;
        gate.check(&audience.to_string(), &outcome, expected);
    }
    let any = Verifier::new(Issuer::discover(
        gate.issuer.issuer(),
        Audience::dangerously_any(),
    ))
    .unwrap();
    let token = TestIssuer::start().await.unwrap();
    assert_eq!(
        reason(&any.verify(&token.token().sign()).await),
        "untrusted_issuer"
    );
}

#[tokio::test]
async fn an_issuer_is_compared_byte_for_byte_and_costs_no_fetch() {
    let gate = Gate::new(|issuer| issuer).await;
    let issuer = gate.issuer.issuer();
    for other in [
        format!("{issuer}/"),
        issuer.to_uppercase(),
        format!(" {issuer}"),
        format!("{issuer}\u{0}"),
        issuer.replace("http:", "https:"),
        issuer.replace("127.0.0.1", "localhost"),
        format!("{issuer}@evil.test"),
        "https://evil.test".to_owned(),
        "../../etc/passwd".to_owned(),
    ] {
        let outcome = gate.verify(|token| token.issuer(&other)).await;
        gate.check(&other, &outcome, "untrusted_issuer");
    }
    assert_eq!(gate.issuer.requests().total(), 0);
}

#[tokio::test]
async fn other_kinds_of_jwt_are_refused() {
    let gate = Gate::new(|issuer| issuer).await;
    for (typ, expected) in [
        ("at+jwt", "accepted"),
        ("AT+JWT", "accepted"),
        ("application/at+jwt", "accepted"),
        ("Application/At+Jwt", "accepted"),
        ("JWT", "accepted"),
        ("jwt", "accepted"),
        ("application/jwt", "accepted"),
        ("dpop+jwt", "wrong_type"),
        ("logout+jwt", "wrong_type"),
        ("secevent+jwt", "wrong_type"),
        ("token-introspection+jwt", "wrong_type"),
        ("at+jwt ", "wrong_type"),
        ("application/application/at+jwt", "wrong_type"),
        ("text/at+jwt", "wrong_type"),
        ("", "wrong_type"),
    ] {
        let outcome = gate.verify(|token| token.token_type(typ)).await;
        gate.check(&format!("{typ:?}"), &outcome, expected);
    }
    let outcome = gate.verify(TokenBuilder::without_token_type).await;
    gate.check("no typ", &outcome, "accepted");
    for claim in ["events", "at_hash", "c_hash"] {
        for value in [json!(null), json!("x"), json!({})] {
            let outcome = gate.verify(|token| token.claim(claim, &value)).await;
            gate.check(claim, &outcome, "wrong_type");
        }
    }
}

#[tokio::test]
async fn rfc_9068_can_be_demanded_in_full() {
    let gate = Gate::new(|issuer| issuer.token_type(TokenType::AccessToken)).await;
    gate.check("complete", &gate.verify(|token| token).await, "accepted");
    gate.check(
        "typ JWT",
        &gate.verify(|token| token.token_type("JWT")).await,
        "wrong_type",
    );
    gate.check(
        "no typ",
        &gate.verify(TokenBuilder::without_token_type).await,
        "wrong_type",
    );
    let any_audience = Gate::trusting(|issuer| {
        Issuer::discover(issuer.issuer(), Audience::dangerously_any())
            .token_type(TokenType::AccessToken)
    })
    .await;
    for claim in ["aud", "sub", "client_id", "iat", "jti"] {
        for gate in [&gate, &any_audience] {
            let outcome = gate.verify(|token| token.without_claim(claim)).await;
            gate.check(claim, &outcome, "missing_claim");
        }
    }
    for claim in ["sub", "client_id", "jti"] {
        let outcome = gate.verify(|token| token.claim(claim, "")).await;
        gate.check(claim, &outcome, "invalid_claim");
    }
}

#[tokio::test]
async fn a_type_can_be_exact_or_anything() {
    let exact =
        Gate::new(|issuer| issuer.token_type(TokenType::Exactly("custom+jwt".into()))).await;
    let accepted = exact
        .verify(|token| {
            token
                .token_type("application/custom+jwt")
                .claim("events", 1)
        })
        .await;
    exact.check("custom", &accepted, "accepted");
    exact.check("at+jwt", &exact.verify(|token| token).await, "wrong_type");
    let any = Gate::new(|issuer| issuer.token_type(TokenType::DangerouslyAny)).await;
    any.check(
        "any",
        &any.verify(|token| token.token_type("x").claim("at_hash", "y"))
            .await,
        "accepted",
    );
}

#[tokio::test]
async fn a_bound_token_is_refused_whatever_it_is_bound_to() {
    let gate = Gate::new(|issuer| issuer).await;
    for cnf in [
        json!({ "jkt": "x" }),
        json!({}),
        json!(null),
        json!("x"),
        json!({ "new": 1 }),
    ] {
        let outcome = gate.verify(|token| token.claim("cnf", &cnf)).await;
        gate.check(&cnf.to_string(), &outcome, "binding_required");
    }
}

#[tokio::test]
async fn more_claims_can_be_required() {
    let gate = Gate::new(|issuer| issuer.require_claims(["tenant", "jti"])).await;
    gate.check("absent", &gate.verify(|token| token).await, "missing_claim");
    let null = gate
        .verify(|token| token.claim("tenant", Value::Null))
        .await;
    gate.check("null", &null, "missing_claim");
    let present = gate.verify(|token| token.claim("tenant", "acme")).await;
    gate.check("present", &present, "accepted");
    let escaped = gate
        .verify(|token| token.claim("tenant", "acme").claim("jti", "1\n"))
        .await;
    gate.check("escaped", &escaped, "accepted");
    let absent = gate
        .verify(|token| token.claim("tenant", "acme").without_claim("jti"))
        .await;
    gate.check("jti", &absent, "missing_claim");
}

#[tokio::test]
async fn a_maximum_age_counts_from_iat() {
    let gate = Gate::new(|issuer| {
        issuer
            .leeway(Duration::ZERO)
            .max_token_age(Duration::from_secs(600))
    })
    .await;
    gate.check(
        "old",
        &gate.verify(|token| token.claim("iat", NOW - 601)).await,
        "too_old",
    );
    gate.check(
        "just",
        &gate.verify(|token| token.claim("iat", NOW - 600)).await,
        "accepted",
    );
    gate.check(
        "no iat",
        &gate.verify(|token| token.without_claim("iat")).await,
        "missing_claim",
    );
    let milliseconds = gate
        .verify(|token| {
            token
                .claim("iat", NOW - 601)
                .claim("exp", (NOW + 60) * 1_000)
        })
        .await;
    gate.check("exp in milliseconds", &milliseconds, "too_old");
}

#[tokio::test]
async fn a_verified_token_shows_what_it_holds() {
    let gate = Gate::new(|issuer| issuer).await;
    let token = gate
        .verify(|token| {
            token
                .subject("ali\"ce")
                .scope("orders:read  orders:write")
                .claim("roles", ["admin"])
                .claim("acr", "gold")
                .claim("amr", ["pwd", "otp"])
                .claim("auth_time", NOW - 5)
                .claim(
                    "act",
                    json!({ "sub": "robot", "act": { "sub": "earlier" } }),
                )
                .claim("tenant", json!({ "id": 7 }))
        })
        .await
        .unwrap();
    assert_eq!(token.subject(), Some("ali\"ce"));
    assert_eq!(token.issuer(), gate.issuer.issuer());
    assert_eq!(token.audience().collect::<Vec<_>>(), [AUDIENCE]);
    assert_eq!(
        token.issued_at(),
        Some(UNIX_EPOCH + Duration::from_secs(NOW))
    );
    assert!(token.expires_at() > UNIX_EPOCH + Duration::from_secs(NOW));
    assert_eq!(
        token.scopes().iter().collect::<Vec<_>>(),
        ["orders:read", "orders:write"]
    );
    assert!(token.scopes().contains("orders:read") && !token.scopes().contains("orders"));
    assert_eq!(token.roles().unwrap(), ["admin"]);
    let authentication = token.authentication();
    assert_eq!(authentication.acr(), Some("gold"));
    assert_eq!(authentication.amr().collect::<Vec<_>>(), ["pwd", "otp"]);
    assert_eq!(
        authentication.auth_time(),
        Some(UNIX_EPOCH + Duration::from_secs(NOW - 5))
    );
    assert_eq!(
        token.actor().unwrap().unwrap().subject.as_deref(),
        Some("robot")
    );
    assert!(token.confirmation().unwrap().is_none());
    assert_eq!(
        token.claim::<Value>("tenant").unwrap(),
        Some(json!({ "id": 7 }))
    );
    assert_eq!(token.claim::<Value>("absent").unwrap(), None);
    assert_eq!(token.claim::<u32>("tenant").unwrap_err().name(), "tenant");

    #[derive(serde::Deserialize)]
    struct Mine {
        acr: String,
    }
    let mine = token.claims::<Mine>().unwrap();
    assert_eq!(mine.acr, "gold");
    assert!(std::sync::Arc::ptr_eq(
        &mine,
        &token.clone().claims::<Mine>().unwrap()
    ));
    assert_eq!(token.claims::<Vec<u8>>().unwrap_err().name(), "*");
}

/// At whatever place it stands, however it is spelled, and also when the token is remembered.
#[tokio::test]
async fn a_token_names_its_issuer() {
    let name = "https://id.example.com/grö\u{1f600}e";
    let gate = Gate::trusting(|issuer| {
        let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
        Issuer::keys(name, keys, Audience::of(AUDIENCE))
    })
    .await;
    for iss in [
        format!("\"{name}\""),
        r#""https:\/\/id.example.com\/gr\u00f6\ud83d\ude00e""#.to_owned(),
    ] {
        let payload = format!(
            r#" {{"sub":"ünï","iss": {iss},"aud":"{AUDIENCE}","exp":{}}} "#,
            NOW + 60
        );
        for _ in 0..4 {
            let token = gate.verify(|token| token.raw_payload(&*payload)).await;
            assert_eq!(token.unwrap().clone().issuer(), name, "{payload}");
        }
    }
    for (claims, issuer) in [
        (json!({"sub": "ünï", "iss": name}), name),
        (json!({"iss": "\n"}), "\n"),
        (json!({"iss": ""}), ""),
        (json!({}), ""),
    ] {
        let token = VerifiedToken::dangerously_assert_verified(&claims);
        assert_eq!(token.issuer(), issuer, "{claims}");
    }
}

#[tokio::test]
async fn only_an_object_acts() {
    let gate = Gate::new(|issuer| issuer).await;
    for act in [
        json!(null),
        json!("mallory"),
        json!(["mallory", "x"]),
        json!([]),
        json!({ "sub": "" }),
        json!({ "sub": null }),
    ] {
        let outcome = gate.verify(|token| token.claim("act", &act)).await;
        let error = outcome.unwrap().actor().unwrap_err();
        assert_eq!(error.name(), "act", "{act}");
    }
    let nobody = gate.verify(|token| token).await.unwrap();
    assert_eq!(nobody.actor().unwrap(), None);
}

#[tokio::test]
async fn scopes_come_in_three_shapes() {
    let gate = Gate::new(|issuer| issuer).await;
    for (claim, value, expected) in [
        ("scope", json!("a b"), &["a", "b"][..]),
        ("scope", json!(["a", "b"]), &["a", "b"]),
        ("scp", json!("a b"), &["a", "b"]),
        ("scp", json!(["a", "b"]), &["a", "b"]),
        ("scope", json!(""), &[]),
        ("scope", json!(["a b"]), &["a b"]),
    ] {
        let token = gate
            .verify(|token| token.without_claim("scope").claim(claim, &value))
            .await
            .unwrap();
        assert_eq!(
            token.scopes().iter().collect::<Vec<_>>(),
            expected,
            "{claim}: {value}"
        );
    }
    let both = gate
        .verify(|token| token.scope("a").claim("scp", "b"))
        .await
        .unwrap();
    assert_eq!(both.scopes().iter().collect::<Vec<_>>(), ["a"]);
}
