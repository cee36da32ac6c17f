//! The issuer as the fleet sees it: which keys it publishes, with which it signs, and when it is down.

use std::ops::Range;
use std::time::Duration;

/// An issuer with one key, and in a rotation a second one.
pub(crate) struct Issuer {
    /// What `Cache-Control` of its answers says.
    pub(crate) max_age: Duration,
    pub(crate) rotation: Option<Rotation>,
    pub(crate) outage: Option<Range<Duration>>,
}

/// When a new key takes the place of the old one.
#[derive(Clone)]
pub(crate) struct Rotation {
    /// The new key is published from here on,
    pub(crate) publish: Duration,
    /// signs new tokens from here on,
    pub(crate) sign: Duration,
    /// and the old one is published no more from here on.
    pub(crate) withdraw: Duration,
}

/// Which of the two keys.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Key {
    Old,
    New,
}

/// The keys of one answer.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Published {
    pub(crate) old: bool,
    pub(crate) new: bool,
}

impl Issuer {
    /// What a fetch gets that reaches the issuer at `at`; `None` while it is down.
    pub(crate) fn answer(&self, at: Duration) -> Option<Published> {
        if self
            .outage
            .as_ref()
            .is_some_and(|outage| outage.contains(&at))
        {
            return None;
        }
        Some(match &self.rotation {
            Some(rotation) => Published {
                old: at < rotation.withdraw,
                new: at >= rotation.publish,
            },
            None => Published {
                old: true,
                new: false,
            },
        })
    }
}
