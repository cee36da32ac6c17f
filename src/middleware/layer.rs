//! The layer: what it is configured with.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{Extensions, Request, Response};
use tower_layer::Layer;

use super::cause::Cause;
use super::ending::Ending;
use super::extension::Admission;
use super::future::Verdict;
use super::grpc::is_grpc;
use super::protected_resource::ProtectedResource;
use super::rejection::Rejection;
use super::requirement::{ReadPath, Requirement};
use super::responder::Responder;
use super::service::AuthService;
use super::token_source::{TokenSource, TokenSources};
use crate::bearer::BearerToken;
use crate::error::BuildError;
use crate::policy::Policy;
use crate::token::VerifiedToken;
use crate::verifier::Verifier;

/// Lets only requests through whose access token the verifier accepts.
///
/// See the [module docs](super) for what passes, what a refused request gets, and an example. A policy for all of
/// them is given to [`require`](Self::require), one for some of them to a [`RequireLayer`](super::RequireLayer) behind
/// this layer; in axum `PolicyRouter` takes one for each route.
#[derive(Clone)]
pub struct AuthLayer {
    gate: Arc<Gate>,
}

impl AuthLayer {
    /// A layer that demands a token of every request.
    #[must_use]
    pub fn new(verifier: Verifier) -> Self {
        Self {
            gate: Arc::new(Gate {
                several_issuers: verifier.has_several_issuers(),
                verifier,
                requirement: None,
                sources: TokenSources::default(),
                anonymous: false,
                ends_at_expiry: false,
                responder: Arc::default(),
            }),
        }
    }

    /// Lets requests without credentials through as anonymous. Off by default.
    ///
    /// Only the *absence* of credentials, wherever a token is taken from, is anonymous. A token that is
    /// not accepted, another scheme, a malformed header and keys that cannot be had are refused as ever.
    ///
    /// # Security
    ///
    /// Every handler behind the layer must then expect to be called by anybody. With axum, the
    /// extractor `VerifiedToken` still demands a token and `Option<VerifiedToken>` does not.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.gate_mut().anonymous = true;
        self
    }

    /// Takes the token from here. The first call replaces the default, the `Authorization` header; each
    /// further one adds a place, and one that is named again is set anew.
    ///
    /// A request with tokens in two of these places is refused with `invalid_request`
    /// ([RFC 6750 §2](https://www.rfc-editor.org/rfc/rfc6750#section-2)), and so is one with a token here and
    /// a second one in the header or in `?access_token=` where nobody takes it from. Elsewhere nothing
    /// is looked at: a request whose only token stands there has none.
    ///
    /// # Example
    ///
    /// See [`TokenSource`].
    #[must_use]
    pub fn token_from(mut self, source: TokenSource) -> Self {
        self.gate_mut().sources.name(source);
        self
    }

    /// Names the protection space in every challenge. `"api"` by default, which gives nothing away.
    ///
    /// Any text will do: quotes and backslashes are escaped, and everything but printable ASCII
    /// becomes a question mark.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.gate_mut().responder).realm = realm.into().into();
        self
    }

    /// Ends a response that is still being sent when its token expires, as an event stream or a gRPC
    /// stream may be. Off by default: a token is checked when a request comes, and a service that sends
    /// long exports would have them cut.
    ///
    /// | response | how it ends |
    /// |---|---|
    /// | gRPC | with the status `UNAUTHENTICATED` and the challenge, in the trailers |
    /// | `text/event-stream` | as if the service had ended it; clients come back, and get a 401 |
    /// | any other of unknown length | broken off, so that nobody takes it for whole: HTTP/1.1 closes the connection, HTTP/2 resets the stream |
    /// | of known length | it is not ended: it ends by itself |
    ///
    /// The moment is when the verifier would refuse the token, its leeway included, by the verifier's
    /// clock. The service's body is dropped then. What the client sends is not ended, nor a request
    /// that has no answer yet; a first frame that is ready passes. Nor can a layer end a
    /// WebSocket: see [`VerifiedToken::expired`](crate::VerifiedToken::expired).
    ///
    /// Costs an allocation a request. Needs a tokio runtime with time.
    #[must_use]
    pub fn end_at_expiry(mut self) -> Self {
        self.gate_mut().ends_at_expiry = true;
        self
    }

    /// Says in every challenge where the metadata of the protected resource is, so that a client that
    /// knows nothing but the address finds out where to get a token
    /// ([RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)). Off by default.
    ///
    /// The document itself is served by [`MetadataService`](super::MetadataService).
    ///
    /// # Example
    ///
    /// See [`ProtectedResource`].
    #[must_use]
    pub fn resource_metadata(mut self, resource: &ProtectedResource) -> Self {
        let url = resource.metadata_url().into();
        Arc::make_mut(&mut self.gate_mut().responder).metadata_url = Some(url);
        self
    }

    /// Makes the response of a refusal. [`Rejection::to_response`] by default.
    ///
    /// The response is sent as the closure makes it, whatever its status, but with
    /// `Cache-Control: no-store` and with the [`Rejection`] and its
    /// [`VerifyError`](crate::VerifyError) in its extensions. The inner service is not called.
    /// Extractors behind the layer that refuse a request answer with it too.
    ///
    /// # Security
    ///
    /// [`Rejection::reason`] and [`Rejection::error`] are for logs and metrics. Sent to the client,
    /// they tell a forger which check to pass next.
    ///
    /// # Example
    ///
    /// See [`Rejection::to_response`].
    #[must_use]
    pub fn on_rejection(
        mut self,
        respond: impl Fn(&Rejection) -> Response<Bytes> + Send + Sync + 'static,
    ) -> Self {
        Arc::make_mut(&mut self.gate_mut().responder).custom = Some(Arc::new(respond));
        self
    }

    /// Lets only requests through whose token this policy allows, too. Called again, each of the
    /// policies must; they are counted as one, by the [name](Policy::named) of the last one that has one. For one route or service behind the layer there is
    /// [`RequireLayer`](super::RequireLayer).
    ///
    /// A policy asks something of a token: behind it nobody is anonymous, whatever
    /// [`optional`](Self::optional) says. Who has no token is told the scopes that it takes
    /// ([RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).
    ///
    /// # Errors
    ///
    /// [`BuildError::UnusablePolicy`] when the policy is not [valid](Policy::validated); when it asks for facts
    /// of an object, which a layer does not know; and when the verifier has several issuers and the policy
    /// does not say whose roles and scopes it means, nor that it means those of
    /// [`any_issuer`](Policy::any_issuer).
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::{AuthLayer, BuildError, Policy, Verifier};
    ///
    /// fn layer(verifier: Verifier) -> Result<AuthLayer, BuildError> {
    ///     AuthLayer::new(verifier).realm("orders").require(Policy::scope("orders:read"))
    /// }
    /// ```
    pub fn require(self, policy: Policy) -> Result<Self, BuildError> {
        self.require_at("AuthLayer::require", policy, None)
    }

    /// As [`require`](Self::require), where parameters of the path can be read.
    pub(crate) fn require_at(
        mut self,
        place: impl fmt::Display,
        policy: Policy,
        read_path: Option<ReadPath>,
    ) -> Result<Self, BuildError> {
        let policy = match self.gate.policy() {
            Some(before) => {
                let name = policy.name().or_else(|| before.name());
                let both = before.and(policy);
                match name {
                    Some(name) => both.named(name),
                    None => both,
                }
            }
            None => policy,
        };
        let mut requirement = Requirement::new(&place, policy, read_path)?;
        if self.gate.several_issuers {
            requirement = requirement.for_several_issuers(place)?;
        }
        self.gate_mut().requirement = Some(requirement);
        Ok(self)
    }

    fn gate_mut(&mut self) -> &mut Gate {
        Arc::make_mut(&mut self.gate)
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService {
            inner,
            gate: Arc::clone(&self.gate),
        }
    }
}

