//! A claim's value as it stands in the payload: text, number, list of texts, or something else.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::NumericDate;
use crate::json::{Kind, Name, Scanned};

/// A token's JSON, and after it what its texts with escapes say without them. So claims are places in here, which
/// are copied and have nothing to let go of.
#[derive(Clone)]
pub(crate) struct Payload {
    text: Box<str>,
    json: usize,
}

impl Payload {
    pub(crate) fn new(json: Box<str>) -> Self {
        Self {
            json: json.len(),
            text: json,
        }
    }

    pub(crate) fn json(&self) -> &str {
        self.text.get(..self.json).unwrap_or_default()
    }

    /// A text that was read from this payload.
    #[inline]
    pub(crate) fn get(&self, text: Text) -> &str {
        self.text.get(text.start..text.end).unwrap_or_default()
    }

    /// Takes what reading its JSON came to beside places in it.
    #[inline]
    pub(super) fn take(&mut self, read: &mut Unescaped) {
        if !read.0.is_empty() {
            self.append(std::mem::take(&mut read.0));
        }
    }

    #[cold]
    fn append(&mut self, unescaped: String) {
        let mut text = std::mem::take(&mut self.text).into_string();
        text.push_str(&unescaped);
        self.text = text.into();
    }
}

/// What texts with escapes say, until it is a part of their [`Payload`].
#[derive(Clone, Default)]
pub(super) struct Unescaped(String);

/// A string of a payload: where it stands there.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Text {
    start: usize,
    end: usize,
}

impl Text {
    /// What is no JSON string is an error.
    fn read(json: &str, payload: &str, unescaped: &mut Unescaped) -> serde_json::Result<Self> {
        Ok(match serde_json::from_str(json)? {
            Name(Cow::Borrowed(text)) => Self::of(offset(text, payload), text.len()),
            Name(Cow::Owned(text)) => {
                let start = payload.len() + unescaped.0.len();
                unescaped.0.push_str(&text);
                Self::of(start, text.len())
            }
        })
    }

    const fn of(start: usize, length: usize) -> Self {
        Self {
            start,
            end: start.saturating_add(length),
        }
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// Where in a text a part of it starts.
pub(crate) fn offset(part: &str, text: &str) -> usize {
    part.as_ptr().addr().wrapping_sub(text.as_ptr().addr())
}

/// What stands there; whether it should is decided after the signature has been checked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value {
    Text(Text),
    Number(NumericDate),
    Texts(Listed),
    Other,
}

/// Some of the texts that lists hold: from here to there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Listed {
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What is read beside places in the payload.
#[derive(Clone, Default)]
pub(super) struct Aside {
    pub(super) unescaped: Unescaped,
    /// The texts of all lists.
    pub(super) listed: Vec<Text>,
}

impl Value {
    /// Reads a value of the payload.
    ///
    /// An error is what is no value to any reader, such as a number beyond all floats.
    #[inline]
    pub(super) fn read(
        value: Scanned<'_>,
        payload: &str,
        aside: &mut Aside,
    ) -> serde_json::Result<Self> {
        match value {
            Scanned::Text(place) => Ok(Self::Text(Text {
                start: place.start,
                end: place.end,
            })),
            Scanned::Whole(seconds) => Ok(Self::Number(NumericDate::from_seconds(seconds))),
            Scanned::Json(json) => Self::parse(json, payload, aside),
        }
    }

    #[inline(never)]
    fn parse(json: &str, payload: &str, aside: &mut Aside) -> serde_json::Result<Self> {
        match Kind::of_text(json) {
            Kind::Text => Text::read(json, payload, &mut aside.unescaped).map(Self::Text),
            Kind::Number => serde_json::from_str(json).map(Self::Number),
            Kind::List => Self::list(json, payload, aside),
            Kind::Object | Kind::Literal => Ok(Self::Other),
        }
    }

    /// Looks at the elements only: reading a list inside would recurse as deep as the sender nests.
    fn list(json: &str, payload: &str, aside: &mut Aside) -> serde_json::Result<Self> {
        let elements: Vec<&RawValue> = serde_json::from_str(json)?;
        if elements
            .iter()
            .any(|element| Kind::of(element) != Kind::Text)
        {
            return Ok(Self::Other);
        }
        let start = aside.listed.len();
        for element in elements {
            let text = Text::read(element.get(), payload, &mut aside.unescaped)?;
            aside.listed.push(text);
        }
        let end = aside.listed.len();
        Ok(Self::Texts(Listed { start, end }))
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
        let mut aside = Aside::default();
        let value = Value::read(member.value, &payload, &mut aside);
        let mut payload = Payload::new(payload.into());
        payload.take(&mut aside.unescaped);
        let shown = match value {
            Ok(Value::Text(text)) => format!("text {}", payload.get(text)),
            Ok(Value::Number(date)) => format!("number {date:?}"),
            Ok(Value::Texts(Listed { start, end })) => {
                let texts = aside.listed[start..end].iter();
                let texts: Vec<_> = texts.map(|text| payload.get(*text)).collect();
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
        let (json, mut unescaped) = (r#""alice""#, Unescaped::default());
        let text = Text::read(json, json, &mut unescaped).unwrap();
        assert_eq!((text.start, text.end), (1, 6));
        assert!(unescaped.0.is_empty());
    }

    #[test]
    fn what_is_unescaped_is_no_json() {
        let json = r#""\u0061""#;
        let mut unescaped = Unescaped::default();
        let texts = [1, 2].map(|_| Text::read(json, json, &mut unescaped).unwrap());
        let mut payload = Payload::new(json.into());
        payload.take(&mut unescaped);
        assert_eq!(texts.map(|text| payload.get(text)), ["a", "a"]);
        assert_eq!(payload.json(), json);
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
