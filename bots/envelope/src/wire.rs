//! The wire between hub, edge and sandbox: JSON requests, Server-Sent Events back.
//!
//! Routes, all under `/v1/users/{userId}/` at the edge and under `/v1/` inside a sandbox:
//! `POST turns`, `GET turns/{turn}?after=seq`, `POST turns/{turn}/abort`, `POST wake`.

mod event;
mod sse;
mod turn;

pub use event::{AgentInfo, ErrorCode, TurnEvent, TurnEventKind, Usage, WakeStage};
pub use sse::{SseDecoder, SseError, encode_sse};
pub use turn::{Budget, Origin, TurnRequest, WakeAnswer};
