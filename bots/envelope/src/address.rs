//! Where a reply goes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{AccountName, ChannelKind, Conversation, Inbound, Timestamp};

/// A conversation as one of our bots reaches it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Address {
    /// The platform.
    pub channel: ChannelKind,
    /// The bot that sends.
    pub account: AccountName,
    /// The place, thread included.
    pub conversation: Conversation,
    /// A short-lived right to answer. Never serialised: the ledger keeps it beside the address.
    #[serde(skip)]
    pub handle: Option<ReplyHandle>,
}

impl Address {
    /// The place `inbound` came from.
    pub fn of(inbound: &Inbound) -> Self {
        Self {
            channel: inbound.channel,
            account: inbound.account.clone(),
            conversation: inbound.conversation.clone(),
            handle: None,
        }
    }
}

/// A secret that arrives with a message and lets us answer it a few times, for a while: a Discord
/// interaction token, a Slack `response_url`. When it has expired, an ordinary message serves.
#[derive(Clone, PartialEq, Eq)]
pub struct ReplyHandle {
    /// The token or URL. Shown to its platform alone.
    pub secret: String,
    /// From then on it is void.
    pub expires_at: Timestamp,
    /// How many answers it is still good for.
    pub uses_left: u32,
}

impl ReplyHandle {
    /// Whether it can still be used.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.uses_left > 0 && now < self.expires_at
    }
}

impl fmt::Debug for ReplyHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyHandle")
            .field("expires_at", &self.expires_at)
            .field("uses_left", &self.uses_left)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_never_prints_its_secret() {
        let handle = ReplyHandle {
            secret: "tell-nobody".into(),
            expires_at: Timestamp::from_ms(10),
            uses_left: 1,
        };
        assert!(!format!("{handle:?}").contains("tell-nobody"));
        assert!(handle.is_live(Timestamp::from_ms(9)));
        assert!(!handle.is_live(Timestamp::from_ms(10)));
    }
}
