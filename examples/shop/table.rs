//! The table of who tried what, each row held against what should have happened.

use std::process::ExitCode;

/// How something ended: a status, and what the caller was told beside it.
#[derive(Eq, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: String,
    /// The challenge of a refusal, or the answer.
    pub(crate) told: String,
}

impl Outcome {
    pub(crate) fn new(status: impl Into<String>, told: impl Into<String>) -> Self {
        let (status, told) = (status.into(), told.into());
        Self { status, told }
    }

    pub(crate) fn http(status: u16, told: impl Into<String>) -> Self {
        Self::new(status.to_string(), told)
    }
}

/// Prints the rows, and counts those that went otherwise.
pub(crate) struct Table {
    rows: usize,
    wrong: usize,
}

impl Table {
    pub(crate) fn new() -> Self {
        line([
            "who",
            "at",
            "tries",
            "expected",
            "happened",
            "so?",
            "and was told",
        ]);
        Self { rows: 0, wrong: 0 }
    }

    pub(crate) fn chapter(&self, title: &str) {
        println!("\n{title}");
    }

    pub(crate) fn row(
        &mut self,
        [who, at, tries]: [&str; 3],
        expected: &Outcome,
        happened: &Outcome,
    ) {
        let right = expected == happened;
        let verdict = if right { "yes" } else { "NO" };
        line([
            who,
            at,
            tries,
            &expected.status,
            &happened.status,
            verdict,
            &happened.told,
        ]);
        if !right {
            println!("  must be told: {}", expected.told);
        }
        self.rows += 1;
        self.wrong += usize::from(!right);
    }

    pub(crate) fn verdict(&self) -> ExitCode {
        println!(
            "\n{} rows, {} of them not as expected",
            self.rows, self.wrong
        );
        if self.wrong == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

fn line([who, at, tries, expected, happened, verdict, told]: [&str; 7]) {
    println!("  {who:<32} {at:<8} {tries:<23} {expected:<17} {happened:<17} {verdict:<4} {told}");
}
