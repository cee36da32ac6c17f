//! E: rightly signed, and not for this service.

use portcullis::testing::{AUDIENCE, ScriptedFetch};
use portcullis::{Algorithm, Audience, FetchResponse, Issuer, TokenType, Verifier};
use serde_json::json;

use super::target::NOW;
use super::{Case, Target, check, check_with};
use crate::support::reason;

pub(super) fn cases(target: &Target) -> Vec<Case> {
    [
        missing(target),
        audiences(target),
        issuers(target),
        nobody(target),
        times(target),
        // The whole of E4 is in `faults_of_the_process`, with the keys of two issuers.
        vec![Case::new(
            "a stranger's token",
            target.mallory.token().sign(),
            "untrusted_issuer",
        )],
    ]
    .concat()
}

fn missing(target: &Target) -> Vec<Case> {
    ["iss", "aud", "exp"]
        .into_iter()
        .flat_map(|claim| {
            let without = target.token().without_claim(claim);
            let other_case = without.clone().claim(&claim.to_uppercase(), "x");
            [
                Case::new(format!("no {claim}"), without.sign(), "missing_claim"),
                Case::new(
                    format!("{claim} in capitals"),
                    other_case.sign(),
                    "missing_claim",
                ),
                Case::new(
                    format!("{claim} in the header"),
                    target
                        .token()
                        .without_claim(claim)
                        .header(claim, "x")
                        .sign(),
                    "missing_claim",
                ),
            ]
        })
        .collect()
}

#[test]
fn e1_issuer_audience_and_expiry_are_there() {
    let target = Target::shared();
    check(&missing(target), 9);
    // Whoever takes any audience still asks for the rest.
    let keys = portcullis::KeySet::from_json(target.issuer.jwks().as_bytes()).unwrap();
    let any = Issuer::keys(target.issuer.issuer(), keys, Audience::dangerously_any());
    let any = Verifier::builder()
        .issuer(any.token_type(TokenType::DangerouslyAny))
        .clock(target.clock.clone())
        .build()
        .unwrap();
    let rest: Vec<_> = missing(target)
        .into_iter()
        .filter(|case| !case.what.contains("aud"))
        .collect();
    check_with(&any, &rest);
}

fn audiences(target: &Target) -> Vec<Case> {
    let values = [
        json!(""),
        json!([]),
        json!([""]),
        json!("https://other.test"),
        json!(["https://other.test", "https://third.test"]),
        json!(format!("{AUDIENCE}/")),
        json!(format!("{AUDIENCE}.mallory.example")),
        json!(format!("{AUDIENCE} https://other.test")),
        json!(format!("{AUDIENCE},https://other.test")),
        json!(format!(" {AUDIENCE}")),
        json!(format!("{AUDIENCE}\0")),
        json!(AUDIENCE.to_uppercase()),
        json!(&AUDIENCE[..AUDIENCE.len() - 1]),
        json!(&AUDIENCE[8..]),
        json!("*"),
        json!([format!("[{AUDIENCE:?}]")]),
    ];
    values
        .into_iter()
        .map(|aud| {
            let token = target.token().claim("aud", &aud).sign();
            Case::new(format!("aud {aud}"), token, "audience_mismatch")
        })
        .collect()
}

#[test]
fn e2_an_audience_is_a_whole_member() {
    check(&audiences(Target::shared()), 16);
}

fn issuers(target: &Target) -> Vec<Case> {
    let issuer = target.issuer.issuer();
    let host = issuer.strip_prefix("http://").unwrap();
    let names = [
        String::new(),
        format!("{issuer}/"),
        format!("{issuer}//"),
        format!("{issuer}?"),
        format!("{issuer}#"),
        format!("{issuer} "),
        format!(" {issuer}"),
        format!("{issuer}\0"),
        format!("{issuer}/../"),
        format!("{issuer}.mallory.example"),
        format!("{issuer}@mallory.example"),
        format!("http://mallory.example/{issuer}"),
        issuer.to_uppercase(),
        issuer.replacen("http:", "https:", 1),
        issuer.replacen("127.0.0.1", "localhost", 1),
        issuer.replacen("127.0.0.1", "127.1", 1),
        issuer.replacen('1', "\u{ff11}", 1),
        issuer[..issuer.len() - 1].to_owned(),
        host.to_owned(),
        ".*".to_owned(),
        target.mallory.issuer().to_owned(),
    ];
    names
        .into_iter()
        .map(|iss| {
            let token = target.token().issuer(&iss).sign();
            Case::new(format!("iss {iss:?}"), token, "untrusted_issuer")
        })
        .collect()
}

#[test]
fn e3_an_issuer_is_compared_byte_for_byte() {
    check(&issuers(Target::shared()), 21);
}

