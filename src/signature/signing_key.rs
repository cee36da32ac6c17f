//! A private key that signs, for the test issuer.

use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING,
    ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, ML_DSA_44_SIGNING,
    ML_DSA_65_SIGNING, ML_DSA_87_SIGNING, PqdsaKeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pem_rfc7468::LineEnding;
use serde_json::{Map, Value};

use crate::algorithm::{Algorithm, KeyKind};

/// A generated private key.
///
/// Unlike the rest of the crate it panics when misused: it serves tests, where a panic is the report.
pub(crate) struct SigningKey {
    kind: KeyKind,
    secret: Secret,
}

enum Secret {
    Rsa(RsaKeyPair),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    MlDsa(PqdsaKeyPair),
}

impl SigningKey {
    /// A new key of the kind this algorithm needs; an RSA one has 2048 bits, which takes a moment.
    ///
    /// # Panics
    ///
    /// When the system has no randomness to give.
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        let kind = algorithm.key_kind();
        let secret = match kind {
            KeyKind::Rsa => RsaKeyPair::generate(KeySize::Rsa2048).map(Secret::Rsa),
            KeyKind::P256 => {
                EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Secret::Ec)
            }
            KeyKind::P384 => {
                EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Secret::Ec)
            }
            KeyKind::P521 => {
                EcdsaKeyPair::generate(&ECDSA_P521_SHA512_FIXED_SIGNING).map(Secret::Ec)
            }
            KeyKind::Ed25519 => Ed25519KeyPair::generate().map(Secret::Ed25519),
            KeyKind::MlDsa44 => PqdsaKeyPair::generate(&ML_DSA_44_SIGNING).map(Secret::MlDsa),
            KeyKind::MlDsa65 => PqdsaKeyPair::generate(&ML_DSA_65_SIGNING).map(Secret::MlDsa),
            KeyKind::MlDsa87 => PqdsaKeyPair::generate(&ML_DSA_87_SIGNING).map(Secret::MlDsa),
        };
        Self {
            kind,
            secret: secret.expect("the system gives randomness"),
        }
    }

    /// Signs with one of the algorithms of this key's kind, in the form a JWS has it.
    ///
    /// # Panics
    ///
    /// When the algorithm needs a key of another kind.
    pub(crate) fn sign(&self, algorithm: Algorithm, signing_input: &[u8]) -> Vec<u8> {
        assert_eq!(
            algorithm.key_kind(),
            self.kind,
            "{algorithm} needs a key of another kind"
        );
        let signature = match &self.secret {
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    rsa_encoding(algorithm),
                    &SystemRandom::new(),
                    signing_input,
                    &mut signature,
                )
                .map(|()| signature)
            }
            Secret::Ec(pair) => pair
                .sign(&SystemRandom::new(), signing_input)
                .map(|signature| signature.as_ref().to_vec()),
            Secret::Ed25519(pair) => pair
                .try_sign(signing_input)
                .map(|signature| signature.as_ref().to_vec()),
            Secret::MlDsa(pair) => {
                let mut signature = vec![0; pair.algorithm().signature_len()];
                pair.sign(signing_input, &mut signature).map(|_| signature)
            }
        };
        signature.expect("a generated key signs")
    }

    /// The members of the public JWK that say what the key is: `kty` and, by kind, `n` and `e`,
    /// `crv` with `x` and `y`, or `alg` with `pub`. No `kid`, `use` or (but for `AKP`) `alg`.
    pub(crate) fn public_jwk(&self) -> Map<String, Value> {
        let members = match &self.secret {
            Secret::Rsa(pair) => {
                let public = pair.public_key();
                let n = encode(public.modulus().big_endian_without_leading_zero());
                let e = encode(public.exponent().big_endian_without_leading_zero());
                vec![("kty", "RSA".to_owned()), ("n", n), ("e", e)]
            }
            Secret::Ec(pair) => {
                // An uncompressed point: 0x04, then two coordinates as long as the field.
                let coordinates = pair.public_key().as_ref().get(1..).unwrap_or_default();
                let (x, y) = coordinates.split_at(coordinates.len() / 2);
                vec![
                    ("kty", "EC".to_owned()),
                    ("crv", self.curve().to_owned()),
                    ("x", encode(x)),
                    ("y", encode(y)),
                ]
            }
            Secret::Ed25519(pair) => vec![
                ("kty", "OKP".to_owned()),
                ("crv", self.curve().to_owned()),
                ("x", encode(pair.public_key().as_ref())),
            ],
            Secret::MlDsa(pair) => vec![
                ("kty", "AKP".to_owned()),
                ("alg", self.curve().to_owned()),
                ("pub", encode(pair.public_key().as_ref())),
            ],
        };
        members
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Value::String(value)))
            .collect()
    }

    /// The public key as PEM text, `BEGIN PUBLIC KEY`, each line ended by a line feed.
    ///
    /// # Panics
    ///
    /// Never: a generated key has an encoding.
    pub(crate) fn public_pem(&self) -> String {
        let der: Result<PublicKeyX509Der<'_>, _> = match &self.secret {
            Secret::Rsa(pair) => pair.public_key().as_der(),
            Secret::Ec(pair) => pair.public_key().as_der(),
            Secret::Ed25519(pair) => pair.public_key().as_der(),
            Secret::MlDsa(pair) => pair.public_key().as_der(),
        };
        let der = der.expect("a generated key encodes");
        pem_rfc7468::encode_string("PUBLIC KEY", LineEnding::LF, der.as_ref())
            .expect("a public key is short enough for PEM")
    }

    /// The `crv` of this key or, for `AKP`, its `alg`.
    fn curve(&self) -> &'static str {
        match self.kind {
            KeyKind::Rsa => "",
            KeyKind::P256 => "P-256",
            KeyKind::P384 => "P-384",
            KeyKind::P521 => "P-521",
            KeyKind::Ed25519 => "Ed25519",
            KeyKind::MlDsa44 => "ML-DSA-44",
            KeyKind::MlDsa65 => "ML-DSA-65",
            KeyKind::MlDsa87 => "ML-DSA-87",
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// HMAC with SHA-256, for the forged tokens that a verifier must refuse. Nothing checks one.
pub(crate) fn hmac_sha256(secret: &[u8], input: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), input)
        .as_ref()
        .to_vec()
}

