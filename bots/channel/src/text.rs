//! The text model: what formatting a text has, and how each platform writes it.

mod markdown;
mod render;
#[cfg(test)]
mod tests;

use std::ops::Range;

/// A platform's way to write formatting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// None at all.
    Plain,
    /// Telegram's `parse_mode=HTML`.
    TelegramHtml,
    /// Discord's Markdown.
    Discord,
    /// Slack's mrkdwn.
    Slack,
    /// WhatsApp's asterisks and backticks.
    WhatsApp,
}

/// A text without markup, and beside it which stretches are formatted how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rich {
    text: String,
    /// By start, outer before inner; properly nested. Inline ones never span lines.
    spans: Vec<Span>,
}

/// A formatted stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Span {
    /// Bytes of the text, at char borders.
    range: Range<usize>,
    style: Style,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Style {
    Bold,
    Italic,
    Strike,
    Code,
    /// A code block; the language may be empty.
    Pre {
        lang: String,
    },
    /// An absolute http or https URL.
    Link {
        url: String,
    },
    Quote,
}

impl Style {
    /// Whether it stays within a line.
    fn is_inline(&self) -> bool {
        !matches!(self, Self::Pre { .. } | Self::Quote)
    }

    /// Whether its content is shown letter by letter.
    fn is_code(&self) -> bool {
        matches!(self, Self::Code | Self::Pre { .. })
    }
}

impl Rich {
    /// Reads Markdown (CommonMark with tables, strikethrough and task lists). Headings become bold
    /// lines, lists and tables plain lines; mathematics and unknown markup stay as written.
    pub fn parse(markdown: &str) -> Self {
        markdown::parse(markdown)
    }

    /// Text without formatting.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), spans: Vec::new() }
    }

    /// The text without markup.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole text as `dialect` writes it.
    pub fn render(&self, dialect: Dialect) -> String {
        self.render_range(0..self.text.len(), dialect)
    }

    /// A stretch of it, with every style closed that is open at its ends.
    pub(crate) fn render_range(&self, range: Range<usize>, dialect: Dialect) -> String {
        render::render(self, range, dialect)
    }

    /// Adds `other` as a paragraph of its own.
    pub(crate) fn append(&mut self, other: Self) {
        if !self.text.is_empty() && !other.text.is_empty() {
            self.text.push_str("\n\n");
        }
        let offset = self.text.len();
        self.text.push_str(&other.text);
        self.spans.extend(other.spans.into_iter().map(|span| Span {
            range: span.range.start + offset..span.range.end + offset,
            style: span.style,
        }));
    }

    /// Whether the byte at `at` belongs to a code block.
    pub(crate) fn is_pre(&self, at: usize) -> bool {
        self.spans
            .iter()
            .any(|span| matches!(span.style, Style::Pre { .. }) && span.range.contains(&at))
    }
}
