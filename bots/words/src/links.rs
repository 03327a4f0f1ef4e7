//! `/links` and `/unlink`: from where a person reaches their assistant.

use zaki_envelope::{ChannelKind, Timestamp};

use crate::{Say, Voice, bullets, catalogue::Phrase, link::place, paragraphs, when};

/// One way to a person's assistant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinkLine<'a> {
    /// The channel.
    pub channel: ChannelKind,
    /// The name of the account there.
    pub label: Option<&'a str>,
    /// Since when.
    pub since: Timestamp,
    /// When something last came from there.
    pub seen: Timestamp,
    /// Whether this is said there.
    pub here: bool,
}

/// After `/links` and `/unlink`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links<'a> {
    /// All of them.
    List {
        /// In the order they are numbered in.
        links: &'a [LinkLine<'a>],
        /// When this is said.
        now: Timestamp,
    },
    /// Which one to remove.
    Choose {
        /// In the order they are numbered in, from 1.
        links: &'a [LinkLine<'a>],
        /// When this is said.
        now: Timestamp,
    },
    /// One was removed.
    Done {
        /// The channel.
        channel: ChannelKind,
        /// The name of the account there.
        label: Option<&'a str>,
    },
    /// The one through which this is said was removed.
    DoneHere,
    /// The last one stays.
    Last,
    /// There is none of that number.
    Unknown,
}

impl Say for Links<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::List { links, now } => {
                let head = voice.phrase("links-intro").count("count", links.len()).said();
                let list = bullets(links.iter().map(|link| line(link, now, voice).said()));
                paragraphs([head, list, voice.text("links-outro")])
            }
            Self::Choose { links, now } => {
                let choice = |(n, link): (usize, &LinkLine<'_>)| {
                    let phrase = voice.phrase("unlink-choice").code("number", &n.to_string());
                    phrase.text("line", line(link, now, voice).part()).said()
                };
                let list = bullets((1..).zip(links).map(choice));
                paragraphs([voice.text("unlink-intro"), list])
            }
            Self::Done { channel, label } => {
                voice.phrase("unlink-done").text("place", place(channel, label, voice)).said()
            }
            Self::DoneHere => voice.text("unlink-done-here"),
            Self::Last => voice.text("unlink-last"),
            Self::Unknown => voice.text("unlink-unknown"),
        }
    }
}

fn line(link: &LinkLine<'_>, now: Timestamp, voice: Voice) -> Phrase {
    let place = place(link.channel, link.label, voice);
    let since = when::date(link.since, voice);
    let phrase = voice.phrase(if link.here { "links-line-here" } else { "links-line" });
    let phrase = phrase.text("place", place).text("date", since);
    if link.here { phrase } else { phrase.text("when", when::last(link.seen, now, voice)) }
}
