//! The same trouble with keys for the crate and for Envoy's `jwt_authn`, side by side: a rotation
//! without overlap, an outage, a flood of invented key ids. Real time and real sockets throughout.
//!
//! Our side is asserted; what Envoy does is printed beside it. docs/keys-beside-envoy.md has one such
//! table. Where a default lifetime is too long to be waited for, both sides get one of 10 s.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use portcullis::KeyRefresh;
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::support::{Gate, Issuer, KeyFetch, Keys, Verdict, elapsed, forge};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_trouble_beside_envoy() {
    // Each has an issuer of its own, so these go on at the same time; a flood would disturb the others.
    let rotation = tokio::spawn(rotation());
    let outages =
        [Outage::Stopped, Outage::Hangs, Outage::Answers500].map(|kind| tokio::spawn(outage(kind)));
    let mut rows = rotation.await.expect("the rotation");
    for outage in outages {
        rows.extend(outage.await.expect("the outage"));
    }
    rows.extend(flood().await);

    let mut table = format!("\n{HEADING}\n");
    for Row(what, cells) in rows {
        let _ = writeln!(table, "| {what} | {} |", cells.join(" | "));
    }
    // Past the test harness, which keeps to itself what a passing test prints.
    std::io::stdout()
        .write_all(table.as_bytes())
        .expect("stdout");
}

const HEADING: &str = "\
| event | portcullis | Envoy, `remote_jwks` | Envoy, `remote_jwks` with `async_fetch` |
|---|---|---|---|";

/// A line of the table: what was looked at, and what each gate did.
struct Row(String, [String; 3]);

/// A lifetime that can be waited for, in place of 10 min on all sides.
const LIFETIME: Duration = Duration::from_secs(10);

/// The three gates in the order of the table.
type Gates = [Arc<Gate>; 3];

/// How long keys live.
#[derive(Clone, Copy)]
enum Pace {
    /// As configured by nobody: 10 min for all three.
    Default,
    /// [`LIFETIME`] for all three, and our grace of an hour shortened alike, to a minute.
    Short,
}

async fn gates(issuer: &Issuer, keys: &Keys, name: &str, pace: Pace) -> Gates {
    let (seconds, rules) = match pace {
        Pace::Default => (None, KeyRefresh::new()),
        Pace::Short => (Some(10), short(6 * LIFETIME)),
    };
    let [on_demand, asynchronous] = [KeyFetch::OnDemand(seconds), KeyFetch::Async(seconds)];
    let name = |kind: &str| format!("{kind}-{name}");
    let on_demand = Gate::envoy(issuer, keys, &name("on-demand"), on_demand).await;
    let asynchronous = Gate::envoy(issuer, keys, &name("async"), asynchronous).await;
    let ours = Gate::ours(issuer, keys, &name("ours"), rules).await;
    [ours, on_demand, asynchronous].map(Arc::new)
}

fn short(grace: Duration) -> KeyRefresh {
    KeyRefresh::new()
        .min_lifetime(LIFETIME)
        .default_lifetime(LIFETIME)
        .max_lifetime(LIFETIME)
        .unpublished_grace(grace)
}

async fn expect_pass(gates: impl IntoIterator<Item = &Arc<Gate>>, token: &str) {
    for gate in gates {
        let verdict = gate.ask(token).await;
        assert!(verdict.passed(), "before: {verdict:?}");
    }
}

/// What became of a token that was shown again and again.
struct Watched {
    first: Verdict,
    /// When it first passed and when it last did, after the beginning.
    passed: Option<(Duration, Duration)>,
    refused: Option<Duration>,
    statuses: BTreeMap<u16, u64>,
    slowest: Duration,
    /// Every 503 said when to come back.
    polite: bool,
}

impl Watched {
    fn statuses(&self) -> String {
        let statuses: Vec<_> = self.statuses.keys().map(ToString::to_string).collect();
        statuses.join(", ")
    }

    fn only(&self, status: u16) -> bool {
        self.statuses.keys().eq([&status])
    }
}

