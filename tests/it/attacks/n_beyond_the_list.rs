//! Classes that the catalogue lacks.

use portcullis::middleware::{MetadataService, ProtectedResource};
use portcullis::testing::{AUDIENCE, AuthenticatedLayer, ScriptedFetch};
use portcullis::{
    Audience, FetchError, FetchErrorKind, FetchResponse, Issuer, KeySet, VerifiedToken, Verifier,
};
use serde_json::{Value, json};
use tower::ServiceExt as _;
use tracing::Level;

use super::forge::{encode, resigned, split, with_part};
use super::h_layers::{Door, both_ways, request};
use super::target::NOW;
use super::{Case, Target, check, check_with};
use crate::support::{KEYS, Log, reason};

pub(super) fn cases(target: &Target) -> Vec<Case> {
    [without_a_check(target), two_issuers(target)].concat()
}

/// A verifier for the target whose network is a script, with keys at hand.
async fn scripted(target: &Target) -> (Verifier, ScriptedFetch) {
    let network = ScriptedFetch::new();
    network.answer(KEYS, Ok(FetchResponse::document(target.issuer.jwks())));
    let issuer = Issuer::jwks_uri(target.issuer.issuer(), KEYS, Audience::of(AUDIENCE));
    let verifier = Verifier::builder()
        .issuer(issuer)
        .clock(target.clock.clone())
        .fetch(network.clone())
        .build()
        .unwrap();
    verifier.warm_up().await.unwrap();
    (verifier, network)
}

/// A mesh ejects an instance that answers 503, so nobody may have one for the asking.
#[tokio::test]
async fn n1_no_token_makes_a_healthy_gate_look_ill() {
    let target = Target::start().await;
    let (verifier, network) = scripted(&target).await;
    let door = Door::new(verifier);
    let mut asked = 0;
    for case in super::cases(&target) {
        let Some(bearer) = case.bearer() else {
            continue;
        };
        for request in both_ways(&bearer) {
            let answer = door.knock(request).await;
            assert!(!answer.status.is_server_error(), "{}", case.what);
            let grpc = answer.headers.get("grpc-status");
            assert!(grpc.is_none_or(|status| status == "16"), "{}", case.what);
            asked += 1;
        }
    }
    assert!(asked > 800, "{asked}");
    assert!(network.count(KEYS) <= 2, "{} fetches", network.count(KEYS));
}

/// While the issuer is down an invented key cannot be told from a new one: whoever sends one is told 503,
/// and it is all he can bring about.
#[tokio::test]
async fn n1_in_an_outage_only_an_unknown_key_is_answered_503() {
    let target = Target::start().await;
    let (verifier, network) = scripted(&target).await;
    network.answer(KEYS, Err(FetchError::new(FetchErrorKind::Connection)));
    target.clock.advance(std::time::Duration::from_secs(20));
    let door = Door::new(verifier);
    let mut minted = 0;
    for case in super::cases(&target) {
        let Some(bearer) = case.bearer() else {
            continue;
        };
        let [http, _] = both_ways(&bearer);
        let answer = door.knock(http).await;
        if answer.status == 503 {
            // Without a kid, a bad signature is all that an unknown key looks like.
            let unknown = matches!(case.reason, "unknown_key" | "invalid_signature");
            assert!(unknown, "{}: {}", case.what, answer.reason);
            assert!(answer.headers.contains_key("retry-after"));
            minted += 1;
        }
        let good = format!("Bearer {}", target.good());
        let good = door.knock(request("/", &[&good])).await;
        assert_eq!(good.status, 200, "beside {}", case.what);
    }
    assert!(minted > 10, "{minted}");
    // After the one before: one for all unknown keys, and one for all signatures in doubt.
    assert_eq!(network.count(KEYS), 3);
}

/// What is wrong with each of these beside its signature is seen first, and costs no signature check.
fn without_a_check(target: &Target) -> Vec<Case> {
    let junk = |token: String| resigned(&token, [7; 64]);
    vec![
        Case::new(
            "junk of another issuer",
            junk(target.mallory.token().sign()),
            "untrusted_issuer",
        ),
        Case::new(
            "junk under an unknown key",
            junk(target.token().key_id("x").sign()),
            "unknown_key",
        ),
        Case::new(
            "junk of another algorithm",
            junk(target.token().header("alg", "RS256").sign()),
            "algorithm_mismatch",
        ),
        Case::new(
            "junk with crit",
            junk(target.token().header("crit", ["x"]).sign()),
            "unsupported_critical",
        ),
        Case::new(
            "junk around no claims",
            junk(target.token().raw_payload("[]").sign()),
            "malformed",
        ),
        Case::new(
            "junk that is too long",
            junk(target.token().claim("x", "x".repeat(16 << 10)).sign()),
            "too_large",
        ),
        // No claim decides before the signature does.
        Case::new(
            "expired junk",
            junk(target.token().claim("exp", 1).sign()),
            "invalid_signature",
        ),
        Case::new(
            "junk for another audience",
            junk(target.token().audience("x").sign()),
            "invalid_signature",
        ),
        Case::new(
            "junk of another type",
            junk(target.token().token_type("dpop+jwt").sign()),
            "invalid_signature",
        ),
    ]
}

