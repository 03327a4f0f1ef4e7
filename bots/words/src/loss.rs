//! What is said of answers that were lost.

use zaki_envelope::Timestamp;

use crate::{Say, Voice, paragraphs, when};

/// Answers that were lost, told of in one message. At least one of the two kinds is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Nobody knows whether these arrived.
    pub unknown: Option<Lost>,
    /// These did not.
    pub dead: Option<Lost>,
    /// When this is said.
    pub now: Timestamp,
}

/// Answers that share their fate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// How many; several parts of one answer are one.
    pub answers: usize,
    /// When the first of them was made.
    pub first: Timestamp,
}

impl Say for Loss {
    fn say(&self, voice: Voice) -> String {
        let told = |lost: Option<Lost>, plain, with_time| {
            lost.map(|lost| match when::ago(lost.first, self.now, voice) {
                None => voice.phrase(plain).count("count", lost.answers).said(),
                Some(ago) => {
                    voice.phrase(with_time).count("count", lost.answers).text("when", ago).said()
                }
            })
        };
        let unknown = told(self.unknown, "loss-unknown", "loss-unknown-when");
        let dead = told(self.dead, "loss-dead", "loss-dead-when");
        paragraphs([unknown, dead].into_iter().flatten())
    }
}
