//! What can be known of a policy before there is a token.

use std::collections::HashSet;

use super::atom::{Atom, Test};
use super::problem::Problem;
use super::{AuthorizationDetail, ClaimPath, ClaimValue};

impl Atom {
    /// What is wrong with it, if anything can be said without a token.
    pub(super) fn problem(&self) -> Option<Problem> {
        match self {
            Self::Scope(scope) => (!is_scope(scope)).then_some(Problem::NoScope),
            Self::Granted { path, name, .. } => empty("its name", name)
                .or_else(|| path.problem())
                .or_else(|| asked_of_registered(path, &Asked::Element)),
            Self::Claim { path, test } => test
                .problem()
                .or_else(|| path.problem())
                .or_else(|| asked_of_registered(path, &test.asked())),
            Self::Issuer(issuer) => empty("the issuer", issuer),
            Self::Client(client) => empty("the client", client),
            Self::Actor { issuer, subject } => empty("the actor", subject)
                .or_else(|| empty("the actor's issuer", issuer.as_deref()?)),
            Self::Acr { at_least, order } => levels(at_least, order),
            Self::Amr(method) => empty("the method", method),
            Self::AuthTimeWithin(age) => {
                let whole = age.subsec_nanos() == 0 && !age.is_zero();
                (!whole).then_some(Problem::NoMaxAge)
            }
            Self::Detail(detail) => detail.problem(),
            Self::Owner => None,
            Self::Custom { name, .. } => empty("its name", name),
        }
    }
}

impl Test {
    fn problem(&self) -> Option<Problem> {
        match self {
            Self::Equals(value) | Self::Contains(value) => value.problem(),
            Self::IsOneOf(values) if values.is_empty() => Some(Problem::EmptyList),
            Self::IsOneOf(values) => values.iter().find_map(ClaimValue::problem),
            Self::Present => None,
            Self::EqualsFact(name) | Self::SharesFact(name) => empty("the fact's name", name),
        }
    }

    fn asked(&self) -> Asked {
        match self {
            Self::Equals(value) => Asked::One(value.is_text(), value.is_integer()),
            Self::IsOneOf(values) => Asked::One(
                values.iter().any(ClaimValue::is_text),
                values.iter().any(ClaimValue::is_integer),
            ),
            Self::Contains(value) if value.is_text() => Asked::Element,
            Self::Contains(_) => Asked::OtherElement,
            Self::Present => Asked::Presence,
            Self::EqualsFact(_) => Asked::One(true, false),
            Self::SharesFact(_) => Asked::Shared,
        }
    }
}

/// As what a claim is read.
enum Asked {
    Presence,
    /// One value, that may be a text, or may be an integer.
    One(bool, bool),
    /// A list of texts.
    Element,
    /// A list of something else.
    OtherElement,
    /// A text or a list of texts.
    Shared,
}

/// The claims that no token is accepted with unless they are of their type, or at all: what asks another of
/// them can never hold. Some have a part of a policy of their own, which knows what belongs to them.
fn asked_of_registered(path: &ClaimPath, asked: &Asked) -> Option<Problem> {
    let mut names = path.names();
    let (name, within) = (names.next()?, names.next().is_some());
    let claim = REGISTERED.iter().find(|(known, _)| *known == name);
    let (name, kind) = claim.copied()?;
    let what = match kind {
        Registered::Issuer => return Some(Problem::Elsewhere(name, "Policy::issuer")),
        Registered::Scopes => return Some(Problem::Elsewhere(name, "Policy::scope")),
        Registered::Actor if within || !matches!(asked, Asked::Presence) => {
            return Some(Problem::Elsewhere(
                name,
                "Policy::actor, which reads the current actor",
            ));
        }
        Registered::Actor => return None,
        Registered::Refused => return Some(Problem::Refused(name)),
        Registered::Text => "a text",
        Registered::Texts => "a list of texts, or one",
        Registered::Time => "a time in seconds",
    };
    if within {
        return Some(Problem::NoMembers(name, what));
    }
    let remedy = match (kind, asked) {
        (_, Asked::Presence)
        | (Registered::Text, Asked::One(true, _) | Asked::Shared)
        | (Registered::Texts, Asked::Element | Asked::Shared)
        | (Registered::Time, Asked::One(_, true)) => return None,
        (Registered::Texts, _) => "ask what it contains, with a text",
        (Registered::Time, _) => "compare it with an integer",
        _ => "compare it with a text",
    };
    Some(Problem::NeverHolds(name, what, remedy))
}

