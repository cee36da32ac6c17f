//! The extractor that a handler names its policy with.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use ::axum::extract::FromRequestParts;
use http::request::Parts;

use super::extractors::is_grpc_call;
use super::path;
use crate::middleware::{Caller, Cause, Rejection, facts_of_path, is_of_path};
use crate::policy::Policy;

/// A policy with a name, which is a type: for [`Allowed`].
///
/// # Example
///
/// ```
/// use std::sync::LazyLock;
///
/// use portcullis::Policy;
/// use portcullis::axum::NamedPolicy;
///
/// struct ReadOrders;
///
/// impl NamedPolicy for ReadOrders {
///     fn policy() -> &'static Policy {
///         static POLICY: LazyLock<Policy> = LazyLock::new(|| Policy::scope("orders:read"));
///         &POLICY
///     }
/// }
///
/// // In a test, since nothing else looks at it before the first request.
/// assert!(ReadOrders::policy().clone().validated().is_ok());
/// ```
pub trait NamedPolicy {
    /// The policy, made once. One that is [invalid](Policy::validated) denies each request, with a WARN entry.
    fn policy() -> &'static Policy;
}

/// The caller, whom the policy `P` allows; whoever it does not allow never gets to the handler.
///
/// The parameters in the route's path are facts for the policy: for `/users/{id}`,
/// `Policy::claim("sub").equals_fact("path.id")`. When that is enough, and when not, is said at
/// [`RequireLayer::with_path`](crate::RequireLayer::with_path). A policy that asks for other facts denies:
/// take the [`Caller`], and ask it about the object.
///
/// # Errors
///
/// Refuses as [`Caller::check`] does, and an anonymous request with 401 and the scopes that the policy takes.
///
/// # Example
///
/// ```
/// use std::sync::LazyLock;
///
/// use axum::extract::Path;
/// use axum::{Router, routing::get};
/// use portcullis::axum::{Allowed, NamedPolicy};
/// use portcullis::{AuthLayer, Policy, Verifier};
///
/// struct OwnOrAdmin;
///
/// impl NamedPolicy for OwnOrAdmin {
///     fn policy() -> &'static Policy {
///         static POLICY: LazyLock<Policy> =
///             LazyLock::new(|| Policy::claim("sub").equals_fact("path.id").or(Policy::role("admin")));
///         &POLICY
///     }
/// }
///
/// async fn orders(caller: Allowed<OwnOrAdmin>, Path(id): Path<String>) -> String {
///     format!("the orders of {id}, for {}", caller.token().subject().unwrap_or("an admin"))
/// }
///
/// fn app(verifier: Verifier) -> Router {
///     Router::new().route("/users/{id}/orders", get(orders)).layer(AuthLayer::new(verifier))
/// }
/// ```
pub struct Allowed<P> {
    caller: Caller,
    policy: PhantomData<fn() -> P>,
}

impl<P> Deref for Allowed<P> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        &self.caller
    }
}

impl<P> Clone for Allowed<P> {
    fn clone(&self) -> Self {
        Self {
            caller: self.caller.clone(),
            policy: PhantomData,
        }
    }
}

impl<P> fmt::Debug for Allowed<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Allowed").field(&self.caller).finish()
    }
}

impl<S: Send + Sync, P: NamedPolicy> FromRequestParts<S> for Allowed<P> {
    type Rejection = Rejection;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Rejection> {
        let policy = P::policy();
        let caller = Caller::of(&parts.extensions, is_grpc_call(parts), Some(policy))?;
        if policy.asks_beside(&|fact| !is_of_path(fact)).is_some() {
            let parameters = path::parameters(&mut parts.extensions);
            let parameters = parameters.ok_or_else(|| caller.reject(Cause::NotFound))?;
            caller.check_on(policy, &facts_of_path(&parameters))?;
        } else {
            caller.check(policy)?;
        }
        Ok(Self {
            caller,
            policy: PhantomData,
        })
    }
}
