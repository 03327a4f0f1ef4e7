//! `/link`: one assistant on several channels.

use zaki_envelope::{ChannelKind, Timestamp};

use crate::{Say, Voice, lines, paragraphs, quote, when};

/// How the code gets to another channel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Way<'a> {
    /// The channel.
    pub channel: ChannelKind,
    /// What is written to the bot there, letter by letter.
    pub text: &'a str,
    /// Opens the conversation with the bot.
    pub url: Option<&'a str>,
    /// Whether `url` brings the text along.
    pub prefilled: bool,
}

/// What is said when people link their channels. No `Debug`: it holds codes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Linking<'a> {
    /// After `/link`.
    Code {
        /// As it is shown.
        code: &'a str,
        /// When it stops working.
        expires_at: Timestamp,
        /// When this is said.
        now: Timestamp,
        /// To the other channels, one each.
        ways: &'a [Way<'a>],
    },
    /// Too many codes were asked for.
    TooManyCodes {
        /// When there are new ones.
        until: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// A code was redeemed here.
    Joined {
        /// Where it came from.
        other: ChannelKind,
    },
    /// A code of theirs was redeemed elsewhere.
    JoinedElsewhere {
        /// Where.
        channel: ChannelKind,
        /// The name of the account there.
        label: Option<&'a str>,
    },
    /// Whoever is new here has used a code of somebody's: whether they want that assistant.
    Invited {
        /// What that person calls themselves.
        who: Option<&'a str>,
        /// When the offer ends.
        until: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// Both sides are the same person already.
    Already,
    /// The code does not work, whatever the reason.
    Refused,
    /// A code stood among other words, and was taken out before anybody read it.
    Spilt {
        /// Whether it is void now; else it can be sent again, alone.
        void: bool,
    },
    /// Too many codes that do not work.
    TooMany {
        /// When the next one is looked at.
        until: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// Two assistants would become one: what happens, and whether that is wanted.
    Confirm {
        /// Whether the assistant on this side is the one that stays.
        stays: bool,
        /// The other side.
        other: ChannelKind,
        /// When the offer ends.
        until: Timestamp,
        /// When this is said.
        now: Timestamp,
    },
    /// This side said yes; the other has not answered.
    Waiting {
        /// The other side.
        other: ChannelKind,
    },
    /// Both said yes.
    Merged {
        /// Whether the assistant on this side is the one that stayed.
        stays: bool,
        /// The other side.
        other: ChannelKind,
        /// Until when it can be undone.
        restorable_until: Timestamp,
    },
    /// This side said no.
    Declined,
    /// The other side said no.
    DeclinedThere {
        /// The other side.
        other: ChannelKind,
    },
    /// A yes or no to nothing, or too late.
    Nothing,
}

impl Say for Linking<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::Code { code, expires_at, now, ways } => offer(code, expires_at, now, ways, voice),
            Self::TooManyCodes { until, now } => timed("link-too-many-codes", until, now, voice),
            Self::Joined { other } => at(other, "link-joined", voice),
            Self::JoinedElsewhere { channel, label } => {
                let place = place(channel, label, voice);
                voice.phrase("link-joined-elsewhere").text("place", place).said()
            }
            Self::Invited { who, until, now } => {
                let asked = match who {
                    Some(who) => voice.phrase("link-invited").name("who", who).said(),
                    None => voice.text("link-invited-unnamed"),
                };
                paragraphs([asked, timed("link-invited-answer", until, now, voice)])
            }
            Self::Already => voice.text("link-already"),
            Self::Refused => voice.text("link-refused"),
            Self::Spilt { void: true } => voice.text("link-spilt-void"),
            Self::Spilt { void: false } => voice.text("link-spilt"),
            Self::TooMany { until, now } => timed("link-too-many", until, now, voice),
            Self::Confirm { stays, other, until, now } => {
                let key = if stays { "link-confirm-stays" } else { "link-confirm-goes" };
                let answer = timed("link-confirm-answer", until, now, voice);
                paragraphs([at(other, key, voice), answer])
            }
            Self::Waiting { other } => at(other, "link-waiting", voice),
            Self::Merged { stays, other, restorable_until } => {
                let key = if stays { "link-merged-stays" } else { "link-merged-goes" };
                let date = when::date(restorable_until, voice);
                voice.phrase(key).channel(other).text("date", date).said()
            }
            Self::Declined => voice.text("link-declined"),
            Self::DeclinedThere { other } => at(other, "link-declined-there", voice),
            Self::Nothing => voice.text("link-nothing"),
        }
    }
}

fn offer(
    code: &str,
    expires_at: Timestamp,
    now: Timestamp,
    ways: &[Way<'_>],
    voice: Voice,
) -> String {
    let head = [voice.text("link-code"), alone(code)];
    let ways = ways.iter().map(|way| self::way(way, voice));
    let terms = timed("link-code-terms", expires_at, now, voice);
    paragraphs(head.into_iter().chain(ways).chain([terms]))
}

fn way(way: &Way<'_>, voice: Voice) -> String {
    let url = way.url.map(quote::address);
    match (way.prefilled, url) {
        (true, Some(url)) => lines([at(way.channel, "link-way-open", voice), url]),
        // What is typed there, as it is typed there: not in the manner of this channel.
        (_, url) => {
            let head = [at(way.channel, "link-way-write", voice), typed(way.text)];
            lines(head.into_iter().chain(url))
        }
    }
}

/// A code on a line of its own, where it can be copied.
pub(crate) fn alone(code: &str) -> String {
    format!("`{}`", quote::code(code))
}

/// A text that is typed letter by letter, on a line of its own.
pub(crate) fn typed(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().map(quote::code).collect();
    format!("`{}`", words.join(" "))
}

/// A channel, and the name of an account there.
pub(crate) fn place(channel: ChannelKind, label: Option<&str>, voice: Voice) -> String {
    match label {
        Some(label) => voice.phrase("place").channel(channel).name("label", label).part(),
        None => crate::quote::name(crate::voice::brand(channel), voice.lang),
    }
}

fn at(channel: ChannelKind, key: &'static str, voice: Voice) -> String {
    voice.phrase(key).channel(channel).said()
}

/// A phrase that says how long from now.
pub(crate) fn timed(key: &'static str, then: Timestamp, now: Timestamp, voice: Voice) -> String {
    voice.phrase(key).text("when", when::until(then, now, voice)).said()
}
