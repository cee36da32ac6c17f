//! [`RequireLayer`]: what else must hold on a route, behind an [`AuthLayer`](super::AuthLayer).

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::body::ResponseBody;
use super::cause::Cause;
use super::extension::Admission;
use super::future::ResponseFuture;
use super::grpc::is_grpc;
use super::rejection::Rejection;
use super::requirement::Requirement;
use crate::error::BuildError;
use crate::policy::Policy;
use crate::token::VerifiedToken;

/// Lets only requests through whose token a policy allows: for one route, method or service, behind an
/// [`AuthLayer`](super::AuthLayer), which finds the token and answers for both.
///
/// | request | answer |
/// |---|---|
/// | the policy allows | the inner service's |
/// | the policy refuses | as the [module's table](super) has it |
/// | anonymous, behind [`AuthLayer::optional`](super::AuthLayer::optional) | 401, with the scopes that it would take |
/// | no `AuthLayer` in front | 500 `layer_missing`, and an ERROR entry |
/// | several issuers in front, and the policy does not name one | 500 `unnamed_issuer`, and an ERROR entry |
///
/// An allowed request costs no allocation and no boxed future.
///
/// # Example
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::Router;
/// use axum::routing::{get, post};
/// use portcullis::middleware::RequireLayer;
/// use portcullis::{AuthLayer, BuildError, Policy, Verifier};
///
/// fn app(verifier: Verifier) -> Result<Router, BuildError> {
///     let may_read = RequireLayer::new(Policy::scope("orders:read"))?;
///     let may_write = RequireLayer::new(Policy::scope("orders:write"))?;
///     let admin = RequireLayer::new(Policy::role("admin"))?;
///
///     let orders = get(async || "orders").route_layer(may_read)
///         .merge(post(async || "placed").route_layer(may_write));
///     let admins = Router::new().route("/users", get(async || "users")).route_layer(admin);
///     Ok(Router::new()
///         .route("/orders", orders)
///         .nest("/admin", admins)
///         .route_layer(AuthLayer::new(verifier)))
/// }
/// # }
/// ```
#[derive(Clone)]
pub struct RequireLayer {
    rules: Arc<Rules>,
}

enum Rules {
    One(Requirement),
    /// By path, `/package.Service/Method`.
    Methods(HashMap<Box<str>, Requirement>),
}

impl RequireLayer {
    /// A layer that asks this policy for every request.
    ///
    /// # Errors
    ///
    /// [`BuildError::UnusablePolicy`] when the policy is not [valid](Policy::validated), or asks for facts of
    /// an object, which a layer does not know.
    pub fn new(policy: Policy) -> Result<Self, BuildError> {
        Requirement::new("RequireLayer::new", policy, None).map(Self::one)
    }

    /// A layer in front of a gRPC service, or of all of them, that asks the policy of the method that is
    /// called: `/package.Service/Method`, as in the request's path. A method that is not in the table is
    /// refused (`PERMISSION_DENIED`, reason `no_policy`).
    ///
    /// # Errors
    ///
    /// [`BuildError::UnusablePolicy`] as from [`new`](Self::new); [`BuildError::InvalidSetting`] when the table
    /// is empty, has a method twice, or something in it is no method's path.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::middleware::RequireLayer;
    /// use portcullis::{BuildError, Policy};
    ///
    /// fn ledger() -> Result<RequireLayer, BuildError> {
    ///     RequireLayer::grpc_methods([
    ///         ("/shop.Ledger/Read", Policy::scope("ledger:read")),
    ///         ("/shop.Ledger/Refund", Policy::scope("ledger:write").and(Policy::role("admin"))),
    ///     ])
    /// }
    /// # ledger().unwrap();
    /// ```
    pub fn grpc_methods(
        methods: impl IntoIterator<Item = (impl Into<Box<str>>, Policy)>,
    ) -> Result<Self, BuildError> {
        let mut table = HashMap::new();
        for (method, policy) in methods {
            let method = method.into();
            if !is_method(&method) {
                return Err(invalid(&method, "give it as /package.Service/Method"));
            }
            let place = format_args!("gRPC method {:?}", &*method);
            let requirement = Requirement::new(place, policy, None)?;
            if table.contains_key(&method) {
                return Err(invalid(&method, "it has a policy already; give it one"));
            }
            table.insert(method, requirement);
        }
        if table.is_empty() {
            let problem = "no method is named, and every call would be refused; name them all";
            return Err(invalid("", problem));
        }
        Ok(Self {
            rules: Arc::new(Rules::Methods(table)),
        })
    }

    pub(crate) fn one(requirement: Requirement) -> Self {
        Self {
            rules: Arc::new(Rules::One(requirement)),
        }
    }
}

fn is_method(path: &str) -> bool {
    let parts = path.strip_prefix('/').and_then(|path| path.split_once('/'));
    parts.is_some_and(|(service, method)| {
        let name = |part: &str| {
            let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_');
            !part.is_empty() && part.bytes().all(known)
        };
        name(service) && name(method)
    })
}

fn invalid(value: &str, problem: &'static str) -> BuildError {
    BuildError::InvalidSetting {
        setting: "a gRPC method of RequireLayer",
        value: value.to_owned(),
        problem,
    }
}

impl<S> Layer<S> for RequireLayer {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> RequireService<S> {
        RequireService {
            inner,
            rules: Arc::clone(&self.rules),
        }
    }
}

impl fmt::Debug for RequireLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.rules {
            Rules::One(requirement) => f.debug_tuple("RequireLayer").field(requirement).finish(),
            Rules::Methods(table) => f.debug_tuple("RequireLayer").field(table).finish(),
        }
    }
}

/// A service behind a [`RequireLayer`]. Ready when the inner service is; a request is judged within `call`.
#[derive(Clone)]
pub struct RequireService<S> {
    inner: S,
    rules: Arc<Rules>,
}

impl<S: fmt::Debug> fmt::Debug for RequireService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}

impl<S, ReqB, ResB> Service<Request<ReqB>> for RequireService<S>
where
    S: Service<Request<ReqB>, Response = Response<ResB>>,
{
    type Response = Response<ResponseBody<ResB>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqB>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqB>) -> Self::Future {
        match self.rules.check(&mut request) {
            Ok(()) => ResponseFuture::admitted(self.inner.call(request)),
            Err(cause) => {
                let grpc = is_grpc(request.method(), request.version(), request.headers());
                let rejection = Rejection::behind_layer(request.extensions(), grpc, cause);
                ResponseFuture::refused(rejection)
            }
        }
    }
}

impl Rules {
    fn check<B>(&self, request: &mut Request<B>) -> Result<(), Cause> {
        let admission = request.extensions().get::<Admission>();
        let several_issuers = admission.ok_or(Cause::LayerMissing)?.several_issuers;
        let token = request.extensions().get::<VerifiedToken>().cloned();
        let requirement = match self {
            Self::One(requirement) => requirement,
            Self::Methods(table) => match (table.get(request.uri().path()), &token) {
                (Some(requirement), _) => requirement,
                (None, Some(_)) => return Err(Cause::NoPolicy),
                (None, None) => return Err(Cause::NoCredentials(None)),
            },
        };
        requirement.check(request.extensions_mut(), token.as_ref(), several_issuers)
    }
}
