//! What the edge asks a sandbox before it lets it rest.

use serde::{Deserialize, Serialize};

use crate::Timestamp;

/// When an agent wants to act by itself, with nobody writing to it. The answer to `GET reminders`
/// and to `POST suspend` inside a sandbox; while it rests somebody else has to watch the time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminders {
    /// The first of them; `None`: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
}
