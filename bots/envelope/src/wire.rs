//! The wire between hub, edge and sandbox: JSON requests, Server-Sent Events back.
//!
//! Routes, all under `/v1/users/{userId}/` at the edge and under `/v1/` inside a sandbox:
//! `POST turns`, `GET turns/{turn}?after=seq`, `POST turns/{turn}/steer`,
//! `POST turns/{turn}/abort`, `POST approvals/{id}`. At the edge alone: `POST wake`, `GET usage`,
//! `POST retire`, `POST reinstate`, and `DELETE /v1/users/{userId}` itself. Inside a sandbox alone:
//! `GET health`, `POST suspend` (200: the agent rests; 409: it is busy), `POST resume`,
//! `GET reminders`, and [`proactive`] messages. What operators have done is in `operator` and `backup`.
//!
//! The other way round, from the edge to the hub: [`web`], [`proactive`].
//!
//! A stream of events says something at least every [`SIGN_OF_LIFE`], if only a comment. A reader
//! that hears nothing for [`SILENCE`] has lost the connection, whatever TCP says (half-open ones
//! stay "established" for minutes): it hangs up and resumes with `after`.
//!
//! Every call may be made again with the same ids after an unknown outcome; none acts twice.

use std::time::Duration;

mod approval;
mod backup;
mod event;
mod gateway;
mod model;
mod operator;
mod person;
pub mod proactive;
mod rest;
mod sse;
mod turn;
mod usage;
pub mod web;

pub use approval::{ApprovalAnswer, Decision};
pub use backup::{
    BACKUP_HEADER, Backup, BackupOutcome, BackupState, BackupSummary, RestoreRequest, SandboxReport,
};
pub use event::{AgentInfo, ErrorCode, TurnEvent, TurnEventKind, WakeStage};
pub use gateway::GatewayState;
pub use model::{ModelReport, ProviderReport};
pub use operator::{
    AgentConfig, ExecOutput, ExecRequest, Logs, Outcome, PatchRequest, Release, SandboxPhase,
    Standing, StopRequest,
};
pub use person::RetireRequest;
pub use rest::Reminders;
pub use sse::{SseDecoder, SseError, encode_sse};
pub use turn::{Budget, Origin, SteerRequest, TurnRequest, WakeAnswer};
pub use usage::{Unasked, Usage, UsageReport};

/// The longest a stream of events stays silent; then comes a comment (`: keep-alive`).
pub const SIGN_OF_LIFE: Duration = Duration::from_secs(5);
/// The silence after which a reader takes the connection for lost.
pub const SILENCE: Duration = Duration::from_secs(15);
