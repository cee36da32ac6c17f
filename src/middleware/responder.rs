//! How refusals are answered: what one layer is configured with.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;

use super::rejection::Rejection;

/// How one layer answers what it refuses, and what extractors behind it refuse.
#[derive(Clone)]
pub(super) struct Responder {
    pub(super) realm: Box<str>,
    /// Where clients learn how to get a token.
    pub(super) metadata_url: Option<Box<str>>,
    pub(super) custom: Option<Arc<CustomResponse>>,
}

/// Behind a pointer rather than a type parameter: refusals are not the hot path, and a layer can be
/// named this way.
pub(super) type CustomResponse = dyn Fn(&Rejection) -> Response<Bytes> + Send + Sync;

impl Default for Responder {
    fn default() -> Self {
        Self {
            realm: DEFAULT_REALM.into(),
            metadata_url: None,
            custom: None,
        }
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Responder")
            .field("realm", &self.realm)
            .field("resource_metadata", &self.metadata_url)
            .field("custom", &self.custom.is_some())
            .finish()
    }
}

/// Says nothing about what runs behind it.
const DEFAULT_REALM: &str = "api";
