//! Everything the hub itself says to people, in every language it speaks: one catalogue per
//! language (`catalogue/*.ftl`, [Fluent](https://projectfluent.org)) and one type per topic, whose
//! fields are what a sentence needs. Not for what operators read: logs, errors, the command line.
//!
//! Another language is a file beside the others, a row in `lang.rs` and one in `catalogue.rs`; the
//! tests say what it lacks.
//!
//! What is said is Markdown, as `Part::text` takes it. What people chose themselves (names, labels,
//! messages) is given as it is: here it is made harmless and kept from disturbing the sentence.

mod access;
mod approval;
mod button;
mod catalogue;
mod direction;
mod feedback;
mod group;
mod help;
mod lang;
mod limit;
mod link;
mod links;
mod loss;
mod media;
mod mode;
mod model;
mod number;
mod privacy;
mod proactive;
mod quote;
mod session;
mod status;
#[cfg(test)]
mod tests;
mod trouble;
mod turn;
mod usage;
mod voice;
mod when;

pub use access::Access;
pub use approval::{Approvals, Pairings, Pending, Waiting};
pub use button::Button;
pub use feedback::Feedback;
pub use group::{Changers, GroupMode, Groups};
pub use help::{Audience, Help, HelpOn};
pub use lang::{Lang, Languages};
pub use limit::{Limit, What};
pub use link::{Linking, Way};
pub use links::{LinkLine, Links};
pub use loss::{Loss, Lost};
pub use media::Media;
pub use mode::{Mode, Modes};
pub use model::Models;
pub use privacy::{Archive, Erase, Export};
pub use proactive::Unasked;
pub use session::{SessionLine, Sessions, Spoken};
pub use status::{State, Status};
pub use trouble::Trouble;
pub use turn::Turn;
pub use usage::{Period, Usage, Used};
pub use voice::Voice;

/// Something the hub has to say.
pub trait Say {
    /// The words, as Markdown. Never empty.
    fn say(&self, voice: Voice) -> String;
}

/// Lines under each other.
fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().collect::<Vec<_>>().join("\n")
}

/// Paragraphs under each other, without empty ones.
fn paragraphs(blocks: impl IntoIterator<Item = String>) -> String {
    blocks.into_iter().filter(|block| !block.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// One line each, behind a bullet.
fn bullets(items: impl IntoIterator<Item = String>) -> String {
    lines(items.into_iter().map(|item| format!("- {item}")))
}
