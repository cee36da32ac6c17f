//! Reads the members of a JSON object one by one
//! ([RFC 8259 §4](https://www.rfc-editor.org/rfc/rfc8259#section-4)).
//!
//! Every claim of every token goes through here. `serde_json` judges what is not plain to see; of an object's
//! own marks, of strings without escapes and of whole numbers a look at each byte is enough.

use std::borrow::Cow;
use std::ops::Range;

use serde::Deserialize as _;
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::Name;

/// The members of an object, in order. Names may stand twice.
#[derive(Clone, Copy)]
pub(crate) struct Object<'a> {
    json: &'a str,
    /// What follows, from the next name on and perhaps space before it; none after the last member.
    rest: Option<&'a [u8]>,
    /// No escape and no control character stands anywhere: a string ends at the next quote.
    plain: bool,
}

/// A name, unescaped, and its value.
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, [u8]>,
    pub(crate) value: Scanned<'a>,
}

/// A value, read as far as that takes no second look.
pub(crate) enum Scanned<'a> {
    /// A string without escapes: where in the object's text it stands between its quotes.
    Text(Range<usize>),
    /// A positive whole number of at most 19 digits.
    Whole(u64),
    /// Any other value. JSON with no space around it.
    Json(&'a str),
}

/// The text is no JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotAnObject;

impl<'a> Object<'a> {
    /// An object and nothing else; what is inside is read as it is asked for.
    pub(crate) fn read(json: &'a str) -> Result<Self, NotAnObject> {
        let special = |found, byte| found | (byte < b' ') | (byte == b'\\');
        let plain = !json.bytes().fold(false, special);
        let [b'{', rest @ ..] = skip_space(json.as_bytes()) else {
            return Err(NotAnObject);
        };
        let rest = match skip_space(rest) {
            [b'}', after @ ..] => {
                end(after)?;
                None
            }
            rest => Some(rest),
        };
        Ok(Self { json, rest, plain })
    }

    /// Whether neither an escape nor a control character stands anywhere in it.
    pub(crate) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// The next member. After an error there is no sense in going on.
    #[inline]
    pub(crate) fn next_member(&mut self) -> Result<Option<Member<'a>>, NotAnObject> {
        let Some(rest) = self.rest else {
            return Ok(None);
        };
        let (name, rest) = self.name(rest)?;
        let rest = after(b':', rest).ok_or(NotAnObject)?;
        let (value, rest) = self.value(skip_space(rest))?;
        self.rest = after(b',', rest);
        if self.rest.is_none() {
            end(after(b'}', rest).ok_or(NotAnObject)?)?;
        }
        Ok(Some(Member { name, value }))
    }

    /// The name that starts here, and what follows.
    #[inline]
    fn name(self, rest: &'a [u8]) -> Result<(Cow<'a, [u8]>, &'a [u8]), NotAnObject> {
        let inside = after(b'"', rest).ok_or(NotAnObject)?;
        if !self.plain {
            let (json, rest) = self.any(skip_space(rest))?;
            let Name(name) = serde_json::from_str(json).map_err(|_| NotAnObject)?;
            let name = match name {
                Cow::Borrowed(name) => Cow::Borrowed(name.as_bytes()),
                Cow::Owned(name) => Cow::Owned(name.into_bytes()),
            };
            return Ok((name, rest));
        }
        let (name, rest) = string(inside)?;
        Ok((Cow::Borrowed(name), rest))
    }

    /// The value that starts here, and what follows.
    #[inline]
    fn value(self, rest: &'a [u8]) -> Result<(Scanned<'a>, &'a [u8]), NotAnObject> {
        match rest {
            [b'"', inside @ ..] if self.plain => {
                let (text, after) = string(inside)?;
                let start = self.place(inside);
                Ok((Scanned::Text(start..start + text.len()), after))
            }
            [b'1'..=b'9', ..] => {
                if let (Some(whole), after) = number(rest) {
                    return Ok((Scanned::Whole(whole), after));
                }
                self.json(rest)
            }
            [b'[', inside @ ..] if self.plain => match list(inside)? {
                Some(after) => {
                    let list = self.json.get(self.place(rest)..self.place(after));
                    Ok((Scanned::Json(list.ok_or(NotAnObject)?), after))
                }
                None => self.json(rest),
            },
            _ => self.json(rest),
        }
    }

    #[cold]
    fn json(self, rest: &'a [u8]) -> Result<(Scanned<'a>, &'a [u8]), NotAnObject> {
        let (json, after) = self.any(rest)?;
        Ok((Scanned::Json(json), after))
    }

    /// The value that starts here, whatever it is and with no space before it, and what follows.
    fn any(self, rest: &'a [u8]) -> Result<(&'a str, &'a [u8]), NotAnObject> {
        let text = self.json.get(self.place(rest)..).ok_or(NotAnObject)?;
        match <&RawValue>::deserialize(&mut Deserializer::from_str(text)) {
            Ok(value) => {
                let after = rest.get(value.get().len()..).ok_or(NotAnObject)?;
                Ok((value.get(), after))
            }
            Err(_) => Err(NotAnObject),
        }
    }

    /// Where in the object's text this rest of it starts.
    fn place(self, rest: &[u8]) -> usize {
        self.json.len() - rest.len()
    }
}

