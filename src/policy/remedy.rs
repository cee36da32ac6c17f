//! What a caller could do about a refusal.

use std::time::Duration;

use super::atom::Atom;
use super::evaluate::{Request, Verdict, sufficient_levels};
use super::{Node, Policy};

impl Policy {
    /// The scopes that a caller who has no token yet should ask for: those of the way in that takes the
    /// fewest. None when there is a way without any, or when the policy hides what it guards.
    #[cfg(feature = "tower")]
    pub(crate) fn least_scopes(&self) -> Vec<&str> {
        if self.0.problem.is_some() {
            return Vec::new();
        }
        let mut scopes = Vec::new();
        for scope in self.scopes_of_shortest_way() {
            if !scopes.contains(&scope) {
                scopes.push(scope);
            }
        }
        scopes
    }

    #[cfg(feature = "tower")]
    fn scopes_of_shortest_way(&self) -> Vec<&str> {
        match &self.0.node {
            Node::All(policies) => {
                let parts = policies.iter().map(Self::scopes_of_shortest_way);
                parts.flatten().collect()
            }
            Node::Any(policies) => {
                let ways = policies.iter().map(Self::scopes_of_shortest_way);
                ways.min_by_key(Vec::len).unwrap_or_default()
            }
            Node::AnyIssuer(policy) => policy.scopes_of_shortest_way(),
            Node::Atom(Atom::Scope(scope)) => vec![scope],
            Node::Not(_) | Node::Hidden(_) | Node::Atom(_) => Vec::new(),
        }
    }
}

/// What it takes for a policy to allow a token: scopes, a stronger or fresher login, or both.
///
/// Only what could be enough is a remedy: a scope that is asked for, granted, and then refused
/// for want of a role costs a login and mends nothing.
#[derive(Clone, Default)]
pub(super) struct Remedy<'p> {
    /// All scopes that it takes, those that the token has among them.
    pub(super) scopes: Vec<&'p str>,
    pub(super) missing_scopes: Vec<&'p str>,
    /// Whether the login must be another. What a new one must be holds also for what is right of this one.
    pub(super) login: bool,
    /// The levels that do, the weakest first.
    pub(super) acr_values: Option<Vec<&'p str>>,
    pub(super) max_age: Option<Duration>,
}

impl<'p> Remedy<'p> {
    /// What it takes, and little of that; `None` when nothing does.
    pub(super) fn of(policy: &'p Policy, request: Request<'_>) -> Option<Self> {
        Self::default().and_of(policy, request)
    }

    /// What it takes for this, too.
    fn and_of(self, policy: &'p Policy, request: Request<'_>) -> Option<Self> {
        match &policy.0.node {
            Node::All(policies) => {
                // Of several ways in, one is best beside what it takes anyway.
                let is_choice = |policy: &&Policy| matches!(policy.0.node, Node::Any(_));
                let (choices, others): (Vec<_>, Vec<_>) = policies.iter().partition(is_choice);
                let mut parts = others.into_iter().chain(choices);
                parts.try_fold(self, |all, part| all.and_of(part, request))
            }
            Node::Any(policies) => {
                let ways = policies
                    .iter()
                    .filter_map(|policy| self.clone().and_of(policy, request));
                ways.min_by_key(Self::cost)
            }
            Node::AnyIssuer(policy) | Node::Hidden(policy) => self.and_of(policy, request),
            // What a token must not have is not mended by getting more.
            Node::Not(_) => (policy.evaluate(request) == Verdict::Allow).then_some(self),
            Node::Atom(atom) => {
                let holds = policy.evaluate(request) == Verdict::Allow;
                match Self::of_atom(atom, holds) {
                    Some(part) => self.and(part),
                    None => holds.then_some(self),
                }
            }
        }
    }

    /// What this part takes, if it is of a kind that a caller can mend.
    fn of_atom(atom: &'p Atom, holds: bool) -> Option<Self> {
        let login = Self {
            login: !holds,
            ..Self::default()
        };
        match atom {
            Atom::Scope(scope) => Some(Self {
                scopes: vec![scope],
                missing_scopes: if holds { Vec::new() } else { vec![scope] },
                ..Self::default()
            }),
            Atom::Acr { at_least, order } => {
                let levels = sufficient_levels(at_least, order).iter();
                Some(Self {
                    acr_values: Some(levels.map(AsRef::as_ref).collect()),
                    ..login
                })
            }
            // RFC 9470 has no parameter for methods.
            Atom::Amr(_) => Some(login),
            Atom::AuthTimeWithin(age) => Some(Self {
                max_age: Some(*age),
                ..login
            }),
            _ => None,
        }
    }

    /// What it takes for both; `None` when no login can be both.
    fn and(mut self, other: Self) -> Option<Self> {
        Self::extend(&mut self.scopes, other.scopes);
        Self::extend(&mut self.missing_scopes, other.missing_scopes);
        self.login |= other.login;
        self.acr_values = match (self.acr_values, other.acr_values) {
            (Some(mut ours), Some(theirs)) => {
                ours.retain(|level| theirs.contains(level));
                Some(ours)
            }
            (ours, theirs) => ours.or(theirs),
        };
        self.max_age = match (self.max_age, other.max_age) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        let possible = self
            .acr_values
            .as_ref()
            .is_none_or(|levels| !levels.is_empty());
        possible.then_some(self)
    }

    /// Each name once, so that a way in counts what it adds.
    fn extend(names: &mut Vec<&'p str>, more: Vec<&'p str>) {
        for name in more {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }

    /// Nothing before a login, that before scopes, those before both, and few scopes before many.
    fn cost(&self) -> (bool, bool, usize) {
        let missing = self.missing_scopes.len();
        (missing > 0, self.login, missing)
    }
}

#[cfg(feature = "tower")]
#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(policy: &Policy, scopes: &str) {
        assert_eq!(policy.least_scopes().join(" "), scopes, "{policy}");
    }

    #[test]
    fn who_has_no_token_asks_for_the_scopes_of_the_shortest_way() {
        let (a, b, c) = (Policy::scope("a"), Policy::scope("b"), Policy::scope("c"));
        check(&a, "a");
        check(&a.clone().and(b.clone()).and(a.clone()), "a b");
        check(&b.clone().or(a.clone()), "b");
        check(&a.clone().and(b.clone()).or(c.clone()), "c");
        check(&a.clone().and(Policy::role("admin")), "a");
        check(&c.clone().or(Policy::role("admin")), "");
        check(&c.any_issuer(), "c");
        check(&a.clone().and(b.clone().not()), "a");
        check(&a.clone().and(b.hidden()), "a");
        check(&a.and(Policy::scope("\"")), "");
    }
}
