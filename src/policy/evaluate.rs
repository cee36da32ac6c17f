//! What a policy makes of a token: allow, deny, or fault.
//!
//! Three values, because "is not" and "cannot be told" differ under `not`: a token whose `roles` is a
//! number must not pass `not(role("suspended"))`. They combine as Kleene's do. A side that decides
//! alone decides, whatever the other is; otherwise a fault is the outcome:
//!
//! | and | allow | deny | fault |   | or | allow | deny | fault |
//! |---|---|---|---|---|---|---|---|---|
//! | allow | allow | deny | fault | | allow | allow | allow | allow |
//! | deny | deny | deny | deny | | deny | allow | deny | fault |
//! | fault | fault | deny | fault | | fault | allow | fault | fault |
//!
//! So a claim that one issuer writes wrongly takes nothing from those whom another branch allows, and
//! nobody is let in by it: whichever way the fault were mended, the outcome would be the same.

use std::time::SystemTime;

use super::atom::{Atom, Test};
use super::facts::Fact;
use super::{AuthorizationDetail, ClaimPath, ClaimValue, Facts, Node, Policy};
use crate::claims::NumericDate;
use crate::token::{Value, VerifiedToken};

/// What a policy makes of a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    Allow,
    Deny,
    Fault(Fault),
}

/// Why it cannot be told whether a token satisfies a policy.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Fault {
    #[error("the claim is of another type")]
    ClaimType,
    #[error("client_id and azp name different clients")]
    TwoClients,
    #[error("the login is in the future")]
    FutureLogin,
    #[error("the check has no such fact of the object; give it to check_on")]
    NoFact,
    #[error("the fact of the object is empty, or a list where one text is needed")]
    FactType,
    #[error("the service's own check could not read the claims")]
    Custom,
}

/// What a decision is made from.
#[derive(Clone, Copy)]
pub(super) struct Request<'a> {
    pub(super) token: &'a VerifiedToken,
    pub(super) facts: Option<&'a Facts<'a>>,
}

impl Policy {
    pub(super) fn evaluate(&self, request: Request<'_>) -> Verdict {
        match &self.0.node {
            Node::All(policies) => Verdict::all(policies, request),
            Node::Any(policies) => Verdict::any(policies, request),
            Node::Not(policy) => policy.evaluate(request).not(),
            Node::AnyIssuer(policy) | Node::Hidden(policy) => policy.evaluate(request),
            Node::Atom(atom) => atom.evaluate(request).unwrap_or_else(Verdict::Fault),
        }
    }
}

impl Verdict {
    fn all(policies: &[Policy], request: Request<'_>) -> Self {
        let mut outcome = Self::Allow;
        for policy in policies {
            match policy.evaluate(request) {
                Self::Deny => return Self::Deny,
                Self::Fault(fault) if outcome == Self::Allow => outcome = Self::Fault(fault),
                Self::Allow | Self::Fault(_) => {}
            }
        }
        outcome
    }

    fn any(policies: &[Policy], request: Request<'_>) -> Self {
        let mut outcome = Self::Deny;
        for policy in policies {
            match policy.evaluate(request) {
                Self::Allow => return Self::Allow,
                Self::Fault(fault) if outcome == Self::Deny => outcome = Self::Fault(fault),
                Self::Deny | Self::Fault(_) => {}
            }
        }
        outcome
    }

