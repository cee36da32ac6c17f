//! The documents of 20 production issuers.

use std::collections::BTreeMap;
use std::fs;

use portcullis::KeySet;

use crate::support::vectors;

#[test]
fn every_real_key_set_parses_and_says_what_was_left_out() {
    let Some(vectors) = vectors() else { return };
    let mut documents = 0;
    let mut reasons = BTreeMap::<String, usize>::new();
    for file in fs::read_dir(vectors.join("real-jwks/providers")).unwrap() {
        let path = file.unwrap().path();
        if !path.to_string_lossy().ends_with(".jwks.json") {
            continue;
        }
        documents += 1;
        let keys = KeySet::from_json(&fs::read(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        println!(
            "{}: {} keys",
            path.file_name().unwrap().to_string_lossy(),
            keys.len()
        );
        for skipped in keys.skipped() {
            println!("  left out: {skipped:?}");
            *reasons.entry(skipped.reason().to_string()).or_default() += 1;
        }
        let is_empty_in_truth = path.ends_with("stackoverflow.jwks.json");
        assert_eq!(keys.is_empty(), is_empty_in_truth, "{}", path.display());
    }
    println!("left out in all: {reasons:?}");
    assert_eq!(documents, 20);
}
