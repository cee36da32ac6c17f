//! Which facts of an object a policy asks for.

use super::atom::{Atom, Test};
use super::{Node, Policy};

impl Policy {
    /// The first part that asks for a fact that is not one of these. Whose the object is has no name.
    ///
    /// Where a fact is not known such a part never allows anybody, and is a fault each time.
    pub(crate) fn asks_beside(&self, known: &dyn Fn(&str) -> bool) -> Option<&Self> {
        let unknown = match &self.0.node {
            Node::All(policies) | Node::Any(policies) => {
                return policies.iter().find_map(|part| part.asks_beside(known));
            }
            Node::Not(policy) | Node::AnyIssuer(policy) | Node::Hidden(policy) => {
                return policy.asks_beside(known);
            }
            Node::Atom(Atom::Owner) => true,
            Node::Atom(Atom::Claim {
                test: Test::EqualsFact(fact) | Test::SharesFact(fact),
                ..
            }) => !known(fact),
            Node::Atom(_) => false,
        };
        unknown.then_some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(policy: &Policy, part: Option<&str>) {
        let found = policy.asks_beside(&|fact| fact == "known");
        let found = found.map(ToString::to_string);
        assert_eq!(found.as_deref(), part, "{policy}");
    }

    #[test]
    fn the_part_that_asks_is_found_wherever_it_is() {
        let tenant = || Policy::claim("tenant").equals_fact("tenant");
        let shown = Some(r#"claim tenant = fact "tenant""#);
        check(&tenant(), shown);
        check(&Policy::role("admin").or(tenant().hidden().not()), shown);
        check(&Policy::scope("a").and(tenant().any_issuer()), shown);
        check(&Policy::owner(), Some("owner"));
        let shares = Policy::shares("groups");
        check(&shares, Some(r#"claim groups shares fact "groups""#));
    }

    #[test]
    fn what_is_known_may_be_asked_for() {
        check(&Policy::claim("tenant").equals_fact("known"), None);
        check(&Policy::shares("known"), None);
        check(&Policy::role("admin").and(Policy::scope("a")), None);
        check(&Policy::shares("known").and(Policy::owner()), Some("owner"));
    }
}
