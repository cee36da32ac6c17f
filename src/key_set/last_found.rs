//! In which set a token's key was found last, so that it is not looked for again while that set is in use.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::KeySet;
use crate::jwk::VerificationKey;
use crate::jws::Header;

/// Tells a set from every other there is or was, as its place in memory does not.
pub(super) struct Identity(u64);

impl Default for Identity {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// See the module. Of one header and the one key that signed it.
#[derive(Default)]
pub(crate) struct LastFound(AtomicU64);

impl KeySet {
    /// Whether this header selects this key here, parsed then or anew. That never changes, as sets do not.
    #[inline]
    pub(crate) fn selects(
        &self,
        header: &Header,
        key: &Arc<VerificationKey>,
        last_found: &LastFound,
    ) -> bool {
        let Identity(identity) = self.0.identity;
        if last_found.0.load(Ordering::Relaxed) == identity {
            return true;
        }
        let selected = self.select(header);
        let found = selected.is_ok_and(|candidates| candidates.have_material_of(key));
        if found {
            last_found.0.store(identity, Ordering::Relaxed);
        }
        found
    }
}

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = r#"{"kty":"EC","crv":"P-256","kid":"1","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    fn set(keys: &str) -> KeySet {
        KeySet::from_json(format!(r#"{{"keys":[{keys}]}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn what_was_found_in_one_set_is_looked_for_in_every_other() {
        let (header, with) = (Header::asserted(), set(KEY));
        let key = with.beyond(&KeySet::default()).remove(0);
        let last_found = LastFound::default();
        let selects = |keys: &KeySet| keys.selects(&header, &key, &last_found);
        let (without, ambiguous) = (set(""), set(&[KEY; 5].join(",")));
        for _ in 0..2 {
            assert!(!selects(&KeySet::default()));
            assert!(selects(&with) && selects(&with.clone()) && selects(&with));
            assert!(!selects(&without) && !selects(&ambiguous));
            assert!(selects(&set(KEY))); // parsed anew
            assert!(selects(&with) && !selects(&without));
            assert_eq!(last_found.0.load(Ordering::Relaxed), with.0.identity.0);
        }
    }

    /// Nor does a set inherit from one that is gone, whatever place in memory it has.
    #[test]
    fn no_two_sets_are_one() {
        let last_found = LastFound::default();
        let header = Header::asserted();
        for _ in 0..100 {
            let with = set(KEY);
            let key = with.beyond(&KeySet::default()).remove(0);
            assert!(with.selects(&header, &key, &last_found));
            drop((with, key));
            let without = set("");
            let key = set(KEY).beyond(&KeySet::default()).remove(0);
            assert!(!without.selects(&header, &key, &last_found));
        }
    }
}
