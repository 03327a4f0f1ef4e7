//! The turns under way: each has one log and any number of readers, and runs once whoever asks.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use dashmap::DashMap;
use futures::{Stream, stream};
use tokio::sync::{OnceCell, broadcast};
use zaki_edge_core::{
    front::Refusal,
    turn::{TurnLog, is_kept},
};
use zaki_envelope::{
    SandboxName, TurnId, ZakiUserId,
    wire::{ErrorCode, TurnEvent, TurnEventKind, TurnRequest, WakeStage},
};

use crate::{clock, state::State};

/// Events a slow reader may fall behind before it gets the text at once instead.
const BEHIND: usize = 256;

/// One turn under way.
pub(crate) struct Turn {
    pub(crate) user: ZakiUserId,
    pub(crate) sandbox: SandboxName,
    pub(crate) request: TurnRequest,
    progress: Mutex<Progress>,
    feed: broadcast::Sender<Feed>,
}

#[derive(Default)]
struct Progress {
    log: TurnLog,
    /// How far its sandbox is, until its first event.
    waking: Option<WakeStage>,
}

#[derive(Clone)]
enum Feed {
    Event(Arc<TurnEvent>),
    /// The edge lets the turn go; its readers come back later.
    Released,
}

impl Turn {
    fn new(user: ZakiUserId, sandbox: SandboxName, request: TurnRequest) -> Self {
        Self {
            user,
            sandbox,
            request,
            progress: Mutex::default(),
            feed: broadcast::channel(BEHIND).0,
        }
    }

    pub(crate) const fn id(&self) -> TurnId {
        self.request.turn
    }

    /// Takes an event and hands it to the readers, unless it is a repeat.
    pub(crate) fn push(&self, event: TurnEvent) {
        let mut progress = self.progress();
        if progress.log.push(&event) {
            progress.waking = match event.kind {
                TurnEventKind::Waking { stage } => Some(stage),
                _ => None,
            };
            // No reader is no failure: the log has it. Sent under the lock, so that a reader who
            // subscribes sees each event either in the log or in the feed.
            let _ = self.feed.send(Feed::Event(Arc::new(event)));
        }
    }

    /// Tells the readers how far the sandbox is.
    pub(crate) fn waking(&self, stage: WakeStage) {
        self.push(waking(stage));
    }

    /// Ends it with an error, if it has not ended.
    pub(crate) fn fail(&self, code: ErrorCode, message: &str) {
        self.finish(|log| log.fail(code, message));
    }

    /// Ends it as aborted, if it has not ended.
    pub(crate) fn abort(&self) {
        self.finish(TurnLog::abort);
    }

    fn finish(&self, end: impl FnOnce(&mut TurnLog) -> Option<TurnEvent>) {
        let mut progress = self.progress();
        if let Some(event) = end(&mut progress.log) {
            let _ = self.feed.send(Feed::Event(Arc::new(event)));
        }
    }

    /// Ends its readers' streams without an end of the turn.
    pub(crate) fn release(&self) {
        let _progress = self.progress();
        let _ = self.feed.send(Feed::Released);
    }

    pub(crate) fn log(&self) -> TurnLog {
        self.progress().log.clone()
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.progress().log.last_seq()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.progress().log.end().is_some()
    }

