//! A policy read from configuration, with everything checked.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::atom::{Atom, Granted, Test};
use super::problem::Problem;
use super::{ClaimPath, ClaimValue, MAX_DEPTH, Policy};

/// One part of a policy as it is written: what it asks for, under one name, and what belongs to that.
///
/// What is wrong with a field alone is found where the field is read, so that the format's error
/// points at it. Nothing is read as absent that is written: of a `not` without content, say, because
/// what it denies is indented wrongly, only the opposite of it would be left.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Form {
    #[serde(deserialize_with = "all")]
    all: Option<Policy>,
    #[serde(deserialize_with = "any")]
    any: Option<Policy>,
    #[serde(deserialize_with = "some")]
    not: Option<Policy>,
    #[serde(deserialize_with = "some")]
    any_issuer: Option<Policy>,
    #[serde(deserialize_with = "some")]
    hidden: Option<Policy>,
    #[serde(deserialize_with = "scope")]
    scope: Option<Policy>,
    #[serde(deserialize_with = "all_scopes")]
    all_scopes: Option<Policy>,
    #[serde(deserialize_with = "any_scope")]
    any_scope: Option<Policy>,
    #[serde(deserialize_with = "some")]
    role: Option<Name>,
    #[serde(deserialize_with = "some")]
    group: Option<Name>,
    #[serde(deserialize_with = "some")]
    entitlement: Option<Name>,
    #[serde(deserialize_with = "some")]
    permission: Option<Name>,
    /// The claim where one of those four stands.
    #[serde(deserialize_with = "some")]
    at: Option<ClaimPath>,
    #[serde(deserialize_with = "some")]
    claim: Option<ClaimPath>,
    // What is asked of the claim.
    #[serde(deserialize_with = "some")]
    equals: Option<ClaimValue>,
    #[serde(deserialize_with = "some")]
    is_one_of: Option<Vec<ClaimValue>>,
    #[serde(deserialize_with = "some")]
    contains: Option<ClaimValue>,
    #[serde(deserialize_with = "some")]
    is_present: Option<True>,
    #[serde(deserialize_with = "some")]
    equals_fact: Option<Name>,
    #[serde(deserialize_with = "some")]
    shares_fact: Option<Name>,
    #[serde(deserialize_with = "some")]
    issuer: Option<Name>,
    #[serde(deserialize_with = "some")]
    client: Option<Name>,
    #[serde(deserialize_with = "some")]
    actor: Option<Name>,
    #[serde(deserialize_with = "actor_of")]
    actor_of: Option<Policy>,
    #[serde(deserialize_with = "some")]
    acr_at_least: Option<Name>,
    /// All levels of `acr_at_least`.
    #[serde(deserialize_with = "some")]
    order: Option<Vec<Name>>,
    #[serde(deserialize_with = "some")]
    amr: Option<Name>,
    #[serde(deserialize_with = "some")]
    all_amr: Option<Vec<Name>>,
    #[serde(deserialize_with = "some")]
    any_amr: Option<Vec<Name>>,
    #[serde(deserialize_with = "auth_time_within_seconds")]
    auth_time_within_seconds: Option<Policy>,
    #[serde(deserialize_with = "authorization_detail")]
    authorization_detail: Option<Policy>,
    #[serde(deserialize_with = "some")]
    owner: Option<True>,
    #[serde(deserialize_with = "some")]
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
            ("actor_of", self.actor_of),
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
            ("authorization_detail", self.authorization_detail),
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

    pub(super) const fn name(&self) -> &'static str {
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

fn some<'de, D: Deserializer<'de>, T: Deserialize<'de>>(value: D) -> Result<Option<T>, D::Error> {
    T::deserialize(value).map(Some)
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

fn actor_of<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Policy>, D::Error> {
    let of: ActorOf = from_table(value, "an issuer and a subject")?;
    checked(Policy::actor_of(of.issuer.0, of.subject.0))
}

fn authorization_detail<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Policy>, D::Error> {
    let detail = from_table(value, "an authorization detail")?;
    checked(Policy::authorization_detail(detail))
}

