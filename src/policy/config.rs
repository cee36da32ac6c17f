//! A policy in configuration: read with everything checked, and written.

use std::cell::Cell;
use std::time::Duration;

use serde::de::Error as _;
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::atom::{Atom, Granted, Test};
use super::problem::Problem;
use super::{AuthorizationDetail, ClaimPath, ClaimValue, MAX_DEPTH, Node, Policy};

/// One part of a policy as it is written: what it asks for, under one name, and what belongs to that.
///
/// What is wrong with a field alone is found where the field is read, so that the format's error
/// points at it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[serde(expecting = "a policy, such as `scope: orders:read`")]
struct Form {
    #[serde(deserialize_with = "all")]
    all: Option<Policy>,
    #[serde(deserialize_with = "any")]
    any: Option<Policy>,
    not: Option<Policy>,
    any_issuer: Option<Policy>,
    hidden: Option<Policy>,
    #[serde(deserialize_with = "scope")]
    scope: Option<Policy>,
    #[serde(deserialize_with = "all_scopes")]
    all_scopes: Option<Policy>,
    #[serde(deserialize_with = "any_scope")]
    any_scope: Option<Policy>,
    role: Option<Name>,
    group: Option<Name>,
    entitlement: Option<Name>,
    permission: Option<Name>,
    /// The claim where one of those four stands.
    at: Option<ClaimPath>,
    claim: Option<ClaimPath>,
    // What is asked of the claim.
    equals: Option<ClaimValue>,
    is_one_of: Option<Vec<ClaimValue>>,
    contains: Option<ClaimValue>,
    is_present: Option<True>,
    equals_fact: Option<Name>,
    shares_fact: Option<Name>,
    issuer: Option<Name>,
    client: Option<Name>,
    actor: Option<Name>,
    actor_of: Option<ActorOf>,
    acr_at_least: Option<Name>,
    /// All levels of `acr_at_least`.
    order: Option<Vec<Name>>,
    amr: Option<Name>,
    all_amr: Option<Vec<Name>>,
    any_amr: Option<Vec<Name>>,
    #[serde(deserialize_with = "auth_time_within_seconds")]
    auth_time_within_seconds: Option<Policy>,
    authorization_detail: Option<AuthorizationDetail>,
    owner: Option<True>,
    shares: Option<Name>,
}

impl Form {
    fn into_policy(mut self) -> Result<Policy, String> {
        let at = self.at.take();
        let order = self.order.take();
        let tests = self.take_tests();
        let has_at = at.is_some();
        let granted = |kind: Granted, name: Option<Name>| {
            let path = at.clone().unwrap_or_else(|| kind.claim().into());
            name.map(|name| Policy::granted_at(kind, path, name.0))
        };
        let four = [
            ("role", granted(Granted::Role, self.role)),
            ("group", granted(Granted::Group, self.group)),
            (
                "entitlement",
                granted(Granted::Entitlement, self.entitlement),
            ),
            ("permission", granted(Granted::Permission, self.permission)),
        ];
        let is_granted = four.iter().any(|(_, part)| part.is_some());
        let claim = match (self.claim, one(tests)?) {
            (Some(path), Some((_, test))) => Some(Policy::atom(Atom::Claim { path, test })),
            (Some(_), None) => {
                return Err(format!(
                    "`claim` needs one of {} beside it",
                    Test::NAMES.join(", ")
                ));
            }
            (None, Some((name, _))) => return Err(format!("`{name}` needs `claim` beside it")),
            (None, None) => None,
        };
        let acr = match (self.acr_at_least, order) {
            (Some(level), Some(order)) => Some(Policy::acr_at_least(level.0, texts(order))),
            (Some(_), None) => return Err("`acr_at_least` needs `order` beside it".to_owned()),
            (None, Some(_)) => return Err("`order` needs `acr_at_least` beside it".to_owned()),
            (None, None) => None,
        };
        if has_at && !is_granted {
            let names = "`role`, `group`, `entitlement` or `permission`";
            return Err(format!("`at` needs {names} beside it"));
        }
        let others = [
            ("all", self.all),
            ("any", self.any),
            ("not", self.not.map(Policy::not)),
            ("any_issuer", self.any_issuer.map(Policy::any_issuer)),
            ("hidden", self.hidden.map(Policy::hidden)),
            ("scope", self.scope),
            ("all_scopes", self.all_scopes),
            ("any_scope", self.any_scope),
            ("claim", claim),
            ("issuer", self.issuer.map(|name| Policy::issuer(name.0))),
            ("client", self.client.map(|name| Policy::client(name.0))),
            ("actor", self.actor.map(|name| Policy::actor(name.0))),
            (
                "actor_of",
                self.actor_of
                    .map(|of| Policy::actor_of(of.issuer.0, of.subject.0)),
            ),
            ("acr_at_least", acr),
            ("amr", self.amr.map(|name| Policy::amr(name.0))),
            (
                "all_amr",
                self.all_amr.map(|names| Policy::all_amr(texts(names))),
            ),
            (
                "any_amr",
                self.any_amr.map(|names| Policy::any_amr(texts(names))),
            ),
            ("auth_time_within_seconds", self.auth_time_within_seconds),
            (
                "authorization_detail",
                self.authorization_detail.map(Policy::authorization_detail),
            ),
            ("owner", self.owner.map(|True| Policy::owner())),
            ("shares", self.shares.map(|name| Policy::shares(&name.0))),
        ];
        let parts = four.into_iter().chain(others);
        let parts = parts.filter_map(|(name, part)| Some((name, part?)));
        let (_, policy) =
            one(parts)?.ok_or("an empty table is no policy; name what it asks for")?;
        policy.validated().map_err(|error| error.to_string())
    }

