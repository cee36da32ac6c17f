//! Text from outside made fit to be shown: escaped and bounded.

use std::fmt::{self, Write as _};

/// Shows a text in quotes with everything but printable ASCII escaped, cut after 64 characters.
///
/// Escaping keeps control bytes, terminal sequences and bidirectional overrides out of logs.
pub(crate) struct Escaped<'a>(pub(crate) &'a str);

impl fmt::Debug for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        fmt::Display::fmt(self, f)?;
        f.write_char('"')
    }
}

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars().take(MAX_CHARACTERS) {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                ' '..='~' => f.write_char(character)?,
                _ => write!(f, "{}", character.escape_unicode())?,
            }
        }
        if self.0.chars().nth(MAX_CHARACTERS).is_some() {
            f.write_str("...")?;
        }
        Ok(())
    }
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

const MAX_CHARACTERS: usize = 64;

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
        }
    }

    #[test]
    fn long_text_is_cut() {
        check(&"k".repeat(64), &format!("\"{}\"", "k".repeat(64)));
        check(&"k".repeat(65), &format!("\"{}...\"", "k".repeat(64)));
    }
}
