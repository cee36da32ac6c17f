//! `kty: RSA` ([RFC 7518 §6.3.1](https://www.rfc-editor.org/rfc/rfc7518#section-6.3.1)).

use super::{Members, SkipReason, roca};
use crate::signature::KeyMaterial;

pub(super) fn material(members: &Members<'_>) -> Result<KeyMaterial, SkipReason> {
    from_numbers(&members.bytes("n")?, &members.bytes("e")?)
}

/// Accepts big-endian numbers within the bounds.
///
/// Leading zero bytes are dropped. RFC 7518 §2 forbids them, but Java's way of writing big integers
/// puts one there, and several large issuers publish it; the number is the same.
pub(super) fn from_numbers(n: &[u8], e: &[u8]) -> Result<KeyMaterial, SkipReason> {
    let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
    match bits(n) {
        ..MIN_MODULUS_BITS => return Err(SkipReason::RsaTooSmall),
        MIN_MODULUS_BITS..=MAX_MODULUS_BITS => {}
        _ => return Err(SkipReason::RsaTooLarge),
    }
    if is_even(n) {
        return Err(SkipReason::RsaEvenModulus);
    }
    if is_even(e) || e.len() > MAX_EXPONENT_BYTES || matches!(e, [1]) {
        return Err(SkipReason::RsaBadExponent);
    }
    if roca::has_fingerprint(n) {
        return Err(SkipReason::RsaRoca);
    }
    Ok(KeyMaterial::Rsa {
        n: n.into(),
        e: e.into(),
    })
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

fn bits(number: &[u8]) -> usize {
    let Some((first, rest)) = number.split_first() else {
        return 0;
    };
    let of_first = u8::BITS.saturating_sub(first.leading_zeros());
    rest.len()
        .saturating_mul(8)
        .saturating_add(usize::try_from(of_first).unwrap_or_default())
}

/// Zero, which has no bytes left, is even.
fn is_even(number: &[u8]) -> bool {
    number.last().is_none_or(|byte| byte % 2 == 0)
}

/// RFC 7518 §3.3 and §3.5.
const MIN_MODULUS_BITS: usize = 2048;

/// What both backends take. A check at this size costs 15 times one at 2048 bits.
const MAX_MODULUS_BITS: usize = 8192;

/// An exponent under 2³², as aws-lc and most others bound it: the cost of a check grows with its bits.
const MAX_EXPONENT_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// An odd modulus of so many bits.
    fn modulus(bits: usize) -> Vec<u8> {
        let mut n = vec![0xff; bits.div_ceil(8)];
        n[0] >>= (8 - bits % 8) % 8;
        n
    }

    #[track_caller]
    fn check(n: &[u8], e: &[u8], refused: Option<SkipReason>) {
        assert_eq!(from_numbers(n, e).err(), refused);
    }

    #[test]
    fn the_modulus_has_2048_to_8192_bits() {
        check(&[], &[3], Some(SkipReason::RsaTooSmall));
        check(&modulus(1024), &[3], Some(SkipReason::RsaTooSmall));
        check(&modulus(2047), &[3], Some(SkipReason::RsaTooSmall));
        check(&modulus(2048), &[3], None);
        check(&modulus(2049), &[3], None);
        check(&modulus(8192), &[3], None);
        check(&modulus(8193), &[3], Some(SkipReason::RsaTooLarge));
        check(&modulus(32_768), &[3], Some(SkipReason::RsaTooLarge));
    }

    #[test]
    fn the_modulus_is_odd() {
        let mut n = modulus(2048);
        *n.last_mut().unwrap() = 0xfe;
        check(&n, &[3], Some(SkipReason::RsaEvenModulus));
    }

    #[test]
    fn the_exponent_is_odd_and_from_3_to_under_2_to_the_32() {
        let n = modulus(2048);
        for e in [
            &[][..],
            &[0],
            &[1],
            &[2],
            &[4],
            &[1, 0, 0],
            &[1, 0, 0, 0, 1],
            &n,
        ] {
            check(&n, e, Some(SkipReason::RsaBadExponent));
        }
        for e in [
            &[3][..],
            &[17],
            &[1, 1],
            &[1, 0, 1],
            &[0xff, 0xff, 0xff, 0xff],
        ] {
            check(&n, e, None);
        }
    }

    #[test]
    fn leading_zeros_change_nothing() {
        let n = modulus(2048);
        let padded = [&[0, 0], &n[..]].concat();
        assert_eq!(
            from_numbers(&padded, &[0, 1, 0, 1]),
            from_numbers(&n, &[1, 0, 1])
        );
        check(
            &[&[0], &modulus(2040)[..]].concat(),
            &[3],
            Some(SkipReason::RsaTooSmall),
        );
    }
}
