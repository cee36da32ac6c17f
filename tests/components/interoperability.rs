//! Tokens and keys made by the JWT libraries of other languages pass, each with its key as the library
//! exports it; the same tokens with anything changed do not. Prints what it found as a matrix.

use std::io::Write as _;
use std::process::Command;

use portcullis::{Algorithm, Audience, Issuer, KeySet, Verifier};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{Child, components, forge};

const ISSUER: &str = "https://id.example.com";
const AUDIENCE: &str = "https://api.example.com";

/// How each library is run, and up to which column it must be able to make tokens. One that has
/// learned more is welcome.
const PRODUCERS: [(fn() -> Command, Algorithm); 9] = [
    (|| node("jose"), Algorithm::Ed25519),
    (|| node("jsonwebtoken"), Algorithm::Es512),
    (|| python("PyJWT"), Algorithm::EdDsa),
    (|| python("Authlib"), Algorithm::EdDsa),
    (|| python("jwcrypto"), Algorithm::MlDsa87),
    (|| python("joserfc"), Algorithm::Ed25519),
    (
        || Command::new(components().join("go-producer")),
        Algorithm::EdDsa,
    ),
    (|| interpreted("ruby", "ruby/producer.rb"), Algorithm::Es512),
    (|| interpreted("perl", "perl/producer.pl"), Algorithm::EdDsa),
];

#[test]
fn tokens_of_every_library_pass_with_its_keys_as_it_exports_them() {
    let mut matrix = format!("\n{:<22}", "");
    for algorithm in Algorithm::ALL {
        matrix += &format!(" {:>9}", algorithm.name());
    }
    let (mut unsupported, mut failures) = (String::new(), Vec::new());
    for (command, last) in PRODUCERS {
        let (producer, made) = produce(command());
        assert_eq!(made.len(), Algorithm::ALL.len(), "{producer}");
        matrix += &format!("\n{producer:<22}");
        for (algorithm, made) in Algorithm::ALL.iter().zip(made) {
            assert_eq!(made.algorithm, algorithm.name(), "{producer}");
            let what = format!("{producer}, {algorithm}");
            let cell = match (made.error, made.token, made.jwk) {
                (None, Some(token), Some(jwk)) => {
                    match passes_unless_changed(*algorithm, &token, jwk) {
                        Ok(()) => "ok",
                        Err(fault) => {
                            failures.push(format!("{what}: {fault}"));
                            "FAIL"
                        }
                    }
                }
                (Some(error), None, None) if *algorithm > last => {
                    unsupported += &format!("  {what}: {}\n", error.trim_end());
                    "–"
                }
                (error, ..) => {
                    failures.push(format!("{what}: it made none: {error:?}"));
                    "FAIL"
                }
            };
            matrix += &format!(" {cell:>9}");
        }
    }
    // Past the test harness, which keeps to itself what a passing test prints.
    std::io::stdout()
        .write_all(
            format!("{matrix}\n\nWhat the libraries say where there is a –:\n{unsupported}")
                .as_bytes(),
        )
        .expect("stdout");
    assert!(failures.is_empty(), "{failures:#?}");
}

/// A line of a producer.
#[derive(Deserialize)]
struct Made {
    #[serde(rename = "alg")]
    algorithm: String,
    token: Option<String>,
    jwk: Option<Value>,
    error: Option<String>,
}

/// The producer's name and version, and what it made for each algorithm.
fn produce(mut command: Command) -> (String, Vec<Made>) {
    let output = command
        .args([ISSUER, AUDIENCE])
        .args(Algorithm::ALL.iter().map(|algorithm| algorithm.name()))
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/check-components"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let (name, made) = text.split_once('\n').expect("a line with the name");
    (
        serde_json::from_str(name).expect("a name"),
        made.lines()
            .map(|line| serde_json::from_str(line).expect("a line for an algorithm"))
            .collect(),
    )
}

fn passes_unless_changed(algorithm: Algorithm, token: &str, jwk: Value) -> Result<(), String> {
    let jwks = json!({ "keys": [jwk] }).to_string();
    let keys = KeySet::from_json(jwks.as_bytes()).map_err(|error| error.to_string())?;
    let verifier = Verifier::new(Issuer::keys(ISSUER, keys, Audience::of(AUDIENCE)))
        .map_err(|error| error.to_string())?;

    let verified = verifier
        .verify_now(token)
        .map_err(|error| error.reason().to_owned())?;
    assert_eq!(verified.header().algorithm(), algorithm);
    assert_eq!(verified.subject(), Some("alice"));
    for (name, changed) in [
        ("claims", forge::claims(token)),
        ("signature", forge::signature(token)),
    ] {
        match verifier.verify_now(&changed) {
            Err(error) if error.reason() == "invalid_signature" => {}
            other => return Err(format!("{name} changed: {other:?}")),
        }
    }
    Ok(())
}

fn node(library: &str) -> Command {
    let mut command = Child::node("producer.mjs");
    command.arg(library);
    command
}

fn python(library: &str) -> Command {
    let mut command = Child::python("producer.py");
    command.arg(library);
    command
}

fn interpreted(interpreter: &str, script: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(format!(
        "{}/tests/components/{script}",
        env!("CARGO_MANIFEST_DIR")
    ));
    command
}
