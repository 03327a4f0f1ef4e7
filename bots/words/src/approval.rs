//! `/approve` and `/deny`: what the agent asks for, and who asks to be let in.

use zaki_envelope::ChannelKind;

use crate::{Say, Voice, bullets, link::alone, paragraphs, quote};

/// Something the agent wants to run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Pending<'a> {
    /// What it is answered with.
    pub id: &'a str,
    /// What it wants to run.
    pub command: &'a str,
    /// Whether it can be allowed for good, not only this time.
    pub always: bool,
}

/// What is said of things the agent asks for. No `Debug`: it holds commands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Approvals<'a> {
    /// It asks.
    Asked(Pending<'a>),
    /// Which of several is meant.
    Choose(&'a [Pending<'a>]),
    /// It may.
    Approved,
    /// It may not.
    Denied,
    /// It does not ask any more.
    Gone,
    /// It asks for nothing.
    Nothing,
}

impl Say for Approvals<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Asked(pending) => {
                let asked = [voice.text("approval-asked")];
                paragraphs(asked.into_iter().chain(question(&pending, voice)))
            }
            Self::Choose(pending) => {
                let head = [voice.text("approval-choose")];
                let questions = pending.iter().flat_map(|pending| question(pending, voice));
                paragraphs(head.into_iter().chain(questions))
            }
            Self::Approved => voice.text("approval-approved"),
            Self::Denied => voice.text("approval-denied"),
            Self::Gone => voice.text("approval-gone"),
            Self::Nothing => voice.text("approval-nothing"),
        }
    }
}

fn question(pending: &Pending<'_>, voice: Voice) -> [String; 2] {
    let key = if pending.always { "approval-answer-always" } else { "approval-answer" };
    let answer = voice.phrase(key).code("id", pending.id).said();
    [quote::block(pending.command), answer]
}

/// Somebody who asks to be let in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Waiting<'a> {
    /// What they were given.
    pub code: &'a str,
    /// What they call themselves.
    pub who: &'a str,
    /// Where they wrote.
    pub channel: ChannelKind,
}

/// What owners are told of people who ask to be let in. No `Debug`: it holds codes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Pairings<'a> {
    /// Somebody asks.
    Asked {
        /// What they were given.
        code: &'a str,
        /// What they call themselves.
        who: &'a str,
        /// Where they wrote.
        channel: ChannelKind,
    },
    /// Several ask, of whom so many more are not named here.
    Several {
        /// Who.
        waiting: &'a [Waiting<'a>],
        /// How many others.
        more: usize,
    },
    /// They may.
    Approved {
        /// What they call themselves.
        who: &'a str,
        /// Where they wrote.
        channel: ChannelKind,
    },
    /// They may not.
    Denied {
        /// What they call themselves.
        who: &'a str,
        /// Where they wrote.
        channel: ChannelKind,
    },
    /// Nobody has that code.
    Unknown,
}

impl Say for Pairings<'_> {
    fn say(&self, voice: Voice) -> String {
        let told = |key, who, channel| voice.phrase(key).name("who", who).channel(channel).said();
        match *self {
            Self::Asked { code, who, channel } => {
                let answer = voice.phrase("pairing-answer").code("code", code).said();
                paragraphs([told("pairing-asked", who, channel), alone(code), answer])
            }
            Self::Several { waiting, more } => several(waiting, more, voice),
            Self::Approved { who, channel } => told("pairing-approved", who, channel),
            Self::Denied { who, channel } => told("pairing-denied", who, channel),
            Self::Unknown => voice.text("pairing-unknown"),
        }
    }
}

fn several(waiting: &[Waiting<'_>], more: usize, voice: Voice) -> String {
    let line = |it: &Waiting<'_>| {
        let line = voice.phrase("pairing-line").code("code", it.code);
        line.name("who", it.who).channel(it.channel).said()
    };
    let counted = |key, count| voice.phrase(key).count("count", count).said();
    let others = if more == 0 { String::new() } else { counted("pairing-more", more) };
    paragraphs([
        counted("pairing-several", waiting.len() + more),
        bullets(waiting.iter().map(line)),
        others,
        voice.text("pairing-several-answer"),
    ])
}
