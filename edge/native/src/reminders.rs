//! When which agent wants to act by itself while its sandbox rests: the edge watches the time for
//! them, and wakes them.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::timeout;
use zaki_edge_core::{
    person::Standing,
    sandbox::{Event, wake_at},
};
use zaki_envelope::{SandboxName, Timestamp, ZakiUserId};

use crate::{actor::Message, clock, edge::Running};

/// Between two looks, whatever the clock does meanwhile.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// After which somebody who is retired is looked at again, in milliseconds.
const LATER_MS: i64 = 3_600_000;

/// All of them. What is here is durable in the state, too.
#[derive(Default)]
pub(crate) struct Reminders {
    times: Mutex<Times>,
    news: Notify,
}

#[derive(Default)]
struct Times {
    /// When to wake it, and for which time.
    of: HashMap<SandboxName, (Timestamp, Timestamp)>,
    order: BTreeSet<(Timestamp, SandboxName)>,
}

impl Times {
    fn take(&mut self, name: &SandboxName) -> Option<Timestamp> {
        let (when, at) = self.of.remove(name)?;
        self.order.remove(&(when, name.clone()));
        Some(at)
    }

    fn put(&mut self, name: &SandboxName, when: Timestamp, at: Timestamp) {
        self.of.insert(name.clone(), (when, at));
        self.order.insert((when, name.clone()));
    }
}

impl Reminders {
    /// The next one of `name`, in place of an earlier one. One that is stopped is woken early, unless
    /// it is too late for that; it may be stopped again until then.
    pub(crate) fn set(&self, name: &SandboxName, at: Option<Timestamp>, is_stopped: bool) {
        self.set_at(clock::now(), name, at, is_stopped);
    }

    fn set_at(&self, now: Timestamp, name: &SandboxName, at: Option<Timestamp>, is_stopped: bool) {
        let mut times = self.times();
        times.take(name);
        if let Some(at) = at {
            times.put(name, wake_at(at, is_stopped, now), at);
        }
        drop(times);
        self.news.notify_one();
    }

    /// Not now, unless there is another one meanwhile.
    fn postpone(&self, name: &SandboxName, at: Timestamp) {
        let mut times = self.times();
        if !times.of.contains_key(name) {
            times.put(name, clock::now().plus_ms(LATER_MS), at);
        }
    }

    /// Forgets a person.
    pub(crate) fn remove(&self, user: ZakiUserId) {
        let mut times = self.times();
        let theirs = |name: &&SandboxName| name.user() == user;
        let theirs: Vec<_> = times.of.keys().filter(theirs).cloned().collect();
        for name in &theirs {
            times.take(name);
        }
    }

    /// Takes those who are to be woken; and how long until the next one is. Of one that was woken
    /// early the time is still to come.
    fn due(&self, now: Timestamp) -> (Vec<(SandboxName, Timestamp)>, Duration) {
        let mut times = self.times();
        let due = times.order.iter().take_while(|(when, _)| *when <= now);
        let due: Vec<SandboxName> = due.map(|(_, name)| name.clone()).collect();
        let take = |name: SandboxName| {
            let at = times.take(&name)?;
            if at > now {
                times.put(&name, at, at);
            }
            Some((name, at))
        };
        let due = due.into_iter().filter_map(take).collect();
        let next = times.order.first().and_then(|(at, _)| u64::try_from(at.since(now)).ok());
        (due, next.map_or(LONGEST_WAIT, Duration::from_millis).min(LONGEST_WAIT))
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes whoever is due, as long as the edge runs.
pub(crate) async fn watch(edge: Weak<Running>) {
    while let Some(edge) = edge.upgrade() {
        let (due, wait) = edge.shared.reminders.due(clock::now());
        for (name, at) in due {
            remind(&edge, name, at).await;
        }
        let shared = edge.shared.clone();
        drop(edge);
        let _ = timeout(wait, shared.reminders.news.notified()).await;
    }
}

async fn remind(edge: &Running, name: SandboxName, at: Timestamp) {
    let held = edge.shared.people.hold(name.user()).await;
    match held.standing {
        Standing::Active => {
            tracing::info!(sandbox = %name, "sandbox.due");
            edge.sandboxes.tell(&name, Message::Event(Event::Due(at)));
        }
        // They may be reinstated; then it is due still.
        Standing::Retired { .. } => edge.shared.reminders.postpone(&name, at),
        Standing::Erasing | Standing::Erased { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::SandboxKind;

    use super::*;

    fn name(n: u128) -> SandboxName {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), n);
        SandboxName::new(user, &SandboxKind::Personal).unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn whoever_is_due_is_told_once_and_the_rest_is_waited_for() {
        let reminders = Reminders::default();
        assert_eq!(reminders.due(at(0)), (vec![], LONGEST_WAIT));
        reminders.set(&name(1), Some(at(5)), false);
        reminders.set(&name(2), Some(at(7)), false);
        reminders.set(&name(3), Some(at(3)), false);
        reminders.set(&name(3), None, true);
        reminders.set(&name(2), Some(at(6)), false);
        assert_eq!(reminders.due(at(4)), (vec![], Duration::from_millis(1)));
        assert_eq!(reminders.due(at(5)), (vec![(name(1), at(5))], Duration::from_millis(1)));
        assert_eq!(reminders.due(at(99)), (vec![(name(2), at(6))], LONGEST_WAIT));
        assert_eq!(reminders.due(at(99)), (vec![], LONGEST_WAIT));
    }

    #[test]
    fn what_is_stopped_is_woken_early_and_told_in_time() {
        let reminders = Reminders::default();
        let due = at(45_010);
        reminders.set_at(at(0), &name(1), Some(due), true);
        assert_eq!(reminders.due(at(9)).0, []);
        assert_eq!(reminders.due(at(10)), (vec![(name(1), due)], Duration::from_secs(45)));
        // Stopped once more meanwhile: not woken again before its time.
        reminders.set_at(at(20), &name(1), Some(due), true);
        assert_eq!(reminders.due(at(45_000)).0, []);
        assert_eq!(reminders.due(due).0, [(name(1), due)]);
        assert_eq!(reminders.due(at(i64::MAX)).0, []);
    }

    #[test]
    fn nobody_is_reminded_of_who_is_gone() {
        let reminders = Reminders::default();
        reminders.set(&name(1), Some(at(5)), false);
        reminders.set(&name(2), Some(at(5)), false);
        reminders.remove(name(1).user());
        assert_eq!(reminders.due(at(5)).0, [(name(2), at(5))]);
    }
}
