//! `kty: AKP`, whose `alg` says what the key is (RFC 9964).

use super::{Members, SkipReason};
use crate::algorithm::{Algorithm, KeyKind};
use crate::signature::KeyMaterial;

pub(super) fn material(members: &Members<'_>) -> Result<KeyMaterial, SkipReason> {
    let name = members.text("alg")?.ok_or(SkipReason::MalformedMember)?;
    let kind = Algorithm::from_name(&name)
        .ok_or(SkipReason::UnsupportedAlgorithm)?
        .key_kind();
    // FIPS 204, table 2.
    let bytes = match kind {
        KeyKind::MlDsa44 => 1312,
        KeyKind::MlDsa65 => 1952,
        KeyKind::MlDsa87 => 2592,
        KeyKind::Rsa | KeyKind::P256 | KeyKind::P384 | KeyKind::P521 | KeyKind::Ed25519 => {
            return Err(SkipReason::AlgorithmMismatch);
        }
    };
    let public = members.bytes("pub")?;
    if public.len() != bytes {
        return Err(SkipReason::MalformedMember);
    }
    Ok(KeyMaterial::MlDsa {
        kind,
        public: public.into(),
    })
}
