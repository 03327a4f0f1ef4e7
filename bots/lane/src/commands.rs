//! The commands that the hub carries out itself, read from what people write, press and choose.
//! All others are the agent's.
//!
//! Reading only: what a command may be, where it may be given and what it means is in one table,
//! [`TABLE`]. A name that the agent's gateway knows too (OpenClaw's `/new`, `/status`, `/model`,
//! `/approve`…) is ours.

mod args;
mod blot;
mod find;
mod secret;
mod shape;
mod stray;
mod table;
#[cfg(test)]
mod tests;
mod traces;

use std::str::FromStr;

use zaki_envelope::{Conversation, ConversationKind, Inbound};

pub use blot::blot;
pub use find::PRESSED;
pub use secret::{Code, Secret, bare, redact, redact_bare};
pub use stray::{redact_stray, strays};
pub use table::{Name, Place, Row, TABLE};

use crate::turns::Mode;

/// A command of the hub, with what it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `/help [command]`.
    Help(Option<Name>),
    /// `/new [name]`: a new private session.
    New(Option<String>),
    /// `/stop`: end what runs and forget what waits.
    Stop,
    /// `/status`.
    Status,
    /// `/link …`.
    Link(Link),
    /// `/links`.
    Links,
    /// `/unlink <n>`, as `/links` counts them, from 1.
    Unlink(Option<u32>),
    /// `/session …`.
    Session(Session),
    /// `/model [name]`.
    Model(Option<String>),
    /// `/usage`.
    Usage,
    /// `/mode queue|steer|interrupt`; none for any other word, or without one.
    Mode(Option<Mode>),
    /// `/mode off|mention|always` in a group; none for any other word, or without one.
    GroupMode(Option<GroupMode>),
    /// `/approve <id> [once|always]`: lets the agent do what it asks for, or a stranger in.
    Approve {
        /// What; none when it was not said.
        what: Option<Code>,
        /// For how long.
        how: Decision,
    },
    /// `/deny <id>`.
    Deny(Option<Code>),
    /// `/lang [tag]`.
    Lang(Option<String>),
    /// `/export`.
    Export,
    /// `/erase …`.
    Erase(Erase),
    /// `/feedback <text>`.
    Feedback(Option<String>),
    /// `/start [payload]`: how Telegram begins every conversation, by a link with a code too.
    Start(Option<Code>),
    /// A command of ours with words behind it that it does not know.
    Misused(Name),
}

/// What `/link` can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Make a code.
    Offer,
    /// Use one that another channel has made.
    Redeem(Code),
    /// Yes, both are me: to the question of this name, or to whichever is open.
    Confirm(Option<String>),
    /// No, they are not.
    Cancel(Option<String>),
}

/// What `/session` can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Show them.
    List,
    /// Go on with this one, as the list counts them, from 1.
    Switch(u32),
    /// Go on with the present one on this channel.
    Here,
    /// Give the present one a name.
    Name(String),
}

/// What `/erase` can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erase {
    /// Say what it would mean, and how to confirm it.
    Ask,
    /// Do it.
    Confirm(Option<Code>),
    /// Leave it.
    Cancel,
}

/// How far an approval reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Decision {
    /// This time.
    #[default]
    Once,
    /// From now on.
    Always,
}

/// When the bot listens in a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupMode {
    /// Never.
    Off,
    /// When it is addressed.
    Mention,
    /// To everything.
    Always,
}

/// Some word that means none of what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not one of the words known here")]
pub struct UnknownWord;

impl Command {
    /// The command that `inbound` gives, if it is one of ours: natively where the platform has
    /// commands, behind `/zaki` too, by one of our own buttons, and as a text that begins with a
    /// slash everywhere.
    pub fn of(inbound: &Inbound) -> Option<Self> {
        find::find(inbound).map(|found| found.command)
    }

    /// Its name in [`TABLE`].
    pub const fn name(&self) -> Name {
        match self {
            Self::Help(_) => Name::Help,
            Self::New(_) => Name::New,
            Self::Stop => Name::Stop,
            Self::Status => Name::Status,
            Self::Link(_) => Name::Link,
            Self::Links => Name::Links,
            Self::Unlink(_) => Name::Unlink,
            Self::Session(_) => Name::Session,
            Self::Model(_) => Name::Model,
            Self::Usage => Name::Usage,
            Self::Mode(_) | Self::GroupMode(_) => Name::Mode,
            Self::Approve { .. } => Name::Approve,
            Self::Deny(_) => Name::Deny,
            Self::Lang(_) => Name::Lang,
            Self::Export => Name::Export,
            Self::Erase(_) => Name::Erase,
            Self::Feedback(_) => Name::Feedback,
            Self::Start(_) => Name::Start,
            Self::Misused(name) => *name,
        }
    }

