//! What the hub says of answers that were lost.

use std::collections::BTreeMap;

use zaki_envelope::Timestamp;
use zaki_ledger::{DeliveryState, Lost};

/// Tells of everything in `lost`, in one message. An answer of which several parts were lost is one
/// answer.
pub(crate) fn told(lost: &[Lost], now: Timestamp) -> String {
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
        let times = answers.values().filter(move |answer| answer.0 == unknown);
        times.map(|answer| answer.1).collect::<Vec<_>>()
    };
    let parts = [say_unknown(&of(true), now), say_dead(&of(false), now)];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n\n")
}

fn say_unknown(times: &[Timestamp], now: Timestamp) -> Option<String> {
    let first = ago(*times.iter().min()?, now);
    Some(match (times.len(), first) {
        (1, first) => format!(
            "An answer of mine{} may not have reached you, or not all of it: the connection broke \
             while it was being sent. If you miss something, please ask again.",
            first.map(|first| format!(" from {first}")).unwrap_or_default()
        ),
        (n, first) => format!(
            "{n} of my answers{} may not have reached you: the connection broke while they were \
             being sent. If you miss something, please ask again.",
            first.map(|first| format!(", the first from {first},")).unwrap_or_default()
        ),
    })
}

fn say_dead(times: &[Timestamp], now: Timestamp) -> Option<String> {
    let first = ago(*times.iter().min()?, now);
    Some(match (times.len(), first) {
        (1, first) => format!(
            "An answer of mine{} could not be delivered, or not all of it. Please ask again if you \
             still need it.",
            first.map(|first| format!(" from {first}")).unwrap_or_default()
        ),
        (n, first) => format!(
            "{n} of my answers{} could not be delivered. Please ask again if you still need them.",
            first.map(|first| format!(", the first from {first},")).unwrap_or_default()
        ),
    })
}

/// How long ago, as one says it: people's time zones are not known here. Of what has only just
/// been, nothing: this may be read much later.
fn ago(then: Timestamp, now: Timestamp) -> Option<String> {
    let minutes = now.since(then).max(0) / 60_000;
    let (count, unit) = match minutes {
        0 => return None,
        1..60 => (minutes, "minute"),
        60..1440 => (minutes / 60, "hour"),
        _ => (minutes / 1440, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    Some(format!("{count} {unit}{plural} ago"))
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

    #[test]
    fn it_says_what_is_sure_and_what_is_not() {
        let unknown = told(&[lost(DeliveryState::Unknown, 1, 5)], NOW);
        assert!(unknown.starts_with("An answer of mine from 5 minutes ago may not have"));
        let dead = told(&[lost(DeliveryState::Dead, 1, 125)], NOW);
        assert!(dead.starts_with("An answer of mine from 2 hours ago could not be delivered"));
        assert!(!dead.contains("403"), "no machine's words");
    }

    #[test]
    fn the_parts_of_one_answer_are_one_loss() {
        let parts = [lost(DeliveryState::Unknown, 1, 0), lost(DeliveryState::Dead, 1, 0)];
        let said = told(&parts, NOW);
        assert!(said.starts_with("An answer of mine may not"), "{said}");
        assert!(!said.contains("could not be delivered"), "{said}");
    }

    #[test]
    fn several_losses_are_one_message() {
        let lost = [
            lost(DeliveryState::Unknown, 1, 1),
            lost(DeliveryState::Dead, 2, 2000),
            lost(DeliveryState::Dead, 3, 2),
        ];
        let said = told(&lost, NOW);
        assert!(said.contains("An answer of mine from 1 minute ago may not"), "{said}");
        assert!(said.contains("2 of my answers, the first from 1 day ago, could not"), "{said}");
    }
}
