//! `/new` and `/session`: a person's conversations.

use zaki_envelope::Timestamp;

use crate::{Say, Voice, bullets, lines, paragraphs, when};

/// A conversation of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionLine<'a> {
    /// Its number.
    pub n: u32,
    /// What the person called it.
    pub name: Option<&'a str>,
    /// When something was last said in it.
    pub used_at: Timestamp,
    /// Whether it is the one they are in.
    pub current: bool,
}

/// Something that was said, as plain text; its beginning is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spoken<'a> {
    /// By the person, or by the agent.
    pub yours: bool,
    /// What it was.
    pub text: &'a str,
}

/// After `/new` and `/session`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions<'a> {
    /// A new one begins.
    New {
        /// What the person calls it.
        name: Option<&'a str>,
    },
    /// All of them.
    List {
        /// In the order they are shown in.
        sessions: &'a [SessionLine<'a>],
        /// When this is said.
        now: Timestamp,
    },
    /// Back in an earlier one.
    Switched {
        /// Its number.
        n: u32,
        /// What the person called it.
        name: Option<&'a str>,
        /// Its last lines, oldest first.
        last: &'a [Spoken<'a>],
    },
    /// The present one has a name now.
    Named {
        /// What the person calls it.
        name: &'a str,
    },
    /// The conversation goes on in this chat.
    Here {
        /// Its last lines, oldest first.
        last: &'a [Spoken<'a>],
    },
    /// There is none of that number.
    Unknown,
}

impl Say for Sessions<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::New { name: None } => voice.text("session-new"),
            Self::New { name: Some(name) } => {
                voice.phrase("session-new-named").name("name", name).said()
            }
            Self::List { sessions, now } => {
                let list = bullets(sessions.iter().map(|session| line(session, now, voice)));
                paragraphs([voice.text("session-intro"), list, voice.text("session-outro")])
            }
            Self::Switched { n, name, last } => {
                let name = title(n, name, voice);
                let head = voice.phrase("session-switched").text("name", name).said();
                paragraphs([head, last_lines(last, voice)])
            }
            Self::Named { name } => voice.phrase("session-named").name("name", name).said(),
            Self::Here { last } => {
                paragraphs([voice.text("session-here"), last_lines(last, voice)])
            }
            Self::Unknown => voice.text("session-unknown"),
        }
    }
}

fn line(session: &SessionLine<'_>, now: Timestamp, voice: Voice) -> String {
    let key = if session.current { "session-line-current" } else { "session-line" };
    voice
        .phrase(key)
        .code("number", &session.n.to_string())
        .text("name", title(session.n, session.name, voice))
        .text("when", when::last(session.used_at, now, voice))
        .said()
}

/// What a conversation is called.
pub(crate) fn title(n: u32, name: Option<&str>, voice: Voice) -> String {
    let unnamed = || voice.phrase("session-unnamed").code("number", &n.to_string()).part();
    name.map_or_else(unnamed, |name| crate::quote::name(name, voice.lang))
}

fn last_lines(last: &[Spoken<'_>], voice: Voice) -> String {
    if last.is_empty() {
        return String::new();
    }
    let quoted = last.iter().map(|spoken| {
        let key = if spoken.yours { "session-said-you" } else { "session-said-me" };
        format!("> {}", voice.phrase(key).excerpt("text", spoken.text).said())
    });
    paragraphs([voice.text("session-last"), lines(quoted)])
}
