//! What strict reading of JSON needs beside `serde_json`.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

/// A string, borrowed from the text unless it had escapes.
#[derive(Deserialize)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// What a JSON value is, by its first byte.
///
/// `deserialize_any` does not say: with `serde_json/arbitrary_precision`, which any crate in the tree
/// may enable, it shows a fraction as an object, and an object may be made to look like one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    Text,
    Number,
    List,
    Object,
    /// `true`, `false` or `null`.
    Literal,
}

impl Kind {
    pub(crate) fn of(json: &RawValue) -> Self {
        match json.get().as_bytes() {
            [b'"', ..] => Self::Text,
            [b'-' | b'0'..=b'9', ..] => Self::Number,
            [b'[', ..] => Self::List,
            [b'{', ..] => Self::Object,
            _ => Self::Literal,
        }
    }
}

/// Whether a name stands twice, after unescaping. Sorts instead of comparing each with each: names
/// are the sender's, so quadratic work would be the sender's too.
pub(crate) fn has_duplicates(names: &mut [Cow<'_, str>]) -> bool {
    names.sort_unstable();
    names
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a == b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_kind(json: &str, kind: Kind) {
        assert_eq!(
            Kind::of(serde_json::from_str(json).unwrap()),
            kind,
            "{json}"
        );
    }

    #[test]
    fn a_value_is_what_its_first_byte_says() {
        check_kind(r#" "1" "#, Kind::Text);
        for number in [
            "0",
            "-0",
            "7",
            " -1.5",
            "1e400",
            "4.0E+9",
            "\n18446744073709551616",
        ] {
            check_kind(number, Kind::Number);
        }
        check_kind("\t[1]", Kind::List);
        check_kind(" {}", Kind::Object);
        check_kind(r#"{"$serde_json::private::Number":"1"}"#, Kind::Object);
        for literal in ["true", "false", "null"] {
            check_kind(literal, Kind::Literal);
        }
    }

    #[test]
    fn duplicates_are_found_wherever_they_stand() {
        assert!(!has_duplicates(&mut []));
        assert!(!has_duplicates(&mut ["a".into(), "b".into()]));
        assert!(has_duplicates(&mut ["a".into(), "b".into(), "a".into()]));
    }
}