/// Two issuers that publish different keys of one name, whichever is asked first; see also
/// `faults_of_the_process`.
#[tokio::test]
async fn e4_a_kid_means_a_key_of_its_issuer_whoever_comes_first() {
    for order in [[0, 1], [1, 0]] {
        let target = Target::shared();
        let network = ScriptedFetch::new();
        let parties = [&target.issuer, &target.mallory];
        let trusted = parties.map(|issuer| {
            let mut jwk = super::target::jwk_of(issuer, Algorithm::Es256);
            jwk["kid"] = "1".into();
            let (_, port) = issuer.issuer().rsplit_once(':').unwrap();
            let url = format!("https://id-{port}.example/keys");
            let keys = json!({ "keys": [jwk] }).to_string();
            network.answer(&url, Ok(FetchResponse::document(keys)));
            Issuer::jwks_uri(issuer.issuer(), url, Audience::of(AUDIENCE))
        });
        let [first, second] = trusted;
        let verifier = Verifier::builder()
            .issuer(first)
            .issuer(second)
            .clock(target.clock.clone())
            .fetch(network)
            .build()
            .unwrap();
        for number in order {
            let (own, other) = (parties[number], parties[1 - number]);
            let token = |issuer: &str| own.token().issuer(issuer).key_id("1").sign();
            // Before its own keys are there, after it, and again.
            for _ in 0..2 {
                let forged = verifier.verify(&token(other.issuer())).await;
                assert_eq!(reason(&forged), "invalid_signature", "{order:?}");
                let genuine = verifier.verify(&token(own.issuer())).await;
                assert_eq!(reason(&genuine), "accepted", "{order:?}");
            }
        }
    }
}

/// Templates for tenants do not exist yet: a placeholder is text, and any tenant is another issuer.
#[tokio::test]
async fn e5_a_tenant_placeholder_is_no_wildcard() {
    const TENANT: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";
    const COMMON: &str = "https://login.example/{tenantid}/v2.0";
    let target = Target::shared();
    let keys = || portcullis::KeySet::from_json(target.issuer.jwks().as_bytes()).unwrap();
    let verifier = |issuer: &str| {
        let issuer = Issuer::keys(issuer, keys(), Audience::of(AUDIENCE));
        let builder = Verifier::builder().clock(target.clock.clone());
        builder.issuer(issuer).build().unwrap()
    };
    let of = |iss: &str, tid: Option<&str>| {
        let token = target.token().issuer(iss);
        match tid {
            Some(tid) => token.claim("tid", tid).sign(),
            None => token.sign(),
        }
    };
    let tenant = COMMON.replace("{tenantid}", TENANT);
    for (iss, tid) in [
        (&*tenant, Some(TENANT)),
        (&tenant, None),
        (&tenant, Some("11111111-2222-3333-4444-555555555555")),
        (&COMMON.replace("{tenantid}", "../"), Some("../")),
        (&COMMON.replace("{tenantid}", ""), Some("")),
    ] {
        let outcome = verifier(COMMON).verify_now(&of(iss, tid));
        assert_eq!(reason(&outcome), "untrusted_issuer", "{iss} {tid:?}");
    }
    // One tenant can be trusted by its name, and only it is, in its one spelling.
    for (iss, expected) in [
        (tenant.clone(), "accepted"),
        (tenant.to_uppercase(), "untrusted_issuer"),
        (
            tenant.replace(TENANT, &TENANT.to_uppercase()),
            "untrusted_issuer",
        ),
        (tenant.replace("9188", "9189"), "untrusted_issuer"),
    ] {
        let outcome = verifier(&tenant).verify_now(&of(&iss, Some(TENANT)));
        assert_eq!(reason(&outcome), expected, "{iss}");
    }
    // Common metadata, whose issuer is the template, is not that of a tenant.
    let network = ScriptedFetch::new();
    let metadata = json!({ "issuer": COMMON, "jwks_uri": "https://login.example/keys" });
    let url = format!("{tenant}/.well-known/openid-configuration");
    network.answer(&url, Ok(FetchResponse::document(metadata.to_string())));
    let discovering = Verifier::builder()
        .issuer(Issuer::discover(tenant.as_str(), Audience::of(AUDIENCE)))
        .clock(target.clock.clone())
        .fetch(network.clone())
        .build()
        .unwrap();
    let outcome = discovering.verify(&of(&tenant, Some(TENANT))).await;
    assert_eq!(reason(&outcome), "keys_unavailable");
    assert_eq!(network.count("https://login.example/keys"), 0);
}

fn nobody(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for claim in ["sub", "client_id", "azp"] {
        for value in [json!(""), json!(null), json!(0), json!([])] {
            let token = target.token().claim(claim, &value).sign();
            cases.push(Case::new(
                format!("{claim} {value}"),
                token,
                "invalid_claim",
            ));
        }
    }
    cases
}

#[test]
fn e7_nobody_has_an_empty_name() {
    check(&nobody(Target::shared()), 12);
}

fn times(target: &Target) -> Vec<Case> {
    [
        ("exp", NOW - 30, "expired"),
        ("exp", NOW - 31, "expired"),
        ("nbf", NOW + 31, "not_yet_valid"),
        ("iat", NOW + 31, "issued_in_future"),
    ]
    .into_iter()
    .map(|(claim, time, reason)| {
        let token = target.token().claim(claim, time).sign();
        Case::new(format!("{claim} {time}"), token, reason)
    })
    .collect()
}

#[test]
fn e8_leeway_is_short_and_counts_once() {
    let target = Target::shared();
    check(&times(target), 4);
    for (claim, time) in [("exp", NOW - 29), ("nbf", NOW + 30), ("iat", NOW + 30)] {
        let token = target.token().claim(claim, time).sign();
        assert_eq!(
            reason(&target.verifier.verify_now(&token)),
            "accepted",
            "{claim}"
        );
    }
}
