//! The table of who tried what, each row held against what should have happened.

use std::process::ExitCode;

/// How something ended: a status, and what the caller was told beside it.
#[derive(Eq, PartialEq)]
pub struct Outcome {
    pub status: String,
    /// The challenge of a refusal, or the answer.
    pub told: String,
}

impl Outcome {
    pub fn new(status: impl ToString, told: impl Into<String>) -> Self {
        Self {
            status: status.to_string(),
            told: told.into(),
        }
    }
}

/// Prints the rows, and counts those that went otherwise.
#[derive(Default)]
pub struct Table {
    rows: usize,
    wrong: usize,
}

impl Table {
    pub fn chapter(&self, title: &str) {
        println!("\n{title}");
        println!(
            "  {:<34} {:<8} {:<30} {:<17} {:<17} as expected; told",
            "who", "at", "tries", "expected", "happened"
        );
    }

    pub fn row(&mut self, [who, at, tries]: [&str; 3], expected: &Outcome, happened: &Outcome) {
        self.rows += 1;
        let right = expected == happened;
        let verdict = if right { "yes" } else { "NO" };
        let Outcome { status, told } = happened;
        println!(
            "  {who:<34} {at:<8} {tries:<30} {:<17} {status:<17} {verdict:<4} {told}",
            expected.status
        );
        if !right {
            self.wrong += 1;
            println!("  expected to be told: {}", expected.told);
        }
    }

    pub fn verdict(&self) -> ExitCode {
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
