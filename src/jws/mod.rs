//! A JWS in compact serialization: parsed, then verified
//! ([RFC 7515 §7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).
//!
//! In comes the text of a token. Out comes a [`VerifiedJws`], and nothing of the payload before that.

mod compact;
mod header;
mod known;

pub(crate) use compact::MAX_TOKEN_BYTES;
pub use header::Header;
pub(crate) use header::StatedHeader;
pub(crate) use known::KnownHeaders;

use std::fmt;
use std::sync::Arc;

use crate::error::{Malformation, VerifyError};
use crate::jwk::VerificationKey;
use crate::key_set::Candidates;
use compact::Parts;

/// A parsed token of which nothing has been verified. Its payload cannot be read.
pub(crate) struct CompactJws<'a> {
    header: Header,
    signing_input: &'a str,
    payload: Vec<u8>,
    signature: Vec<u8>,
}

impl<'a> CompactJws<'a> {
    /// Checks limits and syntax, before any crypto or network.
    pub(crate) fn parse(token: &'a str) -> Result<Self, VerifyError> {
        let parts = Parts::split(token)?;
        let header = Header::decode(&parts)?;
        Self::decode(&parts, header)
    }

    /// The same, with the work on its header saved if it is known.
    pub(crate) fn parse_with(token: &'a str, known: &KnownHeaders) -> Result<Self, VerifyError> {
        let parts = Parts::split(token)?;
        let header = match known.find(parts.header) {
            Some(header) => header,
            None => Header::decode(&parts)?,
        };
        Self::decode(&parts, header)
    }

    fn decode(parts: &Parts<'a>, header: Header) -> Result<Self, VerifyError> {
        let payload = compact::decode(parts.payload, MAX_TOKEN_BYTES)?;
        let signature = compact::decode(parts.signature, MAX_TOKEN_BYTES)?;
        if signature.is_empty() {
            return Err(VerifyError::Malformed(Malformation::EmptySignature));
        }
        Ok(Self {
            header,
            signing_input: parts.signing_input,
            payload,
            signature,
        })
    }

    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    /// The payload for the one reader that may see it before the signature is checked: the claims
    /// parser, which keeps it shut in a type of its own.
    pub(crate) fn unverified_payload(&self) -> &[u8] {
        &self.payload
    }

    /// The one place that makes a [`VerifiedJws`].
    pub(crate) fn verify(self, candidates: &Candidates<'_>) -> Result<VerifiedJws, VerifyError> {
        let key = candidates.verify(
            self.header.algorithm(),
            self.signing_input.as_bytes(),
            &self.signature,
        )?;
        Ok(VerifiedJws {
            header: self.header,
            payload: self.payload,
            key: Arc::clone(key),
        })
    }
}

/// A JWS whose signature is right. That is all it says: see
/// [`verify_jws`](crate::verify_jws).
///
/// # Security
///
/// Not a token: nobody has looked at issuer, audience or expiry.
#[derive(Clone)]
pub struct VerifiedJws {
    header: Header,
    payload: Vec<u8>,
    key: Arc<VerificationKey>,
}

impl VerifiedJws {
    /// The header the signature covers.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The bytes that were signed, decoded.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The key that made the signature.
    pub(crate) fn key(&self) -> &VerificationKey {
        &self.key
    }

    /// Header, payload, and the key that made the signature.
    pub(crate) fn into_parts(self) -> (Header, Vec<u8>, Arc<VerificationKey>) {
        (self.header, self.payload, self.key)
    }

    /// The bytes that were signed, decoded, without a copy.
    #[must_use]
    pub fn into_payload(self) -> Vec<u8> {
        self.payload
    }
}

impl fmt::Debug for VerifiedJws {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifiedJws")
            .field("header", &self.header)
            .field(
                "payload",
                &format_args!("[redacted; {} bytes]", self.payload.len()),
            )
            .finish()
    }
}
