//! OpenClaw session keys, made and read in one place.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{ConversationKind, Inbound, ThreadId};

/// The key of one conversation inside a sandbox.
///
/// All direct messages of a person share `agent:main:hub:dm:<n>`. A shared conversation gets
/// `agent:group:hub:<channel>:<scope>:<conversation>[:<thread>]`, run by OpenClaw's second agent
/// `group`, which has neither the private agent's memory nor its tools.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionKey(String);

impl SessionKey {
    /// The person's `n`-th private session; `/new` counts up.
    pub fn direct(n: u32) -> Self {
        Self(format!("agent:main:hub:dm:{n}"))
    }

    /// The session `inbound` belongs to.
    pub fn of(inbound: &Inbound) -> Self {
        if inbound.conversation.kind == ConversationKind::Direct {
            return Self::direct(1);
        }
        let mut pieces = vec![
            inbound.channel.as_str(),
            inbound.sender.scope.as_str(),
            inbound.conversation.id.as_str(),
        ];
        pieces.extend(inbound.conversation.thread.as_ref().map(ThreadId::as_str));
        let pieces: Vec<String> = pieces.into_iter().map(key_part).collect();
        Self(format!("agent:group:hub:{}", pieces.join(":")))
    }

    /// The key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether others read along, so that nothing private may be used.
    pub fn is_shared(&self) -> bool {
        !self.0.starts_with("agent:main:")
    }
}

/// OpenClaw lowercases keys and splits them at colons, so neither may come from outside.
fn key_part(text: &str) -> String {
    if text.is_empty() {
        return "-".to_owned();
    }
    text.chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-._".contains(c) {
                c.to_ascii_lowercase()
            } else {
                '_'
            }
        })
        .collect()
}

impl fmt::Display for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
