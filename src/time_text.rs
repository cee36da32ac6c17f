//! Times and durations as people read them.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A moment in UTC as [RFC 3339](https://www.rfc-editor.org/rfc/rfc3339) writes it, to the second. No
/// earlier than 1970 and no later than the end of 9999.
pub(crate) struct Utc(pub(crate) SystemTime);

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.0.duration_since(UNIX_EPOCH).unwrap_or_default();
        let seconds = since.as_secs().min(END_OF_9999);
        let (year, month, day) = civil(seconds / DAY);
        let (hour, minute, second) = (seconds % DAY / HOUR, seconds % HOUR / 60, seconds % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Year, month and day, so many days after 1970-01-01: counted in eras of 400 years that begin on a first of
/// March, so that a leap day is the last of its year.
const fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let year = era * 400 + year_of_era;
    match month_from_march {
        0..10 => (year, month_from_march + 3, day),
        _ => (year + 1, month_from_march - 9, day),
    }
}

/// How long something takes, by its two largest units: `4m 10s`.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let [days, hours] = [seconds / DAY, seconds % DAY / HOUR];
        let [minutes, seconds] = [seconds % HOUR / 60, seconds % 60];
        let (large, small) = match (days, hours, minutes) {
            (0, 0, 0) => ((seconds, "s"), None),
            (0, 0, _) => ((minutes, "m"), Some((seconds, "s"))),
            (0, _, _) => ((hours, "h"), Some((minutes, "m"))),
            (_, _, _) => ((days, "d"), Some((hours, "h"))),
        };
        write!(f, "{}{}", large.0, large.1)?;
        match small {
            Some((count, unit)) if count > 0 => write!(f, " {count}{unit}"),
            _ => Ok(()),
        }
    }
}

/// A moment, and how far from now it is.
pub(crate) struct Moment {
    pub(crate) at: SystemTime,
    pub(crate) now: SystemTime,
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Utc(self.at))?;
        match self.now.duration_since(self.at) {
            Ok(ago) if ago.as_secs() == 0 => f.write_str(", now"),
            Ok(ago) => write!(f, ", {} ago", Span(ago)),
            Err(ahead) => write!(f, ", in {}", Span(ahead.duration())),
        }
    }
}

const HOUR: u64 = 3_600;
const DAY: u64 = 24 * HOUR;
const END_OF_9999: u64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_moment_is_a_date() {
        for (seconds, shown) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_798_761_600, "2027-01-01T00:00:00Z"),
            (1_800_000_000, "2027-01-15T08:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (END_OF_9999, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Utc(at(seconds)).to_string(), shown);
        }
        let before = UNIX_EPOCH - Duration::from_secs(1);
        assert_eq!(Utc(before).to_string(), "1970-01-01T00:00:00Z");
    }

    #[test]
    fn a_span_is_two_units_at_most() {
        for (seconds, shown) in [
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (61, "1m 1s"),
            (3_599, "59m 59s"),
            (3_600, "1h"),
            (3_661, "1h 1m"),
            (86_399, "23h 59m"),
            (86_400, "1d"),
            (90_061, "1d 1h"),
        ] {
            assert_eq!(Span(Duration::from_secs(seconds)).to_string(), shown);
        }
    }

    #[test]
    fn a_moment_is_before_or_after_now() {
        let shown = |moment, now| {
            let (at, now) = (at(moment), at(now));
            Moment { at, now }.to_string()
        };
        assert_eq!(shown(0, 0), "1970-01-01T00:00:00Z, now");
        assert_eq!(shown(0, 90), "1970-01-01T00:00:00Z, 1m 30s ago");
        assert_eq!(shown(90, 0), "1970-01-01T00:01:30Z, in 1m 30s");
    }
}
