//! `/export` and `/erase`.

use zaki_envelope::Timestamp;

use crate::{Say, Voice, direction, link::timed, paragraphs, quote};

/// After `/export`. No `Debug`: the address is a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Export<'a> {
    /// It can be fetched.
    Ready {
        /// From here, once.
        url: &'a str,
        /// When it cannot any more.
        until: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// The hub has no address of its own, but its operators have a command.
    NoUrl {
        /// Who asks, as operators know them.
        user: &'a str,
    },
}

impl Say for Export<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Ready { url, until, now } => {
                let terms = timed("export-terms", until, now, voice);
                paragraphs([voice.text("export-ready"), quote::address(url), terms])
            }
            Self::NoUrl { user } => {
                let command = format!("`zaki users export {} --out FILE`", quote::code(user));
                paragraphs([voice.text("export-no-url"), direction::finish(&command, voice)])
            }
        }
    }
}

/// What stands in an archive, or in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Archive {
    /// What the sandbox has could not be read.
    Missing,
    /// The address it could be had from is good for none.
    UsedUp,
    /// Who said something: whose archive it is.
    You,
    /// The bot.
    Bot,
    /// Somebody else's bot.
    Program,
}

impl Say for Archive {
    fn say(&self, voice: Voice) -> String {
        voice.text(match self {
            Self::Missing => "export-missing",
            Self::UsedUp => "export-used-up",
            Self::You => "export-you",
            Self::Bot => "export-bot",
            Self::Program => "export-program",
        })
    }
}

/// After `/erase`. No `Debug`: it holds codes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Erase<'a> {
    /// What it would do, and how to say yes.
    Asked {
        /// To say yes with.
        code: &'a str,
        /// When it stops working.
        until: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// The code does not work.
    Wrong,
    /// It was not wanted after all.
    Cancelled,
    /// Nothing is left.
    Done,
    /// Who they are is gone; the rest follows by itself.
    UnderWay,
}

impl Say for Erase<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Asked { code, until, now } => {
                let command = direction::finish(&format!("`/erase {}`", quote::code(code)), voice);
                let terms = timed("erase-terms", until, now, voice);
                paragraphs([voice.text("erase-asked"), command, terms])
            }
            Self::Wrong => voice.text("erase-wrong"),
            Self::Cancelled => voice.text("erase-cancelled"),
            Self::Done => voice.text("erase-done"),
            Self::UnderWay => voice.text("erase-under-way"),
        }
    }
}
