//! Why a text is not a set of keys.

/// Why a text is not a set of keys at all. A single bad key is no error: see
/// [`KeySet::skipped`](crate::KeySet::skipped).
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum KeySetError {
    /// Not a JSON object with an array `keys`.
    #[error("not a JSON object with an array \"keys\" (RFC 7517 section 5)")]
    NotAJwkSet,
    /// PEM text without a section, or one that does not parse.
    #[error("not PEM text")]
    NotPem,
    /// A PEM section with something else than a public key, such as a certificate or a private key.
    #[error(
        "a PEM section is not a public key; give \"PUBLIC KEY\" or \"RSA PUBLIC KEY\" sections"
    )]
    NotAPublicKey,
    /// A PEM key that cannot be used, with the reason.
    #[error("a PEM key cannot be used: {0}")]
    Unusable(crate::SkipReason),
}
