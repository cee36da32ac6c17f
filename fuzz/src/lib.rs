//! What several targets need: tokens that were signed once, an issuer that signs now, and verifiers
//! that trust the two.

use std::sync::LazyLock;

use portcullis::testing::{TestIssuer, TokenBuilder, VirtualClock};
use portcullis::{Algorithm, Audience, Issuer, KeySet, Verifier, VerifyError};
use serde::Deserialize;

pub const ISSUER: &str = "https://id.example.com";
pub const AUDIENCE: &str = "https://api.example.com";
pub const KEY_ID: &str = "key";
/// The time of day at which every token is judged.
pub const NOW: u32 = 1_800_000_000;
pub const LEEWAY: u32 = 30;

/// One token of each algorithm and their keys. Made once with [`TestIssuer`]; nobody has the private
/// keys any more, so whatever else these keys accept is a forgery.
pub static KNOWN_GOOD: LazyLock<KnownGood> = LazyLock::new(|| {
    let text = include_str!("../known_good.json");
    let Document { keys, tokens } = serde_json::from_str(text).expect("tokens and keys");
    let keys = serde_json::json!({ "keys": keys }).to_string();
    let keys = KeySet::from_json(keys.as_bytes()).expect("a JWK Set");
    assert_eq!((keys.len(), keys.skipped().len()), (tokens.len(), 0));
    KnownGood {
        verifier: verifier(keys.clone()),
        keys,
        tokens,
    }
});

pub struct KnownGood {
    pub keys: KeySet,
    pub tokens: Vec<String>,
    pub verifier: Verifier,
}

#[derive(Deserialize)]
struct Document {
    keys: serde_json::Value,
    tokens: Vec<String>,
}

/// An issuer that signs what a target hands it, and the verifier that holds its key.
pub static SIGNER: LazyLock<Signer> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let issuer = runtime
        .block_on(TestIssuer::start_with([Algorithm::EdDsa]))
        .expect("a port on loopback")
        .with_clock(VirtualClock::at_unix(NOW.into()));
    // Its name is made of a port. A fixed one can be guessed by a fuzzer, and kept in a corpus.
    let mut jwks: serde_json::Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    jwks["keys"][0]["kid"] = KEY_ID.into();
    let keys = KeySet::from_json(jwks.to_string().as_bytes()).expect("a JWK Set");
    Signer {
        verifier: verifier(keys.clone()),
        keys,
        issuer,
    }
});

pub struct Signer {
    issuer: TestIssuer,
    pub keys: KeySet,
    pub verifier: Verifier,
}

impl Signer {
    pub fn token(&self) -> TokenBuilder {
        self.issuer
            .token()
            .key_id(KEY_ID)
            .issuer(ISSUER)
            .audience(AUDIENCE)
    }
}

fn verifier(keys: KeySet) -> Verifier {
    Verifier::builder()
        .issuer(Issuer::keys(ISSUER, keys, Audience::of(AUDIENCE)))
        .clock(VirtualClock::at_unix(NOW.into()))
        .build()
        .expect("sound settings")
}

/// The reason of a refusal, or `"accepted"`. On the way it holds the error to what every error
/// promises: a known code, and a text without control characters that is short whatever was sent.
pub fn reason<T>(outcome: &Result<T, VerifyError>) -> &'static str {
    let Err(error) = outcome else {
        return "accepted";
    };
    let text = format!("{error} {error:?}");
    assert!(text.len() < 1_000, "a long error");
    assert!(!text.contains(char::is_control), "{text:?}");
    error.reason()
}

/// A JSON object with these members before its own, if the bytes begin as one: what stands there then
/// decides alone, however seldom a fuzzer finds the rest.
pub fn with_members_before(members: &str, object: &[u8]) -> Option<Vec<u8>> {
    let (b'{', rest) = object.split_first()? else {
        return None;
    };
    let comma = if rest.trim_ascii_start().starts_with(b"}") {
        ""
    } else {
        ","
    };
    Some([b"{", members.as_bytes(), comma.as_bytes(), rest].concat())
}
