//! A week of Entra ID's keys as they were recorded, half-hourly and with its replicas' disagreements,
//! through a real verifier with every default.

use std::sync::Arc;
use std::time::Duration;

use crate::rotations::{History, replay, unix_seconds};
use crate::support::vectors;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test]
async fn a_real_week_of_flapping_keys_costs_few_good_tokens_and_no_long_life() {
    let Some(vectors) = vectors() else { return };
    let path = vectors.join("real-jwks/rotation-histories/entra-common.jwks-history.json");
    let history = Arc::new(History::read(&path).await.unwrap());
    assert_eq!(history.samples(), 235);
    let week = unix_seconds("2024-10-20T00:00:00Z").unwrap()..history.whole().end;
    let stated = Duration::from_secs(86_400);
    let step = 5 * MINUTE;
    let replayed = replay(history, week, step.as_secs(), Some(stated), HOUR)
        .await
        .unwrap();
    println!("{replayed:?}");

    assert!(replayed.good > 15_000, "all keys, every five minutes");
    let in_a_gap = f64::from(replayed.in_a_gap) / f64::from(replayed.good);
    assert!(in_a_gap > 0.02, "the history flaps: {in_a_gap}");
    let refused = f64::from(replayed.good_refused) / f64::from(replayed.good);
    assert!(refused < 0.01, "share of good tokens refused: {refused}");
    assert_eq!(replayed.withdrawn, 3);
    let bound = (HOUR * 9) / 10 + HOUR + step;
    assert!(replayed.longest_life > HOUR / 2);
    assert!(replayed.longest_life <= bound);
}

#[test]
fn times_are_read_on_both_sides_of_a_leap_day() {
    for (text, expected) in [
        ("1970-01-01T00:00:00Z", Some(0)),
        ("2024-02-29T23:59:59Z", Some(1_709_251_199)),
        ("2024-03-01T00:00:00Z", Some(1_709_251_200)),
        ("2024-10-26T04:39:33Z", Some(1_729_917_573)),
        ("2024-13-01T00:00:00Z", None),
        ("2024-10-26", None),
    ] {
        assert_eq!(unix_seconds(text), expected, "{text}");
    }
}
