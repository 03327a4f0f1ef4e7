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
    /// To ask about turns and to choose their models. No `operator.admin`: without it a model chosen
    /// for a session does not become everybody's.
    Turns,
    /// To hand turns over and to follow them, as the gateway's owner: for nobody else it offers the agent's own
    /// scheduler (measured with 2026.9.6). What is handed over is never read as a command, see
    /// `suppressCommandInterpretation`. Also to answer what agents ask: the gateway shows that to
    /// admins and to paired devices alone, and asks only when one of them listens.
    Owner {
        /// It listens.
        asks: bool,
    },
    /// To let the gateway rest, as its host may. It hears what is said, and nobody listens.
    Host,
}

impl Role {
    const fn scopes(self) -> &'static [&'static str] {
        match self {
            // An agent asks with the scopes of whoever began its turn.
            Self::Turns => &["operator.read", "operator.write", "operator.approvals"],
            Self::Owner { .. } => {
                &["operator.admin", "operator.read", "operator.write", "operator.approvals"]
            }
            Self::Host => &["operator.admin", "operator.read"],
        }
    }

    const fn capabilities(self) -> &'static [&'static str] {
        match self {
            Self::Owner { asks: true } => &["tool-events", "exec-approvals"],
            Self::Owner { asks: false } => &["tool-events"],
            Self::Turns | Self::Host => &[],
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
    /// A job of the agent's was planned, began or ended; of no session.
    Job(JobEvent),
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct JobEvent {
    #[serde(default, deserialize_with = "or_default")]
    action: String,
}

impl JobEvent {
    /// Whether there may be something to say.
    pub(crate) fn has_ended(&self) -> bool {
        self.action == "finished"
    }
}

impl SessionEvent {
    /// Reads an event; `None` for those that turns do not use.
    pub(crate) fn parse(event: &str, payload: Value) -> Option<Self> {
        match event {
            "chat" => serde_json::from_value(payload).ok().map(Self::Chat),
            "agent" => serde_json::from_value(payload).ok().map(Self::Agent),
            "exec.approval.requested" => serde_json::from_value(payload).ok().map(Self::Approval),
            "cron" => serde_json::from_value(payload).ok().map(Self::Job),
            _ => None,
        }
    }

    /// The session it belongs to.
    pub(crate) fn session(&self) -> &str {
        match self {
            Self::Chat(chat) => &chat.session_key,
            Self::Agent(agent) => &agent.session_key,
            Self::Approval(approval) => &approval.request.session_key,
            Self::Job(_) => "",
        }
    }

    /// The run it belongs to.
    pub(crate) fn run(&self) -> &str {
        match self {
            Self::Chat(chat) => &chat.run_id,
            Self::Agent(agent) => &agent.run_id,
            Self::Approval(approval) => &approval.request.run_id,
            Self::Job(_) => "",
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
    #[serde(default, flatten)]
    file: Option<File>,
}

/// A file in an answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    artifact_id: String,
    #[serde(default)]
    mime_type: Option<String>,
    #[serde(default)]
    alt: Option<String>,
    #[serde(default)]
    title: Option<String>,
    #[serde(default, rename = "fileName")]
    called: Option<String>,
}

impl File {
    /// What the gateway knows it by.
    pub(crate) fn artifact(&self) -> &str {
        &self.artifact_id
    }

    pub(crate) fn name(&self) -> &str {
        let names = [&self.called, &self.title, &self.alt];
        names.into_iter().flatten().next().map_or("file", String::as_str)
    }

    pub(crate) fn mime(&self) -> String {
        self.mime_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned())
    }
}

impl Content {
    /// The files in it.
    pub(crate) fn files(&self) -> Vec<File> {
        match self {
            Self::Blocks(blocks) => blocks.iter().filter_map(|block| block.file.clone()).collect(),
            Self::Plain(_) | Self::Other(_) => Vec::new(),
        }
    }

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
    #[serde(default, rename = "__openclaw")]
    record: Option<Record>,
}

/// What the gateway notes about a line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(default)]
    run_id: Option<String>,
}

impl Row {
    /// The run it is of.
    pub(crate) fn run(&self) -> Option<&str> {
        self.record.as_ref()?.run_id.as_deref()
    }
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
mod tests;