    const fn not(self) -> Self {
        match self {
            Self::Allow => Self::Deny,
            Self::Deny => Self::Allow,
            Self::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl From<bool> for Verdict {
    fn from(holds: bool) -> Self {
        if holds { Self::Allow } else { Self::Deny }
    }
}

type Outcome = Result<Verdict, Fault>;

impl Atom {
    fn evaluate(&self, request: Request<'_>) -> Outcome {
        let token = request.token;
        Ok(match self {
            Self::Scope(scope) => token.scopes().contains(scope).into(),
            Self::Granted { path, name, .. } => match path.read(token)? {
                Some(value) => lists(value, &[&**name])?.into(),
                None => Verdict::Deny,
            },
            Self::Claim { path, test } => match path.read(token)? {
                Some(value) => test.evaluate(value, request)?,
                // What the service fails to say is its own fault, whatever the token says.
                None => test.fact(request)?.map_or(Verdict::Deny, |_| Verdict::Deny),
            },
            Self::Issuer(issuer) => (token.issuer() == &**issuer).into(),
            Self::Client(client) => is_client(token, client)?.into(),
            Self::Actor { issuer, subject } => is_actor(token, issuer.as_deref(), subject)?.into(),
            Self::Acr { at_least, order } => {
                let acr = token.authentication().acr();
                let sufficient = sufficient_levels(at_least, order);
                acr.is_some_and(|acr| sufficient.iter().any(|level| **level == *acr))
                    .into()
            }
            Self::Amr(method) => {
                let login = token.authentication();
                login.amr().any(|known| known == &**method).into()
            }
            Self::AuthTimeWithin(age) => {
                let proof = token.proof();
                let now = request.now();
                match proof.claims.auth_time {
                    None => Verdict::Deny,
                    Some(login) if login > now.plus(proof.leeway) => {
                        return Err(Fault::FutureLogin);
                    }
                    Some(login) => (now <= login.plus(*age).plus(proof.leeway)).into(),
                }
            }
            Self::Detail(detail) => match token.value("authorization_details") {
                Some(details) => detail.is_among(details)?.into(),
                None => Verdict::Deny,
            },
            Self::Owner => {
                let (issuer, subject) = request
                    .facts
                    .and_then(|facts| facts.owner)
                    .ok_or(Fault::NoFact)?;
                if issuer.is_empty() || subject.is_empty() {
                    return Err(Fault::FactType);
                }
                (token.issuer() == issuer && token.subject() == Some(subject)).into()
            }
            Self::Custom { check, .. } => check(token).map_err(|_| Fault::Custom)?.into(),
        })
    }
}

impl Request<'_> {
    fn now(&self) -> NumericDate {
        let given: Option<SystemTime> = self.facts.and_then(|facts| facts.now);
        NumericDate::from_system_time(given.unwrap_or_else(|| self.token.verified_at()))
    }
}

impl ClaimPath {
    /// The claim there, if all of its path is. What has a member asked for must be an object.
    fn read<'t>(&self, token: &'t VerifiedToken) -> Result<Option<&'t Value>, Fault> {
        let mut names = self.names();
        let mut found = names.next().and_then(|name| token.value(name));
        for name in names {
            found = match found {
                Some(object @ Value::Object(_)) => object.member(name),
                Some(_) => return Err(Fault::ClaimType),
                None => return Ok(None),
            };
        }
        Ok(found)
    }
}

impl Test {
    fn evaluate(&self, value: &Value, request: Request<'_>) -> Outcome {
        Ok(match self {
            Self::Equals(wanted) => equals(value, wanted)?.into(),
            Self::IsOneOf(wanted) => is_one_of(value, wanted)?.into(),
            Self::Contains(wanted) => contains(value, wanted)?.into(),
            Self::Present if *value == Value::Other => return Err(Fault::ClaimType),
            Self::Present => Verdict::Allow,
            Self::EqualsFact(_) | Self::SharesFact(_) => {
                let fact = self.fact(request)?.ok_or(Fault::NoFact)?;
                match (self, value, fact) {
                    (Self::SharesFact(_), value, fact) => lists(value, fact)?.into(),
                    (_, Value::Text(text), [fact]) => (**text == **fact).into(),
                    _ => return Err(Fault::ClaimType),
                }
            }
        })
    }

    /// The fact that it asks for, if it asks for one.
    fn fact<'a>(&self, request: Request<'a>) -> Result<Option<&'a [&'a str]>, Fault> {
        let (Self::EqualsFact(name) | Self::SharesFact(name)) = self else {
            return Ok(None);
        };
        let fact = request
            .facts
            .and_then(|facts| facts.get(name))
            .ok_or(Fault::NoFact)?;
        if matches!((self, fact), (Self::EqualsFact(_), Fact::List(_))) {
            return Err(Fault::FactType);
        }
        fact.texts().map(Some).ok_or(Fault::FactType)
    }
}

fn equals(value: &Value, wanted: &ClaimValue) -> Result<bool, Fault> {
    match (value, wanted) {
        (Value::Text(text), ClaimValue::Text(wanted)) => Ok(text == wanted),
        (Value::Integer(integer), ClaimValue::Integer(wanted)) => Ok(integer == wanted),
        (Value::Boolean(boolean), ClaimValue::Boolean(wanted)) => Ok(boolean == wanted),
        _ => Err(Fault::ClaimType),
    }
}

