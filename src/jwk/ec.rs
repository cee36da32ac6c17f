//! `kty: EC` ([RFC 7518 §6.2.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.2.1)).

use super::{Members, SkipReason};
use crate::algorithm::KeyKind;
use crate::signature::KeyMaterial;

pub(super) fn material(members: &Members<'_>) -> Result<KeyMaterial, SkipReason> {
    let kind = match &*members.text("crv")?.ok_or(SkipReason::MalformedMember)? {
        "P-256" => KeyKind::P256,
        "P-384" => KeyKind::P384,
        "P-521" => KeyKind::P521,
        _ => return Err(SkipReason::UnsupportedCurve),
    };
    let (x, y) = (members.bytes("x")?, members.bytes("y")?);
    if x.len() != coordinate_bytes(kind) || y.len() != coordinate_bytes(kind) {
        return Err(SkipReason::MalformedMember);
    }
    from_point(kind, &[&[UNCOMPRESSED], &x[..], &y[..]].concat())
}

/// Accepts an uncompressed point of SEC 1. Whether it is on the curve is for the backend to say.
pub(super) fn from_point(kind: KeyKind, point: &[u8]) -> Result<KeyMaterial, SkipReason> {
    match point.split_first() {
        Some((&UNCOMPRESSED, coordinates)) if coordinates.len() == 2 * coordinate_bytes(kind) => {
            Ok(KeyMaterial::Ec {
                kind,
                point: point.into(),
            })
        }
        _ => Err(SkipReason::InvalidPoint),
    }
}

/// Bytes of a coordinate: exactly these, leading zeros included (RFC 7518 §6.2.1.2).
const fn coordinate_bytes(kind: KeyKind) -> usize {
    match kind {
        KeyKind::P256 => 32,
        KeyKind::P384 => 48,
        KeyKind::P521 => 66,
        KeyKind::Rsa
        | KeyKind::Ed25519
        | KeyKind::MlDsa44
        | KeyKind::MlDsa65
        | KeyKind::MlDsa87 => 0,
    }
}

const UNCOMPRESSED: u8 = 0x04;
