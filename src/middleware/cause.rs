//! The one table from why a request is refused to what its sender gets.
//!
//! | case | HTTP | `WWW-Authenticate` | gRPC |
//! |---|---|---|---|
//! | no credentials, or of another scheme | 401 | realm, no error code; `scope` if the policy is known | `UNAUTHENTICATED` |
//! | malformed or several credentials, `?access_token=` among them | 400 | `error="invalid_request"` | `UNAUTHENTICATED` |
//! | a cookie's token on a request that another site may have sent | 403 | none | `PERMISSION_DENIED` |
//! | any fault of the token | 401 | `error="invalid_token"` | `UNAUTHENTICATED` |
//! | policy: scopes are missing | 403 | `error="insufficient_scope"`, `scope` | `PERMISSION_DENIED` |
//! | policy: another login is needed | 401 | `error="insufficient_user_authentication"`, `acr_values`, `max_age`, `scope` | `UNAUTHENTICATED` |
//! | policy: anything else, or no policy at all | 403 | none | `PERMISSION_DENIED` |
//! | no such object, or a hidden one | 404 | none | `NOT_FOUND` |
//! | keys unavailable or not cached | 503, `Retry-After` | none | `UNAVAILABLE`, `grpc-retry-pushback-ms` |
//! | a mistake of the service: no layer in front, or a policy that its issuers are not for | 500 | none | `INTERNAL` |

use bytes::Bytes;
use http::StatusCode;

use super::grpc;
use crate::bearer::BearerError;
#[cfg(feature = "axum")]
use crate::error::ClaimError;
use crate::error::VerifyError;
use crate::policy::{Forbidden, Policy};

/// The cases of the table.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Cause {
    /// And which policy would have been asked, where that is known.
    #[error("request has no credentials")]
    NoCredentials(Option<Policy>),
    #[error(transparent)]
    Credentials(BearerError),
    /// A token that a browser may have sent without the user's application asking for it.
    #[error("request with a cookie is neither of an allowed origin nor of the same one")]
    CrossSite,
    #[error("a policy does not allow the request")]
    Forbidden(#[source] Forbidden),
    /// Nobody said who may use this.
    #[error("no policy is given for this path, so nobody may use it")]
    NoPolicy,
    #[error("there is no such resource")]
    NotFound,
    #[error("token is not accepted")]
    Token(#[source] VerifyError),
    /// As a refusal, and which type of the service it is that the claims do not fit.
    #[cfg(feature = "axum")]
    #[error("token lacks what the service reads")]
    Claims(VerifyError, #[source] Box<ClaimError>),
    #[error(
        "no layer has checked this request: add `.layer(portcullis::AuthLayer::new(verifier))` in front of its route"
    )]
    LayerMissing,
    /// A part of a policy that each of several issuers could satisfy.
    #[error(
        "policy part `{0}` lets in whom any of several issuers likes: say of which issuer, with \
         Policy::issuer, or that each of them may, with any_issuer"
    )]
    UnnamedIssuer(Policy),
}

impl Cause {
    pub(super) fn row(&self) -> Row {
        match self {
            Self::NoCredentials(_) | Self::Credentials(BearerError::OtherScheme) => Row {
                status: StatusCode::UNAUTHORIZED,
                demand: Demand::Credentials,
                grpc: grpc::UNAUTHENTICATED,
                detail: "A bearer access token is required.",
            },
            Self::Credentials(BearerError::Malformed | BearerError::Several) => Row {
                status: StatusCode::BAD_REQUEST,
                demand: Demand::Better("invalid_request"),
                grpc: grpc::UNAUTHENTICATED,
                detail: "The request must carry one well-formed bearer access token.",
            },
            Self::CrossSite => Row {
                status: StatusCode::FORBIDDEN,
                demand: Demand::Nothing,
                grpc: grpc::PERMISSION_DENIED,
                detail: "The request must come from an allowed origin.",
            },
            Self::Forbidden(forbidden) => Self::forbidden(forbidden),
            Self::NoPolicy => Self::DENIED,
            Self::NotFound => Self::NO_SUCH,
            Self::Token(error) if error.is_unavailable() => Row {
                status: StatusCode::SERVICE_UNAVAILABLE,
                demand: Demand::Nothing,
                grpc: grpc::UNAVAILABLE,
                detail: "The access token cannot be checked at the moment.",
            },
            #[cfg(feature = "axum")]
            Self::Claims(..) => Self::UNACCEPTABLE,
            Self::Token(_) => Self::UNACCEPTABLE,
            Self::LayerMissing | Self::UnnamedIssuer(_) => Row {
                status: StatusCode::INTERNAL_SERVER_ERROR,
                demand: Demand::Nothing,
                grpc: grpc::INTERNAL,
                detail: "The request cannot be served.",
            },
        }
    }

    fn forbidden(forbidden: &Forbidden) -> Row {
        match forbidden.reason() {
            _ if forbidden.is_hidden() => Self::NO_SUCH,
            "insufficient_user_authentication" => Row {
                status: StatusCode::UNAUTHORIZED,
                demand: Demand::Better("insufficient_user_authentication"),
                grpc: grpc::UNAUTHENTICATED,
                detail: "A stronger or more recent login is required.",
            },
            "insufficient_scope" => Row {
                status: StatusCode::FORBIDDEN,
                demand: Demand::Better("insufficient_scope"),
                grpc: grpc::PERMISSION_DENIED,
                detail: "The access token lacks a scope that is required.",
            },
            _ => Self::DENIED,
        }
    }

    const DENIED: Row = Row {
        status: StatusCode::FORBIDDEN,
        demand: Demand::Nothing,
        grpc: grpc::PERMISSION_DENIED,
        detail: "The caller is not allowed to do this.",
    };

    /// One for what is not there and for what is hidden: nobody can tell them apart.
    const NO_SUCH: Row = Row {
        status: StatusCode::NOT_FOUND,
        demand: Demand::Nothing,
        grpc: grpc::NOT_FOUND,
        detail: "There is no such resource.",
    };

    const UNACCEPTABLE: Row = Row {
        status: StatusCode::UNAUTHORIZED,
        demand: Demand::Better("invalid_token"),
        grpc: grpc::UNAUTHENTICATED,
        detail: "The access token is expired, revoked, malformed or not valid here.",
    };
}

pub(super) struct Row {
    pub(super) status: StatusCode,
    pub(super) demand: Demand,
    pub(super) grpc: u16,
    /// Constant, without a byte that JSON would escape or gRPC would percent-encode.
    pub(super) detail: &'static str,
}

impl Row {
    pub(super) fn problem(&self) -> Bytes {
        let title = self.status.canonical_reason().unwrap_or_default();
        let (status, detail) = (self.status.as_u16(), self.detail);
        Bytes::from(format!(
            r#"{{"title":"{title}","status":{status},"detail":"{detail}"}}"#
        ))
    }
}

/// What the challenge asks of the client.
pub(super) enum Demand {
    Nothing,
    /// Credentials, without an error code: none were judged
    /// ([RFC 6750 §3.1](https://www.rfc-editor.org/rfc/rfc6750#section-3.1)).
    Credentials,
    /// Better ones than those sent, with the error code that says what was wrong.
    Better(&'static str),
}
