//! Who uses what right now: what is left to a person, and the turns that run for them.

use std::sync::Arc;

use dashmap::DashMap;
use zaki_edge_core::meter::Allowance;
use zaki_envelope::{SandboxName, Timestamp, ZakiUserId, wire::Usage};

use crate::turn::Turn;

/// The accounts of everybody who has a turn under way, or had a budget today.
#[derive(Default)]
pub(crate) struct Accounts {
    people: DashMap<ZakiUserId, Account>,
}

#[derive(Default)]
struct Account {
    left: Option<Allowance>,
    running: Vec<Arc<Turn>>,
}

impl Accounts {
    /// The turn is under way, and says what is left to its person.
    pub(crate) fn begin(&self, turn: &Arc<Turn>, now: Timestamp) {
        let mut left = Allowance::of(&turn.request.budget, now);
        left.spend(turn.used());
        let mut account = self.people.entry(turn.user).or_default();
        let is_busy = account.running.iter().any(|other| !other.has_ended());
        let known = account.left.filter(|_| is_busy);
        account.left = Some(known.map_or(left, |known| known.beside(left)));
        account.running.push(turn.clone());
    }

    /// The turn is under way no more.
    pub(crate) fn end(&self, turn: &Turn) {
        if let Some(mut account) = self.people.get_mut(&turn.user) {
            account.running.retain(|other| other.id() != turn.id());
        }
        self.people.remove_if(&turn.user, |_, account| {
            account.running.is_empty() && account.left.is_none_or(|left| left.is_unlimited())
        });
    }

    /// The turn that a model call of `sandbox` belongs to: the one of its session, or, when the call
    /// does not say which session, the only one there is.
    pub(crate) fn turn_of(
        &self,
        sandbox: &SandboxName,
        session: Option<&str>,
    ) -> Option<Arc<Turn>> {
        let account = self.people.get(&sandbox.user())?;
        let is_here = |turn: &&Arc<Turn>| turn.sandbox == *sandbox && !turn.has_ended();
        let mut here = account.running.iter().filter(is_here);
        if let Some(session) = session {
            return here.find(|turn| turn.request.session.as_str() == session).cloned();
        }
        here.next().filter(|_| here.next().is_none()).cloned()
    }

    /// Whether nothing more may be used for `user`.
    pub(crate) fn is_spent(&self, user: ZakiUserId, now: Timestamp) -> bool {
        let account = self.people.get(&user);
        account.and_then(|account| account.left).is_some_and(|left| left.is_spent(now))
    }

    /// Takes off what was used for `user`.
    pub(crate) fn spend(&self, user: ZakiUserId, usage: Usage) {
        if let Some(mut account) = self.people.get_mut(&user)
            && let Some(left) = &mut account.left
        {
            left.spend(usage);
        }
    }

    /// Drops what is over.
    pub(crate) fn forget(&self, now: Timestamp) {
        self.people.retain(|_, account| {
            !account.running.is_empty() || account.left.is_some_and(|left| !left.is_over(now))
        });
    }

    /// Drops a person.
    pub(crate) fn remove(&self, user: ZakiUserId) {
        self.people.remove(&user);
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::wire::{Budget, Origin, TurnRequest};
    use zaki_envelope::{ChannelKind, ConversationKind, Part, SandboxKind, SessionKey, TurnId};

    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_795_262_400);

    fn user() -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), 1)
    }

    fn sandbox() -> SandboxName {
        SandboxName::new(user(), &SandboxKind::Personal).unwrap()
    }

    /// The `n`-th turn, in a session of its own.
    fn turn(n: u32, tokens: Option<u64>) -> Arc<Turn> {
        let request = TurnRequest {
            turn: TurnId::from_parts(Timestamp::from_ms(1), n.into()),
            sandbox: SandboxKind::Personal,
            session: SessionKey::direct(n),
            parts: vec![Part::text("x")],
            origin: Origin::new(ChannelKind::Slack, ConversationKind::Direct),
            budget: Budget { tokens, ..Budget::default() },
            model: None,
            trace: None,
        };
        Arc::new(Turn::new(user(), sandbox(), request))
    }

    fn tokens(input_tokens: u64) -> Usage {
        Usage { input_tokens, ..Usage::default() }
    }

    #[test]
    fn a_call_belongs_to_the_turn_of_its_session_or_the_only_one() {
        let accounts = Accounts::default();
        let id = |session| accounts.turn_of(&sandbox(), session).map(|turn| turn.id());
        let (one, two) = (turn(1, None), turn(2, None));
        assert_eq!(id(None), None);
        accounts.begin(&one, NOW);
        assert_eq!(id(None), Some(one.id()));
        assert_eq!(id(Some("agent:main:cron:1")), None, "nobody's turn");
        accounts.begin(&two, NOW);
        assert_eq!(id(None), None, "it may be either");
        assert_eq!(id(Some("agent:main:hub:dm:2")), Some(two.id()));
        let other = SandboxName::new(user(), &SandboxKind::Runtime).unwrap();
        assert!(accounts.turn_of(&other, Some("agent:main:hub:dm:2")).is_none());
        two.abort();
        assert_eq!(id(None), Some(one.id()), "ended turns call no model");
        accounts.end(&one);
        accounts.end(&two);
        assert!(accounts.people.is_empty());
    }

    #[test]
    fn what_is_left_is_what_the_last_turn_said_less_what_was_used_since() {
        let accounts = Accounts::default();
        let is_spent = || accounts.is_spent(user(), NOW);
        let first = turn(1, Some(100));
        accounts.begin(&first, NOW);
        accounts.spend(user(), tokens(60));
        // Its asker does not know yet what the first one used.
        let second = turn(2, Some(100));
        accounts.begin(&second, NOW);
        accounts.spend(user(), tokens(40));
        assert!(is_spent());
        accounts.end(&first);
        accounts.end(&second);
        assert!(is_spent(), "nor may anything outside a turn");
        accounts.begin(&turn(3, Some(1)), NOW);
        assert!(!is_spent(), "nothing else runs: its asker knows best");

        let taken_up = Turn::new(user(), sandbox(), turn(4, Some(5)).request.clone());
        let accounts = Accounts::default();
        accounts.begin(&Arc::new(taken_up.taken_up(tokens(5))), NOW);
        assert!(accounts.is_spent(user(), NOW));
    }

    #[test]
    fn budgets_are_forgotten_with_their_day() {
        let accounts = Accounts::default();
        let turn = turn(1, Some(0));
        accounts.begin(&turn, NOW);
        accounts.end(&turn);
        accounts.forget(NOW);
        assert!(accounts.is_spent(user(), NOW));
        accounts.forget(NOW.plus_ms(86_400_000));
        assert!(accounts.people.is_empty());
    }
}
