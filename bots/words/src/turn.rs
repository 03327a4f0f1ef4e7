//! What is said of a turn: that it waits, that it ended without an answer, that it was stopped.

use zaki_envelope::wire::ErrorCode;

use crate::{Say, Voice, paragraphs};

/// What is said of a turn. `partial` is the agent's own Markdown and stays as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn<'a> {
    /// It ended without an answer.
    Failed(ErrorCode),
    /// The agent ended it without a word. Whoever addressed it should not wonder.
    Nothing,
    /// After `/stop`, when there was nothing to stop.
    Idle,
    /// The person's next message ended it. Of a turn that had said nothing yet nobody speaks: the
    /// person gets the answer to what they wrote on.
    Interrupted {
        /// What there was of the answer.
        partial: &'a str,
    },
    /// Something else than the person ended it.
    Halted {
        /// What there was of the answer.
        partial: &'a str,
    },
    /// `/stop` ended it.
    Stopped {
        /// What there was of the answer.
        partial: &'a str,
        /// Messages that waited and were set aside.
        cleared: usize,
    },
    /// A message is not taken because too many of the person's wait.
    Full,
    /// Its sandbox comes up, which takes a while.
    Waking,
    /// The machine is full, and others come first.
    Queued {
        /// How many people.
        ahead: usize,
    },
    /// As many turns of the person run as may at once.
    Own,
    /// The same of whoever lends a group their assistant, said to a guest.
    Host,
}

impl Say for Turn<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Failed(code) => voice.text(failed(code)),
            Self::Nothing => voice.text("turn-nothing"),
            Self::Idle => voice.text("turn-idle"),
            Self::Interrupted { partial } => behind(partial, voice.text("turn-interrupted")),
            Self::Halted { partial } => behind(partial, voice.text("turn-halted")),
            Self::Stopped { partial, cleared: 0 } => behind(partial, voice.text("turn-stopped")),
            Self::Stopped { partial, cleared } => {
                behind(partial, voice.phrase("turn-stopped-cleared").count("count", cleared).said())
            }
            Self::Full => voice.text("turn-full"),
            Self::Waking => voice.text("turn-waking"),
            Self::Queued { ahead: 0 } => voice.text("turn-next"),
            Self::Queued { ahead } => voice.phrase("turn-queued").count("ahead", ahead).said(),
            Self::Own => voice.text("turn-own"),
            Self::Host => voice.text("turn-host"),
        }
    }
}

const fn failed(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Sandbox => "turn-failed-sandbox",
        ErrorCode::Agent => "turn-failed-agent",
        ErrorCode::Timeout => "turn-failed-timeout",
        ErrorCode::Model => "turn-failed-model",
        ErrorCode::Budget => "turn-failed-budget",
        ErrorCode::Retired => "turn-failed-retired",
        ErrorCode::Erased => "turn-failed-erased",
        ErrorCode::Gone | ErrorCode::Internal => "turn-failed-internal",
    }
}

fn behind(partial: &str, said: String) -> String {
    paragraphs([partial.to_owned(), said])
}
