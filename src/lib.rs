//! Portcullis is the gate a service embeds: it verifies access tokens by itself, from its issuer's
//! published keys, in microseconds, and keeps doing so while the issuer is down.
//!
//! It **does**: find an issuer's keys, keep them fresh, verify tokens and their claims locally, and
//! put that in front of an axum, tonic or any other tower service, or behind one function call.
//! It **does not**: log users in, keep sessions, issue tokens, decrypt JWE, or ask the issuer
//! anything per request.
//!
//! # Example: an axum API
//!
//! ```no_run
//! # #[cfg(all(feature = "axum", feature = "remote"))]
//! # async fn f() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::{Router, routing::get};
//! use portcullis::{Audience, AuthLayer, Issuer, VerifiedToken, Verifier};
//!
//! async fn me(token: VerifiedToken) -> String {
//!     format!("hello {}\n", token.subject().unwrap_or("nobody"))
//! }
//!
//! let issuer = Issuer::discover("https://id.example.com", Audience::of("https://api.example.com"));
//! let app = Router::new().route("/me", get(me)).layer(AuthLayer::new(Verifier::new(issuer)?));
//!
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! axum::serve(listener, app).await?;
//! # Ok(()) }
//! ```
//!
//! # Example: a plain function, offline
//!
//! ```
//! use portcullis::{Audience, Issuer, KeySet, Verifier};
//!
//! # fn f(jwks: &[u8], token: &str) -> Result<(), Box<dyn std::error::Error>> {
//! let keys = KeySet::from_json(jwks)?;
//! let verifier = Verifier::new(Issuer::keys("https://id.example.com", keys, Audience::of("orders")))?;
//! let token = verifier.verify_now(token)?;
//! assert!(token.scopes().contains("orders:read"));
//! # Ok(()) }
//! ```
//!
//! # The picture
//!
//! ```text
//!         a token's way                                a key's way
//!  request                                      issuer URL
//!    │ extract   BearerToken                      │ discover  OIDC Discovery, RFC 8414
//!    │ parse     limits, syntax, crit             │ fetch     the one door to the network
//!    │                                            │ parse     one bad key never spoils the set
//!    │  issuer ──────────► configured?            │
//!    │  key    ◄────────── KeySet ◄────────────── │ swap      immutable, read without a lock
//!    │ verify    signature                        │
//!    │ validate  claims                         refresh ahead, in the background
//!  VerifiedToken ─► handler
//!    └ check   Policy: may it do this, to that?
//! ```
//!
//! # Guarantees
//!
//! 1. A token is accepted only when its signature, issuer, audience, type and times were checked.
//!    There is no way to make a [`VerifiedToken`] otherwise.
//! 2. The header never chooses how it is verified: configuration and key do, and it must agree.
//!    There is no `none` and no HMAC to choose.
//! 3. A key belongs to its issuer. A token names an issuer of the configuration or costs no fetch.
//! 4. A request with a known key never waits for the network in a service that is in use, outage or not.
//!    One whose keys are long stale, or that has none yet, waits once, 2 s at most.
//! 5. A failed fetch takes no key away that is within its bound, and no key outlives its bound.
//! 6. When keys cannot be had the answer is 503, not 401.
//! 7. No error, log line or `Debug` output holds token text, an unverified claim or a key.
//! 8. Nothing from outside makes the crate panic; it has no `unsafe` code.
//!
//! # Defaults
//!
//! | what | default | why |
//! |---|---|---|
//! | claims | `iss`, `aud`, `exp` required; `nbf`, `iat` checked when there | a token without them opens every door for ever |
//! | leeway | 30 s, at most 300 s | machines that keep time badly agree to 30 s |
//! | kinds of JWT | `at+jwt`, `JWT` or untyped, without marks of other kinds | most issuers type access tokens `JWT` |
//! | algorithms | every [`Algorithm`], narrowed by the key | all use public keys |
//! | size | token 16 KiB, header 2 KiB, `kid` 256 bytes; claims 127 levels deep | real ones are a tenth of that |
//! | keys are fresh for | `Cache-Control`, within 60 s and 1 h; else 10 min | what issuers state, without its extremes |
//! | refresh | in the background at 80 % of that, ± 10 %, started by use | nobody waits; a fleet does not march in step |
//! | withdrawn key | refused 1 h after it was found to be published no more | replicas of real issuers disagree for that long |
//! | outage | keys serve for 24 h after the last success | a night without the issuer is survived |
//! | unknown key | one shared fetch, at most every 10 to 60 s | the first request after a rotation passes; a flood costs nothing |
//! | verified tokens | remembered in 8 MiB, from the second time on; each hit is held against key and time ([`TokenCache`]) | the next request with the same token costs no signature check |
//! | fetch | https, no redirects, 5 s in all, 512 KiB, 100 keys | none of it is the token's to influence |
//!
//! # Refusals
//!
//! | case | HTTP | gRPC |
//! |---|---|---|
//! | no credentials | 401, no error code | `UNAUTHENTICATED` |
//! | several tokens (also `?access_token=`), malformed header | 400 `invalid_request` | `UNAUTHENTICATED` |
//! | a token in a cookie, from another site perhaps | 403 | `PERMISSION_DENIED` |
//! | any fault of the token | 401 `invalid_token` | `UNAUTHENTICATED` |
//! | a policy refuses | 403, 401 for another login, 404 if hidden, with what would help | `PERMISSION_DENIED`, … |
//! | keys unavailable | 503 with `Retry-After` | `UNAVAILABLE` |
//! | layer missing in front of an extractor | 500 | `INTERNAL` |
//!
//! # What operators see
//!
//! Log entries of the crate `tracing`, with these targets:
//!
//! | target | level | what |
//! |---|---|---|
//! | `portcullis::keys` | WARN | a fetch that failed, with its cause; a failover; a private key that is published |
//! | | INFO, DEBUG | another `jwks_uri`; each fetch that succeeded |
//! | `portcullis::config` | WARN | each setting named `dangerously…` of a verifier or layer that is built |
//! | `portcullis::rejection` | DEBUG | each refused request, with its reason code |
//! | | WARN | a policy that cannot tell, from a claim or fact that is not what it reads |
//! | | ERROR | a mistake in the service: no layer in front of an extractor, a policy that names no issuer in front of several |
//! | `portcullis::testing` | WARN in a release build, else DEBUG | identities that nobody verified, with the feature `testing` |
//!
//! Why one token is refused [`Verifier::explain`] says, check by check, fit for a ticket.
//!
//! The `Rejection` is also in the extensions of each refusal's response, for layers outside. How keys
//! are doing is in [`Verifier::status`]; an `Observer` hears of what happens to them, and the feature
//! `metrics` counts it, and tokens, refusals and decisions. Spans learn what became of a request: [`telemetry`].
//!
//! # Features
//!
//! | name | description | default |
//! |---|---|---|
//! | `remote` | keys over the network: discovery, fetching, refreshing | yes |
//! | `tower` | `AuthLayer` for any tower service over HTTP | yes |
//! | `aws-lc-rs` | the crypto backend: every algorithm; needs a C compiler | yes |
//! | `jsonwebtoken` | conversions from and to jsonwebtoken's types | yes |
//! | `rust-crypto` | the portable backend: every algorithm but ML-DSA; used when `aws-lc-rs` is off | no |
//! | `axum` | extractors for axum 0.8 | no |
//! | `tonic` | statuses and request access for tonic 0.14 | no |
//! | `metrics` | counters, gauges and histograms of tokens, refusals, policies and keys for the `metrics` facade: module `metrics` | no |
//! | `config` | a verifier read from YAML, TOML, the environment: module `config` | no |
//! | `testing` | a real issuer on loopback, a token builder, a virtual clock; for tests only | no |
//!
//! Features add and never change. The minimum supported Rust version is 1.88 with every feature.
//!
//! Found a hole? See `SECURITY.md` in the repository; please do not open a public issue.
#![cfg_attr(docsrs, feature(doc_cfg))]

