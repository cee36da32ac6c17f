//! `WWW-Authenticate`: what a client must show to be let in
//! ([RFC 6750 §3](https://www.rfc-editor.org/rfc/rfc6750#section-3)).

use std::time::Duration;

use http::HeaderValue;

/// A challenge of the scheme `Bearer`, built one parameter at a time.
pub(super) struct Challenge(String);

impl Challenge {
    /// Starts with the realm, since at least one parameter must follow the scheme.
    pub(super) fn new(realm: &str) -> Self {
        Self("Bearer ".to_owned()).parameter("realm", realm)
    }

    /// Adds `error`, one of the codes of RFC 6750 §3.1.
    pub(super) fn error(self, code: &str) -> Self {
        self.and("error", code)
    }

    /// Adds the scopes that it takes, if it is known of any (RFC 6750 §3).
    pub(super) fn scope<'s>(self, scopes: impl IntoIterator<Item = &'s str>) -> Self {
        self.list("scope", scopes)
    }

    /// Adds the levels of login that do, if not any does
    /// ([RFC 9470 §3](https://www.rfc-editor.org/rfc/rfc9470#section-3)).
    pub(super) fn acr_values<'s>(self, levels: impl IntoIterator<Item = &'s str>) -> Self {
        self.list("acr_values", levels)
    }

    /// Adds how many seconds ago the login may be at most (RFC 9470 §3).
    pub(super) fn max_age(self, age: Duration) -> Self {
        self.and("max_age", &age.as_secs().to_string())
    }

    /// Adds where the metadata of the resource is
    /// ([RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)).
    pub(super) fn resource_metadata(self, url: &str) -> Self {
        self.and("resource_metadata", url)
    }

    /// Names with spaces between them; a policy has none with a space in it.
    fn list<'s>(self, name: &str, values: impl IntoIterator<Item = &'s str>) -> Self {
        let values: Vec<_> = values.into_iter().collect();
        if values.is_empty() {
            return self;
        }
        self.and(name, &values.join(" "))
    }

    fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(", ");
        self.parameter(name, value)
    }

    pub(super) fn into_value(self) -> HeaderValue {
        // Printable ASCII is always a header value; were it ever not, the scheme alone says enough.
        HeaderValue::try_from(self.0).unwrap_or(HeaderValue::from_static("Bearer"))
    }

    /// Writes `name="value"` as a quoted string
    /// ([RFC 9110 §5.6.4](https://www.rfc-editor.org/rfc/rfc9110#section-5.6.4)).
    ///
    /// Escapes what would end the string early. What a header cannot hold, or only in an encoding
    /// nobody agreed on, becomes a question mark: a name is no reason to leave a challenge out.
    fn parameter(mut self, name: &str, value: &str) -> Self {
        self.0.push_str(name);
        self.0.push_str("=\"");
        for character in value.chars() {
            match character {
                '"' | '\\' => self.0.extend(['\\', character]),
                ' '..='~' => self.0.push(character),
                _ => self.0.push('?'),
            }
        }
        self.0.push('"');
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(realm: &str, challenge: &str) {
        assert_eq!(Challenge::new(realm).into_value(), challenge);
    }

    #[test]
    fn a_realm_is_a_quoted_string() {
        check("orders", r#"Bearer realm="orders""#);
        check(
            "orders of 2026 (eu)",
            r#"Bearer realm="orders of 2026 (eu)""#,
        );
        check("", r#"Bearer realm="""#);
    }

    #[test]
    fn a_realm_cannot_end_its_quotes() {
        check(r#"a", error="none"#, r#"Bearer realm="a\", error=\"none""#);
        check(r"a\", r#"Bearer realm="a\\""#);
    }

    #[test]
    fn a_realm_cannot_end_its_line() {
        check("a\r\nSet-Cookie: b", r#"Bearer realm="a??Set-Cookie: b""#);
        check("a\tb\u{7f}\u{0}", r#"Bearer realm="a?b??""#);
        check("Z\u{fc}rich", r#"Bearer realm="Z?rich""#);
    }

    #[test]
    fn what_it_takes_is_listed() {
        let challenge = Challenge::new("api")
            .error("insufficient_user_authentication")
            .scope(["orders:read", "orders:write"])
            .acr_values(["silver", "gold"])
            .max_age(Duration::from_secs(300));
        assert_eq!(
            challenge.into_value(),
            r#"Bearer realm="api", error="insufficient_user_authentication", scope="orders:read orders:write", acr_values="silver gold", max_age="300""#
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let challenge = Challenge::new("api").scope([]).acr_values([]);
        assert_eq!(challenge.into_value(), r#"Bearer realm="api""#);
    }

    #[test]
    fn a_scope_cannot_end_its_quotes() {
        let challenge = Challenge::new("api").scope([r#"a", error="none"#, "b\\\r\n"]);
        assert_eq!(
            challenge.into_value(),
            r#"Bearer realm="api", scope="a\", error=\"none b\\??""#
        );
    }

    #[test]
    fn parameters_are_separated_by_commas() {
        let challenge = Challenge::new("api")
            .error("invalid_token")
            .resource_metadata("https://a/b");
        assert_eq!(
            challenge.into_value(),
            r#"Bearer realm="api", error="invalid_token", resource_metadata="https://a/b""#
        );
    }
}
