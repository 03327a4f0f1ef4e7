//! What the ledger does about turns, as far as lanes can tell.

use zaki_envelope::{Inbound, InboundId, TurnId};

use super::{Fate, Open, World, is_stop};

pub(super) enum Begin {
    Begun(TurnId),
    Busy(TurnId),
    NotAccepted(InboundId),
}

impl World {
    pub(super) fn foreign(&self, at: usize, messages: &[Inbound]) -> Option<InboundId> {
        let is_foreign = |id: &InboundId| {
            !matches!(self.fates[id], Fate::Held(by) if by == at) && self.fates[id] != Fate::Left
        };
        messages.iter().map(|message| message.id).find(is_foreign)
    }

    /// As the ledger's `begin_turn`.
    pub(super) fn begin(&mut self, at: usize, messages: &[Inbound]) -> Begin {
        if let Some(id) = self.foreign(at, messages) {
            return Begin::NotAccepted(id);
        }
        if let Some(open) = &self.open {
            let turn = open.turn;
            self.leave(messages.to_vec());
            return Begin::Busy(turn);
        }
        self.turns += 1;
        let turn = TurnId::from_parts(zaki_envelope::Timestamp::default(), self.turns.into());
        self.open = Some(Open { turn, owner: at, aborted: false });
        self.join(turn, &self.with_earlier(at, messages));
        Begin::Begun(turn)
    }

    /// What was accepted before the last of them and is not this replica's goes along, as in a
    /// ledger that replicas share (how many at most is left out). Commands stand in no line.
    pub(super) fn with_earlier(&self, at: usize, messages: &[Inbound]) -> Vec<Inbound> {
        let last = messages.iter().filter(|it| !is_stop(it)).map(|it| it.id).max();
        let earlier = self.fates.iter().filter(|(id, fate)| {
            let elsewhere = match fate {
                Fate::Held(by) => *by != at,
                Fate::Left => !messages.iter().any(|it| it.id == **id),
                Fate::Joined(_) | Fate::Settled(_) => false,
            };
            elsewhere && last.is_some_and(|last| **id < last) && self.replicas.len() > 1
        });
        let earlier = earlier.map(|(id, _)| self.said[id].clone()).filter(|it| !is_stop(it));
        let mut all: Vec<Inbound> = earlier.chain(messages.iter().cloned()).collect();
        all.sort_by_key(|it| it.id);
        all
    }

    /// As after a turn that has ended meanwhile: they are this replica's.
    pub(super) fn keep(&mut self, at: usize, messages: Vec<Inbound>) -> Vec<Inbound> {
        self.brought += messages.len();
        for message in &messages {
            self.left.retain(|it| it.id != message.id);
            self.fates.insert(message.id, Fate::Held(at));
        }
        messages
    }

    /// For whoever ends the open turn.
    pub(super) fn leave(&mut self, messages: Vec<Inbound>) -> Vec<Inbound> {
        for message in messages {
            if self.fates.insert(message.id, Fate::Left) != Some(Fate::Left) {
                self.left.push(message);
            }
        }
        Vec::new()
    }

    pub(super) fn join(&mut self, turn: TurnId, messages: &[Inbound]) {
        for message in messages {
            self.left.retain(|it| it.id != message.id);
            let before = self.fates.insert(message.id, Fate::Joined(turn));
            assert!(matches!(before, Some(Fate::Held(_) | Fate::Left)), "{before:?}");
            // A command overtakes.
            if !is_stop(message) {
                self.answered.push(message.id);
            }
        }
    }

    /// As the ledger's `finish_turn`.
    pub(super) fn finish(&mut self, at: usize, turn: TurnId) -> (bool, Vec<Inbound>) {
        let open = self.open.take().unwrap();
        assert_eq!((open.turn, open.owner), (turn, at));
        let mut waiting = std::mem::take(&mut self.left);
        // In order of acceptance.
        waiting.sort_by_key(|message| message.id);
        for message in &waiting {
            self.fates.insert(message.id, Fate::Held(at));
        }
        (open.aborted, waiting)
    }
}
