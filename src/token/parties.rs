//! Who acts, and which key a token is bound to.

use serde::Deserialize;

/// Who acts for the subject of a token.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Actor {
    /// `sub` of the actor.
    #[serde(rename = "sub")]
    pub subject: Option<String>,
    /// `iss` of the actor, where it is not the token's.
    #[serde(rename = "iss")]
    pub issuer: Option<String>,
}

/// The key or certificate a token is bound to.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
#[non_exhaustive]
pub struct Confirmation {
    /// `jkt`: thumbprint of a JWK ([RFC 9449 §6.1](https://www.rfc-editor.org/rfc/rfc9449#section-6.1)).
    #[serde(rename = "jkt")]
    pub jwk_thumbprint: Option<String>,
    /// `x5t#S256`: thumbprint of a certificate ([RFC 8705 §3.1](https://www.rfc-editor.org/rfc/rfc8705#section-3.1)).
    #[serde(rename = "x5t#S256")]
    pub certificate_thumbprint: Option<String>,
}
