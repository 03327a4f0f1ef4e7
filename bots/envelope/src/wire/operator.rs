//! What operators have done with a sandbox, and what they see of it.
//!
//! At the edge, all under `/v1/users/{userId}/sandbox/`: `POST start`, `POST stop`, `POST freeze`,
//! `POST restart`, `POST upgrade`, `POST exec`, `GET logs?lines=n`, `GET config`, `POST patch`. What
//! may take its time begins at once and ends, after some line ends that keep it alive, with an
//! [`Outcome`]. Inside a sandbox: `POST exec` ([`ExecRequest`] to [`ExecOutput`]; 409: somebody else
//! works in there), `GET logs?lines=n` (text), `GET config`, and `PATCH config` with a JSON merge
//! patch (RFC 7396) and `If-Match` (412: it is not what was seen; 422: it is not taken).

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome<T> {
    /// This.
    Done(T),
    /// It came to nothing.
    Failed {
        /// Why, in a sentence.
        why: String,
    },
}

impl<T> Outcome<T> {
    /// It came to nothing.
    pub fn failed(why: impl Into<String>) -> Self {
        Self::Failed { why: why.into() }
    }
}

impl<T> From<Result<T, String>> for Outcome<T> {
    fn from(result: Result<T, String>) -> Self {
        match result {
            Ok(done) => Self::Done(done),
            Err(why) => Self::Failed { why },
        }
    }
}

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxPhase {
    /// Nothing of it runs.
    #[default]
    Stopped,
    /// It waits until the machine may start one more.
    Queued,
    /// It starts.
    Starting,
    /// It takes turns.
    Running,
    /// It is held still, with all it has in memory.
    Frozen,
    /// It is on its way to rest.
    Resting,
    /// It is being ended.
    Stopping,
}

impl SandboxPhase {
    /// In a word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Queued => "queued",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Frozen => "frozen",
            Self::Resting => "resting",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for SandboxPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Which version of its agent a sandbox runs on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Release {
    /// The one it runs on, or will at its next start; `None`: it has never started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The one it is to have.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// Why it could not have that one: it went back to the one before, with the memory of then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// `POST stop` and `POST restart`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopRequest {
    /// Its turns end with an error instead of being waited for.
    pub now: bool,
}

/// What `start`, `stop`, `freeze`, `restart` and `upgrade` have come to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Where it is now.
    pub phase: SandboxPhase,
    /// What it runs on, or will at its next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// `POST exec`: a program run as the sandbox's own user in its workspace, with none of its secrets
/// in the environment. One at a time; nothing is backed up meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecRequest {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// What it reads.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub input: String,
    /// How long it may take, in milliseconds; [`ExecRequest::USUAL_MS`] otherwise, and never more
    /// than [`ExecRequest::MOST_MS`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
}

impl ExecRequest {
    /// As long as most take, in milliseconds.
    pub const USUAL_MS: u64 = 60_000;
    /// Nothing may take longer, in milliseconds.
    pub const MOST_MS: u64 = 600_000;
    /// So much of each of its two outputs is kept, in bytes; what comes after is dropped.
    pub const MOST_OUTPUT: usize = 256 * 1024;

    /// How long this one may take, in milliseconds.
    pub fn patience_ms(&self) -> u64 {
        self.timeout_ms.unwrap_or(Self::USUAL_MS).clamp(1, Self::MOST_MS)
    }
}

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecOutput {
    /// Its exit code; 128 and the signal that ended it.
    pub code: i32,
    /// It took too long, and was ended with all that it had started in its group.
    #[serde(default)]
    pub timed_out: bool,
    /// There was more output than is kept.
    #[serde(default)]
    pub cut: bool,
    /// What it said; what is no UTF-8 is replaced.
    pub stdout: String,
    /// What it said on the other one.
    pub stderr: String,
}

/// The last lines of each log, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Logs {
    /// `sandbox`: the program in it; `gateway`: what OpenClaw prints; others as they are called.
    pub logs: BTreeMap<String, String>,
}

/// The configuration of a sandbox's agent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AgentConfig {
    /// Changes with the configuration, and with nothing else.
    pub etag: String,
    /// What was patched.
    pub patch: Value,
    /// All of it, as the agent has it. It holds no secret.
    pub config: Value,
    /// What a patch may touch, as paths with `*` for any name. All else is the operator's.
    pub open: Vec<String>,
}

/// `POST patch`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PatchRequest {
    /// The [`AgentConfig::etag`] that was seen; with another one nothing is changed.
    pub if_match: String,
    /// A JSON merge patch over what was patched before.
    pub patch: Value,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_outcome_is_what_it_holds_and_a_word() {
        let standing = Standing { phase: SandboxPhase::Frozen, version: None };
        let done = serde_json::to_value(Outcome::Done(standing)).unwrap();
        assert_eq!(done, json!({"outcome": "done", "phase": "frozen"}));
        let failed: Outcome<Standing> =
            serde_json::from_value(json!({"outcome": "failed", "why": "no room"})).unwrap();
        assert_eq!(failed, Outcome::failed("no room"));
    }

    #[test]
    fn nothing_takes_longer_than_it_may() {
        let patience = |timeout_ms| ExecRequest { timeout_ms, ..<_>::default() }.patience_ms();
        assert_eq!(patience(None), ExecRequest::USUAL_MS);
        assert_eq!(patience(Some(u64::MAX)), ExecRequest::MOST_MS);
        assert_eq!(patience(Some(0)), 1);
    }
}
