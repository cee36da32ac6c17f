//! A corpus of tokens, good and mutated, judged by the crate and by four others with the same settings
//! and the same clock. What one of them accepts and the crate refuses, or the reverse, stands in
//! docs/differences.md with its reason; what does not stand there, or no longer occurs, is a failure.

mod document;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use reqwest::header::HeaderValue;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::support::{Child, Envoy, Trust, components, example};
use document::{Document, rows};

/// 2030-01-01, when every token of the corpus is judged.
const NOW: &str = "1893456000";

/// Whose verdicts are compared with the crate's, in the order of the columns.
const PEERS: [&str; 4] = ["jose", "PyJWT", "joserfc", "Envoy"];

#[tokio::test]
async fn every_difference_from_others_is_written_down() {
    let clock = frozen_clock();
    let corpus = Corpus::generate();
    let ours = run(&mut Command::new(example("conformance")), &corpus.for_us());
    let mut judged = vec![verdicts(&ours)];
    let mut versions = Vec::new();
    for mut judge in [Child::node("judge.mjs"), python("pyjwt"), python("joserfc")] {
        let theirs = run(judge.env("LD_PRELOAD", &clock), &corpus.path);
        let (version, theirs) = theirs.split_once('\n').expect("a line with the version");
        versions.push(serde_json::from_str::<String>(version).expect("a version"));
        judged.push(verdicts(theirs));
    }
    judged.push(envoy(&corpus, &clock).await);
    versions.push(envoy_version());
    let cases = compared(&corpus, &judged);

    let table = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differential.txt");
    fs::write(&table, verdict_table(&cases, &versions)).expect("the table is written");
    let summary = [
        summary(cases.iter().filter(|case| !case.is_of_others())),
        summary(cases.iter().filter(|case| case.is_of_others())),
    ];
    // Past the test harness, which keeps to itself what a passing test prints.
    std::io::stdout()
        .write_all(
            format!(
                "\nOur corpus: {}\nWycheproof: {}\nEvery verdict: {}\n",
                summary[0],
                summary[1],
                table.display()
            )
            .as_bytes(),
        )
        .expect("stdout");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(document::PATH);
    let text = fs::read_to_string(path).expect(document::PATH);
    let mut document = Document::parse(&text).expect(document::PATH);
    let mut facts = versions;
    facts.extend(summary);
    if !corpus.has_vectors {
        document.leave_out_vectors();
        facts.pop();
    }
    for fact in facts {
        assert!(
            text.contains(&fact),
            "{} does not say {fact:?}",
            document::PATH
        );
    }
    if let Err(difference) = document.has_exactly(&rows(&cases)) {
        panic!("{} {difference}", document::PATH);
    }
}

/// A case, and what everyone says of it.
#[derive(Debug)]
struct Case {
    /// Kind, slash, name.
    id: String,
    /// Why the crate refuses it.
    ours: Option<String>,
    /// What the others say; `None` where one cannot be asked.
    theirs: [Option<Verdict>; PEERS.len()],
}

impl Case {
    /// From Wycheproof's test vectors.
    fn is_of_others(&self) -> bool {
        self.id.split('/').next() == Some(VECTORS)
    }
}

/// The kind of those cases that are Wycheproof's.
const VECTORS: &str = "wycheproof";

/// A line of a judge.
#[derive(Clone, Debug, Deserialize)]
struct Verdict {
    id: String,
    accepted: bool,
    reason: Option<String>,
}

/// What `corpus.py` wrote.
struct Corpus {
    path: PathBuf,
    lines: Vec<Map<String, Value>>,
    has_vectors: bool,
}

impl Corpus {
    fn generate() -> Self {
        let mut generator = Child::python("corpus.py");
        generator.arg(NOW);
        let vectors = std::env::var_os("PORTCULLIS_VECTORS").map(PathBuf::from);
        match &vectors {
            Some(folder) => {
                generator.arg(folder.join("wycheproof/json_web_signature_test.json"));
            }
            None => {
                assert!(
                    std::env::var_os("CI").is_none(),
                    "PORTCULLIS_VECTORS must name the vectors in CI"
                );
                let _ = std::io::stderr().write_all(
                    b"NOT COMPARED on Wycheproof: PORTCULLIS_VECTORS does not name the folder\n",
                );
            }
        }
        let empty = Path::new("/dev/null");
        let text = run(&mut generator, empty);
        let lines = text
            .lines()
            .map(|line| serde_json::from_str(line).expect("an object"))
            .collect();
        let path = written("corpus.jsonl", &text);
        Self {
            path,
            lines,
            has_vectors: vectors.is_some(),
        }
    }

    /// The cases, each with its settings.
    fn cases(&self) -> impl Iterator<Item = (&Map<String, Value>, &Map<String, Value>)> {
        let mut settings = None;
        self.lines.iter().filter_map(move |line| {
            if line.contains_key("jwks") {
                settings = Some(line);
                return None;
            }
            Some((settings.expect("settings come first"), line))
        })
    }

    /// In the form of `examples/conformance.rs`: settings and token in one object.
    fn for_us(&self) -> PathBuf {
        let mut text = String::new();
        for (settings, case) in self.cases() {
            let mut whole = settings.clone();
            whole.extend(case.clone());
            text += &format!("{}\n", Value::from(whole));
        }
        written("corpus-for-us.jsonl", &text)
    }
}

