//! Text from outside made fit to be shown: escaped and bounded.

use std::fmt::{self, Write as _};

/// Shows a text in quotes with everything but printable ASCII escaped, cut after 64 characters.
/// For texts that anybody may have sent.
///
/// Escaping keeps control bytes, terminal sequences and bidirectional overrides out of logs.
#[derive(Clone)]
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

/// Shows a text that nobody vouches for where it will be pasted elsewhere: in quotes, and with all escaped
/// but what names of keys and algorithms are made of. So it can neither mention nor embed anything.
pub(crate) struct Unvouched<'a>(pub(crate) &'a str);

impl fmt::Debug for Unvouched<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars().take(MAX_CHARACTERS) {
            match character {
                'A'..='Z' | 'a'..='z' | '0'..='9' => f.write_char(character)?,
                '-' | '_' | '.' | '~' | '+' | '/' | '=' | ':' => f.write_char(character)?,
                _ => write!(f, "{}", character.escape_unicode())?,
            }
        }
        let is_cut = self.0.chars().nth(MAX_CHARACTERS).is_some();
        f.write_str(if is_cut { "...\"" } else { "\"" })
    }
}

/// Shows a text that is none of a token, an error's or a policy's, in one line: with everything but printable
/// ASCII escaped, cut after 256 characters.
pub(crate) struct Words<'a>(pub(crate) &'a str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(MAX_CONFIGURED_CHARACTERS) {
            match character {
                ' '..='~' => f.write_char(character)?,
                _ => write!(f, "{}", character.escape_unicode())?,
            }
        }
        let is_cut = self.0.chars().nth(MAX_CONFIGURED_CHARACTERS).is_some();
        f.write_str(if is_cut { "..." } else { "" })
    }
}

/// Things one after the other, cut after eight.
pub(crate) fn listed(things: impl Iterator<Item = impl fmt::Debug>) -> String {
    let mut list = String::new();
    let mut more = 0_usize;
    for (number, thing) in things.enumerate() {
        if number < MAX_LISTED {
            let separator = if number == 0 { "" } else { ", " };
            list += &format!("{separator}{thing:?}");
        } else {
            more += 1;
        }
    }
    match (list.is_empty(), more) {
        (true, _) => "none".to_owned(),
        (false, 0) => list,
        (false, more) => format!("{list} and {more} more"),
    }
}

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        fmt::Display::fmt(self, f)?;
        f.write_char('"')
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, MAX_CHARACTERS, f)
    }
}

/// Shows a value of the configuration escaped, and in quotes as `Debug`; a URL
/// [without credentials](without_credentials), cut after 256 characters: it must be seen to its end
/// to be mended.
pub(crate) struct Configured<'a>(pub(crate) &'a str);

impl fmt::Debug for Configured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

impl fmt::Display for Configured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(without_credentials(self.0), MAX_CONFIGURED_CHARACTERS, f)
    }
}

/// Shows a value of the configuration that is no secret in quotes and escaped, to its end: two that differ
/// do not read alike.
pub(crate) struct Whole<'a>(pub(crate) &'a str);

impl fmt::Debug for Whole<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        escape(self.0, usize::MAX, f)?;
        f.write_char('"')
    }
}

fn escape(text: &str, most: usize, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for character in text.chars().take(most) {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            ' '..='~' => f.write_char(character)?,
            _ => write!(f, "{}", character.escape_unicode())?,
        }
    }
    if text.chars().nth(most).is_some() {
        f.write_str("...")?;
    }
    Ok(())
}