fn rsa_encoding(algorithm: Algorithm) -> &'static dyn RsaEncoding {
    match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_SHA512,
        Algorithm::Ps256 => &RSA_PSS_SHA256,
        Algorithm::Ps384 => &RSA_PSS_SHA384,
        Algorithm::Ps512 => &RSA_PSS_SHA512,
        Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Ed25519
        | Algorithm::MlDsa44
        | Algorithm::MlDsa65
        | Algorithm::MlDsa87 => unreachable!("{algorithm} is not an RSA algorithm"),
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_signs_at_the_length_the_table_says() {
        let mut rsa = None;
        for algorithm in Algorithm::ALL.iter().copied() {
            let fresh;
            let key = if algorithm.key_kind() == KeyKind::Rsa {
                rsa.get_or_insert_with(|| SigningKey::generate(algorithm))
            } else {
                fresh = SigningKey::generate(algorithm);
                &fresh
            };
            let signature = key.sign(algorithm, b"header.payload");
            assert_eq!(
                signature.len(),
                algorithm.signature_bytes().unwrap_or(256),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn coordinates_are_as_long_as_the_field() {
        for (algorithm, bytes) in [
            (Algorithm::Es256, 32),
            (Algorithm::Es384, 48),
            (Algorithm::Es512, 66),
        ] {
            // Often enough that one in 256 has a leading zero.
            for _ in 0..300 {
                let jwk = SigningKey::generate(algorithm).public_jwk();
                for name in ["x", "y"] {
                    let coordinate = URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap()).unwrap();
                    assert_eq!(coordinate.len(), bytes, "{algorithm} {name}");
                }
            }
        }
    }
}
