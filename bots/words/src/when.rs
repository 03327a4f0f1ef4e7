//! Times, as one says them. People's time zones are not known here: so times are said from now on
//! and back, and otherwise in UTC.

use time::OffsetDateTime;
use zaki_envelope::Timestamp;

use crate::{Lang, Voice};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// How long ago. Of what has only just been, nothing: this may be read much later.
pub(crate) fn ago(then: Timestamp, now: Timestamp, voice: Voice) -> Option<String> {
    let minutes = now.since(then).max(0) / MINUTE;
    let (key, count) = match minutes {
        0 => return None,
        1..HOUR => ("ago-minutes", minutes),
        HOUR..DAY => ("ago-hours", minutes / HOUR),
        _ => ("ago-days", minutes / DAY),
    };
    Some(counted(key, count, voice))
}

/// How long ago, whatever that is.
pub(crate) fn last(then: Timestamp, now: Timestamp, voice: Voice) -> String {
    ago(then, now, voice).unwrap_or_else(|| voice.part("ago-moment"))
}

/// How long from now; never sooner than it will be, by more than half a unit.
pub(crate) fn until(then: Timestamp, now: Timestamp, voice: Voice) -> String {
    let left = then.since(now).max(0);
    let minutes = left / MINUTE + i64::from(left % MINUTE > 0);
    let (key, count) = match minutes {
        0 | 1 => return voice.part("in-moment"),
        2..HOUR => ("in-minutes", minutes),
        HOUR..DAY => ("in-hours", rounded(minutes, HOUR)),
        _ => ("in-days", rounded(minutes, DAY)),
    };
    counted(key, count, voice)
}

const fn rounded(minutes: i64, unit: i64) -> i64 {
    (minutes + unit / 2) / unit
}

/// When something starts over: by the clock, too, unless that is only a moment.
pub(crate) fn reset(then: Timestamp, now: Timestamp, voice: Voice) -> String {
    let left = then.since(now);
    if left < HOUR * MINUTE {
        return until(then, now, voice);
    }
    let at = civil(then);
    let clock = format!("{:02}:{:02}", at.hour(), at.minute());
    let phrase = if left < DAY * MINUTE {
        voice.phrase("reset-soon").text("when", until(then, now, voice))
    } else {
        voice.phrase("reset-later").text("date", date(then, voice))
    };
    phrase.text("time", clock).part()
}

/// The day, in UTC.
pub(crate) fn date(then: Timestamp, voice: Voice) -> String {
    let at = civil(then);
    voice
        .phrase("date")
        .number("month", u64::from(u8::from(at.month())))
        .text("day", day(at.day(), voice.lang))
        .text("year", at.year().to_string())
        .part()
}

fn day(day: u8, lang: Lang) -> String {
    match (lang, day) {
        (Lang::Fr, 1) => "1er".to_owned(),
        _ => day.to_string(),
    }
}

fn civil(then: Timestamp) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(then.as_secs()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn counted(key: &'static str, count: i64, voice: Voice) -> String {
    voice.phrase(key).number("count", count.unsigned_abs()).part()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EN: Voice = Voice::new(Lang::En);
    /// 2026-11-21 17:00:00 UTC.
    const NOW: Timestamp = Timestamp::from_secs(1_795_280_400);

    fn minutes(n: i64) -> Timestamp {
        NOW.plus_ms(n * MINUTE)
    }

    #[test]
    fn what_was() {
        assert_eq!(ago(minutes(0), NOW, EN), None);
        assert_eq!(ago(minutes(5), NOW, EN), None, "clocks differ");
        assert_eq!(last(NOW, NOW, EN), "just now");
        assert_eq!(last(minutes(-1), NOW, EN), "1 minute ago");
        assert_eq!(last(minutes(-59), NOW, EN), "59 minutes ago");
        assert_eq!(last(minutes(-61), NOW, EN), "1 hour ago");
        assert_eq!(last(minutes(-2880), NOW, EN), "2 days ago");
    }

    #[test]
    fn what_will_be() {
        assert_eq!(until(minutes(-5), NOW, EN), "in less than a minute");
        assert_eq!(until(NOW.plus_ms(MINUTE), NOW, EN), "in less than a minute");
        assert_eq!(until(NOW.plus_ms(10 * MINUTE - 3), NOW, EN), "in 10 minutes");
        assert_eq!(until(minutes(61), NOW, EN), "in 1 hour");
        assert_eq!(until(minutes(100), NOW, EN), "in 2 hours");
        assert_eq!(until(minutes(1440), NOW, EN), "in 1 day");
        assert_eq!(until(minutes(1440 * 30), NOW, EN), "in 30 days");
    }

    #[test]
    fn what_starts_over() {
        assert_eq!(reset(minutes(7 * 60), NOW, EN), "in 7 hours, at 00:00 UTC");
        assert_eq!(reset(minutes(20), NOW, EN), "in 20 minutes");
        let month = Timestamp::from_secs(1_796_083_200);
        assert_eq!(reset(month, NOW, EN), "on 1 December 2026, at 00:00 UTC");
        let french = date(month, Voice::new(Lang::Fr));
        assert_eq!(french, "1er décembre 2026");
        assert_eq!(date(Timestamp::from_ms(i64::MAX), EN), "1 January 1970", "out of bounds");
    }

    #[test]
    fn arabic_counts_in_six_ways() {
        let arabic = |n| counted("ago-days", n, Voice::new(Lang::Ar));
        let said: Vec<_> = [0, 1, 2, 3, 11, 100].map(arabic).into();
        for (n, one) in said.iter().enumerate() {
            assert!(said.iter().skip(n + 1).all(|other| other != one), "{said:?}");
        }
    }
}
