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

/// The members of an object, in order: each name, unescaped, with its value.
///
/// Names may stand twice. After an error there is nothing more.
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

/// The text of a value, which is JSON with no space around it.
#[derive(Clone, Copy)]
pub(crate) struct Member<'a> {
    pub(crate) value: &'a str,
    /// A string here is what stands between its quotes.
    pub(crate) plain: bool,
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

    #[inline]
    fn member(&mut self) -> Result<Option<(Cow<'a, str>, Member<'a>)>, NotAnObject> {
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
        let quoted = match self.byte(at) {
            Some(b'"') => self.string(at)?,
            _ => return Err(NotAnObject),
        };
        let name = match unquoted(quoted) {
            Some(name) if self.plain => Cow::Borrowed(name),
            _ => match serde_json::from_str(quoted) {
                Ok(Name(name)) => name,
                Err(_) => return Err(NotAnObject),
            },
        };
        at = self.skip_space(at.saturating_add(quoted.len()));
        if self.byte(at) != Some(b':') {
            return Err(NotAnObject);
        }
        at = self.skip_space(at.saturating_add(1));
        let value = match self.byte(at) {
            Some(b'"') => self.string(at)?,
            Some(b'1'..=b'9') => self.number(at)?,
            _ => self.any_value(at)?,
        };
        self.at = at.saturating_add(value.len());
        let plain = self.plain;
        Ok(Some((name, Member { value, plain })))
    }

    /// The string that starts here, with its quotes.
    #[inline]
    fn string(&self, at: usize) -> Result<&'a str, NotAnObject> {
        if !self.plain {
            return self.any_value(at);
        }
        match quote(self.json.as_bytes(), at.saturating_add(1)) {
            Some(end) => self.text(at, end.saturating_add(1).saturating_sub(at)),
            None => Err(NotAnObject),
        }
    }

    fn number(&self, at: usize) -> Result<&'a str, NotAnObject> {
        let digits = (at..).find(|&at| !matches!(self.byte(at), Some(b'0'..=b'9')));
        let end = digits.ok_or(NotAnObject)?;
        match self.byte(end) {
            Some(b'.' | b'e' | b'E') => self.any_value(at),
            _ => self.text(at, end.saturating_sub(at)),
        }
    }

    #[cold]
    fn any_value(&self, at: usize) -> Result<&'a str, NotAnObject> {
        let rest = self.json.get(at..).ok_or(NotAnObject)?;
        match <&RawValue>::deserialize(&mut Deserializer::from_str(rest)) {
            // It starts where the rest does, as no space stands there.
            Ok(value) => self.text(at, value.get().len()),
            Err(_) => Err(NotAnObject),
        }
    }

    fn text(&self, at: usize, length: usize) -> Result<&'a str, NotAnObject> {
        let end = at.saturating_add(length);
        self.json.get(at..end).ok_or(NotAnObject)
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

impl<'a> Iterator for Object<'a> {
    type Item = Result<(Cow<'a, str>, Member<'a>), NotAnObject>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let member = self.member();
        if member.is_err() {
            self.state = State::Ended;
        }
        member.transpose()
    }
}

/// The first quote from here on.
#[inline]
fn quote(bytes: &[u8], from: usize) -> Option<usize> {
    let length = memchr::memchr(b'"', bytes.get(from..)?)?;
    Some(from.saturating_add(length))
}

/// What stands between the quotes of a string.
pub(crate) fn unquoted(json: &str) -> Option<&str> {
    json.strip_prefix('"')?.strip_suffix('"')
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// The members as this reader has them.
    fn members(json: &str) -> Result<Vec<(String, String)>, NotAnObject> {
        Object::read(json)?
            .map(|member| member.map(|(name, member)| (name.into_owned(), member.value.to_owned())))
            .collect()
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
    fn members_come_in_order_and_as_often_as_they_stand() {
        let expected = [("b", "1"), ("a", "2"), ("b", "3")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(members(r#"{"b":1,"a":2,"b":3}"#).unwrap(), expected);
    }

    #[test]
    fn nothing_comes_after_an_error() {
        let mut object = Object::read(r#"{"a":1,"b":x,"c":3}"#).unwrap();
        assert!(object.next().unwrap().is_ok());
        assert!(object.next().unwrap().is_err());
        assert!(object.next().is_none());
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
