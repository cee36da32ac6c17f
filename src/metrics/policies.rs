//! Policies that were checked, by name.

use std::collections::HashMap;
use std::sync::LazyLock;

use arc_swap::ArcSwap;
use metrics::{Key, Label, with_recorder};

use super::{DECISIONS, OK, guarded, increment};
use crate::policy::{Forbidden, Policy};

/// A policy was checked.
pub(crate) fn policy_decision(policy: &Policy, refusal: Option<&Forbidden>) {
    static POLICIES: LazyLock<CountedPolicies> = LazyLock::new(CountedPolicies::default);
    guarded(|| POLICIES.decided(policy.name().unwrap_or(UNNAMED), refusal));
}

/// The policies that were counted, by name, each with the key of what it allowed. There are few, and each
/// is new once.
#[derive(Default)]
struct CountedPolicies(ArcSwap<HashMap<&'static str, Key>>);

impl CountedPolicies {
    fn decided(&self, policy: &'static str, refusal: Option<&Forbidden>) {
        let mut known = self.0.load();
        if !known.contains_key(policy) && known.len() < MAX_POLICIES {
            self.0.rcu(|known| {
                let mut known = HashMap::clone(known);
                known.insert(policy, Self::key(policy, "allowed", OK));
                known
            });
            known = self.0.load();
        }
        let counted = known.get_key_value(policy);
        let key = match (counted, refusal) {
            (Some((_, allowed)), None) => {
                return with_recorder(|recorder| increment(recorder, allowed));
            }
            (_, Some(refusal)) => {
                let policy = counted.map_or(OTHER, |(policy, _)| policy);
                let outcome = if refusal.is_fault() {
                    "fault"
                } else {
                    "denied"
                };
                Self::key(policy, outcome, refusal.reason())
            }
            (None, None) => Self::key(OTHER, "allowed", OK),
        };
        with_recorder(|recorder| increment(recorder, &key));
    }

    fn key(policy: &'static str, outcome: &'static str, reason: &'static str) -> Key {
        let labels = vec![
            Label::from_static_parts("policy", policy),
            Label::from_static_parts("outcome", outcome),
            Label::from_static_parts("reason", reason),
        ];
        Key::from_parts(DECISIONS, labels)
    }
}

const UNNAMED: &str = "unnamed";
const OTHER: &str = "other";
/// More than a service has policies: names that are made up as it runs must not fill its memory.
const MAX_POLICIES: usize = 256;

#[cfg(test)]
mod tests {
    use metrics_util::debugging::{DebugValue, DebuggingRecorder};

    use super::*;

    #[test]
    fn names_that_are_made_up_fill_no_memory() {
        let policies = CountedPolicies::default();
        let recorder = DebuggingRecorder::new();
        metrics::with_local_recorder(&recorder, || {
            for number in 0..MAX_POLICIES + 3 {
                policies.decided(format!("policy {number}").leak(), None);
            }
            policies.decided("policy 0", None);
        });
        assert_eq!(policies.0.load().len(), MAX_POLICIES);
        let metrics = recorder.snapshotter().snapshot().into_vec();
        let count = |policy: &str| {
            metrics.iter().find_map(|(key, _, _, value)| {
                let mut labels = key.key().labels();
                labels.any(|label| label.value() == policy).then_some(value)
            })
        };
        assert_eq!(count("policy 0"), Some(&DebugValue::Counter(2)));
        assert_eq!(count(OTHER), Some(&DebugValue::Counter(3)));
        assert_eq!(metrics.len(), MAX_POLICIES + 1);
    }
}
