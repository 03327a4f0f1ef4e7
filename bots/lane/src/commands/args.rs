//! The words of a command, read one after the other.

use std::{ops::Range, str::FromStr};

use super::{secret::Code, shape};

/// Digits of hex in the name of a question.
const QUESTION: usize = 16;

/// A text that is being read.
#[derive(Debug)]
pub(super) struct Args<'t> {
    text: &'t str,
    /// What has not been read: the end of `text`, never beginning with a blank.
    rest: &'t str,
    shared: bool,
    /// Some of what was read could be anything a person says.
    free: bool,
    /// Something was read that nobody says by the way: a code.
    certain: bool,
    /// Where the code stands in `text`, and what may be left of it.
    secret: Option<Range<usize>>,
}

impl<'t> Args<'t> {
    /// `rest` is the end of `text`; `shared`: others read along.
    pub(super) fn new(text: &'t str, rest: &'t str, shared: bool) -> Self {
        Self { text, rest: trim(rest), shared, free: false, certain: false, secret: None }
    }

    /// Whether others read along.
    pub(super) fn is_shared(&self) -> bool {
        self.shared
    }

    /// Whether everything has been read.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Whether what was read is what a person said to us, rather than to the agent: all of it and
    /// nothing that could be anything, or a code.
    pub(super) fn is_sure(&self) -> bool {
        self.certain || (self.is_done() && !self.free)
    }

    /// Where the code stands in the text, if there was one.
    pub(super) fn into_secret(self) -> Option<Range<usize>> {
        self.secret
    }

    /// Whether a slash is next.
    pub(super) fn is_slashed(&self) -> bool {
        self.rest.starts_with('/')
    }

    /// The name behind a slash, in lower case. A colon may end it, as with OpenClaw's own, and in
    /// Telegram's groups the bot's name stands behind it; whether that is us is `addressed`.
    pub(super) fn name(&mut self) -> Option<String> {
        let rest = self.rest.strip_prefix('/')?;
        let end = rest.find(|c: char| c.is_whitespace() || c == ':').unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        self.rest = trim(rest.strip_prefix(':').unwrap_or(rest));
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        Some(name_of(name))
    }

    /// The tag of a language, or another word for it.
    pub(super) fn language(&mut self) -> Option<String> {
        let word = self.word()?;
        self.free |= word.len() > 3 && !word.contains('-');
        Some(word)
    }

    /// The next word, whatever it is.
    fn word(&mut self) -> Option<String> {
        let word = self.peek()?;
        self.advance(word);
        Some(word.chars().filter(|c| !is_invisible(*c)).collect())
    }

    /// The next word; without a digit or a sign in it, it could be any.
    pub(super) fn technical(&mut self) -> Option<String> {
        let word = self.word()?;
        let is_technical = |c: char| c.is_ascii_digit() || "-_/:.".contains(c);
        self.free |= !(word.contains(is_technical) || word.eq_ignore_ascii_case("default"));
        Some(word)
    }

    /// Reads the next word if it is one of these.
    pub(super) fn is(&mut self, words: &[&str]) -> bool {
        let Some(word) = self.peek() else { return false };
        let is_it = words.contains(&bare(word).as_str());
        if is_it {
            self.advance(word);
        }
        is_it
    }

    /// Reads the next word if it means something.
    pub(super) fn parsed<T: FromStr>(&mut self) -> Option<T> {
        let word = self.peek()?;
        let meant = bare(word).parse().ok()?;
        self.advance(word);
        Some(meant)
    }

    /// Reads a number from 1 on.
    pub(super) fn number(&mut self) -> Option<u32> {
        let word = self.peek()?;
        let number = bare(word).parse().ok().filter(|number| *number > 0)?;
        self.advance(word);
        Some(number)
    }

    /// The name of a question, as it stands behind a button: no other word is one.
    pub(super) fn question(&mut self) -> Option<String> {
        let word = self.peek()?;
        let name = bare(word);
        if name.len() != QUESTION || !name.bytes().all(|sign| sign.is_ascii_hexdigit()) {
            return None;
        }
        self.advance(word);
        Some(name)
    }

    /// All the rest.
    pub(super) fn text(&mut self) -> Option<String> {
        let text = self.rest.trim_end_matches(is_blank);
        self.rest = "";
        self.free |= !text.is_empty();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A code: what looks like one at the head of the rest, or else all the rest. All of it is
    /// secret: a slip of the finger makes no less of it known.
    pub(super) fn code(&mut self) -> Option<Code> {
        let rest = self.rest.trim_end_matches(is_blank);
        let looks = self.heads().find(|head| shape::looks(head));
        let typed = looks.unwrap_or(rest);
        let code = Code::read(typed)?;
        let at = self.text.len() - self.rest.len();
        self.note(&code, typed, at..at + rest.len());
        self.rest = trim(self.rest.strip_prefix(typed).unwrap_or_default());
        Some(code)
    }

    /// What an approval is called: a code, or one word, which is no secret. A word like `once` may
    /// follow, and is no part of it.
    pub(super) fn id(&mut self, then: fn(&str) -> bool) -> Option<Code> {
        let is_one = |head: &&str| !head.contains(char::is_whitespace) || shape::is_certain(head);
        let is_last = |head: &&str| head.split_whitespace().any(|word| then(&bare(word)));
        let mut heads = self.heads().filter(|head| is_one(head) && !is_last(head));
        let looks = heads.find(|head| shape::looks(head));
        let typed = looks.or_else(|| self.peek())?;
        let code = Code::read(typed)?;
        let at = self.text.len() - self.rest.len();
        self.note(&code, typed, at..at + typed.len());
        self.secret = self.secret.take().filter(|_| looks.is_some());
        self.advance(typed);
        Some(code)
    }

    fn note(&mut self, code: &Code, typed: &str, span: Range<usize>) {
        let is_certain = *code == Code::Redacted || shape::is_certain(typed);
        self.certain |= is_certain;
        self.free |= !(is_certain || shape::is_likely(typed) || shape::is_hex(typed));
        self.secret = Some(span);
    }

    fn peek(&self) -> Option<&'t str> {
        self.rest.split_whitespace().next()
    }

    fn advance(&mut self, read: &str) {
        self.rest = trim(self.rest.strip_prefix(read).unwrap_or_default());
    }

    /// The first word of the rest, the first two, and the first three: a code may have been typed
    /// with blanks in it.
    fn heads(&self) -> impl Iterator<Item = &'t str> + use<'t> {
        let rest = self.rest;
        let mut end = 0;
        rest.split_whitespace().take(3).filter_map(move |word| {
            let at = rest.get(end..)?.find(word)?;
            end += at + word.len();
            rest.get(..end)
        })
    }
}

/// A name as the table has it: `/Stop!` is meant well.
pub(super) fn name_of(word: &str) -> String {
    let visible = word.chars().filter(|c| !is_invisible(*c)).collect::<String>();
    let name = visible.trim_start_matches('/').trim_end_matches(['!', '.', ',', '?']);
    name.to_lowercase()
}

/// A word without quotes, stops and the like around it, in lower case and western signs.
fn bare(word: &str) -> String {
    let signs = word.chars().filter(|c| !is_invisible(*c)).map(shape::western);
    let visible = signs.collect::<String>();
    visible.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase()
}

pub(super) fn trim(text: &str) -> &str {
    text.trim_start_matches(is_blank)
}

pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || is_invisible(c)
}

/// Marks that keep text of two directions apart and the like: they come along when somebody copies
/// what we wrote, and nobody sees them.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{2069}' | '\u{feff}')
}
