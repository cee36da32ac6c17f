//! What became of the vectors of a suite, in one line.

use std::fmt::Display;
use std::io::Write as _;

use crate::KeySet;

/// Counts verdicts, and lets none differ from its label in silence.
pub(crate) struct Tally {
    suite: String,
    agreed: usize,
    deviating: usize,
}

impl Tally {
    pub(crate) fn of(suite: impl Into<String>) -> Self {
        Self {
            suite: suite.into(),
            agreed: 0,
            deviating: 0,
        }
    }

    /// Takes a verdict: it is what the suite's author wrote, or a rule of ours says why it is not.
    #[track_caller]
    pub(crate) fn judge(
        &mut self,
        vector: impl Display,
        label: bool,
        verdict: bool,
        rule: Option<&str>,
    ) {
        let suite = &self.suite;
        match rule {
            None => assert_eq!(verdict, label, "{suite}: {vector}"),
            Some(rule) => assert_ne!(verdict, label, "{suite}: {vector} in spite of: {rule}"),
        }
        *if rule.is_none() {
            &mut self.agreed
        } else {
            &mut self.deviating
        } += 1;
    }

    /// Takes the keys of a set, all published to be used: how many are, and which are skipped and why.
    #[track_caller]
    pub(crate) fn judge_keys(
        &mut self,
        document: impl Display,
        keys: &KeySet,
        usable: usize,
        skipped: &[(usize, &str)],
    ) {
        let found: Vec<_> = keys
            .skipped()
            .iter()
            .map(|key| (key.index(), key.reason().code()))
            .collect();
        assert_eq!(
            (keys.len(), &*found),
            (usable, skipped),
            "{}: {document}",
            self.suite
        );
        for _ in 0..usable {
            self.judge(&document, true, true, None);
        }
        for (index, code) in skipped {
            self.judge(format_args!("{document} {index}"), true, false, Some(code));
        }
    }

    /// Says the counts on stderr, past the test harness, for scripts/check-tests to collect. What the
    /// suite has by its own count and nobody judged was skipped.
    #[track_caller]
    pub(crate) fn report(self, vectors: usize) {
        let Self {
            suite,
            agreed,
            deviating,
        } = self;
        let run = agreed + deviating;
        let skipped = vectors.checked_sub(run).unwrap();
        // In one write, so that no other line gets between.
        let line = format!(
            "vectors: {suite}: {run} run, {agreed} agreed, {deviating} deviating, {skipped} skipped\n"
        );
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        assert_eq!(skipped, 0, "{suite}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a suite: 7")]
    fn a_verdict_that_differs_without_a_rule_is_a_failure() {
        Tally::of("a suite").judge(7, true, false, None);
    }

    #[test]
    #[should_panic(expected = "a suite: 7 in spite of: no HMAC")]
    fn a_rule_that_changes_nothing_is_a_failure() {
        Tally::of("a suite").judge(7, true, true, Some("no HMAC"));
    }

    #[test]
    fn what_differs_by_a_rule_is_counted_apart() {
        let mut tally = Tally::of("a suite");
        tally.judge(6, false, false, None);
        tally.judge(7, true, true, None);
        tally.judge(8, true, false, Some("no HMAC"));
        assert_eq!((tally.agreed, tally.deviating), (2, 1));
    }
}
