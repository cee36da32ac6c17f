//! A policy as a person reads it.

use std::fmt;

use super::atom::{Atom, Test};
use super::{ClaimPath, Node, Policy};
use crate::text::{Configured, Whole};

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.node {
            Node::All(policies) => join(f, policies, " and ", "all of nothing"),
            Node::Any(policies) => join(f, policies, " or ", "any of nothing"),
            Node::Not(policy) => write!(f, "not ({policy})"),
            Node::AnyIssuer(policy) => write!(f, "any issuer ({policy})"),
            Node::Hidden(policy) => write!(f, "hidden ({policy})"),
            Node::Atom(atom) => atom.fmt(f),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, policies: &[Policy], word: &str, nothing: &str) -> fmt::Result {
    if policies.is_empty() {
        return f.write_str(nothing);
    }
    for (number, policy) in policies.iter().enumerate() {
        if number > 0 {
            f.write_str(word)?;
        }
        match &policy.0.node {
            Node::All(_) | Node::Any(_) => write!(f, "({policy})")?,
            _ => write!(f, "{policy}")?,
        }
    }
    Ok(())
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Policy({self})")
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scope(scope) => write!(f, "scope {:?}", Whole(scope)),
            Self::Granted { kind, path, name } => {
                write!(f, "{} {:?}", kind.name(), Whole(name))?;
                if *path == ClaimPath::from(kind.claim()) {
                    return Ok(());
                }
                write!(f, " at {path}")
            }
            Self::Claim { path, test } => write!(f, "claim {path} {test}"),
            Self::Issuer(issuer) => write!(f, "issuer {:?}", Configured(issuer)),
            Self::Client(client) => write!(f, "client {:?}", Whole(client)),
            Self::Actor { issuer, subject } => {
                write!(f, "actor {:?}", Whole(subject))?;
                match issuer {
                    Some(issuer) => write!(f, " of issuer {:?}", Configured(issuer)),
                    None => Ok(()),
                }
            }
            Self::Acr { at_least, order } => {
                write!(f, "acr >= {:?} of {}", Whole(at_least), List(order))
            }
            Self::Amr(method) => write!(f, "amr {:?}", Whole(method)),
            Self::AuthTimeWithin(age) => write!(f, "auth_time within {age:?}"),
            Self::Detail(detail) => {
                write!(f, "authorization detail {:?}", Whole(&detail.kind))?;
                for (what, texts) in [
                    ("actions", &detail.actions),
                    ("locations", &detail.locations),
                ] {
                    if !texts.is_empty() {
                        write!(f, " {what} {}", List(texts))?;
                    }
                }
                Ok(())
            }
            Self::Owner => f.write_str("owner"),
            Self::Custom { name, .. } => write!(f, "custom {:?}", Whole(name)),
        }
    }
}

impl fmt::Display for Test {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Equals(value) => write!(f, "= {value}"),
            Self::IsOneOf(values) => write!(f, "in {values:?}"),
            Self::Contains(value) => write!(f, "contains {value}"),
            Self::Present => f.write_str("is present"),
            Self::EqualsFact(name) => write!(f, "= fact {:?}", Whole(name)),
            Self::SharesFact(name) => write!(f, "shares fact {:?}", Whole(name)),
        }
    }
}

