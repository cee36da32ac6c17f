//! Splits a compact serialization and decodes its parts, within limits
//! ([RFC 7515 §5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2) steps 1 to 7).

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::NO_PAD;

use crate::error::{Malformation, VerifyError};

/// The three parts of a token, found but not decoded.
pub(super) struct Parts<'a> {
    pub(super) header: &'a [u8],
    pub(super) payload: &'a [u8],
    pub(super) signature: &'a [u8],
    /// Header and payload as received, with the dot between: what the signature covers.
    pub(super) signing_input: &'a [u8],
}

impl<'a> Parts<'a> {
    /// Finds exactly two dots. Allocates nothing, so that a token of dots costs nothing; five parts
    /// (a JWE) are refused here, before anything is decoded.
    pub(super) fn split(token: &'a [u8]) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLarge);
        }
        let malformed = || VerifyError::Malformed(Malformation::Parts);
        let mut dots = memchr::memchr_iter(b'.', token);
        let (Some(first), Some(second), None) = (dots.next(), dots.next(), dots.next()) else {
            return Err(malformed());
        };
        let part = |range| token.get(range).ok_or_else(malformed);
        Ok(Self {
            header: part(0..first)?,
            payload: part(first.saturating_add(1)..second)?,
            signature: part(second.saturating_add(1)..token.len())?,
            signing_input: part(0..second)?,
        })
    }
}

/// Decodes unpadded base64url in its one canonical form: no padding, no white space, no unused
/// bits that are set. Two texts that decode to the same bytes would be two names of one token.
#[expect(
    clippy::slow_vector_initialization,
    reason = "glibc has small pieces at hand for malloc, and none for calloc"
)]
pub(super) fn decode(part: &[u8], max_bytes: usize) -> Result<Vec<u8>, VerifyError> {
    let length = decoded_length(part, max_bytes)?;
    let mut bytes = Vec::with_capacity(length); // no more, so that a payload is kept without a copy
    bytes.resize(length, 0);
    decode_into(part, &mut bytes)?;
    Ok(bytes)
}

/// The same for a signature, which nobody keeps.
pub(super) fn decode_signature<'r>(
    part: &[u8],
    room: &'r mut SignatureRoom,
) -> Result<&'r [u8], VerifyError> {
    let bytes = room.bytes(decoded_length(part, MAX_TOKEN_BYTES)?);
    decode_into(part, bytes)?;
    Ok(bytes)
}

/// Four characters are three bytes.
fn decoded_length(part: &[u8], max_bytes: usize) -> Result<usize, VerifyError> {
    let length = part.len() / 4 * 3 + (part.len() % 4).saturating_sub(1);
    if length > max_bytes {
        return Err(VerifyError::TooLarge);
    }
    Ok(length)
}

fn decode_into(part: &[u8], bytes: &mut [u8]) -> Result<(), VerifyError> {
    match BASE64URL.decode_slice(part, bytes) {
        Ok(decoded) if decoded == bytes.len() => Ok(()),
        _ => Err(VerifyError::Malformed(Malformation::Base64)),
    }
}

/// Where a signature is decoded to while it is checked: on the stack, but for those longer than any of RSA-4096.
pub(crate) struct SignatureRoom {
    usual: [u8; 512],
    longer: Vec<u8>,
}

impl SignatureRoom {
    pub(crate) const fn new() -> Self {
        Self {
            usual: [0; 512],
            longer: Vec::new(),
        }
    }

    fn bytes(&mut self, length: usize) -> &mut [u8] {
        match self.usual.get_mut(..length) {
            Some(bytes) => bytes,
            None => {
                self.longer.resize(length, 0);
                &mut self.longer
            }
        }
    }
}

/// Picks the instructions of this processor once.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
static BASE64URL: LazyLock<base64::engine::Simd> =
    LazyLock::new(|| base64::engine::Simd::url_safe(NO_PAD));
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
static BASE64URL: LazyLock<base64::engine::GeneralPurpose> =
    LazyLock::new(|| base64::engine::GeneralPurpose::new(&base64::alphabet::URL_SAFE, NO_PAD));

