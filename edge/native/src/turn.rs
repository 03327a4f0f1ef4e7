//! One turn under way: one log, and any number of readers.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use zaki_edge_core::turn::{TurnLog, asks, settled};
use zaki_envelope::{
    InboundId, SandboxName, TurnId, ZakiUserId,
    wire::{ErrorCode, TurnEvent, TurnEventKind, TurnRequest, Usage, WakeStage},
};

use crate::runtime::Link;

/// Events a slow reader may fall behind before it gets the text at once instead.
const BEHIND: usize = 256;

/// One turn under way.
pub(crate) struct Turn {
    pub(crate) user: ZakiUserId,
    pub(crate) sandbox: SandboxName,
    pub(crate) request: TurnRequest,
    progress: Mutex<Progress>,
    /// Something in `progress` has changed.
    news: Notify,
}

#[derive(Default)]
struct Progress {
    log: TurnLog,
    /// The last events as they came, for readers that keep up.
    tail: VecDeque<Arc<TurnEvent>>,
    /// Number of the last event that is in the tail no longer.
    dropped: u64,
    /// How far its sandbox is, until its first event; and how often that was said.
    waking: Option<Waking>,
    wakings: u64,
    /// The edge lets the turn go; its readers come back later.
    released: bool,
    /// The way to where it runs, while it runs.
    link: Option<Arc<dyn Link>>,
    /// What its model calls have used so far.
    used: Usage,
    /// Why it ends, whatever its sandbox says of its end.
    reason: Option<Reason>,
}

