//! Whether the bearer of a verified token may do something.
//!
//! A [`Policy`] is made once, from parts that are and-ed and or-ed, and checked for each request.

mod atom;
mod check;
mod claim;
mod config;
mod evaluate;
mod facts;
mod forbidden;
mod guarded;
mod issuers;
mod path;
mod problem;
mod remedy;
mod text;

pub use claim::{AuthorizationDetail, ClaimCondition, ClaimValue};
pub use facts::Facts;
pub use forbidden::Forbidden;
pub use guarded::{Guarded, Resource};
pub use path::ClaimPath;
pub use problem::PolicyError;

use std::sync::Arc;
use std::time::Duration;

use crate::error::ClaimError;
use crate::token::VerifiedToken;
use atom::{Atom, Granted};
use evaluate::{Request, Verdict};
use problem::Problem;

/// What a token must be for a request to be allowed. Cheap to clone and to check.
#[derive(Clone)]
#[must_use = "a policy does nothing until a token is checked against it"]
pub struct Policy(Arc<Inner>);

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
    /// The token has this scope, in `scope` or `scp`
    /// ([RFC 6749 §3.3](https://www.rfc-editor.org/rfc/rfc6749#section-3.3)).
    pub fn scope(scope: impl Into<Box<str>>) -> Self {
        Self::atom(Atom::Scope(scope.into()))
    }

    /// The token has each of these scopes. None is an error of the policy.
    pub fn all_scopes(scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self::all(scopes.into_iter().map(Self::scope))
    }

    /// The token has one or more of these scopes. None is an error of the policy.
    pub fn any_scope(scopes: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self::any(scopes.into_iter().map(Self::scope))
    }

    /// The token has this role, in its claim `roles`
    /// ([RFC 9068 §2.2.3.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.3.1)): a list of texts, or one text.
    pub fn role(name: impl Into<Box<str>>) -> Self {
        Self::granted(Granted::Role, name)
    }

    /// The token has this role, in the claim where its issuer writes roles: `"realm_access.roles"` and
    /// `["resource_access", "shop", "roles"]` with Keycloak, `["https://example.com/roles"]` with an
    /// Action of Auth0.
    pub fn role_at(path: impl Into<ClaimPath>, name: impl Into<Box<str>>) -> Self {
        Self::granted_at(Granted::Role, path, name)
    }

    /// The token's subject is in this group, by its claim `groups` (RFC 9068 §2.2.3.1).
    ///
    /// # Security
    ///
    /// Entra leaves the claim out for somebody in more than 200 groups: under [`not`](Self::not) that reads
    /// as not being in any.
    pub fn group(name: impl Into<Box<str>>) -> Self {
        Self::granted(Granted::Group, name)
    }

    /// As [`group`](Self::group), in the claim where its issuer writes groups.
    pub fn group_at(path: impl Into<ClaimPath>, name: impl Into<Box<str>>) -> Self {
        Self::granted_at(Granted::Group, path, name)
    }

    /// The token has this entitlement, in its claim `entitlements` (RFC 9068 §2.2.3.1).
    pub fn entitlement(name: impl Into<Box<str>>) -> Self {
        Self::granted(Granted::Entitlement, name)
    }

    /// As [`entitlement`](Self::entitlement), in the claim where its issuer writes entitlements.
    pub fn entitlement_at(path: impl Into<ClaimPath>, name: impl Into<Box<str>>) -> Self {
        Self::granted_at(Granted::Entitlement, path, name)
    }

    /// The token has this permission, in its claim `permissions`, where Auth0 writes them.
    pub fn permission(name: impl Into<Box<str>>) -> Self {
        Self::granted(Granted::Permission, name)
    }

    /// As [`permission`](Self::permission), in the claim where its issuer writes permissions.
    pub fn permission_at(path: impl Into<ClaimPath>, name: impl Into<Box<str>>) -> Self {
        Self::granted_at(Granted::Permission, path, name)
    }

    /// Asks something of a claim: `Policy::claim("tenant").equals("acme")`.
    pub fn claim(path: impl Into<ClaimPath>) -> ClaimCondition {
        ClaimCondition(path.into())
    }

    /// The token is of this issuer, byte for byte.
    pub fn issuer(issuer: impl Into<Box<str>>) -> Self {
        Self::atom(Atom::Issuer(issuer.into()))
    }

    /// The token was issued to this client: by `client_id`, or by `azp` when there is no `client_id`. Two
    /// that differ are a fault.
    pub fn client(client: impl Into<Box<str>>) -> Self {
        Self::atom(Atom::Client(client.into()))
    }

    /// This party acts for the subject now, by the outermost `act`
    /// ([RFC 8693 §4.1](https://www.rfc-editor.org/rfc/rfc8693#section-4.1)), and is one of the token's own
    /// issuer. Parties that acted before never count.
    pub fn actor(subject: impl Into<Box<str>>) -> Self {
        let (issuer, subject) = (None, subject.into());
        Self::atom(Atom::Actor { issuer, subject })
    }

    /// As [`actor`](Self::actor), of this issuer: the one in `act`, or the token's when none is there.
    pub fn actor_of(issuer: impl Into<Box<str>>, subject: impl Into<Box<str>>) -> Self {
        let (issuer, subject) = (Some(issuer.into()), subject.into());
        Self::atom(Atom::Actor { issuer, subject })
    }

    /// The login reached this level or a higher one, by `acr`. `order` lists all levels, the weakest first;
    /// a level that is not in it is none.
    ///
    /// Where this is what is missing the caller is told to log in again, with the levels that do
    /// ([RFC 9470](https://www.rfc-editor.org/rfc/rfc9470)).
    pub fn acr_at_least(
        level: impl Into<Box<str>>,
        order: impl IntoIterator<Item = impl Into<Box<str>>>,
    ) -> Self {
        let order = order.into_iter().map(Into::into).collect();
        let at_least = level.into();
        Self::atom(Atom::Acr { at_least, order })
    }

    /// The login used each of these methods, by `amr`
    /// ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)): `["pwd", "otp"]` for something known and
    /// something had. None is an error of the policy.
    pub fn all_amr(methods: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self::all(methods.into_iter().map(Self::amr))
    }

    /// The login used one or more of these methods, by `amr`. None is an error of the policy.
    pub fn any_amr(methods: impl IntoIterator<Item = impl Into<Box<str>>>) -> Self {
        Self::any(methods.into_iter().map(Self::amr))
    }

    /// The login used this method, by `amr`.
    pub fn amr(method: impl Into<Box<str>>) -> Self {
        Self::atom(Atom::Amr(method.into()))
    }

    /// The login is no longer ago than this, and the leeway of the token's issuer, by `auth_time`; a second or
    /// more. One in the future is a fault.
    ///
    /// Judged for the moment at which the token was [verified](VerifiedToken::verified_at), or for that
    /// of [`Facts::now`].
    pub fn auth_time_within(age: Duration) -> Self {
        Self::atom(Atom::AuthTimeWithin(age))
    }

    /// The token was granted this detail, by `authorization_details`
    /// ([RFC 9396 §9.1](https://www.rfc-editor.org/rfc/rfc9396#section-9.1)).
    pub fn authorization_detail(detail: AuthorizationDetail) -> Self {
        Self::atom(Atom::Detail(detail))
    }

    /// The token's issuer and subject are the owner of the object: see [`Facts::owner`].
    pub fn owner() -> Self {
        Self::atom(Atom::Owner)
    }

    /// The token's claim of this name and the object's fact of this name have a text in common:
    /// `Policy::shares("groups")` is short for `Policy::claim(["groups"]).shares_fact("groups")`.
    pub fn shares(name: &str) -> Self {
        Self::claim([name]).shares_fact(name)
    }

    /// What the service checks in its own code. An error of it is a fault.
    ///
    /// The name stands for it where the policy is printed; it cannot be written in configuration.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::Policy;
    ///
    /// let adult = Policy::custom("adult", |token| {
    ///     Ok(token.claim::<u32>("age")?.is_some_and(|age| age >= 18))
    /// });
    /// ```
    pub fn custom(
        name: impl Into<Box<str>>,
        check: impl Fn(&VerifiedToken) -> Result<bool, ClaimError> + Send + Sync + 'static,
    ) -> Self {
        let (name, check) = (name.into(), Arc::new(check));
        Self::atom(Atom::Custom { name, check })
    }

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
            Node::All(policies) => Self::all(policies.iter().cloned().chain([other])),
            _ => Self::all([self, other]),
        }
    }

    /// One of them holds, or both.
    pub fn or(self, other: Self) -> Self {
        match &self.0.node {
            Node::Any(policies) => Self::any(policies.iter().cloned().chain([other])),
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
    /// [`Forbidden::is_hidden`].
    pub fn hidden(self) -> Self {
        Self::from_node(Node::Hidden(self))
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

    fn granted(kind: Granted, name: impl Into<Box<str>>) -> Self {
        Self::granted_at(kind, kind.claim(), name)
    }

    fn granted_at(kind: Granted, path: impl Into<ClaimPath>, name: impl Into<Box<str>>) -> Self {
        let (path, name) = (path.into(), name.into());
        Self::atom(Atom::Granted { kind, path, name })
    }

    fn atom(atom: Atom) -> Self {
        Self::from_node(Node::Atom(atom))
    }

    /// The one place that makes a policy, and where all of them are checked.
    fn from_node(node: Node) -> Self {
        let parts = match &node {
            Node::All(policies) | Node::Any(policies) => policies,
            Node::Not(policy) | Node::AnyIssuer(policy) | Node::Hidden(policy) => {
                std::slice::from_ref(policy)
            }
            Node::Atom(_) => &[],
        };
        let deepest = parts.iter().map(|part| part.0.depth).max();
        let depth = deepest.unwrap_or_default() + 1;
        let sizes = parts.iter().map(|part| part.0.parts);
        let size = sizes.fold(1, usize::saturating_add);
        let too_deep = (depth > MAX_DEPTH).then_some(Problem::TooDeep(MAX_DEPTH));
        let too_large = (size > MAX_PARTS).then_some(Problem::TooLarge(MAX_PARTS));
        if let Some(problem) = too_deep.or(too_large) {
            // Its parts are let go of: it is too much to walk through, were it to drop it.
            return Self(Arc::new(Inner {
                node: Node::All([].into()),
                problem: Some(PolicyError::new("all of it", problem)),
                depth: 1,
                parts: 1,
            }));
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
        Self(Arc::new(Inner {
            node,
            problem,
            depth,
            parts: size,
        }))
    }
}

/// Deeper than anybody reads; checking recurses so deep.
const MAX_DEPTH: usize = 32;
/// More than anybody maintains; one check walks through all of them.
const MAX_PARTS: usize = 1_024;
