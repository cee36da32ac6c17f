//! What a policy makes of a token: allow, deny, or fault.
//!
//! Three values, because "is not" and "cannot be told" differ under `not`: a token whose `roles` is a
//! number must not pass `not(role("suspended"))`. They combine as Kleene's do, by the table of the
//! [module](super).

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
            Node::All(policies) => Verdict::all(policies.iter().map(|one| one.evaluate(request))),
            Node::Any(policies) => Verdict::any(policies.iter().map(|one| one.evaluate(request))),
            Node::Not(policy) => policy.evaluate(request).not(),
            Node::AnyIssuer(policy) | Node::Hidden(policy) => policy.evaluate(request),
            Node::Atom(atom) => atom.evaluate(request).unwrap_or_else(Verdict::Fault),
        }
    }
}

impl Verdict {
    /// Asks for no more of them than it takes.
    pub(super) fn all(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let mut outcome = Self::Allow;
        for verdict in verdicts {
            match verdict {
                Self::Deny => return Self::Deny,
                Self::Fault(fault) if outcome == Self::Allow => outcome = Self::Fault(fault),
                Self::Allow | Self::Fault(_) => {}
            }
        }
        outcome
    }

    /// Asks for no more of them than it takes.
    pub(super) fn any(verdicts: impl IntoIterator<Item = Self>) -> Self {
        let mut outcome = Self::Deny;
        for verdict in verdicts {
            match verdict {
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
                None => {
                    // What the service fails to say is a fault, whatever the token says.
                    test.fact(request)?;
                    Verdict::Deny
                }
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
        NumericDate::from_system_time(self.time())
    }

    /// The moment that is decided for.
    pub(super) fn time(&self) -> SystemTime {
        let given = self.facts.and_then(|facts| facts.now);
        given.unwrap_or_else(|| self.token.verified_at())
    }
}

impl ClaimPath {
    /// The claim there, if all of its path is. What has a member asked for must be an object.
    pub(super) fn read<'t>(&self, token: &'t VerifiedToken) -> Result<Option<&'t Value>, Fault> {
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
            Self::Present if *value == Value::Null => return Err(Fault::ClaimType),
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
    let own = token.issuer();
    let same_issuer = actor_issuer.unwrap_or(own) == issuer.unwrap_or(own);
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

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use serde_json::{Value as Json, json};

    use super::*;

    #[track_caller]
    fn check_on(policy: &Policy, claims: &Json, facts: Option<&Facts<'_>>, expected: &str) {
        let token = &VerifiedToken::dangerously_assert_verified(claims);
        assert!(policy.clone().validated().is_ok(), "{policy}");
        let verdict = policy.evaluate(Request { token, facts });
        let shown = match verdict {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
            Verdict::Fault(_) => "fault",
        };
        assert_eq!(shown, expected, "{policy}: {verdict:?} for {claims}");
        let outcome = match facts {
            Some(facts) => policy.check_on(token, facts),
            None => policy.check(token),
        };
        assert_eq!(outcome.is_ok(), verdict == Verdict::Allow, "{policy}");
    }

    #[track_caller]
    fn check(policy: &Policy, claims: &Json, expected: &str) {
        check_on(policy, claims, None, expected);
    }

    #[test]
    fn a_scope_is_one_word_of_the_scopes() {
        let policy = Policy::scope("orders:read");
        check(&policy, &json!({ "scope": "a orders:read" }), "allow");
        check(&policy, &json!({ "scp": ["orders:read"] }), "allow");
        for scope in ["", "orders:rea", "orders:read2", "Orders:read", "orders"] {
            check(&policy, &json!({ "scope": scope }), "deny");
        }
        check(&policy, &json!({ "scp": ["a orders:read"] }), "deny");
        check(&policy, &json!({}), "deny");
        let (all, any) = (
            Policy::all_scopes(["a", "b"]),
            Policy::any_scope(["a", "b"]),
        );
        for (scope, expected) in [
            ("a b", ["allow", "allow"]),
            ("b", ["deny", "allow"]),
            ("c", ["deny", "deny"]),
        ] {
            check(&all, &json!({ "scope": scope }), expected[0]);
            check(&any, &json!({ "scope": scope }), expected[1]);
        }
    }

    #[test]
    fn what_is_granted_is_an_element_of_a_list() {
        for (claim, policy) in [
            ("roles", Policy::role("admin")),
            ("groups", Policy::group("admin")),
            ("entitlements", Policy::entitlement("admin")),
            ("permissions", Policy::permission("admin")),
        ] {
            check(&policy, &json!({ claim: ["a", "admin"] }), "allow");
            check(&policy, &json!({ claim: "admin" }), "allow");
            for other in [
                json!([]),
                json!(["a", "Admin"]),
                json!("a admin"),
                json!(""),
            ] {
                check(&policy, &json!({ claim: other }), "deny");
            }
            check(&policy, &json!({}), "deny");
            for ill in [
                json!(null),
                json!(1),
                json!(true),
                json!({ "admin": true }),
                json!(["admin", 1]),
                json!(["admin", null]),
                json!([["admin"]]),
                json!([{ "value": "admin" }]),
            ] {
                check(&policy, &json!({ claim: ill }), "fault");
                check(&policy.clone().not(), &json!({ claim: ill }), "fault");
            }
        }
    }

    #[test]
    fn authority_is_read_where_its_issuer_writes_it() {
        let keycloak = json!({
            "realm_access": { "roles": ["admin"] },
            "resource_access": { "shop.api": { "roles": ["clerk"] } },
            "https://example.com/roles": ["guest"],
        });
        let clerk = ["resource_access", "shop.api", "roles"];
        check(
            &Policy::role_at("realm_access.roles", "admin"),
            &keycloak,
            "allow",
        );
        check(&Policy::role_at(clerk, "clerk"), &keycloak, "allow");
        check(
            &Policy::role_at(["https://example.com/roles"], "guest"),
            &keycloak,
            "allow",
        );
        check(&Policy::role("admin"), &keycloak, "deny");
        check(
            &Policy::role_at("realm_access.groups", "admin"),
            &keycloak,
            "deny",
        );
        check(
            &Policy::role_at("resource_access.shop.api.roles", "clerk"),
            &keycloak,
            "deny",
        );
        // What is no object has no members to be absent.
        check(
            &Policy::role_at("realm_access.roles.admin", "x"),
            &keycloak,
            "fault",
        );
        for ill in [
            json!("roles"),
            json!([{ "roles": ["admin"] }]),
            json!(null),
            json!(1),
        ] {
            let policy = Policy::role_at("realm_access.roles", "admin");
            check(&policy, &json!({ "realm_access": ill }), "fault");
        }
    }

    #[test]
    fn a_claim_equals_a_value_of_its_own_type() {
        let of = |claim: Json| json!({ "x": claim });
        let (text, integer, boolean) = (
            Policy::claim("x").equals("7"),
            Policy::claim("x").equals(7),
            Policy::claim("x").equals(true),
        );
        for (claim, expected) in [
            (json!("7"), ["allow", "fault", "fault"]),
            (json!("8"), ["deny", "fault", "fault"]),
            (json!(""), ["deny", "fault", "fault"]),
            (json!(7), ["fault", "allow", "fault"]),
            (json!(-7), ["fault", "deny", "fault"]),
            (json!(7.0), ["fault", "fault", "fault"]),
            (json!(u64::MAX), ["fault", "fault", "fault"]),
            (json!(true), ["fault", "fault", "allow"]),
            (json!(false), ["fault", "fault", "deny"]),
            (json!(null), ["fault", "fault", "fault"]),
            (json!(["7"]), ["fault", "fault", "fault"]),
            (json!({ "7": 7 }), ["fault", "fault", "fault"]),
        ] {
            check(&text, &of(claim.clone()), expected[0]);
            check(&integer, &of(claim.clone()), expected[1]);
            check(&boolean, &of(claim), expected[2]);
        }
        check(&text, &json!({}), "deny");
        check(&text.not(), &json!({}), "allow");
    }

    #[test]
    fn a_claim_is_one_of_several_values() {
        let policy = Policy::claim("x").is_one_of(["a", "b"]);
        for (claim, expected) in [
            (json!("a"), "allow"),
            (json!("b"), "allow"),
            (json!("c"), "deny"),
            (json!(1), "fault"),
            (json!(["a"]), "fault"),
            (json!(null), "fault"),
        ] {
            check(&policy, &json!({ "x": claim }), expected);
        }
        let values = [ClaimValue::from("a"), ClaimValue::from(1)];
        let mixed = Policy::claim("x").is_one_of(values);
        for (claim, expected) in [
            (json!(1), "allow"),
            (json!(2), "deny"),
            (json!(true), "fault"),
        ] {
            check(&mixed, &json!({ "x": claim }), expected);
        }
    }

    #[test]
    fn a_claim_contains_an_element() {
        let (text, integer) = (
            Policy::claim("x").contains("a"),
            Policy::claim("x").contains(1),
        );
        for (claim, expected) in [
            (json!(["b", "a"]), ["allow", "fault"]),
            (json!("a"), ["allow", "fault"]),
            (json!("a b"), ["deny", "fault"]),
            (json!([]), ["deny", "deny"]),
            (json!([2, 1]), ["fault", "allow"]),
            (json!(1), ["fault", "allow"]),
            (json!([2]), ["fault", "deny"]),
            (json!([1, "a"]), ["fault", "fault"]),
            (json!([["a"]]), ["fault", "fault"]),
            (json!({ "a": 1 }), ["fault", "fault"]),
        ] {
            check(&text, &json!({ "x": claim }), expected[0]);
            check(&integer, &json!({ "x": claim }), expected[1]);
        }
    }

    #[test]
    fn a_claim_is_present_whatever_it_is() {
        let policy = Policy::claim("x.y").is_present();
        for there in [
            json!(""),
            json!([]),
            json!([null]),
            json!({}),
            json!(0),
            json!(1.5),
            json!(u64::MAX),
            json!(false),
        ] {
            check(&policy, &json!({ "x": { "y": there } }), "allow");
        }
        check(&policy, &json!({ "x": { "y": null } }), "fault");
        check(&policy, &json!({ "x": null }), "fault");
        check(&policy, &json!({ "x": {} }), "deny");
        check(&policy, &json!({}), "deny");
    }

    #[test]
    fn an_issuer_is_compared_byte_for_byte() {
        let policy = Policy::issuer("https://id.example.com");
        check(
            &policy,
            &json!({ "iss": "https://id.example.com" }),
            "allow",
        );
        for other in ["https://id.example.com/", "https://ID.example.com", "x"] {
            check(&policy, &json!({ "iss": other }), "deny");
        }
    }

    #[test]
    fn a_client_is_client_id_or_azp_and_not_two() {
        let policy = Policy::client("app");
        check(&policy, &json!({ "client_id": "app" }), "allow");
        check(&policy, &json!({ "azp": "app" }), "allow");
        check(
            &policy,
            &json!({ "client_id": "app", "azp": "app" }),
            "allow",
        );
        check(
            &policy,
            &json!({ "client_id": "app", "azp": "other" }),
            "fault",
        );
        check(&policy, &json!({ "client_id": "other" }), "deny");
        check(&policy, &json!({ "sub": "app" }), "deny");
    }

    #[test]
    fn only_the_outermost_actor_counts() {
        let (ours, other) = (Policy::actor("svc"), Policy::actor_of("https://b", "svc"));
        for (act, expected) in [
            (json!({ "sub": "svc" }), ["allow", "deny"]),
            (
                json!({ "sub": "svc", "iss": "https://a" }),
                ["allow", "deny"],
            ),
            (
                json!({ "sub": "svc", "iss": "https://b" }),
                ["deny", "allow"],
            ),
            (
                json!({ "sub": "other", "act": { "sub": "svc" } }),
                ["deny", "deny"],
            ),
            (json!({ "act": { "sub": "svc" } }), ["deny", "deny"]),
            (json!({}), ["deny", "deny"]),
            (json!("svc"), ["fault", "fault"]),
            (json!(["svc"]), ["fault", "fault"]),
            (json!(null), ["fault", "fault"]),
            (json!({ "sub": 7 }), ["fault", "fault"]),
            (json!({ "sub": "" }), ["fault", "fault"]),
            (json!({ "sub": "svc", "iss": "" }), ["fault", "fault"]),
            (json!({ "sub": "svc", "iss": null }), ["fault", "fault"]),
        ] {
            let claims = json!({ "iss": "https://a", "act": act });
            check(&ours, &claims, expected[0]);
            check(&other, &claims, expected[1]);
        }
        check(&ours, &json!({ "iss": "https://a" }), "deny");
        let same = Policy::actor_of("https://a", "svc");
        check(
            &same,
            &json!({ "iss": "https://a", "act": { "sub": "svc" } }),
            "allow",
        );
    }

    #[test]
    fn a_level_is_reached_by_those_above_it() {
        let order = ["bronze", "silver", "gold"];
        for (at_least, allowed) in [("bronze", 3), ("silver", 2), ("gold", 1)] {
            let policy = Policy::acr_at_least(at_least, order);
            for (place, acr) in order.iter().enumerate() {
                let expected = if place + allowed >= 3 {
                    "allow"
                } else {
                    "deny"
                };
                check(&policy, &json!({ "acr": acr }), expected);
            }
            for unknown in ["", "platinum", "Gold", "gold silver"] {
                check(&policy, &json!({ "acr": unknown }), "deny");
            }
            check(&policy, &json!({}), "deny");
        }
    }

    #[test]
    fn methods_are_elements_of_amr() {
        let (all, any) = (
            Policy::all_amr(["pwd", "otp"]),
            Policy::any_amr(["otp", "hwk"]),
        );
        for (amr, expected) in [
            (json!(["otp", "pwd"]), ["allow", "allow"]),
            (json!(["pwd"]), ["deny", "deny"]),
            (json!(["hwk"]), ["deny", "allow"]),
            (json!("otp"), ["deny", "allow"]),
            (json!([]), ["deny", "deny"]),
        ] {
            check(&all, &json!({ "amr": amr }), expected[0]);
            check(&any, &json!({ "amr": amr }), expected[1]);
        }
    }

    #[test]
    fn a_login_is_fresh_up_to_its_age_and_leeway() {
        let policy = Policy::auth_time_within(Duration::from_secs(900));
        // Asserted tokens have the default leeway.
        for (ago, expected) in [
            (0, "allow"),
            (930, "allow"),
            (931, "deny"),
            (-30, "allow"),
            (-31, "fault"),
            (i64::MIN + 2_000_000_000, "fault"),
        ] {
            let now = 1_800_000_000_i64;
            let facts = Facts::new().now(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
            let claims = json!({ "auth_time": now.saturating_sub(ago) });
            check_on(&policy, &claims, Some(&facts), expected);
        }
        let facts = Facts::new().now(UNIX_EPOCH + Duration::from_nanos(930_000_000_001));
        check_on(&policy, &json!({ "auth_time": 0 }), Some(&facts), "deny");
        check_on(&policy, &json!({}), Some(&facts), "deny");
        check_on(
            &policy,
            &json!({ "auth_time": -1e300 }),
            Some(&facts),
            "deny",
        );
    }

    #[test]
    fn a_login_is_judged_for_when_the_token_was_verified_last() {
        let claims = json!({ "auth_time": 1_000 });
        let token = VerifiedToken::dangerously_assert_verified(&claims);
        let policy = Policy::auth_time_within(Duration::from_secs(60));
        for (now, allowed) in [(1_090, true), (1_091, false), (1_000, true)] {
            token.clone().verified_again(NumericDate::from_system_time(
                UNIX_EPOCH + Duration::from_secs(now),
            ));
            assert_eq!(policy.check(&token).is_ok(), allowed, "{now}");
        }
    }

    #[test]
    fn one_detail_has_all_that_is_asked_for() {
        let payment = AuthorizationDetail::of_type("payment");
        let policy = Policy::authorization_detail(
            payment
                .clone()
                .action("read")
                .action("pay")
                .location("https://a"),
        );
        let detail = |actions: Json, locations: Json| json!({ "type": "payment", "actions": actions, "locations": locations, "amount": 1.5 });
        let full = detail(
            json!(["pay", "read", "x"]),
            json!(["https://b", "https://a"]),
        );
        check(
            &policy,
            &json!({ "authorization_details": [{ "type": "x" }, full] }),
            "allow",
        );
        let halves = [
            detail(json!(["pay"]), json!(["https://a"])),
            detail(json!(["read"]), json!(["https://a"])),
        ];
        for details in [
            json!([]),
            json!(halves),
            json!([detail(json!(["pay", "read"]), json!([]))]),
            json!([{ "type": "payment" }]),
            json!([{ "type": "other", "actions": ["pay", "read"], "locations": ["https://a"] }]),
        ] {
            check(
                &policy,
                &json!({ "authorization_details": details }),
                "deny",
            );
        }
        check(&policy, &json!({}), "deny");
        for ill in [
            json!(null),
            json!("payment"),
            json!({ "type": "payment" }),
            json!(["payment"]),
            json!([full, { "actions": [] }]),
            json!([full, { "type": 1 }]),
            json!([full, 7]),
            json!([full, detail(json!("pay"), json!([]))]),
            json!([full, detail(json!(null), json!([]))]),
            json!([full, detail(json!([1]), json!([]))]),
            json!([full, detail(json!([]), json!({}))]),
        ] {
            check(&policy, &json!({ "authorization_details": ill }), "fault");
        }
        let any = Policy::authorization_detail(payment);
        check(
            &any,
            &json!({ "authorization_details": [{ "type": "payment" }] }),
            "allow",
        );
    }

    #[test]
    fn an_owner_is_a_subject_of_an_issuer() {
        let policy = Policy::owner();
        let alice = json!({ "iss": "https://a", "sub": "alice" });
        let facts = |issuer, subject| Facts::new().owner(issuer, subject);
        check_on(&policy, &alice, Some(&facts("https://a", "alice")), "allow");
        check_on(&policy, &alice, Some(&facts("https://b", "alice")), "deny");
        check_on(&policy, &alice, Some(&facts("https://a", "bob")), "deny");
        check_on(
            &policy,
            &json!({ "iss": "https://a" }),
            Some(&facts("https://a", "x")),
            "deny",
        );
        // What is not set is nobody's, and not everybody's.
        check_on(
            &policy,
            &json!({ "sub": "alice" }),
            Some(&facts("", "alice")),
            "fault",
        );
        check_on(
            &policy,
            &json!({ "iss": "https://a" }),
            Some(&facts("https://a", "")),
            "fault",
        );
        check_on(&policy, &alice, Some(&Facts::new()), "fault");
        check(&policy, &alice, "fault");
        check(&policy.clone().not(), &alice, "fault");
        let or_admin = policy.or(Policy::role("admin"));
        check(&or_admin, &json!({ "roles": ["admin"] }), "allow");
        check(&or_admin, &json!({ "roles": [] }), "fault");
    }

    #[test]
    fn a_claim_is_the_same_as_a_fact() {
        let policy = Policy::claim("tenant").equals_fact("tenant");
        let (acme, absent) = (json!({ "tenant": "acme" }), json!({}));
        let tenant = |text| Facts::new().fact("tenant", text);
        check_on(&policy, &acme, Some(&tenant("acme")), "allow");
        check_on(&policy, &acme, Some(&tenant("other")), "deny");
        check_on(&policy, &absent, Some(&tenant("acme")), "deny");
        check_on(
            &policy,
            &acme,
            Some(&tenant("other").fact("tenant", "acme")),
            "allow",
        );
        for ill in [json!(1), json!(["acme"]), json!(null)] {
            check_on(
                &policy,
                &json!({ "tenant": ill }),
                Some(&tenant("acme")),
                "fault",
            );
        }
        check_on(
            &policy,
            &json!({ "tenant": "" }),
            Some(&tenant("")),
            "fault",
        );
        check_on(&policy, &absent, Some(&tenant("")), "fault");
        let list = Facts::new().fact_list("tenant", ["acme"]);
        check_on(&policy, &acme, Some(&list), "fault");
        check_on(&policy, &absent, Some(&list), "fault");
        check_on(
            &policy,
            &acme,
            Some(&Facts::new().fact("other", "acme")),
            "fault",
        );
        check(&policy, &acme, "fault");
        check(&policy, &absent, "fault");
    }

    #[test]
    fn a_claim_and_a_fact_share_an_element() {
        let policy = Policy::shares("groups");
        let claims = |groups: Json| json!({ "groups": groups });
        let groups = |groups: &'static [&'static str]| {
            Facts::new().fact_list("groups", groups.iter().copied())
        };
        check_on(
            &policy,
            &claims(json!(["a", "b"])),
            Some(&groups(&["c", "b"])),
            "allow",
        );
        check_on(
            &policy,
            &claims(json!("b")),
            Some(&groups(&["c", "b"])),
            "allow",
        );
        let one = Facts::new().fact("groups", "b");
        check_on(&policy, &claims(json!(["a", "b"])), Some(&one), "allow");
        check_on(
            &policy,
            &claims(json!(["a", "b"])),
            Some(&groups(&["c"])),
            "deny",
        );
        check_on(&policy, &claims(json!([])), Some(&groups(&["c"])), "deny");
        check_on(&policy, &claims(json!(["a"])), Some(&groups(&[])), "deny");
        check_on(&policy, &json!({}), Some(&groups(&["c"])), "deny");
        check_on(
            &policy,
            &claims(json!([""])),
            Some(&groups(&["a", ""])),
            "fault",
        );
        check_on(
            &policy,
            &claims(json!(["a", 1])),
            Some(&groups(&["a"])),
            "fault",
        );
        check(&policy, &claims(json!(["a"])), "fault");
    }

    #[test]
    fn what_the_service_checks_itself_has_three_outcomes() {
        let adult = Policy::custom("adult", |token| {
            Ok(token.claim::<u32>("age")?.is_some_and(|age| age >= 18))
        });
        check(&adult, &json!({ "age": 18 }), "allow");
        check(&adult, &json!({ "age": 17 }), "deny");
        check(&adult, &json!({}), "deny");
        check(&adult, &json!({ "age": "18" }), "fault");
        check(&adult.not(), &json!({ "age": "18" }), "fault");
    }

    /// A policy with this outcome for a token of which `x` is a number.
    fn outcome(name: &str) -> Policy {
        match name {
            "allow" => Policy::claim("x").equals(1),
            "deny" => Policy::claim("x").equals(2),
            _ => Policy::claim("x").equals("1"),
        }
    }

    #[test]
    fn outcomes_combine_as_the_table_says() {
        let claims = json!({ "x": 1 });
        for (left, right, and, or) in [
            ("allow", "allow", "allow", "allow"),
            ("allow", "deny", "deny", "allow"),
            ("allow", "fault", "fault", "allow"),
            ("deny", "deny", "deny", "deny"),
            ("deny", "fault", "deny", "fault"),
            ("fault", "fault", "fault", "fault"),
        ] {
            for (left, right) in [(left, right), (right, left)] {
                check(&outcome(left).and(outcome(right)), &claims, and);
                check(&outcome(left).or(outcome(right)), &claims, or);
            }
        }
        for (name, not) in [("allow", "deny"), ("deny", "allow"), ("fault", "fault")] {
            check(&outcome(name), &claims, name);
            check(&outcome(name).not(), &claims, not);
            check(&outcome(name).any_issuer(), &claims, name);
            check(&outcome(name).hidden(), &claims, name);
        }
    }
}
