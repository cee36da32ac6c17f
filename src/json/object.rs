//! Reads the members of a JSON object one by one
//! ([RFC 8259 §4](https://www.rfc-editor.org/rfc/rfc8259#section-4)).
//!
//! Every claim of every token goes through here. `serde_json` judges what is not plain to see; of an object's
//! own marks, of strings without escapes and of whole numbers a look at each byte is enough.

use std::borrow::Cow;

use serde::Deserialize as _;
use serde_json::Deserializer;
use serde_json::value::RawValue;

use super::Name;

/// The members of an object, in order. Names may stand twice.
pub(crate) struct Object<'a> {
    json: &'a str,
    /// Where the next byte to look at stands.
    at: usize,
    state: State,
    /// No escape and no control character stands anywhere: a string ends at the next quote.
    plain: bool,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum State {
    Opened,
    Inside,
    Ended,
}

/// A name, unescaped, and its value.
pub(crate) struct Member<'a> {
    pub(crate) name: Cow<'a, str>,
    /// JSON with no space around it.
    pub(crate) value: &'a str,
    /// Where in the object's text it starts.
    pub(crate) at: usize,
    /// A string here is what stands between its quotes.
    pub(crate) plain: bool,
    /// What it says, if it is a whole number as most are.
    pub(crate) whole: Option<u64>,
}

/// The text is no JSON object.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotAnObject;

impl<'a> Object<'a> {
    /// An object and nothing else; what is inside is read as it is asked for.
    pub(crate) fn read(json: &'a str) -> Result<Self, NotAnObject> {
        let special = |found, byte| found | (byte < b' ') | (byte == b'\\');
        let mut object = Self {
            json,
            at: 0,
            state: State::Opened,
            plain: !json.bytes().fold(false, special),
        };
        let start = object.skip_space(0);
        if object.byte(start) != Some(b'{') {
            return Err(NotAnObject);
        }
        object.at = start.saturating_add(1);
        Ok(object)
    }

    /// Whether neither an escape nor a control character stands anywhere in it.
    pub(crate) const fn is_plain(&self) -> bool {
        self.plain
    }