/// Longest token. Access tokens of real issuers are 0.5 to 4 KiB; an ML-DSA-87 signature alone is
/// 6 KiB, and servers cap a header line at 8 to 64 KiB.
pub(crate) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Longest decoded header. A real one is 60 to 200 bytes, or 1 to 2 KiB with certificates inside.
pub(super) const MAX_HEADER_BYTES: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_URL_SAFE_NO_PAD;

    use super::*;

    #[track_caller]
    fn check_split(token: &str, expected: Option<[&str; 4]>) {
        let parts = Parts::split(token.as_bytes()).ok().map(|parts| {
            [
                parts.header,
                parts.payload,
                parts.signature,
                parts.signing_input,
            ]
        });
        let expected = expected.map(|parts| parts.map(str::as_bytes));
        assert_eq!(parts, expected, "{token:?}");
    }

    #[test]
    fn a_token_has_exactly_two_dots() {
        check_split("a.b.c", Some(["a", "b", "c", "a.b"]));
        check_split("..", Some(["", "", "", "."]));
        for token in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e", "...", "a..b.c"] {
            check_split(token, None);
        }
    }

    #[test]
    fn a_token_may_be_16_kib_and_no_more() {
        let longest = format!("a.b.{}", "c".repeat(MAX_TOKEN_BYTES - 4));
        assert!(Parts::split(longest.as_bytes()).is_ok());
        let too_long = format!("{longest}c");
        assert!(matches!(
            Parts::split(too_long.as_bytes()),
            Err(VerifyError::TooLarge)
        ));
        assert!(matches!(
            Parts::split(&[b'.'; 1_000_000]),
            Err(VerifyError::TooLarge)
        ));
    }

    #[track_caller]
    fn check_decode(part: impl AsRef<[u8]>, expected: Option<&[u8]>) {
        let part = part.as_ref();
        let text = String::from_utf8_lossy(part);
        assert_eq!(decode(part, 100).ok().as_deref(), expected, "{text:?}");
    }

    #[test]
    fn only_canonical_base64url_decodes() {
        check_decode("", Some(b""));
        check_decode("AA", Some(b"\0"));
        check_decode("_-8", Some(b"\xff\xef"));
        for part in [
            "A", "AB", "AAB", "AA==", "AA=", "/+8", "A A", "AA\n", "AA?", "ÄA", "A\0",
        ] {
            check_decode(part, None);
        }
    }

    /// Long parts are decoded many characters at once, and their ends one by one.
    #[test]
    fn one_wrong_character_is_found_wherever_it_stands() {
        for length in [1, 2, 3, 23, 24, 25, 47, 48, 49, 50, 95, 97] {
            let bytes: Vec<u8> = (0..length).map(|n: u8| n.wrapping_mul(151)).collect();
            let part = BASE64_URL_SAFE_NO_PAD.encode(&bytes);
            check_decode(&part, Some(&bytes));
            for at in 0..part.len() {
                for byte in 0..=0xff_u8 {
                    let mut changed = part.clone().into_bytes();
                    changed[at] = byte;
                    let expected = BASE64_URL_SAFE_NO_PAD.decode(&changed).ok();
                    let is_character = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
                    assert!(is_character || expected.is_none(), "{byte:#x}");
                    check_decode(&changed, expected.as_deref());
                }
            }
        }
    }

    #[test]
    fn a_signature_is_decoded_whatever_was_in_its_room() {
        let lengths = [0, 1, 511, 512, 513, 4_627];
        for (before, length) in lengths
            .into_iter()
            .flat_map(|before| lengths.map(|length| (before, length)))
        {
            let mut room = SignatureRoom::new();
            for (bytes, length) in [(0xff, before), (7, length)] {
                let part = BASE64_URL_SAFE_NO_PAD.encode(vec![bytes; length]);
                let decoded = decode_signature(part.as_bytes(), &mut room).unwrap();
                assert_eq!(decoded, vec![bytes; length], "{length} after {before}");
            }
            assert!(decode_signature(b"AA?", &mut room).is_err());
        }
    }

    #[test]
    fn a_part_may_be_as_long_as_its_limit_and_no_longer() {
        for max in [1, 2, 3, 100, MAX_HEADER_BYTES] {
            let fits = BASE64_URL_SAFE_NO_PAD.encode(vec![7; max]);
            assert_eq!(
                decode(fits.as_bytes(), max).map(|bytes| bytes.len()).ok(),
                Some(max)
            );
            let long = BASE64_URL_SAFE_NO_PAD.encode(vec![7; max + 1]);
            assert!(
                matches!(decode(long.as_bytes(), max), Err(VerifyError::TooLarge)),
                "{max}"
            );
        }
    }
}
