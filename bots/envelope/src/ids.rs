//! Every typed id. An id is made in one place and only parsed elsewhere, so that a wrong
//! combination does not compile and a malformed one does not travel.

use std::{fmt, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::{Address, Conversation, Timestamp};

/// Why a text is not the id it claims to be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} must be {rule}")]
pub struct IdError {
    /// Name of the id type.
    pub kind: &'static str,
    /// What a valid one looks like.
    pub rule: &'static str,
}

/// A way by which people come. The one list of channels; adding one starts here.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum ChannelKind {
    /// Telegram Bot API.
    Telegram,
    /// Discord gateway and interactions.
    Discord,
    /// WhatsApp Cloud API.
    WhatsApp,
    /// Slack Events API and Web API.
    Slack,
    /// Sign-in on the web, brought by the edge: people whom the issuer of a token names. No bot.
    Web,
}

impl ChannelKind {
    /// The chat platforms, in the order they are shown to people: all that a bot can be on.
    pub const ALL: [Self; 4] = [Self::Telegram, Self::Discord, Self::WhatsApp, Self::Slack];

    /// The name in routes, config and the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Telegram => "telegram",
            Self::Discord => "discord",
            Self::WhatsApp => "whatsapp",
            Self::Slack => "slack",
            Self::Web => "web",
        }
    }
}

impl fmt::Display for ChannelKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for ChannelKind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        Self::ALL.into_iter().chain([Self::Web]).find(|kind| kind.as_str() == text).ok_or(IdError {
            kind: "channel",
            rule: "one of telegram, discord, whatsapp, slack, web",
        })
    }
}

/// An id the platform made: kept as text, compared as text, never taken apart outside its channel.
macro_rules! platform_id {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the platform's text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    )*};
}

platform_id! {
    /// A chat, channel or direct conversation on its platform.
    ConversationId,
    /// A thread or topic inside a conversation.
    ThreadId,
    /// What holds conversations together: a Discord guild, a Slack workspace.
    SpaceId,
    /// One message on its platform.
    MessageId,
    /// Who wrote, as the platform numbers people. Never a display name.
    SenderId,
    /// The space a [`SenderId`] is unique in (Slack enterprise or team, WhatsApp portfolio); empty
    /// where ids are global. Never the account: two bots see one person.
    SenderScope,
    /// What makes one *logical* message unique, whichever way and however often it arrives.
    DedupeKey,
    /// What the messages of one album have in common.
    GroupId,
    /// What the channel needs to fetch a medium again. Never a URL that holds a token.
    MediaRef,
    /// W3C `traceparent`, handed on from webhook to sandbox.
    TraceContext,
}

