//! What people chose themselves, made fit to stand in a sentence of ours: on one line, without
//! Markdown, links or marks that turn the text around them.

use unicode_segmentation::UnicodeSegmentation;

use crate::{
    Lang,
    direction::{is_bidi_mark, isolated},
};

/// Graphemes of a name.
const NAME: usize = 48;
/// Graphemes of an excerpt.
const EXCERPT: usize = 200;
/// Code points of one grapheme; some scripts and emoji need a dozen.
const GRAPHEME: usize = 16;

/// What somebody calls themselves or something of theirs.
pub(crate) fn name(text: &str, lang: Lang) -> String {
    words(text, NAME, lang)
}

/// The beginning of what somebody wrote.
pub(crate) fn excerpt(text: &str, lang: Lang) -> String {
    words(text, EXCERPT, lang)
}

fn words(text: &str, most: usize, lang: Lang) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text.chars().filter(|c| !is_bidi_mark(*c)).map(clean).collect();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut graphemes = text.graphemes(true);
    let mut cut: String =
        graphemes.by_ref().take(most).flat_map(|it| it.chars().take(GRAPHEME)).collect();
    if graphemes.next().is_some() {
        cut.push('…');
    }
    if cut.is_empty() {
        cut.push('–');
    }
    isolated(&escaped(&cut), lang)
}

/// Any ASCII punctuation may be escaped (CommonMark 2.4), so all of it is.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        if c.is_ascii_punctuation() {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

/// What stands between backticks: visible ASCII or letters of any script, never a backtick.
pub(crate) fn code(code: &str) -> String {
    code.chars().filter(|c| (c.is_ascii_graphic() || c.is_alphanumeric()) && *c != '`').collect()
}

/// An address, on a line of its own. It is written so that nothing in it is taken for Markdown.
pub(crate) fn address(url: &str) -> String {
    let hidden = |c: char| c.is_control() || c.is_whitespace() || is_bidi_mark(c);
    let url: String = url.chars().filter(|c| !hidden(*c) && !"<>".contains(*c)).collect();
    format!("<{url}>")
}

/// What somebody is to read letter by letter before they allow it: as a block of its own that it
/// cannot leave, with everything invisible made visible.
pub(crate) fn block(text: &str) -> String {
    let shown: String = text.chars().map(visible).collect();
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}\n{shown}\n{fence}")
}

fn visible(c: char) -> String {
    let is_layout = c == '\n' || c == '\t';
    let hidden = (c.is_control() && !is_layout) || is_bidi_mark(c) || is_zero_width(c);
    if hidden { c.escape_unicode().to_string() } else { c.to_string() }
}

const fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
        | '\u{2028}' | '\u{2029}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_harmless_line() {
        let english = |text: &str| name(text, Lang::En);
        assert_eq!(english("Ali"), "Ali");
        assert_eq!(english("  a\n\n# b\t c "), "a \\# b c");
        assert_eq!(english("[x](https://e.org)"), "\\[x\\]\\(https\\:\\/\\/e\\.org\\)");
        assert_eq!(english("\u{202e}evil\u{2066}"), "evil");
        assert_eq!(english("\u{200f}\u{0}"), "–");
        assert_eq!(english(&"x".repeat(60)), format!("{}…", "x".repeat(48)));
        assert_eq!(english(&format!("a{}", "\u{301}".repeat(500))).chars().count(), GRAPHEME);
    }

    #[test]
    fn a_name_that_runs_the_other_way_is_set_apart() {
        assert_eq!(name("علي", Lang::En), "\u{2068}علي\u{2069}");
        assert_eq!(name("Ali", Lang::Ar), "\u{2068}Ali\u{2069}");
        assert_eq!(name("👩‍👩‍👧", Lang::De), "👩‍👩‍👧", "the joiners are part of it");
    }

    #[test]
    fn a_block_cannot_be_left_and_hides_nothing() {
        assert_eq!(block("ls"), "```\nls\n```");
        assert_eq!(block("a\n```\nb"), "````\na\n```\nb\n````");
        assert_eq!(block("rm \u{202e}x\u{200b}\r"), "```\nrm \\u{202e}x\\u{200b}\\u{d}\n```");
    }

    #[test]
    fn a_code_is_nothing_but_itself() {
        assert_eq!(code("ABCD-EFGH"), "ABCD-EFGH");
        assert_eq!(code("\u{2068}A`B \u{200e}\n"), "AB");
        assert_eq!(code("openai/gpt-5.2"), "openai/gpt-5.2");
        assert_eq!(address("https://e.org/a_b?x=<y>\u{200f} z"), "<https://e.org/a_b?x=yz>");
    }
}
