//! Wycheproof through every backend that was compiled in, which must agree on each verdict.

use serde::Deserialize;

use super::*;
use crate::vectors::{self, Vectors, hex};

/// What one backend made of a key: a check, or why there is none.
type Parsed = Result<Box<dyn Fn(&[u8], &[u8]) -> bool>, Unusable>;
type Parse = fn(&KeyMaterial, Algorithm) -> Parsed;

fn parse_with<B: Backend + 'static>(material: &KeyMaterial, algorithm: Algorithm) -> Parsed {
    let key = ParsedKey::<B>::parse(material, &[algorithm])?;
    Ok(Box::new(move |message, signature| {
        key.verify(algorithm, message, signature).is_ok()
    }))
}

const BACKENDS: &[(&str, Parse)] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", parse_with::<aws_lc_rs::Key>),
    #[cfg(feature = "rust-crypto")]
    ("rust-crypto", parse_with::<rust_crypto::Key>),
];

fn supports(backend: &str, algorithm: Algorithm) -> bool {
    let ml_dsa = matches!(
        algorithm.key_kind(),
        KeyKind::MlDsa44 | KeyKind::MlDsa65 | KeyKind::MlDsa87
    );
    backend != "rust-crypto" || !ml_dsa
}

/// A Wycheproof file of signatures.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group {
    public_key: serde_json::Value,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    mgf_sha: String,
    #[serde(default)]
    s_len: usize,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    msg: String,
    sig: String,
    result: String,
    #[serde(default)]
    ctx: String,
}

impl Group {
    fn member(&self, name: &str) -> Vec<u8> {
        hex(self.public_key[name].as_str().unwrap())
    }

    fn material(&self, kind: KeyKind) -> KeyMaterial {
        match kind {
            KeyKind::Rsa => {
                let number = |name| {
                    let bytes = self.member(name);
                    bytes
                        .iter()
                        .copied()
                        .skip_while(|byte| *byte == 0)
                        .collect()
                };
                KeyMaterial::Rsa {
                    n: number("modulus"),
                    e: number("publicExponent"),
                }
            }
            KeyKind::P256 | KeyKind::P384 | KeyKind::P521 => KeyMaterial::Ec {
                kind,
                point: self.member("uncompressed").into(),
            },
            KeyKind::Ed25519 => KeyMaterial::Ed25519 {
                x: self.member("pk").try_into().unwrap(),
            },
            KeyKind::MlDsa44 | KeyKind::MlDsa65 | KeyKind::MlDsa87 => KeyMaterial::MlDsa {
                kind,
                public: hex(self.public_key.as_str().unwrap()).into(),
            },
        }
    }
}

/// Runs a file through each backend. `expected` turns a group and a case into the verdict of a JWS
/// verifier; the label of the file is not always that, since a file may be of parameters that no
/// `alg` has. Returns how many signatures were accepted.
#[track_caller]
fn check(
    vectors: &Vectors,
    file: &str,
    algorithm: Algorithm,
    expected: impl Fn(&Group, &Case) -> bool,
) -> usize {
    let groups = vectors
        .json::<File>(format!("wycheproof/{file}"))
        .test_groups;
    let (mut cases, mut accepted) = (0, 0);
    for group in &groups {
        let material = group.material(algorithm.key_kind());
        let checks: Vec<_> = BACKENDS
            .iter()
            .filter(|(backend, _)| supports(backend, algorithm))
            .map(|(backend, parse)| (backend, parse(&material, algorithm)))
            .collect();
        assert!(
            !checks.is_empty()
                || BACKENDS
                    .iter()
                    .all(|(backend, _)| !supports(backend, algorithm))
        );
        for case in &group.tests {
            cases += 1;
            let expected = expected(group, case);
            accepted += usize::from(expected);
            for (backend, verifies) in &checks {
                let verdict = verifies
                    .as_ref()
                    .is_ok_and(|verifies| verifies(&hex(&case.msg), &hex(&case.sig)));
                assert_eq!(
                    verdict, expected,
                    "{file} {algorithm} {backend} tcId {}",
                    case.tc_id
                );
            }
        }
    }
    assert!(cases > 0, "{file}");
    accepted
}

fn as_labelled(_: &Group, case: &Case) -> bool {
    case.result == "valid"
}

fn never(_: &Group, _: &Case) -> bool {
    false
}

#[test]
fn ecdsa() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    for (file, algorithm) in [
        ("ecdsa_secp256r1_sha256_p1363_test.json", Algorithm::Es256),
        ("ecdsa_secp384r1_sha384_p1363_test.json", Algorithm::Es384),
        ("ecdsa_secp521r1_sha512_p1363_test.json", Algorithm::Es512),
    ] {
        assert!(check(&vectors, file, algorithm, as_labelled) > 0);
    }
}

