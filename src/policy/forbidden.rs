//! Why a policy refused a token.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::time::Duration;

use super::evaluate::{Fault, Request, Verdict};
use super::remedy::Remedy;
use super::{Node, Policy, PolicyError};

/// Why a policy refused a token, and what the caller can do about it.
///
/// Where several things are missing it says the one that helps most: a stronger or fresher login, then
/// scopes, and each only if the policy would then allow, as far as that is known: what is under
/// [`not`](Policy::not) is taken to stay as it is, and a new login to use the methods of
/// [`amr`](Policy::amr), which no challenge can name. All else is a plain refusal.
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
        let (_, hidden) = collect(policy, request, &mut findings);
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
            scopes: boxed(&remedy.scopes),
            missing_scopes: boxed(&remedy.missing_scopes),
            acr_values: boxed(&acr_values.unwrap_or_default()),
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

    /// The scopes that the token still lacks, each once; none when scopes would not help. In the policy's
    /// order, with those of an `any` after those that there is no choice about.
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

/// Collects the parts that did not hold, and says whether one of them hides what it guards. Each part is
/// evaluated once: the outcome of what is made of parts is that of its parts.
fn collect(policy: &Policy, request: Request<'_>, findings: &mut Vec<Finding>) -> (Verdict, bool) {
    let before = findings.len();
    let (verdict, hides) = match &policy.0.node {
        Node::All(policies) | Node::Any(policies) => {
            // To the last one, as all that did not hold are told.
            let (verdicts, hide): (Vec<_>, Vec<_>) = policies
                .iter()
                .map(|policy| collect(policy, request, findings))
                .unzip();
            let verdict = match policy.0.node {
                Node::All(_) => Verdict::all(verdicts),
                _ => Verdict::any(verdicts),
            };
            (verdict, hide.contains(&true))
        }
        Node::AnyIssuer(policy) => collect(policy, request, findings),
        Node::Hidden(policy) => (collect(policy, request, findings).0, true),
        Node::Not(_) | Node::Atom(_) => {
            let verdict = policy.evaluate(request);
            if findings.len() < MAX_FINDINGS {
                let fault = match verdict {
                    Verdict::Fault(fault) => Some(fault),
                    Verdict::Allow | Verdict::Deny => None,
                };
                let part = policy.clone();
                findings.push(Finding { part, fault });
            }
            (verdict, hides(policy))
        }
    };
    if verdict == Verdict::Allow {
        findings.truncate(before);
        return (verdict, false);
    }
    (verdict, hides)
}

/// Whether anything in it hides. Under `not` it is not told which part of it refuses, so each of them hides.
fn hides(policy: &Policy) -> bool {
    match &policy.0.node {
        Node::All(policies) | Node::Any(policies) => policies.iter().any(hides),
        Node::Not(policy) | Node::AnyIssuer(policy) => hides(policy),
        Node::Hidden(_) => true,
        Node::Atom(_) => false,
    }
}

fn boxed(names: &[&str]) -> Box<[Box<str>]> {
    names.iter().copied().map(Into::into).collect()
}

impl fmt::Display for Forbidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the policy does not allow it")?;
        match &self.0.findings {
            Findings::Invalid(error) => write!(f, ": {error}"),
            Findings::Parts(findings) => {
                for (number, Finding { part, fault }) in findings.iter().enumerate() {
                    f.write_str(if number == 0 { ": " } else { "; " })?;
                    let mut cut = Cut(f, MAX_FINDING_CHARACTERS);
                    // An error of its own says that it was cut.
                    if write!(cut, "{part}").is_err() && cut.1 == 0 {
                        f.write_str("...")?;
                    }
                    match fault {
                        Some(fault) => write!(f, " cannot be told ({fault})")?,
                        None => f.write_str(" does not hold")?,
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

/// Writes so many characters, and refuses the rest.
struct Cut<'a, 'f>(&'a mut fmt::Formatter<'f>, usize);

impl fmt::Write for Cut<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = text.char_indices().nth(self.1);
        let fits = end.and_then(|(end, _)| text.get(..end));
        self.0.write_str(fits.unwrap_or(text))?;
        self.1 = self.1.saturating_sub(text.chars().count());
        if fits.is_some() {
            Err(fmt::Error)
        } else {
            Ok(())
        }
    }
}

/// As many parts as one reads in a log entry.
const MAX_FINDINGS: usize = 8;
/// A part may be a list of thousands of values, and a refusal is logged for each request.
const MAX_FINDING_CHARACTERS: usize = 256;

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
    fn a_way_in_is_chosen_beside_what_it_takes_anyway() {
        let either = Policy::any_scope(["read", "write"]);
        let write = Policy::scope("write");
        check(
            &either.clone().and(write.clone()),
            &json!({}),
            SCOPE,
            "write",
        );
        check(
            &write.clone().and(either.clone()),
            &json!({}),
            SCOPE,
            "write",
        );
        let nested = Policy::all([either.clone().or(fresh()), write, either]);
        check(&nested, &json!({}), SCOPE, "write");
        // The login that would do for one part would not for another.
        let gold = Policy::acr_at_least("gold", ["gold"]);
        let silver = Policy::acr_at_least("silver", ["silver"]);
        let policy = gold.or(Policy::scope("a")).and(silver);
        check(&policy, &json!({ "acr": "silver" }), SCOPE, "a");
        check(&policy, &json!({}), LOGIN, "a (silver)");
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
    fn a_part_that_is_long_is_cut() {
        for characters in [100, 245, 246, 247, 10_000] {
            let policy = Policy::client("k".repeat(characters));
            let whole = format!("the policy does not allow it: {policy} does not hold");
            let shown = refused(&policy, &json!({})).to_string();
            if policy.to_string().len() <= MAX_FINDING_CHARACTERS {
                assert_eq!(shown, whole);
            } else {
                let start = whole.split_at(30 + MAX_FINDING_CHARACTERS).0;
                assert_eq!(shown, format!("{start}... does not hold"));
            }
        }
        let many = Policy::claim("x")
            .is_one_of((0..10_000).map(i64::from))
            .not();
        assert!(refused(&many, &json!({ "x": 1 })).to_string().len() < 400);
    }

    #[test]
    fn each_part_is_asked_a_few_times_however_deep_it_stands() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicUsize, Ordering};

        let asked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&asked);
        let mut policy = Policy::custom("counted", move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Ok(false)
        });
        for _ in 0..15 {
            policy = Policy::any([policy, Policy::role("a")]);
            policy = Policy::all([policy, Policy::scope("b").not()]);
        }
        refused(&policy, &json!({}));
        // For the decision, for what would mend it, and for what is told of it.
        assert_eq!(asked.load(Ordering::Relaxed), 3);
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
        assert!(hidden(&mine.clone().any_issuer(), json!({})));
        // Which part of what is negated refuses is not told.
        for negated in [mine.clone().not(), mine.not().not()] {
            for x in [1, 2] {
                let policy = negated.clone().or(Policy::scope("a"));
                let claims = json!({ "x": x });
                let token = VerifiedToken::dangerously_assert_verified(&claims);
                assert!(policy.check(&token).is_ok() || hidden(&policy, claims));
            }
        }
        let plain = refused(&Policy::scope("a"), &json!({}));
        assert!(!plain.is_hidden() && plain.hidden().is_hidden());
    }
}
