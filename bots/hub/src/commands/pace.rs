//! How many commands somebody may give in a minute: each costs some calls of the stores, and an
//! answer.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use zaki_envelope::{Inbound, Timestamp, ZakiUserId};
use zaki_lane::{
    commands::{Command, Link},
    minute::{Minutes, Verdict},
};
use zaki_ledger::SettleReason;
use zaki_words::{Limit, Say, Voice};

use crate::{
    clock,
    hub::Hub,
    intake::{self, SenderKey},
    notice,
};

/// So many are remembered.
const MOST: usize = 20_000;

/// Who gives a command.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Giver {
    Person(ZakiUserId),
    /// Who need not be anybody yet.
    Sender(SenderKey),
}

/// Who has given commands a moment ago. In memory, and of one replica alone.
pub(crate) struct Pace {
    per_minute: u32,
    began: Instant,
    given: Mutex<Minutes<Giver>>,
}

impl Pace {
    /// 0: as many as they like.
    pub(crate) fn new(per_minute: u32) -> Self {
        let given = Mutex::new(Minutes::new(MOST));
        Self { per_minute, began: Instant::now(), given }
    }

    /// Counts a command. One too many is not carried out: then what is said of it, if anything is.
    fn ask(&self, giver: &Giver, now: Timestamp) -> Result<(), Option<Limit>> {
        let here = self.began.elapsed();
        let mut minutes = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let Verdict::Over { until, tell } = minutes.ask(giver, self.per_minute, here) else {
            return Ok(());
        };
        let wait = until.saturating_sub(here).max(Duration::from_secs(1));
        let wait = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        Err(tell.then_some(Limit::Commands { resets_at: now.plus_ms(wait), now }))
    }
}

/// Whether a command is carried out; one that is not is settled, and said to be too many, once.
/// What is urgent always is.
pub(super) async fn admits(
    hub: &Arc<Hub>,
    giver: &Giver,
    inbound: &Inbound,
    command: &Command,
    voice: Voice,
) -> bool {
    if command.name().row().urgent {
        return true;
    }
    let Err(said) = hub.pace.ask(giver, clock::now()) else { return true };
    if let Some(limit) = said {
        notice::tell(hub, inbound, limit.say(voice)).await;
    }
    hub.dismiss(inbound, SettleReason::Limited).await;
    false
}

/// The same for a command that may come from nobody, before any store is asked about it.
pub(crate) async fn admits_code(hub: &Arc<Hub>, inbound: &Inbound, command: &Command) -> bool {
    match command {
        Command::Link(Link::Offer) => true,
        Command::Link(_) | Command::Start(Some(_)) => {
            let giver = Giver::Sender(intake::key_of(inbound));
            admits(hub, &giver, inbound, command, hub.voice_before(inbound)).await
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn person(n: u128) -> Giver {
        Giver::Person(ZakiUserId::from_parts(NOW, n))
    }

    #[test]
    fn half_a_minutes_come_at_once_and_one_too_many_is_told_once() {
        let pace = Pace::new(4);
        let ask = |who: &Giver| pace.ask(who, NOW);
        assert_eq!((ask(&person(1)), ask(&person(1))), (Ok(()), Ok(())));
        let Err(Some(Limit::Commands { resets_at, now })) = ask(&person(1)) else {
            panic!("a third is too many")
        };
        assert!(now == NOW && resets_at > NOW && resets_at <= NOW.plus_ms(30_000));
        assert_eq!(ask(&person(1)), Err(None), "and said to be so once");
        assert_eq!(ask(&person(2)), Ok(()), "of others there are as many");
    }

    #[test]
    fn there_need_be_no_limit() {
        let pace = Pace::new(0);
        for _ in 0..1_000 {
            assert_eq!(pace.ask(&person(1), NOW), Ok(()));
        }
    }
}
