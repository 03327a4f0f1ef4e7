//! The directives that the offline model knows, too.

use std::time::Duration;

/// Most words of a slow answer, and the longest pause between two.
const MOST_WORDS: u32 = 10_000;
const LONGEST_PAUSE_MS: u64 = 60_000;

/// What `SLOW:<n>x<ms>` asks for: the words, and the pause before each.
pub fn slow_words(text: &str) -> Option<(Vec<String>, Duration)> {
    let (_, rest) = text.split_once("SLOW:")?;
    let (words, rest) = number(rest)?;
    let (pause, _) = number(rest.strip_prefix('x')?)?;
    let words = u32::try_from(words).unwrap_or(u32::MAX).min(MOST_WORDS);
    let pieces = (0..words).map(|n| format!("word{n} ")).collect();
    Some((pieces, Duration::from_millis(pause.min(LONGEST_PAUSE_MS))))
}

/// What `FAIL:<status>` asks for.
pub fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("FAIL:")?;
    let status = rest.get(..3)?.parse().ok()?;
    (400..600).contains(&status).then_some(status)
}

/// The number that a text begins with, and what follows it.
pub fn number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at_checked(end)?;
    Some((digits.parse().ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_whole_or_not_at_all() {
        let (words, pause) = slow_words("a SLOW:2x30 b").unwrap();
        assert_eq!((words.concat().as_str(), pause.as_millis()), ("word0 word1 ", 30));
        let (words, pause) = slow_words("SLOW:99999999x99999999").unwrap();
        assert_eq!((words.len(), pause.as_secs()), (10_000, 60));
        assert_eq!((slow_words("SLOW:x20"), slow_words("slow")), (None, None));
        assert_eq!((status("now FAIL:429 please"), status("FAIL:200")), (Some(429), None));
    }
}
