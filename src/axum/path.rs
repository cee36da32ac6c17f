//! What the path of a request names, as facts for policies.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use ::axum::extract::rejection::RawPathParamsRejection;
use ::axum::extract::{FromRequestParts as _, RawPathParams};
use http::{Extensions, Request};

use crate::error::BuildError;
use crate::middleware::{PATH, RequireLayer, Requirement};
use crate::policy::Policy;

impl RequireLayer {
    /// A layer for axum that asks this policy for every request, of which the parameters in the route's path
    /// are facts: for `/users/{id}`, `Policy::claim("sub").equals_fact("path.id")`. Parameters are as
    /// `Path` has them: percent-decoded. A path that is not UTF-8 names nothing: 404.
    ///
    /// For `route_layer` or `layer` of a router or method router; where no router of axum stands in front, a
    /// fact of the path is missing, and denies. Costs allocations where the policy asks for one.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), for facts that are not of the path.
    ///
    /// # Security
    ///
    /// A path is what the caller asks for, so it serves where it *names* what is asked for: whose list it
    /// is, which tenant's. It says nothing of whose an object is that it names: for `/orders/{id}` load the
    /// order and ask its facts ([`Caller::authorize`](crate::Caller::authorize)). With several issuers a
    /// subject is two people: let the path name the issuer, too, or and the policy with
    /// [`Policy::issuer`].
    ///
    /// # Example
    ///
    /// ```
    /// use axum::{Router, extract::Path, routing::get};
    /// use portcullis::middleware::RequireLayer;
    /// use portcullis::{AuthLayer, BuildError, Policy, Verifier};
    ///
    /// fn app(verifier: Verifier) -> Result<Router, BuildError> {
    ///     let own = Policy::claim("sub").equals_fact("path.id");
    ///     let own = RequireLayer::with_path(own.or(Policy::role("admin")))?;
    ///     let orders = get(async |Path(id): Path<String>| format!("the orders of {id}"));
    ///     Ok(Router::new()
    ///         .route("/users/{id}/orders", orders.route_layer(own))
    ///         .route_layer(AuthLayer::new(verifier)))
    /// }
    /// ```
    pub fn with_path(policy: Policy) -> Result<Self, BuildError> {
        let requirement = Requirement::new("RequireLayer::with_path", policy, Some(parameters))?;
        Ok(Self::one(requirement))
    }
}

/// The parameters that the router found in the path, by the names of their facts; `None` where one of them
/// is not text, or two have one name and nobody can tell which of them the handler reads.
pub(super) fn parameters(extensions: &mut Extensions) -> Option<Vec<(String, String)>> {
    // The router leaves them to its extractors alone, which want all of a request's head.
    let (mut parts, ()) = Request::new(()).into_parts();
    std::mem::swap(&mut parts.extensions, extensions);
    let found = {
        let reading = pin!(RawPathParams::from_request_parts(&mut parts, &()));
        reading.poll(&mut Context::from_waker(Waker::noop()))
    };
    std::mem::swap(&mut parts.extensions, extensions);
    let found = match found {
        Poll::Ready(Ok(found)) => found,
        // No router has put any there.
        Poll::Ready(Err(RawPathParamsRejection::MissingPathParams(_))) => return Some(Vec::new()),
        Poll::Ready(Err(_)) | Poll::Pending => return None,
    };
    let mut parameters: Vec<(String, String)> = Vec::new();
    for (name, text) in &found {
        let name = format!("{PATH}{name}");
        if parameters.iter().any(|(known, _)| *known == name) {
            return None;
        }
        parameters.push((name, text.to_owned()));
    }
    Some(parameters)
}
