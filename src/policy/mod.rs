//! Whether the bearer of a verified token may do this, to that.
//!
//! A [`Policy`] is a value: made once of parts that are and-ed and or-ed, checked for errors by
//! [`validated`](Policy::validated), and the same for HTTP, gRPC and a plain call. `docs/authorization.md` in
//! the repository has a recipe for each thing that services ask.
//!
//! # Three outcomes
//!
//! A part allows, denies, or is a **fault**: it cannot be told, because a claim is of another type than the
//! part reads, or the service did not give the fact that it compares with. A fault denies, under
//! [`not`](Policy::not) as well, and operators are told of it ([`Forbidden::is_fault`]). An absent claim
//! is no fault: it denies.
//!
//! A side that decides alone decides, whatever the other is; otherwise a fault is the outcome:
//!
//! | | `and` allow | `and` deny | `and` fault | `or` allow | `or` deny | `or` fault |
//! |---|---|---|---|---|---|---|
//! | allow | allow | deny | fault | allow | allow | allow |
//! | deny | deny | deny | deny | allow | deny | fault |
//! | fault | fault | deny | fault | allow | fault | fault |
//!
//! So what one issuer writes wrongly in one claim takes nothing from those whom another branch allows, and lets
//! nobody in: whichever way the claim were mended, the outcome would be the same.
//!
//! # In configuration
//!
//! A policy is `Deserialize` and `Serialize`: a part is a table named by what it asks for. In YAML:
//!
//! ```yaml
//! all:
//!   - scope: orders:read
//!   - any:
//!       - {role: admin, at: realm_access.roles}
//!       - {claim: tenant, equals: acme}
//! ```
//!
//! | part | fields |
//! |---|---|
//! | parts of parts | `all`, `any`: lists of policies; `not`, `any_issuer`, `hidden`: a policy |
//! | scopes | `scope`; `all_scopes`, `any_scope`: lists |
//! | authority | `role`, `group`, `entitlement` or `permission`, with `at` where its claim is another one |
//! | a claim | `claim` with `equals`, `is_one_of`, `contains`, `is_present: true`, `equals_fact` or `shares_fact` |
//! | parties | `issuer`, `client`, `actor`; `actor_of: {issuer, subject}` |
//! | the login | `acr_at_least` with `order`; `amr`; `all_amr`, `any_amr`: lists; `auth_time_within_seconds` |
//! | rich authorization | `authorization_detail: {type, actions, locations}` |
//! | the object | `owner: true`, `shares` |
//!
//! What is read is valid. An unknown field, two parts in one table, a field without a value, and whatever
//! [`validated`](Policy::validated) refuses are errors at the field where they stand; code
//! ([`Policy::custom`]) cannot be written.
//!
//! # Limits
//!
//! 32 levels of parts in parts, and 1,024 parts, each level of an `order` among them: more is an error of
//! the policy. A list in a claim is as long as a token may be. A claim's path has 17 names at most, and what
//! a claim nests deeper than 16 lists and objects is not read: a part that asks for it is a fault.

mod account;
#[cfg(feature = "tower")]
mod asked_facts;
mod atom;
mod check;
mod claim;
mod config;
mod evaluate;
mod facts;
mod forbidden;
mod guarded;
#[cfg(feature = "tower")]
mod issuers;
mod parts;
mod path;
mod problem;
mod remedy;
mod text;
mod written;

pub(crate) use account::{Account, Part, PartOutcome};
pub use claim::{AuthorizationDetail, ClaimCondition, ClaimValue};
pub use facts::Facts;
pub use forbidden::Forbidden;
pub use guarded::{Guarded, Resource};
pub use path::ClaimPath;
pub use problem::PolicyError;

use std::sync::Arc;

use crate::token::VerifiedToken;
use atom::Atom;
use evaluate::{Request, Verdict};
use problem::Problem;

