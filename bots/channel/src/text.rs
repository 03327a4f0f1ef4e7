//! How formatting is written on each platform.

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
