//! What a [tonic](::tonic) service needs beyond [`AuthLayer`](crate::AuthLayer), which guards it as
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

use crate::middleware::{AuthService, Cause, Rejection, token, token_or_anonymous};
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