/// The claim must be of the type of one of the values, which may be of several.
fn is_one_of(value: &Value, wanted: &[ClaimValue]) -> Result<bool, Fault> {
    let mut comparable = wanted
        .iter()
        .filter_map(|wanted| equals(value, wanted).ok())
        .peekable();
    if comparable.peek().is_none() {
        return Err(Fault::ClaimType);
    }
    Ok(comparable.any(|equal| equal))
}

fn contains(value: &Value, wanted: &ClaimValue) -> Result<bool, Fault> {
    match (value, wanted) {
        (Value::Texts(_), ClaimValue::Text(wanted)) => lists(value, &[&**wanted]),
        // No element is of another type.
        (Value::Texts(texts), _) if texts.is_empty() => Ok(false),
        (Value::List(elements), wanted) => {
            let mut found = false;
            for element in elements {
                found |= equals(element, wanted)?;
            }
            Ok(found)
        }
        (value, wanted) => equals(value, wanted),
    }
}

/// Whether a list of texts, or one text, has one of these.
fn lists(value: &Value, wanted: &[&str]) -> Result<bool, Fault> {
    let texts = match value {
        Value::Text(text) => std::slice::from_ref(text),
        Value::Texts(texts) => texts,
        _ => return Err(Fault::ClaimType),
    };
    Ok(texts.iter().any(|text| wanted.contains(&&**text)))
}

/// `client_id` (RFC 9068 §2.2), or `azp` where an issuer calls it so. Two that differ are no answer.
fn is_client(token: &VerifiedToken, client: &str) -> Result<bool, Fault> {
    match (token.client_id(), token.authorized_party()) {
        (Some(id), Some(party)) if id != party => Err(Fault::TwoClients),
        (id, party) => Ok(id.or(party) == Some(client)),
    }
}

/// Only the outermost actor counts; those inside of it acted before (RFC 8693 §4.1).
fn is_actor(token: &VerifiedToken, issuer: Option<&str>, subject: &str) -> Result<bool, Fault> {
    let actor = match token.value("act") {
        None => return Ok(false),
        Some(actor @ Value::Object(_)) => actor,
        Some(_) => return Err(Fault::ClaimType),
    };
    let text = |name| match actor.member(name) {
        None => Ok(None),
        Some(Value::Text(text)) if !text.is_empty() => Ok(Some(&**text)),
        Some(_) => Err(Fault::ClaimType),
    };
    let (actor_issuer, actor_subject) = (text("iss")?, text("sub")?);
    let same_issuer = actor_issuer.unwrap_or(token.issuer()) == issuer.unwrap_or(token.issuer());
    Ok(same_issuer && actor_subject == Some(subject))
}

/// The levels that are at least this one, the weakest first. None, if it is not in the order.
pub(super) fn sufficient_levels<'a>(at_least: &str, order: &'a [Box<str>]) -> &'a [Box<str>] {
    let place = order.iter().position(|level| **level == *at_least);
    place
        .and_then(|place| order.get(place..))
        .unwrap_or_default()
}

impl AuthorizationDetail {
    /// Whether one of the token's details has all of this. One that is not as RFC 9396 §2 has it makes
    /// all of them doubtful.
    fn is_among(&self, details: &Value) -> Result<bool, Fault> {
        let details = match details {
            Value::List(details) => details,
            Value::Texts(none) if none.is_empty() => return Ok(false),
            _ => return Err(Fault::ClaimType),
        };
        let mut found = false;
        for detail in details {
            let Some(Value::Text(kind)) = detail.member("type") else {
                return Err(Fault::ClaimType);
            };
            let actions = lists_all(detail.member("actions"), &self.actions)?;
            let locations = lists_all(detail.member("locations"), &self.locations)?;
            found |= *kind == self.kind && actions && locations;
        }
        Ok(found)
    }
}

/// Whether a list of texts has all of these. An absent one has none.
fn lists_all(list: Option<&Value>, wanted: &[Box<str>]) -> Result<bool, Fault> {
    let texts = match list {
        None => &[][..],
        Some(Value::Texts(texts)) => texts,
        Some(_) => return Err(Fault::ClaimType),
    };
    Ok(wanted.iter().all(|wanted| texts.contains(wanted)))
}
