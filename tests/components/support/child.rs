//! Child processes that end with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{self, Command, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use super::components;

/// How long a component may take to start, or to end when asked to. Generous: it bounds a hang, it
/// is never waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running component, by name. Dropping it ends it and waits until it is gone.
#[derive(Debug)]
pub(crate) struct Child {
    name: String,
    process: process::Child,
    /// Locked so that a component can be shared between tasks.
    lines: Mutex<Receiver<String>>,
}

impl Child {
    /// # Panics
    ///
    /// When the program is not there: a missing component is a failure, not a reason to skip.
    #[track_caller]
    pub(crate) fn start(name: &str, command: &mut Command) -> Self {
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut process = command.spawn().unwrap_or_else(|error| {
            panic!("{name} cannot be started ({error}); run scripts/check-components")
        });

        let (sender, lines) = mpsc::channel();
        let stdout = BufReader::new(process.stdout.take().expect("stdout is piped"));
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| sender.send(line))
        });
        // Through the test's own stderr, so that it is shown when the test fails, and only then.
        let stderr = BufReader::new(process.stderr.take().expect("stderr is piped"));
        let label = name.to_owned();
        thread::spawn(move || {
            stderr
                .lines()
                .map_while(Result::ok)
                .for_each(|line| eprintln!("{label}: {line}"))
        });

        Self {
            name: name.to_owned(),
            process,
            lines: Mutex::new(lines),
        }
    }

    /// A script of `tests/components/node`. The flags keep the path by which it was called, so that
    /// it finds its packages where they were installed and not beside the source.
    pub(crate) fn node(script: &str) -> Command {
        let mut command = Command::new("node");
        command.args(["--preserve-symlinks", "--preserve-symlinks-main"]);
        command.arg(components().join("node/src").join(script));
        command
    }

    /// A script of `tests/components/python`. The flag keeps compiled files out of that folder.
    pub(crate) fn python(script: &str) -> Command {
        let mut command = Command::new(components().join("python/bin/python"));
        command.arg("-B").arg(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/components/python")
                .join(script),
        );
        command
    }

    /// The next line of its stdout: how each component says that it is ready.
    #[track_caller]
    pub(crate) fn line(&self) -> String {
        self.lines
            .lock()
            .expect("nobody panics while it reads")
            .recv_timeout(PATIENCE)
            .unwrap_or_else(|_| panic!("{} ended or hangs before it was ready", self.name))
    }

    /// Waits until it has written `file` and returns the content.
    #[track_caller]
    pub(crate) fn file(&mut self, file: &Path) -> String {
        for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
            match std::fs::read_to_string(file) {
                Ok(content) if !content.is_empty() => return content,
                _ if self.ended() => break,
                _ => thread::sleep(POLL),
            }
        }
        panic!(
            "{} ended or hangs before it wrote {}",
            self.name,
            file.display()
        )
    }

    fn ended(&mut self) -> bool {
        !matches!(self.process.try_wait(), Ok(None))
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The issuers end when their stdin does, and take what they started with them.
        if self.process.stdin.take().is_some() && self.name.ends_with(".mjs") {
            for _ in 0..PATIENCE.as_millis() / POLL.as_millis() {
                if self.ended() {
                    return;
                }
                thread::sleep(POLL);
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

const POLL: Duration = Duration::from_millis(10);