/// Shows a token every 100 ms, from now on until `end`, or until it passes.
async fn watch(gate: &Gate, token: &str, end: Duration, until_it_passes: bool) -> Watched {
    let begin = elapsed();
    let mut watched: Option<Watched> = None;
    loop {
        let verdict = gate.ask(token).await;
        let at = elapsed() - begin;
        let watched = watched.get_or_insert_with(|| Watched {
            first: verdict,
            passed: None,
            refused: None,
            statuses: BTreeMap::new(),
            slowest: Duration::ZERO,
            polite: true,
        });
        *watched.statuses.entry(verdict.status).or_default() += 1;
        watched.slowest = watched.slowest.max(verdict.took);
        watched.polite &= verdict.status != 503 || verdict.retry_after;
        if verdict.passed() {
            let first = watched.passed.map_or(at, |(first, _)| first);
            watched.passed = Some((first, at));
        } else {
            watched.refused.get_or_insert(at);
        }
        if at >= end || (until_it_passes && verdict.passed()) {
            break;
        }
        sleep(Duration::from_millis(100)).await;
    }
    watched.expect("shown once at least")
}

/// The same at several gates at once.
async fn watch_all<const N: usize>(
    gates: &[Arc<Gate>; N],
    token: &str,
    end: Duration,
    until_it_passes: bool,
) -> [Watched; N] {
    let watches = gates.each_ref().map(|gate| {
        let (gate, token) = (Arc::clone(gate), token.to_owned());
        tokio::spawn(async move { watch(&gate, &token, end, until_it_passes).await })
    });
    let mut done = Vec::new();
    for watch in watches {
        done.push(watch.await.expect("the gate answers"));
    }
    done.try_into()
        .unwrap_or_else(|_| unreachable!("as many as gates"))
}

/// New keys sign, and the old ones are gone at once.
async fn rotation() -> Vec<Row> {
    let issuer = Issuer::oidc_provider();
    let keys = Keys::of(&issuer).await;
    let old = issuer.token("ES256").await;
    let [ours, on_demand, asynchronous] = gates(&issuer, &keys, "default", Pace::Default).await;
    let [short_ours, short_on_demand, short_asynchronous] =
        gates(&issuer, &keys, "short", Pace::Short).await;
    let strict = Gate::ours(&issuer, &keys, "ours-strict", short(Duration::ZERO)).await;
    let gates = [
        ours,
        on_demand,
        asynchronous,
        short_ours,
        short_on_demand,
        short_asynchronous,
        Arc::new(strict),
    ];
    expect_pass(&gates, &old).await;

    let ours_before = gates[0].fetches(&issuer).await;
    issuer.rotate(false).await;
    let new = issuer.token("ES256").await;
    let news = watch_all(&gates, &new, WATCHED, true);
    let olds = async {
        // The first token of the new key comes first, as it does in a service that is in use.
        sleep(Duration::from_millis(50)).await;
        watch_all(&gates, &old, WATCHED, false).await
    };
    let (news, olds) = tokio::join!(news, olds);
    let ours_fetched = gates[0].fetches(&issuer).await - ours_before;

    let first = |watched: &Watched| {
        let Verdict { status, took, .. } = watched.first;
        format!("{status} in {}", millis(took))
    };
    let passes = |watched: &Watched| match watched.passed {
        Some((first, _)) if watched.first.passed() => format!("at once ({})", millis(first)),
        Some((first, _)) => format!("after {}, {} until then", seconds(first), refusals(watched)),
        None => format!("not within {} ({})", seconds(WATCHED), refusals(watched)),
    };
    let withdrawn = |watched: &Watched| match (watched.passed, watched.refused) {
        (Some(_), None) => format!("for longer than {}", seconds(WATCHED)),
        (Some((_, last)), Some(_)) => format!("for {}, then {}", seconds(last), refusals(watched)),
        (None, _) => format!("not once ({})", refusals(watched)),
    };
    let three = |watched: &[Watched], tell: &dyn Fn(&Watched) -> String| {
        [0, 1, 2].map(|gate| tell(&watched[gate]))
    };
    let mut strictly = three(&olds[3..6], &withdrawn);
    strictly[0] = format!("{}; without grace {}", strictly[0], withdrawn(&olds[6]));
    let rows = vec![
        Row(
            "rotation without overlap: first token of the new key".into(),
            three(&news, &first),
        ),
        Row("… it passes".into(), three(&news, &passes)),
        Row(
            "… it passes, lifetime 10 s".into(),
            three(&news[3..6], &passes),
        ),
        Row(
            "… a token of the withdrawn key passes".into(),
            three(&olds, &withdrawn),
        ),
        Row(
            "… a token of the withdrawn key passes, lifetime 10 s and grace 60 s".into(),
            strictly,
        ),
    ];

    for ours in [&news[0], &news[3], &news[6]] {
        assert!(
            ours.first.passed(),
            "the first token of the new key: {:?}",
            ours.first
        );
        assert!(ours.first.took < Duration::from_secs(2), "{:?}", ours.first);
    }
    assert_eq!(ours_fetched, 1, "fetches for the new key");
    let (_, last) = olds[3].passed.expect("the grace");
    // From the first answer without it, which may have been waited for.
    let grace = 6 * LIFETIME;
    assert!(
        last <= grace + Duration::from_secs(3),
        "the withdrawn key passed for {last:?}"
    );
    assert!(
        olds[3].refused.is_some() && olds[6].passed.is_none(),
        "withdrawn keys"
    );
    rows
}

