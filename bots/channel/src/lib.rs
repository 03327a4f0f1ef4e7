//! The contract of a chat channel: what every adapter implements and what the hub relies on.
//!
//! Traits and data, with the rules all channels share (proofs, capabilities, `fit`, text dialects,
//! pace, what a failed call means, reconnecting) and the `testkit` every channel must pass. Not for:
//! calling platforms, repeating calls, storing, ordering or deciding who may talk; the adapters,
//! `deliver`, the ledger and identity do that.

mod capabilities;
mod channel;
mod clock;
mod error;
mod failure;
mod fit;
mod invitation;
mod lenient;
mod pace;
mod pause;
mod proof;
mod recourse;
mod source;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod text;
mod webhook;

pub use capabilities::{Capabilities, ChoiceLimits, FileLimit, Support, TextLimit, Unit};
pub use channel::{Channel, File, MediaBody, Receipt};
pub use clock::now;
pub use error::{ChannelError, Retry, Scope};
pub use failure::Failure;
pub use fit::fit;
pub use invitation::Invitation;
pub use lenient::lenient;
pub use pace::{Pace, Rate};
pub use pause::{LONGEST_ASKED, Pause};
pub use proof::{Proof, Refusal, Window};
pub use recourse::{Evidence, Recourse};
pub use source::{Batch, Inbox, InboxError, Source, stored_cursor};
pub use text::{Dialect, Rich};
pub use webhook::{Answer, Arrival, Dead, Parse, ParseError, Parsed, Request, Verified, Webhook};
