//! How long a delivery has been tried: by a clock that does not jump, so that a wall clock that is
//! set forward gives nothing up.

use std::time::Duration;

use zaki_envelope::DeliveryId;
use zaki_ledger::Delivery;

use super::since;

/// What its sender tries now, or has tried last.
pub(super) struct Tried {
    delivery: DeliveryId,
    /// The moment its age was told, and what it was.
    at: Duration,
    age: Duration,
}

impl Tried {
    /// One that is tried at `now`, after `before`. It is as old as its first attempt; only when an
    /// earlier run or another replica has made that must the wall clock tell.
    pub(super) fn at(now: Duration, delivery: &Delivery, before: Option<&Self>) -> Self {
        let age = match before.filter(|tried| tried.delivery == delivery.id) {
            Some(tried) => tried.age + now.saturating_sub(tried.at),
            None if delivery.attempts <= 1 => Duration::ZERO,
            None => since(delivery.id.minted_at()),
        };
        Self { delivery: delivery.id, at: now, age }
    }

    /// One that an earlier run or another replica has begun to send.
    pub(super) fn resumed(now: Duration, delivery: &Delivery) -> Self {
        Self { delivery: delivery.id, at: now, age: since(delivery.id.minted_at()) }
    }

    /// How old it was then.
    pub(super) const fn age(&self) -> Duration {
        self.age
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{
        Address, ChannelKind, Conversation, ConversationKind, Outbound, Timestamp,
    };
    use zaki_ledger::{DeliveryKind, DeliveryState};

    use super::*;
    use crate::clock;

    const HOUR: Duration = Duration::from_hours(1);

    fn hour_ago() -> Timestamp {
        Timestamp::from_ms(clock::now().as_ms() - 3_600_000)
    }

    fn delivery(made: Timestamp, attempts: u32) -> Delivery {
        Delivery {
            id: DeliveryId::from_parts(made, 1),
            turn: None,
            address: Address {
                channel: ChannelKind::Telegram,
                account: "main".parse().unwrap(),
                conversation: Conversation::new(
                    zaki_envelope::ConversationId::new("7"),
                    ConversationKind::Direct,
                ),
                handle: None,
            },
            outbound: Outbound::Post { parts: Vec::new(), reply_to: None },
            kind: DeliveryKind::Reply,
            part: 0,
            state: DeliveryState::Sending,
            attempts,
            not_before: Timestamp::default(),
            reason: None,
            receipt: Vec::new(),
            changed_at: made,
        }
    }

    #[test]
    fn a_wall_clock_that_jumps_makes_nothing_old() {
        let (second, made) = (Duration::from_secs(1), hour_ago());
        let first = Tried::at(second, &delivery(made, 1), None);
        assert_eq!(first.age(), Duration::ZERO, "whatever the wall clock says");
        let again = Tried::at(3 * second, &delivery(made, 2), Some(&first));
        assert_eq!(again.age(), 2 * second);
        assert_eq!(Tried::at(4 * second, &delivery(made, 3), Some(&again)).age(), 3 * second);
        let another = Delivery { id: DeliveryId::from_parts(clock::now(), 2), ..delivery(made, 1) };
        assert_eq!(Tried::at(9 * second, &another, Some(&again)).age(), Duration::ZERO);
    }

    #[test]
    fn what_an_earlier_run_has_tried_is_as_old_as_it_says() {
        assert!(Tried::at(HOUR, &delivery(hour_ago(), 2), None).age() >= HOUR);
        assert!(Tried::resumed(HOUR, &delivery(hour_ago(), 1)).age() >= HOUR);
    }
}