/// Hashes and curves of which no `alg` is made.
#[test]
fn ecdsa_of_other_parameters_is_refused() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    check(
        &vectors,
        "ecdsa_secp256r1_sha512_p1363_test.json",
        Algorithm::Es256,
        never,
    );
    check(
        &vectors,
        "ecdsa_secp384r1_sha512_p1363_test.json",
        Algorithm::Es384,
        never,
    );
    check(
        &vectors,
        "ecdsa_secp256k1_sha256_p1363_test.json",
        Algorithm::Es256,
        never,
    );
}

#[test]
fn ed25519_under_both_names() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    for algorithm in [Algorithm::EdDsa, Algorithm::Ed25519] {
        assert!(check(&vectors, "ed25519_test.json", algorithm, as_labelled) > 0);
    }
}

#[test]
fn rsa_pkcs1() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    for bits in [2048, 3072, 4096] {
        for (digest, algorithm) in [
            ("sha256", Algorithm::Rs256),
            ("sha384", Algorithm::Rs384),
            ("sha512", Algorithm::Rs512),
        ] {
            // "Acceptable" is a digest info without its NULL, which RFC 8017 §8.2.2 lets one refuse.
            assert!(
                check(
                    &vectors,
                    &format!("rsa_signature_{bits}_{digest}_test.json"),
                    algorithm,
                    as_labelled
                ) > 0
            );
        }
    }
}

#[test]
fn rsa_pss() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    for (parameters, algorithm) in [
        ("2048_sha256_mgf1_32", Algorithm::Ps256),
        ("3072_sha256_mgf1_32", Algorithm::Ps256),
        ("4096_sha256_mgf1_32", Algorithm::Ps256),
        ("2048_sha384_mgf1_48", Algorithm::Ps384),
        ("4096_sha384_mgf1_48", Algorithm::Ps384),
        ("4096_sha512_mgf1_64", Algorithm::Ps512),
    ] {
        assert!(
            check(
                &vectors,
                &format!("rsa_pss_{parameters}_test.json"),
                algorithm,
                as_labelled
            ) > 0
        );
    }
}

/// RFC 7518 §3.5: the salt is as long as the digest, and the mask uses the same digest.
#[test]
fn rsa_pss_of_other_parameters_is_refused() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    // In this file a salt of 32 bytes, which is what PS256 demands, is the error.
    let salted = |_: &Group, case: &Case| case.tc_id == 69;
    assert_eq!(
        check(
            &vectors,
            "rsa_pss_2048_sha256_mgf1_0_test.json",
            Algorithm::Ps256,
            salted
        ),
        1
    );
    check(
        &vectors,
        "rsa_pss_4096_sha512_mgf1_32_test.json",
        Algorithm::Ps512,
        never,
    );
    for (sha, salt_bytes, algorithm) in [
        ("SHA-256", 32, Algorithm::Ps256),
        ("SHA-384", 48, Algorithm::Ps384),
        ("SHA-512", 64, Algorithm::Ps512),
    ] {
        let accepted = check(
            &vectors,
            "rsa_pss_misc_test.json",
            algorithm,
            |group, case| {
                (&*group.sha, &*group.mgf_sha, group.s_len) == (sha, sha, salt_bytes)
                    && case.result == "valid"
            },
        );
        assert!(accepted > 0);
    }
}

/// RFC 9964 §2: the context is empty.
#[test]
fn ml_dsa() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    for (size, algorithm) in [
        (44, Algorithm::MlDsa44),
        (65, Algorithm::MlDsa65),
        (87, Algorithm::MlDsa87),
    ] {
        let accepted = check(
            &vectors,
            &format!("mldsa_{size}_verify_test.json"),
            algorithm,
            |_, case| case.result == "valid" && case.ctx.is_empty(),
        );
        assert!(accepted > 0);
    }
}

#[test]
fn every_backend_takes_the_largest_rsa_key_and_exponent() {
    let n: Box<[u8]> = [0xff; 1024].into();
    for e in [&[3][..], &[0xff, 0xff, 0xff, 0xff]] {
        let material = KeyMaterial::Rsa {
            n: n.clone(),
            e: e.into(),
        };
        for (backend, parse) in BACKENDS {
            for algorithm in KeyKind::Rsa.algorithms() {
                let verifies = parse(&material, algorithm)
                    .unwrap_or_else(|reason| panic!("{backend} {reason:?}"));
                assert!(!verifies(b"message", &[0x5a; 1024]));
            }
        }
    }
}

#[test]
fn no_backend_takes_a_point_off_its_curve() {
    for (kind, algorithm, bytes) in [
        (KeyKind::P256, Algorithm::Es256, 32),
        (KeyKind::P384, Algorithm::Es384, 48),
        (KeyKind::P521, Algorithm::Es512, 66),
    ] {
        for fill in [0x00, 0x01, 0xff] {
            let mut point = vec![fill; 2 * bytes + 1];
            point[0] = 0x04;
            let material = KeyMaterial::Ec {
                kind,
                point: point.into(),
            };
            for (backend, parse) in BACKENDS {
                assert_eq!(
                    parse(&material, algorithm).err(),
                    Some(Unusable::Rejected),
                    "{backend} {algorithm} {fill}"
                );
            }
        }
    }
}

