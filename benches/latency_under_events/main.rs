//! How long one good token takes while the keys of its issuer are in trouble.
//!
//! Run with: `cargo bench --bench latency_under_events --features testing`
//!
//! Short rounds of every event take turns, at least 15 of each, and the medians of their percentiles
//! are compared with those of the quiet rounds among them. There are two kinds of quiet rounds that
//! differ in nothing but their name: what their ratio is off 1 by is noise. The flood comes from a thread
//! that spins between two tokens, and there are rounds with such a thread and no tokens: where those are
//! slow, the other core was not free, and the flood's row says nothing of the crate. The same flood of another
//! verifier is what work on the other core does: more than that is what the two share. Ends with an error if
//! the p99 during a refresh, a rotation, an outage or a flood of invented key ids is over 1.2 times the quiet one.
//!
//! Tokens are not remembered, but for the last table.
//!
//! `-- --no-check` ends well whatever comes out; `-- --rounds 51` takes longer and tells more.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]
#![expect(clippy::indexing_slicing, reason = "a benchmark may panic")]

mod scene;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;

use scene::{Event, ROUND, Scene, Way};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// The most that the p99 during an event of the issuer's keys may be of the quiet p99.
const GOAL: f64 = 1.2;
const LEAST_ROUNDS: usize = 15;

fn main() -> Result<ExitCode> {
    let measures = std::env::args().any(|argument| argument == "--bench");
    let mut check = measures;
    let mut rounds = if measures { 21 } else { 2 };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo says so
            "--no-check" => check = false,
            "--rounds" => rounds = arguments.next().ok_or("--rounds needs a number")?.parse()?,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    if measures && rounds < LEAST_ROUNDS {
        return Err(format!("at least {LEAST_ROUNDS} rounds").into());
    }

    machine();
    let now = measure(Way::Now, rounds)?;
    let awaited = measure(Way::Await, rounds)?;
    let remembered = measure(Way::Remembered, rounds)?;
    println!("\nload at the end: {}", load());
    let all = [&now, &awaited, &remembered];
    let within = all.iter().all(|ratios| ratios.worst <= GOAL);
    let verdict = if within { "within" } else { "OVER" };
    let each = |of: fn(&Ratios) -> f64| all.map(|ratios| format!("{:.3}", of(ratios))).join(", ");
    println!(
        "p99 during the worst event: {} of the quiet p99, {verdict} the goal of {GOAL}; \
         during the flood: {}; during that of another verifier: {}; beside a thread that only spins: {}",
        each(|ratios| ratios.worst),
        each(|ratios| ratios.flood),
        each(|ratios| ratios.elsewhere),
        each(|ratios| ratios.spinning),
    );
    Ok(ExitCode::from(u8::from(check && !within)))
}

/// Ratios to the quiet p99.
struct Ratios {
    /// Of all events of the issuer's keys.
    worst: f64,
    flood: f64,
    elsewhere: f64,
    spinning: f64,
}

/// Prints the table of one way.
fn measure(way: Way, rounds: usize) -> Result<Ratios> {
    let scene = Arc::new(Scene::set(way)?);
    let mut measured: Vec<Vec<Percentiles>> = vec![Vec::new(); Event::ALL.len()];
    for round in 0..rounds {
        // They go forth and back, and then another one begins, so that none always follows the same noise.
        for turn in 0..Event::ALL.len() {
            let turn = if round % 2 == 0 {
                turn
            } else {
                Event::ALL.len() - 1 - turn
            };
            let index = (round / 2 + turn) % Event::ALL.len();
            measured[index].push(scene.round(Event::ALL[index])?);
        }
    }

    let name = match way {
        Way::Now => "`verify_now`",
        Way::Await => "`verify`, on the one thread that also fetches",
        Way::Remembered => "`verify_now`, of a token that is remembered",
    };
    println!("\n{name}: medians of {rounds} rounds of {ROUND:?}, RS256\n");
    println!("| event on the other core | p50 µs | p99 µs | p99 / quiet | p99.9 µs |");
    println!("|---|---|---|---|---|");
    let median = |rounds: &[Percentiles], pick: fn(&Percentiles) -> f64| {
        median(rounds.iter().map(pick).collect())
    };
    let quiet: Vec<_> = measured[..2].concat();
    let floor = median(&quiet, |round| round.p99);
    let mut ratios = Ratios {
        worst: 0.0,
        flood: f64::NAN,
        elsewhere: f64::NAN,
        spinning: f64::NAN,
    };
    for (event, rounds) in Event::ALL.iter().zip(&measured) {
        let ratio = median(rounds, |round| round.p99) / floor;
        println!(
            "| {} | {:.1} | {:.1} | {ratio:.3} | {:.1} |",
            event.name(),
            median(rounds, |round| round.p50),
            median(rounds, |round| round.p99),
            median(rounds, |round| round.p999),
        );
        if event.is_of_keys() {
            ratios.worst = ratios.worst.max(ratio);
        }
        match event {
            Event::Flood => ratios.flood = ratio,
            Event::FloodElsewhere => ratios.elsewhere = ratio,
            Event::Spinning => ratios.spinning = ratio,
            _ => {}
        }
    }
    let p99 = |rounds: &[Percentiles]| median(rounds, |round| round.p99);
    let (first, second) = quiet.split_at(rounds);
    let (early, late): (Vec<_>, Vec<_>) = (
        [&first[..rounds / 2], &second[..rounds / 2]].concat(),
        [&first[rounds / 2..], &second[rounds / 2..]].concat(),
    );
    let singles: Vec<_> = quiet.iter().map(|round| round.p99).collect();
    println!(
        "\nquiet against itself: alternating halves {:.3}, later against earlier {:.3}; \
         p99 of single rounds {:.1} to {:.1} µs",
        p99(second) / p99(first),
        p99(&late) / p99(&early),
        singles.iter().copied().fold(f64::INFINITY, f64::min),
        singles.iter().copied().fold(0.0, f64::max),
    );
    Ok(ratios)
}

#[derive(Clone, Copy, Debug)]
struct Percentiles {
    p50: f64,
    p99: f64,
    p999: f64,
}

impl Percentiles {
    /// Of nanoseconds, in microseconds.
    fn of(mut nanos: Vec<u32>) -> Self {
        nanos.sort_unstable();
        let at = |of_1000: usize| f64::from(nanos[(nanos.len() - 1) * of_1000 / 1_000]) / 1_000.0;
        Self {
            p50: at(500),
            p99: at(990),
            p999: at(999),
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() % 2 {
        0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

fn machine() {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let information = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = information
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "))
        .map_or("unknown", |(_, model)| model);
    println!("{cores} cores, {model}; load at the beginning: {}", load());
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let averages: Vec<_> = load.split(' ').take(3).collect();
    averages.join(" ")
}
