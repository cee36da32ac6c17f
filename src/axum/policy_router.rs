//! A router that takes no route without saying who may call it.

use std::convert::Infallible;
use std::{fmt, mem};

use ::axum::Router;
use ::axum::handler::Handler as _;
use ::axum::middleware::map_response;
use ::axum::response::Response;
use ::axum::routing::{MethodRouter, any};
use http::header::ALLOW;
use http::request::Parts;

use super::extractors::is_grpc_call;
use super::path;
use crate::error::BuildError;
use crate::middleware::{AuthLayer, Caller, Cause, PATH, Rejection};
use crate::policy::Policy;

/// Routes, each with the policy that it takes to get there, and no way to add one without: who may call a
/// handler is said where the handler is mounted, or it is not mounted.
///
/// | request | answer |
/// |---|---|
/// | a route with a policy | the handler's, if the policy allows; else a refusal, and the handler never runs |
/// | … of another method | the same policy is asked before the 405; that of the last one, if the path has several. Only the 405 says which methods there are |
/// | an [`authenticated`](Self::authenticated) route | the handler's, for whoever the layer lets through |
/// | a [`public`](Self::public) route | the handler's; no token is looked at |
/// | any other path, without a token | 401 |
/// | any other path, with one | 404, or 403 after [`forbid_unknown`](Self::forbid_unknown) |
///
/// The parameters in a route's path are facts for its policy (`path.id`): see
/// [`RequireLayer::with_path`](crate::RequireLayer::with_path) for when that is enough.
///
/// # Example
///
/// ```
/// use axum::Router;
/// use axum::routing::{get, post};
/// use portcullis::axum::PolicyRouter;
/// use portcullis::{AuthLayer, BuildError, Policy, Verifier};
///
/// # async fn handler() {}
/// # let (list, place, health, users, orders_of) = (handler, handler, handler, handler, handler);
/// fn app(verifier: Verifier) -> Result<Router, BuildError> {
///     # async fn handler() {}
///     # let (list, place, health, users, orders_of) = (handler, handler, handler, handler, handler);
///     let own = Policy::claim("sub").equals_fact("path.id");
///     let admin = PolicyRouter::new().route("/users", get(users), Policy::role("admin"));
///     PolicyRouter::new()
///         .route("/orders", get(list), Policy::scope("orders:read"))
///         .route("/orders", post(place), Policy::scope("orders:write"))
///         .route("/users/{id}/orders", get(orders_of), own.or(Policy::role("admin")))
///         .nest("/admin", admin)
///         .public("/health", get(health))
///         .guarded_by(AuthLayer::new(verifier))
/// }
/// ```
#[must_use = "the routes serve nobody before a layer guards them"]
pub struct PolicyRouter<S = ()> {
    routes: Vec<Route<S>>,
    nested: Vec<(String, Self)>,
    unknown: Unknown,
}

struct Route<S> {
    path: String,
    methods: MethodRouter<S>,
    access: Access,
}

/// Who may use a route.
#[derive(Debug)]
enum Access {
    Public,
    Authenticated,
    Allowed(Policy),
}

/// What is answered for a path that no route has, to somebody with a token.
#[derive(Clone, Copy, Debug)]
enum Unknown {
    NotFound,
    Forbidden,
}

