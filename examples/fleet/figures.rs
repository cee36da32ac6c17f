//! What is printed of a simulation: a table, and the figures it must keep.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use crate::issuer::Rotation;
use crate::options::Options;
use crate::tally::{Load, Tally};

/// A line of the table: a scenario, or a part of one.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) load: Load,
    /// What the peak is compared with.
    pub(crate) mean: f64,
    pub(crate) all_know: Option<Duration>,
    pub(crate) refused: u64,
    /// Of an hour that was looked at by the second.
    pub(crate) busiest_second: Option<u32>,
    pub(crate) withdrawn_accepted: Option<Duration>,
}

/// A figure to be kept.
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) is_met: bool,
}

impl Row {
    pub(crate) fn new(
        name: &'static str,
        window: Range<Duration>,
        mean: f64,
        tally: &Tally,
    ) -> Self {
        Self {
            name,
            load: tally.load(&window),
            mean,
            all_know: None,
            refused: tally.tokens_refused(&window),
            busiest_second: window
                .contains(&tally.close_up.start)
                .then(|| tally.busiest_second()),
            withdrawn_accepted: None,
        }
    }

    pub(crate) fn rotated(mut self, rotation: &Rotation, options: &Options, tally: &Tally) -> Self {
        let do_all_know = tally.instances_that_learned() == options.instances;
        self.all_know = tally
            .last_learned
            .filter(|_| do_all_know)
            .map(|at| at - rotation.publish);
        self.withdrawn_accepted = tally.last_dropped.map(|at| at - rotation.withdraw);
        self
    }

    pub(crate) const HEAD: &'static str = "\
        | scenario | fetches/s, mean | peak | peak / steady mean | busiest second | all know the new key after | \
        tokens wrongly refused | withdrawn key accepted for at most |\n\
        |---|---:|---:|---:|---:|---:|---:|---:|";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |time: Option<Duration>| time.map_or_else(|| "–".to_owned(), show);
        write!(
            f,
            "| {} | {:.1} | {:.1} | {:.2} | {} | {} | {} | {} |",
            self.name,
            self.load.mean,
            self.load.peak,
            self.load.peak / self.mean,
            self.busiest_second
                .map_or_else(|| "–".to_owned(), |fetches| fetches.to_string()),
            shown(self.all_know),
            self.refused,
            shown(self.withdrawn_accepted),
        )
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_met { "met" } else { "MISSED" };
        write!(f, "{verdict:6} {}: {}", self.name, self.value)
    }
}

pub(crate) fn at_most(name: &'static str, value: f64, limit: f64) -> Figure {
    Figure {
        name,
        value: format!("{value:.2}, at most {limit}"),
        is_met: value <= limit,
    }
}

pub(crate) fn within(name: &'static str, value: Option<Duration>, limit: Duration) -> Figure {
    let shown = value.map_or_else(|| "not all".to_owned(), show);
    Figure {
        name,
        value: format!("{shown}, at most {}", show(limit)),
        is_met: value.is_some_and(|value| value <= limit),
    }
}

pub(crate) fn none_refused(name: &'static str, rows: &[Row]) -> Figure {
    let refused: u64 = rows.iter().map(|row| row.refused).sum();
    Figure {
        name,
        value: format!("{refused}, none allowed"),
        is_met: refused == 0,
    }
}

fn show(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        seconds => format!("{:.1} min", seconds / 60.0),
    }
}