    /// Whether it may be given there.
    pub fn fits(&self, conversation: &Conversation) -> bool {
        match self.name().row().place {
            Place::Anywhere => true,
            Place::Direct => conversation.kind == ConversationKind::Direct,
        }
    }

    /// The code or id that it carries.
    pub const fn code(&self) -> Option<&Code> {
        match self {
            Self::Link(Link::Redeem(code)) => Some(code),
            Self::Approve { what: code, .. }
            | Self::Deny(code)
            | Self::Erase(Erase::Confirm(code))
            | Self::Start(code) => code.as_ref(),
            _ => None,
        }
    }

    /// With the code that [`redact`] has taken out of its message.
    #[must_use]
    pub fn restore(mut self, secret: Secret) -> Self {
        let code = match &mut self {
            Self::Link(Link::Redeem(code)) => Some(code),
            Self::Approve { what: code, .. }
            | Self::Deny(code)
            | Self::Erase(Erase::Confirm(code))
            | Self::Start(code) => code.as_mut(),
            _ => None,
        };
        if let Some(code) = code.filter(|code| **code == Code::Redacted) {
            *code = Code::Given(secret);
        }
        self
    }

    /// What a person writes to give it. Holds its code, so it is never logged.
    pub fn spoken(&self) -> String {
        let said = match self {
            Self::Help(topic) => topic.map(|name| name.as_str().to_owned()),
            Self::New(word) | Self::Model(word) | Self::Lang(word) | Self::Feedback(word) => {
                word.clone()
            }
            Self::Stop | Self::Status | Self::Links | Self::Usage | Self::Export => None,
            Self::Link(link) => match link {
                Link::Offer => None,
                Link::Redeem(code) => Some(code.spoken().to_owned()),
                Link::Confirm(question) => Some(answer("confirm", question.as_deref())),
                Link::Cancel(question) => Some(answer("cancel", question.as_deref())),
            },
            Self::Unlink(n) => n.map(|n| n.to_string()),
            Self::Session(session) => match session {
                Session::List => None,
                Session::Switch(n) => Some(n.to_string()),
                Session::Here => Some("here".to_owned()),
                Session::Name(name) => Some(format!("name {name}")),
            },
            Self::Mode(mode) => mode.map(|mode| mode.as_str().to_owned()),
            Self::GroupMode(mode) => mode.map(|mode| mode.as_str().to_owned()),
            Self::Approve { what, how } => match what {
                Some(what) => Some(format!("{} {}", what.spoken(), how.as_str())),
                None => Some(how.as_str().to_owned()),
            },
            Self::Deny(code) | Self::Start(code) => code.as_ref().map(|it| it.spoken().to_owned()),
            Self::Erase(erase) => match erase {
                Erase::Ask => None,
                Erase::Confirm(None) => Some("confirm".to_owned()),
                Erase::Confirm(Some(code)) => Some(format!("confirm {}", code.spoken())),
                Erase::Cancel => Some("cancel".to_owned()),
            },
            Self::Misused(_) => Some("?".to_owned()),
        };
        let name = self.name().as_str();
        said.map_or_else(|| format!("/{name}"), |said| format!("/{name} {said}"))
    }

    /// `/approve` of a stranger who was given this code.
    pub fn let_in(code: &str) -> Self {
        Self::Approve { what: Code::read(code), how: Decision::Once }
    }

    /// `/deny` of the same.
    pub fn turn_away(code: &str) -> Self {
        Self::Deny(Code::read(code))
    }

    /// What stands behind a button that gives it. Only the hub may make such data: what an agent
    /// puts behind its buttons must not begin like this, or it could have people press what they
    /// do not read.
    pub fn button(&self) -> String {
        format!("{PRESSED}{}", self.spoken())
    }
}

/// A word, and what it answers.
fn answer(word: &str, question: Option<&str>) -> String {
    question.map_or_else(|| word.to_owned(), |question| format!("{word} {question}"))
}

impl Decision {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Always => "always",
        }
    }
}

impl FromStr for Decision {
    type Err = UnknownWord;

    /// Also in the words of OpenClaw's own `/approve`.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "once" | "allow-once" => Ok(Self::Once),
            "always" | "allow-always" => Ok(Self::Always),
            _ => Err(UnknownWord),
        }
    }
}

impl GroupMode {
    /// All of them, in the order they are shown to people.
    pub const ALL: [Self; 3] = [Self::Off, Self::Mention, Self::Always];

    /// Its name in commands.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Mention => "mention",
            Self::Always => "always",
        }
    }
}

impl FromStr for GroupMode {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        Self::ALL.into_iter().find(|mode| mode.as_str() == text).ok_or(UnknownWord)
    }
}
