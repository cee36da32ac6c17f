//! The signature algorithms we accept, and everything the crate knows about each, in one table.
//!
//! Nothing below this module lists algorithms: it asks the table. There is no member for `none`
//! and none for HMAC, so neither can be allowed, selected or confused with a public key.

use std::fmt;
use std::str::FromStr;

/// A JWS signature algorithm with a public key.
///
/// Names and meanings are those of [RFC 7518 §3.1](https://www.rfc-editor.org/rfc/rfc7518#section-3.1),
/// [RFC 8037 §3.1](https://www.rfc-editor.org/rfc/rfc8037#section-3.1),
/// [RFC 9864 §2.2](https://www.rfc-editor.org/rfc/rfc9864#section-2.2) and RFC 9964.
///
/// # Security
///
/// `none` and the HMAC family are not members, on purpose: a verifier that holds only public keys
/// has no use for them, and most forged tokens of the last ten years needed one of the two. An issuer that
/// signs with HS256 has to sign with a key pair instead: whoever can check an HMAC can forge one.
///
/// An ECDSA signature has a twin that holds as well (`n - s` in place of `s`), which RFC 7518 §3.4 does not
/// rule out and real issuers send. Whoever holds a token can write it in a second way, so neither its text
/// nor a hash of that tells whether it was seen before; `jti` does.
///
/// # Example
///
/// ```
/// use portcullis::Algorithm;
///
/// assert_eq!("ES256".parse(), Ok(Algorithm::Es256));
/// assert!("none".parse::<Algorithm>().is_err());
/// assert!("HS256".parse::<Algorithm>().is_err());
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Algorithm {
    /// `RS256`: RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// `RS384`: RSASSA-PKCS1-v1_5 with SHA-384.
    Rs384,
    /// `RS512`: RSASSA-PKCS1-v1_5 with SHA-512.
    Rs512,
    /// `PS256`: RSASSA-PSS with SHA-256, MGF1 with SHA-256 and a salt of 32 bytes.
    Ps256,
    /// `PS384`: RSASSA-PSS with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes.
    Ps384,
    /// `PS512`: RSASSA-PSS with SHA-512, MGF1 with SHA-512 and a salt of 64 bytes.
    Ps512,
    /// `ES256`: ECDSA on P-256 with SHA-256.
    Es256,
    /// `ES384`: ECDSA on P-384 with SHA-384.
    Es384,
    /// `ES512`: ECDSA on P-521 with SHA-512.
    Es512,
    /// `EdDSA`: the older name of [`Ed25519`](Self::Ed25519); Ed448 is not supported.
    EdDsa,
    /// `Ed25519`: EdDSA on edwards25519, the fully specified name.
    Ed25519,
    /// `ML-DSA-44`, FIPS 204.
    MlDsa44,
    /// `ML-DSA-65`, FIPS 204.
    MlDsa65,
    /// `ML-DSA-87`, FIPS 204.
    MlDsa87,
}

impl Algorithm {
    /// Every algorithm, in the order of the table. This is also the default allow-list.
    ///
    /// A slice, as algorithms are added in minor versions.
    pub const ALL: &'static [Self] = &[
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::Es512,
        Self::EdDsa,
        Self::Ed25519,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// The `alg` value as it stands in a JOSE header, such as `"RS256"`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The algorithm of this `alg` value, compared exactly (names are case-sensitive).
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let mut all = Self::ALL.iter().copied();
        all.find(|algorithm| algorithm.name() == name)
    }

    /// The one kind of key that can serve this algorithm.
    pub(crate) const fn key_kind(self) -> KeyKind {
        self.row().key_kind
    }

    /// Bytes of a signature, where the algorithm alone fixes them; an RSA one is as long as its key.
    pub(crate) const fn signature_bytes(self) -> Option<usize> {
        self.row().signature_bytes
    }

    const fn row(self) -> Row {
        use KeyKind as K;
        match self {
            Self::Rs256 => Row::new("RS256", K::Rsa, None),
            Self::Rs384 => Row::new("RS384", K::Rsa, None),
            Self::Rs512 => Row::new("RS512", K::Rsa, None),
            Self::Ps256 => Row::new("PS256", K::Rsa, None),
            Self::Ps384 => Row::new("PS384", K::Rsa, None),
            Self::Ps512 => Row::new("PS512", K::Rsa, None),
            Self::Es256 => Row::new("ES256", K::P256, Some(64)),
            Self::Es384 => Row::new("ES384", K::P384, Some(96)),
            Self::Es512 => Row::new("ES512", K::P521, Some(132)),
            Self::EdDsa => Row::new("EdDSA", K::Ed25519, Some(64)),
            Self::Ed25519 => Row::new("Ed25519", K::Ed25519, Some(64)),
            Self::MlDsa44 => Row::new("ML-DSA-44", K::MlDsa44, Some(2420)),
            Self::MlDsa65 => Row::new("ML-DSA-65", K::MlDsa65, Some(3309)),
            Self::MlDsa87 => Row::new("ML-DSA-87", K::MlDsa87, Some(4627)),
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::from_name(name).ok_or(UnknownAlgorithm)
    }
}

/// The name is not that of an [`Algorithm`].
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not the name of a supported signature algorithm with a public key")]
#[non_exhaustive]
pub struct UnknownAlgorithm;

/// What a key is, as `kty` and `crv` (or, for `AKP`, `alg`) say it.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum KeyKind {
    Rsa,
    P256,
    P384,
    P521,
    Ed25519,
    MlDsa44,
    MlDsa65,
    MlDsa87,
}

impl KeyKind {
    /// Its `kty`, and the `crv` or `alg` that goes with it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Rsa => "RSA",
            Self::P256 => "EC P-256",
            Self::P384 => "EC P-384",
            Self::P521 => "EC P-521",
            Self::Ed25519 => "OKP Ed25519",
            Self::MlDsa44 => "AKP ML-DSA-44",
            Self::MlDsa65 => "AKP ML-DSA-65",
            Self::MlDsa87 => "AKP ML-DSA-87",
        }
    }

    /// The algorithms a key of this kind can serve.
    pub(crate) fn algorithms(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL
            .iter()
            .copied()
            .filter(move |algorithm| algorithm.key_kind() == self)
    }
}

struct Row {
    name: &'static str,
    key_kind: KeyKind,
    signature_bytes: Option<usize>,
}

impl Row {
    const fn new(name: &'static str, key_kind: KeyKind, signature_bytes: Option<usize>) -> Self {
        Self {
            name,
            key_kind,
            signature_bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_leads_back_to_its_algorithm() {
        for algorithm in Algorithm::ALL.iter().copied() {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
    }

    #[test]
    fn names_are_exact() {
        for name in [
            "none", "None", "HS256", "rs256", "RS256 ", "", "ES256K", "ES521", "Ed448",
        ] {
            assert_eq!(Algorithm::from_name(name), None, "{name:?}");
        }
    }

    #[test]
    fn an_ed25519_key_serves_both_of_its_names() {
        let names: Vec<_> = KeyKind::Ed25519.algorithms().map(Algorithm::name).collect();
        assert_eq!(names, ["EdDSA", "Ed25519"]);
    }
}
