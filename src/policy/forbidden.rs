//! Why a policy refused a token.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use super::evaluate::{Fault, Request, Verdict};
use super::remedy::Remedy;
use super::{Node, Policy, PolicyError};

/// Why a policy refused a token, and what the caller can do about it.
///
/// Where several things are missing it says the one that helps most: a stronger or fresher login, then
/// scopes, and each only if the policy would then allow. All else is a plain refusal.
///
/// `Display` is for operators: it names the parts of the policy that did not hold, and a fault with
/// its reason. It shows nothing of the token.
///
/// # Security
///
/// The client is told no more than [`missing_scopes`](Self::missing_scopes),
/// [`acr_values`](Self::acr_values) and [`max_age`](Self::max_age), and none of it when
/// [`is_hidden`](Self::is_hidden).
#[derive(Clone)]
pub struct Forbidden(Box<Refusal>);

#[derive(Clone)]
struct Refusal {
    reason: Reason,
    hidden: bool,
    fault: bool,
    scopes: Box<[Box<str>]>,
    missing_scopes: Box<[Box<str>]>,
    acr_values: Box<[Box<str>]>,
    max_age: Option<Duration>,
    findings: Findings,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reason {
    InsufficientUserAuthentication,
    InsufficientScope,
    Forbidden,
    PolicyFault,
    InvalidPolicy,
}

#[derive(Clone)]
enum Findings {
    Invalid(PolicyError),
    /// The parts that did not hold, up to [`MAX_FINDINGS`].
    Parts(Vec<Finding>),
}

#[derive(Clone)]
struct Finding {
    part: Policy,
    fault: Option<Fault>,
}

impl Forbidden {
    /// The refusal of what has been evaluated to something else than allow.
    pub(super) fn new(policy: &Policy, request: Request<'_>, verdict: Verdict) -> Self {
        let remedy = Remedy::of(policy, request).unwrap_or_default();
        let mut findings = Vec::new();
        let hidden = collect(policy, request, &mut findings);
        let fault = matches!(verdict, Verdict::Fault(_));
        let reason = match (remedy.login, remedy.missing_scopes.is_empty()) {
            (true, _) => Reason::InsufficientUserAuthentication,
            (false, false) => Reason::InsufficientScope,
            (false, true) if fault => Reason::PolicyFault,
            (false, true) => Reason::Forbidden,
        };
        let acr_values = remedy.acr_values.filter(|_| remedy.login);
        Self(Box::new(Refusal {
            reason,
            hidden,
            fault,
            scopes: each_once(&remedy.scopes),
            missing_scopes: each_once(&remedy.missing_scopes),
            acr_values: each_once(&acr_values.unwrap_or_default()),
            max_age: remedy.max_age.filter(|_| remedy.login),
            findings: Findings::Parts(findings),
        }))
    }

    /// The refusal of a policy that cannot be used.
    pub(super) fn invalid(error: PolicyError) -> Self {
        Self(Box::new(Refusal {
            reason: Reason::InvalidPolicy,
            hidden: false,
            fault: true,
            scopes: [].into(),
            missing_scopes: [].into(),
            acr_values: [].into(),
            max_age: None,
            findings: Findings::Invalid(error),
        }))
    }

    /// The stable code of this refusal, low in cardinality, part of the crate's semantic versioning:
    ///
    /// | code | what would help |
    /// |---|---|
    /// | `insufficient_user_authentication` | a stronger or fresher login ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470)), perhaps with scopes |
    /// | `insufficient_scope` | more scopes ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)) |
    /// | `forbidden` | nothing that the caller can ask for |
    /// | `policy_fault` | an operator: it could not be told whether the policy holds |
    /// | `invalid_policy` | a developer: the policy cannot be used, and [`Policy::validated`] says why |
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self.0.reason {
            Reason::InsufficientUserAuthentication => "insufficient_user_authentication",
            Reason::InsufficientScope => "insufficient_scope",
            Reason::Forbidden => "forbidden",
            Reason::PolicyFault => "policy_fault",
            Reason::InvalidPolicy => "invalid_policy",
        }
    }

