//! A key as an issuer publishes it, turned into one that verifies, or why it was skipped
//! ([RFC 7517 §4](https://www.rfc-editor.org/rfc/rfc7517#section-4)).
//!
//! One file a key type. Each key is parsed from its own text, so that no key can spoil another.

mod akp;
mod ec;
mod members;
mod okp;
mod pem;
mod roca;
mod rsa;
mod skip;
#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;

pub(crate) use members::Members;
pub(crate) use pem::parse as parse_pem;
pub use skip::{SkipReason, SkippedKey};

use std::fmt;

use serde_json::value::RawValue;

use crate::algorithm::{Algorithm, KeyKind};
use crate::json::Name;
use crate::signature::{InvalidSignature, KeyMaterial, PublicKey};
use crate::text::Escaped;

/// A public key that can verify, and what its issuer says of it.
pub(crate) struct VerificationKey {
    key_id: Option<Box<str>>,
    issuer: Option<Box<str>>,
    material: KeyMaterial,
    public_key: PublicKey,
}

impl VerificationKey {
    /// Parses one entry of `keys`.
    pub(crate) fn parse(json: &RawValue) -> Result<Self, Skipped> {
        let nameless = |reason| Skipped {
            key_id: None,
            reason,
        };
        let members = Members::parse(json).map_err(nameless)?;
        let key_id = key_id(&members).map_err(nameless)?;
        match Self::from_members(&members) {
            Ok(key) => Ok(Self { key_id, ..key }),
            Err(reason) => Err(Skipped { key_id, reason }),
        }
    }

    /// A key that has no name, no issuer and no algorithm of its own: it serves every algorithm of
    /// its kind.
    pub(crate) fn from_material(material: KeyMaterial) -> Result<Self, SkipReason> {
        let algorithms: Vec<_> = material.kind().algorithms().collect();
        Self::new(material, &algorithms)
    }

    fn from_members(members: &Members<'_>) -> Result<Self, SkipReason> {
        let key_type = members.text("kty")?.ok_or(SkipReason::MalformedMember)?;
        let material_of: fn(&Members<'_>) -> Result<KeyMaterial, SkipReason> = match &*key_type {
            "RSA" => rsa::material,
            "EC" => ec::material,
            "OKP" => okp::material,
            "AKP" => akp::material,
            "oct" => return Err(SkipReason::Symmetric),
            _ => return Err(SkipReason::UnknownKeyType),
        };
        if PRIVATE_MEMBERS
            .iter()
            .any(|name| members.get(name).is_some())
        {
            return Err(SkipReason::Private);
        }
        if !is_for_verifying(members)? {
            return Err(SkipReason::OtherUse);
        }
        let declared = match members.text("alg")? {
            Some(name) => {
                Some(Algorithm::from_name(&name).ok_or(SkipReason::UnsupportedAlgorithm)?)
            }
            None => None,
        };
        let issuer = members.text("issuer")?.map(Into::into);
        let material = material_of(members)?;
        let algorithms: Vec<_> = material
            .kind()
            .algorithms()
            .filter(|&served| allows(declared, served))
            .collect();
        if algorithms.is_empty() {
            return Err(SkipReason::AlgorithmMismatch);
        }
        Ok(Self {
            issuer,
            ..Self::new(material, &algorithms)?
        })
    }

    fn new(material: KeyMaterial, algorithms: &[Algorithm]) -> Result<Self, SkipReason> {
        let public_key = PublicKey::parse(&material, algorithms)?;
        Ok(Self {
            key_id: None,
            issuer: None,
            material,
            public_key,
        })
    }

    /// `kid`, at most 256 bytes.
    pub(crate) fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The member `issuer` that some issuers, such as Entra, give their keys.
    pub(crate) fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// What the key is, as `kty` and `crv` say it.
    pub(crate) fn kind(&self) -> KeyKind {
        self.material.kind()
    }

    #[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    pub(crate) fn material(&self) -> &KeyMaterial {
        &self.material
    }

    /// Whether the two are one key, whatever they are called.
    #[cfg(feature = "remote")]
    pub(crate) fn has_material_of(&self, other: &Self) -> bool {
        self.material == other.material
    }

    /// Whether the two have one name and one material.
    pub(crate) fn is_same_as(&self, other: &Self) -> bool {
        self.key_id == other.key_id && self.material == other.material
    }

    /// Whether the key may verify signatures of this algorithm: its kind can, and its `alg`, if it has
    /// one, is this algorithm or another name of it.
    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        self.public_key.serves(algorithm)
    }

    /// Checks a signature; one of an algorithm that does not fit is invalid.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        self.public_key.verify(algorithm, signing_input, signature)
    }
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("key_id", &self.key_id().map(Escaped))
            .field("algorithms", &self.public_key)
            .finish_non_exhaustive()
    }
}

/// A key that was not accepted, with its name when that much could be read.
pub(crate) struct Skipped {
    pub(crate) key_id: Option<Box<str>>,
    pub(crate) reason: SkipReason,
}

fn key_id(members: &Members<'_>) -> Result<Option<Box<str>>, SkipReason> {
    match members.text("kid")? {
        Some(key_id) if key_id.len() > MAX_KEY_ID_BYTES => Err(SkipReason::MalformedMember),
        key_id => Ok(key_id.map(Into::into)),
    }
}

/// RFC 7517 §4.2 and §4.3. A key without either member is for any use.
fn is_for_verifying(members: &Members<'_>) -> Result<bool, SkipReason> {
    if members
        .text("use")?
        .is_some_and(|intended| intended != "sig")
    {
        return Ok(false);
    }
    let Some(operations) = members.get("key_ops") else {
        return Ok(true);
    };
    let operations: Vec<Name<'_>> =
        serde_json::from_str(operations.get()).map_err(|_| SkipReason::MalformedMember)?;
    Ok(operations
        .iter()
        .any(|Name(operation)| operation == "verify"))
}

/// Whether a key whose `alg` is `declared` may serve an algorithm. On an Ed25519 key `EdDSA` and
/// `Ed25519` are one algorithm with an old and a new name (RFC 9864 §2.2), and issuers change the name
/// in header and key at different times.
fn allows(declared: Option<Algorithm>, served: Algorithm) -> bool {
    let renamed = |algorithm| match algorithm {
        Algorithm::EdDsa => Algorithm::Ed25519,
        other => other,
    };
    declared.is_none_or(|declared| renamed(declared) == renamed(served))
}

/// What RFC 7518 §6 and RFC 8037 §2 keep private, and RFC 9964 in `AKP`. One that is published has
/// leaked: nothing it verifies says who signed.
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "priv"];

/// Longest `kid`: what a header may have, so a longer one could never be asked for.
const MAX_KEY_ID_BYTES: usize = 256;
