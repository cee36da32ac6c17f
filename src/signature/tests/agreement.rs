//! The two backends held against each other, on what no label speaks of too: other algorithms of a key's
//! kind, and signatures in which one bit is wrong.

use std::collections::HashSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL;
use serde_json::Value;

use super::wycheproof::{File, files};
use super::*;
use crate::KeySet;
use crate::jws::{CompactJws, SignatureRoom};
use crate::vectors::{self, Tally};

/// One key in both backends.
struct Both<'k> {
    material: &'k KeyMaterial,
    algorithm: Algorithm,
    parsed: [Parsed; 2],
}

impl<'k> Both<'k> {
    fn parse(material: &'k KeyMaterial, algorithm: Algorithm) -> Self {
        let parsed = [0, 1].map(|backend| BACKENDS[backend].1(material, algorithm));
        Self {
            material,
            algorithm,
            parsed,
        }
    }

    /// Whether the signature holds, which both must say alike.
    #[track_caller]
    fn judge(&self, tally: &mut Tally, name: &str, message: &[u8], signature: &[u8]) -> bool {
        let [first, second] = self.parsed.each_ref().map(|verifies| {
            verifies
                .as_ref()
                .is_ok_and(|verifies| verifies(message, signature))
        });
        let (material, algorithm) = (self.material, self.algorithm);
        tally.judge(
            format_args!("{name} {algorithm} {material:?}"),
            first,
            second,
            None,
        );
        first
    }
}

#[test]
fn on_raw_signatures() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    let mut tally = Tally::of("backends against each other, raw signatures");
    let mut accepted = 0;
    // Some files stand for several algorithms, and are run with each once.
    let mut seen = HashSet::new();
    for (name, algorithm) in files() {
        let kind = algorithm.key_kind();
        if BACKENDS
            .iter()
            .any(|(backend, _)| !supports(backend, algorithm))
        {
            continue;
        }
        let others = kind.algorithms();
        let others: Vec<_> = others.filter(|other| seen.insert((name, *other))).collect();
        let file: File = vectors.json(format!("wycheproof/{name}_test.json"));
        for group in &file.test_groups {
            let material = group.material(kind);
            // Longer RSA keys take seconds in an unoptimised build; what they add is their length.
            let is_long = matches!(&material, KeyMaterial::Rsa { n, .. } if n.len() > 256);
            for &other in others
                .iter()
                .filter(|other| !is_long || **other == algorithm)
            {
                let both = Both::parse(&material, other);
                for case in &group.tests {
                    let (message, mut signature) = (hex(&case.msg), hex(&case.sig));
                    accepted += usize::from(both.judge(&mut tally, name, &message, &signature));
                    let bits = signature.len() * 8;
                    if bits == 0 || other != algorithm || is_long {
                        continue;
                    }
                    // Another bit in each case.
                    let bit = usize::try_from(case.tc_id).unwrap() * 31 % bits;
                    signature[bit / 8] ^= 1 << (bit % 8);
                    both.judge(&mut tally, name, &message, &signature);
                }
            }
        }
    }
    assert!(accepted > 1_000, "{accepted}");
    tally.report(15_183);
}

#[test]
fn on_tokens() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    let mut tally = Tally::of("backends against each other, tokens");
    let mut accepted = 0;
    for name in ["json_web_signature", "json_web_key", "json_web_crypto"] {
        let file: Value = vectors.json(format!("wycheproof/{name}_test.json"));
        for group in file["testGroups"].as_array().unwrap() {
            let document = match &group["public"]["keys"] {
                Value::Array(_) => group["public"].to_string(),
                _ => format!(r#"{{"keys":[{}]}}"#, group["public"]),
            };
            let keys = KeySet::from_json(document.as_bytes()).unwrap();
            let keys: Vec<Arc<_>> = keys.beyond(&KeySet::default());
            for token in group["tests"].as_array().unwrap() {
                let Some(token) = token["jws"].as_str() else {
                    continue;
                };
                let mut room = SignatureRoom::new();
                let Ok(jws) = CompactJws::parse(token.as_bytes(), &mut room) else {
                    continue;
                };
                let algorithm = jws.header().algorithm();
                let (message, signature) = token.rsplit_once('.').unwrap();
                let signature = BASE64URL.decode(signature).unwrap();
                for key in &keys {
                    let both = Both::parse(key.material(), algorithm);
                    let held = both.judge(&mut tally, name, message.as_bytes(), &signature);
                    accepted += usize::from(held);
                }
            }
        }
    }
    assert!(accepted > 30, "{accepted}");
    tally.report(346);
}
