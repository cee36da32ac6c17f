//! A claim's value as it stands in the payload: text, number, list of texts, or something else.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::NumericDate;
use crate::json::{Kind, Name, Scanned};

/// A string of the payload: where it stands there, or a copy when it had escapes.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Slice(Range<usize>),
    Owned(Box<str>),
}

impl Text {
    /// The text itself; `payload` must be the one it was read from.
    pub(crate) fn get<'a>(&'a self, payload: &'a str) -> &'a str {
        match self {
            Self::Slice(range) => payload.get(range.clone()).unwrap_or_default(),
            Self::Owned(text) => text,
        }
    }

    /// Reads a JSON string of the payload.
    fn read(json: &str, payload: &str) -> serde_json::Result<Self> {
        Ok(match serde_json::from_str(json)? {
            Name(Cow::Borrowed(text)) => Self::new(text, payload),
            Name(Cow::Owned(text)) => Self::Owned(text.into()),
        })
    }

    /// A string that was read from the payload, or is a copy.
    pub(crate) fn new(text: &str, payload: &str) -> Self {
        let start = text.as_ptr().addr().wrapping_sub(payload.as_ptr().addr());
        let range = start..start.wrapping_add(text.len());
        match payload.get(range.clone()) {
            Some(slice) if std::ptr::eq(slice, text) => Self::Slice(range),
            _ => Self::Owned(text.into()),
        }
    }
}

/// What stands there; whether it should is decided after the signature has been checked.
#[derive(Clone, Debug)]
pub(super) enum Value {
    Text(Text),
    Number(NumericDate),
    Texts(Box<[Text]>),
    Other,
}

impl Value {
    /// Reads a value of the payload.
    ///
    /// An error is what is no value to any reader, such as a number beyond all floats.
    #[inline]
    pub(super) fn read(value: Scanned<'_>, payload: &str) -> serde_json::Result<Self> {
        match value {
            Scanned::Text(place) => Ok(Self::Text(Text::Slice(place))),
            Scanned::Whole(seconds) => Ok(Self::Number(NumericDate::from_seconds(seconds))),
            Scanned::Json(json) => Self::parse(json, payload),
        }
    }

    fn parse(json: &str, payload: &str) -> serde_json::Result<Self> {
        match Kind::of_text(json) {
            Kind::Text => Text::read(json, payload).map(Self::Text),
            Kind::Number => serde_json::from_str(json).map(Self::Number),
            Kind::List => Self::list(json, payload),
            Kind::Object | Kind::Literal => Ok(Self::Other),
        }
    }

    /// Looks at the elements only: reading a list inside would recurse as deep as the sender nests.
    fn list(json: &str, payload: &str) -> serde_json::Result<Self> {
        let elements: Vec<&RawValue> = serde_json::from_str(json)?;
        if elements
            .iter()
            .any(|element| Kind::of(element) != Kind::Text)
        {
            return Ok(Self::Other);
        }
        let texts = elements
            .into_iter()
            .map(|element| Text::read(element.get(), payload));
        texts.collect::<Result<_, _>>().map(Self::Texts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Object;

    /// What is made of a JSON text, as a text.
    #[track_caller]
    fn check(json: &str, expected: &str) {
        let payload = format!(r#"{{"claim":{json}}}"#);
        let member = Object::read(&payload)
            .unwrap()
            .next_member()
            .unwrap()
            .unwrap();
        let shown = match Value::read(member.value, &payload) {
            Ok(Value::Text(text)) => format!("text {}", text.get(&payload)),
            Ok(Value::Number(date)) => format!("number {date:?}"),
            Ok(Value::Texts(texts)) => {
                let texts: Vec<_> = texts.iter().map(|text| text.get(&payload)).collect();
                format!("texts {}", texts.join("|"))
            }
            Ok(Value::Other) => "other".to_owned(),
            Err(_) => "error".to_owned(),
        };
        assert_eq!(shown, expected, "{json}");
    }

    fn number(date: NumericDate) -> String {
        format!("number {date:?}")
    }

    #[test]
    fn texts_are_unescaped() {
        check(r#""alice""#, "text alice");
        check(r#"  "" "#, "text ");
        check(
            r#""a\u006cice \"\ud83d\ude00\"""#,
            "text alice \"\u{1f600}\"",
        );
        check(r#"["a", "\u0062" ,"c"]"#, "texts a|b|c");
        check("[]", "texts ");
        check(r#""\ud800""#, "error");
        check(r#"["a","\udc00"]"#, "error");
    }

    #[test]
    fn a_text_without_escapes_is_not_copied() {
        let payload = r#""alice""#;
        let text = Text::read(payload, payload).unwrap();
        assert!(matches!(text, Text::Slice(Range { start: 1, end: 6 })));
    }

    #[test]
    fn a_number_is_one_however_it_is_written() {
        let seconds = |seconds: i128| number(NumericDate::from_seconds(seconds));
        check("4000000000", &seconds(4_000_000_000));
        check(" 4.0e9", &seconds(4_000_000_000));
        check("4000000000.0", &seconds(4_000_000_000));
        check("-1", &seconds(-1));
        check("-0", &seconds(0));
        check("18446744073709551615", &seconds(u64::MAX.into()));
        check("18446744073709551616", &seconds(1 << 64));
        check("4000000000.5", &number(NumericDate::from_float(4e9 + 0.5)));
        check("1e300", &number(NumericDate::from_float(1e300)));
        check("1e400", "error");
        check("-1e400", "error");
    }

    #[test]
    fn everything_else_is_other() {
        for json in [
            "null",
            "true",
            "{}",
            r#"{"sub":"alice"}"#,
            r#"{"$serde_json::private::Number":"4000000000.5"}"#,
            r#"{"$serde_json::private::Number":4000000000}"#,
            r#"{"$serde_json::private::RawValue":"1"}"#,
            "[1]",
            "[1.5]",
            r#"["a",1.5]"#,
            r#"["a",null]"#,
            r#"[["a"]]"#,
        ] {
            check(json, "other");
        }
    }
}
