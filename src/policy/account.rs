//! How a policy came to its outcome, part by part.

use super::atom::Atom;
use super::evaluate::{Request, Verdict};
use super::{Facts, Forbidden, Node, Policy};
use crate::text::{Configured, Escaped, listed};
use crate::time_text::Moment;
use crate::token::VerifiedToken;

/// What a policy made of one token, and each of its parts beside the others: a decision stops at the
/// first part that settles it, an account does not.
pub(crate) struct Account {
    pub(crate) decision: Result<(), Forbidden>,
    /// From the outermost part to the innermost ones, each before those it is made of.
    pub(crate) parts: Vec<Part>,
}

/// One part of a policy.
pub(crate) struct Part {
    /// How many parts it stands in.
    pub(crate) depth: usize,
    /// What it is called in configuration.
    pub(crate) name: &'static str,
    pub(crate) expected: String,
    pub(crate) found: Option<String>,
    pub(crate) outcome: PartOutcome,
}

pub(crate) enum PartOutcome {
    Holds,
    DoesNotHold,
    Fault,
}

impl Policy {
    /// The decision of [`check`](Self::check), or of [`check_on`](Self::check_on) where there are facts,
    /// with how it came about.
    pub(crate) fn account(&self, token: &VerifiedToken, facts: Option<&Facts<'_>>) -> Account {
        let request = Request { token, facts };
        let mut parts = Vec::new();
        if self.0.problem.is_none() {
            collect(self, request, 0, &mut parts);
        }
        Account {
            decision: self.decide(request),
            parts,
        }
    }
}

fn collect(policy: &Policy, request: Request<'_>, depth: usize, parts: &mut Vec<Part>) {
    if parts.len() >= MAX_PARTS {
        return;
    }
    let (name, expected, inner) = match &policy.0.node {
        Node::All(policies) => ("all", "each of these".to_owned(), &**policies),
        Node::Any(policies) => ("any", "one of these".to_owned(), &**policies),
        Node::Not(policy) => ("not", "not this".to_owned(), std::slice::from_ref(policy)),
        Node::AnyIssuer(policy) => {
            let expected = "this, of whichever issuer".to_owned();
            ("any_issuer", expected, std::slice::from_ref(policy))
        }
        Node::Hidden(policy) => {
            let expected = "this, else there is no such object".to_owned();
            ("hidden", expected, std::slice::from_ref(policy))
        }
        Node::Atom(atom) => (atom.name(), atom.to_string(), &[][..]),
    };
    let (outcome, fault) = match policy.evaluate(request) {
        Verdict::Allow => (PartOutcome::Holds, None),
        Verdict::Deny => (PartOutcome::DoesNotHold, None),
        Verdict::Fault(fault) => (PartOutcome::Fault, Some(fault.to_string())),
    };
    let found = match &policy.0.node {
        Node::Atom(atom) => fault.or_else(|| atom.found(request)),
        _ => None,
    };
    parts.push(Part {
        depth,
        name,
        expected,
        found,
        outcome,
    });
    for policy in inner {
        collect(policy, request, depth + 1, parts);
    }
}

impl Atom {
    /// What it is called in configuration.
    fn name(&self) -> &'static str {
        match self {
            Self::Scope(_) => "scope",
            Self::Granted { kind, .. } => kind.name(),
            Self::Claim { .. } => "claim",
            Self::Issuer(_) => "issuer",
            Self::Client(_) => "client",
            Self::Actor { .. } => "actor",
            Self::Acr { .. } => "acr_at_least",
            Self::Amr(_) => "amr",
            Self::AuthTimeWithin(_) => "auth_time_within_seconds",
            Self::Detail(_) => "authorization_detail",
            Self::Owner => "owner",
            Self::Custom { .. } => "custom",
        }
    }

    /// What stands in the token instead, as far as it is a registered claim; of another one, whether it is
    /// there.
    fn found(&self, request: Request<'_>) -> Option<String> {
        let token = request.token;
        let presence = |is_there| {
            let found = if is_there {
                "the claim is there"
            } else {
                "no such claim"
            };
            Some(found.to_owned())
        };
        let text = |text: Option<&str>| match text {
            Some(text) => format!("{:?}", Escaped(text)),
            None => "none".to_owned(),
        };
        match self {
            Self::Scope(_) => Some(listed(token.scopes().iter().map(Escaped))),
            Self::Granted { path, .. } | Self::Claim { path, .. } => {
                presence(path.read(token).is_ok_and(|claim| claim.is_some()))
            }
            Self::Issuer(_) => Some(format!("{:?}", Configured(token.issuer()))),
            Self::Client(_) => Some(text(token.client_id().or_else(|| token.authorized_party()))),
            Self::Actor { .. } => presence(token.value("act").is_some()),
            Self::Acr { .. } => Some(text(token.authentication().acr())),
            Self::Amr(_) => Some(listed(token.authentication().amr().map(Escaped))),
            Self::AuthTimeWithin(_) => {
                let login = token.authentication().auth_time();
                let moment = login.map(|at| Moment {
                    at,
                    now: request.time(),
                });
                Some(moment.map_or_else(|| "none".to_owned(), |moment| moment.to_string()))
            }
            Self::Detail(_) => presence(token.value("authorization_details").is_some()),
            Self::Owner | Self::Custom { .. } => None,
        }
    }
}

/// As many parts as one reads.
const MAX_PARTS: usize = 64;
