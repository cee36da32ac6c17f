//! docs/differences.md: rows of differences under headings, with the reasons between them.

use super::{Case, PEERS, VECTORS};

const PATH: &str = "docs/differences.md";

/// Headings of the second level: what is under one says who is stricter.
const WE_REFUSE: &str = "## Refused here, accepted there";
const WE_ACCEPT: &str = "## Accepted here, refused there";

/// The differences as rows of a table: cases of one kind with the same verdicts share a row.
pub(super) fn rows(cases: &[Case]) -> Vec<String> {
    let mut rows: Vec<(&str, String, Vec<&str>)> = Vec::new();
    for case in cases {
        let accepted = case.ours.is_none();
        let differs = |verdict: &super::Verdict| verdict.accepted != accepted;
        if !case.theirs.iter().flatten().any(differs) {
            continue;
        }
        let mut cells = case.ours.as_deref().unwrap_or(ACCEPTS).to_owned();
        for verdict in &case.theirs {
            let said =
                verdict.as_ref().map_or(
                    "–",
                    |verdict| {
                        if verdict.accepted { ACCEPTS } else { "refuses" }
                    },
                );
            cells += &format!(" | {said}");
        }
        let (kind, name) = case.id.split_once('/').expect("kind/name");
        let row = rows
            .iter_mut()
            .find(|row| (row.0, &row.1) == (kind, &cells));
        match row {
            Some((.., names)) => names.push(name),
            None => rows.push((kind, cells, vec![name])),
        }
    }
    rows.into_iter()
        .map(|(kind, cells, names)| format!("| {kind}: {} | {cells} |", names.join("; ")))
        .collect()
}

const ACCEPTS: &str = "accepts";

pub(super) struct Document {
    text: String,
    /// Each with the heading of the second level it is under.
    rows: Vec<(String, String)>,
}

impl Document {
    /// Without the rows on Wycheproof's cases when those were not judged.
    pub(super) fn read(has_vectors: bool) -> Self {
        let path = format!("{}/{PATH}", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).expect(PATH);
        let titles = format!("| cases | portcullis | {} |", PEERS.join(" | "));
        let (mut rows, mut half, mut section, mut reason) = (vec![], "", "", true);
        for line in text.lines() {
            if line.starts_with("##") {
                assert!(reason, "{PATH} gives no reason in {section:?}");
                (section, reason) = (line, false);
                half = if line.starts_with("## ") { line } else { half };
            } else if !line.starts_with('|') {
                reason |= !line.trim().is_empty();
            } else if line != titles && !line.starts_with("|---") {
                rows.push((half.to_owned(), line.to_owned()));
            }
        }
        rows.retain(|(_, row)| has_vectors || !row.starts_with(&format!("| {VECTORS}")));
        assert!(reason, "{PATH} gives no reason in {section:?}");
        Self { text, rows }
    }

    #[track_caller]
    pub(super) fn states(&self, facts: &[String]) {
        for fact in facts {
            assert!(self.text.contains(fact), "{PATH} does not say {fact:?}");
        }
    }

    #[track_caller]
    pub(super) fn has_exactly(&self, rows: &[String]) {
        let half = |row: &str| {
            let ours = row.split(" | ").nth(1);
            if ours == Some(ACCEPTS) {
                WE_ACCEPT
            } else {
                WE_REFUSE
            }
        };
        let measured: Vec<_> = rows
            .iter()
            .map(|row| (half(row).to_owned(), row.clone()))
            .collect();
        let listed = |rows: &[(String, String)], other: &[(String, String)]| {
            let lacking = rows.iter().filter(|row| !other.contains(row));
            lacking.fold(String::new(), |list, (half, row)| {
                list + half + "\n" + row + "\n"
            })
        };
        let (new, gone) = (listed(&measured, &self.rows), listed(&self.rows, &measured));
        assert!(
            new.is_empty() && gone.is_empty() && measured.len() == self.rows.len(),
            "{PATH} lacks, with a reason for each:\n{new}\nand has, although they do not occur (any more), or twice:\n{gone}"
        );
    }
}
