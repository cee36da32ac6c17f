//! A policy as a person reads it.

use std::fmt;

use super::atom::{Atom, Test};
use super::{ClaimPath, Node, Policy};
use crate::text::Configured;

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
            Self::Scope(scope) => write!(f, "scope {:?}", Configured(scope)),
            Self::Granted { kind, path, name } => {
                write!(f, "{} {:?}", kind.name(), Configured(name))?;
                if *path == ClaimPath::from(kind.claim()) {
                    return Ok(());
                }
                write!(f, " at {path}")
            }
            Self::Claim { path, test } => write!(f, "claim {path} {test}"),
            Self::Issuer(issuer) => write!(f, "issuer {:?}", Configured(issuer)),
            Self::Client(client) => write!(f, "client {:?}", Configured(client)),
            Self::Actor { issuer, subject } => {
                write!(f, "actor {:?}", Configured(subject))?;
                match issuer {
                    Some(issuer) => write!(f, " of issuer {:?}", Configured(issuer)),
                    None => Ok(()),
                }
            }
            Self::Acr { at_least, order } => {
                write!(f, "acr >= {:?} of {}", Configured(at_least), List(order))
            }
            Self::Amr(method) => write!(f, "amr {:?}", Configured(method)),
            Self::AuthTimeWithin(age) => write!(f, "auth_time within {age:?}"),
            Self::Detail(detail) => {
                write!(f, "authorization detail {:?}", Configured(&detail.kind))?;
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
            Self::Custom { name, .. } => write!(f, "custom {:?}", Configured(name)),
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
            Self::EqualsFact(name) => write!(f, "= fact {:?}", Configured(name)),
            Self::SharesFact(name) => write!(f, "shares fact {:?}", Configured(name)),
        }
    }
}

struct List<'a>(&'a [Box<str>]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = self.0.iter().map(|text| Configured(text));
        f.debug_list().entries(texts).finish()
    }
}
