//! What agents use by themselves: the edge is asked from time to time, and identity counts what is
//! new.

use std::{
    collections::{HashMap, HashSet},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use futures::future::join_all;
use tokio::time::timeout;
use zaki_envelope::{ZakiUserId, wire::Unasked as Told};

use crate::hub::Hub;

/// Nobody is asked about more often.
const PAUSE: Duration = Duration::from_mins(1);
/// So long an answer is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many are asked about at a time.
const AT_ONCE: usize = 32;
/// So many are remembered.
const MOST: usize = 20_000;

/// About whom the edge is to be asked.
#[derive(Default)]
pub(crate) struct Unasked(Mutex<People>);

#[derive(Default)]
struct People {
    due: HashSet<ZakiUserId>,
    asked: HashMap<ZakiUserId, Instant>,
}

impl Unasked {
    /// Something of theirs goes on: they are asked about soon, unless they were a moment ago.
    pub(crate) fn note(&self, user: ZakiUserId) {
        self.lock().note(user, Instant::now());
    }

    fn take(&self) -> Vec<ZakiUserId> {
        self.lock().take(Instant::now())
    }

    /// The state is whole after every statement, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, People> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl People {
    fn note(&mut self, user: ZakiUserId, now: Instant) {
        let is_fresh = |asked: &Instant| now.duration_since(*asked) < PAUSE;
        if !self.asked.get(&user).is_some_and(is_fresh) && self.due.len() < MOST {
            self.due.insert(user);
        }
    }

    fn take(&mut self, now: Instant) -> Vec<ZakiUserId> {
        if self.asked.len() > MOST {
            self.asked.retain(|_, asked| now.duration_since(*asked) < PAUSE);
        }
        let mut rest = mem::take(&mut self.due).into_iter();
        let users: Vec<_> = rest.by_ref().take(AT_ONCE).collect();
        self.due.extend(rest);
        self.asked.extend(users.iter().map(|user| (*user, now)));
        users
    }
}

/// Counts what agents have used by themselves of those of whom something goes on.
pub(crate) async fn count_unasked(hub: &Hub) {
    count(hub, &hub.allowance.unasked.take()).await;
}

impl Hub {
    /// Counts what somebody's agent has used by itself until now.
    pub(crate) async fn count_unasked_of(&self, user: ZakiUserId) {
        count(self, &[user]).await;
    }
}

async fn ask(hub: &Hub, user: ZakiUserId) -> Option<(ZakiUserId, Told)> {
    match timeout(PATIENCE, hub.edge.usage(user)).await {
        Ok(Ok(report)) => Some((user, report.unasked)),
        Ok(Err(error)) => {
            tracing::debug!(%user, %error, "what was used without a turn is counted later");
            None
        }
        Err(_) => None,
    }
}

/// What cannot be told now is told another time: it is in all later answers.
async fn count(hub: &Hub, users: &[ZakiUserId]) {
    let told = join_all(users.iter().map(|user| ask(hub, *user))).await;
    let is_some =
        |(_, Told { day, month, .. }): &(_, Told)| !(day.is_nothing() && month.is_nothing());
    let told: Vec<_> = told.into_iter().flatten().filter(is_some).collect();
    if told.is_empty() {
        return;
    }
    match hub.directory.count_unasked(&told).await {
        Ok(()) => told.iter().for_each(|(user, _)| hub.allowance.spending.read_anew(*user)),
        Err(error) => tracing::warn!(%error, "what was used without a turn is counted later"),
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    #[test]
    fn nobody_is_asked_about_twice_a_minute() {
        let (mut people, now) = (People::default(), Instant::now());
        people.note(user(1), now);
        people.note(user(1), now);
        assert_eq!(people.take(now), [user(1)]);
        people.note(user(1), now + PAUSE / 2);
        assert_eq!(people.take(now), []);
        people.note(user(1), now + PAUSE);
        assert_eq!(people.take(now + PAUSE), [user(1)]);
    }

    #[test]
    fn whoever_has_no_place_now_has_one_the_next_time() {
        let (mut people, now) = (People::default(), Instant::now());
        (0..40).for_each(|n| people.note(user(n), now));
        assert_eq!((people.take(now).len(), people.take(now).len()), (AT_ONCE, 40 - AT_ONCE));
        assert_eq!(people.take(now), []);
    }
}
