//! The portable backend, in pure Rust: every algorithm but ML-DSA.

use ed25519_dalek::Verifier as _;
use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
use rsa::BoxedUint;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::{Backend, KeyMaterial, Unusable};
use crate::algorithm::{Algorithm, KeyKind};

/// A key of one of the RustCrypto crates, bound to an algorithm.
pub(crate) struct Key {
    algorithm: Algorithm,
    key: CurveOrRsa,
}

enum CurveOrRsa {
    Rsa(rsa::PublicKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl Backend for Key {
    fn parse(material: &KeyMaterial, algorithm: Algorithm) -> Result<Self, Unusable> {
        if material.kind() != algorithm.key_kind() {
            return Err(Unusable::Rejected);
        }
        let key = match material {
            KeyMaterial::Rsa { n, e } => rsa_key(n, e).map(CurveOrRsa::Rsa),
            KeyMaterial::Ec {
                kind: KeyKind::P256,
                point,
            } => p256::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .ok()
                .map(CurveOrRsa::P256),
            KeyMaterial::Ec {
                kind: KeyKind::P384,
                point,
            } => p384::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .ok()
                .map(CurveOrRsa::P384),
            KeyMaterial::Ec {
                kind: KeyKind::P521,
                point,
            } => p521::ecdsa::VerifyingKey::from_sec1_bytes(point)
                .ok()
                .map(CurveOrRsa::P521),
            KeyMaterial::Ec { .. } => None,
            KeyMaterial::Ed25519 { x } => ed25519_dalek::VerifyingKey::from_bytes(x)
                .ok()
                .map(CurveOrRsa::Ed25519),
            KeyMaterial::MlDsa { .. } => return Err(Unusable::Unsupported),
        };
        Ok(Self {
            algorithm,
            key: key.ok_or(Unusable::Rejected)?,
        })
    }

    fn verify(&self, input: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            CurveOrRsa::Rsa(key) => rsa_verify(key, self.algorithm, input, signature),
            CurveOrRsa::P256(key) => p256::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify_prehash(&Sha256::digest(input), &signature))
                .is_ok(),
            CurveOrRsa::P384(key) => p384::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify_prehash(&Sha384::digest(input), &signature))
                .is_ok(),
            CurveOrRsa::P521(key) => p521::ecdsa::Signature::from_slice(signature)
                .and_then(|signature| key.verify_prehash(&Sha512::digest(input), &signature))
                .is_ok(),
            // Deliberately not `verify_strict`: the equation without the cofactor is the one that
            // aws-lc checks, and public keys of small order never get here.
            CurveOrRsa::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .and_then(|signature| key.verify(input, &signature))
                .is_ok(),
        }
    }

    fn sha256(bytes: &[u8]) -> Option<Vec<u8>> {
        Some(Sha256::digest(bytes).to_vec())
    }
}

/// The crate's own bounds, 8192 bits and an exponent of 33, are no narrower than ours.
fn rsa_key(n: &[u8], e: &[u8]) -> Option<rsa::PublicKey> {
    rsa::PublicKey::new(
        BoxedUint::from_be_slice_vartime(n),
        BoxedUint::from_be_slice_vartime(e),
    )
    .ok()
}

/// The PSS ones demand a salt as long as the digest.
fn rsa_verify(key: &rsa::PublicKey, algorithm: Algorithm, input: &[u8], signature: &[u8]) -> bool {
    let outcome = match algorithm {
        Algorithm::Rs256 => {
            key.pkcs1v15_verify_prehash::<Sha256>(&Sha256::digest(input), signature)
        }
        Algorithm::Rs384 => {
            key.pkcs1v15_verify_prehash::<Sha384>(&Sha384::digest(input), signature)
        }
        Algorithm::Rs512 => {
            key.pkcs1v15_verify_prehash::<Sha512>(&Sha512::digest(input), signature)
        }
        Algorithm::Ps256 => key.pss_verify_prehash::<Sha256>(&Sha256::digest(input), signature),
        Algorithm::Ps384 => key.pss_verify_prehash::<Sha384>(&Sha384::digest(input), signature),
        Algorithm::Ps512 => key.pss_verify_prehash::<Sha512>(&Sha512::digest(input), signature),
        Algorithm::Es256
        | Algorithm::Es384
        | Algorithm::Es512
        | Algorithm::EdDsa
        | Algorithm::Ed25519
        | Algorithm::MlDsa44
        | Algorithm::MlDsa65
        | Algorithm::MlDsa87 => return false,
    };
    outcome.is_ok()
}
