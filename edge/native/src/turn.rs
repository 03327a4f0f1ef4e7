//! One turn under way: one log, and any number of readers.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
pub(crate) use zaki_edge_core::turn::Found;
use zaki_edge_core::{
    tally::outcome,
    turn::{Cursor, Progress, TurnLog},
};
use zaki_envelope::{
    InboundId, SandboxName, TurnId, ZakiUserId,
    wire::{ErrorCode, TurnEvent, TurnRequest, Usage, WakeStage},
};

use crate::runtime::Link;

/// One turn under way.
pub(crate) struct Turn {
    pub(crate) user: ZakiUserId,
    pub(crate) sandbox: SandboxName,
    pub(crate) request: TurnRequest,
    progress: Mutex<Shown>,
    /// Something in `progress` has changed.
    news: Notify,
}

#[derive(Default)]
struct Shown {
    progress: Progress,
    /// The way to where it runs, while it runs.
    link: Option<Arc<dyn Link>>,
}

/// What somebody who has more to say finds.
pub(crate) enum Ear {
    /// It has that already.
    Heard,
    /// It has ended.
    Closed,
    /// It runs there.
    Open(Arc<dyn Link>),
    /// It runs nowhere yet.
    NotYet,
}

impl Turn {
    pub(crate) fn new(user: ZakiUserId, sandbox: SandboxName, request: TurnRequest) -> Self {
        Self { user, sandbox, request, progress: Mutex::default(), news: Notify::new() }
    }

    /// One that has used something already.
    pub(crate) fn taken_up(self, used: Usage) -> Self {
        self.spend(used);
        self
    }

    pub(crate) const fn id(&self) -> TurnId {
        self.request.turn
    }

    /// Takes an event and hands it to the readers, unless it is a repeat.
    pub(crate) fn push(&self, event: TurnEvent) {
        self.change(|shown| shown.progress.push(event));
    }

    /// Tells the readers how far the sandbox is.
    pub(crate) fn waking(&self, stage: WakeStage, ahead: Option<u32>) {
        self.change(|shown| shown.progress.waking(stage, ahead));
    }

    /// Ends it with an error, if it has not ended.
    pub(crate) fn fail(&self, code: ErrorCode, message: &str) {
        self.change(|shown| shown.progress.fail(code, message));
    }

    /// Ends it as aborted, if it has not ended.
    pub(crate) fn abort(&self) {
        self.change(|shown| shown.progress.abort());
    }

    /// Its end, when it comes, is this failure. `false`: it has one already.
    pub(crate) fn condemn(&self, code: ErrorCode, why: &'static str) -> bool {
        self.shown().progress.condemn((code, why))
    }

    /// A model call of it has used this. `false`: too late, its end has said what it has used.
    pub(crate) fn spend(&self, usage: Usage) -> bool {
        self.shown().progress.spend(usage)
    }

    /// What its model calls have used so far.
    pub(crate) fn used(&self) -> Usage {
        self.shown().progress.used()
    }

    /// Ends its readers' streams without an end of the turn.
    pub(crate) fn release(&self) {
        self.change(|shown| shown.progress.release());
    }

    /// It runs over there now; `None`: nowhere.
    pub(crate) fn attach(&self, link: Option<Arc<dyn Link>>) {
        self.change(|shown| shown.link = link);
    }

    /// Where it runs, while it runs.
    pub(crate) fn link(&self) -> Option<Arc<dyn Link>> {
        self.shown().link.clone()
    }

    /// Whether it waits for an answer to this.
    pub(crate) fn has_asked(&self, approval: &str) -> bool {
        self.shown().progress.has_asked(approval)
    }

    /// It has its answer, so that nobody who comes later is asked.
    pub(crate) fn answered(&self, approval: &str) {
        self.shown().progress.answered(approval);
    }

    /// Whether `steer` can be told to it.
    pub(crate) fn ear(&self, steer: InboundId) -> Ear {
        let shown = self.shown();
        if shown.progress.has(steer) {
            return Ear::Heard;
        }
        if shown.progress.has_ended() {
            return Ear::Closed;
        }
        shown.link.clone().map_or(Ear::NotYet, Ear::Open)
    }

    pub(crate) fn log(&self) -> TurnLog {
        self.shown().progress.log().clone()
    }

    /// How it ended, in a word.
    pub(crate) fn outcome(&self) -> &'static str {
        outcome(self.shown().progress.log().end())
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.shown().progress.log().last_seq()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.shown().progress.has_ended()
    }

    /// Looks until there is something, again after every change.
    pub(crate) async fn wait<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        loop {
            let mut news = pin!(self.news.notified());
            // From here on no change is missed, so look only now.
            news.as_mut().enable();
            if let Some(found) = look() {
                return found;
            }
            news.await;
        }
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.shown());
        self.news.notify_waiters();
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        // Nothing that can panic runs under this lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads a turn's events after a number, up to its end.
pub(crate) struct Reader {
    turn: Arc<Turn>,
    cursor: Cursor,
}

impl Reader {
    pub(crate) fn new(turn: Arc<Turn>, after: u64) -> Self {
        let cursor = Cursor::new(&turn.shown().progress, after);
        Self { turn, cursor }
    }

    /// The next event, if there is one.
    pub(crate) fn take(&mut self) -> Found {
        self.cursor.take(&self.turn.shown().progress)
    }

    /// The next event, once there is one; `None` when nothing follows.
    pub(crate) async fn next(&mut self) -> Option<Arc<TurnEvent>> {
        let turn = Arc::clone(&self.turn);
        turn.wait(|| match self.take() {
            Found::Event(event) => Some(Some(event)),
            Found::End => Some(None),
            Found::Nothing => None,
        })
        .await
    }
}

#[cfg(test)]
mod tests;
