//! Why a token is refused: an account of the verdict that `verify` comes to, fit for a ticket.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use portcullis::testing::{self, AUDIENCE, TestIssuer, TokenBuilder, VirtualClock};
use portcullis::{
    Algorithm, Audience, Check, CheckOutcome, Explanation, Facts, FetchError, FetchErrorKind,
    FetchResponse, Issuer, KeySet, Policy, Verifier,
};
use serde_json::{Value, json};

use crate::attacks::Target;
use crate::support::{KEYS, Scene, reason, settle};

/// The reason code, or `"accepted"`.
fn verdict(explanation: &Explanation) -> &'static str {
    reason(&explanation.verdict().map_err(Clone::clone))
}

#[track_caller]
fn check<'e>(explanation: &'e Explanation, name: &str) -> &'e Check {
    let mut checks = explanation.checks().iter();
    checks.find(|check| check.name() == name).unwrap()
}

#[track_caller]
fn found<'e>(explanation: &'e Explanation, name: &str) -> &'e str {
    check(explanation, name).found().unwrap()
}

const NOW: u64 = 1_800_000_000;

/// A verifier whose texts are the same in every run, and a token that it accepts.
async fn fixed() -> (Verifier, TokenBuilder) {
    let clock = VirtualClock::at_unix(NOW);
    let issuer = TestIssuer::start_with([Algorithm::Es256]).await.unwrap();
    let issuer = issuer.with_clock(clock.clone());
    let mut keys: Value = serde_json::from_str(&issuer.jwks()).unwrap();
    keys["keys"][0]["kid"] = "2027-01".into();
    let keys = KeySet::from_json(keys.to_string().as_bytes()).unwrap();
    let name = "https://id.example.com";
    let trusted = Issuer::keys(name, keys, Audience::of("https://api.example.com"));
    let verifier = Verifier::builder().issuer(trusted).clock(clock);
    let token = issuer.token().issuer(name).key_id("2027-01");
    let token = token.audience("https://api.example.com").claim("jti", "1");
    (verifier.build().unwrap(), token.scope("orders:read"))
}

#[tokio::test]
async fn it_reads_as_a_table() {
    let (verifier, token) = fixed().await;
    let past = UNIX_EPOCH + Duration::from_secs(NOW - 390);
    let expired = token.clone().expires_at(past).sign();
    let shown = verifier.explain(&expired).await.to_string();
    println!("{shown}");
    assert_eq!(shown, fs::read_to_string(data("expired.txt")).unwrap());

    let policy = Policy::scope("orders:write").or(Policy::role("admin").any_issuer());
    let accepted = verifier.explain(&token.sign()).await.with_policy(&policy);
    let shown = accepted.showing_subject().to_string();
    println!("{shown}");
    assert_eq!(shown, fs::read_to_string(data("allowed.txt")).unwrap());
}

fn data(name: &str) -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests");
    tests.join("it/explanation").join(name)
}

