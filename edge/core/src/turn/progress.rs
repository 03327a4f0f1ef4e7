//! A turn under way: one log, and any number of readers that keep up or catch up.

use std::collections::VecDeque;
use std::sync::Arc;

use zaki_envelope::{
    InboundId,
    wire::{ErrorCode, TurnEvent, TurnEventKind, Usage, WakeStage},
};

use super::{TurnLog, asks, settled};

/// Events a slow reader may fall behind before it gets the text at once instead.
const BEHIND: usize = 256;

/// A kind of failure, in words for the log.
pub type Reason = (ErrorCode, &'static str);

/// How far a turn is.
#[derive(Debug, Default)]
pub struct Progress {
    log: TurnLog,
    /// The last events as they came, for readers that keep up.
    tail: VecDeque<Arc<TurnEvent>>,
    /// Number of the last event that is in the tail no longer.
    dropped: u64,
    /// How far its sandbox is, until its first event; and how often that was said.
    waking: Option<(WakeStage, Option<u32>)>,
    wakings: u64,
    /// The edge lets the turn go; its readers come back later.
    released: bool,
    /// What its model calls have used so far.
    used: Usage,
    /// Why it ends, whatever its sandbox says of its end.
    reason: Option<Reason>,
}

impl Progress {
    /// Takes an event for the readers, unless it is a repeat.
    pub fn push(&mut self, mut event: TurnEvent) {
        if event.kind.is_end() {
            event.kind = settled(event.kind, self.used, self.reason);
        }
        if !self.log.push(&event) {
            return;
        }
        if let TurnEventKind::Waking { stage, ahead } = event.kind {
            self.waking = Some((stage, ahead));
            self.wakings = self.wakings.saturating_add(1);
        } else {
            self.waking = None;
            self.show(event);
        }
    }

    /// Its sandbox is so far.
    pub fn waking(&mut self, stage: WakeStage, ahead: Option<u32>) {
        self.push(waking(stage, ahead));
    }

    /// Ends it with an error, if it has not ended.
    pub fn fail(&mut self, code: ErrorCode, message: &str) {
        let (code, message) = self.reason.unwrap_or((code, message));
        let end = self.log.fail(code, message, self.used);
        self.finish(end);
    }

    /// Ends it as aborted, if it has not ended.
    pub fn abort(&mut self) {
        let end = match self.reason {
            Some((code, message)) => self.log.fail(code, message, self.used),
            None => self.log.abort(self.used),
        };
        self.finish(end);
    }

    fn finish(&mut self, end: Option<TurnEvent>) {
        if let Some(event) = end {
            self.show(event);
        }
    }

    /// Its end, when it comes, is this failure. `false`: it has one already.
    pub fn condemn(&mut self, reason: Reason) -> bool {
        let is_first = self.reason.is_none();
        self.reason.get_or_insert(reason);
        is_first
    }

    /// A model call of it has used this. `false`: too late, its end has said what it has used.
    pub fn spend(&mut self, usage: Usage) -> bool {
        let is_open = !self.has_ended();
        if is_open {
            self.used += usage;
        }
        is_open
    }

    /// What its model calls have used so far.
    pub const fn used(&self) -> Usage {
        self.used
    }

    /// Ends its readers' streams without an end of the turn.
    pub const fn release(&mut self) {
        self.released = true;
    }

    /// Whether it waits for an answer to this.
    pub fn has_asked(&self, approval: &str) -> bool {
        self.log.has_asked(approval)
    }

    /// It has its answer, so that nobody who comes later is asked.
    pub fn answered(&mut self, approval: &str) {
        self.log.answered(approval);
        self.tail.retain(|event| !asks(event, approval));
    }

    /// Whether the message is part of it.
    pub fn has(&self, steer: InboundId) -> bool {
        self.log.has(steer)
    }

    /// What is kept of it.
    pub const fn log(&self) -> &TurnLog {
        &self.log
    }

    /// Whether nothing more happens in it.
    pub const fn has_ended(&self) -> bool {
        self.log.end().is_some()
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

const fn waking(stage: WakeStage, ahead: Option<u32>) -> TurnEvent {
    TurnEvent { seq: 0, kind: TurnEventKind::Waking { stage, ahead } }
}

/// A reader of a turn's events after a number, up to its end.
#[derive(Debug)]
pub struct Cursor {
    /// Coalesced events, after having fallen behind.
    backlog: VecDeque<TurnEvent>,
    /// The last number handed out.
    seq: u64,
    /// How many times waking has been heard.
    wakings: u64,
    ended: bool,
}

/// What a reader finds at once.
#[derive(Debug)]
pub enum Found {
    /// The next event.
    Event(Arc<TurnEvent>),
    /// Nothing yet.
    Nothing,
    /// Nothing more.
    End,
}

impl Cursor {
    /// Reads what comes after `after`; whoever was away gets the text at once.
    pub fn new(progress: &Progress, after: u64) -> Self {
        let backlog = progress.log.after(after).into();
        Self { backlog, seq: after, wakings: 0, ended: false }
    }

    /// The next event, if there is one.
    pub fn take(&mut self, progress: &Progress) -> Found {
        if self.ended {
            return Found::End;
        }
        if let Some(event) = self.backlog.pop_front() {
            return self.hand_out(Arc::new(event));
        }
        if let Some((stage, ahead)) = progress.waking.filter(|_| progress.wakings > self.wakings) {
            self.wakings = progress.wakings;
            return Found::Event(Arc::new(waking(stage, ahead)));
        }
        if self.seq < progress.dropped {
            self.backlog.extend(progress.log.after(self.seq));
            if self.backlog.is_empty() {
                self.seq = progress.dropped;
            }
            return self.take(progress);
        }
        let at = progress.tail.partition_point(|event| event.seq <= self.seq);
        match progress.tail.get(at) {
            Some(event) => self.hand_out(Arc::clone(event)),
            None if progress.released || progress.has_ended() => Found::End,
            None => Found::Nothing,
        }
    }

    fn hand_out(&mut self, event: Arc<TurnEvent>) -> Found {
        self.seq = event.seq;
        self.ended = event.kind.is_end();
        Found::Event(event)
    }
}
