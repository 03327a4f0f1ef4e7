//! How one speaks to somebody.

use zaki_envelope::ChannelKind;

use crate::{Lang, catalogue::Phrase};

/// A language, and how commands are typed where it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Voice {
    /// The language.
    pub lang: Lang,
    /// The command that all others stand behind, where the platform's clients send no other.
    pub(crate) behind: Option<&'static str>,
}

impl Voice {
    /// Where commands are typed as they are: `/stop`.
    pub const fn new(lang: Lang) -> Self {
        Self { lang, behind: None }
    }

    /// On a channel. Slack's clients send no text that begins with a slash unless it is a command
    /// they know, and Discord's offer what is registered: there it is `/zaki /stop`.
    pub const fn on(lang: Lang, channel: ChannelKind) -> Self {
        let behind = match channel {
            ChannelKind::Slack | ChannelKind::Discord => Some("zaki"),
            ChannelKind::Telegram | ChannelKind::WhatsApp | ChannelKind::Web => None,
        };
        Self { lang, behind }
    }

    /// A phrase of the catalogue, whose variables follow.
    pub(crate) fn phrase(self, key: &'static str) -> Phrase {
        Phrase::new(self, key)
    }

    /// A phrase without variables.
    pub(crate) fn text(self, key: &'static str) -> String {
        self.phrase(key).said()
    }

    /// A phrase without variables, to be put into another one.
    pub(crate) fn part(self, key: &'static str) -> String {
        self.phrase(key).part()
    }
}

/// The name a channel has everywhere.
pub(crate) const fn brand(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Telegram => "Telegram",
        ChannelKind::Discord => "Discord",
        ChannelKind::WhatsApp => "WhatsApp",
        ChannelKind::Slack => "Slack",
        ChannelKind::Web => "Web",
    }
}