/// After an object there is nothing but space.
fn end(rest: &[u8]) -> Result<(), NotAnObject> {
    if skip_space(rest).is_empty() {
        Ok(())
    } else {
        Err(NotAnObject)
    }
}

/// What follows this mark, and perhaps space before it.
#[inline]
fn after(mark: u8, rest: &[u8]) -> Option<&[u8]> {
    match rest {
        [first, after @ ..] if *first == mark => Some(after),
        _ => match skip_any_space(rest) {
            [first, after @ ..] if *first == mark => Some(after),
            _ => None,
        },
    }
}

#[inline]
fn skip_space(rest: &[u8]) -> &[u8] {
    match rest {
        [first, ..] if *first > b' ' => rest,
        _ => skip_any_space(rest),
    }
}

#[cold]
fn skip_any_space(mut rest: &[u8]) -> &[u8] {
    while let [b' ' | b'\t' | b'\n' | b'\r', after @ ..] = rest {
        rest = after;
    }
    rest
}

/// What is before the next quote, and what is after it.
#[inline]
fn string(inside: &[u8]) -> Result<(&[u8], &[u8]), NotAnObject> {
    let (words, _) = inside.as_chunks();
    let mut length = 0;
    for word in words {
        if let Some(at) = quote_among(*word) {
            return split(inside, length + at);
        }
        length += 8;
    }
    let last = inside
        .get(length..)
        .unwrap_or_default()
        .iter()
        .position(|&byte| byte == b'"');
    split(inside, length + last.ok_or(NotAnObject)?)
}

/// The same, with the quote after so many bytes.
#[inline]
fn split(inside: &[u8], length: usize) -> Result<(&[u8], &[u8]), NotAnObject> {
    match inside.split_at_checked(length) {
        Some((before, [_, after @ ..])) => Ok((before, after)),
        _ => Err(NotAnObject),
    }
}

/// Where the first quote of these is.
#[inline]
fn quote_among(bytes: [u8; 8]) -> Option<usize> {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    let others = u64::from_le_bytes(bytes) ^ EACH.wrapping_mul(b'"'.into());
    // The lowest zero byte is the first whose highest bit is set here; those after it may be mistaken.
    let zeros = others.wrapping_sub(EACH) & !others & EACH.wrapping_mul(0x80);
    match zeros {
        0 => None,
        _ => usize::try_from(zeros.trailing_zeros() / 8).ok(),
    }
}

/// What the number that starts here with another digit than 0 says if it is a whole one, and what follows.
#[inline]
fn number(number: &[u8]) -> (Option<u64>, &[u8]) {
    let (mut whole, mut rest) = (0_u64, number);
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        whole = whole.wrapping_mul(10).wrapping_add((digit - b'0').into());
        rest = after;
    }
    let found_room = number.len() - rest.len() <= MAX_DIGITS;
    let is_whole = found_room && !matches!(rest, [b'.' | b'e' | b'E', ..]);
    (is_whole.then_some(whole), rest)
}

