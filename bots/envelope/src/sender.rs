//! Who wrote a message, as the platform knows them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{SenderId, SenderScope};

/// A platform user. `(channel, scope, id)` names one person; nothing else here is identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sender {
    /// The space `id` is unique in; empty where ids are global.
    pub scope: SenderScope,
    /// The stable platform id.
    pub id: SenderId,
    /// What people see. Changes at will, so it is never a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// `@name`. Changes at will, so it is never a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle: Option<String>,
    /// The language they use the platform in, where it says so: an IETF tag (`de`, `pt-br`,
    /// `en-US`) as the platform writes it. A hint, never a key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// Another program, not a person.
    #[serde(default)]
    pub is_bot: bool,
    /// Further ids of the same person on this channel (WhatsApp: the phone number beside the
    /// business-scoped id), oldest scheme last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<SenderId>,
}

impl Sender {
    /// A sender known by its id alone.
    pub fn new(scope: SenderScope, id: SenderId) -> Self {
        Self {
            scope,
            id,
            display_name: None,
            handle: None,
            locale: None,
            is_bot: false,
            aliases: Vec::new(),
        }
    }
}
