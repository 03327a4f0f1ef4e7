//! What an agent asks before it runs a command, and the answer, in the gateway's words.

use serde::Deserialize;
use serde_json::{Value, json};
use zaki_envelope::{Timestamp, wire::Decision};

use super::protocol::or_default;

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

/// The parameters of `exec.approval.resolve`.
pub(crate) fn resolution(approval: &str, decision: Decision) -> Value {
    json!({"id": approval, "decision": spoken(decision)})
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
        assert_eq!(resolution("a", Decision::AllowAlways)["decision"], "allow-always");
    }
}
