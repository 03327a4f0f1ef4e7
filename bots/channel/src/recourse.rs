//! What can be done about a message that may or may not have arrived.

use std::time::Duration;

use zaki_envelope::{Address, Outbound};

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

impl Recourse {
    /// What this, an ordinary message's, means for `outbound` to `to`: a change of what is there
    /// already may be made twice, and an answer by a handle leaves nothing it could be known again
    /// by.
    #[must_use]
    pub fn of(self, to: &Address, outbound: &Outbound) -> Self {
        match outbound {
            Outbound::Post { .. } if to.handle.is_none() => self,
            Outbound::Post { .. } | Outbound::Answer { .. } => Self::None,
            Outbound::Edit { .. }
            | Outbound::Retract { .. }
            | Outbound::React { .. }
            | Outbound::Presence { .. } => Self::Repeat { within: Duration::MAX },
        }
    }
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

#[cfg(test)]
mod tests {
    use zaki_envelope::{
        ChannelKind, Conversation, ConversationId, ConversationKind, MessageId, ReplyHandle,
        Timestamp,
    };

    use super::*;

    #[test]
    fn changes_may_be_repeated_and_answers_by_a_handle_may_not() {
        let id = ConversationId::new("1");
        let mut to = Address {
            channel: ChannelKind::Slack,
            account: "main".parse().unwrap(),
            conversation: Conversation::new(id, ConversationKind::Direct),
            handle: None,
        };
        let edit = Outbound::Edit { target: MessageId::new("1"), parts: Vec::new() };
        let declared = Recourse::Prove;
        assert_eq!(declared.of(&to, &Outbound::post("x")), Recourse::Prove);
        assert_eq!(declared.of(&to, &Outbound::Answer { text: None }), Recourse::None);
        let expires_at = Timestamp::from_ms(i64::MAX);
        to.handle = Some(ReplyHandle { secret: String::new(), expires_at, uses_left: 1 });
        assert_eq!(declared.of(&to, &Outbound::post("x")), Recourse::None);
        assert!(matches!(declared.of(&to, &edit), Recourse::Repeat { .. }));
    }
}