    /// Whether it could not be told if the policy holds: a claim or fact is of another type than the
    /// policy reads, a fact is missing, or the policy is invalid. Operators should hear of it, clients
    /// not; where the caller can get in by other means all the same, [`reason`](Self::reason) says so.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        self.0.fault
    }

    /// The scopes that the token still lacks, in the policy's order; none when scopes would not help.
    pub fn missing_scopes(&self) -> impl Iterator<Item = &str> {
        self.0.missing_scopes.iter().map(AsRef::as_ref)
    }

    /// The scopes that this takes in all, those that the token has among them: for a client that would
    /// lose the others by asking for the missing ones alone.
    pub fn required_scopes(&self) -> impl Iterator<Item = &str> {
        self.0.scopes.iter().map(AsRef::as_ref)
    }

    /// `acr_values`: the levels of login that would do, the weakest first; none when any would.
    pub fn acr_values(&self) -> impl Iterator<Item = &str> {
        self.0.acr_values.iter().map(AsRef::as_ref)
    }

    /// `max_age`: how long ago the login may be at most, when it must be a new one.
    #[must_use]
    pub const fn max_age(&self) -> Option<Duration> {
        self.0.max_age
    }

    /// Whether the caller is not to learn that there is such an object: answer 404 instead of 403,
    /// just as for one that is not there
    /// ([RFC 9110 §15.5.4](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.4)).
    #[must_use]
    pub const fn is_hidden(&self) -> bool {
        self.0.hidden
    }

    /// This refusal, [hidden](Self::is_hidden).
    #[must_use]
    pub fn hidden(mut self) -> Self {
        self.0.hidden = true;
        self
    }
}

/// Collects the parts that did not hold, and says whether one of them hides what it guards.
fn collect(policy: &Policy, request: Request<'_>, findings: &mut Vec<Finding>) -> bool {
    let fault = match policy.evaluate(request) {
        Verdict::Allow => return false,
        Verdict::Deny => None,
        Verdict::Fault(fault) => Some(fault),
    };
    match &policy.0.node {
        Node::All(policies) | Node::Any(policies) => {
            let hidden = policies
                .iter()
                .map(|policy| collect(policy, request, findings));
            hidden.fold(false, |any, hidden| any | hidden)
        }
        Node::AnyIssuer(policy) => collect(policy, request, findings),
        Node::Hidden(policy) => {
            collect(policy, request, findings);
            true
        }
        Node::Not(_) | Node::Atom(_) => {
            if findings.len() < MAX_FINDINGS {
                let part = policy.clone();
                findings.push(Finding { part, fault });
            }
            false
        }
    }
}

fn each_once(names: &[&str]) -> Box<[Box<str>]> {
    let mut each: Vec<Box<str>> = Vec::new();
    for name in names {
        if !each.iter().any(|known| **known == **name) {
            each.push((*name).into());
        }
    }
    each.into()
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policy does not allow it")?;
        match &self.0.findings {
            Findings::Invalid(error) => write!(f, ": {error}"),
            Findings::Parts(findings) => {
                for (number, Finding { part, fault }) in findings.iter().enumerate() {
                    f.write_str(if number == 0 { ": " } else { "; " })?;
                    match fault {
                        Some(fault) => write!(f, "{part} cannot be told ({fault})")?,
                        None => write!(f, "{part} does not hold")?,
                    }
                }
                Ok(())
            }
        }
    }
}

impl fmt::Debug for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Forbidden({}: {self})", self.reason())
    }
}

impl Error for Forbidden {}

/// As many parts as one reads in a log entry.
const MAX_FINDINGS: usize = 8;