/// Reads a table and nothing else: what serde derives takes a list of values in the order of the fields, too.
fn from_table<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    value: D,
    expecting: &'static str,
) -> Result<T, D::Error> {
    struct Table<T>(&'static str, PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Table<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    value.deserialize_map(Table(expecting, PhantomData))
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
        let form: Form = from_table(deserializer, "a policy, such as `scope: orders:read`")?;
        form.into_policy().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What this configuration says, and that it is written back as `written`.
    #[track_caller]
    fn check_written(json: &str, expected: &str, written: &str) {
        let policy: Policy = serde_json::from_str(json).unwrap();
        assert_eq!(policy.to_string(), expected, "{json}");
        assert_eq!(serde_json::to_string(&policy).unwrap(), written);
    }

    #[track_caller]
    fn check(json: &str, expected: &str) {
        check_written(json, expected, json);
    }

    #[test]
    fn each_part_is_a_table_named_by_what_it_asks_for() {
        check(r#"{"scope":"orders:read"}"#, r#"scope "orders:read""#);
        check(r#"{"role":"admin"}"#, r#"role "admin""#);
        check(r#"{"group":"a","at":"x.y"}"#, r#"group "a" at x.y"#);
        check(r#"{"entitlement":"a"}"#, r#"entitlement "a""#);
        let path = r#"{"permission":"a","at":["https://example.com/p"]}"#;
        check(path, r#"permission "a" at ["https://example.com/p"]"#);
        check(
            r#"{"claim":"tenant","equals":"acme"}"#,
            r#"claim tenant = "acme""#,
        );
        check(r#"{"claim":"a","equals":1}"#, "claim a = 1");
        check(
            r#"{"claim":"a","is_one_of":["b",2,true]}"#,
            r#"claim a in ["b", 2, true]"#,
        );
        check(r#"{"claim":"a","contains":"b"}"#, r#"claim a contains "b""#);
        check(r#"{"claim":"a","is_present":true}"#, "claim a is present");
        check(
            r#"{"claim":"a","equals_fact":"b"}"#,
            r#"claim a = fact "b""#,
        );
        check(
            r#"{"claim":"a","shares_fact":"b"}"#,
            r#"claim a shares fact "b""#,
        );
        check(r#"{"issuer":"i"}"#, r#"issuer "i""#);
        check(r#"{"client":"c"}"#, r#"client "c""#);
        check(r#"{"actor":"s"}"#, r#"actor "s""#);
        check(
            r#"{"actor_of":{"issuer":"i","subject":"s"}}"#,
            r#"actor "s" of issuer "i""#,
        );
        check(
            r#"{"acr_at_least":"b","order":["a","b"]}"#,
            r#"acr >= "b" of ["a", "b"]"#,
        );
        check(r#"{"amr":"otp"}"#, r#"amr "otp""#);
        check(
            r#"{"auth_time_within_seconds":900}"#,
            "auth_time within 900s",
        );
        check(
            r#"{"authorization_detail":{"type":"pay","actions":["a"]}}"#,
            r#"authorization detail "pay" actions ["a"]"#,
        );
        check(r#"{"owner":true}"#, "owner");
        check(
            r#"{"all":[{"scope":"a"},{"any":[{"not":{"role":"b"}},{"hidden":{"owner":true}}]}]}"#,
            r#"scope "a" and (not (role "b") or hidden (owner))"#,
        );
        check(
            r#"{"any_issuer":{"scope":"a"}}"#,
            r#"any issuer (scope "a")"#,
        );
    }

    /// As in `docs/authorization.md`.
    #[test]
    fn what_the_documentation_shows_reads_as_it_says() {
        check(
            r#"{"all":[{"scope":"orders:read"},{"any":[{"owner":true},{"role":"admin","at":"realm_access.roles"},{"claim":"tenant","equals_fact":"tenant"}]}]}"#,
            r#"scope "orders:read" and (owner or role "admin" at realm_access.roles or claim tenant = fact "tenant")"#,
        );
    }

    #[test]
    fn what_is_short_for_something_is_written_out() {
        let (a, b) = (r#"{"scope":"a"}"#, r#"{"scope":"b"}"#);
        let written = format!(r#"{{"all":[{a},{b}]}}"#);
        check_written(
            r#"{"all_scopes":["a","b"]}"#,
            r#"scope "a" and scope "b""#,
            &written,
        );
        let written = format!(r#"{{"any":[{a},{b}]}}"#);
        check_written(
            r#"{"any_scope":["a","b"]}"#,
            r#"scope "a" or scope "b""#,
            &written,
        );
        check_written(r#"{"all_amr":["a"]}"#, r#"amr "a""#, r#"{"amr":"a"}"#);
        check_written(r#"{"any_amr":["a"]}"#, r#"amr "a""#, r#"{"amr":"a"}"#);
        let written = r#"{"claim":"groups","shares_fact":"groups"}"#;
        check_written(
            r#"{"shares":"groups"}"#,
            r#"claim groups shares fact "groups""#,
            written,
        );
    }

    /// What an error says, and the path that it is at.
    #[track_caller]
    fn check_error(json: &str, path: &str, expected: &str) {
        let json = &mut serde_json::Deserializer::from_str(json);
        let error = serde_path_to_error::deserialize::<_, Policy>(json).unwrap_err();
        let text = error.inner().to_string();
        assert!(text.contains(expected), "{text}");
        assert_eq!(error.path().to_string(), path, "{text}");
    }

    #[test]
    fn an_error_points_at_the_field() {
        let within =
            |field: &str| format!("{{\"all\": [\n{{\"scope\": \"a\"}},\n{{{field}\n}}\n]\n}}");
        for (field, path, expected) in [
            (
                r#""scop": "a""#,
                "scop",
                "unknown field `scop`, expected one of `all`",
            ),
            (r#""scope": "a b""#, "scope", "it is no scope"),
            (r#""scope": 7"#, "scope", "invalid type: integer `7`"),
            (
                r#""scope": "a", "scope": "b""#,
                "",
                "duplicate field `scope`",
            ),
            (r#""all_scopes": []"#, "all_scopes", "it is empty"),
            (r#""all_scopes": ["a", ""]"#, "all_scopes", "it is no scope"),
            (r#""any": []"#, "any", "it is empty"),
            (r#""role": """#, "role", "the text is empty or blank"),
            (
                r#""role": "a", "at": "https://example.com/roles""#,
                "at",
                "split at the dots of a URL",
            ),
            (r#""role": "a", "at": []"#, "at", "has no names"),
            (
                r#""role": "a", "at": 7"#,
                "at",
                "a claim's name, with dots between names",
            ),
            (
                r#""claim": "a", "equals": 1.5"#,
                "equals",
                "a text, an integer or a boolean",
            ),
            (
                r#""claim": "a", "is_one_of": [[]]"#,
                "is_one_of[0]",
                "a text, an integer or a boolean",
            ),
            (
                r#""claim": "a", "contains": """#,
                "contains",
                "the text is empty",
            ),
            (
                r#""claim": "a", "is_present": false"#,
                "is_present",
                "only `true` is a policy here",
            ),
            (r#""owner": false"#, "owner", "only `true` is a policy here"),
            (
                r#""auth_time_within_seconds": 0"#,
                "auth_time_within_seconds",
                "a max_age counts in seconds",
            ),
            (
                r#""auth_time_within_seconds": -1"#,
                "auth_time_within_seconds",
                "invalid value: integer `-1`",
            ),
            (
                r#""actor_of": {"subject": "s", "issuer": "i", "x": 1}"#,
                "actor_of.x",
                "unknown field `x`",
            ),
            (
                r#""authorization_detail": {"type": "a", "action": "b"}"#,
                "authorization_detail.action",
                "unknown field `action`",
            ),
            (
                r#""authorization_detail": {"type": ""}"#,
                "authorization_detail",
                "its type is empty",
            ),
            (r#""not": {"role": " "}"#, "not.role", "the text is empty"),
        ] {
            let path = format!("all[1].{path}");
            check_error(&within(field), path.trim_end_matches('.'), expected);
        }
    }

    #[test]
    fn fields_that_do_not_go_together_are_told_at_their_table() {
        let within = |fields: &str| format!(r#"{{"any": [{{{fields}}}, {{"scope": "a"}}]}}"#);
        for (fields, expected) in [
            ("", "an empty table is no policy"),
            (
                r#""scope": "a", "role": "b""#,
                "`role` and `scope` stand in one table",
            ),
            (r#""scope": "a", "at": "b""#, "`at` needs `role`, `group`"),
            (
                r#""claim": "a""#,
                "`claim` needs one of `equals`, `is_one_of`",
            ),
            (
                r#""claim": "a", "equals": 1, "contains": 2"#,
                "`equals` and `contains` stand in one",
            ),
            (r#""equals": 1"#, "`equals` needs `claim` beside it"),
            (
                r#""scope": "a", "equals": 1"#,
                "`equals` needs `claim` beside it",
            ),
            (r#""acr_at_least": "a""#, "`acr_at_least` needs `order`"),
            (r#""order": ["a"]"#, "`order` needs `acr_at_least`"),
            (
                r#""acr_at_least": "a", "order": ["b"]"#,
                r#""a" is not in its order"#,
            ),
            (
                r#""claim": "sub.x", "equals": "a""#,
                "no claim is ever there",
            ),
            (r#""claim": "exp", "equals": "a""#, "it can never hold"),
            (r#""claim": "a", "is_one_of": []"#, "it is empty"),
        ] {
            check_error(&within(fields), "any[0]", expected);
        }
        check_error(
            &within(r#""scope": "a", "not": null"#),
            "any[0].not",
            "a policy, such as",
        );
        check_error(
            &within(r#""role": "a", "at": null"#),
            "any[0].at",
            "a claim's name",
        );
        check_error(
            &within(r#""actor_of": ["i", "s"]"#),
            "any[0].actor_of",
            "an issuer and a subject",
        );
        check_error(
            &within(r#""authorization_detail": ["a"]"#),
            "any[0].authorization_detail",
            "an authorization detail",
        );
        check_error(
            r#"[[{"scope":"a"}]]"#,
            ".",
            "a policy, such as `scope: orders:read`",
        );
        check_error("[]", ".", "a policy, such as `scope: orders:read`");
        check_error(r#""owner""#, ".", "a policy, such as `scope: orders:read`");
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth: usize| {
            let (open, close) = (r#"{"not":"#.repeat(depth), "}".repeat(depth));
            format!(r#"{open}{{"scope":"a"}}{close}"#)
        };
        let read = |depth| serde_json::from_str::<Policy>(&nested(depth));
        assert!(read(MAX_DEPTH - 1).is_ok());
        for depth in [MAX_DEPTH, MAX_DEPTH + 1, 120] {
            let error = read(depth).unwrap_err().to_string();
            assert!(error.contains("deeper than 32 levels"), "{error}");
        }
        assert!(read(0).is_ok(), "an error leaves nothing behind");
    }
}
