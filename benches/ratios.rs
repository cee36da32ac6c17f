//! What a token costs beside the signature check that it cannot do without, in one table.
//!
//! Run with: `cargo bench --bench ratios --features testing`
//!
//! The floor of a row is aws-lc-rs alone: the same signature, with a key that was parsed once. Short
//! rounds of every column take turns, and its figure is the median of the rounds' ratios to the floor of the
//! same round, so that what slows the machine slows both. The floor is measured twice a round: what the
//! two differ in is noise. A column without a goal is shown for what it is beside the others.
//! Ends with an error if a goal is missed; `-- --no-check` does not.
#![expect(clippy::print_stdout, reason = "a benchmark talks to its reader")]
#![expect(clippy::disallowed_methods, reason = "a benchmark reads the time")]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "a benchmark may panic"
)]

mod support;

use std::hint::black_box;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Instant;

use portcullis::{Algorithm, Verifier};
use support::{CACHE, ROUND, Raw, Scene, authorization, bare, guarded, is_test, per_call};

const ROUNDS: usize = 41;
/// Distinct tokens, more than any round takes twice.
const TOKENS: usize = 4_000;

fn main() -> ExitCode {
    let given = |name: &str| std::env::args().any(|argument| argument == name);
    let check = !given("--no-check");
    let quick = is_test();
    let rounds = if quick { 1 } else { ROUNDS };
    machine();
    let mut goals = Goals::default();
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::EdDsa] {
        tokens(algorithm, rounds, &mut goals);
    }
    sizes(rounds, &mut goals);
    threads(rounds, &mut goals);
    allocations(&mut goals);
    println!("\nload at the end: {}", load());
    let missed = goals.missed.join("; ");
    if missed.is_empty() {
        println!("every goal is met");
    } else {
        println!("MISSED: {missed}");
    }
    ExitCode::from(u8::from(check && !quick && !missed.is_empty()))
}

/// What was missed.
#[derive(Default)]
struct Goals {
    missed: Vec<String>,
}

impl Goals {
    fn at_most(&mut self, what: &str, value: f64, goal: f64) -> String {
        self.check(what, value, value <= goal, format!("≤ {goal:.3}"))
    }

    fn at_least(&mut self, what: &str, value: f64, goal: f64) -> String {
        self.check(what, value, value >= goal, format!("≥ {goal}"))
    }

    fn check(&mut self, what: &str, value: f64, met: bool, goal: String) -> String {
        if !met {
            self.missed
                .push(format!("{what} {value:.4} and not {goal}"));
        }
        goal
    }
}

/// One algorithm's tokens.
fn tokens(algorithm: Algorithm, rounds: usize, goals: &mut Goals) {
    let scene = Scene::of(algorithm);
    let tokens = scene.tokens(TOKENS);
    let raw = Raw::new(&scene, algorithm, &tokens);
    let (without, hot) = (scene.verifier(0), scene.verifier(CACHE));
    let headers: Vec<_> = tokens.iter().map(|token| authorization(token)).collect();
    let (mut plain, mut layer, mut hot_layer) =
        (bare(), guarded(without.clone()), guarded(hot.clone()));

    // Each way goes through all of them, one after the other.
    let mut turns = [0; 5];
    fn next(turn: &mut usize) -> usize {
        *turn = (*turn + 1) % TOKENS;
        *turn
    }
    let accepts = |verifier: &Verifier, index: usize| {
        assert!(verifier.verify_now(black_box(&*tokens[index])).is_ok());
    };
    let names = [
        "floor, µs",
        "floor again",
        "first seen, cache off",
        "first seen, cache on",
        "seen for the second time",
        "first seen through the layer, cache off",
        "an empty service",
        "repeated",
        "repeated through the layer",
    ];
    let mut columns = names.map(|_| Vec::new());
    for _ in 0..rounds {
        let floor = per_call(|| raw.check(next(&mut turns[0])));
        // As many as there is time for: each is forgotten before it comes again, or comes once.
        let fresh = scene.verifier(CACHE);
        let first = turns[2];
        let (first_seen, count) = counted(|n| accepts(&fresh, (first + n) % TOKENS), TOKENS);
        let (second, _) = counted(|n| accepts(&fresh, (first + n) % TOKENS), count);
        turns[2] = (first + count) % TOKENS;
        drop(fresh);
        let values = [
            floor / 1_000.0,
            per_call(|| raw.check(next(&mut turns[1]))) / floor,
            per_call(|| accepts(&without, next(&mut turns[3]))) / floor,
            first_seen / floor,
            second / floor,
            per_call(|| layer.call(&headers[next(&mut turns[4])])) / floor,
            per_call(|| plain.call(&headers[0])) / floor,
            per_call(|| accepts(&hot, 0)) / floor,
            per_call(|| hot_layer.call(&headers[0])) / floor,
        ];
        for (column, value) in columns.iter_mut().zip(values) {
            column.push(value);
        }
    }

    println!(
        "\n**{algorithm}**, a token of {} bytes, medians of {rounds} rounds\n",
        tokens[0].len()
    );
    println!("| | ratio to the floor | middle half | goal |\n|---|---|---|---|");
    let medians = columns.each_mut().map(|column| quartiles(column)[1]);
    let first_seen = medians[2];
    for ((name, column), median) in names.iter().zip(&mut columns).zip(medians) {
        let what = format!("{algorithm} {name}");
        let rs256 = algorithm == Algorithm::Rs256;
        let goal = match *name {
            "first seen, cache off" => {
                goals.at_most(&what, median, if rs256 { 1.07 } else { 1.03 })
            }
            "first seen, cache on" => goals.at_most(&what, median, first_seen + 0.12),
            "first seen through the layer, cache off" if rs256 => {
                goals.at_most(&what, median, 1.12)
            }
            "repeated" if rs256 => goals.at_most(&what, median, 0.015),
            "repeated through the layer" if rs256 => goals.at_most(&what, median, 0.04),
            _ => String::new(),
        };
        let [low, median, high] = quartiles(column);
        println!("| {name} | {median:.4} | {low:.4} to {high:.4} | {goal} |");
    }
}

