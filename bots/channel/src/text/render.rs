//! [`Rich`] -> one of the dialects.

use std::ops::Range;

use super::{Dialect, Rich, Span, Style};

/// Breaks up a fence inside a code block, which would end it.
const BROKEN_FENCE: &str = "``\u{200b}`";

pub(super) fn render(rich: &Rich, range: Range<usize>, dialect: Dialect) -> String {
    let Some(text) = rich.text.get(range.clone()) else {
        return String::new();
    };
    let spans: Vec<Span> =
        rich.spans.iter().filter_map(|span| clipped(span, &range, text)).collect();
    let mut writer = Writer {
        out: String::with_capacity(text.len() + text.len() / 8),
        text,
        dialect,
        quoted: false,
    };
    writer.stretch(0..text.len(), &spans, &mut Vec::new());
    writer.out
}

/// The part of a span inside `range`, relative to it and without white space at its ends.
fn clipped(span: &Span, range: &Range<usize>, text: &str) -> Option<Span> {
    let start = span.range.start.max(range.start).checked_sub(range.start)?;
    let end = span.range.end.min(range.end).checked_sub(range.start)?;
    let content = text.get(start..end)?;
    let blank: fn(char) -> bool = match span.style {
        Style::Pre { .. } | Style::Quote => |c| c == '\n',
        _ => char::is_whitespace,
    };
    let start = end - content.trim_start_matches(blank).len();
    let end = start + content.trim_matches(blank).len();
    (start < end).then(|| Span { range: start..end, style: span.style.clone() })
}

struct Writer<'a> {
    out: String,
    text: &'a str,
    dialect: Dialect,
    /// Inside a quote, for dialects that mark each of its lines.
    quoted: bool,
}

/// What stands before and after a styled stretch.
struct Marks {
    before: String,
    after: String,
}

impl Marks {
    fn both(mark: &str) -> Self {
        Self::around(mark, mark)
    }

    fn around(before: impl Into<String>, after: impl Into<String>) -> Self {
        let (before, after) = (before.into(), after.into());
        Self { before, after }
    }

    fn tag(name: &str) -> Self {
        Self::around(format!("<{name}>"), format!("</{name}>"))
    }
}

impl<'a> Writer<'a> {
    /// Writes a stretch of the text with the spans inside it, `open` being those around it.
    fn stretch<'s>(&mut self, range: Range<usize>, spans: &'s [Span], open: &mut Vec<&'s Style>) {
        let mut at = range.start;
        let mut rest = spans;
        while let Some((span, later)) = rest.split_first() {
            let inner = later.partition_point(|other| other.range.start < span.range.end);
            let (inside, after) = later.split_at(inner);
            self.words(at..span.range.start, open);
            self.styled(span, inside, open);
            at = at.max(span.range.end);
            rest = after;
        }
        self.words(at..range.end, open);
    }

    fn styled<'s>(&mut self, span: &'s Span, inside: &'s [Span], open: &mut Vec<&'s Style>) {
        let Some(marks) = self.marks(span, open) else {
            self.stretch(span.range.clone(), inside, open);
            return;
        };
        let outer_quote = self.quoted;
        if span.style == Style::Quote && self.dialect != Dialect::TelegramHtml {
            self.quoted = true;
        }
        if matches!(span.style, Style::Pre { .. }) && !self.at_line_start() {
            self.raw(if marks.before.is_empty() { "" } else { "\n" });
        }
        self.raw(&marks.before);
        open.push(&span.style);
        self.stretch(span.range.clone(), inside, open);
        open.pop();
        self.raw(&marks.after);
        self.quoted = outer_quote;
    }

    fn at_line_start(&self) -> bool {
        let line = self.out.rsplit('\n').next().unwrap_or_default();
        line.is_empty() || (self.quoted && line == "> ")
    }

    /// How the dialect marks a span; `None` where it cannot, or is doing so already.
    fn marks(&self, span: &Span, open: &[&Style]) -> Option<Marks> {
        let same =
            |style: &&Style| std::mem::discriminant(*style) == std::mem::discriminant(&span.style);
        if open.iter().any(|style| style.is_code() || same(style)) {
            return None;
        }
        let content = self.text.get(span.range.clone())?;
        match self.dialect {
            Dialect::Plain => plain(&span.style, content),
            Dialect::TelegramHtml => Some(telegram(&span.style)),
            Dialect::Discord => discord(&span.style, content),
            Dialect::Slack | Dialect::WhatsApp => {
                let in_link = open.iter().any(|style| matches!(style, Style::Link { .. }));
                if span.style.is_inline() && (in_link || !self.stands_alone(span)) {
                    return None;
                }
                if self.dialect == Dialect::Slack {
                    slack(&span.style, content)
                } else {
                    whatsapp(&span.style, content)
                }
            }
        }
    }

    /// Slack and WhatsApp read a mark only at the border of a word; links may stand anywhere.
    fn stands_alone(&self, span: &Span) -> bool {
        let before = self.text.get(..span.range.start).unwrap_or_default();
        let after = self.text.get(span.range.end..).unwrap_or_default();
        let borders = [before.chars().next_back(), after.chars().next()];
        matches!(span.style, Style::Link { .. })
            || !borders.iter().flatten().any(|c| c.is_alphanumeric())
    }

    fn words(&mut self, range: Range<usize>, open: &[&Style]) {
        let text: &'a str = self.text;
        let words = text.get(range).unwrap_or_default();
        let in_code = open.iter().any(|style| style.is_code());
        let in_pre = open.iter().any(|style| matches!(style, Style::Pre { .. }));
        let written = match self.dialect {
            Dialect::TelegramHtml | Dialect::Slack => entities(words),
            Dialect::Discord if !in_code => backslashed(words, self.at_line_start()),
            Dialect::Plain | Dialect::WhatsApp | Dialect::Discord => words.to_owned(),
        };
        let fenced = matches!(self.dialect, Dialect::Slack | Dialect::Discord | Dialect::WhatsApp);
        if fenced && in_pre {
            self.raw(&written.replace("```", BROKEN_FENCE));
        } else {
            self.raw(&written);
        }
    }

    /// Adds what needs no further escaping, line by line when quoted.
    fn raw(&mut self, text: &str) {
        if !self.quoted {
            self.out.push_str(text);
            return;
        }
        for piece in text.split_inclusive('\n') {
            if self.out.is_empty() || self.out.ends_with('\n') {
                self.out.push_str("> ");
            }
            self.out.push_str(piece);
        }
    }
}

