//! An issuer in trouble, and a verifier that trusts it.

use std::hint::spin_loop;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis::testing::{AUDIENCE, Endpoint, Fault, TestIssuer};
use portcullis::{
    Algorithm, Audience, Clock, Event as KeyEvent, Issuer, Now, Observer, SystemClock, TokenCache,
    Verifier,
};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::{Percentiles, Result};

/// Between two refreshes, rotations or failed fetches in a round, so that each has some: ten times as
/// often as the rules ever let one issuer be asked, which is once a second.
const PACE: Duration = Duration::from_millis(100);
const FLOOD_A_SECOND: u32 = 10_000;
/// Different key ids before they repeat: a token is never still in the core's own cache.
const INVENTED: usize = 16_384;
/// Keys that take turns. One comes back only when its grace of an hour is over.
const NEW_KEYS: usize = 16;

/// How long good tokens are verified in a round.
pub(crate) const ROUND: Duration = Duration::from_millis(300);

/// What happens in a round, on the other core.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    Quiet,
    QuietAgain,
    Spinning,
    Refresh,
    Rotation,
    OutageRefused,
    OutageHanging,
    FloodElsewhere,
    Flood,
}

impl Event {
    pub(crate) const ALL: [Self; 9] = [
        Self::Quiet,
        Self::QuietAgain,
        Self::Spinning,
        Self::Refresh,
        Self::Rotation,
        Self::OutageRefused,
        Self::OutageHanging,
        Self::FloodElsewhere,
        Self::Flood,
    ];

    /// Whether it happens to the keys of the verifier that is measured.
    pub(crate) fn is_of_keys(self) -> bool {
        match self {
            Self::Quiet | Self::QuietAgain | Self::Spinning | Self::FloodElsewhere => false,
            Self::Refresh
            | Self::Rotation
            | Self::OutageRefused
            | Self::OutageHanging
            | Self::Flood => true,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Quiet => "quiet",
            Self::QuietAgain => "quiet, the same again",
            Self::Spinning => "a thread that only spins",
            Self::Refresh => "scheduled refresh, every 100 ms",
            Self::Rotation => "rotation, every 100 ms",
            Self::OutageRefused => "outage, a refused fetch every 100 ms",
            Self::OutageHanging => "outage, a fetch that hangs",
            Self::FloodElsewhere => "the same flood, of another verifier",
            Self::Flood => "flood, 10,000 invented kids a second",
        }
    }
}

/// How the good token is verified.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// On a thread without a runtime; fetches run on another.
    Now,
    /// The same, with the token remembered from one time to the next.
    Remembered,
    /// On a runtime of one thread that also runs the fetches. What the runtime does between two
    /// tokens counts as waiting.
    Await,
}

/// An issuer, a verifier that trusts it, and the tokens.
pub(crate) struct Scene {
    issuer: TestIssuer,
    verifier: Verifier,
    /// Built alike, and shares nothing with it but the clock.
    other: Verifier,
    clock: Shifted,
    fetches: Fetches,
    runtime: Runtime,
    way: Way,
    good: String,
    /// JWK Sets that have the good token's key and one other, each with a token of that other.
    rotations: Vec<(String, String)>,
    invented: Vec<String>,
    rotation: AtomicU64,
    flood: AtomicU64,
}

impl Scene {
    pub(crate) fn set(way: Way) -> Result<Self> {
        let mut builder = match way {
            Way::Now | Way::Remembered => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(1);
                builder
            }
            Way::Await => Builder::new_current_thread(),
        };
        let runtime = builder.enable_all().build()?;
        let issuer = runtime.block_on(TestIssuer::start_with([Algorithm::Rs256]))?;
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        let good = issuer.token().scope("orders:read").expires_in(year).sign();

        // A second issuer makes keys for the first to publish.
        let spare = runtime.block_on(TestIssuer::start())?;
        let own: Value = serde_json::from_str(&issuer.jwks())?;
        let mut rotations = Vec::new();
        for _ in 0..NEW_KEYS {
            spare.rotate();
            let other: Value = serde_json::from_str(&spare.jwks())?;
            let keys = json!({ "keys": [own["keys"][0], other["keys"][0]] });
            let token = spare
                .token()
                .issuer(issuer.issuer())
                .expires_in(year)
                .sign();
            rotations.push((keys.to_string(), token));
        }
        let invented =
            (0..INVENTED).map(|number| with_key_id(&good, &format!("invented-{number}")));

