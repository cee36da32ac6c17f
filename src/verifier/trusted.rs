//! The issuers a verifier trusts: a closed table, made at `build()`.

use std::fmt;
use std::sync::Arc;

use super::status::{IssuerStatus, KeyState};
use super::{Stop, Waited};
use crate::algorithm::Algorithm;
use crate::claims::{
    NumericDate, TrustedNames, UnverifiedIssuer, UnverifiedJwt, Validation, VerifiedJwt,
};
use crate::clock::Now;
use crate::error::VerifyError;
#[cfg(feature = "remote")]
use crate::jws::Header;
use crate::key_set::KeySet;
#[cfg(feature = "remote")]
use crate::remote::{NoKeys, Reason, RemoteKeySet, Snapshot, UnknownKey};
use crate::token::VerifiedToken;

/// Every issuer a verifier trusts, by its exact name.
pub(super) struct TrustedIssuers {
    in_order: Vec<Arc<TrustedIssuer>>,
    by_name: TrustedNames<Arc<TrustedIssuer>>,
}

/// One issuer: its keys, and what its tokens are held to.
pub(super) struct TrustedIssuer {
    /// Its place in the order configured.
    pub(super) place: usize,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) keys: IssuerKeys,
    pub(super) validation: Validation,
    #[cfg(feature = "metrics")]
    pub(super) counted: crate::metrics::CountedIssuer,
}

/// Where an issuer's keys are.
pub(super) enum IssuerKeys {
    Fixed(KeySet),
    #[cfg(feature = "remote")]
    Remote(RemoteKeySet),
}

impl TrustedIssuers {
    pub(super) fn new(issuers: Vec<TrustedIssuer>) -> Self {
        let in_order: Vec<_> = issuers.into_iter().map(Arc::new).collect();
        let by_name = in_order
            .iter()
            .map(|issuer| (Arc::clone(&issuer.validation.issuer), Arc::clone(issuer)))
            .collect();
        Self { in_order, by_name }
    }

    pub(super) fn trusted(
        &self,
        issuer: &UnverifiedIssuer<'_>,
    ) -> Result<&TrustedIssuer, VerifyError> {
        let found = match &*self.in_order {
            [only] => issuer.is(only.name()).then_some(only),
            _ => issuer.look_up(&self.by_name),
        };
        found.map(AsRef::as_ref).ok_or(VerifyError::UntrustedIssuer)
    }

    /// The issuer at this place.
    pub(super) fn at(&self, place: usize) -> Option<&TrustedIssuer> {
        self.in_order.get(place).map(AsRef::as_ref)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.in_order.iter().map(AsRef::as_ref)
    }
}

impl fmt::Debug for TrustedIssuers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(TrustedIssuer::name))
            .finish()
    }
}

impl TrustedIssuer {
    pub(super) fn name(&self) -> &str {
        &self.validation.issuer
    }

    pub(super) fn allow(&self, algorithm: Algorithm) -> Result<(), VerifyError> {
        if self.algorithms.contains(&algorithm) {
            Ok(())
        } else {
            Err(VerifyError::AlgorithmNotAllowed)
        }
    }

    /// Selects the key and checks the signature with it.
    #[inline]
    pub(super) fn verify<'v, 'a>(
        &'v self,
        jwt: UnverifiedJwt<'a>,
        now: Now,
        waited: Waited<'_>,
    ) -> Result<VerifiedJwt<'a>, Stop<'v>> {
        match &self.keys {
            IssuerKeys::Fixed(keys) => {
                let _ = (now, waited);
                let candidates = keys.select(jwt.header())?;
                Ok(jwt.verify(&candidates)?)
            }
            #[cfg(feature = "remote")]
            IssuerKeys::Remote(keys) => verify_remote(keys, jwt, now, waited),
        }
    }

    pub(super) fn validate(
        &self,
        jwt: VerifiedJwt<'_>,
        now: Now,
    ) -> Result<VerifiedToken, VerifyError> {
        self.validation.validate(jwt, now.wall)
    }

    /// Whether a token that was accepted before would be accepted now: its key still serves, and
    /// its times hold. All else that it was held to cannot change. The token notes it if so.
    pub(super) fn accept_again(&self, token: &VerifiedToken, now: Now) -> bool {
        let jwt = token.proof();
        let key_serves = match (&self.keys, &jwt.key) {
            (_, None) => false,
            (IssuerKeys::Fixed(_), Some(_)) => true,
            #[cfg(feature = "remote")]
            (IssuerKeys::Remote(keys), Some(key)) => {
                keys.still_serves(key, &jwt.header, &jwt.last_found, now)
            }
        };
        let now = NumericDate::from_system_time(now.wall);
        let accepted = key_serves && jwt.is_acceptable(now);
        if accepted {
            token.verified_again(now);
        }
        accepted
    }

