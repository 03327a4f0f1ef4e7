//! Right to left and left to right in one text (Unicode Bidirectional Algorithm, UAX 9), and how
//! commands are typed. Whatever is copied has no mark inside it, and a line that is only a code or
//! an address has no mark at all, so that it can be copied whole and opened by a tap.

use crate::{Lang, Voice};

/// First strong isolate.
const FSI: char = '\u{2068}';
/// Pop directional isolate.
const PDI: char = '\u{2069}';
/// Right-to-left mark.
const RLM: char = '\u{200f}';

/// Whether a character does nothing but turn the text around it.
pub(crate) const fn is_bidi_mark(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether a character belongs to a script that is written from right to left.
const fn is_rtl(c: char) -> bool {
    matches!(c, '\u{590}'..='\u{8ff}' | '\u{fb1d}'..='\u{fdff}' | '\u{fe70}'..='\u{fefc}'
        | '\u{10800}'..='\u{10fff}' | '\u{1e800}'..='\u{1efff}')
}

/// What must not disturb the sentence it stands in.
pub(crate) fn isolated(text: &str, lang: Lang) -> String {
    if lang.is_rtl() || text.contains(is_rtl) { isolate(text) } else { text.to_owned() }
}

fn isolate(text: &str) -> String {
    format!("{FSI}{text}{PDI}")
}

/// A phrase as it is sent: its commands as they are typed there, its lines in their direction.
pub(crate) fn finish(text: &str, voice: Voice) -> String {
    let line = |line: &str| {
        let mixed = voice.lang.is_rtl() && line.contains(is_rtl);
        let line = spans(line, |code| {
            let typed = typed(code, voice);
            if mixed { isolate(&typed) } else { typed }
        });
        if mixed { directed(&line) } else { line }
    };
    text.split('\n').map(line).collect::<Vec<_>>().join("\n")
}

/// `` `/stop` `` where it is typed so, and otherwise `` `/zaki /stop` ``: without the second slash, it
/// could be meant for the agent.
fn typed(code: &str, voice: Voice) -> String {
    match (voice.behind, code.strip_prefix("`/")) {
        (Some(behind), Some(rest)) => format!("`/{behind} /{rest}"),
        _ => code.to_owned(),
    }
}

/// The line with its code spans, backticks included, as `change` makes them.
fn spans(line: &str, change: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(line.len() + 32);
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            // Together with what it escapes.
            '\\' => rest.chars().take(2).map(char::len_utf8).sum(),
            '`' => rest.get(1..).and_then(|it| it.find('`')).map_or(1, |end| end + 2),
            _ => c.len_utf8(),
        };
        let (piece, later) = rest.split_at(taken);
        if c == '`' && taken > 1 {
            out.push_str(&change(piece));
        } else {
            out.push_str(piece);
        }
        rest = later;
    }
    out
}

/// A line that begins with something foreign, marked as ours: not every app looks past an isolate
/// for the first strong character. What makes it a list item or a quote stays in front.
fn directed(line: &str) -> String {
    let ours = line.chars().find(|c| c.is_alphabetic()).is_some_and(is_rtl);
    if ours {
        return line.to_owned();
    }
    let at = line.find(|c| !" ->".contains(c)).unwrap_or(0);
    let (marker, rest) = line.split_at(at);
    format!("{marker}{RLM}{rest}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AR: Voice = Voice::new(Lang::Ar);
    const BEHIND: Voice = Voice { lang: Lang::En, behind: Some("zaki") };

    #[test]
    fn commands_are_as_they_are_typed_there() {
        assert_eq!(finish("`/new` or `x` or \\`/y`", BEHIND), "`/zaki /new` or `x` or \\`/y`");
        assert_eq!(finish("`/new` \\\\`/a`", Voice::default()), "`/new` \\\\`/a`");
        assert_eq!(finish("`/new", BEHIND), "`/new");
    }

    #[test]
    fn a_command_in_a_right_to_left_line_stands_by_itself() {
        assert_eq!(finish("اكتب `/stop` الآن", AR), "اكتب \u{2068}`/stop`\u{2069} الآن");
        assert_eq!(finish("- `/new`: جديد", AR), "- \u{200f}\u{2068}`/new`\u{2069}: جديد");
    }

    #[test]
    fn what_is_alone_on_a_line_has_no_marks() {
        let text = "الرمز:\n\n`ABCD-EFGH`\n<https://e.org/a>";
        assert_eq!(finish(text, AR), text);
    }
}
