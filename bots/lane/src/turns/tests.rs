//! Stories of one lane, and the messages that all tests of this module use.

use zaki_envelope::{
    ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, GroupId, Inbound,
    InboundId, InboundKind, Part, Sender, SenderId, SenderScope, Timestamp, Version,
};

/// What somebody writes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Message {
    Text(&'static str),
    /// A picture of an album.
    Piece(&'static str),
    /// As long as a client lets a text be before it is cut.
    Long,
}

/// The `n`-th message, from Telegram and in private.
pub(super) fn inbound(n: usize, what: Message) -> Inbound {
    let at = Timestamp::from_ms(1_000_000 + i64::try_from(n).unwrap());
    let group = match what {
        Message::Piece(album) => Some(GroupId::new(album)),
        _ => None,
    };
    let text = match what {
        Message::Text(text) => text.to_owned(),
        Message::Piece(_) => String::new(),
        Message::Long => "x".repeat(4096),
    };
    Inbound {
        v: Version,
        id: InboundId::from_parts(at, 0),
        channel: ChannelKind::Telegram,
        account: "main".parse().unwrap(),
        dedupe: DedupeKey::new(n.to_string()),
        sent_at: None,
        received_at: at,
        conversation: Conversation {
            id: ConversationId::new("7"),
            kind: ConversationKind::Direct,
            thread: None,
        },
        sender: Sender::new(SenderScope::new(""), SenderId::new("7")),
        kind: InboundKind::Message,
        message: None,
        parts: vec![Part::text(text)],
        reply_to: None,
        group,
        addressed: true,
        trace: None,
    }
}
