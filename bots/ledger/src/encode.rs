//! Domain values as the columns of a database, made before the database is asked for anything:
//! whoever holds the transaction should not be the one who writes JSON.

use std::sync::Arc;

use serde::Serialize;
use zaki_envelope::{Address, ConversationKind, Inbound, MessageId, Outbound, Timestamp, TurnId};
use zaki_store::Keys;

use crate::inbound::digest;
use crate::privacy::SenderKey;
use crate::sealed::Column;
use crate::{Batch, Claimed, Delivery, DeliveryState, Error, NewDelivery, NewInbound, NewTurn};

pub(crate) fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Encode(Arc::new(error)))
}

/// What leaves for one conversation of one bot is in order; its threads share the order.
pub(crate) fn conversation(to: &Address) -> String {
    format!("{}/{}/{}", to.channel, to.account, to.conversation.id.as_str())
}

/// PostgreSQL keeps no zero character, and no platform means one in an id.
pub(crate) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// An envelope as it is stored in the row `id`.
pub(crate) fn envelope(keys: &Keys, id: &str, inbound: &Inbound) -> Result<String, Error> {
    Ok(keys.seal_text(Column::Envelope.of(&id), json(inbound)?)?)
}

/// What leaves as it is stored in the row `id`.
fn outbound(keys: &Keys, id: &str, outbound: &Outbound) -> Result<String, Error> {
    Ok(keys.seal_text(Column::Outbound.of(&id), json(outbound)?)?)
}

/// What stands for the key of a message once its sender has been erased.
pub(crate) fn seen(channel: &str, account: &str, dedupe: &str) -> [u8; 16] {
    digest(&[channel, account, dedupe])
}

/// A message and what is stored of it.
pub(crate) struct Message {
    pub id: String,
    pub envelope: String,
    /// The address its reply handle serves.
    pub address: Option<String>,
    /// The secret of its reply handle.
    pub secret: Option<String>,
    /// A digest of who wrote it.
    pub sender: [u8; 16],
    /// A digest of its key.
    pub seen: [u8; 16],
}

impl Message {
    fn of(item: &NewInbound, keys: &Keys) -> Result<Self, Error> {
        let (inbound, handle) = (&item.inbound, item.handle.as_ref());
        let address = handle.map(|_| json(&Address::of(inbound)));
        let sealed = |secret: String| keys.seal_text(Column::Secret.of(&inbound.id), secret);
        let id = inbound.id.to_string();
        Ok(Self {
            envelope: envelope(keys, &id, inbound)?,
            address: address.transpose()?,
            secret: handle.map(|handle| sealed(handle.secret.clone())).transpose()?,
            sender: SenderKey::of(inbound).digest(),
            seen: seen(inbound.channel.as_str(), inbound.account.as_str(), inbound.dedupe.as_str()),
            id,
        })
    }

    /// The messages of a request, in order.
    pub(crate) fn all(batch: &Batch, keys: &Keys) -> Result<Vec<Self>, Error> {
        batch.items.iter().map(|item| Self::of(item, keys)).collect()
    }
}

/// A turn's columns.
pub(crate) struct Turn {
    pub id: String,
    pub user: String,
    pub session: String,
    pub sandbox: String,
    pub address: String,
    pub reply_to: Option<String>,
    pub at: i64,
    /// As messages that wait for the lane carry it; SQL makes the same from the row of a turn.
    pub lane: String,
    pub inbounds: Vec<String>,
}

impl Turn {
    pub(crate) fn of(turn: &NewTurn) -> Result<Self, Error> {
        let (user, session) = (turn.user.to_string(), json(&turn.session)?);
        Ok(Self {
            id: turn.id.to_string(),
            lane: format!("{user} {session}"),
            user,
            session,
            sandbox: json(&turn.sandbox)?,
            address: json(&turn.reply.address)?,
            reply_to: turn.reply.reply_to.as_ref().map(MessageId::as_str).map(str::to_owned),
            at: turn.at.as_ms(),
            inbounds: turn.inbounds.iter().map(ToString::to_string).collect(),
        })
    }
}

/// A delivery and its columns.
pub(crate) struct Parcel {
    pub new: NewDelivery,
    pub id: String,
    pub turn: Option<String>,
    pub reply: String,
    pub conversation: String,
    pub address: String,
    pub outbound: String,
}

impl Parcel {
    /// One reply: that of `turn`, or else what one call posts.
    pub(crate) fn reply(
        new: Vec<NewDelivery>,
        turn: Option<TurnId>,
        keys: &Keys,
    ) -> Result<Vec<Self>, Error> {
        let reply = match (turn, new.first()) {
            (Some(turn), _) => turn.to_string(),
            (None, Some(first)) => first.id.to_string(),
            (None, None) => String::new(),
        };
        let parcel = |mut new: NewDelivery| {
            new.turn = turn.or(new.turn);
            let id = new.id.to_string();
            Ok(Self {
                turn: new.turn.map(|turn| turn.to_string()),
                reply: reply.clone(),
                conversation: conversation(&new.address),
                address: json(&new.address)?,
                outbound: outbound(keys, &id, &new.outbound)?,
                id,
                new,
            })
        };
        new.into_iter().map(parcel).collect()
    }

    /// What a turn may say at its end. When all it was asked has been erased meanwhile, whoever asked
    /// is gone, and to where nobody else is nothing is said any more. One reply goes to one place.
    pub(crate) fn still_said(parcels: &[Self], is_asked: bool) -> &[Self] {
        let is_private = |it: &Self| it.new.address.conversation.kind == ConversationKind::Direct;
        if is_asked || !parcels.iter().all(is_private) { parcels } else { &[] }
    }

    /// As it is once its first attempt has been claimed, without asking the database.
    pub(crate) fn claimed(&self, at: Timestamp) -> Claimed {
        let new = self.new.clone();
        let delivery = Delivery {
            id: new.id,
            turn: new.turn,
            address: Address { handle: None, ..new.address },
            outbound: new.outbound,
            kind: new.kind,
            part: new.part,
            state: DeliveryState::Sending,
            attempts: 1,
            not_before: new.not_before,
            reason: None,
            receipt: Vec::new(),
            changed_at: at,
        };
        Claimed { delivery, handle: None }
    }
}
