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

/// The claims that no token is accepted with unless they are of their type: what asks another of them
/// can never hold. Some have a part of a policy of their own, which knows what belongs to them.
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
    Text,
    Texts,
    Time,
}

const REGISTERED: [(&str, Registered); 15] = [
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
