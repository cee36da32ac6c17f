//! Every backend that was compiled in, which must agree on each verdict.

#[cfg(all(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod agreement;
mod wycheproof;

use super::*;
use crate::vectors::hex;

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

/// RFC 7515 A.3, whose s is in the upper half, and its twin, which anybody can make of it.
#[test]
fn both_an_ecdsa_signature_and_its_twin_with_the_other_s_hold() {
    let point = "047fcdce2770f6c45d4183cbee6fdb4b7b580733357be9ef13bacf6e3c7bd15445\
        c7f144cd1bbd9b7e872cdfedb9eeb9f4b3695d6ea90b24ad8a4623288588e5ad";
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let message = b"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
    let signature = hex(
        "0ed1215379636c483c2f7f155807d402a3b228033af97c7e17819ac3169ea665\
        c50a07d38c3c70e5d8f12daf084a5480a66590c5f293509a8f3f7f8a83a354d5",
    );
    let mut twin = signature.clone();
    let mut borrow = 0;
    for (s, n) in twin[32..].iter_mut().zip(order).rev() {
        let difference = i16::from(n) - i16::from(*s) - borrow;
        borrow = i16::from(difference < 0);
        *s = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    assert_eq!(borrow, 0);
    assert!(signature[32] >= 0x80 && twin[32] < 0x80);
    let material = KeyMaterial::Ec {
        kind: KeyKind::P256,
        point: hex(point).into(),
    };
    for (backend, parse) in BACKENDS {
        let verifies =
            parse(&material, Algorithm::Es256).unwrap_or_else(|reason| panic!("{reason:?}"));
        assert!(verifies(message, &signature), "{backend}");
        assert!(verifies(message, &twin), "{backend}");
        *twin.last_mut().unwrap() ^= 1;
        assert!(!verifies(message, &twin), "{backend}");
        *twin.last_mut().unwrap() ^= 1;
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

    #[cfg(feature = "aws-lc-rs")]
    #[test]
    fn every_copy_of_a_key_for_another_thread_is_that_key() {
        for algorithm in Algorithm::ALL.iter().copied() {
            let key = SigningKey::generate(algorithm);
            let signature = key.sign(algorithm, b"message");
            let parsed = aws_lc_rs::Key::parse(&material(&key, algorithm), algorithm).unwrap();
            assert_eq!(parsed.copies(), 1, "parsed before one is wanted");
            // Threads of other tests take their turns between these.
            for _ in 0..100 * aws_lc_rs::COPIES {
                std::thread::scope(|scope| {
                    scope.spawn(|| {
                        let copies = parsed.copies();
                        assert!(!parsed.verify(b"massage", &signature), "{algorithm}");
                        assert_eq!(parsed.copies(), copies, "for a wrong signature");
                        assert!(parsed.verify(b"message", &signature), "{algorithm}");
                        assert!(!parsed.is_shared(), "{algorithm}");
                        assert!(parsed.verify(b"message", &signature), "{algorithm}");
                        assert!(!parsed.verify(b"massage", &signature), "{algorithm}");
                    });
                });
                if parsed.copies() == aws_lc_rs::COPIES {
                    break;
                }
            }
            assert_eq!(parsed.copies(), aws_lc_rs::COPIES, "{algorithm}");
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