#[test]
fn n2_a_token_costs_no_signature_check_that_it_need_not() {
    check(&without_a_check(Target::shared()), 9);
}

/// Without a kid a token costs four checks at most, however many keys there are.
#[test]
fn n2_a_token_costs_four_signature_checks_at_most() {
    let target = Target::shared();
    let key = target.jwk(portcullis::Algorithm::Es256);
    for (copies, expected) in [
        (4, "accepted"),
        (5, "key_ambiguous"),
        (100, "key_ambiguous"),
    ] {
        let keys: Vec<Value> = (0..copies)
            .map(|number| {
                let mut key = key.clone();
                key["kid"] = format!("copy-{number}").into();
                key
            })
            .collect();
        let verifier = target.verifier_with(&json!({ "keys": keys }).to_string());
        let token = target.token().without_key_id();
        let outcome = verifier.verify_now(&token.clone().sign());
        assert_eq!(reason(&outcome), expected, "{copies}");
        if copies > 4 {
            let forged = verifier.verify_now(&token.with_invalid_signature());
            assert_eq!(reason(&forged), "key_ambiguous");
        }
    }
}

/// A forged token leaves nothing that helps the next one, and a good one does not lend its standing.
#[tokio::test]
async fn n3_nothing_is_kept_of_a_token_that_was_not_verified() {
    let target = Target::shared();
    let (fetching, _) = scripted(target).await;
    let good = target.good();
    for verifier in [&target.verifier, &fetching] {
        let twins = [
            resigned(&good, [7; 64]),
            with_part(&good, 1, &encode(r#"{"sub":"root"}"#)),
            with_part(
                &target.token().subject("root").sign(),
                2,
                &encode(split(&good).1),
            ),
        ];
        for twin in twins {
            for _ in 0..3 {
                assert!(verifier.verify(&twin).await.is_err());
                let outcome = verifier.verify(&good).await;
                assert_eq!(outcome.unwrap().subject(), Some("alice"));
            }
        }
    }
    // The same bytes mean nothing to a verifier that expects others.
    let keys = KeySet::from_json(target.issuer.jwks().as_bytes()).unwrap();
    let other = Issuer::keys(
        target.issuer.issuer(),
        keys,
        Audience::of("https://other.test"),
    );
    let other = Verifier::builder()
        .issuer(other)
        .clock(target.clock.clone())
        .build()
        .unwrap();
    for _ in 0..2 {
        assert_eq!(reason(&target.verifier.verify_now(&good)), "accepted");
        assert_eq!(reason(&other.verify_now(&good)), "audience_mismatch");
    }
}

/// Tokens of mallory's that name the issuer for one reader and mallory for another.
fn two_issuers(target: &Target) -> Vec<Case> {
    let (ours, theirs) = (target.issuer.issuer(), target.mallory.issuer());
    let rest = format!(r#""aud":"{AUDIENCE}","sub":"alice","exp":{}"#, NOW + 60);
    [
        (
            format!(r#"{{"iss":"{theirs}","iss":"{ours}",{rest}}}"#),
            "malformed",
        ),
        (
            format!(r#"{{"iss":"{ours}","iss":"{theirs}",{rest}}}"#),
            "malformed",
        ),
        (
            format!(r#"{{"iss":"{theirs}","\u0069ss":"{ours}",{rest}}}"#),
            "malformed",
        ),
        (
            format!(r#"{{"\u0069\u0073\u0073":"{ours}","iss":"{theirs}",{rest}}}"#),
            "malformed",
        ),
        (
            format!(r#"{{"iss":["{theirs}","{ours}"],{rest}}}"#),
            "invalid_claim",
        ),
        (
            format!(r#"{{"iss":{{"iss":"{ours}"}},{rest}}}"#),
            "invalid_claim",
        ),
        (format!(r#"{{"Iss":"{ours}",{rest}}}"#), "missing_claim"),
        (
            format!(r#"{{"iss\u0000":"{ours}",{rest}}}"#),
            "missing_claim",
        ),
        (
            format!(r#"{{"x":{{"iss":"{ours}"}},{rest}}}"#),
            "missing_claim",
        ),
        (
            format!(r#"{{"iss":"{ours}\u0000{theirs}",{rest}}}"#),
            "untrusted_issuer",
        ),
        (format!(r#"{{"iss":"{ours}\ud800",{rest}}}"#), "malformed"),
        (
            format!(r#"{{"iss":"{theirs}",{rest}}} {{"iss":"{ours}"}}"#),
            "malformed",
        ),
        // Spelled with escapes it is the issuer, whose keys these are not.
        (
            format!(
                r#"{{"iss":"{}",{rest}}}"#,
                ours.replace('/', r"\/").replace('h', r"\u0068")
            ),
            "unknown_key",
        ),
    ]
    .into_iter()
    .map(|(claims, reason)| {
        let token = target.mallory.token().raw_payload(claims.clone()).sign();
        Case::new(claims, token, reason)
    })
    .collect()
}

#[test]
fn n4_the_issuer_that_is_looked_up_is_the_one_that_was_signed() {
    let target = Target::shared();
    let cases = two_issuers(target);
    check(&cases, 13);
    // Nor when both are trusted: mallory's key verifies nothing that is not mallory's.
    let trusted = |issuer: &portcullis::testing::TestIssuer| {
        let keys = KeySet::from_json(issuer.jwks().as_bytes()).unwrap();
        Issuer::keys(issuer.issuer(), keys, Audience::of(AUDIENCE))
    };
    let both = Verifier::builder()
        .issuer(trusted(&target.mallory))
        .issuer(trusted(&target.issuer))
        .clock(target.clock.clone())
        .build()
        .unwrap();
    check_with(&both, &cases);
    let own = both.verify_now(&target.mallory.token().sign()).unwrap();
    assert_eq!(own.issuer(), target.mallory.issuer());
}

/// The feature `testing` changes no check, and what it adds is loud where it is not a test.
#[test]
fn n5_what_nobody_verified_is_told_of_and_the_louder_in_a_release_build() {
    let (log, _guard) = Log::start(Level::DEBUG);
    let token = VerifiedToken::dangerously_assert_verified(&json!({ "sub": "root" }));
    let _open = [
        AuthenticatedLayer::new(token),
        AuthenticatedLayer::anonymous(),
    ];
    let level = if cfg!(debug_assertions) {
        "DEBUG"
    } else {
        "WARN"
    };
    let expected = format!("{level} portcullis::testing: a ");
    let told = log.take();
    assert_eq!(told.len(), 3);
    for entry in told {
        assert!(entry.trim_start().starts_with(&expected), "{entry}");
        assert!(!entry.contains("root"));
    }
}

/// Nothing a client says about where it is reaches a challenge: the realm is configured, and there is no
/// `resource_metadata` yet that could be made of the host.
#[tokio::test]
async fn n7_a_challenge_is_not_made_of_the_host() {
    let target = Target::shared();
    let verifier = target.verifier.clone();
    let resource = ProtectedResource::new("https://api.test/me", &verifier).unwrap();
    let door = Door::new(verifier).resource_metadata(&resource);
    let mut answers = Vec::new();
    for host in ["api.test", "mallory.example", "mallory.example\",x=\"", ""] {
        for authorization in [&[][..], &["Bearer a.b.c"]] {
            let mut request = request("http://mallory.example/me", authorization);
            for name in [
                "host",
                "x-forwarded-host",
                "x-forwarded-proto",
                "x-original-host",
            ] {
                request.headers_mut().insert(name, host.parse().unwrap());
            }
            let forwarded = format!("host={host};proto=http");
            request
                .headers_mut()
                .insert("forwarded", forwarded.parse().unwrap());
            let answer = door.knock(request).await;
            answers.push((authorization.len(), answer.headers, answer.body));
        }
    }
    answers.sort_by_key(|(kind, ..)| *kind);
    answers.dedup_by(|one, other| one == other);
    assert_eq!(answers.len(), 2, "one without and one with a token");
    for (_, headers, _) in &answers {
        let challenge = headers["www-authenticate"].to_str().unwrap();
        assert!(!challenge.contains("mallory"), "{challenge}");
        let url = "https://api.test/.well-known/oauth-protected-resource/me";
        assert!(challenge.contains(url), "{challenge}");
    }
    // Nor is the document that a client reads next.
    let service = MetadataService::new([resource]).unwrap();
    let mut request = request(
        "http://mallory.example/.well-known/oauth-protected-resource/me",
        &[],
    );
    let host = "mallory.example".parse().unwrap();
    request.headers_mut().insert("host", host);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(!response.body().contains("mallory"), "{}", response.body());
}
