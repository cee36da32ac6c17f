//! What is known of one issuer's keys at one moment: a value that is swapped whole. Its changes are
//! pure functions of an answer, the time and a random number.

use std::sync::Arc;
use std::time::Duration;

use super::Reason;
use super::freshness::{History, age};
use super::settings::KeyRefresh;
use crate::clock::{Deadline, Now};
use crate::error::{FetchError, FetchErrorKind, VerifyError};
use crate::fetch::{ETag, FetchUrl};
use crate::jwk::VerificationKey;
use crate::jws::Header;
use crate::key_set::{Candidates, KeySet, LastFound};

/// Everything a request needs to know of an issuer's keys.
#[derive(Clone, Default)]
pub(super) struct State {
    /// The keys of the last answer. Empty before the first, when [`History::decide`] lets nobody use them.
    pub(super) published: KeySet,
    /// Keys published no more that serve on for a while.
    unpublished: Vec<Unpublished>,
    /// The same, to select from.
    in_grace: KeySet,
    first_end_of_grace: Option<Deadline>,
    /// Keys that the first source has withdrawn, which the failover must not bring back.
    withdrawn: Vec<Arc<VerificationKey>>,
    /// The last answer of the first source.
    pub(super) primary_at: Option<Now>,
    /// What it said then.
    pub(super) document: Option<Arc<Document>>,
    pub(super) etag: Option<(FetchUrl, ETag)>,
    pub(super) metadata: Option<Metadata>,
    pub(super) history: History,
    /// Why the last fetch failed, or why it had to go to the failover address.
    pub(super) last_error: Option<FetchError>,
}

#[derive(Clone)]
struct Unpublished {
    key: Arc<VerificationKey>,
    since: Now,
    serves_for: Duration,
}

impl Unpublished {
    fn left(&self, now: Now) -> Duration {
        self.serves_for.saturating_sub(age(self.since, now))
    }
}

/// The text that the published keys were read from, and where it was found.
pub(super) struct Document {
    pub(super) url: FetchUrl,
    pub(super) body: Vec<u8>,
}

/// The address that discovery gave.
#[derive(Clone)]
pub(super) struct Metadata {
    pub(super) jwks_uri: FetchUrl,
    /// When a document last said so.
    pub(super) confirmed: Now,
    /// When one was last asked for, and why there was none.
    pub(super) tried: Now,
    pub(super) error: Option<FetchError>,
}

/// What a fetch that succeeded brought.
pub(super) struct Answer {
    /// `None`: those at hand are still the current ones.
    pub(super) keys: Option<Fresh>,
    pub(super) lifetime: Option<Duration>,
    /// Why the first source did not answer, if this is the failover's word.
    pub(super) failed_over: Option<FetchError>,
}

/// A new set.
pub(super) struct Fresh {
    pub(super) keys: KeySet,
    pub(super) document: Option<Document>,
    pub(super) etag: Option<(FetchUrl, ETag)>,
}

/// What an answer changed, for events.
pub(super) struct Change {
    pub(super) added: usize,
    pub(super) secret_published: bool,
}

