//! What was said, as a text that people read.

use time::OffsetDateTime;
use zaki_envelope::{ChannelKind, Outbound, Timestamp, plain_text};
use zaki_ledger::Kept;
use zaki_words::{Archive, Say, Voice};

/// What somebody said. In order of time, then of all else.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Line {
    at: Timestamp,
    channel: ChannelKind,
    who: Who,
    text: String,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    You,
    Bot,
    Program,
}

/// A line of a conversation; none for what nobody said.
pub(crate) fn line(kept: &Kept) -> Option<Line> {
    match kept {
        Kept::Message(it) => {
            let message = &it.message;
            let who = if message.sender.is_bot { Who::Program } else { Who::You };
            said(message.received_at, message.channel, who, &plain_text(&message.parts))
        }
        Kept::Delivery(it) => match &it.outbound {
            Outbound::Post { parts, .. } | Outbound::Edit { parts, .. } => {
                said(it.changed_at, it.address.channel, Who::Bot, &plain_text(parts))
            }
            _ => None,
        },
        Kept::Turn(_) | Kept::DeadLetter(_) | Kept::Illegible(_) => None,
    }
}

/// In which language whoever wrote this uses their platform, where it says so.
pub(crate) fn locale(kept: &Kept) -> Option<String> {
    match kept {
        Kept::Message(it) if !it.message.sender.is_bot => it.message.sender.locale.clone(),
        _ => None,
    }
}

fn said(at: Timestamp, channel: ChannelKind, who: Who, text: &str) -> Option<Line> {
    let text = text.trim().to_owned();
    (!text.is_empty()).then_some(Line { at, channel, who, text })
}

impl Line {
    /// As it stands in the text, with an empty line behind it.
    pub(crate) fn say(&self, voice: Voice) -> String {
        let who = match self.who {
            Who::You => Archive::You,
            Who::Bot => Archive::Bot,
            Who::Program => Archive::Program,
        };
        let Self { at, channel, text, .. } = self;
        format!("{}, {channel}, {}:\n{text}\n\n", minute(*at), who.say(voice))
    }
}

/// `2026-11-21 17:40 UTC`.
fn minute(at: Timestamp) -> String {
    let then = OffsetDateTime::from_unix_timestamp(at.as_secs());
    let then = then.unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (date, (hour, minute, _)) = (then.date(), then.to_hms());
    let (year, month, day) = date.to_calendar_date();
    format!("{year:04}-{:02}-{day:02} {hour:02}:{minute:02} UTC", u8::from(month))
}

#[cfg(test)]
mod tests {
    use zaki_words::Lang;

    use super::*;

    #[test]
    fn a_line_says_when_where_and_who() {
        let at = Timestamp::from_secs(1_795_282_845);
        let line = said(at, ChannelKind::Slack, Who::You, " hello\n").unwrap();
        let shown = |lang| line.say(Voice::new(lang));
        assert_eq!(shown(Lang::En), "2026-11-21 17:40 UTC, slack, you:\nhello\n\n");
        assert_eq!(shown(Lang::Fr), "2026-11-21 17:40 UTC, slack, toi:\nhello\n\n");
        assert_eq!(said(at, ChannelKind::Slack, Who::You, " \n"), None);
    }
}
