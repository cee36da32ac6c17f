//! `docs/threat-model.md` names the tests that show what it says: each of them exists, and no test of an
//! attack is missing there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Texts between backticks that are paths of tests: at least two names, as functions and modules have.
fn named_tests(document: &str) -> BTreeSet<String> {
    let is_path = |text: &&str| {
        let mut names = text.split("::");
        let is_name = |name: &str| {
            let mut characters = name.chars();
            characters
                .next()
                .is_some_and(|first| first.is_ascii_lowercase())
                && characters.all(|character| matches!(character, 'a'..='z' | '0'..='9' | '_'))
        };
        text.contains("::") && names.all(is_name)
    };
    let texts = document.split('`').skip(1).step_by(2);
    texts
        .filter(is_path)
        .map(str::to_owned)
        .filter(|path| !path.starts_with("portcullis::"))
        .collect()
}

/// Whether a root of modules has this test: in the file of its innermost module that has one, in which the
/// modules within are written out.
fn has(root: &Path, path: &str) -> bool {
    let mut modules: Vec<_> = path.split("::").collect();
    let name = modules.pop().unwrap();
    let found = (1..=modules.len()).rev().find_map(|length| {
        let (outer, inner) = modules.split_at(length);
        let path = root.join(outer.iter().collect::<PathBuf>());
        let files = [path.with_extension("rs"), path.join("mod.rs")];
        let source = files.iter().find_map(|file| fs::read_to_string(file).ok());
        source.map(|source| (source, inner))
    });
    found.is_some_and(|(source, inner)| {
        let mut written_out = inner.iter().map(|module| format!("mod {module} {{"));
        written_out.all(|module| source.contains(&module)) && tests_in(&source).contains(name)
    })
}

/// The names of functions in a source that have the attribute of a test.
fn tests_in(source: &str) -> BTreeSet<&str> {
    let mut tests = BTreeSet::new();
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
        let function = line.strip_prefix("async ").unwrap_or(line);
        if let Some(rest) = function.strip_prefix("fn ") {
            if is_test {
                tests.extend(rest.split('(').next());
            }
            is_test = false;
        }
    }
    tests
}

#[test]
fn every_test_of_the_threat_model_exists_and_every_attack_is_in_it() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(repository.join("docs/threat-model.md")).unwrap();
    let named = named_tests(&document);
    assert!(named.len() > 100, "{} tests are named", named.len());
    for path in &named {
        let roots = ["tests/it", "src"].map(|root| repository.join(root));
        let exists = roots.iter().any(|root| has(root, path));
        assert!(exists, "there is no test {path}");
    }

    let mut attacks = 0;
    for file in fs::read_dir(repository.join("tests/it/attacks")).unwrap() {
        let file = file.unwrap().path();
        let module = file.file_stem().unwrap().to_str().unwrap();
        for name in tests_in(&fs::read_to_string(&file).unwrap()) {
            // A letter and a number: a test of a class, and not of the tools.
            let is_attack = name.as_bytes()[1].is_ascii_digit();
            let path = format!("attacks::{module}::{name}");
            assert!(
                !is_attack || named.contains(&path),
                "{path} is not in the threat model"
            );
            attacks += usize::from(is_attack);
        }
    }
    assert!(attacks > 50, "{attacks}");
}

#[test]
fn a_test_that_is_gone_is_missed() {
    let source = "#[test]\nfn here() {}\nfn helper() {}\n#[tokio::test]\nasync fn waits() {}\n";
    assert_eq!(tests_in(source), BTreeSet::from(["here", "waits"]));
    let named = named_tests("`a::b::c` and `Issuer::keys`, `x` `portcullis::testing`");
    assert_eq!(named, BTreeSet::from(["a::b::c".to_owned()]));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    let this = "threat_model::a_test_that_is_gone_is_missed";
    assert!(has(&root, this));
    for gone in [
        "threat_model::a_test_that_is_gone",
        "threat_model::has",
        "threat_model::inner::a_test_that_is_gone_is_missed",
        "no_such_file::a_test_that_is_gone_is_missed",
    ] {
        assert!(!has(&root, gone), "{gone}");
    }
}