/// The fields are a promise; the texts in them are not.
#[tokio::test]
async fn tools_find_each_field() {
    let (verifier, token) = fixed().await;
    let policy = Policy::scope("orders:write");
    let token = token.claim("acr", "gold").claim("amr", ["pwd"]).sign();
    let explanation = verifier.explain(&token).await.with_policy(&policy);
    let mut found = serde_json::to_value(&explanation).unwrap();
    let checks = found["checks"].take();
    let parts = found["policies"][0]["checks"].take();
    let hash = "sha256:2bd806c97f0e00af"; // printf %s alice | sha256sum
    assert_eq!(
        found,
        json!({
            "accepted": true, "reason": null, "at": "2027-01-15T08:00:00Z",
            "issuer": "https://id.example.com", "checks": null,
            "keys": {
                "state": "fixed", "age_seconds": null, "in_grace": [], "skipped": [], "last_error": null,
                "published": [{ "kid": "2027-01", "kty": "EC P-256", "algorithms": ["ES256"] }],
            },
            "claims": {
                "sub": hash, "aud": ["https://api.example.com"], "client_id": "test-client", "jti": "1",
                "exp": "2027-01-15T08:05:00Z", "iat": "2027-01-15T08:00:00Z",
                "scope": ["orders:read"], "acr": "gold", "amr": ["pwd"],
            },
            "policies": [{ "allowed": false, "reason": "insufficient_scope", "checks": null }],
        })
    );
    assert_eq!(checks.as_array().unwrap().len(), 21);
    let members =
        |check: &Value| -> Vec<_> { check.as_object().unwrap().keys().cloned().collect() };
    let expected = ["check", "depth", "expected", "found", "outcome", "remedy"];
    assert_eq!(members(&checks[0]), expected);
    assert_eq!(members(&parts[0]), expected);
    let [part] = explanation.policies()[0].checks() else {
        panic!("one part: {explanation}");
    };
    assert_eq!(part.found(), Some(r#""orders:read""#));
    assert_eq!(part.outcome(), CheckOutcome::Failed);

    let refused = serde_json::to_value(verifier.explain("a.b.c").await).unwrap();
    assert_eq!(refused["accepted"], false);
    assert_eq!(refused["reason"], "malformed");
    for member in ["issuer", "keys", "claims"] {
        assert_eq!(refused[member], Value::Null, "{member}");
    }
    let outcomes = refused["checks"].as_array().unwrap().iter();
    let outcomes: Vec<_> = outcomes.map(|check| &check["outcome"]).take(4).collect();
    assert_eq!(outcomes, ["passed", "passed", "failed", "not_reached"]);
}

/// A fault, the check that it is the fault of, and how to make it.
type Fault = (&'static str, &'static str, fn(TokenBuilder) -> TokenBuilder);

/// In the order of the checks.
const FAULTS: [Fault; 14] = [
    ("extensions", "unsupported_critical", |token| {
        token.header("crit", ["x"])
    }),
    ("algorithm", "unsupported_algorithm", |token| {
        token.header("alg", "HS256")
    }),
    ("issuer", "untrusted_issuer", |token| {
        token.issuer("https://other.test")
    }),
    ("allowed_algorithm", "algorithm_not_allowed", |token| {
        token.algorithm(Algorithm::Es384)
    }),
    ("key", "unknown_key", |token| token.key_id("nobody's")),
    ("type", "wrong_type", |token| token.token_type("dpop+jwt")),
    ("claim_types", "invalid_claim", |token| {
        token.claim("sub", 1)
    }),
    ("audience", "audience_mismatch", |token| {
        token.audience("https://other.test")
    }),
    ("required_claims", "missing_claim", |token| {
        token.without_claim("tenant")
    }),
    ("exp", "expired", |token| token.claim("exp", NOW - 30)),
    ("nbf", "not_yet_valid", |token| token.claim("nbf", NOW + 31)),
    ("iat", "issued_in_future", |token| {
        token.claim("iat", NOW + 31)
    }),
    ("max_age", "too_old", |token| token.claim("iat", NOW - 631)),
    ("binding", "binding_required", |token| {
        token.claim("cnf", json!({}))
    }),
];

/// That a check has passed is only said of one that was made: of two faults the verdict is about the one
/// whose check stands first.
#[test]
fn checks_stand_in_the_order_in_which_they_are_made() {
    let target = Target::shared();
    let verifier = target.verifier_that(|issuer| {
        issuer
            .algorithms([Algorithm::Es256])
            .require_claims(["tenant"])
            .max_token_age(Duration::from_secs(600))
    });
    let good = || target.token().claim("tenant", "acme");
    assert_eq!(verdict(&verifier.explain_now(&good().sign())), "accepted");
    let assert_fails = |token: &str, name: &str, reason: &str, what: &str| {
        let explanation = verifier.explain_now(token);
        let failed = explanation.failed_check().unwrap();
        assert_eq!(
            (failed.name(), verdict(&explanation)),
            (name, reason),
            "{what}"
        );
        assert!(
            failed.remedy().is_some() && failed.found().is_some(),
            "{what}: {failed:?}"
        );
    };
    for (place, (name, reason, break_it)) in FAULTS.iter().enumerate() {
        assert_fails(&break_it(good()).sign(), name, reason, name);
        for (later, _, break_more) in &FAULTS[place + 1..] {
            // Both are about `iat`.
            if (*name, *later) == ("iat", "max_age") {
                continue;
            }
            let token = break_it(break_more(good())).sign();
            assert_fails(&token, name, reason, &format!("{name} and {later}"));
        }
        // A forger cannot learn which claims would be wrong, and is told of the signature first.
        let forged = break_it(good()).with_invalid_signature();
        let is_before = place < 5;
        let (name, reason) = if is_before {
            (*name, *reason)
        } else {
            ("signature", "invalid_signature")
        };
        assert_fails(&forged, name, reason, &format!("forged, {name}"));
    }
    let good = good().sign();
    let parts: Vec<_> = good.split('.').collect();
    for (token, name, reason) in [
        ("a".repeat(16 * 1024 + 1), "size", "too_large"),
        ("a.b".to_owned(), "parts", "malformed"),
        (
            format!("*.{}.{}", parts[1], parts[2]),
            "header",
            "malformed",
        ),
        (
            format!("e30.{}.{}", parts[1], parts[2]),
            "algorithm",
            "malformed",
        ),
        (
            format!("{}.*.{}", parts[0], parts[2]),
            "encoding",
            "malformed",
        ),
        (
            format!("{}.{}.", parts[0], parts[1]),
            "encoding",
            "malformed",
        ),
        (
            format!("{}.e31.{}", parts[0], parts[2]),
            "encoding",
            "malformed",
        ),
        (
            format!("{}.W10.{}", parts[0], parts[2]),
            "claims",
            "malformed",
        ),
        (
            format!("{}.e30.{}", parts[0], parts[2]),
            "issuer",
            "missing_claim",
        ),
        (
            target.token().key_id(&"k".repeat(257)).sign(),
            "header",
            "too_large",
        ),
        (
            target
                .token()
                .claim("tenant", 1)
                .without_claim("exp")
                .sign(),
            "claim_types",
            "missing_claim",
        ),
        (
            target
                .token()
                .claim("tenant", 1)
                .without_claim("aud")
                .sign(),
            "audience",
            "missing_claim",
        ),
        (
            target
                .token()
                .claim("tenant", 1)
                .without_claim("iat")
                .sign(),
            "max_age",
            "missing_claim",
        ),
        (
            target.token().claim("iss", 1).sign(),
            "issuer",
            "invalid_claim",
        ),
    ] {
        assert_fails(&token, name, reason, name);
    }
}

/// Of a token that nobody vouches for it is told what its header says where that is the fault, and no claim.
#[tokio::test]
async fn an_unverified_token_says_little() {
    let (verifier, token) = fixed().await;
    let evil = "![x](https://evil.test)\n\u{202e}<b>@all";
    let shown =
        r"\u{21}\u{5b}x\u{5d}\u{28}https://evil.test\u{29}\u{a}\u{202e}\u{3c}b\u{3e}\u{40}all";

    let explanation = verifier
        .explain(&token.clone().header("alg", evil).sign())
        .await;
    assert_eq!(found(&explanation, "algorithm"), format!("\"{shown}\""));
    let explanation = verifier.explain(&token.clone().key_id(evil).sign()).await;
    let expected = format!("one named \"{shown}\" for ES256");
    assert_eq!(check(&explanation, "key").expected(), expected);
    let explanation = verifier
        .explain(&token.clone().issuer(evil).key_id(evil).sign())
        .await;
    assert_eq!(found(&explanation, "issuer"), "none of them");
    assert!(
        !explanation.to_string().contains("evil.test"),
        "{explanation}"
    );
    let explanation = verifier
        .explain(&token.claim("aud", evil).with_invalid_signature())
        .await;
    assert_eq!(verdict(&explanation), "invalid_signature");
    assert!(
        !explanation.to_string().contains("evil.test"),
        "{explanation}"
    );
    assert_eq!(
        serde_json::to_value(&explanation).unwrap()["claims"],
        Value::Null
    );
}

/// Which issuer's rules would hold is not known of a token that names none.
#[tokio::test]
async fn rules_that_are_not_known_are_not_told() {
    let (verifier, _) = fixed().await;
    let explanation = verifier.explain("garbage").await;
    for name in ["type", "required_claims", "exp", "nbf", "iat", "max_age"] {
        let check = check(&explanation, name);
        assert_eq!(check.expected(), "as its issuer is configured", "{name}");
    }
}

#[tokio::test]
async fn a_subject_is_shown_when_asked_for() {
    let (verifier, token) = fixed().await;
    let expired = token.clone().claim("exp", 1).subject("alice\n").sign();
    for token in [token.subject("alice\n").sign(), expired] {
        let explanation = verifier.explain(&token).await;
        for shown in [
            explanation.to_string(),
            format!("{explanation:?}"),
            serde_json::to_string(&explanation).unwrap(),
        ] {
            assert!(
                !shown.contains("alice") && shown.contains("sha256:"),
                "{shown}"
            );
        }
        let shown = explanation.showing_subject().to_string();
        assert!(
            shown.contains(r"alice\u{a}") && !shown.contains("sha256:"),
            "{shown}"
        );
    }
}

/// Which keys there are, and why the one that is asked for is not.
#[tokio::test]
async fn an_unknown_key_can_be_told_apart() {
    let scene = Scene::set().await;
    let token = scene.token().sign();
    let explain = async |token: &str| {
        let explanation = scene.verifier.explain(token).await;
        settle().await;
        explanation
    };
    let accepted = explain(&token).await;
    assert!(found(&accepted, "key").ends_with("published"), "{accepted}");
    assert_eq!(found(&accepted, "keys"), "1 published, 0s old (fresh)");

    // Withdrawn: it serves on for an hour, and then it does not.
    scene.rotate();
    scene.pass(600);
    let _ = explain(&token).await;
    scene.pass(60);
    let in_grace = explain(&token).await;
    assert_eq!(verdict(&in_grace), "accepted");
    assert!(
        found(&in_grace, "key").ends_with("in its grace"),
        "{in_grace}"
    );
    assert!(
        found(&in_grace, "keys").contains("1 published, 1 in grace"),
        "{in_grace}"
    );
    for _ in 0..8 {
        scene.pass(600);
        scene.good().await;
        settle().await;
    }
    let gone = explain(&token).await;
    assert_eq!(verdict(&gone), "unknown_key");
    assert!(
        found(&gone, "key").starts_with("unknown; there are \""),
        "{gone}"
    );

    // Published, and not of use.
    let mut keys: Value = serde_json::from_str(&scene.issuer.jwks()).unwrap();
    keys["keys"][0]["use"] = "enc".into();
    scene
        .network
        .answer(KEYS, Ok(FetchResponse::document(keys.to_string())));
    scene.verifier.refresh_now().await.unwrap();
    let skipped = explain(&scene.token().sign()).await;
    assert_eq!(verdict(&skipped), "unknown_key");
    assert!(
        found(&skipped, "key").starts_with("published and left out as other_use"),
        "{skipped}"
    );
    let remedy = check(&skipped, "key").remedy().unwrap();
    assert!(remedy.starts_with("have the issuer publish"), "{remedy}");

    // Nobody knows whether it is there.
    scene
        .network
        .answer(KEYS, Err(FetchError::new(FetchErrorKind::Status(500))));
    scene.pass(600);
    let unknown = explain(&scene.token().key_id("new").sign()).await;
    assert_eq!(verdict(&unknown), "keys_unavailable");
    let said = found(&unknown, "keys");
    assert!(said.contains("unexpected HTTP status 500"), "{unknown}");
    assert!(
        unknown
            .to_string()
            .contains("last fetch: unexpected HTTP status 500"),
        "{unknown}"
    );
}

/// The same allowance, the same fetches, the same verdicts, whatever happens to the keys.
#[tokio::test]
async fn explaining_fetches_as_verifying_does() {
    let (verified, explained) = (Scene::set().await, Scene::set().await);
    let mut heard = Vec::new();
    for round in 0..60_u64 {
        for scene in [&verified, &explained] {
            match round % 12 {
                2 => scene.rotate(),
                5 => scene.go_down(),
                8 => scene.publish(),
                _ => {}
            }
            scene.pass(if round % 7 == 0 { 4_000 } else { round % 5 * 9 });
        }
        let token = |scene: &Scene| match round % 4 {
            0 => scene.token().key_id("invented").sign(),
            1 => scene.token().with_invalid_signature(),
            2 => scene.token().without_key_id().with_invalid_signature(),
            _ => scene.token().sign(),
        };
        for asked in 0..4 {
            let (ours, theirs) = (token(&verified), token(&explained));
            let (verify, explain) = match asked == round % 3 {
                true => (
                    reason(&verified.verifier.verify_now(&ours)),
                    explained.verifier.explain_now(&theirs),
                ),
                false => (
                    verified.verify(&ours).await,
                    explained.verifier.explain(&theirs).await,
                ),
            };
            settle().await;
            let what = format!("round {round}, {asked}");
            assert_eq!(verify, verdict(&explain), "{what}");
            assert_eq!(verified.fetches(), explained.fetches(), "{what}");
            heard.push(verify);
        }
    }
    for reason in [
        "accepted",
        "unknown_key",
        "invalid_signature",
        "keys_unavailable",
        "key_not_cached",
    ] {
        assert!(heard.contains(&reason), "{reason}: {heard:?}");
    }
}

/// Every check is made, also of a token that is remembered; and nothing is remembered of it.
#[test]
fn remembered_tokens_are_left_alone() {
    let target = Target::shared();
    let recorder = metrics_util::debugging::DebuggingRecorder::new();
    let looked = || {
        let recorded = recorder.snapshotter().snapshot().into_vec();
        let names = recorded.iter().map(|(key, ..)| key.key().name().to_owned());
        names.filter(|name| name.contains("token_cache")).count()
    };
    metrics::with_local_recorder(&recorder, || {
        let token = target.good();
        for _ in 0..3 {
            assert_eq!(verdict(&target.verifier.explain_now(&token)), "accepted");
        }
        assert_eq!(looked(), 0);
        target.verifier.verify_now(&token).unwrap();
        assert!(looked() > 0, "what this test goes by");
    });
}

#[tokio::test]
async fn a_policy_is_explained_part_by_part() {
    let (verifier, token) = fixed().await;
    let token = token.claim("roles", 7).claim("amr", ["pwd"]).sign();
    let policy = Policy::scope("orders:write")
        .and(Policy::role("admin").not())
        .and(Policy::owner().hidden().or(Policy::amr("pwd")));
    let explanation = verifier.explain(&token).await;
    let facts = Facts::new().owner("https://id.example.com", "bob");
    let explanation = explanation
        .with_policy(&policy)
        .with_policy_on(&policy, &facts);
    let parts = |number: usize| -> Vec<_> {
        let checks = explanation.policies()[number].checks().iter();
        checks
            .map(|check| (check.depth(), check.name(), check.outcome()))
            .collect()
    };
    use CheckOutcome::{Failed, Fault, Passed};
    let with_owner = |owner| {
        vec![
            (0, "all", Failed),
            (1, "scope", Failed),
            (1, "not", Fault),
            (2, "role", Fault),
            (1, "any", Passed),
            (2, "hidden", owner),
            (3, "owner", owner),
            (2, "amr", Passed),
        ]
    };
    assert_eq!(parts(0), with_owner(Fault));
    assert_eq!(parts(1), with_owner(Failed));
    let verified = explanation.verdict().unwrap();
    for (number, decision) in [policy.check(verified), policy.check_on(verified, &facts)]
        .iter()
        .enumerate()
    {
        let account = &explanation.policies()[number];
        assert_eq!(
            account.reason(),
            decision.as_ref().err().map(|refusal| refusal.reason())
        );
        assert!(!account.is_allowed() && !explanation.is_allowed());
    }
    let role = &explanation.policies()[0].checks()[3];
    assert_eq!(role.found(), Some("the claim is of another type"));

    let invalid = verifier.explain(&token).await.with_policy(&Policy::any([]));
    assert_eq!(invalid.policies()[0].reason(), Some("invalid_policy"));
    assert!(!invalid.is_allowed(), "{invalid}");
    let refused = verifier.explain("a.b.c").await.with_policy(&policy);
    let [whole] = refused.policies()[0].checks() else {
        panic!("{refused}");
    };
    assert_eq!(whole.outcome(), CheckOutcome::NotReached);
    let allowed = verifier
        .explain(&token)
        .await
        .with_policy(&Policy::amr("pwd"));
    assert!(allowed.is_allowed(), "{allowed}");
}

/// Runs the example; `cargo test` has built it beside this test.
fn run(arguments: &[&str], token: &str) -> Output {
    let tests = std::env::current_exe().unwrap();
    let built = tests.parent().unwrap().parent().unwrap();
    let mut child = Command::new(built.join("examples/explain"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Where it has ended before it reads, nobody listens.
    let _ = child.stdin.take().unwrap().write_all(token.as_bytes());
    child.wait_with_output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_tells_by_its_exit_code() {
    let issuer = TestIssuer::start().await.unwrap();
    let arguments = [issuer.issuer(), AUDIENCE];
    let good = issuer.token().sign();
    let output = run(&arguments, &format!("{good}\n"));
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.starts_with("accepted (at "), "{said}");

    for (token, reason) in [
        (
            issuer.token().expired_for(Duration::from_secs(600)).sign(),
            "expired",
        ),
        (issuer.token().sign_with_unknown_key(), "invalid_signature"),
        (issuer.token().key_id("nobody's").sign(), "unknown_key"),
        (
            issuer.token().issuer("https://other.test").sign(),
            "untrusted_issuer",
        ),
        (String::new(), "malformed"),
        ("a".repeat(1 << 17), "too_large"),
    ] {
        let output = run(&arguments, &token);
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.starts_with(&format!("refused: {reason}: ")), "{said}");
        let output = run(&["--json", arguments[0], arguments[1]], &token);
        let said: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(said["reason"], reason);
    }
    issuer.fail_with(testing::Fault::Status(503));
    let output = run(&arguments, &good);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.starts_with("refused: keys_unavailable: "), "{said}");
    for arguments in [&[][..], &arguments[..1], &["no URL", AUDIENCE], &["--json"]] {
        let output = run(arguments, &good);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}
