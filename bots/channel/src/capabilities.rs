//! What a channel can do, as data with levels: one place degrades, no adapter does.

use std::time::Duration;

use zaki_envelope::Choice;

use crate::{Dialect, Pace, Recourse};

/// How well an ability is supported.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Support {
    /// A message that uses it is refused.
    Rejected,
    /// It is left out; the rest goes through.
    Dropped,
    /// Something poorer takes its place.
    Fallback,
    /// As meant.
    Full,
}

/// How a platform counts text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Unicode code points.
    CodePoints,
    /// UTF-16 code units.
    Utf16,
    /// UTF-8 bytes.
    Bytes,
}

impl Unit {
    /// The length of `text` in this unit.
    pub fn len(self, text: &str) -> usize {
        match self {
            Self::CodePoints => text.chars().count(),
            Self::Utf16 => text.encode_utf16().count(),
            Self::Bytes => text.len(),
        }
    }
}

/// The longest text one message may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextLimit {
    /// The largest allowed length.
    pub max: usize,
    /// What is counted.
    pub unit: Unit,
}

impl TextLimit {
    /// Whether `text` can be sent in one message.
    pub fn allows(self, text: &str) -> bool {
        self.unit.len(text) <= self.max
    }
}

/// Files that can be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileLimit {
    /// How their type begins; empty: of every type.
    pub mime: &'static str,
    /// The largest, in bytes.
    pub max: u64,
}

impl FileLimit {
    /// Files of any type, up to so many bytes.
    pub const fn any(max: u64) -> Self {
        Self { mime: "", max }
    }
}

/// What buttons under a message may be, each length in its unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChoiceLimits {
    /// How many.
    pub count: usize,
    /// What stands on one.
    pub label: TextLimit,
    /// What comes back.
    pub data: TextLimit,
}

impl ChoiceLimits {
    /// Whether all of these can be shown: some of them alone would be another question.
    pub fn allows(self, choices: &[Choice]) -> bool {
        let fits = |it: &Choice| {
            let is_empty = it.label.is_empty() || it.data.is_empty();
            !is_empty && self.label.allows(&it.label) && self.data.allows(&it.data)
        };
        !choices.is_empty() && choices.len() <= self.count && choices.iter().all(fits)
    }
}

/// What a channel can do in one kind of conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Length of one message, after rendering.
    pub text: TextLimit,
    /// How formatting is written.
    pub dialect: Dialect,
    /// Changing what was sent.
    pub edit: Support,
    /// Taking back what was sent.
    pub retract: Support,
    /// Reacting to a message.
    pub react: Support,
    /// Quoting the message answered.
    pub reply: Support,
    /// Showing that an answer is being written.
    pub typing: Support,
    /// How often that sign is to be renewed: a little sooner than the platform takes it away.
    pub typing_refresh: Duration,
    /// Files of any kind.
    pub media: Support,
    /// Which of them, and how large, where files can be sent at all.
    pub files: &'static [FileLimit],
    /// Buttons under a message; none: they are left out.
    pub choices: Option<ChoiceLimits>,
    /// For how long after somebody has written they may be written to unasked; none: always.
    pub window: Option<Duration>,
    /// How fast messages may follow each other.
    pub pace: Pace,
    /// What can be done when it is not known whether a new message arrived. What holds for one
    /// outbound and address is [`crate::Channel::recourse`].
    pub recourse: Recourse,
}

impl Capabilities {
    /// Whether a file of this type and size can be sent as one.
    pub fn takes(&self, mime: Option<&str>, size: Option<u64>) -> bool {
        let mime = mime.unwrap_or("application/octet-stream");
        let fits = |it: &&FileLimit| mime.starts_with(it.mime) && size.unwrap_or(0) <= it.max;
        self.media == Support::Full && self.files.iter().any(|it| fits(&it))
    }
}
