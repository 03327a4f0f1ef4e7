//! The frames of OpenClaw's WebSocket protocol 4, as far as turns use them.
//!
//! Read tolerantly: unknown kinds and fields are skipped, so that a newer gateway loses nothing we
//! know. Captured against openclaw 2026.9.6; its own description is `docs/gateway/protocol`.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::approval::ApprovalRequest;

/// What the gateway sends.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Frame {
    /// The answer to a request.
    Res(Response),
    /// Something happened.
    Event {
        event: String,
        #[serde(default)]
        payload: Value,
    },
    #[serde(other)]
    Other,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Response {
    pub(crate) id: String,
    pub(crate) ok: bool,
    #[serde(default)]
    pub(crate) payload: Value,
    pub(crate) error: Option<Refusal>,
}

/// Why a request was refused.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Refusal {
    #[serde(default)]
    pub(crate) code: String,
    #[serde(default)]
    pub(crate) retryable: bool,
    pub(crate) retry_after_ms: Option<u64>,
    #[serde(default)]
    details: Value,
}

impl Refusal {
    /// The reason in its details, such as `APPROVAL_NOT_FOUND`.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.details.get("reason").and_then(Value::as_str)
    }

    /// Whether the same request may succeed later: the gateway starts, restarts or suspends.
    pub(crate) fn is_temporary(&self) -> bool {
        self.retryable || self.code == "UNAVAILABLE"
    }

    /// Whether the gateway may mean the idempotency key: it has died with a message that came
    /// under it, and takes that only as a new one ("Pending input ownership ended"). Measured:
    /// `UNAVAILABLE` with nothing about a later try.
    pub(crate) fn may_mean_the_key(&self) -> bool {
        self.code == "UNAVAILABLE" && !self.retryable && self.retry_after_ms.is_none()
    }
}

/// A request frame.
pub(crate) fn request(id: &str, method: &str, params: &Value) -> String {
    json!({"type": "req", "id": id, "method": method, "params": params}).to_string()
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// To run turns. No `operator.admin`: without it no chat command can change the configuration,
    /// and a model chosen for a session does not become everybody's.
    Turns,
    /// To hear what agents ask, and to answer. The gateway shows that to admins and to paired
    /// devices alone (measured with 2026.9.6), and asks only when one of them listens.
    Approvals,
    /// To let the gateway rest, as its host may. It hears what is said, and nobody listens.
    Host,
}

impl Role {
    const fn scopes(self) -> &'static [&'static str] {
        match self {
            // An agent asks with the scopes of whoever began its turn.
            Self::Turns => &["operator.read", "operator.write", "operator.approvals"],
            Self::Approvals => &["operator.admin", "operator.approvals"],
            Self::Host => &["operator.admin", "operator.read"],
        }
    }

    const fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::Turns => &["tool-events"],
            Self::Approvals => &["exec-approvals"],
            Self::Host => &[],
        }
    }
}

/// The first request. `client.id` is a closed set at the gateway.
pub(crate) fn connect_params(token: &str, role: Role) -> Value {
    json!({
        "minProtocol": 4,
        "maxProtocol": 4,
        "client": {"id": "gateway-client", "version": env!("CARGO_PKG_VERSION"),
                   "platform": "linux", "mode": "backend"},
        "role": "operator",
        "scopes": role.scopes(),
        "caps": role.capabilities(),
        "auth": {"token": token},
    })
}

/// `hello-ok`.
#[derive(Debug, Deserialize)]
pub(crate) struct Hello {
    pub(crate) server: Server,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Server {
    pub(crate) version: String,
}

/// The answer to `chat.send`.
#[derive(Debug, Deserialize)]
pub(crate) struct SendAnswer {
    #[serde(default)]
    pub(crate) status: String,
}

/// An event that concerns one session.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum SessionEvent {
    Chat(ChatEvent),
    Agent(AgentEvent),
    Approval(ApprovalRequest),
}

impl SessionEvent {
    /// Reads an event; `None` for those that turns do not use.
    pub(crate) fn parse(event: &str, payload: Value) -> Option<Self> {
        match event {
            "chat" => serde_json::from_value(payload).ok().map(Self::Chat),
            "agent" => serde_json::from_value(payload).ok().map(Self::Agent),
            "exec.approval.requested" => serde_json::from_value(payload).ok().map(Self::Approval),
            _ => None,
        }
    }

    /// The session it belongs to.
    pub(crate) fn session(&self) -> &str {
        match self {
            Self::Chat(chat) => &chat.session_key,
            Self::Agent(agent) => &agent.session_key,
            Self::Approval(approval) => &approval.request.session_key,
        }
    }

