//! Groups: when the bot answers there, who may change that, and whom it answers.

use crate::{Say, Voice, bullets, mode::choice, paragraphs};

/// When the bot answers in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupMode {
    /// Never.
    Off,
    /// When it is addressed.
    Mention,
    /// Always.
    Always,
}

impl GroupMode {
    const ALL: [Self; 3] = [Self::Off, Self::Mention, Self::Always];

    const fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Mention => "mention",
            Self::Always => "always",
        }
    }

    fn meaning(self, voice: Voice) -> String {
        voice.part(match self {
            Self::Off => "group-off",
            Self::Mention => "group-mention",
            Self::Always => "group-always",
        })
    }
}

/// Who may change how the bot behaves in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changers {
    /// Those who run the bot.
    Operators,
    /// People with the role of an owner.
    Owners,
    /// Everybody in the group.
    Anyone,
}

/// What is said in groups, or about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// After `/mode` in a group: which one holds, which there are and who may choose.
    Help {
        /// The one that holds.
        now: GroupMode,
        /// Who may choose.
        changers: Changers,
        /// Whether the one who asks may.
        may_change: bool,
    },
    /// Another one from now on.
    Set(GroupMode),
    /// Who asks may not change it.
    NotYours(Changers),
    /// A command for private chats was given in a group.
    OnlyDirect,
    /// A command for groups was given in a private chat.
    OnlyGroup,
    /// The group is for certain people, and the speaker is none of them.
    NotListed,
    /// The group is for people the bot knows, and the speaker is a stranger.
    KnownOnly,
    /// The bot is switched off there.
    Off,
}

impl Say for Groups {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Help { now, changers, may_change } => help(now, changers, may_change, voice),
            Self::Set(mode) => voice.phrase("mode-set").text("meaning", mode.meaning(voice)).said(),
            Self::NotYours(changers) => may(changers, voice),
            Self::OnlyDirect => voice.text("group-only-direct"),
            Self::OnlyGroup => voice.text("group-only-group"),
            Self::NotListed => voice.text("group-not-listed"),
            Self::KnownOnly => voice.text("group-known-only"),
            Self::Off => voice.text("group-silent"),
        }
    }
}

fn help(now: GroupMode, changers: Changers, may_change: bool, voice: Voice) -> String {
    let head = voice.phrase("mode-now").text("meaning", now.meaning(voice)).said();
    if !may_change {
        return paragraphs([head, may(changers, voice)]);
    }
    let choices = GroupMode::ALL.map(|mode| choice(mode.word(), mode.meaning(voice), voice));
    paragraphs([head, voice.text("mode-choose"), bullets(choices), may(changers, voice)])
}

fn may(changers: Changers, voice: Voice) -> String {
    voice.text(match changers {
        Changers::Operators => "group-changers-operators",
        Changers::Owners => "group-changers-owners",
        Changers::Anyone => "group-changers-anyone",
    })
}