fn plain(style: &Style, content: &str) -> Option<Marks> {
    match style {
        Style::Link { url } if url != content => Some(Marks::around("", format!(" ({url})"))),
        Style::Quote => Some(Marks::both("")),
        _ => None,
    }
}

fn telegram(style: &Style) -> Marks {
    match style {
        Style::Bold => Marks::tag("b"),
        Style::Italic => Marks::tag("i"),
        Style::Strike => Marks::tag("s"),
        Style::Code => Marks::tag("code"),
        Style::Quote => Marks::tag("blockquote"),
        Style::Pre { lang } if lang.is_empty() => Marks::tag("pre"),
        Style::Pre { lang } => {
            Marks::around(format!("<pre><code class=\"language-{lang}\">"), "</code></pre>")
        }
        Style::Link { url } => {
            Marks::around(format!("<a href=\"{}\">", entities(url).replace('"', "&quot;")), "</a>")
        }
    }
}

fn discord(style: &Style, content: &str) -> Option<Marks> {
    let marks = match style {
        Style::Bold => Marks::both("**"),
        Style::Italic => Marks::both("*"),
        Style::Strike => Marks::both("~~"),
        Style::Code if !content.contains('`') => Marks::both("`"),
        Style::Code if !content.contains("``") => Marks::around("`` ", " ``"),
        Style::Code => return None,
        Style::Quote => Marks::both(""),
        Style::Pre { lang } => Marks::around(format!("```{lang}\n"), "\n```"),
        // Discord shows no label that is itself an address.
        Style::Link { .. } if content.contains("://") => return plain(style, content),
        Style::Link { url } => {
            let url = url.replace('(', "%28").replace(')', "%29");
            Marks::around("[", format!("]({url})"))
        }
    };
    Some(marks)
}

fn slack(style: &Style, content: &str) -> Option<Marks> {
    let marks = match style {
        Style::Bold => Marks::both("*"),
        Style::Italic => Marks::both("_"),
        Style::Strike => Marks::both("~"),
        Style::Code if !content.contains('`') => Marks::both("`"),
        Style::Code => return None,
        Style::Quote => Marks::both(""),
        Style::Pre { .. } => Marks::around("```\n", "\n```"),
        Style::Link { url } => {
            let url = url.replace('&', "&amp;").replace('<', "%3C");
            let url = url.replace('>', "%3E").replace('|', "%7C");
            Marks::around(format!("<{url}|"), ">")
        }
    };
    Some(marks)
}

fn whatsapp(style: &Style, content: &str) -> Option<Marks> {
    match style {
        Style::Link { .. } => plain(style, content),
        _ => slack(style, content),
    }
}

/// The three characters that HTML and mrkdwn give a meaning of their own.
fn entities(text: &str) -> String {
    let text = text.replace('&', "&amp;");
    text.replace('<', "&lt;").replace('>', "&gt;")
}

/// Text that Discord shows as it is. Addresses stay untouched, since a backslash would become
/// part of them.
fn backslashed(words: &str, at_line_start: bool) -> String {
    let mut out = String::with_capacity(words.len() + words.len() / 8);
    let mut opening = at_line_start;
    let mut rest = words;
    while let Some(c) = rest.chars().next() {
        let address = bare_address(rest);
        // Brackets alone are shown as they are; only with a parenthesis do they hide an address.
        let masks = rest.starts_with("](");
        if masks || "\\*_~`|<".contains(c) || (opening && "#>".contains(c)) {
            out.push('\\');
        }
        let (taken, later) = rest.split_at(address.max(c.len_utf8()));
        out.push_str(taken);
        rest = later;
        opening = c == '\n' || (opening && " ->#".contains(c));
    }
    out
}

/// The length of the web address `text` starts with; 0 where it starts with none.
fn bare_address(text: &str) -> usize {
    if text.starts_with("https://") || text.starts_with("http://") {
        text.find(char::is_whitespace).unwrap_or(text.len())
    } else {
        0
    }
}
