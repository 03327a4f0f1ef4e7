//! `/mode` in private: what a message does that arrives while the agent is busy.

use crate::{Say, Voice, bullets, paragraphs};

/// What a message does that arrives mid-turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// It waits.
    Queue,
    /// It joins what runs.
    Steer,
    /// It ends what runs.
    Interrupt,
}

impl Mode {
    const ALL: [Self; 3] = [Self::Queue, Self::Steer, Self::Interrupt];

    /// As it is typed.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Steer => "steer",
            Self::Interrupt => "interrupt",
        }
    }

    pub(crate) fn meaning(self, voice: Voice) -> String {
        voice.part(match self {
            Self::Queue => "mode-queue",
            Self::Steer => "mode-steer",
            Self::Interrupt => "mode-interrupt",
        })
    }
}

/// After `/mode`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modes {
    /// Another one from now on.
    Set(Mode),
    /// Which one holds, and which there are: after no word, or one that is no mode.
    Help {
        /// The one that holds.
        now: Mode,
    },
}

impl Say for Modes {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Set(mode) => voice.phrase("mode-set").text("meaning", mode.meaning(voice)).said(),
            Self::Help { now } => {
                let head = voice.phrase("mode-now").text("meaning", now.meaning(voice)).said();
                let choices = Mode::ALL.map(|mode| choice(mode.word(), mode.meaning(voice), voice));
                paragraphs([head, voice.text("mode-choose"), bullets(choices)])
            }
        }
    }
}

/// A mode that can be chosen, of people or of groups.
pub(crate) fn choice(word: &'static str, meaning: String, voice: Voice) -> String {
    voice.phrase("mode-choice").code("mode", word).text("meaning", meaning).said()
}
