//! JSONTestSuite: texts that are JSON (`y_`), are not (`n_`), or may be read either way (`i_`, and all
//! of `test_transform`), wherever this crate reads JSON.
//!
//! All of it runs on a stack that deep recursion would overflow.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;

use super::{Tally, open};
use crate::error::{KeySetError, Malformation, VerifyError};
use crate::jws::{CompactJws, SignatureRoom};
use crate::{Audience, Issuer, KeySet, Verifier};

struct Text {
    name: String,
    bytes: Vec<u8>,
}

impl Text {
    /// Whether it is JSON; `None` if that is the reader's choice.
    fn is_json(&self) -> Option<bool> {
        match self.name.split_once('_').unwrap().0 {
            "y" => Some(true),
            "n" => Some(false),
            _ => None,
        }
    }

    /// Whether it is for certain an object whose members, none of which we read, stand once each.
    fn is_strange_object(&self) -> bool {
        self.is_json() == Some(true)
            && self.bytes.trim_ascii_start().starts_with(b"{")
            && !self.has_duplicates()
    }

    fn has_duplicates(&self) -> bool {
        ["duplicated_key", "object_same_key"]
            .iter()
            .any(|part| self.name.contains(part))
    }

    /// The text in the place of a value.
    fn within(&self, before: &str, after: &str) -> Vec<u8> {
        [before.as_bytes(), &self.bytes, after.as_bytes()].concat()
    }
}

/// Runs each text through `judge`, on a small stack. Of the texts that the suite leaves open so many are
/// accepted.
#[track_caller]
fn for_each_text(
    suite: &str,
    open_accepted: usize,
    mut judge: impl FnMut(&mut Tally, &Text) -> bool + Send + 'static,
) {
    let Some(vectors) = open() else { return };
    let mut tally = Tally::of(format!("JSONTestSuite as {suite}"));
    let run = move || {
        let mut found = Vec::new();
        for folder in ["test_parsing", "test_transform"] {
            for file in vectors.files(format!("JSONTestSuite/{folder}")) {
                let name = file.file_name().unwrap().to_str().unwrap().to_owned();
                let bytes = vectors.bytes(&file);
                let text = Text { name, bytes };
                if judge(&mut tally, &text) && text.is_json().is_none() {
                    found.push(text.name);
                }
            }
        }
        assert_eq!(found.len(), open_accepted, "{found:?}");
        tally.report(318 + 22);
    };
    let small_stack = std::thread::Builder::new().stack_size(64 * 1024);
    small_stack.spawn(run).unwrap().join().unwrap();
}

/// Takes what the text in the place of a value led to.
#[track_caller]
fn judge(tally: &mut Tally, text: &Text, accepted: bool, rule: Option<&str>) -> bool {
    let label = text.is_json().unwrap_or_else(|| accepted || rule.is_some());
    tally.judge(&text.name, label, accepted, rule);
    accepted
}

fn token(header: &[u8], payload: &[u8]) -> String {
    format!(
        "{}.{}.AAAA",
        BASE64URL.encode(header),
        BASE64URL.encode(payload)
    )
}

fn header_error(header: &[u8]) -> Option<VerifyError> {
    CompactJws::parse(token(header, b"{}").as_bytes(), &mut SignatureRoom::new()).err()
}