    fn take_tests(&mut self) -> impl Iterator<Item = (&'static str, Test)> + use<> {
        let values = self.is_one_of.take();
        let tests = [
            self.equals.take().map(Test::Equals),
            values.map(|values| Test::IsOneOf(values.into())),
            self.contains.take().map(Test::Contains),
            self.is_present.take().map(|True| Test::Present),
            self.equals_fact.take().map(|name| Test::EqualsFact(name.0)),
            self.shares_fact.take().map(|name| Test::SharesFact(name.0)),
        ];
        tests.into_iter().flatten().map(|test| (test.name(), test))
    }
}

/// The only one, if there is one.
fn one<T>(
    mut named: impl Iterator<Item = (&'static str, T)>,
) -> Result<Option<(&'static str, T)>, String> {
    let first = named.next();
    match (&first, named.next()) {
        (Some((first, _)), Some((second, _))) => Err(format!(
            "`{first}` and `{second}` stand in one table; write two, under `all` or `any`"
        )),
        _ => Ok(first),
    }
}

fn texts(names: Vec<Name>) -> impl Iterator<Item = Box<str>> {
    names.into_iter().map(|name| name.0)
}

impl Test {
    const NAMES: [&'static str; 6] = [
        "`equals`",
        "`is_one_of`",
        "`contains`",
        "`is_present`",
        "`equals_fact`",
        "`shares_fact`",
    ];

    const fn name(&self) -> &'static str {
        match self {
            Self::Equals(_) => "equals",
            Self::IsOneOf(_) => "is_one_of",
            Self::Contains(_) => "contains",
            Self::Present => "is_present",
            Self::EqualsFact(_) => "equals_fact",
            Self::SharesFact(_) => "shares_fact",
        }
    }
}

/// A text that is not blank.
struct Name(Box<str>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        if text.trim().is_empty() {
            return Err(D::Error::custom(Problem::Empty("the text")));
        }
        Ok(Self(text))
    }
}

/// What can only be asked for: to ask for the opposite is `not`.
struct True;

impl<'de> Deserialize<'de> for True {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match bool::deserialize(deserializer)? {
            true => Ok(Self),
            false => Err(D::Error::custom(
                "only `true` is a policy here; use `not` for the opposite",
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ActorOf {
    issuer: Name,
    subject: Name,
}

fn checked<E: serde::de::Error>(policy: Policy) -> Result<Option<Policy>, E> {
    policy.validated().map(Some).map_err(E::custom)
}

fn all<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Policy>, D::Error> {
    checked(Policy::all(Vec::<Policy>::deserialize(value)?))
}

fn any<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Policy>, D::Error> {
    checked(Policy::any(Vec::<Policy>::deserialize(value)?))
}

fn scope<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Policy>, D::Error> {
    checked(Policy::scope(Box::<str>::deserialize(value)?))
}

fn all_scopes<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Policy>, D::Error> {
    checked(Policy::all_scopes(Vec::<Box<str>>::deserialize(value)?))
}

fn any_scope<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Policy>, D::Error> {
    checked(Policy::any_scope(Vec::<Box<str>>::deserialize(value)?))
}

fn auth_time_within_seconds<'de, D: Deserializer<'de>>(
    value: D,
) -> Result<Option<Policy>, D::Error> {
    let age = Duration::from_secs(u64::deserialize(value)?);
    checked(Policy::auth_time_within(age))
}

impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        thread_local! {
            static DEPTH: Cell<usize> = const { Cell::new(0) };
        }

        /// Not every format has a limit of its own, and the stack has one.
        struct Level;

        impl Drop for Level {
            fn drop(&mut self) {
                DEPTH.set(DEPTH.get().saturating_sub(1));
            }
        }

        DEPTH.set(DEPTH.get().saturating_add(1));
        let _level = Level;
        if DEPTH.get() > MAX_DEPTH {
            return Err(D::Error::custom(Problem::TooDeep(MAX_DEPTH)));
        }
        let form = Form::deserialize(deserializer)?;
        form.into_policy().map_err(D::Error::custom)
    }
}

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
                let of =
                    std::collections::BTreeMap::from([("issuer", issuer), ("subject", subject)]);
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
