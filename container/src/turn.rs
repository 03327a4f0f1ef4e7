//! The turns of this sandbox: what happened in each, kept until its reader has it.

use std::{
    collections::BTreeMap,
    io,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{Stream, stream};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use zaki_envelope::{
    Part, TurnId,
    wire::{SteerRequest, TurnEvent, TurnEventKind, TurnRequest},
};

use crate::journal::{Journal, Kept, TurnLog};

/// How many ended turns are remembered, so that a repeat is answered and never runs again.
const REMEMBERED: usize = 1000;
/// Messages that one turn takes in; more of them are turns of their own.
const MOST_STEERED: usize = 32;

/// One turn and its events.
#[derive(Debug)]
pub(crate) struct Turn {
    pub(crate) id: TurnId,
    events: Mutex<Vec<TurnEvent>>,
    /// The messages that became part of it, in order.
    steered: Mutex<Vec<SteerRequest>>,
    log: Option<TurnLog>,
    last: watch::Sender<u64>,
    /// Held while an event gets its number and its place in the journal.
    writing: tokio::sync::Mutex<()>,
    /// Something was steered in.
    pub(crate) added: Notify,
    /// Somebody wants it to stop.
    pub(crate) abort: CancellationToken,
}

impl Turn {
    fn new(
        id: TurnId,
        events: Vec<TurnEvent>,
        steered: Vec<SteerRequest>,
        log: Option<TurnLog>,
    ) -> Arc<Self> {
        let last = events.last().map_or(0, |event| event.seq);
        Arc::new(Self {
            id,
            events: Mutex::new(events),
            steered: Mutex::new(steered),
            log,
            last: watch::Sender::new(last),
            writing: tokio::sync::Mutex::default(),
            added: Notify::new(),
            abort: CancellationToken::new(),
        })
    }

    /// Journals an event, then shows it to the readers. A turn that has ended stays as it ended.
    pub(crate) async fn emit(&self, kind: TurnEventKind) {
        let _writing = self.writing.lock().await;
        self.show(kind).await;
    }

    /// Ends the turn. `false`: something has been steered in that the answer, to the first
    /// `answered` messages, does not know of, and the turn goes on.
    pub(crate) async fn finish(&self, end: TurnEventKind, answered: usize) -> bool {
        let _writing = self.writing.lock().await;
        let is_answer = matches!(end, TurnEventKind::Final { aborted: false, .. });
        if is_answer && lock(&self.steered).len() > answered {
            return false;
        }
        self.show(end).await;
        true
    }

    /// Makes a message part of the turn, durably; `false`: it takes nothing more.
    pub(crate) async fn steer(&self, request: &SteerRequest) -> io::Result<bool> {
        let _writing = self.writing.lock().await;
        let count = {
            let steered = lock(&self.steered);
            if steered.iter().any(|known| known.steer == request.steer) {
                return Ok(true);
            }
            steered.len()
        };
        if self.end().is_some() || count >= MOST_STEERED {
            return Ok(false);
        }
        let event = self.next(TurnEventKind::Steered { steer: request.steer });
        self.journal(&event, Some(&request.parts)).await?;
        lock(&self.steered).push(request.clone());
        self.publish(event);
        self.added.notify_one();
        Ok(true)
    }

    /// The messages that became part of it so far.
    pub(crate) fn steered(&self) -> Vec<SteerRequest> {
        lock(&self.steered).clone()
    }

    async fn show(&self, kind: TurnEventKind) {
        if self.end().is_some() {
            return;
        }
        let event = self.next(kind);
        if let Err(error) = self.journal(&event, None).await {
            // The answer matters more than the ability to resume it.
            tracing::error!(turn = %self.id, %error, "the journal cannot be written");
        }
        self.publish(event);
    }

    fn next(&self, kind: TurnEventKind) -> TurnEvent {
        TurnEvent { seq: *self.last.borrow() + 1, kind }
    }

    async fn journal(&self, event: &TurnEvent, said: Option<&[Part]>) -> io::Result<()> {
        match &self.log {
            Some(log) => log.append(event, said).await,
            None => Ok(()),
        }
    }

    fn publish(&self, event: TurnEvent) {
        let seq = event.seq;
        lock(&self.events).push(event);
        self.last.send_replace(seq);
    }

    /// The event that ended the turn.
    pub(crate) fn end(&self) -> Option<TurnEvent> {
        let events = lock(&self.events);
        events.last().filter(|event| event.kind.is_end()).cloned()
    }

    /// Whether the agent is known to have taken it.
    pub(crate) fn has_started(&self) -> bool {
        let started = |event: &TurnEvent| matches!(event.kind, TurnEventKind::Started { .. });
        lock(&self.events).iter().any(started)
    }

    /// The events after `seq`, those to come included, up to the end of the turn.
    pub(crate) fn events_after(self: Arc<Self>, seq: u64) -> impl Stream<Item = TurnEvent> {
        let seen = self.last.subscribe();
        let from = (self, seen, seq, false);
        stream::unfold(from, |(turn, mut seen, seq, done)| async move {
            if done {
                return None;
            }
            loop {
                seen.borrow_and_update();
                if let Some(event) = turn.next_after(seq) {
                    let (next, done) = (event.seq, event.kind.is_end());
                    return Some((event, (turn, seen, next, done)));
                }
                if turn.end().is_some() || seen.changed().await.is_err() {
                    return None;
                }
            }
        })
    }

    /// Whether a file has been told of.
    pub(crate) fn has_made(&self, hash: &str) -> bool {
        let is_it = |event: &TurnEvent| matches!(&event.kind, TurnEventKind::Media { sha256, .. } if sha256 == hash);
        lock(&self.events).iter().any(is_it)
    }

    /// Whether it waits for an answer to this.
    pub(crate) fn has_asked(&self, approval: &str) -> bool {
        let is_it = |event: &TurnEvent| matches!(&event.kind, TurnEventKind::Approval { id, .. } if id == approval);
        lock(&self.events).iter().any(is_it)
    }

    fn next_after(&self, seq: u64) -> Option<TurnEvent> {
        let events = lock(&self.events);
        let at = events.partition_point(|event| event.seq <= seq);
        events.get(at).cloned()
    }
}

/// All turns that are known.
#[derive(Debug)]
pub(crate) struct Turns {
    journal: Journal,
    known: Mutex<BTreeMap<TurnId, Arc<Turn>>>,
}

/// A turn that a crash interrupted, and what it was about.
pub(crate) type Interrupted = (Arc<Turn>, TurnRequest);

/// What became of a request for a turn.
pub(crate) enum Accepted {
    /// It is new and waits to be run.
    New(Arc<Turn>),
    /// It is known, running or ended.
    Known(Arc<Turn>),
}

impl Turns {
    /// Opens the journal; also returns the turns that a crash interrupted.
    pub(crate) fn open(dir: &Path) -> io::Result<(Self, Vec<Interrupted>)> {
        let journal = Journal::open(dir)?;
        let (mut known, mut interrupted) = (BTreeMap::new(), Vec::new());
        for kept in journal.load()? {
            let turn = match kept {
                Kept::End(id, end) => Turn::new(id, vec![end], Vec::new(), None),
                Kept::Whole(request, events, steered, log) => {
                    let turn = Turn::new(request.turn, events, steered, Some(log));
                    if turn.end().is_none() {
                        interrupted.push((Arc::clone(&turn), request));
                    }
                    turn
                }
            };
            // Both files exist after a crash between burying and removing: the whole one wins
            // or loses nothing, since both hold the same end.
            known.insert(turn.id, turn);
        }
        let known = Mutex::new(known);
        Ok((Self { journal, known }, interrupted))
    }

    /// Journals a turn that is new.
    pub(crate) fn accept(&self, request: &TurnRequest) -> io::Result<Accepted> {
        let mut known = lock(&self.known);
        if let Some(turn) = known.get(&request.turn) {
            return Ok(Accepted::Known(Arc::clone(turn)));
        }
        let log = self.journal.begin(request)?;
        let turn = Turn::new(request.turn, Vec::new(), Vec::new(), Some(log));
        known.insert(turn.id, Arc::clone(&turn));
        self.forget_oldest(&mut known)?;
        Ok(Accepted::New(turn))
    }

    /// Looks a turn up.
    pub(crate) fn get(&self, id: TurnId) -> Option<Arc<Turn>> {
        lock(&self.known).get(&id).cloned()
    }

    /// The turns that have not ended.
    pub(crate) fn running(&self) -> Vec<Arc<Turn>> {
        let known = lock(&self.known);
        let running = known.values().filter(|turn| turn.end().is_none());
        running.cloned().collect()
    }

    /// The reader has everything up to `seq`: an ended turn shrinks to its end.
    pub(crate) fn acknowledge(&self, turn: &Turn, seq: u64) -> io::Result<()> {
        let Some(end) = turn.end().filter(|end| end.seq <= seq) else {
            return Ok(());
        };
        self.journal.bury(turn.id, &end)?;
        let buried = Turn::new(turn.id, vec![end], turn.steered(), None);
        lock(&self.known).insert(turn.id, buried);
        Ok(())
    }

    fn forget_oldest(&self, known: &mut BTreeMap<TurnId, Arc<Turn>>) -> io::Result<()> {
        let ended: Vec<TurnId> =
            known.values().filter(|turn| turn.end().is_some()).map(|turn| turn.id).collect();
        for id in ended.iter().take(ended.len().saturating_sub(REMEMBERED)) {
            self.journal.forget(*id)?;
            known.remove(id);
        }
        Ok(())
    }
}

/// A panic elsewhere does not make the data behind a lock worse.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[path = "turn_tests.rs"]
pub(crate) mod tests;