struct List<'a>(&'a [Box<str>]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.iter().map(|text| Whole(text));
        f.debug_list().entries(texts).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::AuthorizationDetail;
    use super::*;

    #[track_caller]
    fn check(policy: &Policy, expected: &str) {
        assert_eq!(policy.to_string(), expected);
        assert_eq!(format!("{policy:?}"), format!("Policy({expected})"));
    }

    #[test]
    fn parts_read_as_they_are_written() {
        check(&Policy::scope("orders:read"), r#"scope "orders:read""#);
        check(&Policy::group("staff"), r#"group "staff""#);
        check(
            &Policy::role_at("realm_access.roles", "admin"),
            r#"role "admin" at realm_access.roles"#,
        );
        check(
            &Policy::permission_at(["https://example.com/p", "a"], "x"),
            r#"permission "x" at ["https://example.com/p", "a"]"#,
        );
        check(&Policy::claim("a").equals(1), "claim a = 1");
        check(
            &Policy::claim("a").is_one_of(["b", "c"]),
            r#"claim a in ["b", "c"]"#,
        );
        check(&Policy::claim("a").contains(true), "claim a contains true");
        check(&Policy::claim("a").is_present(), "claim a is present");
        check(
            &Policy::claim("a").equals_fact("b"),
            r#"claim a = fact "b""#,
        );
        check(&Policy::shares("a.b"), r#"claim ["a.b"] shares fact "a.b""#);
        check(&Policy::client("app"), r#"client "app""#);
        check(&Policy::actor_of("i", "s"), r#"actor "s" of issuer "i""#);
        check(
            &Policy::acr_at_least("b", ["a", "b"]),
            r#"acr >= "b" of ["a", "b"]"#,
        );
        check(
            &Policy::auth_time_within(Duration::from_secs(900)),
            "auth_time within 900s",
        );
        let detail = AuthorizationDetail::of_type("pay")
            .action("a")
            .location("b");
        check(
            &Policy::authorization_detail(detail),
            r#"authorization detail "pay" actions ["a"] locations ["b"]"#,
        );
        check(&Policy::owner(), "owner");
        check(&Policy::custom("adult", |_| Ok(true)), r#"custom "adult""#);
    }

    #[test]
    fn what_belongs_together_is_in_parentheses() {
        let (a, b, c) = (Policy::scope("a"), Policy::role("b"), Policy::owner());
        check(
            &a.clone()
                .and(b.clone().or(Policy::claim("tenant").equals("acme"))),
            r#"scope "a" and (role "b" or claim tenant = "acme")"#,
        );
        check(
            &a.clone().and(b.clone()).and(c.clone()),
            r#"scope "a" and role "b" and owner"#,
        );
        check(
            &a.clone().or(b.clone()).or(c.clone()),
            r#"scope "a" or role "b" or owner"#,
        );
        check(
            &a.clone().and(b.clone()).or(c.clone()),
            r#"(scope "a" and role "b") or owner"#,
        );
        check(
            &a.clone().and(b.clone().and(c.clone())),
            r#"scope "a" and (role "b" and owner)"#,
        );
        check(
            &a.clone().or(b).not().and(c.clone()),
            r#"not (scope "a" or role "b") and owner"#,
        );
        check(
            &a.any_issuer().or(c.hidden()),
            r#"any issuer (scope "a") or hidden (owner)"#,
        );
        check(&Policy::any([Policy::all([Policy::owner()])]), "owner");
        let nothing = "(any of nothing) or (all of nothing)";
        check(&Policy::any([]).or(Policy::all([])), nothing);
    }

    #[test]
    fn two_policies_that_differ_do_not_read_alike() {
        let of = |name: &str| {
            [
                Policy::scope(name),
                Policy::role(name),
                Policy::role_at([name], "a"),
                Policy::claim("a").is_one_of([name]),
                Policy::claim("a").equals_fact(name),
                Policy::client(name),
                Policy::actor(name),
                Policy::amr(name),
                Policy::acr_at_least(name, [name]),
                Policy::authorization_detail(AuthorizationDetail::of_type("a").location(name)),
                Policy::custom(name, |_| Ok(true)),
            ]
        };
        let long = "k".repeat(300);
        for (one, other) in [
            ("https://a.example/x#read", "https://a.example/x#write"),
            ("https://a.example/x?read", "https://a.example/x"),
            ("https://u@a.example/x", "https://v@a.example/x"),
            (&*format!("{long}1"), &*format!("{long}2")),
        ] {
            for (one, other) in of(one).into_iter().zip(of(other)) {
                assert_ne!(one.to_string(), other.to_string());
            }
        }
        // What might hold a password by mistake.
        let issuer = Policy::issuer("https://u:p@id.example.com");
        check(&issuer, r#"issuer "@id.example.com""#);
    }

    #[test]
    fn what_is_written_cannot_write_into_a_log() {
        check(
            &Policy::scope("a\n\u{1b}[31m"),
            r#"scope "a\u{a}\u{1b}[31m""#,
        );
        check(
            &Policy::claim("a\nb").is_present(),
            r#"claim ["a\u{a}b"] is present"#,
        );
    }
}
