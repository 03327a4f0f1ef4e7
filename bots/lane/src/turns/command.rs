//! Commands that the hub carries out itself. All others are the agent's.

use zaki_envelope::{Inbound, InboundKind, Part};

use super::Mode;

/// A command of the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// `/stop`: end what runs and forget what waits.
    Stop,
    /// `/mode queue|steer|interrupt`; none for any other word, or without one.
    Mode(Option<Mode>),
}

/// The command that a bot is addressed by where a platform must know commands beforehand.
const OURS: &str = "zaki";

impl Command {
    /// The command that `inbound` gives, if it is one of ours: natively where the platform has
    /// commands, behind `/zaki` too, and as a text that begins with a slash everywhere.
    pub fn of(inbound: &Inbound) -> Option<Self> {
        let mut words = words(inbound);
        match &inbound.kind {
            InboundKind::Command { name } if is_ours(name) => Self::behind_ours(words),
            InboundKind::Command { name } => Self::named(name, words.next()),
            InboundKind::Message => Self::slashed(words.next()?, words.next()),
            _ => None,
        }
    }

    /// `/zaki /stop`, and `/zaki stop` where nothing else is said: the rest is for the agent.
    fn behind_ours<'t>(mut words: impl Iterator<Item = &'t str>) -> Option<Self> {
        let (first, second) = (words.next()?, words.next());
        if first.starts_with('/') {
            return Self::slashed(first, second);
        }
        Self::named(first, second).filter(|command| match command {
            Self::Stop => second.is_none(),
            Self::Mode(mode) => mode.is_some() && words.next().is_none(),
        })
    }

    fn slashed(first: &str, second: Option<&str>) -> Option<Self> {
        let name = first.strip_prefix('/')?;
        // Telegram's groups: `/stop@the_bot`. Whether that is us is `addressed`.
        let name = name.split_once('@').map_or(name, |(name, _)| name);
        Self::named(name, second)
    }

    fn named(name: &str, word: Option<&str>) -> Option<Self> {
        match name.trim_start_matches('/').to_ascii_lowercase().as_str() {
            "stop" => Some(Self::Stop),
            "mode" => {
                let mode = word.and_then(|word| word.to_ascii_lowercase().parse().ok());
                Some(Self::Mode(mode))
            }
            _ => None,
        }
    }
}

fn is_ours(name: &str) -> bool {
    name.trim_start_matches('/').eq_ignore_ascii_case(OURS)
}

/// The words of a message, without those at its head that only call the bot.
fn words(inbound: &Inbound) -> impl Iterator<Item = &str> {
    let said = inbound.parts.iter().find_map(|part| match part {
        Part::Text { text, mentions } => Some((text.as_str(), mentions.as_slice())),
        _ => None,
    });
    let (mut text, mentions) = said.unwrap_or_default();
    text = text.trim_start();
    while let Some(rest) = mentions.iter().find_map(|it| strip(text, &it.text)) {
        text = rest.trim_start();
    }
    text.split_whitespace()
}

/// `text` without `mention` at its head; an empty one strips nothing, or it would do so for ever.
fn strip<'t>(text: &'t str, mention: &str) -> Option<&'t str> {
    text.strip_prefix(mention).filter(|rest| rest.len() < text.len())
}
