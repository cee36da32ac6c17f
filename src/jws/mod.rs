//! A JWS in compact serialization: parsed, then verified
//! ([RFC 7515 §7.1](https://www.rfc-editor.org/rfc/rfc7515#section-7.1)).
//!
//! In come bytes that should be the text of a token. Out comes a [`VerifiedJws`], and nothing of the
//! payload before that.

mod compact;
mod header;
mod known;

pub(crate) use compact::{MAX_TOKEN_BYTES, SignatureRoom};
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
    signature: UnverifiedSignature<'a>,
    payload: Vec<u8>,
}

/// A signature, and what it is said to be of.
pub(crate) struct UnverifiedSignature<'a> {
    header: Header,
    signing_input: &'a [u8],
    signature: &'a [u8],
}

/// A header that was signed, and the key that signed it. Only [`UnverifiedSignature::verify`] makes one.
#[derive(Clone)]
pub(crate) struct Signed {
    pub(crate) header: Header,
    pub(crate) key: Arc<VerificationKey>,
    _made_here: (),
}

impl<'a> CompactJws<'a> {
    /// Checks limits and syntax, before any crypto or network.
    pub(crate) fn parse(token: &'a [u8], room: &'a mut SignatureRoom) -> Result<Self, VerifyError> {
        let parts = Parts::split(token)?;
        let header = Header::decode(&parts)?;
        Self::decode(&parts, header, room)
    }

    /// The same, with the work on its header saved if it is known.
    #[inline(always)] // into its one caller, or what it makes is moved once more
    pub(crate) fn parse_with(
        token: &'a [u8],
        known: &KnownHeaders,
        room: &'a mut SignatureRoom,
    ) -> Result<Self, VerifyError> {
        let parts = Parts::split(token)?;
        let header = match known.find(parts.header) {
            Some(header) => header,
            None => Header::decode(&parts)?,
        };
        Self::decode(&parts, header, room)
    }

    fn decode(
        parts: &Parts<'a>,
        header: Header,
        room: &'a mut SignatureRoom,
    ) -> Result<Self, VerifyError> {
        let payload = compact::decode(parts.payload, MAX_TOKEN_BYTES)?;
        let signature = compact::decode_signature(parts.signature, room)?;
        if signature.is_empty() {
            return Err(VerifyError::Malformed(Malformation::EmptySignature));
        }
        Ok(Self {
            signature: UnverifiedSignature {
                header,
                signing_input: parts.signing_input,
                signature,
            },
            payload,
        })
    }

    pub(crate) fn header(&self) -> &Header {
        self.signature.header()
    }

    /// The payload for the one reader that may see it before the signature is checked: the claims
    /// parser, which keeps it shut in a type of its own.
    pub(crate) fn into_unverified_parts(self) -> (UnverifiedSignature<'a>, Vec<u8>) {
        (self.signature, self.payload)
    }

    /// The one place that makes a [`VerifiedJws`].
    pub(crate) fn verify(self, candidates: &Candidates<'_>) -> Result<VerifiedJws, VerifyError> {
        Ok(VerifiedJws {
            signed: self.signature.verify(candidates)?,
            payload: self.payload,
        })
    }
}

impl UnverifiedSignature<'_> {
    pub(crate) fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn verify(self, candidates: &Candidates<'_>) -> Result<Signed, VerifyError> {
        let key = candidates.verify(self.header.algorithm(), self.signing_input, self.signature)?;
        Ok(Signed {
            header: self.header,
            key: Arc::clone(key),
            _made_here: (),
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
    signed: Signed,
    payload: Vec<u8>,
}

impl VerifiedJws {
    /// The header the signature covers.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.signed.header
    }

    /// The bytes that were signed, decoded.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
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
            .field("header", self.header())
            .field(
                "payload",
                &format_args!("[redacted; {} bytes]", self.payload.len()),
            )
            .finish()
    }
}
