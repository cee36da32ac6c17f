//! A fleet of instances and their issuer in virtual time: a discrete-event simulation that asks the
//! crate's own rules of when keys are fetched and how long they are trusted. `docs/fleet.md` has its
//! numbers.
//!
//! Run with: `cargo run --release --example fleet -- --instances 100000 --out DIR`
//!
//! With `--features testing -- --replay FOLDER` it replays recorded histories of real issuers' keys
//! through a real verifier instead.
//!
//! It exits non-zero when a figure is missed.
#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::{env, fs};

use portcullis::{Clock as _, SystemClock};

mod figures;
mod fleet;
mod instance;
mod issuer;
mod options;
mod plot;
#[cfg(feature = "testing")]
mod replay;
#[cfg(feature = "testing")]
mod rotations;
mod scenarios;
mod tally;
mod traffic;

use figures::Row;
use options::Options;

type Error = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Error> {
    let options = Options::read(env::args().skip(1))?;
    match &options.replay {
        #[cfg(feature = "testing")]
        Some(folder) => replay::run(folder, &options),
        #[cfg(not(feature = "testing"))]
        Some(_) => Err("--replay needs `--features testing`".into()),
        None => simulate(&options),
    }
}

fn simulate(options: &Options) -> Result<(), Error> {
    println!(
        "{} instances, {} virtual days, max-age {} s; at each instance {} requests/s with tokens that \
         live {} s, and {} invented key ids/s in the flood; seed {}, {} cores\n",
        options.instances,
        options.days,
        options.max_age.as_secs(),
        options.requests,
        options.token_lifetime.as_secs(),
        options.invented,
        options.seed,
        fleet::cores(),
    );
    if let Some(folder) = &options.out {
        fs::create_dir_all(folder)?;
    }
    let start = SystemClock::default().now().monotonic;
    let mut figures = Vec::new();
    let mut pictures = Vec::new();
    println!("{}", Row::HEAD);
    for scenario in scenarios::ALL {
        let outcome = scenario(options);
        for row in &outcome.rows {
            println!("{row}");
        }
        figures.extend(outcome.figures);
        if let Some(folder) = &options.out {
            pictures.push(outcome.picture.write(folder)?);
        }
    }
    println!();
    for figure in &figures {
        println!("{figure}");
    }
    for picture in pictures {
        println!("drawn  {}", picture.display());
    }
    let took = SystemClock::default().now().monotonic.saturating_sub(start);
    println!("took   {:.1} s", took.as_secs_f64());
    match figures.iter().filter(|figure| !figure.is_met).count() {
        0 => Ok(()),
        missed => Err(format!("{missed} figures missed").into()),
    }
}
