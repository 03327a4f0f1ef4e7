//! Markdown -> [`Rich`].

use std::cmp::Reverse;

use pulldown_cmark::{CodeBlockKind, Event, LinkType, Options, Parser, Tag, TagEnd};

use super::{Rich, Span, Style};

/// Longer links are written out as text, so that a piece of any length limit can hold one.
const LONGEST_LINK: usize = 500;
/// How many rounds of unused link definitions are brought back.
const MAX_ROUNDS: usize = 8;

pub(super) fn parse(markdown: &str) -> Rich {
    let markdown = keep_definitions(markdown);
    let mut builder = Builder::default();
    for event in Parser::new_ext(&markdown, options()) {
        builder.event(event);
    }
    builder.finish()
}

fn options() -> Options {
    // Mathematics is recognised in order to be left alone.
    Options::ENABLE_TABLES
        | Options::ENABLE_STRIKETHROUGH
        | Options::ENABLE_TASKLISTS
        | Options::ENABLE_MATH
}

/// `[note]: see below` is a link definition to Markdown, and shows nothing unless it is used. Here
/// somebody meant to say it, so the unused ones are escaped.
fn keep_definitions(markdown: &str) -> String {
    let mut markdown = markdown.to_owned();
    for _ in 0..MAX_ROUNDS {
        let unused = unused_definitions(&markdown);
        if unused.is_empty() {
            break;
        }
        for start in unused {
            if markdown.is_char_boundary(start) {
                markdown.insert(start, '\\');
            }
        }
    }
    markdown
}

/// Where they start, last first.
fn unused_definitions(markdown: &str) -> Vec<usize> {
    let parser = Parser::new_ext(markdown, options());
    let mut defined: Vec<(String, usize)> = parser
        .reference_definitions()
        .iter()
        .map(|(label, definition)| (label.to_lowercase(), definition.span.start))
        .collect();
    if defined.is_empty() {
        return Vec::new();
    }
    for event in parser {
        let Event::Start(tag) = event else { continue };
        let (Tag::Link { link_type, id, .. } | Tag::Image { link_type, id, .. }) = tag else {
            continue;
        };
        if !matches!(link_type, LinkType::Inline | LinkType::Autolink) {
            let used = id.to_lowercase();
            defined.retain(|(label, _)| *label != used);
        }
    }
    let mut starts: Vec<usize> = defined.into_iter().map(|(_, start)| start).collect();
    starts.sort_unstable_by_key(|start| Reverse(*start));
    starts
}

#[derive(Default)]
struct Builder {
    text: String,
    /// In the order in which they were opened.
    spans: Vec<Span>,
    /// Indices of `spans`.
    open: Vec<usize>,
    /// The next number of each list we are in; `None` for bullets.
    lists: Vec<Option<u64>>,
    /// Line breaks owed before the next text.
    gap: usize,
    /// Where the current block began: nothing is owed there.
    fresh: usize,
    /// Whether the next table cell is the first of its row.
    first_cell: bool,
}

