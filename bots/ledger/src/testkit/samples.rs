//! Messages, turns and deliveries to try a ledger with, told apart by a number.

use zaki_envelope::{
    AccountName, Address, ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey,
    DeliveryId, Inbound, InboundId, InboundKind, MessageId, Outbound, Part, SandboxKind, Sender,
    SenderId, SenderScope, SessionKey, Timestamp, TurnId, Version, ZakiUserId,
};

use crate::{Batch, Begin, DeliveryKind, Line, NewDelivery, NewInbound, NewTurn, ReplyPlan};

/// A moment, `n` milliseconds into the story.
pub fn at(n: i64) -> Timestamp {
    Timestamp::from_ms(1_790_000_000_000 + n)
}

/// A direct message that wants an answer.
pub fn message(n: u32) -> Inbound {
    let dedupe = DedupeKey::new(format!("telegram:7:{n}"));
    let received_at = at(i64::from(n));
    Inbound {
        v: Version,
        id: InboundId::derive(received_at, &account("main"), &dedupe),
        channel: ChannelKind::Telegram,
        account: account("main"),
        dedupe,
        sent_at: None,
        received_at,
        conversation: Conversation::new(ConversationId::new("42"), ConversationKind::Direct),
        sender: Sender::new(SenderScope::new(""), SenderId::new("42")),
        kind: InboundKind::Message,
        message: Some(MessageId::new(n.to_string())),
        parts: vec![Part::text(format!("question {n}"))],
        reply_to: None,
        group: None,
        addressed: true,
        trace: None,
    }
}

/// An account by name.
pub(super) fn account(name: &str) -> AccountName {
    name.parse().unwrap()
}

/// A message without a reply handle, in no line.
pub fn said(n: u32) -> NewInbound {
    NewInbound { inbound: message(n), handle: None, settled: None, line: None }
}

/// The same in the line of one of several senders.
pub fn said_by(sender: u32, n: u32) -> NewInbound {
    let mut by = message(n);
    by.sender.id = SenderId::new(sender.to_string());
    NewInbound { line: Some(Line::of(&by)), ..said(n) }
}

/// A turn has begun with nothing but its own messages.
pub fn begun() -> Begin {
    Begin::Begun { earlier: Vec::new() }
}

/// One request with these messages.
pub fn batch(items: Vec<NewInbound>) -> Batch {
    Batch {
        channel: ChannelKind::Telegram,
        account: account("main"),
        received_at: at(0),
        raw: b"raw request".to_vec(),
        items,
        dead: Vec::new(),
        cursor: None,
    }
}

/// The id of the `n`-th turn.
pub fn turn_id(n: u32) -> TurnId {
    TurnId::from_parts(at(i64::from(n)), u128::from(n))
}

/// A turn that answers these messages.
pub fn turn(n: u32, messages: &[u32]) -> NewTurn {
    let inbounds = messages.iter().map(|n| message(*n).id);
    NewTurn {
        id: turn_id(n),
        user: ZakiUserId::from_parts(at(0), 1),
        session: SessionKey::direct(1),
        sandbox: SandboxKind::Personal,
        inbounds: inbounds.collect(),
        reply: ReplyPlan { address: Address::of(&message(0)), reply_to: Some(MessageId::new("1")) },
        at: at(i64::from(n)),
    }
}

/// The same turn of another person.
pub fn in_lane(lane: u32, mut turn: NewTurn) -> NewTurn {
    turn.user = ZakiUserId::from_parts(at(0), 1000 + u128::from(lane));
    turn
}

/// The id of the `n`-th delivery.
pub fn delivery_id(n: u32) -> DeliveryId {
    DeliveryId::from_parts(at(i64::from(n)), u128::from(n))
}

/// The `n`-th delivery, as part `part` of its reply.
pub fn delivery(n: u32, turn: Option<u32>, part: u32) -> NewDelivery {
    NewDelivery {
        id: delivery_id(n),
        turn: turn.map(turn_id),
        address: Address::of(&message(0)),
        outbound: Outbound::post(format!("answer {n}")),
        kind: DeliveryKind::Reply,
        part,
        not_before: Timestamp::default(),
        fleeting: false,
    }
}

/// The same delivery to another conversation.
pub fn elsewhere(mut delivery: NewDelivery) -> NewDelivery {
    delivery.address.conversation.id = ConversationId::new("other");
    delivery
}
