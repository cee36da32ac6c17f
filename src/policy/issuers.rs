//! Which parts of a policy grant authority to tokens of whichever issuer.

use super::atom::Atom;
use super::{Node, Policy};

impl Policy {
    /// The first part that lets tokens in without saying of which issuer they must be.
    ///
    /// With several issuers, "role admin" is what any of them says it is: the one that was added for
    /// a partner's customers makes administrators, too. A part names its issuer when it is and-ed with
    /// one ([`issuer`](Self::issuer), or [`owner`](Self::owner), whose subject is one of an issuer), and
    /// is exempt within [`any_issuer`](Self::any_issuer).
    pub(crate) fn unnamed_issuer(&self) -> Option<&Self> {
        unnamed(self)
    }
}

fn unnamed(policy: &Policy) -> Option<&Policy> {
    match &policy.0.node {
        Node::All(policies) if policies.iter().any(names_issuer) => None,
        Node::All(policies) | Node::Any(policies) => policies.iter().find_map(unnamed),
        Node::Hidden(policy) => unnamed(policy),
        Node::AnyIssuer(_) | Node::Atom(Atom::Issuer(_) | Atom::Owner) => None,
        // Also of an issuer: whoever is not of this one is of any other.
        Node::Not(_) | Node::Atom(_) => Some(policy),
    }
}

/// Whether it allows tokens only of issuers that it names.
fn names_issuer(policy: &Policy) -> bool {
    match &policy.0.node {
        Node::All(policies) => policies.iter().any(names_issuer),
        Node::Any(policies) => policies.iter().all(names_issuer),
        Node::AnyIssuer(policy) | Node::Hidden(policy) => names_issuer(policy),
        Node::Atom(atom) => matches!(atom, Atom::Issuer(_) | Atom::Owner),
        Node::Not(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours() -> Policy {
        Policy::issuer("https://id.example.com")
    }

    fn admin() -> Policy {
        Policy::role("admin")
    }

    #[track_caller]
    fn check(policy: &Policy, unnamed: Option<&str>) {
        let found = policy.unnamed_issuer().map(ToString::to_string);
        assert_eq!(found.as_deref(), unnamed, "{policy}");
    }

    #[test]
    fn what_grants_alone_names_no_issuer() {
        check(&admin(), Some(r#"role "admin""#));
        check(&Policy::scope("a"), Some(r#"scope "a""#));
        check(&Policy::client("app"), Some(r#"client "app""#));
        check(
            &Policy::actor_of("https://id.example.com", "svc"),
            Some(r#"actor "svc" of issuer "https://id.example.com""#),
        );
        check(&Policy::amr("otp"), Some(r#"amr "otp""#));
        check(
            &Policy::claim("tenant").equals_fact("tenant"),
            Some(r#"claim tenant = fact "tenant""#),
        );
        check(
            &Policy::custom("mine", |_| Ok(true)),
            Some(r#"custom "mine""#),
        );
        check(&ours(), None);
        check(&Policy::owner(), None);
    }

    #[test]
    fn an_issuer_is_named_for_what_is_and_ed_with_it() {
        check(&admin().and(ours()), None);
        check(&ours().and(admin().or(Policy::scope("a"))), None);
        check(
            &Policy::all([admin(), Policy::scope("a").and(ours())]),
            None,
        );
        check(&Policy::owner().and(admin()), None);
        check(&admin().and(Policy::scope("a")), Some(r#"role "admin""#));
        // Whichever of them it is, it is named.
        let theirs = Policy::issuer("https://id.example.org");
        check(&ours().or(theirs).and(admin()), None);
        check(
            &ours().or(Policy::scope("a")).and(admin()),
            Some(r#"scope "a""#),
        );
    }

    #[test]
    fn each_way_in_names_its_issuer() {
        check(&ours().or(admin()), Some(r#"role "admin""#));
        check(&Policy::owner().or(admin()), Some(r#"role "admin""#));
        check(&Policy::owner().or(admin().and(ours())), None);
        check(
            &Policy::owner().or(admin()).hidden(),
            Some(r#"role "admin""#),
        );
        check(&ours().hidden().and(admin()), None);
    }

    #[test]
    fn not_to_be_of_an_issuer_names_none() {
        check(
            &ours().not(),
            Some(r#"not (issuer "https://id.example.com")"#),
        );
        check(&admin().and(ours().not()), Some(r#"role "admin""#));
        check(&admin().not().and(ours()), None);
    }

    #[test]
    fn any_issuer_is_spelled_out_for_what_it_holds_and_no_more() {
        check(&admin().any_issuer(), None);
        check(&admin().any_issuer().or(Policy::owner()), None);
        check(
            &admin().any_issuer().and(Policy::scope("a")),
            Some(r#"scope "a""#),
        );
        check(
            &admin().any_issuer().not(),
            Some(r#"not (any issuer (role "admin"))"#),
        );
    }
}
