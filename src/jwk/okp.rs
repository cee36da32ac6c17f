//! `kty: OKP`, of which Ed25519 signs ([RFC 8037 §2](https://www.rfc-editor.org/rfc/rfc8037#section-2)).

use super::{Members, SkipReason};
use crate::signature::KeyMaterial;

pub(super) fn material(members: &Members<'_>) -> Result<KeyMaterial, SkipReason> {
    if members.text("crv")?.ok_or(SkipReason::MalformedMember)? != "Ed25519" {
        return Err(SkipReason::UnsupportedCurve);
    }
    from_point(&members.bytes("x")?)
}

/// Accepts an encoded point in its one canonical form and of large order.
///
/// For a key of small order, whoever has never seen a private key can make signatures that hold for
/// many messages, or for all. Backends differ on such keys and on encodings that are not canonical,
/// so neither gets as far as a backend.
///
/// Whether the text is that of a point at all, `rust-crypto` finds out when it parses the key, which is
/// skipped then, and `aws-lc-rs` when it is asked to verify. Either way the key verifies nothing; to tell the
/// issuer sooner would take arithmetic of the field here.
pub(super) fn from_point(x: &[u8]) -> Result<KeyMaterial, SkipReason> {
    let x: [u8; 32] = x.try_into().map_err(|_| SkipReason::MalformedMember)?;
    let mut y = x;
    if let Some(last) = y.last_mut() {
        *last &= !SIGN_BIT;
    }
    // Little-endian, so the last bytes weigh most.
    if y.iter().rev().ge(FIELD_PRIME.iter().rev()) {
        return Err(SkipReason::InvalidPoint);
    }
    if SMALL_ORDER.contains(&y) {
        return Err(SkipReason::SmallOrderPoint);
    }
    Ok(KeyMaterial::Ed25519 { x })
}

/// The top bit of the last byte is the sign of the other coordinate; the rest is y.
const SIGN_BIT: u8 = 0x80;

/// 2²⁵⁵ − 19.
const FIELD_PRIME: [u8; 32] = bytes_with_ends(0xed, 0xff, 0x7f);

/// The y of the eight points whose order divides 8; a point and its negative share one.
const SMALL_ORDER: [[u8; 32]; 5] = [
    // Order 4.
    bytes_with_ends(0, 0, 0),
    // Order 1, the neutral element.
    bytes_with_ends(1, 0, 0),
    // Order 2: −1.
    bytes_with_ends(0xec, 0xff, 0x7f),
    // Order 8, twice.
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53,
        0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac,
        0x03, 0x7a,
    ],
];

const fn bytes_with_ends(first: u8, between: u8, last: u8) -> [u8; 32] {
    let b = between;
    [
        first, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b, b,
        b, b, last,
    ]
}