fn written(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, text).expect("the file is written");
    path
}

/// What a program says to this input.
fn run(command: &mut Command, input: &Path) -> String {
    let output = command
        .stdin(File::open(input).expect("the input is there"))
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/check-components"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn verdicts(lines: &str) -> HashMap<String, Verdict> {
    let verdicts = lines
        .lines()
        .map(|line| serde_json::from_str(line).expect("a verdict"));
    verdicts
        .map(|verdict: Verdict| (verdict.id.clone(), verdict))
        .collect()
}

fn python(library: &str) -> Command {
    let mut command = Child::python("judge.py");
    command.arg(library);
    command
}

/// A library that stops the clock of the program that loads it.
fn frozen_clock() -> PathBuf {
    let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("frozen_clock.so");
    let source = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/components/differential/frozen_clock.c"
    );
    let mut compiler = Command::new("cc");
    compiler
        .args(["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC"])
        .arg(format!("-DNOW={NOW}"))
        .arg("-o")
        .args([library.as_os_str(), source.as_ref()]);
    run(&mut compiler, Path::new("/dev/null"));
    library
}

/// What Envoy says, as far as it can be asked: about the tokens of the first settings that HTTP can carry.
async fn envoy(corpus: &Corpus, clock: &Path) -> HashMap<String, Verdict> {
    let settings = &corpus.lines[0];
    let text = |name: &str| settings[name].as_str().expect("text");
    let trust = Trust {
        issuer: text("issuer"),
        audience: text("audience"),
    };
    assert_eq!(settings["leeway"], json!(30), "what envoy.yaml has");
    let envoy = Envoy::with_keys(trust, &settings["jwks"], clock).await;

    let mut verdicts = HashMap::new();
    let asked = corpus
        .cases()
        .filter(|(of_case, _)| std::ptr::eq(*of_case, settings));
    for (_, case) in asked {
        let token = case["token"].as_str().expect("text");
        // HTTP takes white space at the end for its own.
        let header = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes());
        let Some(header) = header.ok().filter(|_| token.trim_end() == token) else {
            continue;
        };
        let (status, said) = envoy.ask_with(Some(header)).await;
        assert!(
            matches!(status.as_u16(), 200 | 400 | 401 | 403),
            "{}: {status} {said}",
            case["id"]
        );
        let id = case["id"].as_str().expect("text").to_owned();
        let verdict = Verdict {
            id: id.clone(),
            accepted: status.is_success(),
            reason: Some(said).filter(|_| !status.is_success()),
        };
        verdicts.insert(id, verdict);
    }
    verdicts
}

fn envoy_version() -> String {
    let mut command = Command::new(components().join("envoy"));
    let text = run(command.arg("--version"), Path::new("/dev/null"));
    let version = text.rsplit('/').nth(3);
    let version = version.expect("commit/version/state/kind/cryptography");
    format!("Envoy {version}")
}

/// Each case with the verdicts of all, ours first in `judged`.
fn compared(corpus: &Corpus, judged: &[HashMap<String, Verdict>]) -> Vec<Case> {
    let (ours, theirs) = judged.split_first().expect("our verdicts");
    let cases: Vec<Case> = corpus
        .cases()
        .map(|(_, case)| {
            let id = case["id"].as_str().expect("text").to_owned();
            let verdict = ours.get(&id).expect("we judge every case");
            assert_ne!(verdict.reason.as_deref(), Some("bad_case"), "{id}");
            let said = |peer: usize| theirs.get(peer).and_then(|judge| judge.get(&id)).cloned();
            let theirs = std::array::from_fn(said);
            // Only Envoy cannot be asked about every one.
            assert!(theirs[..3].iter().all(Option::is_some), "{id}");
            Case {
                ours: verdict.reason.clone(),
                theirs,
                id,
            }
        })
        .collect();
    assert!(cases.len() > 900, "only {} cases", cases.len());
    cases
}

fn verdict_table(cases: &[Case], versions: &[String]) -> String {
    let mut table = format!("portcullis | {}\n", versions.join(" | "));
    for case in cases {
        let ours = case.ours.as_deref().unwrap_or("accepts");
        table += &format!("{} | {ours}", case.id);
        for verdict in &case.theirs {
            let said = match verdict {
                None => "–",
                Some(verdict) => verdict.reason.as_deref().unwrap_or("accepts"),
            };
            table += &format!(" | {}", said.replace(['\n', '\r'], " "));
        }
        table.push('\n');
    }
    table
}

/// How many there are and how many of them each accepts.
fn summary<'a>(cases: impl Iterator<Item = &'a Case>) -> String {
    let cases: Vec<&Case> = cases.collect();
    let ours = cases.iter().filter(|case| case.ours.is_none()).count();
    let mut summary = format!("{} cases; accepted: portcullis {ours}", cases.len());
    for (index, peer) in PEERS.iter().enumerate() {
        let asked = cases.iter().filter_map(|case| case.theirs[index].as_ref());
        let (asked, accepted) = asked.fold((0, 0), |(asked, accepted), verdict| {
            (asked + 1, accepted + usize::from(verdict.accepted))
        });
        if asked > 0 {
            summary += &format!(", {peer} {accepted}");
        }
        if 0 < asked && asked < cases.len() {
            summary += &format!(" of {asked}");
        }
    }
    summary
}