/// What follows the list that is open here, if it is one of strings alone, as most are.
fn list(mut inside: &[u8]) -> Result<Option<&[u8]>, NotAnObject> {
    loop {
        let [b'"', text @ ..] = skip_space(inside) else {
            return Ok(None);
        };
        let (_, after) = string(text)?;
        match skip_space(after) {
            [b',', after @ ..] => inside = after,
            [b']', after @ ..] => return Ok(Some(after)),
            _ => return Err(NotAnObject),
        }
    }
}

/// So many digits are always a number of 64 bits.
const MAX_DIGITS: usize = 19;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The members as this reader has them.
    fn members(json: &str) -> Result<Vec<(String, String)>, NotAnObject> {
        let (mut object, mut members) = (Object::read(json)?, Vec::new());
        while let Some(member) = object.next_member()? {
            let value = match member.value {
                Scanned::Text(place) => format!("{:?}", json.get(place).unwrap()),
                Scanned::Whole(whole) => whole.to_string(),
                Scanned::Json(value) => value.to_owned(),
            };
            members.push((String::from_utf8(member.name.into_owned()).unwrap(), value));
        }
        Ok(members)
    }

    /// The same as `serde_json` has them; of a name that stands twice the last.
    fn reference(json: &str) -> Option<BTreeMap<String, String>> {
        let members = serde_json::from_str::<BTreeMap<String, &RawValue>>(json).ok()?;
        let members = members.into_iter();
        Some(
            members
                .map(|(name, value)| (name, value.get().to_owned()))
                .collect(),
        )
    }

    #[track_caller]
    fn check(json: &str) {
        let members = members(json)
            .ok()
            .map(|members| members.into_iter().collect());
        assert_eq!(members, reference(json), "{json:?}");
    }

    #[test]
    fn an_object_is_read_as_serde_json_reads_it() {
        let values = [
            "1",
            "0",
            "-1",
            "10",
            "1.5",
            "1e3",
            "1E-3",
            "01",
            "1.",
            "1x",
            "-",
            "+1",
            "1 ",
            "\"a\"",
            "\"\"",
            "\"a",
            "\"a\\\"b\"",
            "\"\\u0061\"",
            "\"\\ud800\"",
            "\"\u{1}\"",
            "\"\n\"",
            "\"\u{e9}\u{1f600}\"",
            "[1,[2]]",
            "[1",
            "[]",
            "[ ]",
            r#"["a"]"#,
            r#"[ "a" , "" ,"b"]"#,
            r#"["a",1,{"b":["c"]}]"#,
            r#"["a",]"#,
            r#"["a""b"]"#,
            r#"["a":"b"]"#,
            r#"["a"}"#,
            r#"["a"#,
            r#"["a""#,
            r#"["\u0061","b"]"#,
            r#"[,"a"]"#,
            "{\"b\":{}}",
            "{",
            "true",
            "false",
            "null",
            "nul",
            "",
            " ",
            "NaN",
            "'a'",
            "18446744073709551616",
            "\u{e9}",
        ];
        for value in values {
            for object in [
                format!(r#"{{"a":{value}}}"#),
                format!(r#" {{ "a" : {value} , "b" : "c" }} "#),
                format!("{{\"a\"\t:\r\n{value}\n,\"b\":1}}"),
                format!(r#"{{"x":"y","a":{value}"#),
                format!(r#"{{"a\\":{value}}}"#),
                format!(r#"{{{value}:1}}"#),
                value.to_owned(),
            ] {
                check(&object);
            }
        }
        for json in [
            "{}",
            " {} ",
            "{}x",
            "{},",
            "{,}",
            r#"{"a":1,}"#,
            r#"{"a":1,,"b":2}"#,
            r#"{"a":1 "b":2}"#,
            r#"{"a"}"#,
            r#"{"a":1}}"#,
            r#"{"a":1"#,
            r#"{"a":1,"#,
            r#"{a:1}"#,
            r#"{"a":1;"b":2}"#,
            "[]",
            "",
            "{",
            "}",
            "\u{feff}{}",
            "{\u{a0}}",
            r#"{"\u0061":1,"b":2}"#,
        ] {
            check(json);
        }
    }

    /// What stands before the first quote and what after it, or that there is none.
    #[track_caller]
    fn check_string(inside: &[u8]) {
        let mut parts = inside.splitn(2, |&byte| byte == b'"');
        let expected = (parts.next().unwrap(), parts.next());
        let found = string(inside).map_or((inside, None), |(text, after)| (text, Some(after)));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_quote_is_found_wherever_it_stands() {
        for length in 0..40 {
            for fill in [b'a', b'!', b'#', 0, 0xff, 0xa2, b'"' ^ 0x80] {
                let mut bytes = vec![fill; length];
                check_string(&bytes);
                for at in 0..length {
                    bytes[at] = b'"';
                    check_string(&bytes);
                    if at + 1 < length {
                        bytes[at + 1] = b'"';
                        check_string(&bytes);
                        bytes[at + 1] = fill;
                    }
                    bytes[at] = fill;
                }
            }
        }
    }

    #[test]
    fn a_name_ends_at_its_first_quote_however_long_it_is() {
        for fill in ["a", "!", "#", "\u{a2}", "\u{7f}"] {
            for length in 0..20 {
                let name = fill.repeat(length);
                for next in ["", "#", "!", "\"", ":\"\""] {
                    check(&format!(r#"{{"{name}"{next}:1}}"#));
                }
                check(&format!(r#"{{"{name}"#));
                check(&format!(r#"{{"{name}""#));
            }
        }
    }

    #[test]
    fn the_first_of_eight_bytes_that_is_a_quote_is_found() {
        for fill in 0..=u8::MAX {
            for first in 0..8 {
                for second in first..8 {
                    let mut bytes = [fill; 8];
                    bytes[first] = b'"';
                    bytes[second] = b'"';
                    let expected = bytes.iter().position(|&byte| byte == b'"');
                    assert_eq!(quote_among(bytes), expected, "{bytes:?}");
                }
            }
            let expected = (fill == b'"').then_some(0);
            assert_eq!(quote_among([fill; 8]), expected);
        }
    }

    #[test]
    fn a_whole_number_is_read_and_any_other_is_left() {
        for (number, expected) in [
            ("1", Some(1)),
            ("1234567890", Some(1_234_567_890)),
            ("9999999999999999999", Some(9_999_999_999_999_999_999)),
            ("10000000000000000000", None),
            ("18446744073709551616", None),
            ("1.0", None),
            ("1e1", None),
            ("0", None),
            ("-1", None),
        ] {
            let json = format!(r#"{{"a":{number}}}"#);
            let member = Object::read(&json).unwrap().next_member().unwrap();
            let whole = match member.unwrap().value {
                Scanned::Whole(whole) => Some(whole),
                _ => None,
            };
            assert_eq!(whole, expected, "{number}");
        }
    }

    #[test]
    fn members_come_in_order_and_as_often_as_they_stand() {
        let expected = [("b", "1"), ("a", "2"), ("b", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(members(r#"{"b":1,"a":2,"b":3}"#).unwrap(), expected);
    }

    proptest! {
        #[test]
        fn any_text_of_json_marks_is_read_as_serde_json_reads_it(
            json in r#"\{["a\\:,{}\[\]01.e \n\-é]{0,24}\}?"#
        ) {
            check(&json);
        }

        #[test]
        fn any_object_is_read_as_serde_json_reads_it(
            members in proptest::collection::vec(
                (r#"[a-c]{0,2}"#, r#"[0-9]{1,3}|"[a-z,:"]{0,5}"|\[("x",?)*\]|\{"y":1\}|-?1e?5?|true"#), 0..6),
            space in "[ \t\n]{0,2}",
        ) {
            let members: Vec<_> = members.iter()
                .map(|(name, value)| format!("{space}\"{name}\"{space}:{value}{space}")).collect();
            check(&format!("{{{}}}", members.join(",")));
        }
    }
}
