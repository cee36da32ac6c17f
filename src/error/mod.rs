//! Errors, sorted by who must act on them, with stable reason codes.
//!
//! | type | when | who acts |
//! |---|---|---|
//! | [`BuildError`] | `build()` | whoever configured the service; it names the value and the remedy |
//! | [`VerifyError`] | a token | the client (get another token) or, for `keys_unavailable`, the operator |
//! | [`FetchError`] | keys over the network | the operator of the issuer or of the network between |
//! | [`KeySetError`] | a JWK Set or PEM text | whoever wrote it |
//! | [`ClaimError`] | a claim read from a verified token | the developer, or the issuer |
//!
//! None of them carries token text, an unverified claim or key material.

mod build;
mod claim;
mod fetch;
mod key_set;
mod verify;
#[cfg(feature = "remote")]
mod refresh;

pub use build::BuildError;
pub use claim::ClaimError;
pub use fetch::{FetchError, FetchErrorKind};
pub use key_set::KeySetError;
#[cfg(feature = "remote")]
pub use refresh::RefreshError;
pub use verify::{ClaimName, Malformation, VerifyError};