/// y = 2 is on no point. aws-lc finds out when it verifies, the other when it parses.
#[test]
fn no_backend_verifies_with_what_is_no_point_of_edwards25519() {
    let mut x = [0; 32];
    x[0] = 2;
    for (backend, parse) in BACKENDS {
        let verifies = parse(&KeyMaterial::Ed25519 { x }, Algorithm::EdDsa);
        assert!(
            !verifies.is_ok_and(|verifies| verifies(b"", &[0; 64])),
            "{backend}"
        );
    }
}

/// What `jwk` screens out, by the word of those who wrote the curve.
#[cfg(feature = "rust-crypto")]
#[test]
fn the_points_of_small_order_are_those_that_are_screened_out() {
    let screened = [
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ];
    let mut points = 0;
    for y in screened {
        for sign in [0x00, 0x80] {
            let mut x: [u8; 32] = hex(y).try_into().unwrap();
            x[31] |= sign;
            // Two of the ten are refused when parsed: zero has no sign.
            let Ok(key) = ed25519_dalek::VerifyingKey::from_bytes(&x) else {
                continue;
            };
            assert!(key.is_weak(), "{y}");
            points += 1;
        }
    }
    assert!((8..=10).contains(&points), "{points}");
}

#[test]
fn a_key_of_another_kind_is_rejected() {
    let material = KeyMaterial::Ed25519 { x: [9; 32] };
    for (backend, parse) in BACKENDS {
        for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::MlDsa44] {
            assert_eq!(
                parse(&material, algorithm).err(),
                Some(Unusable::Rejected),
                "{backend} {algorithm}"
            );
        }
    }
}

#[cfg(feature = "testing")]
mod signed_here {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    fn material(key: &SigningKey, algorithm: Algorithm) -> KeyMaterial {
        let jwk = key.public_jwk();
        let member = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
        match algorithm.key_kind() {
            KeyKind::Rsa => KeyMaterial::Rsa {
                n: member("n").into(),
                e: member("e").into(),
            },
            kind @ (KeyKind::P256 | KeyKind::P384 | KeyKind::P521) => KeyMaterial::Ec {
                kind,
                point: [vec![0x04], member("x"), member("y")].concat().into(),
            },
            KeyKind::Ed25519 => KeyMaterial::Ed25519 {
                x: member("x").try_into().unwrap(),
            },
            kind @ (KeyKind::MlDsa44 | KeyKind::MlDsa65 | KeyKind::MlDsa87) => KeyMaterial::MlDsa {
                kind,
                public: member("pub").into(),
            },
        }
    }

    #[test]
    fn a_signature_holds_for_its_message_and_length_only() {
        for algorithm in Algorithm::ALL.iter().copied() {
            let key = SigningKey::generate(algorithm);
            let signature = key.sign(algorithm, b"message");
            let material = material(&key, algorithm);
            for (backend, parse) in BACKENDS
                .iter()
                .filter(|(backend, _)| supports(backend, algorithm))
            {
                let verifies = parse(&material, algorithm)
                    .unwrap_or_else(|reason| panic!("{backend} {reason:?}"));
                assert!(verifies(b"message", &signature), "{backend} {algorithm}");
                assert!(!verifies(b"massage", &signature), "{backend} {algorithm}");
                let mut wrong = vec![
                    vec![],
                    signature[1..].to_vec(),
                    [&signature[..], &[0]].concat(),
                ];
                wrong.push([&[0], &signature[..]].concat());
                wrong.push(vec![0; signature.len()]);
                wrong.push(vec![0xff; signature.len()]);
                for bit in [0, 7, signature.len() * 4, signature.len() * 8 - 1] {
                    let mut flipped = signature.clone();
                    flipped[bit / 8] ^= 1 << (bit % 8);
                    wrong.push(flipped);
                }
                for wrong in wrong {
                    assert!(
                        !verifies(b"message", &wrong),
                        "{backend} {algorithm} {}",
                        wrong.len()
                    );
                }
            }
        }
    }

    #[test]
    fn a_key_verifies_only_what_it_was_parsed_for() {
        let key = SigningKey::generate(Algorithm::Ps256);
        let public = PublicKey::parse(
            &material(&key, Algorithm::Ps256),
            &[Algorithm::Ps256, Algorithm::Ps384],
        )
        .unwrap();
        for algorithm in KeyKind::Rsa.algorithms() {
            let signature = key.sign(algorithm, b"message");
            let served = matches!(algorithm, Algorithm::Ps256 | Algorithm::Ps384);
            assert_eq!(public.serves(algorithm), served, "{algorithm}");
            assert_eq!(
                public.verify(algorithm, b"message", &signature).is_ok(),
                served,
                "{algorithm}"
            );
        }
        assert!(!public.serves(Algorithm::Es256));
        assert_eq!(format!("{public:?}"), "{Ps256, Ps384}");
    }
}
