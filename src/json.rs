//! What strict reading of JSON needs beside `serde_json`.

use std::borrow::Cow;

use serde::Deserialize;

/// A string, borrowed from the text unless it had escapes.
#[derive(Deserialize)]
pub(crate) struct Name<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

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

    #[test]
    fn duplicates_are_found_wherever_they_stand() {
        assert!(!has_duplicates(&mut []));
        assert!(!has_duplicates(&mut ["a".into(), "b".into()]));
        assert!(has_duplicates(&mut ["a".into(), "b".into(), "a".into()]));
    }
}