/// One key or issuer against many.
fn sizes(rounds: usize, goals: &mut Goals) {
    let scene = Scene::of(Algorithm::Es256);
    let token = scene.token().sign();
    let verifiers = [
        scene.among_keys(1),
        scene.among_keys(1),
        scene.among_keys(1_000),
        scene.among_issuers(1_000),
    ];
    let mut ratios = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        let [one, others @ ..] = verifiers
            .each_ref()
            .map(|verifier| per_call(|| assert!(verifier.verify_now(black_box(&token)).is_ok())));
        for (column, other) in ratios.iter_mut().zip(others) {
            column.push(other / one);
        }
    }
    println!("\n**Many keys, many issuers**, ES256, first seen, cache off\n");
    println!("| beside one key of one issuer | ratio | middle half | goal |\n|---|---|---|---|");
    for ((name, most), column) in [
        ("the same again", None),
        ("1,000 keys", Some(1.05)),
        ("1,000 issuers", Some(1.10)),
    ]
    .into_iter()
    .zip(&mut ratios)
    {
        let [low, median, high] = quartiles(column);
        let goal = most
            .map(|most| goals.at_most(name, median, most))
            .unwrap_or_default();
        println!("| {name} | {median:.3} | {low:.3} to {high:.3} | {goal} |");
    }
}