impl Builder {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => self.write(&text),
            Event::Code(code) => {
                self.open(Style::Code);
                self.write(&code);
                self.close();
            }
            Event::InlineMath(math) => self.write(&format!("${math}$")),
            Event::DisplayMath(math) => self.write(&format!("$${math}$$")),
            Event::FootnoteReference(name) => self.write(&format!("[^{name}]")),
            Event::SoftBreak | Event::HardBreak => self.write("\n"),
            Event::Rule => {
                self.block();
                self.write("———");
            }
            Event::TaskListMarker(done) => self.write(if done { "☑ " } else { "☐ " }),
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => self.open_block(Style::Bold),
            Tag::BlockQuote(_) => self.open_block(Style::Quote),
            Tag::CodeBlock(kind) => self.open_block(Style::Pre { lang: language(&kind) }),
            Tag::List(first) => {
                self.block();
                self.lists.push(first);
            }
            Tag::Item => self.item(),
            Tag::TableHead | Tag::TableRow => {
                self.owe(1);
                self.first_cell = true;
            }
            Tag::TableCell => {
                if !std::mem::take(&mut self.first_cell) {
                    self.write(" | ");
                }
            }
            Tag::Emphasis => self.open(Style::Italic),
            Tag::Strong => self.open(Style::Bold),
            Tag::Strikethrough => self.open(Style::Strike),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.open(Style::Link { url: dest_url.replace(char::is_whitespace, "%20") });
            }
            _ => self.block(),
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_)
            | TagEnd::BlockQuote(_)
            | TagEnd::Emphasis
            | TagEnd::Strong
            | TagEnd::Strikethrough => self.close(),
            TagEnd::CodeBlock => {
                let end = self.text.trim_end_matches('\n').len();
                self.text.truncate(end.max(self.fresh));
                self.close();
            }
            TagEnd::Link | TagEnd::Image => self.close_link(),
            TagEnd::List(_) => drop(self.lists.pop()),
            _ => {}
        }
    }

    /// A block of its own: a blank line before it, in lists a line break.
    fn block(&mut self) {
        self.owe(if self.lists.is_empty() { 2 } else { 1 });
    }

    fn owe(&mut self, breaks: usize) {
        if self.text.len() > self.fresh {
            self.gap = self.gap.max(breaks);
        }
    }

    fn item(&mut self) {
        self.owe(1);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let marker = match self.lists.last_mut() {
            Some(Some(number)) => {
                let marker = format!("{number}. ");
                *number = number.saturating_add(1);
                marker
            }
            _ => "• ".to_owned(),
        };
        self.write(&format!("{indent}{marker}"));
        self.fresh = self.text.len();
    }

    fn settle(&mut self) {
        if self.gap > 0 {
            let there = self.text.len() - self.text.trim_end_matches('\n').len();
            let missing = self.gap.saturating_sub(there);
            self.text.push_str(&"\n".repeat(missing));
            self.gap = 0;
        }
    }

    fn write(&mut self, text: &str) {
        if !text.is_empty() {
            self.settle();
            self.text.push_str(text);
        }
    }

    fn open_block(&mut self, style: Style) {
        self.block();
        self.open(style);
        self.fresh = self.text.len();
    }

    fn open(&mut self, style: Style) {
        self.settle();
        let start = self.text.len();
        self.open.push(self.spans.len());
        self.spans.push(Span { range: start..start, style });
    }

    fn close(&mut self) {
        let end = self.text.len();
        let span = self.open.pop().and_then(|index| self.spans.get_mut(index));
        if let Some(span) = span {
            span.range.end = end;
        }
    }

    /// Keeps a link that can be followed; any other leaves an empty stretch, and its target is
    /// written behind the label.
    fn close_link(&mut self) {
        let span = self.open.pop().and_then(|index| self.spans.get_mut(index));
        let Some(span) = span else { return };
        let Style::Link { url } = &span.style else {
            return;
        };
        let label = self.text.get(span.range.start..).unwrap_or_default();
        if can_be_followed(url) && !label.trim().is_empty() {
            span.range.end = self.text.len();
        } else {
            let target = spelled_out(label, url);
            self.write(&target);
        }
    }

    fn finish(mut self) -> Rich {
        let length = self.text.trim_end().len();
        self.text.truncate(length);
        let mut spans: Vec<Span> =
            self.spans.iter().flat_map(|span| lines_of(span, &self.text)).collect();
        spans.sort_by_key(|span| (span.range.start, Reverse(span.range.end)));
        Rich { text: self.text, spans }
    }
}

/// The first word of a fence's info string, as far as it is one.
fn language(kind: &CodeBlockKind<'_>) -> String {
    let CodeBlockKind::Fenced(info) = kind else {
        return String::new();
    };
    info.chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "+-#._".contains(*c))
        .take(20)
        .collect()
}

fn can_be_followed(url: &str) -> bool {
    let web = url.starts_with("https://") || url.starts_with("http://");
    web && url.len() <= LONGEST_LINK
}

/// What stands behind `label` so that no target is lost.
fn spelled_out(label: &str, url: &str) -> String {
    if url.is_empty() || label == url || url.strip_prefix("mailto:") == Some(label) {
        String::new()
    } else if label.is_empty() {
        url.to_owned()
    } else {
        format!(" ({url})")
    }
}

/// Inline styles line by line, since most dialects end them at a line break.
fn lines_of(span: &Span, text: &str) -> Vec<Span> {
    let range = span.range.start..span.range.end.min(text.len());
    let Some(content) = text.get(range.clone()) else {
        return Vec::new();
    };
    if !span.style.is_inline() {
        let style = span.style.clone();
        return vec![Span { range, style }];
    }
    let mut start = range.start;
    let mut spans = Vec::new();
    for line in content.split_inclusive('\n') {
        let end = start + line.len();
        spans.push(Span { range: start..end, style: span.style.clone() });
        start = end;
    }
    spans
}
