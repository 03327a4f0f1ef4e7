//! What was said, as a text that people read.

use time::OffsetDateTime;
use zaki_envelope::{ChannelKind, Outbound, Timestamp, plain_text};
use zaki_ledger::Kept;

/// A line of a conversation, and when it was said; none for what nobody said.
pub(crate) fn line(kept: &Kept) -> Option<(Timestamp, String)> {
    match kept {
        Kept::Message(it) => {
            let message = &it.message;
            let who = if message.sender.is_bot { "somebody's program" } else { "you" };
            said(message.received_at, message.channel, who, &plain_text(&message.parts))
        }
        Kept::Delivery(it) => match &it.outbound {
            Outbound::Post { parts, .. } | Outbound::Edit { parts, .. } => {
                said(it.changed_at, it.address.channel, "the bot", &plain_text(parts))
            }
            _ => None,
        },
        Kept::Turn(_) | Kept::DeadLetter(_) => None,
    }
}

fn said(at: Timestamp, channel: ChannelKind, who: &str, text: &str) -> Option<(Timestamp, String)> {
    let shown = format!("{}, {channel}, {who}:\n{}\n\n", minute(at), text.trim());
    (!text.trim().is_empty()).then_some((at, shown))
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
    use super::*;

    #[test]
    fn a_line_says_when_where_and_who() {
        let at = Timestamp::from_secs(1_795_282_845);
        let (then, line) = said(at, ChannelKind::Slack, "you", " hello\n").unwrap();
        assert_eq!((then, line.as_str()), (at, "2026-11-21 17:40 UTC, slack, you:\nhello\n\n"));
        assert_eq!(said(at, ChannelKind::Slack, "you", " \n"), None);
    }
}
