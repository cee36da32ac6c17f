//! Checks a signature with a key that was parsed once.
//!
//! This folder holds the only files that name a crypto crate. With both backends enabled
//! `aws-lc-rs` does the work; the two agree on every key and every signature, which the tests of
//! this module hold them to.

#[cfg(feature = "testing")]
mod signing_key;

#[cfg(feature = "testing")]
pub(crate) use signing_key::{SigningKey, hmac_sha256};

use crate::algorithm::KeyKind;

/// The public part of a key, as bytes: what two keys must share to be the same key.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
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
}
