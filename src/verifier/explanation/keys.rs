//! What of an issuer's keys matters to a token: which there are, how old they are, and which is missing.

use std::error::Error;
use std::fmt;

use serde::Serialize;

use super::super::{IssuerStatus, KeyState};
use super::case::Case;
use super::step::Step;
use crate::algorithm::Algorithm;
use crate::error::{FetchError, FetchErrorKind, VerifyError};
use crate::jwk::{SkipReason, VerificationKey};
use crate::key_set::KeySet;
use crate::text::{Escaped, Unvouched, Words, listed};
use crate::time_text::Span;

/// How the keys of the token's issuer were at the verdict.
#[derive(Clone, Debug, Serialize)]
pub(super) struct ShownKeys {
    pub(super) state: &'static str,
    pub(super) age_seconds: Option<u64>,
    pub(super) published: Vec<ShownKey>,
    pub(super) in_grace: Vec<ShownKey>,
    pub(super) skipped: Vec<ShownSkipped>,
    pub(super) last_error: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ShownKey {
    pub(super) kid: Option<String>,
    pub(super) kty: &'static str,
    pub(super) algorithms: Vec<&'static str>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct ShownSkipped {
    pub(super) index: usize,
    pub(super) kid: Option<String>,
    pub(super) reason: &'static str,
}

impl ShownKeys {
    pub(super) fn of(status: &IssuerStatus) -> Self {
        let keys = |keys: Option<&KeySet>| -> Vec<_> {
            let keys = keys.into_iter().flat_map(KeySet::keys);
            keys.take(MAX_KEYS).map(ShownKey::of).collect()
        };
        let skipped = status.skipped().iter().take(MAX_KEYS);
        Self {
            state: state(status.state()),
            age_seconds: status.age().map(|age| age.as_secs()),
            published: keys(Some(status.keys())),
            in_grace: keys(status.in_grace()),
            skipped: skipped
                .map(|skipped| ShownSkipped {
                    index: skipped.index(),
                    kid: skipped.key_id().map(|kid| Escaped(kid).to_string()),
                    reason: skipped.reason().code(),
                })
                .collect(),
            last_error: status.last_error().map(causes),
        }
    }
}

impl ShownKey {
    fn of(key: &VerificationKey) -> Self {
        let algorithms = Algorithm::ALL.iter().copied();
        Self {
            kid: key.key_id().map(|kid| Escaped(kid).to_string()),
            kty: key.kind().name(),
            algorithms: algorithms
                .filter(|&algorithm| key.fits(algorithm))
                .map(Algorithm::name)
                .collect(),
        }
    }
}

impl Case<'_> {
    /// The header's name of a key is shown where it matters, and not of a token that no key was asked for.
    pub(super) fn expected_key(&self) -> String {
        let is_reached = self
            .error
            .is_none_or(|error| self.failed_step(error) >= Step::Keys);
        match (self.algorithm().filter(|_| is_reached), self.key_id()) {
            (Some(algorithm), Some(key_id)) => {
                format!("one named {:?} for {algorithm}", Unvouched(key_id))
            }
            (Some(algorithm), None) => format!("one for {algorithm}, as no kid is named"),
            (None, _) => "one of the header's kid and alg".to_owned(),
        }
    }

    /// How many keys there are, and how old they are.
    pub(super) fn found_keys(&self) -> Option<String> {
        let status = self.status?;
        let mut found = format!("{} published", status.key_count());
        for (count, what) in [
            (status.in_grace().map_or(0, KeySet::len), "in grace"),
            (status.skipped().len(), "left out"),
        ] {
            if count > 0 {
                found += &format!(", {count} {what}");
            }
        }
        found += &match (status.state(), status.age()) {
            (KeyState::Fixed, _) => ", given at start".to_owned(),
            (state, Some(age)) => format!(", {} old ({})", Span(age), self::state(state)),
            (_, None) => ", never fetched".to_owned(),
        };
        Some(found)
    }

