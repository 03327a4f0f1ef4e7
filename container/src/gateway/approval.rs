//! What an agent asks before it runs a command, and the answer, in the gateway's words.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use zaki_envelope::{Timestamp, wire::Decision};

use super::{CallError, Link, protocol::or_default};

/// How long the gateway may take to take an answer: less than the edge waits for it.
const PATIENCE: Duration = Duration::from_secs(8);
/// Before an answer is given again.
const AGAIN: Duration = Duration::from_millis(200);

/// Why an answer is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Untaken {
    /// Nobody asks that, or nobody does any more.
    Unasked,
    /// It has another answer, or cannot have this one.
    Decided,
    /// The gateway takes none for now.
    NotReady,
}

/// Gives the agent its answer. The gateway takes the same one again, so one that it does not take for
/// now, while its store is busy or it is connected to anew, is given again.
pub(crate) async fn resolve(
    link: &Link,
    approval: &str,
    decision: Decision,
) -> Result<(), Untaken> {
    let params = json!({"id": approval, "decision": spoken(decision)});
    let taken = async {
        loop {
            match give(link, &params).await {
                Err(Untaken::NotReady) => sleep(AGAIN).await,
                taken => break taken,
            }
        }
    };
    timeout(PATIENCE, taken).await.unwrap_or(Err(Untaken::NotReady))
}

async fn give(link: &Link, params: &Value) -> Result<(), Untaken> {
    let owner = link.owner().ok_or(Untaken::NotReady)?;
    match owner.call::<Value>("exec.approval.resolve", params).await {
        Ok(_) => Ok(()),
        Err(CallError::Refused(refusal)) if refusal.reason() == Some("APPROVAL_NOT_FOUND") => {
            Err(Untaken::Unasked)
        }
        Err(CallError::Refused(refusal)) if !refusal.is_temporary() => Err(Untaken::Decided),
        Err(error) => {
            tracing::warn!(%error, "an answer is not taken for now");
            Err(Untaken::NotReady)
        }
    }
}

/// The agent asks before it runs a command.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalRequest {
    pub(crate) id: String,
    pub(crate) request: ApprovalSubject,
    expires_at_ms: Option<i64>,
}

impl ApprovalRequest {
    /// What it may be answered. `allow-always` is not offered for every command.
    pub(crate) fn decisions(&self) -> Vec<Decision> {
        let all = [Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let allowed = &self.request.allowed_decisions;
        let is_allowed = |decision: &Decision| allowed.iter().any(|word| word == spoken(*decision));
        all.into_iter().filter(is_allowed).collect()
    }

    /// When it counts as denied.
    pub(crate) fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at_ms.map(Timestamp::from_ms)
    }
}

/// A decision in the gateway's word.
const fn spoken(decision: Decision) -> &'static str {
    match decision {
        Decision::AllowOnce => "allow-once",
        Decision::AllowAlways => "allow-always",
        Decision::Deny => "deny",
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ApprovalSubject {
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) command: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) session_key: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) run_id: String,
    #[serde(default, deserialize_with = "or_default")]
    allowed_decisions: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As captured of 2026.9.6, shortened.
    #[test]
    fn a_question_says_what_it_may_be_answered() {
        let asked = |decisions: Value| {
            let request = json!({"command": "ls", "sessionKey": "s", "runId": "r",
                                 "allowedDecisions": decisions});
            let payload = json!({"approvalKind": "exec", "id": "a", "request": request,
                                 "createdAtMs": 5, "expiresAtMs": 7});
            serde_json::from_value::<ApprovalRequest>(payload).unwrap()
        };
        let approval = asked(json!(["allow-once", "of-a-newer-release", "deny"]));
        assert_eq!(approval.decisions(), [Decision::AllowOnce, Decision::Deny]);
        assert_eq!(approval.expires_at(), Some(Timestamp::from_ms(7)));
        assert_eq!(asked(json!(null)).decisions(), []);
    }
}