/// Two threads against one.
fn threads(rounds: usize, goals: &mut Goals) {
    let scene = Scene::of(Algorithm::Rs256);
    let tokens = scene.tokens(1_000);
    let (without, hot) = (scene.verifier(0), scene.verifier(CACHE));
    // A key each: threads that share one wait for each other, which is not the machine's doing.
    let raw = [(); 2].map(|()| Raw::new(&scene, Algorithm::Rs256, &tokens));
    for _ in 0..2 {
        let mut tokens = tokens.iter();
        assert!(tokens.all(|token| hot.verify_now(token).is_ok()));
    }
    let verify = |verifier: &Verifier, n: usize| {
        assert!(verifier.verify_now(&tokens[n % tokens.len()]).is_ok());
    };
    type Work<'a> = &'a (dyn Fn(usize, usize) + Sync);
    let rows: [(&str, Work<'_>, Option<f64>); 4] = [
        (
            "the signature check alone: what the machine gives",
            &|thread, n| raw[thread].check(n % tokens.len()),
            None,
        ),
        (
            "first seen, cache off",
            &|_, n| verify(&without, n),
            Some(1.9),
        ),
        (
            "repeated, over 1,000 tokens",
            &|_, n| verify(&hot, n),
            Some(1.3),
        ),
        ("repeated, one hot token", &|_, _| verify(&hot, 0), None),
    ];
    let mut ratios = rows.map(|_| Vec::new());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (rows, stop) = (&rows, &stop);
        // They live through all rounds, so that each stays where it is.
        let workers = [0, 1].map(|thread| {
            let (begin, begins) = mpsc::channel::<usize>();
            let (end, ended) = mpsc::channel();
            scope.spawn(move || {
                for row in begins {
                    let (_, work, _) = rows[row];
                    let (started, first) = (Instant::now(), thread * 500);
                    let mut n = first;
                    while n % 16 != 0 || !stop.load(Ordering::Relaxed) {
                        work(thread, n);
                        n += 1;
                    }
                    // By its own clock: whoever is to stop two waits for a core.
                    let calls = (n - first) as f64;
                    end.send(calls / started.elapsed().as_secs_f64()).unwrap();
                }
            });
            (begin, ended)
        });
        let rate = |workers: &[(mpsc::Sender<usize>, mpsc::Receiver<f64>)], row| {
            stop.store(false, Ordering::Relaxed);
            let begun = workers.iter().map(|(begin, _)| begin.send(row));
            begun.for_each(|sent| sent.unwrap());
            std::thread::sleep(8 * ROUND);
            stop.store(true, Ordering::Relaxed);
            let ended = workers.iter().map(|(_, ended)| ended.recv().unwrap());
            ended.sum::<f64>()
        };
        for _ in 0..rounds {
            for (row, column) in ratios.iter_mut().enumerate() {
                let alone = rate(&workers[..1], row) + rate(&workers[1..], row);
                column.push(2.0 * rate(&workers, row) / alone);
            }
        }
    });
    println!(
        "\n**Two threads against one**, RS256: the calls of both together, beside the mean of what each makes alone\n"
    );
    println!("| | ratio | middle half | goal |\n|---|---|---|---|");
    for ((name, _, least), column) in rows.iter().zip(&mut ratios) {
        let [low, median, high] = quartiles(column);
        let goal = least
            .map(|least| goals.at_least(&format!("two threads, {name}"), median, least))
            .unwrap_or_default();
        println!("| {name} | {median:.2} | {low:.2} to {high:.2} | {goal} |");
    }
}

/// Allocations of a token that is remembered.
fn allocations(goals: &mut Goals) {
    let hits = if is_test() { 1_000 } else { 1_000_000 };
    let scene = Scene::of(Algorithm::Rs256);
    let token = scene.token().sign();
    let (without, hot) = (scene.verifier(0), scene.verifier(CACHE));
    let count = |calls: u32, call: &mut dyn FnMut()| {
        for _ in 0..3 {
            call();
        }
        let counted = allocation_counter::measure(|| (0..calls).for_each(|_| call()));
        counted.count_total as f64 / f64::from(calls)
    };
    let accepts = |verifier: &Verifier| assert!(verifier.verify_now(&token).is_ok());
    let header = authorization(&token);
    let (mut plain, mut layer) = (bare(), guarded(hot.clone()));
    println!("\n**Allocations a call**, RS256\n\n| | allocations | goal |\n|---|---|---|");
    let hit = count(hits, &mut || accepts(&hot));
    let goal = goals.at_most("allocations a hit", hit, 0.01);
    println!(
        "| first seen, cache off | {:.2} | |",
        count(1_000, &mut || accepts(&without))
    );
    println!("| repeated, the mean of {hits} calls | {hit:.4} | {goal} |");
    println!(
        "| a request to an empty service | {:.2} | |",
        count(1_000, &mut || plain.call(&header))
    );
    println!(
        "| the same, repeated through the layer | {:.2} | |",
        count(1_000, &mut || layer.call(&header))
    );
}

/// Nanoseconds a call, of calls that are numbered and so many at most; and how many there were.
fn counted(mut call: impl FnMut(usize), most: usize) -> (f64, usize) {
    let (started, mut calls) = (Instant::now(), 0);
    while calls < most && (calls % 32 != 0 || started.elapsed() < ROUND) {
        call(calls);
        calls += 1;
    }
    (started.elapsed().as_nanos() as f64 / calls as f64, calls)
}

fn quartiles(values: &mut [f64]) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4])
}

fn machine() {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let mut lines = model.lines().filter(|line| line.starts_with("model name"));
    let model = lines.next().and_then(|line| line.split(": ").nth(1));
    println!(
        "{cores} cores, {}; load {}",
        model.unwrap_or("unknown"),
        load()
    );
}

fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or("unknown").to_owned()
}