impl fmt::Debug for AuthLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gate.fmt(f)
    }
}

/// The configuration, shared by every service and every request of a layer.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) verifier: Verifier,
    several_issuers: bool,
    requirement: Option<Requirement>,
    pub(super) sources: TokenSources,
    pub(super) anonymous: bool,
    pub(super) ends_at_expiry: bool,
    pub(super) responder: Arc<Responder>,
}

impl Gate {
    /// Asks the policy, if there is one.
    pub(super) fn check(
        &self,
        extensions: &mut Extensions,
        token: Option<&VerifiedToken>,
    ) -> Result<(), Cause> {
        match &self.requirement {
            Some(requirement) => requirement.check(extensions, token, self.several_issuers),
            None => Ok(()),
        }
    }

    /// What is asked of a token, for those who have none.
    pub(super) fn policy(&self) -> Option<Policy> {
        self.requirement
            .as_ref()
            .map(|requirement| requirement.policy().clone())
    }

    /// Makes a request that passes say so.
    pub(super) fn mark(&self, extensions: &mut Extensions, token: Option<VerifiedToken>) {
        Admission::mark(extensions, &self.responder, self.several_issuers, token);
    }

    /// What ends the response to this request.
    pub(super) fn ending<B>(&self, request: &Request<B>, token: &VerifiedToken) -> Box<Ending> {
        let grpc = is_grpc(request.method(), request.version(), request.headers());
        Box::new(Ending::new(
            token.expired(),
            Arc::clone(&self.responder),
            grpc,
        ))
    }

    /// Verifies a copy of the token: the request it is borrowed from has to move while it waits.
    pub(super) fn verify(&self, token: BearerToken<'_>) -> Verdict {
        let verifier = self.verifier.clone();
        let token = token.as_str().to_owned();
        Box::pin(async move { verifier.verify(&token).await })
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("token_from", &self.sources)
            .field("optional", &self.anonymous)
            .field("require", &self.requirement)
            .field("end_at_expiry", &self.ends_at_expiry)
            .field("responder", &self.responder)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::support;
    use super::*;

    #[test]
    fn policies_that_must_hold_together_keep_the_last_name() {
        let named = |first: Policy, second: Policy| {
            let layer = AuthLayer::new(support::verifier());
            let layer = layer.require(first).unwrap().require(second).unwrap();
            layer.gate.policy().unwrap().name()
        };
        let (a, b) = (Policy::scope("a"), Policy::scope("b"));
        assert_eq!(named(a.clone(), b.clone()), None);
        assert_eq!(named(a.clone(), b.clone().named("b")), Some("b"));
        assert_eq!(named(a.clone().named("a"), b.clone()), Some("a"));
        assert_eq!(named(a.named("a"), b.named("b")), Some("b"));
    }
}
