//! How somebody proved who they are.

use std::time::SystemTime;

use super::VerifiedToken;
use crate::claims::NumericDate;

/// How and when the person behind a token proved who they are
/// ([OpenID Connect Core §2](https://openid.net/specs/openid-connect-core-1_0.html#IDToken),
/// [RFC 9068 §2.2.1](https://www.rfc-editor.org/rfc/rfc9068#section-2.2.1)).
#[derive(Clone, Copy, Debug)]
pub struct Authentication<'a> {
    pub(super) token: &'a VerifiedToken,
}

impl<'a> Authentication<'a> {
    /// `acr`: the class of authentication that was reached.
    #[must_use]
    pub fn acr(&self) -> Option<&'a str> {
        self.token.text(self.token.0.jwt.claims.acr)
    }

    /// `amr`: the methods used, such as `pwd` or `otp` ([RFC 8176](https://www.rfc-editor.org/rfc/rfc8176)).
    pub fn amr(&self) -> impl Iterator<Item = &'a str> {
        self.token.texts(self.token.0.jwt.claims.amr.as_ref())
    }

    /// `auth_time`: when it was done, clamped to the years 1970 to 9999.
    #[must_use]
    pub fn auth_time(&self) -> Option<SystemTime> {
        self.token
            .0
            .jwt
            .claims
            .auth_time
            .map(NumericDate::to_system_time)
    }
}
