//! What a [tonic] service needs beyond [`AuthLayer`](crate::AuthLayer), which guards it as
//! any other tower service and answers gRPC calls in gRPC's own way.
//!
//! # Example
//!
//! ```
//! use portcullis::tonic::verified_token;
//! use tonic::{Request, Response, Status};
//!
//! async fn place(request: Request<String>) -> Result<Response<String>, Status> {
//!     let caller = verified_token(&request)?.subject().unwrap_or("somebody").to_owned();
//!     Ok(Response::new(format!("an order of {} for {caller}", request.get_ref())))
//! }
//! # tokio_test(async {
//! // Nothing has checked this request, so it is not served.
//! let status = place(Request::new("bread".to_owned())).await.unwrap_err();
//! assert_eq!(status.code(), tonic::Code::Internal);
//! # });
//! # fn tokio_test(test: impl Future<Output = ()>) {
//! #     tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test);
//! # }
//! ```
//!
//! The layer stands before the whole server or before a single service:
//!
//! ```
//! # use tonic::server::NamedService;
//! use portcullis::{AuthLayer, Verifier};
//! use tonic::transport::Server;
//! use tower::Layer as _;
//!
//! # fn f<S>(verifier: Verifier, greeter: S, orders: S)
//! # where
//! #     S: tower::Service<
//! #             http::Request<tonic::body::Body>,
//! #             Response = http::Response<tonic::body::Body>,
//! #             Error = std::convert::Infallible,
//! #         > + NamedService + Clone + Send + Sync + 'static,
//! #     S::Future: Send,
//! # {
//! let layer = AuthLayer::new(verifier);
//! let all_guarded = Server::builder().layer(layer.clone()).add_service(greeter.clone());
//! let one_guarded = Server::builder().add_service(greeter).add_service(layer.layer(orders));
//! # }
//! ```

use std::sync::Arc;

use ::tonic::metadata::MetadataMap;
use ::tonic::server::NamedService;
use ::tonic::{Code, Request, Status};
use http::{Extensions, HeaderMap};

use crate::middleware::{
    AuthService, Caller, Cause, Rejection, RequireService, token, token_or_anonymous,
};
use crate::token::VerifiedToken;

/// The token of a call.
///
/// # Errors
///
/// `UNAUTHENTICATED` for an anonymous call behind [`AuthLayer::optional`](crate::AuthLayer::optional);
/// `INTERNAL` when no layer has checked the call, and the log entry (target `portcullis::rejection`)
/// names the layer to add.
pub fn verified_token<T>(request: &Request<T>) -> Result<&VerifiedToken, Status> {
    token(request.extensions()).map_err(|cause| refuse(request.extensions(), cause))
}

/// The token of a call, or `None` for an anonymous one.
///
/// # Errors
///
/// `INTERNAL` when no layer has checked the call: unguarded is not anonymous.
pub fn optional_token<T>(request: &Request<T>) -> Result<Option<&VerifiedToken>, Status> {
    token_or_anonymous(request.extensions()).map_err(|cause| refuse(request.extensions(), cause))
}

/// Who makes a call, to ask policies about. A [`Rejection`] becomes a [`Status`] by `?`.
///
/// # Errors
///
/// As [`verified_token`].
///
/// # Example
///
/// ```
/// use portcullis::tonic::caller;
/// use portcullis::{Facts, Guarded, Policy, Resource};
/// use tonic::{Request, Response, Status};
///
/// # struct Order { customer: (String, String), total: u64 }
/// # impl Resource for Order {
/// #     fn facts(&self) -> Facts<'_> { Facts::new().owner(&self.customer.0, &self.customer.1) }
/// # }
/// # fn find(_: u64) -> Option<Guarded<Order>> { None }
/// async fn total(request: Request<u64>) -> Result<Response<u64>, Status> {
///     let caller = caller(&request)?;
///     let order = find(*request.get_ref()).ok_or_else(|| caller.not_found())?;
///     Ok(Response::new(caller.authorize(order, &Policy::owner())?.total))
/// }
/// ```
pub fn caller<T>(request: &Request<T>) -> Result<Caller, Status> {
    Ok(Caller::of(request.extensions(), true, None)?)
}

fn refuse(extensions: &Extensions, cause: Cause) -> Status {
    Rejection::behind_layer(extensions, true, cause).into()
}

/// What the default response to a gRPC call says, as a status. Its [`source`](std::error::Error::source)
/// is the rejection.
impl From<Rejection> for Status {
    fn from(rejection: Rejection) -> Self {
        let (code, message) = rejection.grpc_status();
        let mut headers = HeaderMap::new();
        rejection.write_metadata(&mut headers);
        let mut status = Self::with_metadata(
            Code::from(i32::from(code)),
            message,
            MetadataMap::from_headers(headers),
        );
        status.set_source(Arc::new(rejection));
        status
    }
}

