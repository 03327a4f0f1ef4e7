//! Days and months, as they are counted: UTC's.

use time::{Date, Duration, OffsetDateTime, Time};
use zaki_envelope::Timestamp;

/// The day and the month of one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Periods {
    /// `2026-11-21`.
    pub(crate) day: String,
    /// `2026-11`.
    pub(crate) month: String,
    /// The first instant after the day.
    pub(crate) day_ends: Timestamp,
    /// The first instant after the month.
    pub(crate) month_ends: Timestamp,
}

impl Periods {
    /// Those of `now`; of the epoch, for what is no time a calendar knows.
    pub(crate) fn of(now: Timestamp) -> Self {
        let at = OffsetDateTime::from_unix_timestamp(now.as_secs());
        let date = at.unwrap_or(OffsetDateTime::UNIX_EPOCH).date();
        let month = format!("{:04}-{:02}", date.year(), u8::from(date.month()));
        Self {
            day: format!("{month}-{:02}", date.day()),
            month,
            day_ends: midnight(date.saturating_add(Duration::DAY)),
            month_ends: midnight(next_month(date)),
        }
    }
}

fn next_month(date: Date) -> Date {
    let days = date.month().length(date.year());
    date.saturating_add(Duration::days(i64::from(days) - i64::from(date.day()) + 1))
}

fn midnight(date: Date) -> Timestamp {
    Timestamp::from_secs(OffsetDateTime::new_utc(date, Time::MIDNIGHT).unix_timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text_secs: i64) -> (String, String, i64, i64) {
        let now = Timestamp::from_secs(text_secs);
        let periods = Periods::of(now);
        let until = |end: Timestamp| end.as_secs() - text_secs;
        (periods.day, periods.month, until(periods.day_ends), until(periods.month_ends))
    }

    fn case(day: &str, month: &str, day_left: i64, month_left: i64) -> (String, String, i64, i64) {
        (day.into(), month.into(), day_left, month_left)
    }

    #[test]
    fn days_and_months_are_utc() {
        const DAY: i64 = 86_400;
        // `date -u -d … +%s` of 2024-02-28T23:59:59, 2024-02-29T00:00, 2025-12-31T23:59:59, 1970-01-01.
        assert_eq!(of(1_709_164_799), case("2024-02-28", "2024-02", 1, DAY + 1));
        assert_eq!(of(1_709_164_800), case("2024-02-29", "2024-02", DAY, DAY));
        assert_eq!(of(1_767_225_599), case("2025-12-31", "2025-12", 1, 1));
        assert_eq!(of(0), case("1970-01-01", "1970-01", DAY, 31 * DAY));
    }

    #[test]
    fn every_day_ends_where_the_next_begins() {
        let (mut now, mut months) = (Timestamp::from_secs(0), 0);
        for _ in 0..(400 * 366) {
            let periods = Periods::of(now);
            let last = Periods::of(periods.day_ends.plus_ms(-1));
            assert_eq!(last, periods);
            let next = Periods::of(periods.day_ends);
            assert!(next.day > periods.day);
            let new_month = next.month != periods.month;
            assert_eq!(new_month, periods.day_ends == periods.month_ends);
            months += u32::from(new_month);
            now = periods.day_ends;
        }
        assert!((400 * 12..=401 * 12).contains(&months));
    }

    #[test]
    fn no_time_at_all_is_no_panic() {
        for ms in [i64::MIN, i64::MAX] {
            assert_eq!(Periods::of(Timestamp::from_ms(ms)).day, "1970-01-01");
        }
    }
}
