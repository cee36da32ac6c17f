//! Whom a token must be meant for ([RFC 7519 §4.1.3](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.3)).

/// The audiences a service answers to. One exact member of the token's `aud` must be among them.
///
/// There is no default: a verifier that checks no audience accepts tokens made for other services.
///
/// # Example
///
/// ```
/// use portcullis::Audience;
///
/// let one = Audience::of("https://api.example.com");
/// let either = Audience::any_of(["https://api.example.com", "https://old.example.com"]);
/// ```
#[derive(Clone, Debug)]
pub struct Audience(pub(crate) Accepted);

#[derive(Clone, Debug)]
pub(crate) enum Accepted {
    AnyOf(Vec<Box<str>>),
    Everything,
}

impl Audience {
    /// Exactly this audience. Compared byte for byte: no prefix, no case folding, no URL rules.
    #[must_use]
    pub fn of(audience: impl Into<String>) -> Self {
        Self::any_of([audience])
    }

    /// Any one of these, each compared byte for byte. `build()` refuses an empty list or an empty name.
    #[must_use]
    pub fn any_of<T: Into<String>>(audiences: impl IntoIterator<Item = T>) -> Self {
        let audiences = audiences
            .into_iter()
            .map(|audience| audience.into().into_boxed_str());
        Self(Accepted::AnyOf(audiences.collect()))
    }

    /// No check of the audience, and none need be there, unless
    /// [`TokenType::AccessToken`](crate::TokenType::AccessToken) demands one.
    ///
    /// # Security
    ///
    /// Every token of the issuer opens this service, whichever service it was made for: a service
    /// that is handed one can use it here. Only for issuers that serve nobody else.
    #[must_use]
    pub fn dangerously_any() -> Self {
        Self(Accepted::Everything)
    }

    pub(super) fn must_be_present(&self) -> bool {
        matches!(self.0, Accepted::AnyOf(_))
    }

    pub(super) fn accepts<'a>(&self, mut audience: impl Iterator<Item = &'a str>) -> bool {
        match &self.0 {
            Accepted::AnyOf(accepted) => {
                audience.any(|member| accepted.iter().any(|accepted| **accepted == *member))
            }
            Accepted::Everything => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_accepted_exactly() {
        let audience = Audience::any_of(["api", "old"]);
        assert!(audience.accepts(["x", "old"].into_iter()));
        for other in ["API", "api ", "ap", "api2", "", "api,old", "api old"] {
            assert!(!audience.accepts([other].into_iter()), "{other:?}");
        }
        assert!(!audience.accepts([].into_iter()));
    }

    #[test]
    fn everything_is_accepted_only_when_spelled_out() {
        assert!(Audience::dangerously_any().accepts([].into_iter()));
        assert!(!Audience::any_of([""; 0]).accepts(["api"].into_iter()));
    }
}
