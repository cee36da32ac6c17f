//! Portcullis: a gate that a service embeds.
#![cfg_attr(docsrs, feature(doc_cfg))]

// The way of a token: pure, synchronous, no clock, no I/O.
mod jws;
mod algorithm;
mod signature;
mod token;
// The way of a key.
#[cfg(feature = "remote")]
mod discovery;
#[cfg(feature = "remote")]
mod fetch;
mod jwk;
mod key_set;
// The crossing.
mod verifier;
mod clock;
mod error;
mod text;

pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use clock::{Clock, Now, SystemClock};
pub use error::{ClaimError, ClaimName, FetchError, FetchErrorKind, KeySetError, Malformation, VerifyError};
#[cfg(feature = "remote")]
pub use fetch::{Fetch, FetchFuture, FetchRequest, FetchResponse, Freshness};
pub use jwk::SkipReason;
pub use jws::Header;
pub use key_set::KeySet;
pub use token::VerifiedToken;
pub use verifier::Verifier;