    #[cfg(feature = "remote")]
    pub(super) fn remote(&self) -> Option<&RemoteKeySet> {
        match &self.keys {
            IssuerKeys::Fixed(_) => None,
            IssuerKeys::Remote(keys) => Some(keys),
        }
    }

    pub(super) fn status(&self, now: Now) -> IssuerStatus {
        let issuer = Arc::clone(&self.validation.issuer);
        match &self.keys {
            IssuerKeys::Fixed(keys) => {
                let _ = now;
                IssuerStatus::new(issuer, KeyState::Fixed, keys.clone())
            }
            #[cfg(feature = "remote")]
            IssuerKeys::Remote(keys) => IssuerStatus::of_remote(issuer, keys.status(now)),
        }
    }
}

/// As with fixed keys, but a key that is not there may be one that was published since.
#[cfg(feature = "remote")]
fn verify_remote<'v, 'a>(
    keys: &'v RemoteKeySet,
    jwt: UnverifiedJwt<'a>,
    now: Now,
    waited: Waited<'_>,
) -> Result<VerifiedJwt<'a>, Stop<'v>> {
    let snapshot = match keys.current(now, waited) {
        Ok(snapshot) => snapshot,
        Err(none) => return Err(without_keys(keys, none, jwt.header(), now)),
    };
    let candidates = match snapshot.candidates(jwt.header()) {
        Ok(candidates) => candidates,
        Err(error @ VerifyError::UnknownKey) => {
            return Err(missed(keys, &snapshot, error, now, waited));
        }
        Err(error) => {
            keys.doubt(&snapshot, now);
            return Err(error.into());
        }
    };
    let names_a_key = jwt.header().key_id().is_some();
    match jwt.verify(&candidates) {
        Ok(verified) => {
            keys.refresh_if_due(&snapshot, now);
            Ok(verified)
        }
        // Without a kid, "no key verifies it" is all that an unknown key looks like.
        Err(error @ VerifyError::InvalidSignature) if !names_a_key => {
            Err(missed(keys, &snapshot, error, now, waited))
        }
        Err(error) => {
            keys.refresh_if_due(&snapshot, now);
            keys.doubt(&snapshot, now);
            Err(error.into())
        }
    }
}

/// There are no keys to look in without waiting, if at all.
#[cfg(feature = "remote")]
#[cold]
fn without_keys<'v>(keys: &'v RemoteKeySet, none: NoKeys, header: &Header, now: Now) -> Stop<'v> {
    let scheduled = Stop::Wait {
        keys,
        reason: Reason::Schedule,
    };
    match none {
        NoKeys::Wait => scheduled,
        NoKeys::Refuse(error) => VerifyError::KeysUnavailable(error).into(),
        // One fetch is waited for, so it is the one for the key if that is not there.
        NoKeys::Join(snapshot) => match snapshot.candidates(header) {
            Err(error @ VerifyError::UnknownKey) => missed(keys, &snapshot, error, now, None),
            Ok(_) | Err(_) => scheduled,
        },
    }
}

/// A key that is not there: wait for it, or refuse.
#[cfg(feature = "remote")]
#[cold]
fn missed<'v>(
    keys: &'v RemoteKeySet,
    snapshot: &Snapshot,
    error: VerifyError,
    now: Now,
    waited: Waited<'_>,
) -> Stop<'v> {
    let unavailable = |error| Stop::Refused(VerifyError::KeysUnavailable(error));
    match waited {
        Some(Ok(())) => {
            if let Some(error) = snapshot.last_error() {
                return unavailable(error.clone());
            }
        }
        Some(Err(error)) => return unavailable(error.clone()),
        None => match keys.decide_unknown_key(snapshot, now) {
            UnknownKey::Fetch => {
                return Stop::Wait {
                    keys,
                    reason: Reason::UnknownKey,
                };
            }
            UnknownKey::Unknown => {}
            UnknownKey::Unavailable => {
                return unavailable(snapshot.cooling_down_unknown_key(now));
            }
        },
    }
    if let VerifyError::UnknownKey = error {
        keys.refused_unknown_key();
    }
    Stop::Refused(error)
}