/// Long enough to see a grace of a minute end.
const WATCHED: Duration = Duration::from_secs(66);

/// How an issuer is down.
#[derive(Clone, Copy, Debug)]
enum Outage {
    Stopped,
    Hangs,
    Answers500,
}

async fn outage(kind: Outage) -> Vec<Row> {
    let issuer = Issuer::oidc_provider();
    let keys = Keys::of(&issuer).await;
    let known = issuer.token("ES256").await;
    let [ours, on_demand, asynchronous] = gates(&issuer, &keys, "short", Pace::Short).await;
    let default = Gate::ours(&issuer, &keys, "ours-default", KeyRefresh::new()).await;
    let gates = [ours, on_demand, asynchronous, Arc::new(default)];
    expect_pass(&gates, &known).await;

    // Nobody can fetch from here on, so that the next key is unknown to all.
    let mode = match kind {
        Outage::Hangs => "hang",
        Outage::Stopped | Outage::Answers500 => "500",
    };
    issuer.fault(mode).await;
    issuer.rotate(true).await;
    let unknown = issuer.token("ES256").await;
    if let Outage::Stopped = kind {
        issuer.stop().await;
    }
    let (within, unknowns) = tokio::join!(
        watch_all(&gates, &known, Duration::from_secs(6), false),
        // By the end of which every lifetime is over.
        watch_all(&gates, &unknown, 2 * LIFETIME, false),
    );
    let past = watch_all(&gates, &known, Duration::from_secs(6), false).await;
    let cold = self::gates(&issuer, &keys, "cold", Pace::Default).await;
    let cold = watch_all(&cold, &known, Duration::ZERO, false).await;

    if let Outage::Stopped = kind {
        issuer.start_again().await;
    }
    issuer.fault("ok").await;
    let back = watch_all(&gates, &unknown, RECOVERY, true).await;

    let steady = |watched: &Watched| {
        let slowest = millis(watched.slowest);
        format!("{} (slowest {slowest})", watched.statuses())
    };
    let name = match kind {
        Outage::Stopped => "issuer stopped",
        Outage::Hangs => "issuer hangs",
        Outage::Answers500 => "issuer answers 500",
    };
    let row = |what: &str, cells: [String; 3]| Row(format!("{name}: {what}"), cells);
    let three = |watched: &[Watched]| [0, 1, 2].map(|gate| steady(&watched[gate]));
    let recovered = |watched: &Watched| match watched.passed {
        Some(_) if watched.first.passed() => "at once".to_owned(),
        Some((first, _)) => format!("after {}, {} until then", seconds(first), refusals(watched)),
        None => format!("not within {} ({})", seconds(RECOVERY), refusals(watched)),
    };
    let mut recovery = [0, 1, 2].map(|gate| recovered(&back[gate]));
    recovery[0] = format!("{}; lifetime 10 min: {}", recovery[0], recovered(&back[3]));
    let rows = vec![
        row("token of a known key, within the lifetime", three(&within)),
        row(
            "token of a known key, past the lifetime of 10 s",
            three(&past),
        ),
        row("token of a new, unknown key", three(&unknowns)),
        row("gate started meanwhile, first token", three(&cold)),
        row("issuer back, token of the new key passes", recovery),
    ];

    for (watched, what) in [
        (&within[0], "within"),
        (&past[0], "past"),
        (&within[3], "within, defaults"),
        (&past[3], "later, defaults"),
    ] {
        assert!(
            watched.only(200),
            "{kind:?}: {what}: {:?}",
            watched.statuses
        );
        assert!(
            watched.slowest < NO_WAIT,
            "{kind:?}: {what}: {:?}",
            watched.slowest
        );
    }
    for watched in [&unknowns[0], &unknowns[3], &cold[0]] {
        assert!(
            watched.only(503) && watched.polite,
            "{kind:?}: {:?}",
            watched.statuses
        );
    }
    for ours in [0, 3] {
        assert!(
            unknowns[ours].slowest < MAX_WAIT,
            "{kind:?}: {:?}",
            unknowns[ours].slowest
        );
        assert!(back[ours].passed.is_some(), "{kind:?}: the issuer is back");
    }
    rows
}

