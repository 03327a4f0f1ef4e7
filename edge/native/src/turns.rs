//! All turns under way: each runs once, whoever asks and however often.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::OnceCell;
use zaki_edge_core::{
    front::Refusal,
    turn::{TurnLog, is_kept},
};
use zaki_envelope::{
    SandboxName, TurnId, ZakiUserId,
    wire::{ErrorCode, TurnRequest, Usage},
};

use crate::{clock, recent::Recent, state::State, turn::Turn};

/// A turn as somebody who asks for it finds it.
#[derive(Clone)]
pub(crate) enum Opened {
    /// Under way.
    Live(Arc<Turn>),
    /// It ended; this is kept.
    Ended(Arc<TurnLog>),
    /// It may not run now. Kept nowhere: asked for again, it may.
    Barred(ErrorCode, &'static str),
}

type Slot = Arc<OnceCell<Result<Opened, Refusal>>>;

/// All turns under way, by person and id: nobody reaches another person's turn.
pub(crate) struct Turns {
    slots: DashMap<(ZakiUserId, TurnId), Slot>,
    recent: Recent,
}

impl Turns {
    /// Of a store whose greatest turn id is `known`.
    pub(crate) fn new(known: Option<TurnId>) -> Self {
        Self { slots: DashMap::new(), recent: Recent::after(known) }
    }

    /// Finds the turn: under way, ended, or left by an earlier edge; otherwise `asked` makes it a
    /// new one. `begin` is called once per turn that is to run now, and may refuse.
    pub(crate) async fn open(
        &self,
        state: &State,
        user: ZakiUserId,
        id: TurnId,
        asked: Option<(SandboxName, TurnRequest)>,
        begin: impl FnOnce(&Arc<Turn>) -> Result<(), (ErrorCode, &'static str)>,
    ) -> Result<Opened, Refusal> {
        let slot = self.slots.entry((user, id)).or_default().clone();
        let load = || async {
            let opened = self.find(state, user, id, asked).await;
            if let Ok(Opened::Live(turn)) = &opened
                && let Err((code, why)) = begin(turn)
            {
                return Ok(Opened::Barred(code, why));
            }
            opened
        };
        let opened = slot.get_or_init(load).await.clone();
        if !matches!(opened, Ok(Opened::Live(_))) {
            self.slots.remove_if(&(user, id), |_, found| Arc::ptr_eq(found, &slot));
        }
        opened
    }

    /// Those of one person.
    pub(crate) fn of(&self, user: ZakiUserId) -> Vec<Arc<Turn>> {
        let theirs = self.slots.iter().filter(|slot| slot.key().0 == user);
        let live = theirs.filter_map(|slot| match slot.get() {
            Some(Ok(Opened::Live(turn))) => Some(turn.clone()),
            _ => None,
        });
        live.collect()
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.slots.len()
    }

    /// It is no longer under way; see [`Shared::close`](crate::shared::Shared::close).
    pub(crate) fn close(&self, turn: &Turn) {
        self.slots.remove(&(turn.user, turn.id()));
    }

    async fn find(
        &self,
        state: &State,
        user: ZakiUserId,
        id: TurnId,
        asked: Option<(SandboxName, TurnRequest)>,
    ) -> Result<Opened, Refusal> {
        let left = if self.recent.is_new(id) { None } else { load(state, user, id).await? };
        let left = match left {
            Some(Left::Ended(log)) => return Ok(Opened::Ended(Arc::new(log))),
            Some(Left::Running(sandbox, request, so_far)) => Some((sandbox, request, so_far)),
            None => None,
        };
        let asked = asked.map(|(sandbox, request)| (sandbox, request, Usage::default()));
        let (sandbox, request, so_far) = left.or(asked).ok_or(Refusal::NotFound)?;
        Ok(Opened::Live(Arc::new(Turn::new(user, sandbox, request).taken_up(so_far))))
    }
}

/// What an earlier edge, or this one, has left of a turn.
enum Left {
    /// It ended; this is kept.
    Ended(TurnLog),
    /// It was running, and had used so much.
    Running(SandboxName, TurnRequest, Usage),
}

async fn load(state: &State, user: ZakiUserId, id: TurnId) -> Result<Option<Left>, Refusal> {
    let row = state.turn(user, id).await.map_err(|error| {
        tracing::error!(%user, turn = %id, %error, "turn.unreadable");
        Refusal::Unavailable
    })?;
    let Some(row) = row else { return Ok(None) };
    match (row.ended, row.log, row.request) {
        (Some(ended), Some(log), _) if is_kept(ended, clock::now()) => Ok(Some(Left::Ended(log))),
        (Some(_), ..) => Err(Refusal::Gone),
        (None, _, request) => {
            Ok(request.map(|request| Left::Running(row.sandbox, request, row.used)))
        }
    }
}

#[cfg(test)]
mod tests;