impl From<&Rejection> for Status {
    fn from(rejection: &Rejection) -> Self {
        rejection.clone().into()
    }
}

/// Routes to a guarded service by the name of the service.
impl<S: NamedService> NamedService for AuthService<S> {
    const NAME: &'static str = S::NAME;
}

impl<S: NamedService> NamedService for RequireService<S> {
    const NAME: &'static str = S::NAME;
}

/// So that the double takes the layer's place in front of a single service, too.
#[cfg(feature = "testing")]
impl<S: NamedService> NamedService for crate::testing::Authenticated<S> {
    const NAME: &'static str = S::NAME;
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::error::Error as _;
    use std::future::{Ready, ready};
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use ::tonic::Response;
    use ::tonic::body::Body;
    use ::tonic::server::UnaryService;
    use ::tonic::transport::{Endpoint, Server};
    use http::uri::PathAndQuery;
    use serde_json::json;
    use tokio::net::TcpListener;
    use tokio_stream::wrappers::TcpListenerStream;
    use tonic_prost::ProstCodec;
    use tower::{Layer as _, Service};

    use super::*;
    use crate::error::{FetchError, FetchErrorKind, VerifyError};
    use crate::middleware::tests::support;
    use crate::{AuthLayer, Policy, RequireLayer};

    /// `/test.Caller/Name` of a service as the generated ones are; says who calls.
    #[derive(Clone)]
    struct Names;

    struct Name;

    impl UnaryService<String> for Name {
        type Response = String;
        type Future = Ready<Result<Response<String>, Status>>;

        fn call(&mut self, request: Request<String>) -> Self::Future {
            let token = match request.get_ref().as_str() {
                "whoever" => optional_token(&request),
                "gold" => caller(&request).and_then(|caller| {
                    caller.check(&Policy::acr_at_least("gold", ["silver", "gold"]))?;
                    verified_token(&request).map(Some)
                }),
                _ => verified_token(&request).map(Some),
            };
            let name = |token: Option<&VerifiedToken>| {
                token
                    .map_or("anonymous", |token| token.subject().unwrap())
                    .to_owned()
            };
            ready(token.map(name).map(Response::new))
        }
    }

    impl NamedService for Names {
        const NAME: &'static str = "test.Caller";
    }