/// The longest pause between fetches for unknown keys is a minute, from the last one on.
const RECOVERY: Duration = Duration::from_secs(60);
/// Nobody waits for a fetch who is answered within this; generous, for a machine that is busy.
const NO_WAIT: Duration = Duration::from_secs(1);
/// A request waits for 2 s at most.
const MAX_WAIT: Duration = Duration::from_secs(4);

/// Tokens of keys that nobody has, as fast as [`Flood`] sends them.
async fn flood() -> Vec<Row> {
    let issuer = Issuer::oidc_provider();
    let keys = Keys::of(&issuer).await;
    let good = issuer.token("ES256").await;
    let default = gates(&issuer, &keys, "default", Pace::Default).await;
    expect_pass(&default, &good).await;

    // The issuer is well, and rotates in the middle of it.
    let quiet = probe_all(&default, &good, Duration::from_secs(3)).await;
    let before = fetches(&default, &issuer).await;
    let well = Flood::start(&default, &good);
    let rotated = async {
        sleep(Duration::from_secs(10)).await;
        let first_half = fetches(&default, &issuer).await;
        issuer.rotate(true).await;
        let new = issuer.token("ES256").await;
        let found = watch_all(&default, &new, Duration::from_secs(15), true).await;
        (first_half, found)
    };
    let (good_meanwhile, (first_10_s, found)) =
        tokio::join!(probe_all(&default, &good, Duration::from_secs(25)), rotated);
    let well = well.stop().await;
    let after = fetches(&default, &issuer).await;

    // The issuer fails, and what they have is past its lifetime.
    let short = gates(&issuer, &keys, "short", Pace::Short).await;
    let good = issuer.token("ES256").await;
    expect_pass(&short, &good).await;
    issuer.fault("500").await;
    sleep(LIFETIME + Duration::from_secs(1)).await;
    let failing_before = fetches(&short, &issuer).await;
    let failing = Flood::start(&short, &good);
    let good_while_failing = probe_all(&short, &good, Duration::from_secs(10)).await;
    let failing = failing.stop().await;
    let failing_after = fetches(&short, &issuer).await;

    let in_10_s = |gate: usize| {
        let (first, later) = (
            first_10_s[gate] - before[gate],
            after[gate] - first_10_s[gate],
        );
        format!("{first} in the first 10 s, {later} in the next 15 s")
    };
    let rows = vec![
        Row(
            format!("flood of invented kids, {RATE} a second for 25 s: status"),
            [0, 1, 2].map(|gate| well[gate].to_string()),
        ),
        Row("… fetches".into(), [0, 1, 2].map(in_10_s)),
        Row(
            "… a good token meanwhile, and before".into(),
            [0, 1, 2].map(|gate| format!("{}; before: {}", good_meanwhile[gate], quiet[gate])),
        ),
        Row(
            "… a key rotated in during it passes".into(),
            [0, 1, 2].map(|gate| match found[gate].passed {
                Some((first, _)) => format!("after {}", seconds(first)),
                None => format!(
                    "not within {} ({})",
                    seconds(Duration::from_secs(15)),
                    refusals(&found[gate])
                ),
            }),
        ),
        Row(
            "the same flood while the issuer answers 500, past the lifetime of 10 s: status".into(),
            [0, 1, 2].map(|gate| failing[gate].to_string()),
        ),
        Row(
            "… fetches in 10 s".into(),
            [0, 1, 2].map(|gate| (failing_after[gate] - failing_before[gate]).to_string()),
        ),
        Row(
            "… a good token meanwhile".into(),
            [0, 1, 2].map(|gate| good_while_failing[gate].to_string()),
        ),
    ];

    assert!(well[0].0.keys().eq([&401]), "{:?}", well[0].0);
    assert!(first_10_s[0] - before[0] <= 2, "1 + elapsed / 10 s");
    assert!(after[0] - before[0] <= 3, "1 + elapsed / 10 s");
    assert!(
        found[0].passed.is_some(),
        "a key rotated in during the flood"
    );
    assert!(good_meanwhile[0].always_passed(), "{}", good_meanwhile[0]);
    assert!(
        failing[0]
            .0
            .keys()
            .all(|status| [401, 503].contains(status)),
        "{:?}",
        failing[0].0
    );
    // Two for unknown keys, and those of the schedule, which backs off from 1 s on.
    assert!(
        failing_after[0] - failing_before[0] <= 8,
        "fetches while the issuer fails"
    );
    assert!(
        good_while_failing[0].always_passed(),
        "{}",
        good_while_failing[0]
    );
    rows
}

