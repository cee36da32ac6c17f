//! What must not compile, each beside the nearest thing that does: only what a pair differs in can be
//! why the second of it fails. `scripts/check-tests` also holds each to its error code, which rustdoc
//! does not do by itself.
//!
//! # An unverified claim cannot be read
//!
//! A payload comes out of a verified JWS, and there is no other to take one from:
//!
//! ```
//! fn read(jws: &portcullis::VerifiedJws) -> &[u8] { jws.payload() }
//! ```
//! ```compile_fail,E0599
//! fn read(jws: &portcullis::BearerToken<'_>) -> &[u8] { jws.payload() }
//! ```
//! ```compile_fail,E0603
//! fn read(jws: &portcullis::jws::CompactJws<'_>) -> &[u8] { &jws.into_unverified_parts().1 }
//! ```
//! ```compile_fail,E0603
//! fn read(jwt: &portcullis::claims::UnverifiedJwt<'_>) {}
//! ```
//!
//! A claim comes out of a verified token, and neither a verified JWS nor an error has any:
//!
//! ```
//! fn read(token: &portcullis::VerifiedToken) -> Option<&str> { token.subject() }
//! ```
//! ```compile_fail,E0599
//! fn read(token: &portcullis::VerifiedJws) -> Option<&str> { token.subject() }
//! ```
//! ```compile_fail,E0599
//! fn read(token: &portcullis::BearerToken<'_>) -> Option<&str> { token.subject() }
//! ```
//! ```compile_fail,E0599
//! fn read(token: &portcullis::VerifyError) -> Option<&str> { token.subject() }
//! ```
//!
//! # What is verified comes from a check
//!
//! ```
//! fn make(verifier: &portcullis::Verifier) -> portcullis::VerifiedToken { verifier.verify_now("").unwrap() }
//! ```
//! ```compile_fail,E0423
//! fn make(inner: std::sync::Arc<()>) -> portcullis::VerifiedToken { portcullis::VerifiedToken(inner) }
//! ```
//! ```compile_fail,E0624
//! fn make(jwt: ()) -> portcullis::VerifiedToken { portcullis::VerifiedToken::new(jwt) }
//! ```
//! ```compile_fail,E0277
//! fn make(jws: portcullis::VerifiedJws) -> portcullis::VerifiedToken { jws.into() }
//! ```
//! ```compile_fail,E0451
//! fn make(payload: Vec<u8>) -> portcullis::VerifiedJws {
//!     portcullis::VerifiedJws { signed: panic!(), payload }
//! }
//! ```
//!
//! It has no default and cannot be deserialized, though it can be cloned:
//!
//! ```
//! fn has<T: Clone>() {}
//! has::<portcullis::VerifiedToken>();
//! has::<portcullis::VerifiedJws>();
//! has::<portcullis::Header>();
//! ```
//! ```compile_fail,E0277
//! fn has<T: Default>() {}
//! has::<portcullis::VerifiedToken>();
//! ```
//! ```compile_fail,E0277
//! fn has<T: Default>() {}
//! has::<portcullis::VerifiedJws>();
//! ```
//! ```compile_fail,E0277
//! fn has<T: Default>() {}
//! has::<portcullis::Header>();
//! ```
//!
//! ```
//! fn has<T: serde::de::DeserializeOwned>() {}
//! has::<serde_json::Value>();
//! ```
//! ```compile_fail,E0277
//! fn has<T: serde::de::DeserializeOwned>() {}
//! has::<portcullis::VerifiedToken>();
//! ```
//! ```compile_fail,E0277
//! fn has<T: serde::de::DeserializeOwned>() {}
//! has::<portcullis::VerifiedJws>();
//! ```
//! ```compile_fail,E0277
//! fn has<T: serde::de::DeserializeOwned>() {}
//! has::<portcullis::Header>();
//! ```
//!
//! # An issuer has an audience
//!
//! ```
//! use portcullis::{Audience, Issuer, KeySet};
//! fn make(keys: KeySet, audience: Audience) -> Issuer { Issuer::keys("https://id.example.com", keys, audience) }
//! ```
//! ```compile_fail,E0061
//! use portcullis::{Audience, Issuer, KeySet};
//! fn make(keys: KeySet, audience: Audience) -> Issuer { Issuer::keys("https://id.example.com", keys) }
//! ```
//! ```compile_fail,E0308
//! use portcullis::{Audience, Issuer, KeySet};
//! fn make(keys: KeySet, audience: Audience) -> Issuer { Issuer::keys("https://id.example.com", keys, None) }
//! ```
//! ```compile_fail,E0599
//! use portcullis::{Audience, Issuer, KeySet};
//! fn make(keys: KeySet) -> Issuer { Issuer::keys("https://id.example.com", keys, Audience::default()) }
//! ```
//!
//! ```
//! use portcullis::{Audience, Issuer};
//! fn make(audience: Audience) -> Issuer { Issuer::discover("https://id.example.com", audience) }
//! ```
//! ```compile_fail,E0061
//! use portcullis::{Audience, Issuer};
//! fn make(audience: Audience) -> Issuer { Issuer::discover("https://id.example.com") }
//! ```
//! ```compile_fail,E0061
//! use portcullis::{Audience, Issuer};
//! fn make(audience: Audience) -> Issuer { Issuer::jwks_uri("https://id.example.com", "https://id.example.com/keys") }
//! ```
//! ```compile_fail,E0061
//! use portcullis::{Audience, Issuer};
//! fn make(audience: Audience) -> Issuer { Issuer::jwks_file("https://id.example.com", "/run/keys/jwks.json") }
//! ```
//!
//! # HMAC and `none` have no name
//!
//! ```
//! use portcullis::{Algorithm, Issuer};
//! fn allow(issuer: Issuer) -> Issuer { issuer.algorithms([Algorithm::Rs256]) }
//! ```
//! ```compile_fail,E0599
//! use portcullis::{Algorithm, Issuer};
//! fn allow(issuer: Issuer) -> Issuer { issuer.algorithms([Algorithm::Hs256]) }
//! ```
//! ```compile_fail,E0599
//! use portcullis::{Algorithm, Issuer};
//! fn allow(issuer: Issuer) -> Issuer { issuer.algorithms([Algorithm::None]) }
//! ```
//! ```compile_fail,E0271
//! use portcullis::{Algorithm, Issuer};
//! fn allow(issuer: Issuer) -> Issuer { issuer.algorithms(["HS256"]) }
//! ```
//! ```compile_fail,E0271
//! use portcullis::{Algorithm, Issuer};
//! fn allow(issuer: Issuer) -> Issuer { issuer.algorithms([jsonwebtoken::Algorithm::HS256]) }
//! ```
