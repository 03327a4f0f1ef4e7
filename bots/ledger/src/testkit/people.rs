//! Several people, who write in private and where others read along.

use zaki_envelope::{
    Address, ConversationId, ConversationKind, DedupeKey, Inbound, InboundId, MessageId, Outbound,
    Part, ReplyHandle, SenderId, ZakiUserId,
};

use super::samples::{account, at, batch, delivery, message, turn};
use crate::{Batch, DeadLetter, NewDelivery, NewInbound, NewTurn, Place, SenderKey, Who};

/// The number by which a platform knows a person.
pub fn number(person: u32) -> String {
    format!("49170{person:07}")
}

/// A person's id.
pub fn user(person: u32) -> ZakiUserId {
    ZakiUserId::from_parts(at(0), 5000 + u128::from(person))
}

/// What a person says by their `n`-th message. No other text contains it.
pub fn words(person: u32, n: u32) -> String {
    format!("word-{person}-{n}-of-mine")
}

/// The answer to it.
pub fn answer(person: u32, n: u32) -> String {
    format!("answer-{person}-{n}-to-you")
}

/// Everything of a person.
pub fn who(person: u32) -> Who {
    let wrote = private(person, 0);
    Who {
        users: vec![user(person)],
        senders: vec![SenderKey::of(&wrote)],
        places: vec![Place::of(&Address::of(&wrote))],
    }
}

/// A person's `n`-th message, to the bot alone. Its key holds their number, as WhatsApp's does.
pub fn private(person: u32, n: u32) -> Inbound {
    let dedupe = DedupeKey::new(format!("telegram:{}:{n}", number(person)));
    let mut inbound = Inbound {
        id: InboundId::derive(at(i64::from(n)), &account("main"), &dedupe),
        dedupe,
        message: Some(MessageId::new(format!("{}-{n}", number(person)))),
        parts: vec![Part::text(words(person, n))],
        ..message(n)
    };
    inbound.sender.id = SenderId::new(number(person));
    inbound.sender.display_name = Some(format!("name-of-{person}"));
    inbound.conversation.id = ConversationId::new(number(person));
    inbound
}

/// The same where others read along.
pub fn shared(person: u32, n: u32) -> Inbound {
    let mut inbound = private(person, n);
    inbound.conversation.id = ConversationId::new("the-room");
    inbound.conversation.kind = ConversationKind::Group;
    inbound
}

/// With a right to answer it.
pub fn held(inbound: Inbound) -> NewInbound {
    let secret = format!("secret-of-{}", inbound.sender.id.as_str());
    let handle = ReplyHandle { secret, expires_at: at(1_000_000), uses_left: 5 };
    NewInbound { handle: Some(handle), ..new(inbound) }
}

/// Without.
pub fn new(inbound: Inbound) -> NewInbound {
    NewInbound { inbound, handle: None, settled: None, line: None }
}

/// A request that holds these, in the platform's words.
pub fn request(items: Vec<NewInbound>) -> Batch {
    let said = items.iter().map(|item| {
        let text = zaki_envelope::plain_text(&item.inbound.parts);
        format!("{{\"from\":{},\"text\":\"{text}\"}}", item.inbound.sender.id.as_str())
    });
    let raw = said.collect::<Vec<_>>().join(",").into_bytes();
    Batch { raw, ..batch(items) }
}

/// A request of which nothing made sense.
pub fn nonsense(person: u32) -> Batch {
    let raw = format!("{{\"from\":{},\"odd\":\"{}\"}}", number(person), words(person, 0));
    let letter = DeadLetter { reason: "not an update".into(), raw: raw.into_bytes() };
    Batch { raw: Vec::new(), dead: vec![letter], ..batch(Vec::new()) }
}

/// A turn of a person, that answers a message.
pub fn asks(person: u32, n: u32, inbound: &Inbound) -> NewTurn {
    let mut turn = NewTurn { user: user(person), ..turn(n, &[]) };
    turn.session = zaki_envelope::SessionKey::of(inbound);
    turn.inbounds = vec![inbound.id];
    turn.reply.address = Address::of(inbound);
    turn.reply.reply_to.clone_from(&inbound.message);
    turn
}

/// An answer to a message, or a notice about it.
pub fn replies(n: u32, turn: Option<u32>, to: &Inbound, text: String) -> NewDelivery {
    let reply_to = to.message.clone();
    let outbound = Outbound::Post { parts: vec![Part::text(text)], reply_to };
    NewDelivery { address: Address::of(to), outbound, ..delivery(n, turn, 0) }
}
