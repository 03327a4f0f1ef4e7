//! What agents ask for and wait for, as this replica has heard: so that `/approve` needs no id
//! while there is one question. The edge knows better; with an id it is asked at any replica.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use zaki_envelope::{Timestamp, TurnId, ZakiUserId, wire::Decision};

/// Questions of one person, at most: beyond, the oldest is forgotten here.
const MOST: usize = 20;

/// A question.
#[derive(Clone)]
pub(crate) struct Pending {
    /// To answer with.
    pub id: String,
    /// What is to be run.
    pub command: String,
    /// What may be answered.
    pub decisions: Vec<Decision>,
    /// From then on it is void.
    pub expires_at: Option<Timestamp>,
    turn: TurnId,
}

/// All open questions, by person.
#[derive(Default)]
pub(crate) struct Approvals(Mutex<HashMap<ZakiUserId, Vec<Pending>>>);

impl Pending {
    pub(crate) fn new(
        turn: TurnId,
        id: String,
        command: String,
        decisions: Vec<Decision>,
        expires_at: Option<Timestamp>,
    ) -> Self {
        Self { id, command, decisions, expires_at, turn }
    }
}

impl Approvals {
    /// A question; `false`: it is known already.
    pub(crate) fn ask(&self, user: ZakiUserId, asked: Pending) -> bool {
        let mut all = self.lock();
        let open = all.entry(user).or_default();
        if open.iter().any(|it| it.id == asked.id) {
            return false;
        }
        if open.len() >= MOST {
            open.remove(0);
        }
        open.push(asked);
        true
    }

    /// Those of a person that wait for an answer, the oldest first.
    pub(crate) fn open(&self, user: ZakiUserId, now: Timestamp) -> Vec<Pending> {
        let mut all = self.lock();
        let Some(open) = all.get_mut(&user) else { return Vec::new() };
        open.retain(|it| it.expires_at.is_none_or(|expires_at| now < expires_at));
        open.clone()
    }

    /// It has been answered, or is void.
    pub(crate) fn close(&self, user: ZakiUserId, id: &str) {
        self.forget(user, |it| it.id == id);
    }

    /// Its turn has ended, and with it all that it asked.
    pub(crate) fn ended(&self, user: ZakiUserId, turn: TurnId) {
        self.forget(user, |it| it.turn == turn);
    }

    fn forget(&self, user: ZakiUserId, gone: impl Fn(&Pending) -> bool) {
        let mut all = self.lock();
        let Some(open) = all.get_mut(&user) else { return };
        open.retain(|it| !gone(it));
        if open.is_empty() {
            all.remove(&user);
        }
    }

    /// The state is whole after every statement, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, HashMap<ZakiUserId, Vec<Pending>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    fn asked(turn: u128, id: &str, expires_at: Option<Timestamp>) -> Pending {
        let turn = TurnId::from_parts(NOW, turn);
        Pending::new(turn, id.to_owned(), "ls".to_owned(), vec![Decision::Deny], expires_at)
    }

    #[test]
    fn a_question_is_open_until_it_is_answered_void_or_its_turn_over() {
        let (all, user) = (Approvals::default(), ZakiUserId::from_parts(NOW, 1));
        assert!(all.ask(user, asked(1, "a", None)));
        assert!(!all.ask(user, asked(1, "a", None)), "a resumed turn asks it again");
        assert!(all.ask(user, asked(1, "b", Some(NOW.plus_ms(10)))));
        assert!(all.ask(user, asked(2, "c", None)));
        let ids = |now| all.open(user, now).into_iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!(ids(NOW), ["a", "b", "c"]);
        assert_eq!(ids(NOW.plus_ms(10)), ["a", "c"]);
        all.close(user, "c");
        assert_eq!(ids(NOW), ["a"]);
        all.ended(user, TurnId::from_parts(NOW, 1));
        assert!(ids(NOW).is_empty() && all.lock().is_empty(), "nothing is left in memory");
    }

    #[test]
    fn an_agent_that_asks_without_end_fills_no_memory() {
        let (all, user) = (Approvals::default(), ZakiUserId::from_parts(NOW, 1));
        for n in 0..3 * MOST {
            all.ask(user, asked(1, &n.to_string(), None));
        }
        assert_eq!(all.open(user, NOW).len(), MOST);
    }
}