impl State {
    /// The keys that a header may have been signed with: published ones first, then those in their
    /// grace, four in all at most.
    #[inline]
    pub(super) fn candidates(&self, header: &Header) -> Result<Candidates<'_>, VerifyError> {
        let published = self.published.select(header);
        if self.unpublished.is_empty() {
            return published;
        }
        match (published, self.in_grace.select(header)) {
            (Ok(published), Ok(in_grace)) => Ok(published.then(&in_grace)),
            // A key that is still published is never hidden by one that is not.
            (Ok(published), Err(_)) => Ok(published),
            (Err(error @ VerifyError::KeyAmbiguous), _) | (Err(error), Err(_)) => Err(error),
            (Err(_), Ok(in_grace)) => Ok(in_grace),
        }
    }

    /// Whether this key is one of them.
    #[inline]
    pub(super) fn has_candidate(
        &self,
        header: &Header,
        key: &Arc<VerificationKey>,
        last_found: &LastFound,
    ) -> bool {
        // Those published come first, so that each of them is.
        self.published.selects(header, key, last_found) || self.has_other_candidate(header, key)
    }

    #[cold]
    fn has_other_candidate(&self, header: &Header, key: &Arc<VerificationKey>) -> bool {
        self.candidates(header)
            .is_ok_and(|candidates| candidates.have_material_of(key))
    }

    /// The keys that are published no more and serve on.
    pub(super) fn in_grace(&self) -> &KeySet {
        &self.in_grace
    }

    /// Whether a key's grace has ended, so that [`end_graces`](Self::end_graces) is to be called
    /// before keys are selected.
    #[inline]
    pub(super) fn has_ended_grace(&self, now: Now) -> bool {
        self.first_end_of_grace.is_some_and(|end| end.has_come(now))
    }

    pub(super) fn end_graces(&mut self, now: Now) {
        self.unpublished
            .retain(|unpublished| !unpublished.left(now).is_zero());
        self.index_unpublished();
    }

    /// A fetch succeeded. `random` is in 0..1.
    ///
    /// An error if it confirms a set that is not the one at hand any more; nothing has changed then.
    pub(super) fn accept(
        &mut self,
        answer: Answer,
        reason: Reason,
        rules: &KeyRefresh,
        now: Now,
        random: f64,
    ) -> Result<Change, FetchError> {
        let mut change = Change {
            added: 0,
            secret_published: false,
        };
        let mut found_new = false;
        let mut lifetime = answer.lifetime;
        match answer.keys {
            Some(fresh) => {
                change.secret_published = fresh.keys.has_secrets() && !self.published.has_secrets();
                let added = fresh.keys.beyond(&self.published);
                // A key that was away for a moment is no reason to look for keys more often.
                found_new = added.iter().any(|key| !self.in_grace.has(key));
                change.added = added.len();
                self.replace(fresh, answer.failed_over.is_some(), reason, rules, now);
            }
            None if self.etag.is_none() => {
                return Err(FetchError::new(FetchErrorKind::Status(304)));
            }
            // RFC 9111 §4.3.4: what a 304 does not say stays as it was.
            None => lifetime = lifetime.or_else(|| self.history.lifetime()),
        }
        if answer.failed_over.is_some() {
            // The first source is to be asked again soon, whatever the second says.
            lifetime = Some(Duration::ZERO);
        } else {
            self.primary_at = Some(now);
        }
        self.history.succeeded(rules, now, lifetime, random);
        self.last_error = answer.failed_over;
        if reason == Reason::UnknownKey {
            self.history.answered_unknown_key(rules, found_new);
        }
        Ok(change)
    }

    /// A fetch failed. `random` is in 0..1.
    pub(super) fn reject(
        &mut self,
        error: FetchError,
        reason: Reason,
        rules: &KeyRefresh,
        now: Now,
        random: f64,
    ) {
        self.last_error = Some(error);
        match reason {
            Reason::Schedule | Reason::Operator => self.history.failed(rules, now, random),
            Reason::BadSignature => self.history.failed_aside(rules, now),
            Reason::UnknownKey => {
                self.history.failed_aside(rules, now);
                self.history.answered_unknown_key(rules, false);
            }
        }
    }

    /// Why the metadata could not be read again, if it could not.
    pub(super) fn metadata_error(&self) -> Option<&FetchError> {
        self.metadata.as_ref()?.error.as_ref()
    }

    /// Puts a new set in the place of the old one.
    fn replace(
        &mut self,
        fresh: Fresh,
        is_failover: bool,
        reason: Reason,
        rules: &KeyRefresh,
        now: Now,
    ) {
        let keys = if is_failover {
            fresh.keys.without(&self.withdrawn)
        } else {
            fresh.keys
        };
        let grace = match (is_failover, self.primary_at, reason) {
            // What the failover lacks has not been withdrawn: it serves as it does while fetches fail.
            (true, Some(primary_at), _) => {
                rules.stale_if_error.saturating_sub(age(primary_at, now))
            }
            // An operator who asks for keys now means it.
            (false, _, Reason::Operator) => Duration::ZERO,
            (true, None, _) | (false, ..) => self.history.grace_left(rules, now),
        };
        let lost = self.published.beyond(&keys).into_iter();
        let mut unpublished: Vec<_> = self
            .unpublished
            .drain(..)
            .chain(lost.map(|key| Unpublished {
                key,
                since: now,
                serves_for: grace,
            }))
            .filter(|unpublished| !keys.has(&unpublished.key))
            .collect();
        if !is_failover {
            self.withdrawn.retain(|key| !keys.has_material_of(key));
            for Unpublished { key, .. } in &unpublished {
                let is_known = |other: &Arc<_>| VerificationKey::has_material_of(other, key);
                if !keys.has_material_of(key) && !self.withdrawn.iter().any(is_known) {
                    self.withdrawn.push(Arc::clone(key));
                }
            }
            keep_newest(&mut self.withdrawn);
            for unpublished in &mut unpublished {
                unpublished.serves_for = unpublished.left(now).min(grace);
                unpublished.since = now;
            }
        }
        unpublished.retain(|unpublished| !unpublished.left(now).is_zero());
        keep_newest(&mut unpublished);
        self.unpublished = unpublished;
        self.index_unpublished();
        self.published = keys;
        self.etag = fresh.etag;
        if !is_failover {
            self.document = fresh.document.map(Arc::new);
        }
    }

    fn index_unpublished(&mut self) {
        let keys = self
            .unpublished
            .iter()
            .map(|unpublished| Arc::clone(&unpublished.key));
        self.in_grace = KeySet::of(keys);
        let ends = (self.unpublished.iter())
            .map(|unpublished| Deadline::after(unpublished.serves_for, unpublished.since));
        self.first_end_of_grace = ends.reduce(Deadline::or);
    }

    /// Whether metadata is to be read before the next fetch of keys.
    pub(super) fn is_metadata_due(&self, rules: &KeyRefresh, now: Now) -> bool {
        let Some(metadata) = &self.metadata else {
            return true;
        };
        let is_old = age(metadata.confirmed, now) >= rules.metadata_lifetime;
        let may_have_moved = self.last_error.is_some();
        (is_old || may_have_moved) && age(metadata.tried, now) >= MIN_METADATA_INTERVAL
    }

    /// The address that discovery gave, as long as it may be used.
    pub(super) fn known_jwks_uri(&self, rules: &KeyRefresh, now: Now) -> Option<&FetchUrl> {
        self.metadata
            .as_ref()
            .filter(|metadata| age(metadata.confirmed, now) < rules.stale_if_error)
            .map(|metadata| &metadata.jwks_uri)
    }
}

/// Keeps the last of a list that outside data makes grow.
fn keep_newest<T>(list: &mut Vec<T>) {
    list.drain(..list.len().saturating_sub(MAX_FORMER_KEYS));
}

/// Most keys in their grace, and most withdrawn ones that are remembered: as many as a set may have.
const MAX_FORMER_KEYS: usize = 100;
/// Metadata is asked for no more often than this, once there has been some.
const MIN_METADATA_INTERVAL: Duration = Duration::from_secs(60);

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;