/// An id of ours: a ULID, in lowercase Crockford base 32 (26 characters).
macro_rules! own_id {
    ($($(#[$doc:meta])* $name:ident = $kind:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(with = "String")]
        pub struct $name(Ulid);

        impl $name {
            /// From a time and 80 bits of randomness (the high bits of `random` are dropped).
            pub const fn from_parts(at: Timestamp, random: u128) -> Self {
                Self(Ulid::from_parts(at.as_ms().unsigned_abs(), random))
            }

            /// The time it was minted at.
            pub fn minted_at(self) -> Timestamp {
                Timestamp::from_ms(i64::try_from(self.0.timestamp_ms()).unwrap_or(i64::MAX))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0.to_string().to_ascii_lowercase())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let error = IdError { kind: $kind, rule: "a ULID of 26 lowercase characters" };
                let id = Self(Ulid::from_string(text).map_err(|_| error.clone())?);
                // Only the canonical text: no second spelling of one id may exist.
                if id.to_string() == text { Ok(id) } else { Err(error) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;

            fn try_from(text: String) -> Result<Self, IdError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.to_string()
            }
        }
    )*};
}

own_id! {
    /// A person. Only `identity` mints one; everywhere else it is parsed from a verified wire.
    ZakiUserId = "userId",
    /// One accepted message.
    InboundId = "inbound id",
    /// One turn of the agent; also its idempotency key all the way down to OpenClaw.
    TurnId = "turn id",
    /// One message that leaves.
    DeliveryId = "delivery id",
    /// One backup of a sandbox: its version, later ones greater.
    BackupId = "backup id",
    /// One call of the edge to the hub that may be made only once.
    CallId = "call id",
    /// One message of an agent that no turn has asked for.
    ProactiveId = "proactive id",
    /// One place where a person talks to us, see [`PlaceId::derive`].
    PlaceId = "place id",
}

impl PlaceId {
    /// The id of a place as one person's: always the same, and another one for everybody else, so
    /// that it opens nothing to whoever hears of it.
    pub fn derive(user: ZakiUserId, place: &Address) -> Self {
        let Conversation { id, thread, .. } = &place.conversation;
        let mut hash = Sha256::new();
        for piece in [
            user.to_string().as_str(),
            place.channel.as_str(),
            place.account.as_str(),
            id.as_str(),
            thread.as_ref().map_or("", ThreadId::as_str),
        ] {
            hash.update(piece);
            hash.update("\n");
        }
        Self::from_parts(Timestamp::default(), eighty_bits(&hash.finalize()))
    }
}

/// The beginning of a hash, in place of randomness.
fn eighty_bits(digest: &[u8]) -> u128 {
    digest.iter().take(10).fold(0, |bits, byte| bits << 8 | u128::from(*byte))
}

impl InboundId {
    /// All of its bits.
    pub(crate) const fn bits(self) -> u128 {
        self.0.0
    }

    /// The id of a message: its time of arrival, and a hash of what makes it unique (the bot that
    /// got it and its dedupe key) in place of randomness, so that parsing stays pure.
    pub fn derive(received_at: Timestamp, account: &AccountName, dedupe: &DedupeKey) -> Self {
        let hash = Sha256::new().chain_update(account.as_str()).chain_update("\n");
        let digest = hash.chain_update(dedupe.as_str()).finalize();
        Self::from_parts(received_at, eighty_bits(&digest))
    }
}

/// The configured name of one bot on one channel, as in `/webhooks/<channel>/<account>`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct AccountName(String);

impl AccountName {
    /// The one account of [`ChannelKind::Web`], which has no bots to tell apart.
    pub fn web() -> Self {
        Self("web".to_owned())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for AccountName {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            Err(IdError { kind: "account name", rule: "1 to 32 of a-z, 0-9 and -" })
        }
    }
}

impl TryFrom<String> for AccountName {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<AccountName> for String {
    fn from(name: AccountName) -> Self {
        name.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_ids_round_trip_in_one_spelling_only() {
        let id = ZakiUserId::from_parts(Timestamp::from_ms(1_795_228_321_344), 42);
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        assert_eq!(text, text.to_lowercase());
        assert_eq!(id.minted_at(), Timestamp::from_ms(1_795_228_321_344));
        assert!(text.to_uppercase().parse::<ZakiUserId>().is_err());
        assert!("i".repeat(26).parse::<ZakiUserId>().is_err());
        assert!("../etc".parse::<ZakiUserId>().is_err());
    }

    #[test]
    fn inbound_id_depends_on_time_account_and_dedupe_key_alone() {
        let at = Timestamp::from_ms(1_700_000_000_000);
        let (main, other): (AccountName, AccountName) =
            ("main".parse().unwrap(), "other".parse().unwrap());
        let key = DedupeKey::new("telegram:1:2");
        let id = InboundId::derive(at, &main, &key);
        assert_eq!(id, InboundId::derive(at, &main, &key));
        assert_ne!(id, InboundId::derive(at, &other, &key));
        assert_ne!(id, InboundId::derive(at, &main, &DedupeKey::new("telegram:1:3")));
        assert!(id < InboundId::derive(at.plus_ms(1), &main, &key));
    }

    #[test]
    fn a_place_is_each_persons_own() {
        let user = |n| ZakiUserId::from_parts(Timestamp::from_ms(1), n);
        let at = |id: &str, thread: Option<&str>| Address {
            channel: ChannelKind::Slack,
            account: "main".parse().unwrap(),
            conversation: Conversation {
                thread: thread.map(ThreadId::new),
                ..Conversation::new(ConversationId::new(id), crate::ConversationKind::Group)
            },
            handle: None,
        };
        let place = PlaceId::derive(user(1), &at("C1", None));
        assert_eq!(place, PlaceId::derive(user(1), &at("C1", None)));
        assert_eq!(place.to_string().parse(), Ok(place));
        for other in [
            PlaceId::derive(user(2), &at("C1", None)),
            PlaceId::derive(user(1), &at("C2", None)),
            PlaceId::derive(user(1), &at("C1", Some("t"))),
        ] {
            assert_ne!(place, other);
        }
    }

    #[test]
    fn channels_are_read_as_they_are_written() {
        for channel in ChannelKind::ALL.into_iter().chain([ChannelKind::Web]) {
            assert_eq!(channel.to_string().parse(), Ok(channel));
        }
        assert!("Web".parse::<ChannelKind>().is_err());
        assert!(!ChannelKind::ALL.contains(&ChannelKind::Web), "no bot is there");
    }

    #[test]
    fn account_names_stay_within_their_alphabet() {
        assert!("main-2".parse::<AccountName>().is_ok());
        assert_eq!("web".parse(), Ok(AccountName::web()));
        for bad in ["", "Main", "a/b", "a b", &"a".repeat(33)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad:?}");
        }
    }
}