/// A text that may be a URL, without what must not be shown of one: all up to an `@` in its
/// authority, and its query and fragment. Any other text is shown as it is.
pub(crate) fn without_credentials(text: &str) -> &str {
    let Some((_, rest)) = text.split_once("://") else {
        return text;
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    match rest
        .split('/')
        .next()
        .and_then(|authority| authority.rsplit_once('@'))
    {
        Some((userinfo, _)) => rest.get(userinfo.len()..).unwrap_or_default(),
        None => text.split(['?', '#']).next().unwrap_or_default(),
    }
}

/// Whether a text is a URL with a user name or password.
pub(crate) fn has_userinfo(text: &str) -> bool {
    without_credentials(text).starts_with('@') && text.contains("://")
}

/// What is fit to be shown of a text that was meant as a URL and is perhaps none: nothing up to an `@`,
/// wherever it stands, and nothing from a `?` or `#` on.
#[cfg(feature = "remote")]
pub(crate) fn address_without_secrets(text: &str) -> &str {
    let shown = text.split(['?', '#']).next().unwrap_or_default();
    match shown.rfind('@') {
        Some(at) => shown.get(at..).unwrap_or_default(),
        // A password may hold what looks like the begin of a query.
        None if text.contains('@') => "...",
        None => shown,
    }
}

/// Names and values of tokens and of keys are rarely longer.
const MAX_CHARACTERS: usize = 64;
/// As many of a list as one reads in a line.
const MAX_LISTED: usize = 8;
/// Issuers of Azure AD B2C have 120; nothing that is configured comes from an attacker.
const MAX_CONFIGURED_CHARACTERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, shown: &str) {
        assert_eq!(format!("{:?}", Escaped(text)), shown);
    }

    #[test]
    fn only_printable_ascii_passes() {
        check("orders-1", r#""orders-1""#);
        check("a\r\nb\u{1b}[31m", r#""a\u{d}\u{a}b\u{1b}[31m""#);
        check("\u{202e}x\"\\", r#""\u{202e}x\"\\""#);
    }

    #[test]
    fn what_nobody_vouches_for_is_letters_and_signs_of_names() {
        for (text, shown) in [
            ("urn:a/b+c=_-.~1", r#""urn:a/b+c=_-.~1""#),
            ("a b", r#""a\u{20}b""#),
            (
                "![a](b)`<@c>\u{202e}",
                r#""\u{21}\u{5b}a\u{5d}\u{28}b\u{29}\u{60}\u{3c}\u{40}c\u{3e}\u{202e}""#,
            ),
            (&"k".repeat(64), &format!("\"{}\"", "k".repeat(64))),
            (&"k".repeat(65), &format!("\"{}...\"", "k".repeat(64))),
        ] {
            assert_eq!(format!("{:?}", Unvouched(text)), shown);
        }
    }

    #[test]
    fn words_stay_in_their_line() {
        let shown = |text: &str| Words(text).to_string();
        assert_eq!(shown("a \"b\"\n\u{202e}"), r#"a "b"\u{a}\u{202e}"#);
        assert_eq!(shown(&"k".repeat(256)), "k".repeat(256));
        assert_eq!(shown(&"k".repeat(257)), format!("{}...", "k".repeat(256)));
    }

    #[test]
    fn a_list_is_cut() {
        let list = |count| listed(std::iter::repeat_n("a", count).map(Escaped));
        assert_eq!(list(0), "none");
        assert_eq!(list(2), r#""a", "a""#);
        assert_eq!(list(8), [r#""a""#; 8].join(", "));
        assert_eq!(list(9), format!("{} and 1 more", list(8)));
    }

    #[test]
    fn a_url_is_shown_without_credentials() {
        for (text, shown) in [
            ("https://id.example.com/a", "https://id.example.com/a"),
            ("https://id.example.com/a?key=b", "https://id.example.com/a"),
            ("https://id.example.com#b?c", "https://id.example.com"),
            ("https://u:p@id.example.com/a?b", "@id.example.com/a"),
            ("https://u:p@q@id.example.com", "@id.example.com"),
            ("https://id.example.com/a@b", "https://id.example.com/a@b"),
            ("any text? yes", "any text? yes"),
            ("", ""),
        ] {
            assert_eq!(without_credentials(text), shown);
            assert_eq!(has_userinfo(text), shown.starts_with('@'));
        }
    }

    #[cfg(feature = "remote")]
    #[test]
    fn an_address_is_shown_without_secrets_even_if_it_is_no_url() {
        for (text, shown) in [
            ("https://id.example.com/keys", "https://id.example.com/keys"),
            (
                "https://id.example.com/keys?k=s",
                "https://id.example.com/keys",
            ),
            ("https://u:p@id.example.com/a#b", "@id.example.com/a"),
            ("https:///u:p@id.example.com", "@id.example.com"),
            ("https:\\\\u:p@id.example.com", "@id.example.com"),
            ("u:p@id.example.com/keys", "@id.example.com/keys"),
            ("id.example.com/keys?k=s", "id.example.com/keys"),
            ("https://u:p?p@id.example.com", "..."),
        ] {
            assert_eq!(address_without_secrets(text), shown);
        }
    }

    #[test]
    fn what_is_configured_is_shown_to_its_end() {
        let issuer = format!("https://b2c.example.com/{}/v2.0/", "p".repeat(150));
        assert_eq!(format!("{:?}", Configured(&issuer)), format!("{issuer:?}"));
        assert_eq!(
            format!("{:?}", Configured(&"k".repeat(257))),
            format!("\"{}...\"", "k".repeat(256))
        );
        assert_eq!(
            format!("{:?}", Configured("https://u:p@id.example.com/\n")),
            r#""@id.example.com/\u{a}""#
        );
    }

    #[test]
    fn what_is_no_secret_is_shown_whole() {
        let scope = format!("https://a@api.example.com/{}?b#c", "k".repeat(300));
        assert_eq!(format!("{:?}", Whole(&scope)), format!("{scope:?}"));
        assert_eq!(format!("{:?}", Whole("a\n\"")), r#""a\u{a}\"""#);
    }

    #[test]
    fn long_text_is_cut() {
        check(&"k".repeat(64), &format!("\"{}\"", "k".repeat(64)));
        check(&"k".repeat(65), &format!("\"{}...\"", "k".repeat(64)));
    }
}
