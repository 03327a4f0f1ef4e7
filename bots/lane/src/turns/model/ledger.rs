//! What the ledger does about turns, as far as lanes can tell.

use zaki_envelope::{Inbound, InboundId, TurnId};

use super::{Fate, Open, World};

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
        self.join(turn, messages);
        Begin::Begun(turn)
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
            self.answered.push(message.id);
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
