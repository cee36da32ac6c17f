//! The issuer that all trust, and its token.

use std::io;
use std::time::Duration;

use portcullis::Algorithm;
use portcullis::testing::{TestIssuer, TokenBuilder};

/// The algorithms that are measured: one key for each in the issuer's set.
pub const ALGORITHMS: [Algorithm; 3] = [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa];

/// An issuer on loopback with three keys, which serves its metadata and its JWK Set over HTTP.
pub async fn start() -> io::Result<TestIssuer> {
    TestIssuer::start_with(ALGORITHMS).await
}

/// A usual access token: some 830 bytes when it is signed by RSA-2048.
pub fn token(issuer: &TestIssuer, algorithm: Algorithm) -> TokenBuilder {
    issuer
        .token()
        .algorithm(algorithm)
        .subject("248289761001")
        .scope("orders:read orders:write profile email")
        .claim("client_id", "s6BhdRkqt3")
        .claim("tenant", "0d6f2b3a-5c1e-4d7a-9b8f-2e4c6a8d0f1b")
        .claim("roles", ["reader", "writer"])
        .claim("sid", "08a5019c-17e1-4977-8f4")
        .expires_in(Duration::from_secs(86_400))
}

/// The token, and the same with a signature that is not its own.
pub fn good_and_forged(issuer: &TestIssuer, algorithm: Algorithm) -> (String, String) {
    let token = token(issuer, algorithm);
    (token.clone().sign(), token.with_invalid_signature())
}
