//! A policy written as configuration, as it is read again.

use std::collections::BTreeMap;

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};

use super::atom::{Atom, Test};
use super::{ClaimPath, Node, Policy};

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if let Some(problem) = &self.0.problem {
            return Err(S::Error::custom(problem));
        }
        match &self.0.node {
            Node::All(policies) => table(serializer, "all", policies),
            Node::Any(policies) => table(serializer, "any", policies),
            Node::Not(policy) => table(serializer, "not", policy),
            Node::AnyIssuer(policy) => table(serializer, "any_issuer", policy),
            Node::Hidden(policy) => table(serializer, "hidden", policy),
            Node::Atom(atom) => atom.serialize(serializer),
        }
    }
}

impl Serialize for Atom {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Scope(scope) => table(to, "scope", scope),
            Self::Granted { kind, path, name } if *path == ClaimPath::from(kind.claim()) => {
                table(to, kind.name(), name)
            }
            Self::Granted { kind, path, name } => {
                table_of_two(to, (kind.name(), name), ("at", path))
            }
            Self::Claim { path, test } => {
                let claim = ("claim", path);
                let name = test.name();
                match test {
                    Test::Equals(value) | Test::Contains(value) => {
                        table_of_two(to, claim, (name, value))
                    }
                    Test::IsOneOf(values) => table_of_two(to, claim, (name, values)),
                    Test::Present => table_of_two(to, claim, (name, &true)),
                    Test::EqualsFact(fact) | Test::SharesFact(fact) => {
                        table_of_two(to, claim, (name, fact))
                    }
                }
            }
            Self::Issuer(issuer) => table(to, "issuer", issuer),
            Self::Client(client) => table(to, "client", client),
            Self::Actor {
                issuer: None,
                subject,
            } => table(to, "actor", subject),
            Self::Actor {
                issuer: Some(issuer),
                subject,
            } => {
                let of = BTreeMap::from([("issuer", issuer), ("subject", subject)]);
                table(to, "actor_of", &of)
            }
            Self::Acr { at_least, order } => {
                table_of_two(to, ("acr_at_least", at_least), ("order", order))
            }
            Self::Amr(method) => table(to, "amr", method),
            Self::AuthTimeWithin(age) => table(to, "auth_time_within_seconds", &age.as_secs()),
            Self::Detail(detail) => table(to, "authorization_detail", detail),
            Self::Owner => table(to, "owner", &true),
            Self::Custom { .. } => Err(S::Error::custom(format_args!(
                "policy `{self}` is code of the service and cannot be written"
            ))),
        }
    }
}

fn table<S: Serializer>(
    serializer: S,
    name: &str,
    value: &(impl Serialize + ?Sized),
) -> Result<S::Ok, S::Error> {
    let mut table = serializer.serialize_map(Some(1))?;
    table.serialize_entry(name, value)?;
    table.end()
}

fn table_of_two<S: Serializer>(
    serializer: S,
    (name, value): (&str, &(impl Serialize + ?Sized)),
    (other_name, other): (&str, &(impl Serialize + ?Sized)),
) -> Result<S::Ok, S::Error> {
    let mut table = serializer.serialize_map(Some(2))?;
    table.serialize_entry(name, value)?;
    table.serialize_entry(other_name, other)?;
    table.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_and_what_is_invalid_cannot_be_written() {
        for (policy, expected) in [
            (
                Policy::custom("adult", |_| Ok(true)),
                r#"policy `custom "adult"` is code"#,
            ),
            (Policy::role("").not(), "its name is empty or blank"),
        ] {
            let error = serde_json::to_string(&policy).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
    }
}
