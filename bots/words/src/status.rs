//! `/status`.

use crate::{Mode, Say, Turn, Voice, bullets, paragraphs, session::title};

/// What a person's assistant does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It waits for them, asleep or not.
    Ready,
    /// It works on an answer.
    Working,
    /// The machine is full, and others come first.
    Queued {
        /// How many people.
        ahead: usize,
    },
}

/// How things stand. What is `None` is not said: a group hears nothing of private matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status<'a> {
    /// What the assistant does.
    pub state: State,
    /// It is somebody else's, who lends it to a group.
    pub lent: bool,
    /// No model answers it.
    pub silent: bool,
    /// Messages of the person that wait.
    pub waiting: usize,
    /// The conversation they are in: its number, and what they called it.
    pub session: Option<(u32, Option<&'a str>)>,
    /// The model they chose.
    pub model: Option<&'a str>,
    /// What their messages do mid-turn.
    pub mode: Option<Mode>,
    /// From how many places they reach their assistant.
    pub links: Option<usize>,
}

impl Say for Status<'_> {
    fn say(&self, voice: Voice) -> String {
        let state = match self.state {
            State::Ready if self.lent => voice.text("status-ready-here"),
            State::Ready => voice.text("status-ready"),
            State::Working if self.lent => voice.text("status-working-here"),
            State::Working => voice.text("status-working"),
            State::Queued { ahead } => Turn::Queued { ahead }.say(voice),
        };
        let silent = self.silent.then(|| voice.text("status-silent"));
        let state = paragraphs(std::iter::once(state).chain(silent));
        let waiting = (self.waiting > 0)
            .then(|| voice.phrase("status-waiting").count("count", self.waiting).said());
        let session = self.session.map(|(n, name)| {
            voice.phrase("status-session").text("name", title(n, name, voice)).said()
        });
        let model =
            self.model.map(|model| voice.phrase("status-model").code("model", model).said());
        let mode = self.mode.map(|mode| {
            let phrase = voice.phrase("status-mode").code("mode", mode.word());
            phrase.text("meaning", mode.meaning(voice)).said()
        });
        let links =
            self.links.map(|links| voice.phrase("status-links").count("count", links).said());
        let rest = [waiting, session, model, mode, links].into_iter().flatten();
        paragraphs([state, bullets(rest)])
    }
}
