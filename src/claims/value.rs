//! A claim's value as it stands in the payload: text, number, list of texts, or something else.

use serde_json::value::RawValue;

use super::NumericDate;
use super::payload::{Text, Unescaped};
use crate::json::{Kind, Scanned};

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

/// Where what is read goes that is no place in the payload.
pub(super) struct Aside<'a> {
    pub(super) unescaped: &'a mut Unescaped,
    /// The texts of all lists.
    pub(super) listed: &'a mut Vec<Text>,
}

impl Value {
    /// Reads a value of the payload.
    ///
    /// An error is what is no value to any reader, such as a number beyond all floats.
    #[inline]
    pub(super) fn read(
        value: Scanned<'_>,
        payload: &str,
        aside: Aside<'_>,
    ) -> serde_json::Result<Self> {
        match value {
            Scanned::Text(place) => Ok(Self::Text(place.into())),
            Scanned::Whole(seconds) => Ok(Self::Number(NumericDate::from_seconds(seconds))),
            Scanned::Json(json) => Self::parse(json, payload, aside),
        }
    }

    #[inline(never)] // most claims are none of these
    fn parse(json: &str, payload: &str, aside: Aside<'_>) -> serde_json::Result<Self> {
        match Kind::of_text(json) {
            Kind::Text => Text::read(json, payload, aside.unescaped).map(Self::Text),
            Kind::Number => serde_json::from_str(json).map(Self::Number),
            Kind::List => Self::list(json, payload, aside),
            Kind::Object | Kind::Literal => Ok(Self::Other),
        }
    }

    /// Looks at the elements only: reading a list inside would recurse as deep as the sender nests.
    fn list(
        json: &str,
        payload: &str,
        Aside { unescaped, listed }: Aside<'_>,
    ) -> serde_json::Result<Self> {
        let elements: Vec<&RawValue> = serde_json::from_str(json)?;
        if elements
            .iter()
            .any(|element| Kind::of(element) != Kind::Text)
        {
            return Ok(Self::Other);
        }
        let start = listed.len();
        for element in elements {
            let text = Text::read(element.get(), payload, unescaped)?;
            listed.push(text);
        }
        let end = listed.len();
        Ok(Self::Texts(Listed { start, end }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::Payload;
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
        let (mut unescaped, mut listed) = (Unescaped::default(), Vec::new());
        let aside = Aside {
            unescaped: &mut unescaped,
            listed: &mut listed,
        };
        let value = Value::read(member.value, &payload, aside);
        let mut payload = Payload::new(payload.into());
        payload.take_in(&unescaped);
        let shown = match value {
            Ok(Value::Text(text)) => format!("text {}", payload.get(text)),
            Ok(Value::Number(date)) => format!("number {date:?}"),
            Ok(Value::Texts(Listed { start, end })) => {
                let texts = listed[start..end].iter();
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
