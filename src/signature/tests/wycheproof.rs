//! Wycheproof's raw signatures.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::*;
use crate::vectors::{self, Tally, Vectors, hex};

/// A Wycheproof file of signatures.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    pub(super) number_of_tests: usize,
    pub(super) test_groups: Vec<Group>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Group {
    public_key: serde_json::Value,
    #[serde(default)]
    sha: String,
    #[serde(default)]
    mgf_sha: String,
    #[serde(default)]
    s_len: usize,
    pub(super) tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Case {
    pub(super) tc_id: u32,
    pub(super) msg: String,
    pub(super) sig: String,
    result: String,
    #[serde(default)]
    ctx: String,
}

impl Group {
    fn member(&self, name: &str) -> Vec<u8> {
        hex(self.public_key[name].as_str().unwrap())
    }

    pub(super) fn material(&self, kind: KeyKind) -> KeyMaterial {
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

/// The files of a family, run through each backend.
struct Suite {
    vectors: Vectors,
    tallies: Vec<Tally>,
    cases: usize,
}

/// Why a verdict differs from the label, and which signatures are accepted instead.
type Rule<'r> = (&'r str, &'r dyn Fn(&Group, &Case) -> bool);

impl Suite {
    fn of(name: &str) -> Option<Self> {
        let tally = |(backend, _): &_| Tally::of(format!("Wycheproof {name}, {backend}"));
        Some(Self {
            vectors: vectors::open()?,
            tallies: BACKENDS.iter().map(tally).collect(),
            cases: 0,
        })
    }

    /// Runs a file, and returns how many signatures are to be accepted.
    #[track_caller]
    fn check(&mut self, file: &str, algorithm: Algorithm, rule: Option<Rule<'_>>) -> usize {
        let file_name = format!("wycheproof/{file}_test.json");
        let File {
            number_of_tests,
            test_groups,
        } = self.vectors.json(file_name);
        let mut accepted = 0;
        for group in &test_groups {
            let material = group.material(algorithm.key_kind());
            let checks: Vec<_> = BACKENDS
                .iter()
                .map(|(_, parse)| parse(&material, algorithm))
                .collect();
            for case in &group.tests {
                // "Acceptable" is a digest info without its NULL, which RFC 8017 §8.2.2 lets one refuse.
                let label = case.result == "valid";
                let expected = rule.map_or(label, |(_, accepts)| accepts(group, case));
                accepted += usize::from(expected);
                let verdicts = BACKENDS.iter().zip(&checks).zip(&mut self.tallies);
                for (((backend, _), verifies), tally) in verdicts {
                    let verdict = verifies
                        .as_ref()
                        .is_ok_and(|verifies| verifies(&hex(&case.msg), &hex(&case.sig)));
                    let expected = expected && supports(backend, algorithm);
                    let vector = format!("{file} {algorithm} tcId {}", case.tc_id);
                    assert_eq!(verdict, expected, "{vector} {backend}");
                    let why = match rule {
                        _ if expected == label => None,
                        _ if !supports(backend, algorithm) => Some("the backend lacks it"),
                        rule => rule.map(|(why, _)| why),
                    };
                    tally.judge(vector, label, verdict, why);
                }
            }
        }
        self.cases += number_of_tests;
        accepted
    }

    fn report(self) {
        for tally in self.tallies {
            tally.report(self.cases);
        }
    }
}

/// No `alg` has the parameters of this file.
const OTHER_PARAMETERS: Rule<'static> = ("other parameters", &|_, _| false);

const ECDSA: [(&str, Algorithm); 3] = [
    ("ecdsa_secp256r1_sha256_p1363", Algorithm::Es256),
    ("ecdsa_secp384r1_sha384_p1363", Algorithm::Es384),
    ("ecdsa_secp521r1_sha512_p1363", Algorithm::Es512),
];

const ECDSA_OF_OTHER_PARAMETERS: [(&str, Algorithm); 3] = [
    ("ecdsa_secp256r1_sha512_p1363", Algorithm::Es256),
    ("ecdsa_secp384r1_sha512_p1363", Algorithm::Es384),
    ("ecdsa_secp256k1_sha256_p1363", Algorithm::Es256),
];

const RSA_PKCS1: [(&str, Algorithm); 9] = [
    ("rsa_signature_2048_sha256", Algorithm::Rs256),
    ("rsa_signature_2048_sha384", Algorithm::Rs384),
    ("rsa_signature_2048_sha512", Algorithm::Rs512),
    ("rsa_signature_3072_sha256", Algorithm::Rs256),
    ("rsa_signature_3072_sha384", Algorithm::Rs384),
    ("rsa_signature_3072_sha512", Algorithm::Rs512),
    ("rsa_signature_4096_sha256", Algorithm::Rs256),
    ("rsa_signature_4096_sha384", Algorithm::Rs384),
    ("rsa_signature_4096_sha512", Algorithm::Rs512),
];

const RSA_PSS: [(&str, Algorithm); 6] = [
    ("rsa_pss_2048_sha256_mgf1_32", Algorithm::Ps256),
    ("rsa_pss_3072_sha256_mgf1_32", Algorithm::Ps256),
    ("rsa_pss_4096_sha256_mgf1_32", Algorithm::Ps256),
    ("rsa_pss_2048_sha384_mgf1_48", Algorithm::Ps384),
    ("rsa_pss_4096_sha384_mgf1_48", Algorithm::Ps384),
    ("rsa_pss_4096_sha512_mgf1_64", Algorithm::Ps512),
];

/// Salts of another length than the digest's, and every combination of digests.
const RSA_PSS_OF_OTHER_PARAMETERS: [(&str, Algorithm); 5] = [
    ("rsa_pss_2048_sha256_mgf1_0", Algorithm::Ps256),
    ("rsa_pss_4096_sha512_mgf1_32", Algorithm::Ps512),
    ("rsa_pss_misc", Algorithm::Ps256),
    ("rsa_pss_misc", Algorithm::Ps384),
    ("rsa_pss_misc", Algorithm::Ps512),
];

const ED25519: [(&str, Algorithm); 2] = [
    ("ed25519", Algorithm::EdDsa),
    ("ed25519", Algorithm::Ed25519),
];

const ML_DSA: [(&str, Algorithm); 3] = [
    ("mldsa_44_verify", Algorithm::MlDsa44),
    ("mldsa_65_verify", Algorithm::MlDsa65),
    ("mldsa_87_verify", Algorithm::MlDsa87),
];

/// Every file, with an algorithm that its keys can serve.
pub(super) fn files() -> impl Iterator<Item = (&'static str, Algorithm)> {
    ECDSA
        .into_iter()
        .chain(ECDSA_OF_OTHER_PARAMETERS)
        .chain(RSA_PKCS1)
        .chain(RSA_PSS)
        .chain(RSA_PSS_OF_OTHER_PARAMETERS)
        .chain(ED25519)
        .chain(ML_DSA)
}

#[test]
fn every_file_is_run() {
    let Some(vectors) = vectors::open() else {
        return;
    };
    let mut left: BTreeSet<_> = vectors
        .files("wycheproof")
        .into_iter()
        .filter_map(|file| {
            Some(
                file.file_name()?
                    .to_str()?
                    .strip_suffix("_test.json")?
                    .to_owned(),
            )
        })
        .collect();
    for (file, _) in files() {
        left.remove(file);
    }
    // Those of JOSE are run in `vectors`; there is no HMAC here.
    let elsewhere = [
        "hmac_sha256",
        "json_web_crypto",
        "json_web_encryption",
        "json_web_key",
        "json_web_signature",
    ];
    assert!(left.iter().eq(elsewhere), "{left:?}");
}

#[test]
fn a10_ecdsa() {
    let Some(mut suite) = Suite::of("ECDSA") else {
        return;
    };
    for (file, algorithm) in ECDSA {
        assert!(suite.check(file, algorithm, None) > 0);
    }
    suite.report();
}

#[test]
fn ecdsa_of_other_parameters_is_refused() {
    let Some(mut suite) = Suite::of("ECDSA of other parameters") else {
        return;
    };
    for (file, algorithm) in ECDSA_OF_OTHER_PARAMETERS {
        suite.check(file, algorithm, Some(OTHER_PARAMETERS));
    }
    suite.report();
}

#[test]
fn ed25519_under_both_names() {
    let Some(mut suite) = Suite::of("Ed25519") else {
        return;
    };
    for (file, algorithm) in ED25519 {
        assert!(suite.check(file, algorithm, None) > 0);
    }
    suite.report();
}

#[test]
fn b4_rsa_pkcs1() {
    let Some(mut suite) = Suite::of("RSA PKCS#1 v1.5") else {
        return;
    };
    for (file, algorithm) in RSA_PKCS1 {
        assert!(suite.check(file, algorithm, None) > 0);
    }
    suite.report();
}

#[test]
fn rsa_pss() {
    let Some(mut suite) = Suite::of("RSA PSS") else {
        return;
    };
    for (file, algorithm) in RSA_PSS {
        assert!(suite.check(file, algorithm, None) > 0);
    }
    suite.report();
}

/// RFC 7518 §3.5: the salt is as long as the digest, and the mask uses the same digest.
#[test]
fn b5_rsa_pss_of_other_parameters_is_refused() {
    let Some(mut suite) = Suite::of("RSA PSS of other parameters") else {
        return;
    };
    for (file, algorithm) in RSA_PSS_OF_OTHER_PARAMETERS {
        let (sha, salt_bytes) = match algorithm {
            Algorithm::Ps256 => ("SHA-256", 32),
            Algorithm::Ps384 => ("SHA-384", 48),
            _ => ("SHA-512", 64),
        };
        // In the file of empty salts one of 32 bytes, which is what PS256 demands, is the error.
        let salted = |case: &Case| file == "rsa_pss_2048_sha256_mgf1_0" && case.tc_id == 69;
        let accepts = |group: &Group, case: &Case| {
            let ours = (&*group.sha, &*group.mgf_sha, group.s_len) == (sha, sha, salt_bytes);
            salted(case) || ours && case.result == "valid"
        };
        let accepted = suite.check(file, algorithm, Some(("other parameters", &accepts)));
        assert_eq!(
            accepted > 0,
            file != "rsa_pss_4096_sha512_mgf1_32",
            "{file}"
        );
    }
    suite.report();
}

/// RFC 9964 §2: the context is empty.
#[test]
fn ml_dsa() {
    let Some(mut suite) = Suite::of("ML-DSA") else {
        return;
    };
    let without_context = |_: &Group, case: &Case| case.result == "valid" && case.ctx.is_empty();
    for (file, algorithm) in ML_DSA {
        let rule: Rule<'_> = ("contexts are empty", &without_context);
        assert!(suite.check(file, algorithm, Some(rule)) > 0);
    }
    suite.report();
}
