//! Keys in a mounted file: swapped, half written, deleted, too large, no file at all.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use portcullis::testing::{AUDIENCE, TestIssuer, VirtualClock};
use portcullis::{Audience, FetchErrorKind, Issuer, IssuerStatus, KeyState, Verifier};
use tokio::runtime::Builder;

use crate::support::reason;

/// A folder of one test, removed with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("portcullis-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A file of keys and a verifier that reads it. There is no runtime but to start the issuer.
struct Mount {
    folder: Folder,
    file: PathBuf,
    issuer: TestIssuer,
    clock: VirtualClock,
    verifier: Verifier,
}

impl Mount {
    /// With the issuer's keys in the file.
    fn new() -> Self {
        Self::with(|file, issuer| fs::write(file, issuer.jwks()).unwrap())
    }

    fn with(prepare: impl FnOnce(&Path, &TestIssuer)) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let clock = VirtualClock::at_unix(1_800_000_000);
        let issuer = runtime.block_on(TestIssuer::start()).unwrap();
        let issuer = issuer.with_clock(clock.clone());
        let folder = Folder::new();
        let file = folder.path("jwks.json");
        prepare(&file, &issuer);
        let trusted = Issuer::jwks_file(issuer.issuer(), &file, Audience::of(AUDIENCE));
        let builder = Verifier::builder().issuer(trusted).clock(clock.clone());
        Self {
            verifier: builder.build().unwrap(),
            folder,
            file,
            issuer,
            clock,
        }
    }

    fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(&self.file, text).unwrap();
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    fn token(&self) -> String {
        let week = Duration::from_secs(7 * 86_400);
        self.issuer.token().expires_in(week).sign()
    }

    fn now(&self, token: &str) -> &'static str {
        reason(&self.verifier.verify_now(token))
    }

    fn status(&self) -> IssuerStatus {
        self.verifier.status().issuers()[0].clone()
    }

    fn error(&self) -> Option<FetchErrorKind> {
        self.status().last_error().map(portcullis::FetchError::kind)
    }

    /// Lets a minute pass, so that the next use reads the file, and waits for that reading.
    fn reread(&self) {
        self.pass(60);
        let before = self.status();
        drop(self.verifier.verify_now(&self.token()));
        self.until(|status| status.age() != before.age() || status.last_error().is_some());
    }

    /// Waits for a thread that reads.
    fn until(&self, is_so: impl Fn(&IssuerStatus) -> bool) {
        for _ in 0..5_000 {
            if is_so(&self.status()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        panic!("{:?}", self.status());
    }
}

#[test]
fn without_a_runtime_keys_are_there_from_the_start_and_are_read_again() {
    let mount = Mount::new();
    assert_eq!(mount.status().state(), KeyState::Fresh);
    assert_eq!(mount.now(&mount.token()), "accepted");

    mount.issuer.rotate();
    mount.write(mount.issuer.jwks());
    let new = mount.token();
    // An unknown key is asked for at once, and is there a moment later.
    assert_eq!(mount.now(&new), "key_not_cached");
    mount.until(|status| status.in_grace_count() == 1);
    assert_eq!(mount.now(&new), "accepted");
}

#[tokio::test]
async fn a_new_key_in_the_file_is_waited_for() {
    let mount = tokio::task::spawn_blocking(Mount::new).await.unwrap();
    mount.issuer.rotate();
    mount.write(mount.issuer.jwks());
    let outcome = mount.verifier.verify(&mount.token()).await;
    assert_eq!(reason(&outcome), "accepted");
    mount.verifier.refresh_now().await.unwrap();
    assert_eq!(mount.status().in_grace_count(), 0);
    tokio::task::spawn_blocking(move || drop(mount))
        .await
        .unwrap();
}

/// As Kubernetes does it: `jwks.json` → `..data/jwks.json`, `..data` → a folder with a time for a name.
#[cfg(unix)]
#[test]
fn a_swap_of_symbolic_links_swaps_the_keys() {
    use std::os::unix::fs::symlink;
    let publish = |root: &Path, version: &str, jwks: &str| {
        fs::create_dir(root.join(version)).unwrap();
        fs::write(root.join(version).join("jwks.json"), jwks).unwrap();
        symlink(version, root.join("..data_tmp")).unwrap();
        fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
    };
    let mount = Mount::with(|file, issuer| {
        publish(file.parent().unwrap(), "..2026_01_01", &issuer.jwks());
        symlink("..data/jwks.json", file).unwrap();
    });
    let old = mount.token();
    assert_eq!(mount.now(&old), "accepted");
    for version in ["..2026_01_02", "..2026_01_03"] {
        mount.issuer.rotate();
        publish(&mount.folder.0, version, &mount.issuer.jwks());
        fs::remove_dir_all(mount.folder.path("..2026_01_01")).unwrap_or_default();
        mount.reread();
        assert_eq!(mount.now(&mount.token()), "accepted", "{version}");
        assert_eq!(mount.error(), None);
    }
    assert_eq!(mount.status().in_grace_count(), 2);
    assert_eq!(mount.now(&old), "accepted", "in its grace");
    mount.pass(3_600);
    assert_eq!(mount.now(&old), "key_not_cached");
}

#[test]
fn a_file_that_cannot_be_read_costs_no_key() {
    for (name, spoil, kind) in SPOILS {
        let mount = Mount::new();
        let token = mount.token();
        spoil(&mount.file, &mount.issuer);
        mount.reread();
        assert_eq!(mount.now(&token), "accepted", "{name}");
        assert_eq!(mount.error(), Some(*kind), "{name}");
        let invented = mount.issuer.token().key_id("invented").sign();
        let refusal = mount.verifier.verify_now(&invented).unwrap_err();
        assert!(refusal.is_unavailable(), "{name}: {refusal:?}");

        // For a day less a second, which counts from the last time it was read well.
        mount.pass(86_400 - 61);
        // The first request after a pause asks first; in a known outage nobody does.
        assert_eq!(mount.now(&token), "key_not_cached", "{name}");
        mount.until(|_| mount.now(&token) == "accepted");
        mount.pass(1);
        assert_eq!(mount.status().state(), KeyState::Overstayed, "{name}");
        assert!(
            mount
                .verifier
                .verify_now(&token)
                .unwrap_err()
                .is_unavailable()
        );
    }
}

#[test]
fn a_file_that_is_not_there_at_first_is_found_when_it_is() {
    for (name, spoil, kind) in SPOILS {
        let mount = Mount::with(spoil);
        assert_eq!(mount.status().state(), KeyState::NotFetched, "{name}");
        assert_eq!(mount.error(), Some(*kind), "{name}");
        let refusal = mount.verifier.verify_now(&mount.token()).unwrap_err();
        assert!(refusal.is_unavailable(), "{name}: {refusal:?}");

        if mount.file.is_dir() {
            fs::remove_dir(&mount.file).unwrap();
        } else {
            drop(fs::remove_file(&mount.file));
        }
        mount.write(mount.issuer.jwks());
        mount.pass(1);
        assert_eq!(mount.now(&mount.token()), "key_not_cached", "{name}");
        mount.until(|status| status.state() == KeyState::Fresh);
        assert_eq!(mount.now(&mount.token()), "accepted", "{name}");
    }
}

type Spoil = fn(&Path, &TestIssuer);

/// What can become of a file, and what that is called.
const SPOILS: &[(&str, Spoil, FetchErrorKind)] = &[
    (
        "deleted",
        |file, _| drop(fs::remove_file(file)),
        FetchErrorKind::File,
    ),
    (
        "half written",
        |file, issuer| {
            let jwks = issuer.jwks();
            fs::write(file, &jwks.as_bytes()[..jwks.len() / 2]).unwrap();
        },
        FetchErrorKind::NotAKeySet,
    ),
    (
        "truncated",
        |file, _| fs::write(file, "").unwrap(),
        FetchErrorKind::NotAKeySet,
    ),
    (
        "another document",
        |file, _| fs::write(file, "{}").unwrap(),
        FetchErrorKind::NotAKeySet,
    ),
    (
        "a folder",
        |file, _| {
            drop(fs::remove_file(file));
            fs::create_dir(file).unwrap();
        },
        FetchErrorKind::File,
    ),
    (
        "too large",
        |file, issuer| fs::write(file, issuer.jwks() + &" ".repeat(512 * 1024)).unwrap(),
        FetchErrorKind::TooLarge,
    ),
    #[cfg(unix)]
    (
        "a device without an end",
        |file, _| {
            drop(fs::remove_file(file));
            std::os::unix::fs::symlink("/dev/zero", file).unwrap();
        },
        FetchErrorKind::File,
    ),
    #[cfg(unix)]
    (
        "a link to nothing",
        |file, _| {
            drop(fs::remove_file(file));
            std::os::unix::fs::symlink("gone", file).unwrap();
        },
        FetchErrorKind::File,
    ),
];

/// Opening one for reading would block until somebody opens it for writing.
#[cfg(unix)]
#[test]
fn a_pipe_blocks_nobody() {
    let mount = Mount::with(|file, _| {
        let made = std::process::Command::new("mkfifo").arg(file).status();
        assert!(made.unwrap().success());
    });
    assert_eq!(mount.error(), Some(FetchErrorKind::File));
}

#[test]
fn an_empty_set_in_the_file_is_a_withdrawal() {
    let mount = Mount::new();
    let token = mount.token();
    mount.write(r#"{"keys":[]}"#);
    mount.reread();
    assert_eq!(
        (mount.status().key_count(), mount.status().in_grace_count()),
        (0, 1)
    );
    assert_eq!(mount.now(&token), "accepted", "in its grace");
    mount.pass(3_600);
    assert_eq!(mount.status().in_grace_count(), 0);
}

#[test]
fn the_file_is_read_once_a_minute_however_many_ask() {
    let mount = Mount::new();
    let token = mount.token();
    // Refreshed ahead, after 0.7 of its minute at the earliest.
    for _ in 0..41 {
        mount.pass(1);
        assert_eq!(mount.now(&token), "accepted");
    }
    assert_eq!(
        mount.status().age(),
        Some(Duration::from_secs(41)),
        "not read again yet"
    );
    mount.pass(19);
    assert_eq!(mount.now(&token), "accepted");
    mount.until(|status| status.age() == Some(Duration::ZERO));
}
