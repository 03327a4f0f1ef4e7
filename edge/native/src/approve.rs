//! Taking the person's answer to what an agent asked.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use zaki_edge_core::front::Refusal;
use zaki_envelope::{
    ZakiUserId,
    wire::{ApprovalAnswer, Decision},
};

use crate::{runtime::LinkError, shared::Shared};

/// Answers remembered, so that one that is given again after the turn's end is still taken.
const REMEMBERED: usize = 4096;

/// The answers of late.
#[derive(Default)]
pub(crate) struct Answers {
    given: Mutex<VecDeque<(ZakiUserId, String, Decision)>>,
}

impl Answers {
    fn get(&self, user: ZakiUserId, approval: &str) -> Option<Decision> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let known = given.iter().rfind(|(who, what, _)| *who == user && what == approval);
        known.map(|(.., decision)| *decision)
    }

    fn put(&self, user: ZakiUserId, approval: String, decision: Decision) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.len() == REMEMBERED {
            given.pop_front();
        }
        given.push_back((user, approval, decision));
    }

    /// Forgets a person.
    pub(crate) fn remove(&self, user: ZakiUserId) {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|(who, ..)| *who != user);
    }
}

impl Shared {
    /// Returns when the sandbox has the answer.
    pub(crate) async fn approve(
        &self,
        user: ZakiUserId,
        approval: String,
        answer: ApprovalAnswer,
    ) -> Result<(), Refusal> {
        if let Some(given) = self.answers.get(user, &approval) {
            return if given == answer.decision { Ok(()) } else { Err(Refusal::Decided) };
        }
        let turns = self.turns.of(user);
        let Some(turn) = turns.iter().find(|turn| turn.has_asked(&approval)) else {
            // One that is about to be taken up may have asked.
            let is_whole = turns.iter().all(|turn| turn.has_ended() || turn.link().is_some());
            let is_known = |id| turns.iter().any(|turn| turn.id() == id);
            let open = self.state.open_turns(user).await.map_err(|error| {
                tracing::error!(%user, %error, "turns.unreadable");
                Refusal::Unavailable
            })?;
            let is_all = is_whole && open.into_iter().all(is_known);
            return Err(if is_all { Refusal::NotFound } else { Refusal::Unavailable });
        };
        let link = turn.link().ok_or(Refusal::Unavailable)?;
        match link.approve(&approval, answer).await {
            Ok(()) => {
                turn.answered(&approval);
                self.answers.put(user, approval, answer.decision);
                Ok(())
            }
            Err(LinkError::Refused(404)) => Err(Refusal::NotFound),
            Err(LinkError::Refused(409)) => Err(Refusal::Decided),
            Err(LinkError::Lost(_) | LinkError::Refused(_)) => Err(Refusal::Unavailable),
        }
    }
}