#[cfg(feature = "testing")]
#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use super::*;
    use crate::token::VerifiedToken;

    fn refused(policy: &Policy, claims: &Json) -> Forbidden {
        let token = VerifiedToken::dangerously_assert_verified(claims);
        policy.check(&token).unwrap_err()
    }

    /// `missing` are scopes and, in parentheses, levels of login and an age in seconds.
    #[track_caller]
    fn check(policy: &Policy, claims: &Json, reason: &str, missing: &str) {
        let refusal = refused(policy, claims);
        let mut shown: Vec<_> = refusal.missing_scopes().map(str::to_owned).collect();
        shown.extend(refusal.acr_values().map(|level| format!("({level})")));
        shown.extend(refusal.max_age().map(|age| format!("({})", age.as_secs())));
        assert_eq!(
            (refusal.reason(), &*shown.join(" ")),
            (reason, missing),
            "{policy}"
        );
    }

    fn fresh() -> Policy {
        Policy::auth_time_within(Duration::from_secs(60))
    }

    fn strong() -> Policy {
        Policy::acr_at_least("silver", ["bronze", "silver", "gold"])
    }

    const SCOPE: &str = "insufficient_scope";
    const LOGIN: &str = "insufficient_user_authentication";

    #[test]
    fn the_scopes_that_are_missing_are_named() {
        let claims = json!({ "scope": "b" });
        check(&Policy::scope("a"), &claims, SCOPE, "a");
        check(&Policy::all_scopes(["c", "b", "a"]), &claims, SCOPE, "c a");
        check(
            &Policy::scope("a").and(Policy::scope("a")),
            &claims,
            SCOPE,
            "a",
        );
        let all = refused(&Policy::all_scopes(["c", "b", "a"]), &claims);
        assert_eq!(all.required_scopes().collect::<Vec<_>>(), ["c", "b", "a"]);
    }

    #[test]
    fn of_several_ways_the_shortest_is_named() {
        let claims = json!({ "scope": "b" });
        check(&Policy::any_scope(["c", "a"]), &claims, SCOPE, "c");
        let two_or_one = Policy::all_scopes(["c", "d"]).or(Policy::all_scopes(["a", "b"]));
        check(&two_or_one, &claims, SCOPE, "a");
        check(&two_or_one.or(fresh()), &claims, LOGIN, "(60)");
        let both_or_scope = fresh()
            .and(Policy::scope("a"))
            .or(Policy::all_scopes(["c", "d"]));
        check(&both_or_scope, &claims, SCOPE, "c d");
    }

    #[test]
    fn what_would_not_be_enough_is_not_named() {
        let claims = json!({ "roles": ["clerk"] });
        let admin = Policy::role("admin");
        check(&admin, &claims, "forbidden", "");
        check(
            &admin.clone().and(Policy::scope("a")),
            &claims,
            "forbidden",
            "",
        );
        check(&admin.clone().and(fresh()), &claims, "forbidden", "");
        check(&admin.or(Policy::scope("a")), &claims, SCOPE, "a");
        check(
            &Policy::role("clerk").and(Policy::scope("a")),
            &claims,
            SCOPE,
            "a",
        );
        check(
            &Policy::scope("a").not(),
            &json!({ "scope": "a" }),
            "forbidden",
            "",
        );
        let without = Policy::scope("b").and(Policy::scope("a").not());
        check(&without, &json!({ "scope": "a" }), "forbidden", "");
        check(&without, &json!({}), SCOPE, "b");
    }

    #[test]
    fn a_login_is_asked_for_with_all_it_must_be() {
        let bronze = json!({ "acr": "bronze" });
        check(&strong(), &bronze, LOGIN, "(silver) (gold)");
        check(&strong(), &json!({}), LOGIN, "(silver) (gold)");
        check(&fresh(), &json!({ "auth_time": 0 }), LOGIN, "(60)");
        // A fresh login that is weaker than the one before would be refused for that.
        let both = strong().and(fresh());
        check(
            &both,
            &json!({ "acr": "gold" }),
            LOGIN,
            "(silver) (gold) (60)",
        );
        check(&Policy::amr("otp"), &json!({ "amr": ["pwd"] }), LOGIN, "");
        let shorter = Policy::auth_time_within(Duration::from_secs(30));
        check(&fresh().and(shorter), &json!({}), LOGIN, "(30)");
    }

    #[test]
    fn levels_must_do_for_all_that_ask_for_one() {
        let other = |level| Policy::acr_at_least(level, ["bronze", "gold", "silver"]);
        check(
            &strong().and(other("gold")),
            &json!({}),
            LOGIN,
            "(silver) (gold)",
        );
        check(
            &strong().and(other("silver")),
            &json!({}),
            LOGIN,
            "(silver)",
        );
        let none = Policy::acr_at_least("x", ["x"]);
        check(&strong().and(none), &json!({}), "forbidden", "");
    }

    #[test]
    fn a_login_comes_before_scopes_and_both_are_named() {
        let both = Policy::scope("a").and(strong());
        check(&both, &json!({}), LOGIN, "a (silver) (gold)");
        check(&both, &json!({ "scope": "a" }), LOGIN, "(silver) (gold)");
        check(&both, &json!({ "acr": "gold" }), SCOPE, "a");
    }

    #[test]
    fn a_fault_is_told_and_does_not_hide_what_would_help() {
        let claims = json!({ "roles": 7 });
        let admin = Policy::role("admin");
        check(&admin, &claims, "policy_fault", "");
        check(
            &admin.clone().and(Policy::scope("a")),
            &claims,
            "forbidden",
            "",
        );
        check(&admin.clone().or(Policy::scope("a")), &claims, SCOPE, "a");
        assert!(refused(&admin, &claims).is_fault());
        assert!(refused(&admin.clone().or(Policy::scope("a")), &claims).is_fault());
        assert!(!refused(&admin.clone().and(Policy::scope("a")), &claims).is_fault());
        assert!(!refused(&admin, &json!({})).is_fault());
    }

    #[test]
    fn an_invalid_policy_denies_and_says_why() {
        let policy = Policy::scope("").or(Policy::claim("x").equals(1)).hidden();
        let refusal = refused(&policy, &json!({ "x": 1 }));
        assert_eq!(
            (refusal.reason(), refusal.is_fault()),
            ("invalid_policy", true)
        );
        assert_eq!(
            refusal.to_string(),
            format!(
                "the policy does not allow it: {}",
                policy.validated().unwrap_err()
            )
        );
    }

    #[test]
    fn operators_read_what_did_not_hold_and_nothing_of_the_token() {
        let policy = Policy::scope("a")
            .and(Policy::role("admin").or(Policy::claim("tenant").equals("acme")));
        let claims = json!({ "roles": "hidden", "tenant": ["hidden"], "scope": "hidden" });
        let refusal = refused(&policy, &claims);
        assert_eq!(
            format!("{refusal:?}"),
            r#"Forbidden(forbidden: the policy does not allow it: scope "a" does not hold; role "admin" does not hold; claim tenant = "acme" cannot be told (the claim is of another type))"#
        );
        let many = Policy::all_scopes((0..100).map(|n| n.to_string()));
        let shown = refused(&many, &json!({})).to_string();
        assert_eq!(shown.matches("does not hold").count(), MAX_FINDINGS);
    }

    #[test]
    fn what_hides_hides_when_it_is_what_refuses() {
        let hidden = |policy: &Policy, claims| refused(policy, &claims).is_hidden();
        let mine = Policy::claim("x").equals(1).hidden();
        let policy = Policy::scope("a").and(mine.clone());
        assert!(hidden(&policy, json!({ "scope": "a" })));
        assert!(hidden(&policy, json!({ "x": "1" })));
        assert!(!hidden(&policy, json!({ "x": 1 })));
        assert!(hidden(&mine.clone().or(Policy::scope("a")), json!({})));
        assert!(hidden(&mine.any_issuer(), json!({})));
        let plain = refused(&Policy::scope("a"), &json!({}));
        assert!(!plain.is_hidden() && plain.hidden().is_hidden());
    }
}
