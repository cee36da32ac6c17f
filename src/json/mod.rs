//! What strict reading of JSON needs beside `serde_json`.

mod object;

pub(crate) use object::{Object, Scanned};

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
        Self::of_text(json.get())
    }

    /// The same, of the text of a value with no space before it.
    pub(crate) fn of_text(json: &str) -> Self {
        match json.as_bytes() {
            [b'"', ..] => Self::Text,
            [b'-' | b'0'..=b'9', ..] => Self::Number,
            [b'[', ..] => Self::List,
            [b'{', ..] => Self::Object,
            _ => Self::Literal,
        }
    }
}

/// Whether a name stands twice, after unescaping. Sorts instead of comparing each with each, unless they are
/// few: names are the sender's, so quadratic work would be the sender's too.
pub(crate) fn has_duplicates<N: Ord>(names: &mut [N]) -> bool {
    if names.len() <= FEW {
        let mut rest = &*names;
        while let [first, others @ ..] = rest {
            if others.contains(first) {
                return true;
            }
            rest = others;
        }
        return false;
    }
    names.sort_unstable();
    names
        .windows(2)
        .any(|pair| matches!(pair, [a, b] if a == b))
}

/// So many names are compared sooner than sorted.
const FEW: usize = 8;

/// Whether an escape of this JSON text is half of a surrogate pair, which is no character.
///
/// `serde_json` refuses it only in strings that it decodes. In JSON a `\` stands in strings alone, so
/// it is found without parsing, at any depth and on no stack.
pub(crate) fn has_lone_surrogate(json: &str) -> bool {
    let mut rest = json;
    while let Some(escape) =
        memchr::memchr(b'\\', rest.as_bytes()).and_then(|at| rest.get(at + 1..))
    {
        rest = match code_unit(escape) {
            Some((0xD800..=0xDBFF, after)) => match after.strip_prefix('\\').and_then(code_unit) {
                Some((0xDC00..=0xDFFF, after)) => after,
                _ => return true,
            },
            Some((0xDC00..=0xDFFF, _)) => return true,
            Some((_, after)) => after,
            // One character, which may be a `\` and starts no escape then.
            None => escape.get(1..).unwrap_or_default(),
        };
    }
    false
}

/// The number of an escape that goes `u0041`, and what follows.
fn code_unit(escape: &str) -> Option<(u16, &str)> {
    let (digits, after) = escape.strip_prefix('u')?.split_at_checked(4)?;
    Some((u16::from_str_radix(digits, 16).ok()?, after))
}

/// Whether lists and objects of this JSON value stand in each other deeper than this. Needs no stack, and
/// does not read through a text.
pub(crate) fn is_deeper_than(json: &str, most: usize) -> bool {
    // Most values are shorter than so deep a one can be, or nothing can be open in them.
    if json.len() <= most || !json.trim_ascii_start().starts_with(['[', '{']) {
        return false;
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    json.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => depth = depth.saturating_add(1),
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > most
    })
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
        for count in 0..=2 * FEW {
            let names: Vec<Cow<'_, str>> = (0..count).map(|n| n.to_string().into()).collect();
            assert!(!has_duplicates(&mut names.clone()), "{count}");
            for one in 0..count {
                for other in 0..one {
                    let mut names = names.clone();
                    names[one] = names[other].clone();
                    assert!(has_duplicates(&mut names), "{other} and {one} of {count}");
                }
            }
        }
    }

    #[track_caller]
    fn check_lone_surrogate(text: &str, expected: bool) {
        let json = format!(r#""{text}""#);
        assert_eq!(has_lone_surrogate(&json), expected, "{json}");
        assert_eq!(
            serde_json::from_str::<Name<'_>>(&json).is_err(),
            expected,
            "{json}"
        );
    }

    #[test]
    fn surrogates_come_in_pairs() {
        for text in [
            "",
            "ud800",
            r"\ud7ff\ue000\uFFFF",
            r"\ud800\udc00",
            r"\uDBFF\uDFFF\uD83D\uDE00",
            r"\\ud800",
            r"\\\\udc00",
            r#"\"\/\b\f\n\r\té\u0000"#,
        ] {
            check_lone_surrogate(text, false);
        }
        for text in [
            r"\ud800",
            r"\udfff",
            r"\uDBFFx",
            r"\ud800x\udc00",
            r"\ud800\n",
            r"\ud800\\udc00",
            r"\ud800\u0041",
            r"\ud800\ud800\udc00",
            r"\ud800\udc00\udc00",
            r"\\\ud800",
            r"é\udc00\ud800",
        ] {
            check_lone_surrogate(text, true);
        }
    }

    #[track_caller]
    fn check_depth(json: &str, depth: usize) {
        assert!(!is_deeper_than(json, depth), "{json}");
        assert!(depth == 0 || is_deeper_than(json, depth - 1), "{json}");
    }

    #[test]
    fn depth_counts_what_is_open_at_the_same_time() {
        check_depth("1", 0);
        check_depth(r#""[[[""#, 0);
        check_depth("[]", 1);
        check_depth(" [[]]", 2);
        check_depth(r#"[[],{},[1],{"a":2}]"#, 2);
        check_depth(r#"{"a":[{"b":[]}]}"#, 4);
        check_depth(r#"["[[[[", "\"[[\\", {"]}":"\\"}]"#, 2);
    }

    #[test]
    fn what_is_no_json_has_any_answer_and_no_panic() {
        for text in [
            r"\",
            r"\u",
            r"\ud8",
            r"\ud80é",
            r"\é",
            r"\ud800\",
            r"\ud800\u",
            "é\\",
        ] {
            let _either = has_lone_surrogate(text);
        }
    }
}
