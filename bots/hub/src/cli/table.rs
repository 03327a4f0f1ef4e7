//! Lists for people: aligned columns, a line for each row, no wider than the terminal.

use console::{Alignment, Term, measure_text_width, pad_str, truncate_str};
use serde::Serialize;
use time::OffsetDateTime;
use zaki_envelope::Timestamp;

/// The rows of a list, one text per column.
#[derive(Default)]
pub(super) struct Rows<const N: usize>(Vec<[String; N]>);

impl<const N: usize> Rows<N> {
    pub(super) fn push(&mut self, row: [String; N]) {
        self.0.push(row.map(|text| plain(&text)));
    }

    /// Prints them; says so when there are none.
    pub(super) fn print(&self) {
        let terminal = Term::stdout().size_checked().map(|(_, columns)| usize::from(columns));
        for line in self.lines(terminal) {
            outln!("{line}");
        }
        if self.0.is_empty() {
            nothing();
        }
    }

    fn lines(&self, terminal: Option<usize>) -> impl Iterator<Item = String> {
        let mut widths = [0; N];
        for row in &self.0 {
            for (width, text) in widths.iter_mut().zip(row) {
                *width = measure_text_width(text).max(*width);
            }
        }
        self.0.iter().map(move |row| {
            let padded = row.iter().zip(widths);
            let padded = padded.map(|(text, width)| pad_str(text, width, Alignment::Left, None));
            let line = padded.collect::<Vec<_>>().join("  ");
            truncate_str(line.trim_end(), terminal.unwrap_or(usize::MAX), "…").into_owned()
        })
    }
}

/// What people write may hold line ends, and codes that terminals obey.
pub(super) fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// On standard error: what is read by programs stays empty.
pub(super) fn nothing() {
    eprintln!("nothing yet");
}

/// The word that stands for a state in JSON as well.
pub(super) fn word(state: impl Serialize) -> String {
    let word = serde_json::to_value(state).ok();
    word.and_then(|word| Some(word.as_str()?.to_owned())).unwrap_or_default()
}

/// `2026-11-21T15:31:06Z`.
pub(super) fn time(at: Timestamp) -> String {
    let Ok(at) = OffsetDateTime::from_unix_timestamp(at.as_secs()) else { return String::new() };
    let (date, time) = (at.date(), at.time());
    let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_fit_the_terminal() {
        let mut rows = Rows::default();
        rows.push(["a".into(), "wide".into(), "the end\nof \u{1b}[31mit".into()]);
        rows.push(["bcd".into(), "é".into(), String::new()]);
        let lines: Vec<String> = rows.lines(None).collect();
        assert_eq!(lines, ["a    wide  the end of  [31mit", "bcd  é"]);
        let narrow: Vec<String> = rows.lines(Some(12)).collect();
        assert_eq!(narrow, ["a    wide  …", "bcd  é"]);
    }

    #[test]
    fn a_time_has_its_year_and_its_zone() {
        assert_eq!(time(Timestamp::from_secs(1_790_000_000)), "2026-09-21T14:13:20Z");
    }
}
