//! A plain function call with keys that are given: no network, no runtime, no server.
//!
//! Run with: `cargo run --example offline`
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::time::{Duration, UNIX_EPOCH};

use portcullis::{Audience, Clock, Issuer, KeySet, Now, Verifier};

/// The public key of RFC 8037 appendix A.2.
const JWKS: &[u8] =
    br#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2026-11","alg":"EdDSA","use":"sig",
    "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// Signed once with the private half that the same appendix publishes; good for the first hour of 2027.
const TOKEN: &str = include_str!("offline.jwt");

/// A service reads the system's clock; this example must still work next year.
#[derive(Debug)]
struct NewYear;

impl Clock for NewYear {
    fn now(&self) -> Now {
        Now {
            wall: UNIX_EPOCH + Duration::from_secs(1_798_761_600),
            monotonic: Duration::ZERO,
        }
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys = KeySet::from_json(JWKS)?;
    let issuer = Issuer::keys(
        "https://id.example.com",
        keys,
        Audience::of("https://api.example.com"),
    );
    let verifier = Verifier::builder().issuer(issuer).clock(NewYear).build()?;

    let token = verifier.verify_now(TOKEN.trim())?;
    println!("subject: {}", token.subject().unwrap_or("none"));
    println!(
        "may read orders: {}",
        token.scopes().contains("orders:read")
    );

    let forged = TOKEN.trim().replacen(".l", ".m", 1); // the first byte of the signature
    match verifier.verify_now(&forged) {
        Ok(_) => Err("a changed token was accepted".into()),
        Err(error) => {
            println!("a changed token: {} ({error})", error.reason());
            Ok(())
        }
    }
}