    /// The run it belongs to.
    pub(crate) fn run(&self) -> &str {
        match self {
            Self::Chat(chat) => &chat.run_id,
            Self::Agent(agent) => &agent.run_id,
            Self::Approval(approval) => &approval.request.run_id,
        }
    }
}

/// How a run goes on.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ChatEvent {
    pub(crate) run_id: String,
    pub(crate) session_key: String,
    pub(crate) state: ChatState,
    pub(crate) delta_text: Option<String>,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) replace: bool,
    pub(crate) message: Option<Message>,
    pub(crate) error_kind: Option<String>,
    pub(crate) error_detail: Option<ErrorDetail>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorDetail {
    pub(crate) failover_reason: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ChatState {
    Delta,
    Final,
    Aborted,
    Error,
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub(crate) struct Message {
    #[serde(default)]
    pub(crate) content: Content,
}

/// Text, plain or in blocks.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Content {
    Plain(String),
    Blocks(Vec<Block>),
    Other(Value),
}

impl Default for Content {
    fn default() -> Self {
        Self::Blocks(Vec::new())
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub(crate) struct Block {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    text: String,
}

impl Content {
    /// The words alone; tool calls and thinking are no answer.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Plain(text) => text.clone(),
            Self::Blocks(blocks) => blocks
                .iter()
                .filter(|block| block.kind == "text")
                .map(|block| block.text.as_str())
                .collect(),
            Self::Other(_) => String::new(),
        }
    }
}

/// What an agent does while it answers.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AgentEvent {
    pub(crate) run_id: String,
    #[serde(default)]
    pub(crate) session_key: String,
    pub(crate) stream: String,
    #[serde(default)]
    pub(crate) data: AgentData,
}

/// The fields of the streams `lifecycle`, `tool` and `usage`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct AgentData {
    pub(crate) name: Option<String>,
    pub(crate) phase: Option<String>,
    pub(crate) input_tokens: Option<u64>,
    pub(crate) output_tokens: Option<u64>,
}

/// The answer to `chat.history`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    #[serde(default, deserialize_with = "readable")]
    pub(crate) messages: Vec<Row>,
    #[serde(default)]
    session_info: Option<SessionInfo>,
    pub(crate) in_flight_run: Option<InFlight>,
}

impl History {
    /// Whether the session has a run that is going on or about to be resumed.
    pub(crate) fn is_active(&self) -> bool {
        self.in_flight_run.is_some()
            || self.session_info.as_ref().is_some_and(|info| info.has_active_run)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionInfo {
    #[serde(default, deserialize_with = "or_default")]
    has_active_run: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InFlight {
    pub(crate) run_id: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) text: String,
}

/// One line of the transcript.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Row {
    pub(crate) role: String,
    /// `<turn or run id>:user` on what was said.
    pub(crate) idempotency_key: Option<String>,
    #[serde(default)]
    pub(crate) content: Content,
    pub(crate) stop_reason: Option<String>,
    pub(crate) usage: Option<RowUsage>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RowUsage {
    pub(crate) input: u64,
    pub(crate) output: u64,
}

/// `null` counts as absent.
pub(super) fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

/// The rows that can be read; a strange one does not hide the others.
fn readable<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Row>, D::Error> {
    let rows: Vec<Value> = Deserialize::deserialize(from)?;
    Ok(rows.into_iter().filter_map(|row| serde_json::from_value(row).ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strange_frames_are_skipped_and_known_ones_survive_strange_fields() {
        let frame: Frame = serde_json::from_value(json!({"type": "new", "x": 1})).unwrap();
        assert!(matches!(frame, Frame::Other));
        let chat = json!({"runId": "r", "sessionKey": "s", "state": "dreaming", "replace": null,
                          "message": {"content": {"odd": true}}});
        let Some(SessionEvent::Chat(chat)) = SessionEvent::parse("chat", chat) else {
            unreachable!("a chat event");
        };
        assert_eq!(chat.state, ChatState::Other);
        assert_eq!(chat.message.unwrap().content.text(), "");
        assert!(SessionEvent::parse("tick", json!({})).is_none());
    }

    #[test]
    fn history_keeps_the_rows_it_can_read() {
        let history: History = serde_json::from_value(json!({
            "messages": [
                {"role": "user", "content": "hi", "idempotencyKey": "t:user"},
                {"role": 7},
                {"role": "assistant", "stopReason": "stop", "usage": {"input": 3, "output": 1},
                 "content": [{"type": "thinking", "text": "no"}, {"type": "text", "text": "yes"}]},
            ],
            "sessionInfo": {"hasActiveRun": true},
        }))
        .unwrap();
        assert!(history.is_active());
        assert_eq!(history.messages.len(), 2);
        assert_eq!(history.messages[1].content.text(), "yes");
    }
}
