//! Whose things are meant.

use std::collections::BTreeSet;

use zaki_envelope::{
    AccountName, Address, ChannelKind, ConversationId, Inbound, SenderId, SenderScope, ZakiUserId,
};

use crate::inbound::digest;

/// A person, by everything they are known by here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Who {
    /// The person, and whoever was merged into them: turns keep the id they began with.
    pub users: Vec<ZakiUserId>,
    /// Their ids on the platforms, former ones and aliases included.
    pub senders: Vec<SenderKey>,
    /// Direct conversations with them that are known from elsewhere. Those they have written in, or
    /// were answered in, are found without.
    pub places: Vec<Place>,
}

/// A person's id on a platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SenderKey {
    /// The platform.
    pub channel: ChannelKind,
    /// The space the id is unique in.
    pub scope: SenderScope,
    /// The id.
    pub id: SenderId,
}

/// A conversation of one of our bots.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The platform.
    pub channel: ChannelKind,
    /// The bot.
    pub account: AccountName,
    /// The conversation.
    pub conversation: ConversationId,
}

impl SenderKey {
    /// Who wrote a message.
    pub fn of(inbound: &Inbound) -> Self {
        let sender = &inbound.sender;
        Self { channel: inbound.channel, scope: sender.scope.clone(), id: sender.id.clone() }
    }

    /// As the rows of messages carry it.
    pub(crate) fn digest(&self) -> [u8; 16] {
        digest(&[self.channel.as_str(), self.scope.as_str(), self.id.as_str()])
    }
}

impl Place {
    /// The place of an address.
    pub fn of(address: &Address) -> Self {
        let conversation = address.conversation.id.clone();
        Self { channel: address.channel, account: address.account.clone(), conversation }
    }

    /// As the rows of deliveries carry it.
    fn key(&self) -> String {
        format!("{}/{}/{}", self.channel, self.account, self.conversation.as_str())
    }
}

impl Who {
    pub(super) fn wrote(&self, sender: &[u8]) -> bool {
        self.senders.iter().any(|key| key.digest() == sender)
    }

    pub(super) fn places(&self) -> BTreeSet<String> {
        self.places.iter().map(Place::key).collect()
    }

    /// Whether one of their ids on this platform stands as a word in bytes that nobody understands.
    pub(super) fn is_named_in(&self, channel: ChannelKind, raw: &[u8]) -> bool {
        let senders = self.senders.iter().filter(|key| key.channel == channel);
        let places = self.places.iter().filter(|place| place.channel == channel);
        let ids = senders.map(|key| key.id.as_str());
        ids.chain(places.map(|place| place.conversation.as_str())).any(|id| stands_in(id, raw))
    }
}

fn stands_in(word: &str, raw: &[u8]) -> bool {
    let word = word.as_bytes();
    let is_part = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    !word.is_empty()
        && raw.windows(word.len()).enumerate().any(|(at, window)| {
            window == word
                && !is_part(at.checked_sub(1).and_then(|before| raw.get(before)))
                && !is_part(raw.get(at + word.len()))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_as_a_word_of_its_own() {
        for raw in ["42", r#"{"from":{"id":42}}"#, r#""42""#, "142 42"] {
            assert!(stands_in("42", raw.as_bytes()), "{raw}");
        }
        for raw in ["", "4", "142", "420", "a42", "42b", "4 2"] {
            assert!(!stands_in("42", raw.as_bytes()), "{raw}");
        }
        assert!(!stands_in("", b"anything"));
    }
}