#[derive(Clone, Copy)]
enum Registered {
    Issuer,
    Scopes,
    Actor,
    /// No token that has it is accepted, whatever it is.
    Refused,
    Text,
    Texts,
    Time,
}

const REGISTERED: [(&str, Registered); 19] = [
    ("iss", Registered::Issuer),
    ("scope", Registered::Scopes),
    ("scp", Registered::Scopes),
    ("act", Registered::Actor),
    ("sub", Registered::Text),
    ("jti", Registered::Text),
    ("client_id", Registered::Text),
    ("azp", Registered::Text),
    ("acr", Registered::Text),
    ("aud", Registered::Texts),
    ("amr", Registered::Texts),
    ("exp", Registered::Time),
    ("nbf", Registered::Time),
    ("iat", Registered::Time),
    ("auth_time", Registered::Time),
    ("cnf", Registered::Refused),
    ("events", Registered::Refused),
    ("at_hash", Registered::Refused),
    ("c_hash", Registered::Refused),
];

impl ClaimValue {
    /// An empty text equals what is not set, and lets it in.
    pub(super) fn problem(&self) -> Option<Problem> {
        match self {
            Self::Text(text) => empty("the text", text),
            Self::Integer(_) | Self::Boolean(_) => None,
        }
    }

    const fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }

    const fn is_integer(&self) -> bool {
        matches!(self, Self::Integer(_))
    }
}

impl AuthorizationDetail {
    pub(super) fn problem(&self) -> Option<Problem> {
        let of = |what, texts: &[Box<str>]| texts.iter().find_map(|text| empty(what, text));
        empty("its type", &self.kind)
            .or_else(|| of("an action", &self.actions))
            .or_else(|| of("a location", &self.locations))
    }
}

fn levels(at_least: &str, order: &[Box<str>]) -> Option<Problem> {
    // They are sent to clients, between spaces and in quotation marks.
    if let Some(level) = order.iter().find(|level| !is_scope(level)) {
        return Some(Problem::NoAcrValue(level.clone()));
    }
    let mut seen = HashSet::new();
    if let Some(level) = order.iter().find(|level| !seen.insert(&***level)) {
        return Some(Problem::TwiceInOrder(level.clone()));
    }
    (!seen.contains(at_least)).then(|| Problem::NotInOrder(at_least.into()))
}

/// A `scope-token` of RFC 6749 §3.3.
fn is_scope(text: &str) -> bool {
    let allowed = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    !text.is_empty() && text.bytes().all(allowed)
}

