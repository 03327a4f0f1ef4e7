//! What is to be said of answers that were lost.

use std::collections::BTreeMap;

use zaki_envelope::Timestamp;
use zaki_ledger::{DeliveryState, Lost};
use zaki_words as words;

/// Everything in `lost`, in one message. An answer of which several parts were lost is one answer.
pub(super) fn of(lost: &[Lost], now: Timestamp) -> words::Loss {
    // By turn, or by themselves where they answer none. Of one answer, "it may have arrived" says
    // enough: its other parts were not sent because of that.
    let mut answers: BTreeMap<String, (bool, Timestamp)> = BTreeMap::new();
    for lost in lost {
        let key = lost.turn.map_or_else(|| lost.id.to_string(), |turn| turn.to_string());
        let unknown = lost.state == DeliveryState::Unknown;
        let at = lost.id.minted_at();
        let answer = answers.entry(key).or_insert((unknown, at));
        *answer = (answer.0 || unknown, answer.1.min(at));
    }
    let of = |unknown: bool| {
        let times = answers.values().filter(|answer| answer.0 == unknown).map(|answer| answer.1);
        let answers = times.clone().count();
        times.min().map(|first| words::Lost { answers, first })
    };
    words::Loss { unknown: of(true), dead: of(false), now }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{DeliveryId, TurnId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn lost(state: DeliveryState, turn: u128, minutes_ago: i64) -> Lost {
        let at = NOW.plus_ms(-60_000 * minutes_ago);
        Lost {
            id: DeliveryId::from_parts(at, turn),
            turn: Some(TurnId::from_parts(NOW, turn)),
            state,
            reason: Some("telegram: sendMessage: 403 blocked".to_owned()),
            at,
        }
    }

    fn counted(lost: &[Lost]) -> [Option<(usize, i64)>; 2] {
        let words::Loss { unknown, dead, .. } = of(lost, NOW);
        [unknown, dead].map(|it| it.map(|it| (it.answers, NOW.since(it.first) / 60_000)))
    }

    #[test]
    fn it_says_what_is_sure_and_what_is_not() {
        assert_eq!(counted(&[lost(DeliveryState::Unknown, 1, 5)]), [Some((1, 5)), None]);
        assert_eq!(counted(&[lost(DeliveryState::Dead, 1, 125)]), [None, Some((1, 125))]);
    }

    #[test]
    fn the_parts_of_one_answer_are_one_loss() {
        let parts = [lost(DeliveryState::Unknown, 1, 0), lost(DeliveryState::Dead, 1, 0)];
        assert_eq!(counted(&parts), [Some((1, 0)), None]);
    }

    #[test]
    fn several_losses_are_one_message() {
        let lost = [
            lost(DeliveryState::Unknown, 1, 1),
            lost(DeliveryState::Dead, 2, 2000),
            lost(DeliveryState::Dead, 3, 2),
        ];
        assert_eq!(counted(&lost), [Some((1, 1)), Some((2, 2000))]);
    }
}