    /// Its events after `seq`, as they come, up to its end.
    pub(crate) fn events(self: Arc<Self>, after: u64) -> impl Stream<Item = Arc<TurnEvent>> + Send {
        let reader = Reader::new(self, after);
        stream::unfold(reader, |mut reader| async {
            let event = reader.next().await?;
            Some((event, reader))
        })
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing that can panic runs under this lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn waking(stage: WakeStage) -> TurnEvent {
    let kind = TurnEventKind::Waking { stage };
    TurnEvent { seq: 0, kind }
}

struct Reader {
    turn: Arc<Turn>,
    backlog: VecDeque<TurnEvent>,
    feed: broadcast::Receiver<Feed>,
    /// The last number handed out.
    seq: u64,
    ended: bool,
}

impl Reader {
    fn new(turn: Arc<Turn>, after: u64) -> Self {
        let progress = turn.progress();
        let feed = turn.feed.subscribe();
        let mut backlog: VecDeque<_> = progress.waking.map(waking).into_iter().collect();
        backlog.extend(progress.log.after(after));
        // Nothing will follow the end, and a reader who has it already needs nothing.
        let ended = progress.log.end().is_some() && backlog.is_empty();
        drop(progress);
        Self { turn, backlog, feed, seq: after, ended }
    }

    async fn next(&mut self) -> Option<Arc<TurnEvent>> {
        while !self.ended {
            let event = match self.backlog.pop_front() {
                Some(event) => Arc::new(event),
                None => match self.feed.recv().await {
                    Ok(Feed::Event(event)) => event,
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        self.backlog.extend(self.turn.progress().log.after(self.seq));
                        continue;
                    }
                    Ok(Feed::Released) | Err(broadcast::error::RecvError::Closed) => return None,
                },
            };
            if event.seq == 0 || event.seq > self.seq {
                self.seq = self.seq.max(event.seq);
                self.ended = event.kind.is_end();
                return Some(event);
            }
        }
        None
    }
}

/// A turn as somebody who asks for it finds it.
#[derive(Clone)]
pub(crate) enum Opened {
    /// Under way.
    Live(Arc<Turn>),
    /// It ended; this is kept.
    Ended(TurnLog),
}

type Slot = Arc<OnceCell<Result<Opened, Refusal>>>;

/// All turns under way, by person and id: nobody reaches another person's turn.
#[derive(Default)]
pub(crate) struct Turns {
    slots: DashMap<(ZakiUserId, TurnId), Slot>,
}

impl Turns {
    /// Finds the turn: under way, ended, or left by an earlier edge; otherwise `asked` makes it a
    /// new one. `begin` is called once per turn that is to run now.
    pub(crate) async fn open(
        &self,
        state: &State,
        user: ZakiUserId,
        id: TurnId,
        asked: Option<(SandboxName, TurnRequest)>,
        begin: impl FnOnce(&Arc<Turn>),
    ) -> Result<Opened, Refusal> {
        let slot = self.slots.entry((user, id)).or_default().clone();
        let load = || async {
            let opened = find(state, user, id, asked).await;
            if let Ok(Opened::Live(turn)) = &opened {
                begin(turn);
            }
            opened
        };
        let opened = slot.get_or_init(load).await.clone();
        if !matches!(opened, Ok(Opened::Live(_))) {
            self.slots.remove_if(&(user, id), |_, found| Arc::ptr_eq(found, &slot));
        }
        opened
    }

    /// Forgets a turn whose end is durable, or that was released.
    pub(crate) fn close(&self, turn: &Turn) {
        self.slots.remove(&(turn.user, turn.id()));
    }
}

async fn find(
    state: &State,
    user: ZakiUserId,
    id: TurnId,
    asked: Option<(SandboxName, TurnRequest)>,
) -> Result<Opened, Refusal> {
    let row = state.turn(user, id).await.map_err(|error| {
        tracing::error!(%user, turn = %id, %error, "turn.unreadable");
        Refusal::Unavailable
    })?;
    let left = match row {
        Some(row) => match (row.ended, row.log, row.request) {
            (Some(ended), Some(log), _) if is_kept(ended, clock::now()) => {
                return Ok(Opened::Ended(log));
            }
            (Some(_), ..) => return Err(Refusal::Gone),
            (None, _, request) => request.map(|request| (row.sandbox, request)),
        },
        None => None,
    };
    let (sandbox, request) = left.or(asked).ok_or(Refusal::NotFound)?;
    Ok(Opened::Live(Arc::new(Turn::new(user, sandbox, request))))
}

#[cfg(test)]
mod tests;
