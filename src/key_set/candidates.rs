//! The few keys that one header may mean.

use std::sync::Arc;

use crate::algorithm::Algorithm;
use crate::error::VerifyError;
use crate::jwk::VerificationKey;

/// The few keys that a header may have been signed with; at least one.
pub(crate) struct Candidates<'k>(pub(super) [Option<&'k Arc<VerificationKey>>; MAX_CANDIDATES]);

impl<'k> Candidates<'k> {
    pub(super) fn of(
        keys: impl Iterator<Item = &'k Arc<VerificationKey>>,
        if_none: VerifyError,
    ) -> Result<Self, VerifyError> {
        let mut candidates = [None; MAX_CANDIDATES];
        let mut places = candidates.iter_mut();
        for key in keys {
            let place = places.next().ok_or(VerifyError::KeyAmbiguous)?;
            *place = Some(key);
        }
        match candidates {
            [None, ..] => Err(if_none),
            _ => Ok(Self(candidates)),
        }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'k VerificationKey> {
        self.0.into_iter().flatten().map(AsRef::as_ref)
    }

    /// These, and the others in the places that are left.
    #[cfg(feature = "remote")]
    pub(crate) fn then(&self, others: &Self) -> Self {
        let mut all = self.0.iter().chain(&others.0).copied().flatten();
        Self(std::array::from_fn(|_| all.next()))
    }

    /// Whether this very key is among them, parsed then or anew.
    #[cfg(feature = "remote")]
    pub(crate) fn have_material_of(&self, key: &Arc<VerificationKey>) -> bool {
        let mut candidates = self.0.iter().copied().flatten();
        candidates.any(|candidate| Arc::ptr_eq(candidate, key) || candidate.has_material_of(key))
    }

    /// The first candidate that made the signature.
    ///
    /// # Errors
    ///
    /// `InvalidSignature` if none did.
    pub(crate) fn verify(
        &self,
        algorithm: Algorithm,
        signing_input: &[u8],
        signature: &[u8],
    ) -> Result<&'k Arc<VerificationKey>, VerifyError> {
        for key in &self.0 {
            match key {
                Some(key) if key.verify(algorithm, signing_input, signature).is_ok() => {
                    return Ok(key);
                }
                Some(_) => {}
                None => break, // no key comes after none
            }
        }
        Err(VerifyError::InvalidSignature)
    }
}

/// Keys tried for one token. Each costs a signature check, so this bounds what a token without a `kid`
/// can cost.
pub(super) const MAX_CANDIDATES: usize = 4;