        let (clock, fetches) = (Shifted::default(), Fetches::default());
        let trusted = Issuer::discover(issuer.issuer(), Audience::of(AUDIENCE));
        let build = || {
            Verifier::builder()
                .issuer(trusted.clone())
                .clock(clock.clone())
                .observer(fetches.clone())
                .cache(match way {
                    Way::Now | Way::Await => TokenCache::off(),
                    Way::Remembered => TokenCache::default(),
                })
                .build()
        };
        let (verifier, other) = (build()?, build()?);
        let scene = Self {
            invented: invented.collect::<Result<_>>()?,
            issuer,
            verifier,
            other,
            clock,
            fetches,
            runtime,
            way,
            good,
            rotations,
            rotation: AtomicU64::new(0),
            flood: AtomicU64::new(0),
        };
        Ok(scene)
    }

    /// Measures one round, with the event under way before it and after it.
    pub(crate) fn round(self: &Arc<Self>, event: Event) -> Result<Percentiles> {
        // From the same state each time: fresh keys, none in its grace, no failure.
        self.issuer.recover();
        self.clock.advance(Duration::from_secs(60));
        for verifier in [&self.verifier, &self.other] {
            self.runtime.block_on(verifier.refresh_now())?;
        }

        let running = Arc::new(AtomicBool::new(true));
        let other = thread::spawn({
            let (scene, running) = (Arc::clone(self), Arc::clone(&running));
            move || scene.happen(event, &running)
        });
        thread::sleep(Duration::from_millis(20));
        let nanos = match self.way {
            Way::Now | Way::Remembered => self.verify_now(),
            Way::Await => self.runtime.block_on(self.verify()),
        };
        running.store(false, SeqCst);
        let happened = other.join().map_err(|_| "the other thread panicked")?;
        if !happened {
            return Err(format!("nothing happened: {event:?}").into());
        }
        Ok(Percentiles::of(nanos))
    }

    fn verify_now(&self) -> Vec<u32> {
        let mut nanos = Vec::with_capacity(2_000_000);
        let begin = Instant::now();
        let mut before = begin;
        while before - begin < ROUND {
            before = Instant::now();
            let verdict = self.verifier.verify_now(&self.good);
            nanos.push(since(before));
            verdict.expect("a good token always passes");
        }
        nanos
    }

    async fn verify(&self) -> Vec<u32> {
        let mut nanos = Vec::with_capacity(2_000_000);
        let begin = Instant::now();
        let mut before = begin;
        while before - begin < ROUND {
            before = Instant::now();
            let verdict = self.verifier.verify(&self.good).await;
            tokio::task::yield_now().await;
            nanos.push(since(before));
            verdict.expect("a good token always passes");
        }
        nanos
    }

    /// Lets it happen until told to stop; tells whether it did.
    fn happen(&self, event: Event, running: &AtomicBool) -> bool {
        let fetched = self.fetches.ended();
        match event {
            Event::Quiet | Event::QuietAgain => return true,
            // What the flood does besides, and what work beside it does: how much of its row is the machine's.
            Event::Spinning => return at_a_rate(running, || true),
            Event::FloodElsewhere => return self.flood(&self.other, running),
            Event::Flood => return self.flood(&self.verifier, running),
            Event::Refresh => self.every_100_ms(running, || {
                self.clock.advance(PAST_REFRESH);
            }),
            Event::Rotation => self.every_100_ms(running, || {
                let number = usize::try_from(self.rotation.fetch_add(1, SeqCst));
                let (keys, token) = &self.rotations[number.unwrap_or_default() % NEW_KEYS];
                let keys = Fault::Body(keys.clone().into());
                self.issuer.fail_at(Endpoint::Jwks, keys);
                self.clock.advance(BEFORE_REFRESH);
                // The first one asks for a fetch; one that comes after it passes.
                while running.load(SeqCst) && self.verifier.verify_now(token).is_err() {
                    thread::sleep(Duration::from_millis(1));
                }
            }),
            Event::OutageRefused => {
                self.issuer.fail_with(Fault::Refuse);
                self.clock.advance(PAST_REFRESH);
                self.every_100_ms(running, || self.clock.advance(LONGEST_BACK_OFF));
            }
            Event::OutageHanging => {
                self.issuer.fail_with(Fault::Hang);
                let asked = self.issuer.requests().jwks();
                self.clock.advance(PAST_REFRESH);
                while running.load(SeqCst) {
                    thread::sleep(PACE);
                }
                return self.issuer.requests().jwks() == asked + 1;
            }
        }
        self.fetches.ended() > fetched
    }

    fn flood(&self, verifier: &Verifier, running: &AtomicBool) -> bool {
        at_a_rate(running, || {
            let number = usize::try_from(self.flood.fetch_add(1, SeqCst));
            let token = &self.invented[number.unwrap_or_default() % INVENTED];
            verifier.verify_now(token).is_err()
        })
    }

    /// Makes a fetch due, waits until it has ended, and so on.
    fn every_100_ms(&self, running: &AtomicBool, make_due: impl Fn()) {
        let mut next = Instant::now();
        while running.load(SeqCst) {
            let ended = self.fetches.ended();
            make_due();
            while running.load(SeqCst) && self.fetches.ended() == ended {
                thread::sleep(Duration::from_micros(500));
            }
            next = (next + PACE).max(Instant::now());
            thread::sleep(next - Instant::now());
        }
    }
}

