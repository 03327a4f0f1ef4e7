//! The contract of a chat channel: what every adapter implements and what the hub relies on.
//!
//! Traits and data only, with the rules all channels share (proofs, capabilities, `fit`, text
//! dialects) and the `testkit` every channel must pass. Not for: retrying, storing, ordering or
//! deciding who may talk; the ledger, `deliver` and identity do that.

mod capabilities;
mod channel;
mod error;
mod fit;
mod lenient;
mod proof;
mod source;
#[cfg(any(test, feature = "testkit"))]
pub mod testkit;
mod text;
mod webhook;

pub use capabilities::{Capabilities, Support, TextLimit, Unit};
pub use channel::{Channel, MediaBody, Receipt};
pub use error::{ChannelError, Retry};
pub use fit::fit;
pub use lenient::lenient;
pub use proof::{Proof, Refusal, Window};
pub use source::{Batch, Inbox, InboxError, Source};
pub use text::{Dialect, Rich};
pub use webhook::{Answer, Arrival, Dead, Parse, ParseError, Parsed, Request, Verified, Webhook};
