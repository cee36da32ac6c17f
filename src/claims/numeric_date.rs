//! `NumericDate`: seconds since 1970, fractions allowed
//! ([RFC 7519 §2](https://www.rfc-editor.org/rfc/rfc7519#section-2)).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{Deserialize, Deserializer, Visitor};

/// A moment in nanoseconds since 1970. Wide enough for every number that JSON can carry after
/// saturation, so comparing never overflows.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct NumericDate(i128);

impl NumericDate {
    /// Before all that can be told.
    pub(super) const EARLIEST: Self = Self(i128::MIN);

    pub(super) fn from_seconds(seconds: impl Into<i128>) -> Self {
        Self(seconds.into().saturating_mul(NANOSECONDS))
    }

    /// Rounds down, so that a fraction never makes a token live longer.
    #[expect(
        clippy::as_conversions,
        reason = "the only conversion from a float; it saturates"
    )]
    pub(super) fn from_float(seconds: f64) -> Self {
        let whole = seconds.floor();
        let fraction = ((seconds - whole) * 1e9) as i128;
        Self(
            (whole as i128)
                .saturating_mul(NANOSECONDS)
                .saturating_add(fraction),
        )
    }

    pub(crate) fn from_system_time(time: SystemTime) -> Self {
        let nanoseconds =
            |duration: Duration| i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX);
        match time.duration_since(UNIX_EPOCH) {
            Ok(since) => Self(nanoseconds(since)),
            Err(before) => Self(-nanoseconds(before.duration())),
        }
    }

    /// Nanoseconds since 1970: none before that, and at most what the type holds, until 2554.
    pub(crate) fn nanoseconds(self) -> u64 {
        u64::try_from(self.0.max(0)).unwrap_or(u64::MAX)
    }

    /// As a time of the standard library, no earlier than 1970 and no later than the end of 9999:
    /// what every platform can hold.
    pub(crate) fn to_system_time(self) -> SystemTime {
        let seconds = self.0.div_euclid(NANOSECONDS).clamp(0, END_OF_9999);
        UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default())
    }

    /// How long after `earlier` this is, or `None` when it is not.
    #[cfg(any(feature = "remote", feature = "tower"))]
    pub(crate) fn since(self, earlier: Self) -> Option<Duration> {
        let nanoseconds = self.0.saturating_sub(earlier.0);
        (nanoseconds > 0)
            .then(|| Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX)))
    }

    pub(crate) fn plus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_add(i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)),
        )
    }

    pub(super) fn minus(self, duration: Duration) -> Self {
        Self(
            self.0
                .saturating_sub(i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)),
        )
    }
}

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Asked for a float, serde_json still hands over integers exactly.
        deserializer.deserialize_f64(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = NumericDate;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E>(self, number: u64) -> Result<NumericDate, E> {
        Ok(NumericDate::from_seconds(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<NumericDate, E> {
        Ok(NumericDate::from_seconds(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<NumericDate, E> {
        Ok(NumericDate::from_float(number))
    }
}

const NANOSECONDS: i128 = 1_000_000_000;
const END_OF_9999: i128 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_count_and_round_down() {
        assert_eq!(NumericDate::from_float(1.5).0, 1_500_000_000);
        assert_eq!(NumericDate::from_float(-1.5).0, -1_500_000_000);
        assert_eq!(NumericDate::from_float(-0.0).0, 0);
        assert!(NumericDate::from_float(9.9) < NumericDate::from_seconds(10));
    }

    #[test]
    fn every_number_is_comparable() {
        let now = NumericDate::from_system_time(UNIX_EPOCH + Duration::from_secs(1_800_000_000));
        for far in [
            NumericDate::from_seconds(u64::MAX),
            NumericDate::from_float(f64::MAX),
        ] {
            assert!(far > now);
            assert!(far.plus(Duration::MAX) > now);
            assert_eq!(
                far.to_system_time(),
                UNIX_EPOCH + Duration::from_secs(253_402_300_799)
            );
        }
        for past in [
            NumericDate::from_seconds(i64::MIN),
            NumericDate::from_float(f64::MIN),
        ] {
            assert!(past < now);
            assert_eq!(past.to_system_time(), UNIX_EPOCH);
        }
    }

    #[test]
    fn integers_are_read_exactly() {
        let date: NumericDate = serde_json::from_str("9007199254740993").unwrap();
        assert_eq!(date, NumericDate::from_seconds(9_007_199_254_740_993_u64));
        assert!(serde_json::from_str::<NumericDate>(r#""1""#).is_err());
    }

    #[cfg(any(feature = "remote", feature = "tower"))]
    #[test]
    fn a_moment_is_after_those_before_it() {
        let date = NumericDate::from_float(10.5);
        let earlier = NumericDate::from_seconds(10);
        assert_eq!(date.since(earlier), Some(Duration::from_millis(500)));
        assert_eq!(date.since(date), None);
        assert_eq!(earlier.since(date), None);
        let (last, first) = (NumericDate(i128::MAX), NumericDate(i128::MIN));
        assert_eq!(last.since(first), Some(Duration::from_nanos(u64::MAX)));
        assert_eq!(first.since(last), None);
    }

    #[test]
    fn times_before_1970_are_negative() {
        let date = NumericDate::from_system_time(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(date, NumericDate::from_seconds(-1));
    }
}
