//! The parts that a policy is made of, one by one.

use std::sync::Arc;
use std::time::Duration;

use super::atom::{Atom, Granted};
use super::{AuthorizationDetail, ClaimCondition, ClaimPath, Policy};
use crate::error::ClaimError;
use crate::token::VerifiedToken;

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
    ///
    /// # Security
    ///
    /// It is the token's issuer that says who acts, of its own parties and of others: and this with
    /// [`issuer`](Self::issuer) where there are several.
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
    ///
    /// Where this is what is missing the caller is told to log in again, but not how:
    /// [RFC 9470](https://www.rfc-editor.org/rfc/rfc9470) has no parameter for methods. Ask for an
    /// [`acr`](Self::acr_at_least) beside it where the issuer has one.
    pub fn amr(method: impl Into<Box<str>>) -> Self {
        Self::atom(Atom::Amr(method.into()))
    }

    /// The login is no longer ago than this, and the leeway of the token's issuer, by `auth_time`; a second or
    /// more. One in the future is a fault.
    ///
    /// Judged for the moment at which the token was [verified](VerifiedToken::verified_at), or for that
    /// of [`Facts::now`](super::Facts::now).
    pub fn auth_time_within(age: Duration) -> Self {
        Self::atom(Atom::AuthTimeWithin(age))
    }

    /// The token was granted this detail, by `authorization_details`
    /// ([RFC 9396 §9.1](https://www.rfc-editor.org/rfc/rfc9396#section-9.1)).
    pub fn authorization_detail(detail: AuthorizationDetail) -> Self {
        Self::atom(Atom::Detail(detail))
    }

    /// The token's issuer and subject are the owner of the object: see [`Facts::owner`](super::Facts::owner).
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

    fn granted(kind: Granted, name: impl Into<Box<str>>) -> Self {
        Self::granted_at(kind, kind.claim(), name)
    }

    pub(super) fn granted_at(
        kind: Granted,
        path: impl Into<ClaimPath>,
        name: impl Into<Box<str>>,
    ) -> Self {
        let (path, name) = (path.into(), name.into());
        Self::atom(Atom::Granted { kind, path, name })
    }
}
