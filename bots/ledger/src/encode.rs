//! Domain values as the columns of a database, made before the database is asked for anything:
//! whoever holds the transaction should not be the one who writes JSON.

use std::sync::Arc;

use serde::Serialize;
use zaki_envelope::{Address, MessageId, Timestamp, TurnId};

use crate::{Batch, Claimed, Delivery, DeliveryState, Error, NewDelivery, NewInbound, NewTurn};

fn json(value: &impl Serialize) -> Result<String, Error> {
    serde_json::to_string(value).map_err(|error| Error::Encode(Arc::new(error)))
}

/// What leaves for one conversation of one bot is in order; its threads share the order.
fn conversation(to: &Address) -> String {
    format!("{}/{}/{}", to.channel, to.account, to.conversation.id.as_str())
}

/// A message and what is stored of it.
pub(crate) struct Message {
    pub id: String,
    pub envelope: String,
    /// The address its reply handle serves.
    pub address: Option<String>,
}

impl Message {
    fn of(item: &NewInbound) -> Result<Self, Error> {
        let address = item.handle.as_ref().map(|_| json(&Address::of(&item.inbound)));
        Ok(Self {
            id: item.inbound.id.to_string(),
            envelope: json(&item.inbound)?,
            address: address.transpose()?,
        })
    }

    /// The messages of a request, in order.
    pub(crate) fn all(batch: &Batch) -> Result<Vec<Self>, Error> {
        batch.items.iter().map(Self::of).collect()
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
    pub(crate) fn reply(new: Vec<NewDelivery>, turn: Option<TurnId>) -> Result<Vec<Self>, Error> {
        let reply = match (turn, new.first()) {
            (Some(turn), _) => turn.to_string(),
            (None, Some(first)) => first.id.to_string(),
            (None, None) => String::new(),
        };
        let parcel = |mut new: NewDelivery| {
            new.turn = turn.or(new.turn);
            Ok(Self {
                id: new.id.to_string(),
                turn: new.turn.map(|turn| turn.to_string()),
                reply: reply.clone(),
                conversation: conversation(&new.address),
                address: json(&new.address)?,
                outbound: json(&new.outbound)?,
                new,
            })
        };
        new.into_iter().map(parcel).collect()
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
