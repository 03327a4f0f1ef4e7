//! What a sandbox says of the gateway in it, for operators.

use serde::{Deserialize, Serialize};

/// How the gateway does: part of the answer to `GET health` inside a sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayState {
    /// Since its process started, in milliseconds.
    pub up_ms: u64,
    /// What its process has in memory, in bytes; 0: it is not known.
    pub memory: u64,
    /// The WebSocket connections to it that stand.
    pub connections: u32,
}
