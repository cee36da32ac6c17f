//! A verified token that nobody verified, in its own file: the one exception to how they are made.

use super::log_unverified;
use crate::claims::{AcceptedJwt, NumericDate};
use crate::clock::{Clock as _, SystemClock};
use crate::token::VerifiedToken;

impl VerifiedToken {
    /// A token made of claims that nobody signed, for tests of handlers.
    ///
    /// Absent claims stay absent; without `exp` it never expires.
    ///
    /// # Panics
    ///
    /// When the claims are no JSON object, or a registered claim is of the wrong type.
    ///
    /// # Security
    ///
    /// Exists only with the feature `testing`, which must not be enabled outside of tests.
    ///
    /// # Example
    ///
    /// ```
    /// use portcullis::VerifiedToken;
    ///
    /// let token = VerifiedToken::dangerously_assert_verified(&serde_json::json!({ "sub": "alice" }));
    /// assert_eq!(token.subject(), Some("alice"));
    /// ```
    #[must_use]
    pub fn dangerously_assert_verified(claims: &impl serde::Serialize) -> Self {
        log_unverified("a token is taken as verified that nobody verified");
        let payload = serde_json::to_string(claims).expect("claims serialize to JSON");
        let jwt = AcceptedJwt::asserted(payload.into())
            .expect("claims are an object of well-typed claims");
        Self::new(jwt, NumericDate::from_system_time(SystemClock.now().wall))
    }
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_registered_claim_of_the_wrong_type_is_no_token() {
        for claim in ["iss", "sub", "aud", "exp", "scope"] {
            for value in [Value::Null, json!(true), json!({})] {
                let claims = json!({ claim: value });
                let made = catch_unwind(|| VerifiedToken::dangerously_assert_verified(&claims));
                assert!(made.is_err(), "{claims}");
            }
        }
    }
}
