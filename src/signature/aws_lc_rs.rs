//! The default backend: every algorithm, with keys that stay parsed.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::digest::{self, SHA256, SHA384, SHA512};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ML_DSA_44,
    ML_DSA_65, ML_DSA_87, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384,
    RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, VerificationAlgorithm,
};

use super::{Backend, KeyMaterial, Unusable};
use crate::algorithm::Algorithm;

/// A key of aws-lc, bound to an algorithm.
pub(crate) struct Key {
    first: ParsedPublicKey,
    /// The same key for other threads, parsed again when one has verified with it: at each check aws-lc
    /// counts a key's holders, and locks an RSA key, and cores that share one wait for each other.
    /// None where that failed; then the first serves.
    others: OnceLock<Box<[ParsedLater; COPIES - 1]>>,
    /// What a message is hashed with before its signature is checked. None where aws-lc does both at
    /// once, which is the same and takes 1 % longer.
    digest: Option<&'static digest::Algorithm>,
}

type ParsedLater = OnceLock<Option<ParsedPublicKey>>;

/// How many of a key there are at most; threads may share one. A copy of an RSA-2048 key takes 2 KiB.
pub(super) const COPIES: usize = 8;

thread_local! {
    /// Which copy of a key this thread takes.
    static COPY: usize = {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        THREADS.fetch_add(1, Ordering::Relaxed) % COPIES
    };
}

/// Where a key's copy for this thread is or will be; none for the threads that take the first.
fn place() -> Option<usize> {
    COPY.with(|copy| copy.checked_sub(1))
}

impl Key {
    /// What threads with this place take.
    fn at(&self, place: Option<usize>) -> &ParsedPublicKey {
        let copy = place.and_then(|place| self.copy(place));
        copy.unwrap_or(&self.first)
    }

    fn copy(&self, place: usize) -> Option<&ParsedPublicKey> {
        self.others.get()?.get(place)?.get()?.as_ref()
    }

    fn make_copy(&self, place: usize) {
        if let Some(copy) = self.others.get_or_init(Box::default).get(place) {
            copy.get_or_init(|| ParsedPublicKey::new(self.first.algorithm(), &self.first).ok());
        }
    }

    /// Whether this thread takes the key that was there first, though it may have its own.
    #[cfg(feature = "testing")]
    #[cfg(test)]
    pub(super) fn is_shared(&self) -> bool {
        place().is_some() && std::ptr::eq(self.at(place()), &raw const self.first)
    }

    /// How many of the key there are by now.
    #[cfg(feature = "testing")]
    #[cfg(test)]
    pub(super) fn copies(&self) -> usize {
        1 + (0..COPIES).filter_map(|place| self.copy(place)).count()
    }
}

impl Backend for Key {
    fn parse(material: &KeyMaterial, algorithm: Algorithm) -> Result<Self, Unusable> {
        if material.kind() != algorithm.key_kind() {
            return Err(Unusable::Rejected);
        }
        let first = match (material, scheme(algorithm)) {
            (KeyMaterial::Rsa { n, e }, Scheme::Rsa(parameters)) => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
            }
            (KeyMaterial::Ec { point, .. }, Scheme::Other(algorithm)) => {
                ParsedPublicKey::new(algorithm, point)
            }
            (KeyMaterial::Ed25519 { x }, Scheme::Other(algorithm)) => {
                ParsedPublicKey::new(algorithm, x)
            }
            (KeyMaterial::MlDsa { public, .. }, Scheme::Other(algorithm)) => {
                ParsedPublicKey::new(algorithm, public)
            }
            (KeyMaterial::Rsa { .. }, Scheme::Other(_)) | (_, Scheme::Rsa(_)) => {
                return Err(Unusable::Rejected);
            }
        };
        Ok(Self {
            first: first.map_err(|_| Unusable::Rejected)?,
            others: OnceLock::new(),
            digest: digest(algorithm),
        })
    }

    fn verify(&self, signing_input: &[u8], signature: &[u8]) -> bool {
        let place = place();
        let key = self.at(place);
        let verified = match self.digest {
            Some(algorithm) => {
                let digest = digest::digest(algorithm, signing_input);
                key.verify_digest_sig(&digest, signature)
            }
            None => key.verify_sig(signing_input, signature),
        };
        // Not for a wrong signature, which anybody can send.
        if let (Ok(()), Some(place)) = (verified, place) {
            self.make_copy(place);
        }
        verified.is_ok()
    }

    fn sha256(bytes: &[u8]) -> Option<Vec<u8>> {
        Some(digest::digest(&SHA256, bytes).as_ref().to_vec())
    }
}

/// The digest that an algorithm begins with, if it may be made apart from the rest: FIPS 140 has
/// approved them together.
fn digest(algorithm: Algorithm) -> Option<&'static digest::Algorithm> {
    if aws_lc_rs::try_fips_mode().is_ok() {
        return None;
    }
    match algorithm {
        Algorithm::Rs256 | Algorithm::Ps256 | Algorithm::Es256 => Some(&SHA256),
        Algorithm::Rs384 | Algorithm::Ps384 | Algorithm::Es384 => Some(&SHA384),
        Algorithm::Rs512 | Algorithm::Ps512 | Algorithm::Es512 => Some(&SHA512),
        Algorithm::EdDsa
        | Algorithm::Ed25519
        | Algorithm::MlDsa44
        | Algorithm::MlDsa65
        | Algorithm::MlDsa87 => None,
    }
}

/// How an algorithm is called there. The PSS ones demand a salt as long as the digest.
fn scheme(algorithm: Algorithm) -> Scheme {
    match algorithm {
        Algorithm::Rs256 => Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Scheme::Rsa(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Scheme::Rsa(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Scheme::Rsa(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Scheme::Rsa(&RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 => Scheme::Other(&ECDSA_P256_SHA256_FIXED),
        Algorithm::Es384 => Scheme::Other(&ECDSA_P384_SHA384_FIXED),
        Algorithm::Es512 => Scheme::Other(&ECDSA_P521_SHA512_FIXED),
        Algorithm::EdDsa | Algorithm::Ed25519 => Scheme::Other(&ED25519),
        Algorithm::MlDsa44 => Scheme::Other(&ML_DSA_44),
        Algorithm::MlDsa65 => Scheme::Other(&ML_DSA_65),
        Algorithm::MlDsa87 => Scheme::Other(&ML_DSA_87),
    }
}

/// RSA keys come as numbers, and aws-lc-rs takes those by another door.
enum Scheme {
    Rsa(&'static RsaParameters),
    Other(&'static dyn VerificationAlgorithm),
}
