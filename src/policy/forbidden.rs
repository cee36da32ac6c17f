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
