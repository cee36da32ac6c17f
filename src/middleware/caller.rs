//! Who calls, for handlers that decide by themselves.

use http::{Extensions, Request};

use super::cause::Cause;
use super::extension::Admission;
use super::grpc::is_grpc;
use super::rejection::Rejection;
use crate::policy::{Facts, Forbidden, Guarded, Policy, Resource};
use crate::telemetry;
use crate::token::VerifiedToken;

/// Who calls: the token of a request that an [`AuthLayer`](super::AuthLayer) has let through, to ask
/// policies about, and what a handler refuses with.
///
/// An extractor with axum, `portcullis::tonic::caller` with tonic, [`caller`] with any other tower
/// service. Refusals are answered as the layer would: with its realm, its metadata and its
/// [`on_rejection`](super::AuthLayer::on_rejection). Cheap to clone.
///
/// # Several issuers
///
/// Behind a verifier with several issuers a policy that does not say whose roles it means is refused
/// with 500 and an ERROR entry, as [`AuthLayer::require`](super::AuthLayer::require) does when it is built.
///
/// # Example
///
/// ```
/// use portcullis::middleware::Caller;
/// use portcullis::{Facts, Guarded, Policy, Rejection, Resource};
///
/// struct Order { issuer: String, customer: String, total: u64 }
///
/// impl Resource for Order {
///     fn facts(&self) -> Facts<'_> {
///         Facts::new().owner(&self.issuer, &self.customer)
///     }
/// }
///
/// # fn find(_: u64) -> Option<Guarded<Order>> { None }
/// fn total(caller: &Caller, id: u64, mine: &Policy) -> Result<u64, Rejection> {
///     let order = find(id).ok_or_else(|| caller.not_found())?;
///     Ok(caller.authorize(order, mine)?.total)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Caller {
    token: VerifiedToken,
    admission: Admission,
    grpc: bool,
}

/// Who calls, behind an [`AuthLayer`](super::AuthLayer); for services without axum or tonic.
///
/// # Errors
///
/// A [`Rejection`] to [`respond`](Rejection::respond) with: `no_credentials` for an anonymous request,
/// `layer_missing` when no layer has checked the request at all.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use portcullis::middleware::caller;
/// use portcullis::{Policy, Rejection};
///
/// fn orders<B>(request: &Request<B>, may_read: &Policy) -> Result<Response<Bytes>, Rejection> {
///     let caller = caller(request)?;
///     caller.check(may_read)?;
///     Ok(Response::new(Bytes::from_static(b"all of them")))
/// }
/// // Nothing has checked this request, so it is not served.
/// let rejection = orders(&Request::new(()), &Policy::scope("orders:read")).unwrap_err();
/// assert_eq!(rejection.status(), 500);
/// ```
pub fn caller<B>(request: &Request<B>) -> Result<Caller, Rejection> {
    let grpc = is_grpc(request.method(), request.version(), request.headers());
    Caller::of(request.extensions(), grpc, None)
}

impl Caller {
    /// The caller, or the refusal of one who brings no token to this policy.
    pub(crate) fn of(
        extensions: &Extensions,
        grpc: bool,
        policy: Option<&Policy>,
    ) -> Result<Self, Rejection> {
        let cause = match (extensions.get(), extensions.get::<VerifiedToken>()) {
            (Some(admission), Some(token)) => {
                return Ok(Self {
                    token: token.clone(),
                    admission: Admission::clone(admission),
                    grpc,
                });
            }
            (Some(Admission { .. }), None) => Cause::NoCredentials(policy.cloned()),
            (None, _) => Cause::LayerMissing,
        };
        Err(Rejection::behind_layer(extensions, grpc, cause))
    }

    /// The token of the caller.
    #[must_use]
    pub const fn token(&self) -> &VerifiedToken {
        &self.token
    }

    /// Asks whether the policy allows this caller.
    ///
    /// # Errors
    ///
    /// What the request is to be answered with; the [`Forbidden`] is in it. It is logged and counted as it is
    /// made: whoever only wants to know, and answers either way, asks `policy.check(caller.token())`.
    pub fn check(&self, policy: &Policy) -> Result<(), Rejection> {
        self.decide(policy, None)
    }

    /// Asks whether the policy allows this caller, with what is known of the object.
    ///
    /// # Errors
    ///
    /// As [`check`](Self::check).
    pub fn check_on(&self, policy: &Policy, facts: &Facts<'_>) -> Result<(), Rejection> {
        self.decide(policy, Some(facts))
    }

    /// The object, when the policy allows this caller to have it. It is dropped when not.
    ///
    /// # Errors
    ///
    /// As [`check_on`](Self::check_on) with the object's own facts.
    pub fn authorize<T: Resource>(
        &self,
        object: Guarded<T>,
        policy: &Policy,
    ) -> Result<T, Rejection> {
        self.issuer_is_named(policy)?;
        let authorized = object.authorize(policy, &self.token);
        telemetry::policy_decision(policy, &authorized);
        authorized.map_err(|forbidden| self.refuse(forbidden))
    }

    /// The answer to what a policy refused.
    #[must_use]
    pub fn refuse(&self, forbidden: Forbidden) -> Rejection {
        self.reject(Cause::Forbidden(forbidden))
    }

    /// The answer where there is no such object: the same one, byte for byte, as where a policy hides
    /// that there is one ([`Forbidden::is_hidden`]).
    #[must_use]
    pub fn not_found(&self) -> Rejection {
        self.reject(Cause::NotFound)
    }

    fn decide(&self, policy: &Policy, facts: Option<&Facts<'_>>) -> Result<(), Rejection> {
        self.issuer_is_named(policy)?;
        let decision = match facts {
            None => policy.check(&self.token),
            Some(facts) => policy.check_on(&self.token, facts),
        };
        telemetry::policy_decision(policy, &decision);
        decision.map_err(|forbidden| self.refuse(forbidden))
    }

    fn issuer_is_named(&self, policy: &Policy) -> Result<(), Rejection> {
        let several_issuers = self.admission.several_issuers;
        match several_issuers.then(|| policy.unnamed_issuer()).flatten() {
            None => Ok(()),
            Some(part) => Err(self.reject(Cause::UnnamedIssuer(part.clone()))),
        }
    }

    pub(crate) fn reject(&self, cause: Cause) -> Rejection {
        self.admission.reject(self.grpc, cause)
    }
}
