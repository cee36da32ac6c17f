//! docs/differences.md: rows of differences under headings, with the reasons between them.

use super::{Case, PEERS, VECTORS};

pub(super) const PATH: &str = "docs/differences.md";

/// The two halves: who is stricter.
const WE_REFUSE: &str = "## Refused here, accepted there";
const WE_ACCEPT: &str = "## Accepted here, refused there";

const ACCEPTS: &str = "accepts";

/// The differences as rows of a table: cases of one kind with the same verdicts share a row.
pub(super) fn rows(cases: &[Case]) -> Vec<String> {
    let mut rows: Vec<(&str, String, Vec<&str>)> = Vec::new();
    for case in cases {
        let accepted = case.ours.is_none();
        let mut theirs = case.theirs.iter().flatten();
        if theirs.all(|verdict| verdict.accepted == accepted) {
            continue;
        }
        let mut cells = case.ours.as_deref().unwrap_or(ACCEPTS).to_owned();
        for verdict in &case.theirs {
            let said = match verdict {
                None => "–",
                Some(verdict) if verdict.accepted => ACCEPTS,
                Some(_) => "refuses",
            };
            cells += &format!(" | {said}");
        }
        let (kind, name) = case.id.split_once('/').expect("kind/name");
        match rows
            .iter_mut()
            .find(|row| (row.0, &row.1) == (kind, &cells))
        {
            Some((.., names)) => names.push(name),
            None => rows.push((kind, cells, vec![name])),
        }
    }
    rows.into_iter()
        .map(|(kind, cells, names)| format!("| {kind}: {} | {cells} |", names.join("; ")))
        .collect()
}

/// The differences that are written down.
#[derive(Debug)]
pub(super) struct Document {
    /// Each row with the half it is in.
    rows: Vec<(String, String)>,
}

impl Document {
    /// Fails where a heading has no reason under it.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let titles = format!("| cases | portcullis | {} |", PEERS.join(" | "));
        let (mut rows, mut half, mut section, mut reason) = (vec![], "", "", true);
        for line in text.lines().chain(["## the end"]) {
            if line.starts_with("##") {
                if !reason {
                    return Err(format!("no reason under {section:?}"));
                }
                (section, reason) = (line, false);
                half = if line.starts_with("## ") { line } else { half };
            } else if !line.starts_with('|') {
                reason |= !line.trim().is_empty();
            } else if line != titles && !line.starts_with("|---") {
                rows.push((half.to_owned(), line.to_owned()));
            }
        }
        Ok(Self { rows })
    }

    /// For a run without Wycheproof's cases.
    pub(super) fn leave_out_vectors(&mut self) {
        let start = format!("| {VECTORS}: ");
        self.rows.retain(|(_, row)| !row.starts_with(&start));
    }

    /// Whether these are the differences that it has, each once and in its half.
    pub(super) fn has_exactly(&self, rows: &[String]) -> Result<(), String> {
        let measured: Vec<_> = rows
            .iter()
            .map(|row| {
                let we_accept = row.split(" | ").nth(1) == Some(ACCEPTS);
                let half = if we_accept { WE_ACCEPT } else { WE_REFUSE };
                (half.to_owned(), row.clone())
            })
            .collect();
        let without = |rows: &[(String, String)], others: &[(String, String)]| {
            let lacking = rows.iter().filter(|row| !others.contains(row));
            lacking
                .map(|(half, row)| format!("{half}\n{row}\n"))
                .collect()
        };
        let new: String = without(&measured, &self.rows);
        let gone: String = without(&self.rows, &measured);
        if new.is_empty() && gone.is_empty() && measured.len() == self.rows.len() {
            return Ok(());
        }
        Err(format!(
            "lacks, with a reason for each:\n{new}\nhas, but not once, or not (any more) so:\n{gone}"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Verdict;
    use super::*;

    const ROWS: [&str; 2] = [
        "| a: x; y | malformed | accepts | refuses | refuses | – |",
        "| b: z | accepts | refuses | refuses | refuses | refuses |",
    ];

    /// A document with a reason in each half, and these rows below the two reasons.
    fn document(refused: &[&str], accepted: &[&str]) -> Document {
        let titles =
            "| cases | portcullis | jose | PyJWT | joserfc | Envoy |\n|---|---|---|---|---|---|\n";
        let text = format!(
            "# T\n{WE_REFUSE}\nwhy\n\n{titles}{}\n\n{WE_ACCEPT}\nwhy\n### C\nwhy\n{titles}{}\n",
            refused.join("\n"),
            accepted.join("\n")
        );
        Document::parse(&text).expect("a reason everywhere")
    }

    #[track_caller]
    fn check(refused: &[&str], accepted: &[&str], agrees: bool) {
        let rows = ROWS.map(str::to_owned);
        let outcome = document(refused, accepted).has_exactly(&rows);
        assert_eq!(outcome.is_ok(), agrees, "{outcome:?}");
    }

    #[test]
    fn every_difference_stands_once_in_its_half() {
        let [refused, accepted] = ROWS;
        check(&[refused], &[accepted], true);
        check(&[], &[accepted], false);
        check(&[refused], &[], false);
        check(&[refused, refused], &[accepted], false);
        check(&[refused, accepted], &[], false);
        check(&[accepted], &[refused], false);
        check(&[refused, &refused.replace("a:", "c:")], &[accepted], false);
        check(&[&refused.replace("–", "accepts")], &[accepted], false);
    }

    #[test]
    fn a_heading_without_a_reason_is_refused() {
        assert!(Document::parse("## A\nwhy\n### B\n| row |\n").is_err());
        assert!(Document::parse("## A\n### B\nwhy\n").is_err());
        assert!(Document::parse("## A\nwhy\n### B\nwhy\n| row |\n").is_ok());
    }

    #[test]
    fn cases_with_the_same_verdicts_share_a_row() {
        let case = |id: &str, ours: Option<&str>, jose: bool| Case {
            id: id.into(),
            ours: ours.map(str::to_owned),
            theirs: [Some(jose), Some(false), Some(false), None].map(|accepted| {
                accepted.map(|accepted| Verdict {
                    id: id.into(),
                    accepted,
                    reason: None,
                })
            }),
        };
        let cases = [
            case("a/x", Some("malformed"), true),
            case("a/all refuse", Some("malformed"), false),
            case("b/z", None, false),
            case("a/y", Some("malformed"), true),
        ];
        let accepted = "| b: z | accepts | refuses | refuses | refuses | – |";
        assert_eq!(rows(&cases), [ROWS[0], accepted]);
    }
}
