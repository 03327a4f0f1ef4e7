//! Answers from the conversation: the offline model knows what the gateway sends and nothing else,
//! so that a right answer proves OpenClaw's memory.
//!
//! Understood, in any case and with any punctuation around: `what did I say first`, `what did I say
//! (before|last)`, `what did I ask you to remember`, `what is my X`, `do you (know|remember) my X`
//! after an earlier `my X is V`. Anything else is quoted back.

use super::plan::MARK;

/// Replies to the last of what was said.
pub(crate) fn reply(said: &[String]) -> String {
    let Some((last, earlier)) = said.split_last() else {
        return format!("{MARK} Nobody has said anything.");
    };
    let answer = recall(&plain(last), earlier);
    answer.unwrap_or_else(|| {
        let quoted = clip(last);
        format!("{MARK} You said: \"{quoted}\" (message {} of this session)", said.len())
    })
}

fn recall(question: &str, earlier: &[String]) -> Option<String> {
    if let Some(rest) = after(question, &["what did i say"]) {
        let (when, text) = if rest.starts_with("first") {
            ("first", earlier.first())
        } else {
            ("previous", earlier.last())
        };
        return Some(match text {
            Some(text) => format!("{MARK} Your {when} message was: \"{}\"", clip(text)),
            None => format!("{MARK} This is your first message of this session."),
        });
    }
    if question.starts_with("what did i ask you to remember") {
        let asked = earlier.iter().rfind(|text| plain(text).starts_with("remember"));
        return Some(match asked {
            Some(text) => format!("{MARK} You asked: \"{}\"", clip(text)),
            None => format!("{MARK} You asked me to remember nothing in this session."),
        });
    }
    let openings = ["what is my", "what's my", "whats my", "do you know my", "do you remember my"];
    let thing = after(question, &openings).filter(|thing| !thing.is_empty())?;
    let told = earlier.iter().enumerate().rev();
    let mut told = told.filter_map(|(n, text)| Some((n, value_of(thing, text)?)));
    Some(match told.next() {
        Some((n, value)) => {
            format!(
                "{MARK} Your {thing} is {value}: you said so in message {} of this session",
                n + 1
            )
        }
        None => format!("{MARK} You have not told me your {thing} in this session."),
    })
}

/// What follows the first of `openings` that `text` starts with.
fn after<'t>(text: &'t str, openings: &[&str]) -> Option<&'t str> {
    openings.iter().find_map(|opening| text.strip_prefix(opening)).map(str::trim)
}

/// `V` of `my <thing> is V`, as it was written, up to the end of the clause.
fn value_of<'t>(thing: &str, text: &'t str) -> Option<&'t str> {
    let clause = format!("my {thing} is ");
    // Only ASCII changes here, so that a place found is a place in `text` too.
    let at = text.to_ascii_lowercase().find(&clause)?;
    let rest = text.get(at + clause.len()..)?;
    let end = rest.find(['.', ',', ';', '!', '?', '\n']).unwrap_or(rest.len());
    rest.get(..end).map(str::trim).filter(|value| !value.is_empty())
}

/// Lower case, no punctuation around, one space between words.
fn plain(text: &str) -> String {
    let text = text.trim_matches(|c: char| c.is_ascii_punctuation() || c.is_whitespace());
    let words: Vec<_> = text.split_whitespace().map(str::to_ascii_lowercase).collect();
    words.join(" ")
}

/// A long text shortened, in characters.
fn clip(text: &str) -> String {
    const LONGEST: usize = 2_000;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let kept: String = text.chars().take(LONGEST).collect();
    format!("{kept}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(said: &[&str]) -> String {
        let said: Vec<_> = said.iter().map(|text| (*text).to_owned()).collect();
        reply(&said)
    }

    #[test]
    fn by_default_it_quotes_and_counts() {
        assert_eq!(
            answer(&["hi"]),
            r#"[offline model] You said: "hi" (message 1 of this session)"#
        );
        assert_eq!(
            answer(&["hi", "你好"]),
            r#"[offline model] You said: "你好" (message 2 of this session)"#
        );
        assert!(answer(&[]).starts_with(MARK));
    }

    #[test]
    fn it_recalls_what_it_was_told_in_this_conversation() {
        let told =
            ["My name is Layla. Nice", "my favourite number is 47, really", "My Name is Noor"];
        let ask = |question| answer(&[told[0], told[1], told[2], question]);
        assert!(ask("What is my name?").contains("is Noor:"), "the latest counts");
        assert!(ask("what's my favourite number??").contains("is 47:"));
        assert!(ask("Do you remember my  NAME").contains("Noor"));
        assert!(ask("what is my age").contains("not told me your age"));
        assert!(answer(&["what is my name?"]).contains("not told me"));
    }

    #[test]
    fn it_quotes_first_and_previous_messages() {
        let ask = |question| answer(&["one", "two", question]);
        assert!(ask("What did I say first?").contains("\"one\""));
        assert!(ask("what did I say before?").contains("\"two\""));
        assert!(answer(&["what did I say first"]).contains("first message of this session"));
        assert!(
            answer(&["Remember: the code is 7", "ok", "What did I ask you to remember?"])
                .contains("the code is 7")
        );
        assert!(answer(&["x", "what did i ask you to remember"]).contains("nothing"));
    }

    #[test]
    fn odd_texts_are_quoted() {
        for text in ["", "?", "what is my", "İ my name is ", "what is my name is my name is"] {
            assert!(answer(&["İİ my x is é", text]).starts_with(MARK), "{text}");
        }
        assert!(answer(&["İİ my x is é", "what is my x"]).contains("is é:"));
        assert!(answer(&["a".repeat(5_000).as_str()]).chars().count() < 2_100);
    }
}
