//! Every recorded history with every grace: what each costs in good tokens refused, and how long a
//! withdrawn key lives for it.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{fmt, thread};

use crate::fleet::cores;
use crate::rotations::{History, Replayed, replay, unix_seconds};
use crate::{Error, options::Options};

/// Issuers and their recorded histories.
const RECORDINGS: [(&str, &str); 4] = [
    ("Entra ID", "entra-common.jwks-history.json"),
    ("Google", "google.jwks-history.json"),
    ("Apple", "apple.jwks-history.json"),
    ("Slack", "slack.jwks-history.json"),
];

/// What Entra ID states. The crate clamps it to an hour, which is the worst that the others can state.
const MAX_AGE: Duration = Duration::from_secs(86_400);

const GRACE_MINUTES: [u64; 6] = [0, 15, 30, 60, 120, 240];

/// One replay to be made.
struct Job {
    title: String,
    history: Arc<History>,
    counted: std::ops::Range<u64>,
    step: u64,
    grace: Duration,
}

pub(crate) fn run(folder: &Path, options: &Options) -> Result<(), Error> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let mut jobs = Vec::new();
    for (issuer, file) in RECORDINGS {
        let path = folder.join(file);
        let history = Arc::new(runtime.block_on(History::read(&path))?);
        let whole = history.whole();
        if history.samples() < 2 {
            println!("{issuer}: one sample, nothing to replay\n");
            continue;
        }
        let days = (whole.end - whole.start) / DAY;
        let mut parts = vec![(
            format!("{issuer}, all {days} days, every {} min", options.step),
            whole.clone(),
            options.step * 60,
        )];
        // The last week of Entra's is sampled about every half hour, the rest about once a day.
        if let Some(start) = unix_seconds(DENSE_FROM).filter(|_| history.samples() > DENSE_SAMPLES)
        {
            let title = format!("{issuer}, 20 to 26 October 2024, every minute");
            parts.insert(0, (title, start..whole.end, 60));
        }
        for (title, counted, step) in parts {
            jobs.extend(GRACE_MINUTES.map(|minutes| Job {
                title: title.clone(),
                history: Arc::clone(&history),
                counted: counted.clone(),
                step,
                grace: Duration::from_secs(minutes * 60),
            }));
        }
    }
    println!("{HEAD}");
    for row in in_parallel(jobs)? {
        println!("{row}");
    }
    Ok(())
}

/// All replays, on all cores; their rows in the order of the jobs.
fn in_parallel(jobs: Vec<Job>) -> Result<Vec<Row>, Error> {
    let jobs: Mutex<VecDeque<_>> = Mutex::new(jobs.into_iter().enumerate().collect());
    let next = || {
        jobs.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    };
    let work = || -> Result<Vec<(usize, Row)>, Error> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let mut rows = Vec::new();
        while let Some((number, job)) = next() {
            let replayed = runtime.block_on(replay(
                job.history,
                job.counted.clone(),
                job.step,
                Some(MAX_AGE),
                job.grace,
            ))?;
            let row = Row {
                title: job.title,
                minutes: job.step / 60,
                hours: (job.counted.end - job.counted.start) / 3_600,
                grace: job.grace,
                replayed,
            };
            rows.push((number, row));
        }
        Ok(rows)
    };
    let mut rows = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores()).map(|_| scope.spawn(work)).collect();
        let mut rows = Vec::new();
        for worker in workers {
            match worker.join() {
                Ok(done) => rows.extend(done?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok::<_, Error>(rows)
    })?;
    rows.sort_by_key(|(number, _)| *number);
    Ok(rows.into_iter().map(|(_, row)| row).collect())
}

/// A line of the table.
struct Row {
    title: String,
    minutes: u64,
    hours: u64,
    grace: Duration,
    replayed: Replayed,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |time: Duration| time.as_secs() / 60;
        let replayed = &self.replayed;
        let refused = f64::from(replayed.good_refused);
        let life = match replayed.withdrawn {
            0 => "–".to_owned(),
            _ => format!("{} min", minutes(replayed.longest_life)),
        };
        write!(
            f,
            "| {} | {} min | {} | {} | {} | {:.2} % | {} | {life} | {} in {} h |",
            self.title,
            minutes(self.grace),
            u64::from(replayed.good) * self.minutes,
            u64::from(replayed.in_a_gap) * self.minutes,
            u64::from(replayed.good_refused) * self.minutes,
            100.0 * refused / f64::from(replayed.good.max(1)),
            replayed.withdrawn,
            replayed.fetches,
            self.hours,
        )
    }
}

const HEAD: &str = "\
    | history | grace | good key minutes | of them in a gap | refused | share refused | \
    keys withdrawn | longest life after | fetches |\n\
    |---|---:|---:|---:|---:|---:|---:|---:|---:|";
const DAY: u64 = 24 * 60 * 60;
const DENSE_FROM: &str = "2024-10-20T00:00:00Z";
const DENSE_SAMPLES: usize = 200;
