//! Splits a compact serialization and decodes its parts, within limits
//! ([RFC 7515 §5.2](https://www.rfc-editor.org/rfc/rfc7515#section-5.2) steps 1 to 7).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::error::{Malformation, VerifyError};

/// The three parts of a token, found but not decoded.
pub(super) struct Parts<'a> {
    pub(super) header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
    /// Header and payload as received, with the dot between: what the signature covers.
    pub(super) signing_input: &'a str,
}

impl<'a> Parts<'a> {
    /// Finds exactly two dots. Allocates nothing, so that a token of dots costs nothing; five parts
    /// (a JWE) are refused here, before anything is decoded.
    pub(super) fn split(token: &'a str) -> Result<Self, VerifyError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(VerifyError::TooLarge);
        }
        let malformed = || VerifyError::Malformed(Malformation::Parts);
        let (signing_input, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (header, payload) = signing_input.split_once('.').ok_or_else(malformed)?;
        if payload.contains('.') {
            return Err(malformed());
        }
        Ok(Self {
            header,
            payload,
            signature,
            signing_input,
        })
    }
}

/// Decodes unpadded base64url in its one canonical form: no padding, no white space, no unused
/// bits that are set. Two texts that decode to the same bytes would be two names of one token.
pub(super) fn decode(part: &str, max_bytes: usize) -> Result<Vec<u8>, VerifyError> {
    if base64::decoded_len_estimate(part.len())
        > base64::decoded_len_estimate(max_bytes * 4 / 3 + 2)
    {
        return Err(VerifyError::TooLarge);
    }
    let bytes = BASE64_URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| VerifyError::Malformed(Malformation::Base64))?;
    if bytes.len() > max_bytes {
        return Err(VerifyError::TooLarge);
    }
    Ok(bytes)
}

/// Longest token. Access tokens of real issuers are 0.5 to 4 KiB; an ML-DSA-87 signature alone is
/// 6 KiB, and servers cap a header line at 8 to 64 KiB.
pub(super) const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Longest decoded header. A real one is 60 to 200 bytes, or 1 to 2 KiB with certificates inside.
pub(super) const MAX_HEADER_BYTES: usize = 2 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_split(token: &str, expected: Option<[&str; 4]>) {
        let parts = Parts::split(token).ok().map(|parts| {
            [
                parts.header,
                parts.payload,
                parts.signature,
                parts.signing_input,
            ]
        });
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
        assert!(Parts::split(&longest).is_ok());
        let too_long = format!("{longest}c");
        assert!(matches!(
            Parts::split(&too_long),
            Err(VerifyError::TooLarge)
        ));
        assert!(matches!(
            Parts::split(&".".repeat(1_000_000)),
            Err(VerifyError::TooLarge)
        ));
    }

    #[track_caller]
    fn check_decode(part: &str, expected: Option<&[u8]>) {
        assert_eq!(decode(part, 100).ok().as_deref(), expected, "{part:?}");
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

    #[test]
    fn a_part_may_be_as_long_as_its_limit_and_no_longer() {
        for max in [1, 2, 3, 100, MAX_HEADER_BYTES] {
            let fits = BASE64_URL_SAFE_NO_PAD.encode(vec![7; max]);
            assert_eq!(decode(&fits, max).map(|bytes| bytes.len()).ok(), Some(max));
            let long = BASE64_URL_SAFE_NO_PAD.encode(vec![7; max + 1]);
            assert!(
                matches!(decode(&long, max), Err(VerifyError::TooLarge)),
                "{max}"
            );
        }
    }
}