/// A kind of failure, in words for the log.
type Reason = (ErrorCode, &'static str);

/// How far a sandbox is, and how many start before it.
type Waking = (WakeStage, Option<u32>);

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
        self.change(|progress| progress.push(event));
    }

    /// Tells the readers how far the sandbox is.
    pub(crate) fn waking(&self, stage: WakeStage, ahead: Option<u32>) {
        self.push(waking((stage, ahead)));
    }

    /// Ends it with an error, if it has not ended.
    pub(crate) fn fail(&self, code: ErrorCode, message: &str) {
        self.finish(|log, used, reason| {
            let (code, message) = reason.unwrap_or((code, message));
            log.fail(code, message, used)
        });
    }

    /// Ends it as aborted, if it has not ended.
    pub(crate) fn abort(&self) {
        self.finish(|log, used, reason| match reason {
            Some((code, message)) => log.fail(code, message, used),
            None => log.abort(used),
        });
    }

    fn finish(&self, end: impl FnOnce(&mut TurnLog, Usage, Option<Reason>) -> Option<TurnEvent>) {
        self.change(|progress| {
            if let Some(event) = end(&mut progress.log, progress.used, progress.reason) {
                progress.show(event);
            }
        });
    }

    /// Its end, when it comes, is this failure. `false`: it has one already.
    pub(crate) fn condemn(&self, code: ErrorCode, why: &'static str) -> bool {
        let mut progress = self.progress();
        let is_first = progress.reason.is_none();
        progress.reason.get_or_insert((code, why));
        is_first
    }

    /// A model call of it has used this. `false`: too late, its end has said what it has used.
    pub(crate) fn spend(&self, usage: Usage) -> bool {
        let mut progress = self.progress();
        let is_open = progress.log.end().is_none();
        if is_open {
            progress.used += usage;
        }
        is_open
    }

    /// What its model calls have used so far.
    pub(crate) fn used(&self) -> Usage {
        self.progress().used
    }

    /// Ends its readers' streams without an end of the turn.
    pub(crate) fn release(&self) {
        self.change(|progress| progress.released = true);
    }

    /// It runs over there now; `None`: nowhere.
    pub(crate) fn attach(&self, link: Option<Arc<dyn Link>>) {
        self.change(|progress| progress.link = link);
    }

    /// Where it runs, while it runs.
    pub(crate) fn link(&self) -> Option<Arc<dyn Link>> {
        self.progress().link.clone()
    }

    /// Whether it waits for an answer to this.
    pub(crate) fn has_asked(&self, approval: &str) -> bool {
        self.progress().log.has_asked(approval)
    }

    /// It has its answer, so that nobody who comes later is asked.
    pub(crate) fn answered(&self, approval: &str) {
        let mut progress = self.progress();
        progress.log.answered(approval);
        progress.tail.retain(|event| !asks(event, approval));
    }

    /// Whether `steer` can be told to it.
    pub(crate) fn ear(&self, steer: InboundId) -> Ear {
        let progress = self.progress();
        if progress.log.has(steer) {
            return Ear::Heard;
        }
        if progress.log.end().is_some() {
            return Ear::Closed;
        }
        progress.link.clone().map_or(Ear::NotYet, Ear::Open)
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

    fn change(&self, change: impl FnOnce(&mut Progress)) {
        change(&mut self.progress());
        self.news.notify_waiters();
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        // Nothing that can panic runs under this lock.
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress {
    fn push(&mut self, mut event: TurnEvent) {
        if event.kind.is_end() {
            event.kind = settled(event.kind, self.used, self.reason);
        }
        if !self.log.push(&event) {
            return;
        }
        if let TurnEventKind::Waking { stage, ahead } = event.kind {
            self.waking = Some((stage, ahead));
            self.wakings += 1;
        } else {
            self.waking = None;
            self.show(event);
        }
    }

    fn show(&mut self, event: TurnEvent) {
        if self.tail.len() == BEHIND
            && let Some(oldest) = self.tail.pop_front()
        {
            self.dropped = oldest.seq;
        }
        self.tail.push_back(Arc::new(event));
    }
}

const fn waking((stage, ahead): Waking) -> TurnEvent {
    let kind = TurnEventKind::Waking { stage, ahead };
    TurnEvent { seq: 0, kind }
}

/// Reads a turn's events after a number, up to its end.
pub(crate) struct Reader {
    turn: Arc<Turn>,
    /// Coalesced events, after having fallen behind.
    backlog: VecDeque<TurnEvent>,
    /// The last number handed out.
    seq: u64,
    /// How many times waking has been heard.
    wakings: u64,
    ended: bool,
}

/// What a reader finds at once.
pub(crate) enum Found {
    /// The next event.
    Event(Arc<TurnEvent>),
    /// Nothing yet.
    Nothing,
    /// Nothing more.
    End,
}

impl Reader {
    pub(crate) fn new(turn: Arc<Turn>, after: u64) -> Self {
        let wakings = 0;
        let mut reader = Self { turn, backlog: VecDeque::new(), seq: after, wakings, ended: false };
        // Whoever was away gets the text at once.
        let missed = reader.turn.progress().log.after(after);
        reader.backlog.extend(missed);
        reader
    }

    /// The next event, if there is one.
    pub(crate) fn take(&mut self) -> Found {
        if self.ended {
            return Found::End;
        }
        if let Some(event) = self.backlog.pop_front() {
            return self.hand_out(Arc::new(event));
        }
        let turn = Arc::clone(&self.turn);
        let progress = turn.progress();
        if let Some(stage) = progress.waking.filter(|_| progress.wakings > self.wakings) {
            self.wakings = progress.wakings;
            return Found::Event(Arc::new(waking(stage)));
        }
        if self.seq < progress.dropped {
            self.backlog.extend(progress.log.after(self.seq));
            if self.backlog.is_empty() {
                self.seq = progress.dropped;
            }
            drop(progress);
            return self.take();
        }
        let at = progress.tail.partition_point(|event| event.seq <= self.seq);
        match progress.tail.get(at) {
            Some(event) => self.hand_out(Arc::clone(event)),
            None if progress.released || progress.log.end().is_some() => Found::End,
            None => Found::Nothing,
        }
    }

    fn hand_out(&mut self, event: Arc<TurnEvent>) -> Found {
        self.seq = event.seq;
        self.ended = event.kind.is_end();
        Found::Event(event)
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