fn empty(what: &'static str, text: &str) -> Option<Problem> {
    text.trim().is_empty().then_some(Problem::Empty(what))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::Policy;
    use super::*;

    /// What is wrong with a policy that is made of this part, in part; `""` when nothing is.
    #[track_caller]
    fn check(policy: &Policy, problem: &str) {
        let wrapped = Policy::scope("a").and(policy.clone().or(Policy::scope("b")).hidden().not());
        let (and, or) = (
            policy.clone().and(Policy::scope("a")),
            policy.clone().or(Policy::scope("a")),
        );
        for policy in [
            policy.clone(),
            policy.clone().any_issuer(),
            wrapped,
            and,
            or,
        ] {
            match policy.clone().validated() {
                Ok(policy) => assert_eq!(problem, "", "{policy}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!problem.is_empty() && text.contains(problem), "{text}");
                }
            }
        }
    }

    const NONE: [&str; 0] = [];

    #[test]
    fn a_list_of_none_is_an_error() {
        let empty = "it is empty, and would hold for all or for nobody";
        check(&Policy::all([]), empty);
        check(&Policy::any([]), empty);
        check(&Policy::all_scopes(NONE), empty);
        check(&Policy::any_scope(NONE), empty);
        check(&Policy::all_amr(NONE), empty);
        check(&Policy::any_amr(NONE), empty);
        check(&Policy::claim("x").is_one_of(NONE), empty);
    }

    #[test]
    fn what_is_blank_names_nothing() {
        for blank in ["", " ", "\t"] {
            for (policy, what) in [
                (Policy::role(blank), "its name is empty"),
                (Policy::group_at("x", blank), "its name is empty"),
                (Policy::claim("x").equals(blank), "the text is empty"),
                (
                    Policy::claim("x").is_one_of(["a", blank]),
                    "the text is empty",
                ),
                (Policy::claim("x").contains(blank), "the text is empty"),
                (
                    Policy::claim("x").equals_fact(blank),
                    "the fact's name is empty",
                ),
                (Policy::issuer(blank), "the issuer is empty"),
                (Policy::client(blank), "the client is empty"),
                (Policy::actor(blank), "the actor is empty"),
                (Policy::actor_of(blank, "a"), "the actor's issuer is empty"),
                (Policy::amr(blank), "the method is empty"),
                (Policy::custom(blank, |_| Ok(true)), "its name is empty"),
            ] {
                check(&policy, what);
            }
            let detail = AuthorizationDetail::of_type("a");
            check(
                &Policy::authorization_detail(AuthorizationDetail::of_type(blank)),
                "its type",
            );
            check(
                &Policy::authorization_detail(detail.clone().action(blank)),
                "an action",
            );
            check(
                &Policy::authorization_detail(detail.location(blank)),
                "a location",
            );
        }
    }

    #[test]
    fn a_scope_is_what_can_stand_in_a_challenge() {
        for scope in ["orders:read", "!", "~", "https://example.com/a#b", "[]"] {
            check(&Policy::scope(scope), "");
        }
        for scope in ["", "a b", "a\"", "a\\b", "\u{e9}", "a\n", "a\u{7f}"] {
            check(&Policy::scope(scope), "it is no scope");
        }
    }

    #[test]
    fn a_path_has_names() {
        check(&Policy::role_at("a.b-c.d_e", "x"), "");
        check(&Policy::role_at(["https://example.com/roles"], "x"), "");
        check(
            &Policy::role_at(["https://example.com/a", "roles"], "x"),
            "",
        );
        check(&Policy::role_at("https://localhost/roles", "x"), "");
        for path in ["", ".", "a.", ".a", "a..b"] {
            check(&Policy::role_at(path, "x"), "has no names, or an empty one");
            check(
                &Policy::claim(path).is_present(),
                "has no names, or an empty one",
            );
        }
        let long = |names| Policy::claim(vec!["a".to_owned(); names]).is_present();
        check(&long(17), "");
        check(&long(18), "has more than 17 names");
        check(&Policy::claim(Vec::new()).is_present(), "has no names");
        check(&Policy::claim(["a", ""]).is_present(), "has no names");
        check(
            &Policy::role_at("https://example.com/roles", "x"),
            "split at the dots of a URL",
        );
    }

    #[test]
    fn a_claim_of_a_known_type_has_no_members() {
        for claim in [
            "sub",
            "jti",
            "client_id",
            "azp",
            "acr",
            "aud",
            "amr",
            "exp",
            "nbf",
            "iat",
            "auth_time",
        ] {
            check(&Policy::claim([claim]).is_present(), "");
            check(
                &Policy::claim([claim, "x"]).is_present(),
                "no claim is ever there",
            );
            check(
                &Policy::role_at([claim, "x"], "a"),
                "no claim is ever there",
            );
        }
        check(&Policy::claim("x.sub.y").is_present(), "");
    }

    #[test]
    fn a_claim_of_a_known_type_is_compared_with_that_type() {
        let never = "it can never hold";
        for claim in ["sub", "acr", "azp"] {
            check(&Policy::claim(claim).equals("a"), "");
            check(&Policy::claim(claim).is_one_of(["a"]), "");
            check(&Policy::claim(claim).equals_fact("a"), "");
            check(&Policy::claim(claim).shares_fact("a"), "");
            check(&Policy::claim(claim).equals(1), never);
            check(&Policy::claim(claim).equals(true), never);
            check(&Policy::claim(claim).contains("a"), never);
        }
        for claim in ["aud", "amr"] {
            check(&Policy::claim(claim).contains("a"), "");
            check(&Policy::claim(claim).shares_fact("a"), "");
            check(&Policy::role_at(claim, "a"), "");
            check(&Policy::claim(claim).contains(1), never);
            check(&Policy::claim(claim).equals("a"), never);
            check(&Policy::claim(claim).equals_fact("a"), never);
        }
        for claim in ["exp", "auth_time"] {
            check(&Policy::claim(claim).equals(1), "");
            check(&Policy::claim(claim).equals("1"), never);
            check(&Policy::claim(claim).equals(true), never);
            check(&Policy::claim(claim).contains(1), never);
            check(&Policy::claim(claim).shares_fact("a"), never);
            check(&Policy::role_at(claim, "a"), never);
        }
    }

    #[test]
    fn claims_with_a_part_of_their_own_are_asked_for_with_it() {
        for (claim, remedy) in [
            ("iss", "use Policy::issuer"),
            ("scope", "use Policy::scope"),
            ("scp", "use Policy::scope"),
            ("act.sub", "use Policy::actor"),
            ("act.act.sub", "use Policy::actor"),
        ] {
            check(&Policy::claim(claim).equals("a"), remedy);
            check(&Policy::role_at(claim, "a"), remedy);
        }
        check(&Policy::claim("act").equals("a"), "use Policy::actor");
        check(&Policy::claim("act").is_present(), "");
    }

    #[test]
    fn a_claim_that_no_accepted_token_has_is_not_asked_for() {
        for claim in ["cnf", "events", "at_hash", "c_hash"] {
            let refused = "no token with a claim";
            check(&Policy::claim(claim).is_present(), refused);
            check(&Policy::claim([claim, "jkt"]).equals("a"), refused);
            check(&Policy::role_at(claim, "a"), refused);
            check(&Policy::claim(["x", claim]).is_present(), "");
        }
    }

    #[test]
    fn a_level_is_one_of_its_order() {
        check(&Policy::acr_at_least("b", ["a", "b"]), "");
        check(
            &Policy::acr_at_least("c", ["a", "b"]),
            "\"c\" is not in its order",
        );
        check(&Policy::acr_at_least("", NONE), "\"\" is not in its order");
        check(
            &Policy::acr_at_least("b", ["a", "b", "a"]),
            "\"a\" stands twice",
        );
        for level in ["", "a b", "a\""] {
            check(
                &Policy::acr_at_least("a", ["a", level]),
                "is no value for an acr_values",
            );
        }
    }

    #[test]
    fn an_age_is_whole_seconds() {
        check(&Policy::auth_time_within(Duration::from_secs(1)), "");
        check(
            &Policy::auth_time_within(Duration::MAX - Duration::from_nanos(999_999_999)),
            "",
        );
        for age in [
            Duration::ZERO,
            Duration::from_millis(999),
            Duration::from_millis(1_001),
        ] {
            check(
                &Policy::auth_time_within(age),
                "a max_age counts in seconds",
            );
        }
    }
}