// The way of a token: pure, synchronous, no clock, no I/O.
mod jws;
mod algorithm;
mod signature;
mod claims;
mod token;
pub mod policy;
// The way of a key.
#[cfg(feature = "remote")]
mod discovery;
#[cfg(feature = "remote")]
mod fetch;
mod jwk;
mod key_set;
#[cfg(feature = "remote")]
mod remote;
// The crossing.
#[cfg(feature = "remote")]
pub mod simulation;
mod issuer;
mod verifier;
#[cfg(feature = "config")]
pub mod config;
mod clock;
mod expiry;
#[cfg(feature = "remote")]
mod event;
#[cfg(feature = "metrics")]
pub mod metrics;
pub mod telemetry;
mod error;
// The edge.
mod bearer;
#[cfg(feature = "tower")]
pub mod middleware;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "tonic")]
pub mod tonic;
#[cfg(feature = "jsonwebtoken")]
mod jsonwebtoken;
#[cfg(feature = "testing")]
pub mod testing;
// What strict reading and safe showing need.
mod json;
mod text;
mod time_text;
#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod vectors;

#[cfg(feature = "jsonwebtoken")]
pub use self::jsonwebtoken::ConversionError;
/// The HTTP client that [`VerifierBuilder::http_client`] changes.
#[cfg(feature = "remote")]
pub use ::reqwest;
pub use algorithm::{Algorithm, UnknownAlgorithm};
pub use bearer::{BearerError, BearerToken};
pub use claims::{Audience, TokenType};
pub use clock::{Clock, Now, SystemClock};
#[cfg(feature = "remote")]
pub use error::RefreshError;
pub use error::{
    BuildError, ClaimError, ClaimName, FetchError, FetchErrorKind, KeySetError, Malformation,
    VerifyError,
};
#[cfg(feature = "remote")]
pub use event::{Event, Observer};
#[cfg(any(feature = "remote", feature = "tower"))]
pub use expiry::Expired;
#[cfg(feature = "remote")]
pub use fetch::{Fetch, FetchFuture, FetchRequest, FetchResponse, Freshness};
pub use issuer::Issuer;
pub use jwk::{SkipReason, SkippedKey};
pub use jws::{Header, VerifiedJws};
pub use key_set::KeySet;
#[cfg(feature = "tower")]
pub use middleware::{AuthLayer, Caller, Rejection, RequireLayer};
pub use policy::{Facts, Forbidden, Guarded, Policy, PolicyError, Resource};
#[cfg(feature = "remote")]
pub use remote::{KeyRefresh, KeySeed, SeedError};
pub use token::{Actor, Authentication, Confirmation, Scopes, VerifiedToken};
pub use verifier::{
    Check, CheckOutcome, Explanation, IssuerStatus, KeyState, PolicyAccount, Status, TokenCache,
    Verifier, VerifierBuilder, verify_jws,
};

/// Shown to the compiler only.
#[cfg(all(doctest, feature = "jsonwebtoken", feature = "remote"))]
mod impossible;

/// The README's examples, compiled.
#[cfg(all(doctest, feature = "axum", feature = "testing"))]
#[doc = include_str!("../README.md")]
struct Readme;

/// The recipes, compiled.
#[cfg(all(doctest, feature = "axum", feature = "tonic", feature = "testing"))]
#[doc = include_str!("../docs/authorization.md")]
struct Authorization;
