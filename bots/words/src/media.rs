//! What is said of files that did not get through.

use crate::{Say, Voice};

/// What is said of files that did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media<'a> {
    /// What the person sent is larger than what is taken.
    TooLarge {
        /// That is so many.
        megabytes: usize,
    },
    /// Their platform did not hand it out.
    Unavailable,
    /// What the assistant made cannot be sent here.
    NotSent {
        /// Its name.
        name: &'a str,
    },
}

impl Say for Media<'_> {
    fn say(&self, voice: Voice) -> String {
        match *self {
            Self::TooLarge { megabytes } => {
                voice.phrase("media-too-large").count("megabytes", megabytes).said()
            }
            Self::Unavailable => voice.text("media-unavailable"),
            Self::NotSent { name } => voice.phrase("media-not-sent").name("name", name).said(),
        }
    }
}
