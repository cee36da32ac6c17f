//! Checks a signature with a key that stays parsed.
//!
//! This folder holds the only files that name a crypto crate. With both backends enabled
//! `aws-lc-rs` does the work; the two agree on every signature, which the tests of this module hold
//! them to.

#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(all(feature = "rust-crypto", any(test, not(feature = "aws-lc-rs"))))]
mod rust_crypto;
#[cfg(feature = "testing")]
mod signing_key;
#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;

#[cfg(feature = "testing")]
pub(crate) use signing_key::{SigningKey, hmac_sha256};

use std::fmt;

use crate::algorithm::{Algorithm, KeyKind};

/// Whether any backend was compiled in. Without one no key can be used.
pub(crate) const BACKEND_AVAILABLE: bool =
    cfg!(any(feature = "aws-lc-rs", feature = "rust-crypto"));

/// Whether the backend in use verifies this algorithm.
pub(crate) fn is_supported(algorithm: Algorithm) -> bool {
    let ml_dsa = matches!(
        algorithm,
        Algorithm::MlDsa44 | Algorithm::MlDsa65 | Algorithm::MlDsa87
    );
    cfg!(feature = "aws-lc-rs") || (cfg!(feature = "rust-crypto") && !ml_dsa)
}

/// The SHA-256 of a text, for names that are to be recognized and not read; `None` without a backend.
pub(crate) fn sha256(text: &str) -> Option<Vec<u8>> {
    Selected::sha256(text.as_bytes())
}

/// A public key, parsed for the algorithms it may serve.
pub(crate) type PublicKey = ParsedKey<Selected>;

#[cfg(feature = "aws-lc-rs")]
type Selected = aws_lc_rs::Key;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
type Selected = rust_crypto::Key;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
type Selected = NoBackend;

/// What a crypto crate does for us: it parses a key for one algorithm and checks signatures with it.
///
/// What holds for every backend, such as lengths, is checked before one is asked.
pub(crate) trait Backend: Sized {
    /// The key, bound to one algorithm of its kind.
    fn parse(material: &KeyMaterial, algorithm: Algorithm) -> Result<Self, Unusable>;

    /// Whether the signature is this key's. Its length is right already.
    fn verify(&self, signing_input: &[u8], signature: &[u8]) -> bool;

    /// The SHA-256 of these bytes.
    fn sha256(bytes: &[u8]) -> Option<Vec<u8>>;
}

/// See [`PublicKey`]. The backend is a parameter only so that tests can hold one against the other.
pub(crate) struct ParsedKey<B> {
    /// One parsed key an algorithm: at most six, for RSA.
    keys: Box<[(Algorithm, B)]>,
    /// How long a signature of an RSA key is; 0 for other keys.
    modulus_bytes: usize,
}

impl<B: Backend> ParsedKey<B> {
    /// Parses the key once for each algorithm it may serve.
    pub(crate) fn parse(
        material: &KeyMaterial,
        algorithms: &[Algorithm],
    ) -> Result<Self, Unusable> {
        let parse = |&algorithm: &Algorithm| Ok((algorithm, B::parse(material, algorithm)?));
        Ok(Self {
            keys: algorithms.iter().map(parse).collect::<Result<_, _>>()?,
            modulus_bytes: material.modulus_bytes(),
        })
    }

    /// Whether the key was parsed for this algorithm.
    pub(crate) fn serves(&self, algorithm: Algorithm) -> bool {
        self.keys.iter().any(|(served, _)| *served == algorithm)
    }

    /// Checks a signature. An algorithm the key was not parsed for verifies nothing.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let (_, key) = self
            .keys
            .iter()
            .find(|(served, _)| *served == algorithm)
            .ok_or(InvalidSignature)?;
        // RFC 8017 §8.2.2 step 1 and RFC 7518 §3.4: one length is right. Backends are not asked to
        // pad a short one or to guess at DER in place of R || S.
        if signature.len() != algorithm.signature_bytes().unwrap_or(self.modulus_bytes) {
            return Err(InvalidSignature);
        }
        if key.verify(signing_input, signature) {
            Ok(())
        } else {
            Err(InvalidSignature)
        }
    }
}

impl<B> fmt::Debug for ParsedKey<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(self.keys.iter().map(|(algorithm, _)| algorithm))
            .finish()
    }
}

/// The signature is not this key's. Nothing more is known, or told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct InvalidSignature;

/// Why a backend cannot use a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Unusable {
    /// No backend was compiled in.
    #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    NoBackend,
    /// The backend has no such algorithm.
    #[cfg(all(feature = "rust-crypto", any(test, not(feature = "aws-lc-rs"))))]
    Unsupported,
    /// The backend found the key itself to be wrong, such as a point off its curve.
    #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    Rejected,
}

/// The public part of a key, as bytes: what two keys must share to be the same key.
#[derive(Clone, Eq, Hash, PartialEq)]
pub(crate) enum KeyMaterial {
    /// Big-endian modulus and exponent, without leading zeros.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// An uncompressed point, `0x04 || x || y`, each coordinate as long as the field.
    Ec { kind: KeyKind, point: Box<[u8]> },
    /// An encoded point of edwards25519.
    Ed25519 { x: [u8; 32] },
    /// An encoded public key of FIPS 204.
    MlDsa { kind: KeyKind, public: Box<[u8]> },
}

impl KeyMaterial {
    pub(crate) fn kind(&self) -> KeyKind {
        match self {
            Self::Rsa { .. } => KeyKind::Rsa,
            Self::Ec { kind, .. } | Self::MlDsa { kind, .. } => *kind,
            Self::Ed25519 { .. } => KeyKind::Ed25519,
        }
    }

    fn modulus_bytes(&self) -> usize {
        match self {
            Self::Rsa { n, .. } => n.len(),
            Self::Ec { .. } | Self::Ed25519 { .. } | Self::MlDsa { .. } => 0,
        }
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} [redacted]", self.kind())
    }
}

/// Stands in where no backend was compiled in. There is no value of it.
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
pub(crate) enum NoBackend {}

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
impl Backend for NoBackend {
    fn parse(_: &KeyMaterial, _: Algorithm) -> Result<Self, Unusable> {
        Err(Unusable::NoBackend)
    }

    fn verify(&self, _: &[u8], _: &[u8]) -> bool {
        match *self {}
    }

    fn sha256(_: &[u8]) -> Option<Vec<u8>> {
        None
    }
}
