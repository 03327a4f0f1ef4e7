//! From the gateway's events to the turn's: pure.

use zaki_envelope::{
    TurnId,
    wire::{ErrorCode, TurnEventKind, Usage},
};

use crate::gateway::protocol::{AgentEvent, ChatEvent, ChatState, SessionEvent};
use crate::recovery::{join, steer_of, turn_of};

/// How far one turn is.
#[derive(Debug)]
pub(crate) struct Progress {
    turn: TurnId,
    run: Run,
    /// What runs of the turn have answered before this one.
    before: String,
    /// The answer of this run so far.
    text: String,
    /// The text shown so far is not what comes before the next piece.
    is_stale: bool,
    /// The model has been asked, so that the run can be steered.
    is_streaming: bool,
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
            turn,
            run: Run::Known(turn.to_string()),
            before: String::new(),
            text: String::new(),
            is_stale: false,
            is_streaming: false,
            usage: Usage::default(),
        }
    }

    /// The gateway goes on with the turn under `run`, with `text` said so far and `before` in
    /// other runs. Returns what the reader has to know.
    pub(crate) fn resume(
        &mut self,
        run: Option<&str>,
        before: &str,
        text: &str,
    ) -> Option<TurnEventKind> {
        let same = matches!(&self.run, Run::Known(known) if Some(known.as_str()) == run);
        if same && self.text == text && self.before == before {
            return None;
        }
        self.run = run.map_or(Run::Awaited, |run| Run::Known(run.to_owned()));
        self.is_stale = true;
        self.is_streaming = !text.is_empty();
        before.clone_into(&mut self.before);
        (!text.is_empty()).then(|| self.replace(text.to_owned()))
    }

    /// Whether a steered message would reach the run, and not wait for its end.
    pub(crate) const fn is_streaming(&self) -> bool {
        self.is_streaming
    }

    /// The run to abort, once it is known.
    pub(crate) fn run(&self) -> Option<&str> {
        match &self.run {
            Run::Known(run) => Some(run),
            Run::Awaited => None,
        }
    }

    /// Takes in an event of the session. Those of other turns leave no trace. `Final` and `Error`
    /// are the end of a run: of the turn, unless something was steered into it.
    pub(crate) fn take(&mut self, event: &SessionEvent) -> Option<TurnEventKind> {
        if !self.is_ours(event) {
            return None;
        }
        match event {
            SessionEvent::Chat(chat) => self.take_chat(chat),
            SessionEvent::Agent(agent) => self.take_agent(agent),
            SessionEvent::Approval(approval) => Some(TurnEventKind::Approval {
                id: approval.id.clone(),
                command: approval.request.command.clone(),
                decisions: approval.decisions(),
                expires_at: approval.expires_at(),
            }),
            SessionEvent::Job(_) => None,
        }
    }

    /// The end of a turn that somebody stopped, with what there was.
    pub(crate) fn stopped(&self) -> TurnEventKind {
        self.finished(&self.text, true)
    }

    fn is_ours(&mut self, event: &SessionEvent) -> bool {
        let run = event.run();
        match &self.run {
            Run::Known(known) if known == run => true,
            _ if turn_of(run) == Some(self.turn) => self.switch(run, event),
            Run::Known(_) => false,
            // Another turn of ours in the same session keeps its own id.
            Run::Awaited if run.is_empty() || turn_of(run).is_some() => false,
            Run::Awaited => {
                self.run = Run::Known(run.to_owned());
                true
            }
        }
    }

    /// An event of another message of the turn. An empty end says that the message has been taken
    /// in; words, that it has become a run of its own.
    fn switch(&mut self, run: &str, event: &SessionEvent) -> bool {
        let SessionEvent::Chat(chat) = event else { return false };
        let has_words = chat.message.is_some() || chat.delta_text.is_some();
        match chat.state {
            ChatState::Delta | ChatState::Final if has_words => {
                self.before = join(&self.before, &self.text);
                self.text.clear();
                self.is_stale = true;
                self.run = Run::Known(run.to_owned());
                true
            }
            ChatState::Error | ChatState::Aborted => steer_of(run).is_some(),
            _ => false,
        }
    }

    fn take_chat(&mut self, chat: &ChatEvent) -> Option<TurnEventKind> {
        let message = chat.message.as_ref().map(|message| message.content.text());
        match chat.state {
            ChatState::Delta => self.take_delta(chat, message),
            ChatState::Final => {
                self.text = message.unwrap_or_default();
                Some(self.finished(&self.text, false))
            }
            ChatState::Aborted => {
                let text = message.as_deref().unwrap_or(&self.text);
                Some(self.finished(text, true))
            }
            ChatState::Error => Some(failed(chat, self.usage)),
            ChatState::Other => None,
        }
    }

    fn take_delta(&mut self, chat: &ChatEvent, message: Option<String>) -> Option<TurnEventKind> {
        self.is_streaming = true;
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
        let before = self.before.trim_end();
        let text = if before.is_empty() { whole.clone() } else { format!("{before}\n\n{whole}") };
        self.text = whole;
        TurnEventKind::Delta { text, replace: true }
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
            "lifecycle" => {
                self.is_streaming |= data.phase.as_deref() == Some("model");
                None
            }
            "tool" => {
                Some(TurnEventKind::Tool { name: data.name.clone()?, phase: data.phase.clone()? })
            }
            _ => None,
        }
    }

    fn finished(&self, text: &str, aborted: bool) -> TurnEventKind {
        let text = if self.before.is_empty() { text.to_owned() } else { join(&self.before, text) };
        TurnEventKind::Final { text, usage: self.usage, aborted }
    }
}

/// The gateway's error text may quote the conversation, so only its kind goes on.
fn failed(chat: &ChatEvent, usage: Usage) -> TurnEventKind {
    let kind = chat.error_kind.as_deref();
    let reason = chat.error_detail.as_ref();
    let reason = kind.or_else(|| reason.and_then(|detail| detail.failover_reason.as_deref()));
    let code = if kind == Some("timeout") { ErrorCode::Timeout } else { ErrorCode::Agent };
    let is_word = |text: &&str| {
        text.len() <= 40 && text.bytes().all(|b| b.is_ascii_lowercase() || b"_-".contains(&b))
    };
    let reason = reason.filter(is_word).unwrap_or("unknown");
    let message = format!("the agent's run failed ({reason})");
    TurnEventKind::Error { code, message, usage }
}

#[cfg(test)]
#[path = "progress_tests.rs"]
mod tests;