/// Keys without a stated lifetime are refreshed after 7 to 9 minutes of their 10, and serve for 10 more.
const PAST_REFRESH: Duration = Duration::from_secs(9 * 60 + 1);
/// Long enough for a fetch for an unknown key, and for the grace of an hour to end in time.
const BEFORE_REFRESH: Duration = Duration::from_secs(6 * 60 + 40);
/// A quarter of the lifetime.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(150);

/// Calls at [`FLOOD_A_SECOND`], without ever giving up the core: a thread that wakes up 10,000 times
/// a second would be put where the measured one runs. Whether it kept up, and each call did what it should.
fn at_a_rate(running: &AtomicBool, call: impl Fn() -> bool) -> bool {
    let begin = Instant::now();
    let mut calls = 0;
    let mut as_expected = true;
    while running.load(SeqCst) {
        as_expected &= call();
        calls += 1;
        while begin.elapsed() * FLOOD_A_SECOND < Duration::from_secs(1) * calls
            && running.load(SeqCst)
        {
            spin_loop();
        }
    }
    as_expected && Duration::from_secs(1) * calls > begin.elapsed() * (FLOOD_A_SECOND / 2)
}

fn since(before: Instant) -> u32 {
    u32::try_from(before.elapsed().as_nanos()).unwrap_or(u32::MAX)
}

/// The token with another `kid`, under the old signature: nobody gets as far as to check it.
fn with_key_id(token: &str, key_id: &str) -> Result<String> {
    let (header, rest) = token.split_once('.').ok_or("three parts")?;
    let mut header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header)?)?;
    header["kid"] = json!(key_id);
    Ok(format!(
        "{}.{rest}",
        URL_SAFE_NO_PAD.encode(header.to_string())
    ))
}

/// The system's clock, and how far it is ahead: what takes minutes happens in a round.
#[derive(Clone, Debug, Default)]
struct Shifted(Arc<AtomicU64>);

impl Shifted {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_secs(), SeqCst);
    }
}

impl Clock for Shifted {
    fn now(&self) -> Now {
        let ahead = Duration::from_secs(self.0.load(SeqCst));
        let now = SystemClock::default().now();
        Now {
            wall: now.wall + ahead,
            monotonic: now.monotonic + ahead,
        }
    }
}

/// How many fetches have ended, well or not.
#[derive(Clone, Debug, Default)]
struct Fetches(Arc<AtomicU64>);

impl Fetches {
    fn ended(&self) -> u64 {
        self.0.load(SeqCst)
    }
}

impl Observer for Fetches {
    fn observe(&self, event: &KeyEvent<'_>) {
        if let KeyEvent::KeysRefreshed { .. } | KeyEvent::RefreshFailed { .. } = event {
            self.0.fetch_add(1, SeqCst);
        }
    }
}
