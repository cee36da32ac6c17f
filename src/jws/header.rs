//! The JOSE header.

use crate::algorithm::Algorithm;

/// The JOSE header of a token, as far as a verifier reads it
/// ([RFC 7515 §4.1](https://www.rfc-editor.org/rfc/rfc7515#section-4.1)).
#[derive(Clone)]
pub struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<Box<str>>,
    pub(super) token_type: Option<Box<str>>,
}

impl Header {
    /// `alg`.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// `kid`: an opaque name of a key among those of its issuer, at most 256 bytes.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// `typ`, as sent.
    #[must_use]
    pub fn token_type(&self) -> Option<&str> {
        self.token_type.as_deref()
    }
}
