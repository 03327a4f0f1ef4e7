//! What can be done about a message that may or may not have arrived.

use std::time::Duration;

use crate::Receipt;

/// What the platform offers when the outcome of a send is unknown. Deliveries are never sent again
/// by themselves beyond it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recourse {
    /// Nothing: nobody can find out.
    None,
    /// The same delivery (same key) may be sent again so long after its first attempt: the
    /// platform makes no second message of it, and answers with the first.
    Repeat {
        /// How long, from the first attempt.
        within: Duration,
    },
    /// [`crate::Channel::prove`] asks the platform.
    Prove,
    /// The platform reports the message by a [`zaki_envelope::InboundKind::Status`] that carries
    /// the delivery's id, if it took it.
    Callback {
        /// After so long without a report none is to be expected.
        within: Duration,
    },
}

/// What the platform itself knows of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// It has the message.
    Sent(Receipt),
    /// It does not have it: to send it again makes no second message.
    NotSent,
    /// It cannot or does not say.
    CannotTell,
}