    /// The key that made the signature, or those that may have.
    pub(super) fn found_key(&self) -> Option<String> {
        let Some(signed) = self.signed else {
            return Some(listed(self.candidates().into_iter().map(Named)));
        };
        let (status, key) = (self.status?, &signed.signed().key);
        let place = match (status.keys().has(key), status.in_grace()) {
            (true, _) => "published",
            (false, Some(in_grace)) if in_grace.has(key) => "published no more, in its grace",
            (false, _) => "replaced since",
        };
        Some(format!("{:?}, {place}", Named(key)))
    }

    pub(super) fn tried_keys(&self) -> String {
        let tried = self.candidates().into_iter().map(Named);
        format!("does not match under {}", listed(tried))
    }

    /// Why there is no key for the header.
    pub(super) fn unfit_key(&self, error: &VerifyError) -> Option<String> {
        let status = self.status?;
        let key_id = self.key_id();
        let all = || sets(status).flat_map(KeySet::keys);
        Some(match error {
            VerifyError::KeyAmbiguous => "more than 4 of them".to_owned(),
            VerifyError::AlgorithmMismatch => {
                listed(all().filter(|key| key.key_id() == key_id).map(Named))
            }
            _ => match self.skipped_key() {
                Some(reason) => format!("published and left out as {}: {reason}", reason.code()),
                None => format!("unknown; there are {}", listed(all().map(Named))),
            },
        })
    }

    /// Why the key that the header names is left out, if it is published.
    pub(super) fn skipped_key(&self) -> Option<SkipReason> {
        let mut skipped = self.status?.skipped().iter();
        let key_id = self.key_id()?;
        let skipped = skipped.find(|skipped| skipped.key_id() == Some(key_id))?;
        Some(skipped.reason())
    }

    /// Why there are no keys to look in, or why nobody knows whether there is the one that is missing.
    pub(super) fn missing_keys(&self, error: &FetchError) -> Option<String> {
        let status = self.status?;
        let found = match status.state().is_usable() {
            true => self.unfit_key(&VerifyError::UnknownKey)?,
            false => self.found_keys()?,
        };
        let last = status
            .last_error()
            .filter(|_| error.kind() == FetchErrorKind::CoolingDown);
        let last = last.map(|last| format!("; it failed with: {}", causes(last)));
        Some(format!(
            "{found}; {}{}",
            causes(error),
            last.unwrap_or_default()
        ))
    }

    /// The keys that the header may mean, by the same choice as the verdict's.
    fn candidates(&self) -> Vec<&VerificationKey> {
        let (Some(status), Some(algorithm)) = (self.status, self.algorithm()) else {
            return Vec::new();
        };
        let chosen = sets(status).filter_map(|keys| {
            let candidates = keys.select_named(self.key_id(), algorithm).ok()?;
            Some(candidates.keys().collect::<Vec<_>>())
        });
        chosen.flatten().collect()
    }
}

fn sets(status: &IssuerStatus) -> impl Iterator<Item = &KeySet> {
    [Some(status.keys()), status.in_grace()]
        .into_iter()
        .flatten()
}

/// A key by its name and kind.
struct Named<'a>(&'a VerificationKey);

impl fmt::Debug for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.key_id() {
            Some(key_id) => write!(f, "{:?} ({})", Escaped(key_id), self.0.kind().name()),
            None => write!(f, "one without kid ({})", self.0.kind().name()),
        }
    }
}

/// An error with all of its causes.
fn causes(error: &FetchError) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text += &format!(": {cause}");
        next = cause.source();
    }
    Words(&text).to_string()
}

const fn state(state: KeyState) -> &'static str {
    match state {
        KeyState::Fixed => "fixed",
        KeyState::NotFetched => "not_fetched",
        KeyState::Fresh => "fresh",
        KeyState::Stale => "stale",
        KeyState::Overstayed => "overstayed",
    }
}

/// As many keys as are shown of a set.
const MAX_KEYS: usize = 32;
