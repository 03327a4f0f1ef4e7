//! Whose things are meant.

use std::collections::BTreeMap;

use zaki_envelope::{
    AccountName, Address, ChannelKind, ConversationId, Inbound, SenderId, SenderScope, Timestamp,
    TurnId, ZakiUserId,
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
    /// Since when it is theirs: numbers get new owners. What came by it before is theirs only where
    /// it was in a turn of theirs.
    pub since: Timestamp,
    /// Until when, if that is over: whoever comes by it later is somebody else.
    pub until: Option<Timestamp>,
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
    /// Since when it is with them.
    pub since: Timestamp,
}

impl SenderKey {
    /// Who wrote a message; always the same person's.
    pub fn of(inbound: &Inbound) -> Self {
        let (scope, id) = (inbound.sender.scope.clone(), inbound.sender.id.clone());
        let since = Timestamp::default();
        Self { channel: inbound.channel, scope, id, since, until: None }
    }

    /// As the rows of messages carry it.
    pub(crate) fn digest(&self) -> [u8; 16] {
        digest(&[self.channel.as_str(), self.scope.as_str(), self.id.as_str()])
    }
}

impl Place {
    /// The place of an address; always with the same person.
    pub fn of(address: &Address) -> Self {
        let (account, conversation) = (address.account.clone(), address.conversation.id.clone());
        Self { channel: address.channel, account, conversation, since: Timestamp::default() }
    }

    /// As the rows of deliveries carry it.
    fn key(&self) -> String {
        format!("{}/{}/{}", self.channel, self.account, self.conversation.as_str())
    }
}

/// The last moment that an id can name (48 bits).
const LAST: Timestamp = Timestamp::from_ms((1 << 48) - 1);

/// By what the messages of a sender are found that are theirs, and not a former owner's.
#[derive(Clone, Debug)]
pub(super) struct Claim {
    pub digest: Vec<u8>,
    /// The first id of what came in since it is theirs.
    pub floor: String,
    /// The first id of what is not any more.
    pub end: String,
    /// All users, as one text: what was in a turn of one of these is theirs all the same.
    pub users: String,
}

/// Conversations by their keys, and since when each is theirs.
#[derive(Clone, Debug, Default)]
pub(super) struct Places(pub BTreeMap<String, Timestamp>);

impl Places {
    /// Of what is known twice, the later time counts.
    pub(super) fn add(&mut self, place: String, since: Timestamp) {
        let known = self.0.entry(place).or_insert(since);
        *known = since.max(*known);
    }
}

/// The least id of what was minted since then: ids of all kinds begin with their time.
pub(super) fn floor(since: Timestamp) -> String {
    TurnId::from_parts(since, 0).to_string()
}

impl Who {
    /// Since when a sender is theirs, if it is.
    pub(super) fn since(&self, sender: &[u8]) -> Option<Timestamp> {
        self.senders.iter().find(|key| key.digest() == sender).map(|key| key.since)
    }

    pub(super) fn claim(&self, sender: &SenderKey) -> Claim {
        let users: Vec<_> = self.users.iter().map(ZakiUserId::to_string).collect();
        let digest = sender.digest().to_vec();
        let end = floor(sender.until.unwrap_or(LAST));
        Claim { digest, floor: floor(sender.since), end, users: users.join(" ") }
    }

    pub(super) fn places(&self) -> Places {
        let mut places = Places::default();
        for place in &self.places {
            places.add(place.key(), place.since);
        }
        places
    }

    /// Whether one of their ids on this platform, or on any if it is not known which, stands as a word
    /// in bytes that nobody understands, and that came in then.
    pub(super) fn is_named_in(
        &self,
        channel: Option<ChannelKind>,
        at: Timestamp,
        raw: &[u8],
    ) -> bool {
        let fits = |of: ChannelKind| channel.is_none_or(|channel| channel == of);
        let is_theirs = |key: &SenderKey| key.since <= at && key.until.is_none_or(|end| at < end);
        let senders = self.senders.iter().filter(|key| fits(key.channel) && is_theirs(key));
        let is_place = |place: &&Place| fits(place.channel) && place.since <= at;
        let places = self.places.iter().filter(is_place);
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
