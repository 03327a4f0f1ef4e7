//! From the gateway's events to the turn's: pure.

use zaki_envelope::{
    TurnId,
    wire::{ErrorCode, TurnEventKind, Usage},
};

use crate::gateway::protocol::{AgentEvent, ChatEvent, ChatState, SessionEvent};
use crate::recovery::turn_of;

/// How far one turn is.
#[derive(Debug)]
pub(crate) struct Progress {
    run: Run,
    /// The answer so far.
    text: String,
    /// The text shown so far belongs to a run that died.
    is_stale: bool,
    usage: Usage,
}

/// Which run answers the turn.
#[derive(Debug)]
enum Run {
    /// This one: the turn's own id, or the one the gateway resumed it under.
    Known(String),
    /// The gateway resumes the turn under an id it has not told yet.
    Awaited,
}

impl Progress {
    pub(crate) fn new(turn: TurnId) -> Self {
        Self {
            run: Run::Known(turn.to_string()),
            text: String::new(),
            is_stale: false,
            usage: Usage::default(),
        }
    }

    /// The gateway goes on with the turn under `run`, with `text` said so far. Returns what the
    /// reader has to know.
    pub(crate) fn resume(&mut self, run: Option<&str>, text: &str) -> Option<TurnEventKind> {
        let same = matches!(&self.run, Run::Known(known) if Some(known.as_str()) == run);
        if same && self.text == text {
            return None;
        }
        self.run = run.map_or(Run::Awaited, |run| Run::Known(run.to_owned()));
        self.is_stale = true;
        (!text.is_empty()).then(|| self.replace(text.to_owned()))
    }

    /// The run to abort, once it is known.
    pub(crate) fn run(&self) -> Option<&str> {
        match &self.run {
            Run::Known(run) => Some(run),
            Run::Awaited => None,
        }
    }

    /// Takes in an event of the session. Those of other runs leave no trace.
    pub(crate) fn take(&mut self, event: &SessionEvent) -> Option<TurnEventKind> {
        if !self.is_ours(event.run()) {
            return None;
        }
        match event {
            SessionEvent::Chat(chat) => self.take_chat(chat),
            SessionEvent::Agent(agent) => self.take_agent(agent),
            SessionEvent::Approval(approval) => Some(TurnEventKind::Approval {
                id: approval.id.clone(),
                command: approval.request.command.clone(),
            }),
        }
    }

    /// The end of a turn that somebody stopped, with what there was.
    pub(crate) fn stopped(&self) -> TurnEventKind {
        self.finished(self.text.clone(), true)
    }

    fn is_ours(&mut self, run: &str) -> bool {
        match &self.run {
            Run::Known(known) => known == run,
            // Another turn of ours in the same session keeps its own id.
            Run::Awaited if run.is_empty() || turn_of(run).is_some() => false,
            Run::Awaited => {
                self.run = Run::Known(run.to_owned());
                true
            }
        }
    }

    fn take_chat(&mut self, chat: &ChatEvent) -> Option<TurnEventKind> {
        let message = chat.message.as_ref().map(|message| message.content.text());
        match chat.state {
            ChatState::Delta => self.take_delta(chat, message),
            ChatState::Final => Some(self.finished(message.unwrap_or_default(), false)),
            ChatState::Aborted => {
                let text = message.unwrap_or_else(|| self.text.clone());
                Some(self.finished(text, true))
            }
            ChatState::Error => Some(failed(chat)),
            ChatState::Other => None,
        }
    }

    fn take_delta(&mut self, chat: &ChatEvent, message: Option<String>) -> Option<TurnEventKind> {
        let piece = chat.delta_text.clone().unwrap_or_default();
        let whole = message.unwrap_or_else(|| {
            let before = if chat.replace { "" } else { &self.text };
            format!("{before}{piece}")
        });
        if self.is_stale || chat.replace {
            return Some(self.replace(whole));
        }
        self.text = whole;
        (!piece.is_empty()).then_some(TurnEventKind::Delta { text: piece, replace: false })
    }

    fn replace(&mut self, whole: String) -> TurnEventKind {
        self.is_stale = false;
        self.text.clone_from(&whole);
        TurnEventKind::Delta { text: whole, replace: true }
    }

    fn take_agent(&mut self, agent: &AgentEvent) -> Option<TurnEventKind> {
        let data = &agent.data;
        match agent.stream.as_str() {
            // Each one counts from the start of the run.
            "usage" => {
                let usage = &mut self.usage;
                usage.input_tokens = data.input_tokens.unwrap_or(usage.input_tokens);
                usage.output_tokens = data.output_tokens.unwrap_or(usage.output_tokens);
                None
            }
            "tool" => {
                Some(TurnEventKind::Tool { name: data.name.clone()?, phase: data.phase.clone()? })
            }
            _ => None,
        }
    }

    fn finished(&self, text: String, aborted: bool) -> TurnEventKind {
        TurnEventKind::Final { text, usage: self.usage, aborted }
    }
}

/// The gateway's error text may quote the conversation, so only its kind goes on.
fn failed(chat: &ChatEvent) -> TurnEventKind {
    let kind = chat.error_kind.as_deref();
    let reason = chat.error_detail.as_ref();
    let reason = kind.or_else(|| reason.and_then(|detail| detail.failover_reason.as_deref()));
    let code = if kind == Some("timeout") { ErrorCode::Timeout } else { ErrorCode::Agent };
    let is_word = |text: &&str| {
        text.len() <= 40 && text.bytes().all(|b| b.is_ascii_lowercase() || b"_-".contains(&b))
    };
    let reason = reason.filter(is_word).unwrap_or("unknown");
    TurnEventKind::Error { code, message: format!("the agent's run failed ({reason})") }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