async fn fetches(gates: &Gates, issuer: &Issuer) -> [u64; 3] {
    [
        gates[0].fetches(issuer).await,
        gates[1].fetches(issuer).await,
        gates[2].fetches(issuer).await,
    ]
}

/// A flood in front of three gates: [`SENDERS`] at each, each with a pause between two tokens.
struct Flood {
    stop: Arc<AtomicBool>,
    senders: Vec<(usize, tokio::task::JoinHandle<Statuses>)>,
}

const SENDERS: u64 = 4;
const PAUSE: Duration = Duration::from_millis(10);
/// What they come to at each gate, a second.
const RATE: u64 = 400;
/// Most tokens of one sender: it ends even if nobody stops it.
const MOST: u64 = 6_000;

/// How often there was which status.
#[derive(Default)]
struct Statuses(BTreeMap<u16, u64>);

impl std::fmt::Display for Statuses {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let counts: Vec<_> = self
            .0
            .iter()
            .map(|(status, count)| format!("{status} × {count}"))
            .collect();
        f.write_str(&counts.join(", "))
    }
}

impl Flood {
    fn start(gates: &Gates, token: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let mut senders = Vec::new();
        for (place, gate) in gates.iter().enumerate() {
            for sender in 0..SENDERS {
                let (gate, token, stop) = (Arc::clone(gate), token.to_owned(), Arc::clone(&stop));
                let sender = tokio::spawn(async move {
                    let mut statuses = Statuses::default();
                    let mut pause = interval(PAUSE);
                    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
                    for number in 0..MOST {
                        pause.tick().await;
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let invented = forge::header(&token, "kid", &format!("{sender}-{number}"));
                        let status = gate.ask(&invented).await.status;
                        *statuses.0.entry(status).or_default() += 1;
                    }
                    statuses
                });
                senders.push((place, sender));
            }
        }
        Self { stop, senders }
    }

    async fn stop(self) -> [Statuses; 3] {
        self.stop.store(true, Ordering::Relaxed);
        let mut all: [Statuses; 3] = Default::default();
        for (place, sender) in self.senders {
            for (status, count) in sender.await.expect("the gate answers").0 {
                *all[place].0.entry(status).or_default() += count;
            }
        }
        all
    }
}

/// A good token shown over and over.
struct Probe {
    statuses: Statuses,
    took: Vec<Duration>,
}

impl Probe {
    fn always_passed(&self) -> bool {
        self.statuses.0.keys().eq([&200])
    }
}

impl std::fmt::Display for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |share: usize| millis(self.took[(self.took.len() - 1) * share / 100]);
        write!(f, "{}, p50 {}, p99 {}", self.statuses, at(50), at(99))
    }
}

async fn probe_all(gates: &Gates, token: &str, end: Duration) -> [Probe; 3] {
    let [a, b, c] = gates;
    tokio::join!(
        probe(a, token, end),
        probe(b, token, end),
        probe(c, token, end)
    )
    .into()
}

async fn probe(gate: &Gate, token: &str, end: Duration) -> Probe {
    let begin = elapsed();
    let mut pause = interval(Duration::from_millis(25));
    pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut probe = Probe {
        statuses: Statuses::default(),
        took: Vec::new(),
    };
    while elapsed() - begin < end {
        pause.tick().await;
        let verdict = gate.ask(token).await;
        *probe.statuses.0.entry(verdict.status).or_default() += 1;
        probe.took.push(verdict.took);
    }
    probe.took.sort();
    probe
}

fn refusals(watched: &Watched) -> String {
    let refusals = watched.statuses.keys().filter(|status| **status != 200);
    let refusals: Vec<_> = refusals.map(ToString::to_string).collect();
    refusals.join(", ")
}

fn millis(duration: Duration) -> String {
    let millis = duration.as_secs_f64() * 1_000.0;
    if millis < 10.0 {
        format!("{millis:.1} ms")
    } else {
        format!("{millis:.0} ms")
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}
