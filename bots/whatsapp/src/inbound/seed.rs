//! What every envelope of a change has in common, and how ids are made.

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use zaki_envelope::{
    AccountName, ChannelKind, Conversation, ConversationId, ConversationKind, DedupeKey, Inbound,
    InboundId, InboundKind, Sender, Timestamp, Version,
};

use super::payload::{Contact, Metadata};
use super::people::People;

/// A change.
#[derive(Clone, Copy)]
pub(super) struct Seed<'a> {
    pub(super) account: &'a AccountName,
    pub(super) scope: &'a str,
    /// Where things happen that belong to no conversation: the business account.
    pub(super) place: &'a str,
    /// Ours; empty accepts any.
    pub(super) phone_number_id: &'a str,
    pub(super) received_at: Timestamp,
    pub(super) metadata: &'a Metadata,
    pub(super) contacts: &'a [Contact],
}

impl<'a> Seed<'a> {
    pub(super) fn people(&self) -> People<'a> {
        People { scope: self.scope, contacts: self.contacts }
    }

    /// Whether the change is about our number. One app hears of all numbers of its business.
    pub(super) fn is_for_us(&self) -> bool {
        let theirs = &self.metadata.phone_number_id;
        self.phone_number_id.is_empty() || theirs.is_empty() || theirs == self.phone_number_id
    }

    /// An envelope without content, in the private conversation with `sender`.
    pub(super) fn inbound(&self, key: &str, sender: Sender, kind: InboundKind) -> Inbound {
        let dedupe = DedupeKey::new(format!("whatsapp:{key}"));
        let id = if sender.is_bot { self.place } else { sender.id.as_str() };
        Inbound {
            v: Version,
            id: InboundId::derive(self.received_at, self.account, &dedupe),
            channel: ChannelKind::WhatsApp,
            account: self.account.clone(),
            dedupe,
            sent_at: None,
            received_at: self.received_at,
            conversation: Conversation::new(ConversationId::new(id), ConversationKind::Direct),
            sender,
            kind,
            message: None,
            parts: Vec::new(),
            reply_to: None,
            group: None,
            addressed: false,
            trace: None,
        }
    }
}

/// A key for what has no id of its own.
pub(super) fn key_of_bytes(raw: &RawValue) -> String {
    let digest = Sha256::digest(raw.get().as_bytes());
    format!("bytes:{}", hex::encode(digest))
}

/// Unix seconds, written as text or as a number.
pub(super) fn time(value: &serde_json::Value) -> Option<Timestamp> {
    let text = value.as_str().and_then(|text| text.parse().ok());
    let secs: i64 = text.or_else(|| value.as_i64()).filter(|secs| *secs > 0)?;
    Some(Timestamp::from_secs(secs))
}

/// A group conversation.
pub(super) fn group(id: &str) -> Conversation {
    Conversation::new(ConversationId::new(id), ConversationKind::Group)
}