/// What a token must be for a request to be allowed. Cheap to clone and to check: a decision that allows
/// takes no memory, but for what is parsed of a token's claims at the first one.
///
/// `Display` prints it readably. See the [module](self) for outcomes, configuration and limits.
///
/// # Security
///
/// Without [`validated`](Self::validated) an invalid policy is found out only by denying everything.
///
/// # Example
///
/// ```
/// use portcullis::Policy;
///
/// let policy = Policy::scope("orders:read")
///     .and(Policy::role("admin").or(Policy::claim("tenant").equals("acme")))
///     .validated()?;
/// assert_eq!(
///     policy.to_string(),
///     r#"scope "orders:read" and (role "admin" or claim tenant = "acme")"#
/// );
/// # Ok::<(), portcullis::PolicyError>(())
/// ```
#[derive(Clone)]
#[must_use = "a policy does nothing until a token is checked against it"]
pub struct Policy(Arc<Inner>, Option<&'static str>);

struct Inner {
    node: Node,
    /// The first thing that is wrong with it. Such a policy is never evaluated.
    problem: Option<PolicyError>,
    depth: usize,
    parts: usize,
}

enum Node {
    All(Box<[Policy]>),
    Any(Box<[Policy]>),
    Not(Policy),
    AnyIssuer(Policy),
    Hidden(Policy),
    Atom(Atom),
}

impl Policy {
    /// Each of these holds. None at all is an error of the policy: it would let everybody in.
    pub fn all(policies: impl IntoIterator<Item = Self>) -> Self {
        Self::from_node(Node::All(policies.into_iter().collect()))
    }

    /// One or more of these hold. None at all is an error of the policy.
    pub fn any(policies: impl IntoIterator<Item = Self>) -> Self {
        Self::from_node(Node::Any(policies.into_iter().collect()))
    }

    /// Both hold.
    pub fn and(self, other: Self) -> Self {
        match &self.0.node {
            // One of nothing must stay what it is: an error.
            Node::All(policies) if !policies.is_empty() => {
                Self::all(policies.iter().cloned().chain([other]))
            }
            _ => Self::all([self, other]),
        }
    }

    /// One of them holds, or both.
    pub fn or(self, other: Self) -> Self {
        match &self.0.node {
            Node::Any(policies) if !policies.is_empty() => {
                Self::any(policies.iter().cloned().chain([other]))
            }
            _ => Self::any([self, other]),
        }
    }

    /// It can be told that this does not hold: a fault stays one.
    ///
    /// # Security
    ///
    /// An absent claim does not hold anything, so this lets in whoever lacks it: and it with
    /// [`ClaimCondition::is_present`] where that matters.
    #[expect(
        clippy::should_implement_trait,
        reason = "beside `and` and `or`, as a word"
    )]
    pub fn not(self) -> Self {
        Self::from_node(Node::Not(self))
    }

    /// This, whichever issuer the token is of.
    ///
    /// A layer in front of a verifier with several issuers refuses a policy that grants something without
    /// saying of which issuer, because each of them could give that role or scope to anybody. Here it is
    /// said that this is meant.
    pub fn any_issuer(self) -> Self {
        Self::from_node(Node::AnyIssuer(self))
    }

    /// This, and where it refuses the caller is not to learn that the object is there:
    /// [`Forbidden::is_hidden`]. Under [`not`](Self::not) it hides whenever what is negated refuses.
    pub fn hidden(self) -> Self {
        Self::from_node(Node::Hidden(self))
    }

    /// This, by a name that metrics and spans know it by: `portcullis_policy_decisions_total{policy}` and
    /// `portcullis.policy`. Without one it is `unnamed`. It changes nothing else, is not printed, and not
    /// written to configuration; what is made of a named policy has no name of its own.
    ///
    /// The name is part of the program, as each one is a time series that is kept for ever.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::Policy;
    ///
    /// let refund = Policy::scope("orders:write").and(Policy::role("admin")).named("refund");
    /// assert_eq!(refund.name(), Some("refund"));
    /// assert_eq!(refund.and(Policy::client("console")).name(), None);
    /// ```
    pub fn named(self, name: &'static str) -> Self {
        Self(self.0, Some(name))
    }

    /// The name that [`named`](Self::named) gave it.
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.1
    }

    /// Checks that the policy can be used.
    ///
    /// # Errors
    ///
    /// [`PolicyError`] for its first part that cannot: a list of none, an empty name, a claim's path that
    /// can never be there, a comparison that can never hold, or too many parts.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::Policy;
    ///
    /// let error = Policy::claim("sub.id").equals("alice").validated().unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "policy `claim sub.id = \"alice\"` cannot be used: no claim is ever there, \
    ///      as \"sub\" is a text; name that claim alone"
    /// );
    /// ```
    pub fn validated(self) -> Result<Self, PolicyError> {
        match &self.0.problem {
            Some(problem) => Err(problem.clone()),
            None => Ok(self),
        }
    }

    /// Checks a token.
    ///
    /// # Errors
    ///
    /// [`Forbidden`] when the policy does not hold or it cannot be told; also for each token when the policy
    /// itself is [invalid](Self::validated), or asks for facts of an object.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::{Policy, VerifiedToken};
    ///
    /// # fn f(token: &VerifiedToken) -> Result<(), Box<dyn std::error::Error>> {
    /// let policy = Policy::scope("orders:read")
    ///     .and(Policy::role("admin").or(Policy::claim("tenant").equals("acme")))
    ///     .validated()?;
    /// policy.check(token)?;
    /// # Ok(()) }
    /// ```
    pub fn check(&self, token: &VerifiedToken) -> Result<(), Forbidden> {
        self.decide(Request { token, facts: None })
    }

    /// Checks a token, with what is known of the object that the request is about.
    ///
    /// # Errors
    ///
    /// [`Forbidden`] as from [`check`](Self::check).
    pub fn check_on(&self, token: &VerifiedToken, facts: &Facts<'_>) -> Result<(), Forbidden> {
        let facts = Some(facts);
        self.decide(Request { token, facts })
    }

    fn decide(&self, request: Request<'_>) -> Result<(), Forbidden> {
        if let Some(problem) = &self.0.problem {
            return Err(Forbidden::invalid(problem.clone()));
        }
        match self.evaluate(request) {
            Verdict::Allow => Ok(()),
            verdict => Err(Forbidden::new(self, request, verdict)),
        }
    }

    fn atom(atom: Atom) -> Self {
        Self::from_node(Node::Atom(atom))
    }

    /// The one place that makes a policy, and where all of them are checked.
    fn from_node(node: Node) -> Self {
        // One of one is what it is made of, and prints so.
        if let Node::All(policies) | Node::Any(policies) = &node
            && let [policy] = &**policies
        {
            return policy.clone();
        }
        let parts = match &node {
            Node::All(policies) | Node::Any(policies) => policies,
            Node::Not(policy) | Node::AnyIssuer(policy) | Node::Hidden(policy) => {
                std::slice::from_ref(policy)
            }
            Node::Atom(_) => &[],
        };
        let deepest = parts.iter().map(|part| part.0.depth).max();
        let depth = deepest.unwrap_or_default() + 1;
        let own_size = match &node {
            Node::Atom(atom) => atom.size(),
            _ => 1,
        };
        let sizes = parts.iter().map(|part| part.0.parts);
        let size = sizes.fold(own_size, usize::saturating_add);
        let too_deep = (depth > MAX_DEPTH).then_some(Problem::TooDeep(MAX_DEPTH));
        let too_large = (size > MAX_PARTS).then_some(Problem::TooLarge(MAX_PARTS));
        if let Some(problem) = too_deep.or(too_large) {
            // Its parts are let go of: it is too much to walk through, were it to drop it.
            let inner = Inner {
                node: Node::All([].into()),
                problem: Some(PolicyError::new("all of it", problem)),
                depth: 1,
                parts: 1,
            };
            return Self(Arc::new(inner), None);
        }
        let problem = match &node {
            Node::Atom(atom) => atom
                .problem()
                .map(|problem| PolicyError::new(atom, problem)),
            Node::All(none) if none.is_empty() => {
                Some(PolicyError::new("all of nothing", Problem::EmptyList))
            }
            Node::Any(none) if none.is_empty() => {
                Some(PolicyError::new("any of nothing", Problem::EmptyList))
            }
            _ => parts.iter().find_map(|part| part.0.problem.clone()),
        };
        let inner = Inner {
            node,
            problem,
            depth,
            parts: size,
        };
        Self(Arc::new(inner), None)
    }
}

/// Deeper than anybody reads; checking recurses so deep.
const MAX_DEPTH: usize = 32;
/// More than anybody maintains; one check walks through all of them.
const MAX_PARTS: usize = 1_024;

#[cfg(test)]
mod tests;