impl<S: Clone + Send + Sync + 'static> PolicyRouter<S> {
    /// No routes.
    pub const fn new() -> Self {
        Self {
            routes: Vec::new(),
            nested: Vec::new(),
            unknown: Unknown::NotFound,
        }
    }

    /// Adds a route for those whom this policy allows. A path may be added again with other methods and
    /// another policy.
    ///
    /// # Panics
    ///
    /// [`guarded_by`](Self::guarded_by) panics where [`Router::route`] does.
    pub fn route(self, path: impl Into<String>, methods: MethodRouter<S>, policy: Policy) -> Self {
        self.with(path.into(), methods, Access::Allowed(policy))
    }

    /// Adds a route for everybody whom the layer lets through: anonymous callers, too, where it is
    /// [`optional`](AuthLayer::optional). For handlers that decide by themselves, and for those that have
    /// nothing to decide, such as one that says who the caller is.
    ///
    /// # Panics
    ///
    /// [`guarded_by`](Self::guarded_by) panics where [`Router::route`] does.
    pub fn authenticated(self, path: impl Into<String>, methods: MethodRouter<S>) -> Self {
        self.with(path.into(), methods, Access::Authenticated)
    }

    /// Adds a route for everybody. It is outside of the layer: no token is looked at, and extractors
    /// that want one answer 500.
    ///
    /// # Panics
    ///
    /// [`guarded_by`](Self::guarded_by) panics where [`Router::route`] does.
    pub fn public(self, path: impl Into<String>, methods: MethodRouter<S>) -> Self {
        self.with(path.into(), methods, Access::Public)
    }

    /// Adds the routes of another one below this path. What it answers for unknown paths is not taken over.
    ///
    /// # Panics
    ///
    /// [`guarded_by`](Self::guarded_by) panics where [`Router::nest`] does, and where both have a path.
    pub fn nest(mut self, path: impl Into<String>, routes: Self) -> Self {
        self.nested.push((path.into(), routes));
        self
    }

    /// Answers for a path that no route has as a policy does that refuses: with 403, so that those which a caller
    /// is not allowed to use do not stand out. 404 by default.
    ///
    /// Where scopes or another login would help a refusal says so, also to those without a token, and tells
    /// that there is a path. To hide even that, take [`hidden`](Policy::hidden) policies and leave this off.
    pub const fn forbid_unknown(mut self) -> Self {
        self.unknown = Unknown::Forbidden;
        self
    }

    /// The router, guarded by this layer: what it [requires](AuthLayer::require) must hold on each route that
    /// is not public.
    ///
    /// It has a fallback, as axum calls it: merge with routers that have none, or add their routes here.
    /// `Router::layer` and `Router::with_state` are as ever; what is routed later has no policy, and should
    /// not be.
    ///
    /// # Errors
    ///
    /// [`BuildError::UnusablePolicy`] with the route whose policy is not [valid](Policy::validated), asks for
    /// facts that are not in its path, asks a path that has two parameters of one name, or does not say of which
    /// of several issuers it means the roles and scopes.
    ///
    /// # Panics
    ///
    /// Where axum's router does: a path that cannot be routed, or one method of a path twice.
    pub fn guarded_by(self, layer: AuthLayer) -> Result<Router<S>, BuildError> {
        let cause = match self.unknown {
            Unknown::NotFound => || Cause::NotFound,
            Unknown::Forbidden => || Cause::NoPolicy,
        };
        // Who has no token is told nothing, also where the layer lets anonymous requests through.
        let unknown = async move |parts: Parts| -> Rejection {
            match Caller::of(&parts.extensions, is_grpc_call(&parts), None) {
                Ok(caller) => caller.reject(cause()),
                Err(rejection) => rejection,
            }
        };
        let router = self.build("", &layer)?;
        Ok(router.fallback(unknown.layer(layer)))
    }

    fn with(mut self, path: String, methods: MethodRouter<S>, access: Access) -> Self {
        self.routes.push(Route {
            path,
            methods,
            access,
        });
        self
    }

    fn build(self, prefix: &str, layer: &AuthLayer) -> Result<Router<S>, BuildError> {
        let mut paths: Vec<(String, MethodRouter<S>)> = Vec::new();
        for route in self.routes {
            let whole = format!("{prefix}{}", route.path);
            let layer = match route.access {
                Access::Public => None,
                Access::Authenticated => Some(layer.clone()),
                Access::Allowed(policy) => Some(layer_for(&whole, policy, layer.clone())?),
            };
            let methods = match layer {
                None => route.methods,
                // Not a `route_layer`: what a method router falls back to is a handler, too.
                Some(layer) => route.methods.layer::<_, Infallible>(layer),
            };
            match paths.iter_mut().find(|(path, _)| *path == route.path) {
                Some((_, known)) => *known = mem::take(known).merge(methods),
                None => paths.push((route.path, methods)),
            }
        }
        let mut router = Router::new();
        for (path, methods) in paths {
            // As one handler: from outside of a method router nobody can take away what it adds to a refusal.
            let methods = any(methods).layer::<_, Infallible>(map_response(without_methods));
            router = router.route(&path, methods);
        }
        for (path, routes) in self.nested {
            let routes = routes.build(&format!("{prefix}{path}"), layer)?;
            router = router.nest(&path, routes);
        }
        Ok(router)
    }
}

/// To each answer for a method that a path does not have axum adds those that it has, be it a refusal.
async fn without_methods(mut response: Response) -> Response {
    if response.extensions().get::<Rejection>().is_some() {
        response.headers_mut().remove(ALLOW);
    }
    response
}

fn layer_for(path: &str, policy: Policy, layer: AuthLayer) -> Result<AuthLayer, BuildError> {
    let place = format_args!("route {path:?}");
    let names = parameters_of(path);
    let named = |fact: &str| {
        let name = fact.strip_prefix(PATH);
        name.is_some_and(|name| names.iter().any(|known| known == name))
    };
    if let Some(part) = policy.asks_beside(&named) {
        let problem = format_args!(
            "{part} asks for a fact that is no parameter of its path; name one that is, or ask it in the \
             handler, with Caller::authorize or Caller::check_on"
        );
        return Err(BuildError::policy(place, problem));
    }
    let is_again = |(at, name): &(usize, &String)| names.iter().take(*at).any(|one| one == *name);
    if let Some(part) = policy.asks_beside(&|_| false)
        && let Some((_, name)) = names.iter().enumerate().find(is_again)
    {
        let problem = format_args!(
            "{part} asks the path, which has the parameter {name:?} twice, and would never hold; rename one"
        );
        return Err(BuildError::policy(place, problem));
    }
    layer.require_at(place, policy, Some(path::parameters))
}

/// The names of the parameters in the path of a route. Doubled braces are braces.
fn parameters_of(path: &str) -> Vec<String> {
    let path = path.replace("{{", "").replace("}}", "");
    let parts = path.split('{').skip(1);
    let names = parts.filter_map(|part| part.split_once('}'));
    names
        .map(|(name, _)| name.trim_start_matches('*').to_owned())
        .collect()
}

impl<S: Clone + Send + Sync + 'static> Default for PolicyRouter<S> {
    fn default() -> Self {
        Self::new()
    }
}

impl<S> fmt::Debug for PolicyRouter<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let routes = self.routes.iter().map(|route| (&route.path, &route.access));
        let nested = self.nested.iter().map(|(path, routes)| (path, routes));
        f.debug_struct("PolicyRouter")
            .field("routes", &routes.collect::<Vec<_>>())
            .field("nested", &nested.collect::<Vec<_>>())
            .field("unknown", &self.unknown)
            .finish()
    }
}