    /// The next member. After an error there is no sense in going on.
    #[inline]
    pub(crate) fn next_member(&mut self) -> Result<Option<Member<'a>>, NotAnObject> {
        let mut at = self.skip_space(self.at);
        match (self.state, self.byte(at)) {
            (State::Ended, _) => return Ok(None),
            (State::Opened | State::Inside, Some(b'}')) => {
                self.state = State::Ended;
                return match self.byte(self.skip_space(at.saturating_add(1))) {
                    None => Ok(None),
                    Some(_) => Err(NotAnObject),
                };
            }
            (State::Opened, _) => self.state = State::Inside,
            (State::Inside, Some(b',')) => at = self.skip_space(at.saturating_add(1)),
            (State::Inside, _) => return Err(NotAnObject),
        }
        let end = match self.byte(at) {
            Some(b'"') if self.plain => self.end_of_name(at)?,
            Some(b'"') => self.end_of_value(at)?,
            _ => return Err(NotAnObject),
        };
        let name = if self.plain {
            Cow::Borrowed(self.text(at.saturating_add(1), end.saturating_sub(1))?)
        } else {
            let Name(name) = serde_json::from_str(self.text(at, end)?).map_err(|_| NotAnObject)?;
            name
        };
        at = self.skip_space(end);
        if self.byte(at) != Some(b':') {
            return Err(NotAnObject);
        }
        at = self.skip_space(at.saturating_add(1));
        let (end, whole) = match self.byte(at) {
            Some(b'"') => (self.end_of_string(at)?, None),
            Some(b'1'..=b'9') => self.number(at)?,
            Some(b'[') => (self.end_of_list(at)?, None),
            _ => (self.end_of_value(at)?, None),
        };
        self.at = end;
        Ok(Some(Member {
            name,
            value: self.text(at, end)?,
            at,
            plain: self.plain,
            whole,
        }))
    }

    /// The name that starts here, where nothing is escaped. Most are short, and found at a glance.
    #[inline]
    fn end_of_name(&self, at: usize) -> Result<usize, NotAnObject> {
        let start = at.saturating_add(1);
        let rest = self.json.as_bytes().get(start..).ok_or(NotAnObject)?;
        match rest.first_chunk().and_then(|bytes| quote_among(*bytes)) {
            Some(length) => Ok(start.saturating_add(length).saturating_add(1)),
            None => self.end_of_string(at),
        }
    }

    /// The string that starts here.
    #[inline]
    fn end_of_string(&self, at: usize) -> Result<usize, NotAnObject> {
        if !self.plain {
            return self.end_of_value(at);
        }
        match quote(self.json.as_bytes(), at.saturating_add(1)) {
            Some(end) => Ok(end.saturating_add(1)),
            None => Err(NotAnObject),
        }
    }

    /// The number that starts here with another digit than 0, and what it says if it is a whole one.
    #[inline]
    fn number(&self, at: usize) -> Result<(usize, Option<u64>), NotAnObject> {
        let (mut whole, mut digits) = (0_u64, 0_usize);
        for byte in self.json.as_bytes().get(at..).unwrap_or_default() {
            let digit = byte.wrapping_sub(b'0');
            if digit > 9 {
                break;
            }
            whole = whole.wrapping_mul(10).wrapping_add(digit.into());
            digits = digits.saturating_add(1);
        }
        let end = at.saturating_add(digits);
        match self.byte(end) {
            Some(b'.' | b'e' | b'E') => Ok((self.end_of_value(at)?, None)),
            // More may not have found room.
            _ => Ok((end, (digits <= MAX_DIGITS).then_some(whole))),
        }
    }

    /// The list that starts here: of strings alone, as most are, or any.
    fn end_of_list(&self, start: usize) -> Result<usize, NotAnObject> {
        let mut at = start;
        loop {
            // After the bracket or a comma.
            at = self.skip_space(at.saturating_add(1));
            if self.byte(at) != Some(b'"') {
                return self.end_of_value(start);
            }
            at = self.skip_space(self.end_of_string(at)?);
            match self.byte(at) {
                Some(b',') => {}
                Some(b']') => return Ok(at.saturating_add(1)),
                _ => return Err(NotAnObject),
            }
        }
    }

    /// The value that starts here, whatever it is.
    #[cold]
    fn end_of_value(&self, at: usize) -> Result<usize, NotAnObject> {
        let rest = self.json.get(at..).ok_or(NotAnObject)?;
        match <&RawValue>::deserialize(&mut Deserializer::from_str(rest)) {
            // It starts where the rest does, as no space stands there.
            Ok(value) => Ok(at.saturating_add(value.get().len())),
            Err(_) => Err(NotAnObject),
        }
    }

    fn text(&self, start: usize, end: usize) -> Result<&'a str, NotAnObject> {
        self.json.get(start..end).ok_or(NotAnObject)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.json.as_bytes().get(at).copied()
    }

    fn skip_space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte(at) {
            at = at.saturating_add(1);
        }
        at
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

/// The first quote from here on.
#[inline]
fn quote(bytes: &[u8], from: usize) -> Option<usize> {
    let length = memchr::memchr(b'"', bytes.get(from..)?)?;
    Some(from.saturating_add(length))
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
            assert_eq!(
                json.get(member.at..member.at + member.value.len()),
                Some(member.value)
            );
            if let Some(whole) = member.whole {
                assert_eq!(member.value.parse(), Ok(whole));
            }
            members.push((member.name.into_owned(), member.value.to_owned()));
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

    #[test]
    fn a_quote_is_found_wherever_it_stands() {
        for length in 0..40 {
            for fill in [b'a', b'!', b'#', 0, 0xff, 0xa2, b'"' ^ 0x80] {
                let mut bytes = vec![fill; length];
                for from in 0..=length {
                    assert_eq!(quote(&bytes, from), None);
                }
                for at in 0..length {
                    bytes[at] = b'"';
                    for from in 0..=at {
                        assert_eq!(quote(&bytes, from), Some(at));
                    }
                    if at + 1 < length {
                        bytes[at + 1] = b'"';
                        assert_eq!(quote(&bytes, 0), Some(at));
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
            assert_eq!(member.unwrap().whole, expected, "{number}");
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
