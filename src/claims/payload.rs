//! The JSON of a token's claims, and the texts that stand in it.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::Name;

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
    #[inline(never)] // three of it would be more code to touch
    pub(crate) fn get(&self, text: Text) -> &str {
        self.text.get(text.start..text.end).unwrap_or_default()
    }

    /// Takes in what its texts say that have escapes in its JSON.
    #[inline]
    pub(super) fn take_in(&mut self, Unescaped(unescaped): &Unescaped) {
        if !unescaped.is_empty() {
            self.append(unescaped);
        }
    }

    #[cold]
    fn append(&mut self, unescaped: &str) {
        let mut text = std::mem::take(&mut self.text).into_string();
        text.push_str(unescaped);
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
    pub(super) fn read(
        json: &str,
        payload: &str,
        unescaped: &mut Unescaped,
    ) -> serde_json::Result<Self> {
        Ok(match serde_json::from_str(json)? {
            Name(Cow::Borrowed(text)) => place(text, payload).into(),
            Name(Cow::Owned(text)) => {
                let start = payload.len() + unescaped.0.len();
                unescaped.0.push_str(&text);
                (start..start + text.len()).into()
            }
        })
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.start == self.end
    }
}

impl From<Range<usize>> for Text {
    #[inline]
    fn from(Range { start, end }: Range<usize>) -> Self {
        Self { start, end }
    }
}

/// Where in a text a part of it stands.
pub(crate) fn place(part: &str, text: &str) -> Range<usize> {
    let start = part.as_ptr().addr().wrapping_sub(text.as_ptr().addr());
    start..start.saturating_add(part.len())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        payload.take_in(&unescaped);
        assert_eq!(texts.map(|text| payload.get(text)), ["a", "a"]);
        assert_eq!(payload.json(), json);
    }
}