#[test]
fn as_a_jose_header() {
    for_each_text("a JOSE header", 18, |tally, text| {
        let whole = header_error(&text.bytes).unwrap();
        if text.bytes.len() > 2 * 1024 {
            assert!(matches!(whole, VerifyError::TooLarge), "{}", text.name);
        } else if text.is_strange_object() {
            // It is read, and lacks `alg`.
            assert!(
                matches!(whole, VerifyError::Malformed(Malformation::HeaderMember)),
                "{}",
                text.name
            );
        } else if text.is_json().is_some() {
            assert!(
                matches!(whole, VerifyError::Malformed(Malformation::Header)),
                "{}",
                text.name
            );
        }
        let member = header_error(&text.within(r#"{"alg":"ES256","x":"#, "}"));
        let rule = text.has_duplicates().then_some("duplicate member");
        judge(tally, text, member.is_none(), rule)
    });
}

#[test]
fn as_a_payload() {
    let jwks = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let keys = KeySet::from_json(jwks.as_bytes()).unwrap();
    let issuer = Issuer::keys("https://id.example.com", keys, Audience::of("api"));
    let verifier = Verifier::new(issuer).unwrap();
    let code = move |payload: &[u8]| {
        let token = token(br#"{"alg":"EdDSA"}"#, payload);
        verifier.verify_now(&token).unwrap_err().reason()
    };
    for_each_text("a payload", 26, move |tally, text| {
        let whole = code(&text.bytes);
        if text.bytes.len() > 12 * 1024 {
            assert_eq!(whole, "too_large", "{}", text.name);
        } else if text.is_strange_object() {
            assert_eq!(whole, "missing_claim", "{}", text.name);
        } else if text.is_json().is_some() {
            assert_eq!(whole, "malformed", "{}", text.name);
        }
        // What is read as claims goes on to the signature, which is none.
        let member = code(&text.within(r#"{"iss":"https://id.example.com","x":"#, "}"));
        assert!(
            ["invalid_signature", "malformed", "too_large"].contains(&member),
            "{member}"
        );
        judge(tally, text, member == "invalid_signature", None)
    });
}

#[test]
fn as_a_jwk_set() {
    for_each_text("a JWK Set", 40, |tally, text| {
        assert_eq!(
            KeySet::from_json(&text.bytes).err(),
            Some(KeySetError::NotAJwkSet)
        );
        // A list of what are no keys is a set.
        let keys = KeySet::from_json(&text.within(r#"{"keys":"#, "}"));
        if text.is_json().is_some() {
            let is_list =
                text.is_json() == Some(true) && text.bytes.trim_ascii_start().starts_with(b"[");
            assert_eq!(keys.is_ok(), is_list, "{}", text.name);
        }
        assert!(
            keys.is_err() || keys.is_ok_and(|keys| keys.is_empty()),
            "{}",
            text.name
        );
        // One that is no key spoils no other, and one that is no JSON spoils all.
        let beside = KeySet::from_json(&text.within(
            r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},"#,
            "]}",
        ));
        if let Ok(keys) = &beside {
            assert_eq!(keys.len(), 1, "{}", text.name);
            assert_eq!(keys.skipped().len(), 1, "{}", text.name);
        }
        // A member of a key that is read.
        let member = KeySet::from_json(&text.within(r#"{"keys":[{"kty":"EC","x":"#, "}]}"));
        assert_eq!(member.is_ok(), beside.is_ok(), "{}", text.name);
        assert!(
            member.is_err() || member.is_ok_and(|keys| keys.is_empty()),
            "{}",
            text.name
        );
        judge(tally, text, beside.is_ok(), None)
    });
}

#[cfg(feature = "remote")]
#[test]
fn as_a_discovery_document() {
    use crate::FetchErrorKind;
    use crate::discovery::parse;
    use crate::fetch::PlainHttp;

    let parse = |body: &[u8]| {
        let metadata = parse(body, "https://id.example.com", PlainHttp::Never);
        metadata.map(drop).map_err(|error| error.kind())
    };
    for_each_text("a discovery document", 40, move |tally, text| {
        assert_eq!(parse(&text.bytes), Err(FetchErrorKind::NotMetadata));
        for name in ["issuer", "jwks_uri"] {
            let member = parse(&text.within(&format!(r#"{{"{name}":"#), "}"));
            assert_ne!(member, Ok(()), "{}", text.name);
        }
        let known =
            r#"{"issuer":"https://id.example.com","jwks_uri":"https://id.example.com/keys","x":"#;
        let member = parse(&text.within(known, "}"));
        assert!(
            matches!(member, Ok(()) | Err(FetchErrorKind::NotMetadata)),
            "{}",
            text.name
        );
        judge(tally, text, member.is_ok(), None)
    });
}