    impl Service<http::Request<Body>> for Names {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            let codec = ProstCodec::<String, String>::default();
            Box::pin(async { Ok(::tonic::server::Grpc::new(codec).unary(Name, request).await) })
        }
    }

    fn layer() -> AuthLayer {
        AuthLayer::new(support::verifier())
    }

    /// Calls over a connection, so that the client sees what a refusal is made of.
    async fn call<F>(
        serve: impl FnOnce(TcpListenerStream) -> F,
        question: &str,
        token: Option<&str>,
    ) -> Result<String, Status>
    where
        F: Future<Output = Result<(), ::tonic::transport::Error>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(serve(TcpListenerStream::new(listener)));
        let channel = Endpoint::from_shared(address)
            .unwrap()
            .connect()
            .await
            .unwrap();
        let mut client = ::tonic::client::Grpc::new(channel);
        client.ready().await.unwrap();
        let mut request = Request::new(question.to_owned());
        if let Some(token) = token {
            request
                .metadata_mut()
                .insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        let path = PathAndQuery::from_static("/test.Caller/Name");
        let answer = client
            .unary(request, path, ProstCodec::<String, String>::default())
            .await;
        server.abort();
        answer.map(Response::into_inner)
    }

    #[track_caller]
    fn check_status(status: &Status, code: Code, message: &str) {
        assert_eq!((status.code(), status.message()), (code, message));
    }

    #[tokio::test]
    async fn a_layer_guards_a_whole_server() {
        let token = support::token(&json!({}));
        let server = || Server::builder().layer(layer()).add_service(Names);
        let name = call(
            |incoming| server().serve_with_incoming(incoming),
            "",
            Some(&token),
        )
        .await;
        assert_eq!(name.unwrap(), "alice");

        let status = call(|incoming| server().serve_with_incoming(incoming), "", None)
            .await
            .unwrap_err();
        check_status(
            &status,
            Code::Unauthenticated,
            "A bearer access token is required.",
        );
        assert_eq!(
            status.metadata().get("www-authenticate").unwrap(),
            r#"Bearer realm="api""#
        );
        assert_eq!(status.metadata().get("cache-control").unwrap(), "no-store");
    }

    #[tokio::test]
    async fn a_layer_guards_a_single_service() {
        let token = support::token(&json!({}));
        let server = || Server::builder().add_service(layer().layer(Names));
        let name = call(
            |incoming| server().serve_with_incoming(incoming),
            "",
            Some(&token),
        )
        .await;
        assert_eq!(name.unwrap(), "alice");

        let expired = support::token(&json!({ "exp": 1 }));
        let status = call(
            |incoming| server().serve_with_incoming(incoming),
            "",
            Some(&expired),
        )
        .await
        .unwrap_err();
        let message = "The access token is expired, revoked, malformed or not valid here.";
        check_status(&status, Code::Unauthenticated, message);
    }

    #[cfg(feature = "testing")]
    #[tokio::test]
    async fn the_stand_in_layer_guards_a_single_service_too() {
        let token = VerifiedToken::dangerously_assert_verified(&json!({ "sub": "alice" }));
        let layer = crate::testing::AuthenticatedLayer::new(token);
        let server = Server::builder().add_service(layer.layer(Names));
        let name = call(|incoming| server.serve_with_incoming(incoming), "", None).await;
        assert_eq!(name.unwrap(), "alice");
    }

    #[tokio::test]
    async fn each_method_of_a_service_has_its_policy() {
        let guarded = |method| {
            let methods = RequireLayer::grpc_methods([(method, Policy::scope("names:read"))]);
            layer().layer(methods.unwrap().layer(Names))
        };
        let outcome = async |method, claims| {
            let server = Server::builder().add_service(guarded(method));
            let token = support::token(&claims);
            call(
                |incoming| server.serve_with_incoming(incoming),
                "",
                Some(&token),
            )
            .await
        };
        let allowed = outcome("/test.Caller/Name", json!({ "scope": "names:read" })).await;
        assert_eq!(allowed.unwrap(), "alice");

        let status = outcome("/test.Caller/Name", json!({})).await.unwrap_err();
        let message = "The access token lacks a scope that is required.";
        check_status(&status, Code::PermissionDenied, message);
        assert_eq!(
            status.metadata().get("www-authenticate").unwrap(),
            r#"Bearer realm="api", error="insufficient_scope", scope="names:read""#
        );

        let unnamed = outcome("/test.Caller/Other", json!({ "scope": "names:read" })).await;
        let message = "The caller is not allowed to do this.";
        check_status(&unnamed.unwrap_err(), Code::PermissionDenied, message);
    }

    #[tokio::test]
    async fn a_handler_asks_a_policy_and_fails_with_the_answer() {
        let outcome = async |acr| {
            let server = Server::builder().layer(layer()).add_service(Names);
            let token = support::token(&json!({ "acr": acr }));
            let serve = |incoming| server.serve_with_incoming(incoming);
            call(serve, "gold", Some(&token)).await
        };
        assert_eq!(outcome("gold").await.unwrap(), "alice");
        let status = outcome("silver").await.unwrap_err();
        let message = "A stronger or more recent login is required.";
        check_status(&status, Code::Unauthenticated, message);
        assert_eq!(
            status.metadata().get("www-authenticate").unwrap(),
            r#"Bearer realm="api", error="insufficient_user_authentication", acr_values="gold""#
        );
    }

    #[tokio::test]
    async fn an_anonymous_call_passes_only_where_the_method_says_so() {
        let server = || {
            Server::builder()
                .layer(layer().optional())
                .add_service(Names)
        };
        let name = call(
            |incoming| server().serve_with_incoming(incoming),
            "whoever",
            None,
        )
        .await;
        assert_eq!(name.unwrap(), "anonymous");
        let status = call(|incoming| server().serve_with_incoming(incoming), "", None)
            .await
            .unwrap_err();
        check_status(
            &status,
            Code::Unauthenticated,
            "A bearer access token is required.",
        );
    }

    #[tokio::test]
    async fn without_a_layer_every_call_is_a_mistake_of_the_service() {
        let token = support::token(&json!({}));
        for question in ["", "whoever"] {
            let server = Server::builder().add_service(Names);
            let status = call(
                |incoming| server.serve_with_incoming(incoming),
                question,
                Some(&token),
            )
            .await
            .unwrap_err();
            check_status(&status, Code::Internal, "The request cannot be served.");
        }
    }

    #[test]
    fn a_status_says_what_the_response_to_a_call_says() {
        let error = VerifyError::KeysUnavailable(FetchError::new(FetchErrorKind::Deadline));
        // Converted to a status it is an answer in gRPC's way, whatever the request was.
        for grpc in [false, true] {
            let rejection =
                Rejection::behind_layer(&Extensions::new(), grpc, Cause::Token(error.clone()));
            let status = Status::from(&rejection);
            check_status(
                &status,
                Code::Unavailable,
                "The access token cannot be checked at the moment.",
            );
            assert_eq!(
                status.metadata().get("grpc-retry-pushback-ms").unwrap(),
                "5000"
            );
            assert!(status.metadata().get("retry-after").is_none());
            assert_eq!(
                status.source().unwrap().to_string(),
                "token is not accepted"
            );
        }
    }
}
