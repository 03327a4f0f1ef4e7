//! One sandbox's actor: takes what happens, asks the core what to do, and does exactly that, one
//! effect after another.

mod errand;
mod release;
mod stop;
mod watch;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use zaki_edge_core::{
    release::{Release, Start},
    sandbox::{AlarmId, Claim, Effect, Event, Generation, Phase, Sandbox},
};
use zaki_envelope::{
    SandboxName, Timestamp, TurnId,
    wire::{BackupOutcome, ErrorCode},
};

use crate::{
    clock,
    fleet::Mailbox,
    relay,
    runtime::{Link, Manner, Place, Runtime, RuntimeError, Version},
    sandboxes,
    shared::Shared,
    state::SandboxRow,
    turn::Turn,
};

/// Tries to have an agent that rested go on; what it cannot be told ends by itself.
const RESUMES: u32 = 3;
const RESUME_PAUSE: Duration = Duration::from_millis(200);

/// What an actor is told.
pub(crate) enum Message {
    /// Something happened.
    Event(Event),
    /// This turn is to run.
    Accept(Arc<Turn>),
    /// This turn is to stop.
    Abort(Arc<Turn>),
    /// This work of an operator needs the sandbox up.
    Errand(Errand),
    /// End every turn so, stop, and tell when nothing is left.
    Halt(ErrorCode, oneshot::Sender<()>),
    /// The start came to nothing.
    NotReady(Generation, RuntimeError),
}

pub(crate) use errand::Errand;

pub(crate) struct Actor {
    shared: Arc<Shared>,
    runtime: Arc<dyn Runtime>,
    name: SandboxName,
    number: u32,
    state: Sandbox,
    place: Option<Place>,
    release: Release<Version>,
    /// What becomes of the memory that this start has to have.
    owed: Option<oneshot::Receiver<BackupOutcome>>,
    link: Option<Arc<dyn Link>>,
    turns: HashMap<TurnId, Arc<Turn>>,
    /// What operators wait for, which to the core are turns; gone from here once they are begun.
    errands: HashMap<TurnId, Errand>,
    /// The next alarm.
    alarm: Option<AbortHandle>,
    /// Hears what its agent says by itself.
    listener: Option<AbortHandle>,
    /// It has taken turns since its start, and has not gone away by itself.
    is_up: bool,
    /// Ends what belongs to the current start: its watchers and relays.
    current: CancellationToken,
    /// When the start began that is under way.
    began: Option<Instant>,
    /// Why the last start failed.
    reason: Option<String>,
    /// How to stop: once a turn was released, so that it is taken up and not aborted.
    manner: Manner,
    /// Its person is being erased: nothing of it is noted any more.
    erased: bool,
    /// The turns that have ended with an error while it was up.
    failed: Vec<TurnId>,
    /// Who waits until it has stopped.
    halting: Vec<oneshot::Sender<()>>,
    /// To be done before the first message.
    pending: Vec<Effect>,
}

/// Its watchers and relays end with it, also when it is let go of and its sandbox goes on.
impl Drop for Actor {
    fn drop(&mut self) {
        self.current.cancel();
    }
}

impl Actor {
    /// Of a sandbox of which nothing runs.
    pub(crate) fn new(shared: Arc<Shared>, runtime: Arc<dyn Runtime>, row: SandboxRow) -> Self {
        let state = Sandbox::stopped(row.generation, row.reminder, shared.habits);
        Self {
            shared,
            runtime,
            name: row.name,
            number: row.number,
            state,
            place: row.place,
            release: row.release,
            owed: None,
            link: None,
            turns: HashMap::new(),
            errands: HashMap::new(),
            alarm: None,
            listener: None,
            is_up: false,
            current: CancellationToken::new(),
            began: None,
            reason: None,
            manner: Manner::Gently,
            erased: false,
            failed: Vec::new(),
            halting: Vec::new(),
            pending: Vec::new(),
        }
    }

    /// Of a sandbox an earlier edge left; when it is not to be used, it is ended here. `None`: it
    /// is ended but that could not be noted, so the next start will look again.
    pub(crate) async fn adopt(
        shared: Arc<Shared>,
        runtime: Arc<dyn Runtime>,
        row: SandboxRow,
    ) -> Option<Self> {
        let mut actor = Self::new(shared, runtime.clone(), row);
        let place = actor.place.clone()?;
        if let Some(link) = runtime.adopt(&actor.name, &place).await {
            tracing::info!(sandbox = %actor.name, generation = place.generation.0, "sandbox.adopted");
            actor.pending = actor.state.adopt(clock::now());
            actor.shared.grant(&place.token, &actor.name);
            actor.link = Some(link);
        } else {
            // What runs in it is taken up by its next start.
            runtime.stop(&actor.name, &place, Manner::AtOnce).await;
            actor.place = None;
            actor.persist().await.ok()?;
        }
        Some(actor)
    }

    pub(crate) const fn name(&self) -> &SandboxName {
        &self.name
    }

    /// Whether it is there to be spoken to.
    pub(crate) const fn has_link(&self) -> bool {
        self.link.is_some()
    }

    /// Begins with `first` and lives while its sandbox does, or anything is asked of it; `retire`
    /// says whether it may go.
    pub(crate) async fn run(
        mut self,
        mailbox: Mailbox,
        first: Option<Message>,
        mut inbox: mpsc::UnboundedReceiver<Message>,
        retire: impl Fn(&SandboxName, &mpsc::UnboundedReceiver<Message>) -> bool,
    ) {
        let pending = std::mem::take(&mut self.pending);
        if self.link.is_some() {
            self.watch_exit(&mailbox);
        }
        let mut events = self.execute_all(pending, &mailbox).await;
        self.publish(&mailbox);
        events.extend(first.and_then(|message| self.receive(message)));
        loop {
            while let Some(event) = events.pop_front() {
                let event = self.prove(event).await;
                let effects = self.state.step(event, clock::now());
                events.extend(self.execute_all(effects, &mailbox).await);
                self.publish(&mailbox);
            }
            let is_idle = self.state.claim() == Claim::Absent && self.turns.is_empty();
            if is_idle && retire(&self.name, &inbox) {
                return;
            }
            let Some(message) = inbox.recv().await else {
                return;
            };
            events.extend(self.receive(message));
        }
    }

    fn publish(&mut self, mailbox: &Mailbox) {
        self.shared.fleet.tell(&self.name, self.state.claim());
        if self.state.phase() == Phase::Stopped {
            self.halting.drain(..).for_each(|done| _ = done.send(()));
        }
        let phase = self.state.phase();
        mailbox.ready.store(phase == Phase::Running, Ordering::Relaxed);
        mailbox.phase.send_if_modified(|known| std::mem::replace(known, phase) != phase);
    }

    fn receive(&mut self, message: Message) -> Option<Event> {
        match message {
            Message::Event(event) => {
                match event {
                    Event::Ended(turn) => _ = self.turns.remove(&turn),
                    Event::Ready(_) => {
                        self.is_up = true;
                        self.listen();
                        if let Some(began) = self.began.take() {
                            self.shared.figures.came_up(began.elapsed());
                        }
                    }
                    Event::Exited(_) => self.is_up = false,
                    _ => {}
                }
                Some(event)
            }
            Message::Accept(turn) => {
                let id = turn.id();
                self.turns.insert(id, turn);
                Some(Event::Accept(id))
            }
            Message::Abort(turn) => self.abort(&turn),
            Message::Errand(errand) => Some(self.take_on(errand)),
            Message::Halt(code, done) => {
                self.halting.push(done);
                if code == ErrorCode::Erased {
                    // Nothing in there needs to be put in order.
                    (self.manner, self.erased) = (Manner::AtOnce, true);
                }
                Some(Event::Halt(code))
            }
            Message::NotReady(generation, error) => {
                tracing::warn!(sandbox = %self.name, generation = generation.0, %error, "sandbox.not_ready");
                self.reason = Some(error.to_string());
                Some(self.not_ready(generation, &error))
            }
        }
    }

    /// A turn that runs is stopped where it runs; one that waits ends here.
    fn abort(&mut self, turn: &Arc<Turn>) -> Option<Event> {
        if let Some(link) = self.link.clone() {
            sandboxes::abort(link, turn.clone());
        }
        if self.state.runs(turn.id()) {
            return None;
        }
        turn.abort();
        self.turns.remove(&turn.id());
        self.shared.recorder.ended(turn.clone(), None);
        Some(Event::Ended(turn.id()))
    }

    /// Does the effects in order; what follows from them at once is returned.
    async fn execute_all(&mut self, effects: Vec<Effect>, mailbox: &Mailbox) -> VecDeque<Event> {
        let mut events = VecDeque::new();
        for effect in effects {
            if effect == Effect::Persist {
                if let Err(error) = self.persist().await {
                    tracing::error!(sandbox = %self.name, %error, "sandbox.not_persisted");
                    if self.state.phase() == Phase::Queued {
                        // Nothing may start that is not durable: the rest is left undone.
                        self.reason = Some(error.to_string());
                        return VecDeque::from([Event::StartFailed(self.state.generation())]);
                    }
                }
            } else {
                events.extend(self.execute(effect, mailbox).await);
            }
        }
        events
    }

    async fn execute(&mut self, effect: Effect, mailbox: &Mailbox) -> Option<Event> {
        match effect {
            Effect::Persist => {}
            Effect::Start(generation) => return Some(self.start(generation, mailbox).await),
            Effect::AwaitReady(generation) => self.watch_ready(generation, mailbox),
            Effect::Suspend(generation) => self.suspend(generation, mailbox),
            Effect::Freeze(generation) => return Some(self.freeze(generation).await),
            Effect::Thaw(generation) => return Some(self.thaw(generation).await),
            Effect::Look(generation) => self.look(generation, mailbox),
            Effect::Stop { generation, cut } => self.stop(generation, cut, mailbox),
            Effect::SetAlarm { at, alarm } => self.set_alarm(at, alarm, mailbox),
            Effect::Remind(at) => {
                let is_stopped = self.state.phase() == Phase::Stopped;
                self.shared.reminders.set(&self.name, at, is_stopped);
            }
            Effect::Waking { turn, stage, ahead } => {
                if let Some(turn) = self.turns.get(&turn) {
                    turn.waking(stage, ahead);
                }
            }
            Effect::Run { turn, .. } if self.turns.contains_key(&turn) => self.relay(turn, mailbox),
            Effect::Run { turn, .. } => return self.run_errand(turn, mailbox),
            Effect::Fail { turn, code } => self.fail(turn, code),
            Effect::Release(turn) => {
                self.errands.remove(&turn);
                if let Some(turn) = self.turns.remove(&turn) {
                    turn.release();
                    self.shared.close(&turn);
                    self.manner = Manner::AtOnce;
                }
            }
        }
        None
    }

    /// In place of an earlier one.
    fn set_alarm(&mut self, at: Timestamp, alarm: AlarmId, mailbox: &Mailbox) {
        let wait = u64::try_from(at.since(clock::now())).unwrap_or_default();
        let sender = mailbox.sender.clone();
        let waiting = tokio::spawn(async move {
            sleep(Duration::from_millis(wait)).await;
            let _ = sender.send(Message::Event(Event::Alarm(alarm)));
        });
        if let Some(earlier) = self.alarm.replace(waiting.abort_handle()) {
            earlier.abort();
        }
    }

    /// Makes the generation durable, with the place its start will have.
    async fn persist(&mut self) -> Result<(), RuntimeError> {
        let generation = self.state.generation();
        match self.state.phase() {
            Phase::Queued => {
                let Start { version, restore } = self.next_start().await;
                let place = self.runtime.place(self.number, generation, version).await?;
                self.place = Some(Place { restore, ..place });
            }
            Phase::Stopped => self.place = None,
            _ => {}
        }
        let row = SandboxRow {
            number: self.number,
            name: self.name.clone(),
            generation,
            place: self.place.clone(),
            reminder: self.state.reminder(),
            release: self.release.clone(),
        };
        self.shared
            .state
            .save_sandbox(row)
            .await
            .map_err(|error| RuntimeError::new(error.to_string()))
    }

    async fn start(&mut self, generation: Generation, mailbox: &Mailbox) -> Event {
        self.current = CancellationToken::new();
        (self.manner, self.erased) = (Manner::Gently, false);
        self.failed.clear();
        (self.began, self.reason) = (Some(Instant::now()), None);
        let Some(place) = &mut self.place else {
            return Event::StartFailed(generation);
        };
        // Granted first: the sandbox may ask for its model before the start returns.
        self.shared.grant(&place.token, &self.name);
        self.owed = place.restore.map(|id| self.shared.backups.owe(&self.name, id));
        self.shared.hooks.before_start(&self.name, place).await;
        match self.runtime.start(&self.name, place).await {
            Ok(link) => {
                tracing::info!(sandbox = %self.name, generation = generation.0, "sandbox.started");
                self.link = Some(link);
                self.watch_exit(mailbox);
                Event::Started(generation)
            }
            Err(error) => {
                tracing::warn!(sandbox = %self.name, generation = generation.0, %error, "sandbox.not_started");
                self.reason = Some(error.to_string());
                self.not_ready(generation, &error)
            }
        }
    }

    fn relay(&self, turn: TurnId, mailbox: &Mailbox) {
        let (Some(turn), Some(link)) = (self.turns.get(&turn).cloned(), self.link.clone()) else {
            return;
        };
        let (shared, sender) = (self.shared.clone(), mailbox.sender.clone());
        self.spawn(async move {
            relay::relay(&shared, &turn, &link).await;
            shared.hooks.changed(&turn.sandbox, Some(&link));
            let _ = sender.send(Message::Event(Event::Ended(turn.id())));
            shared.recorder.ended(turn, Some(link));
        });
    }

    /// Runs until done, or until the current start ends.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let current = self.current.clone();
        tokio::spawn(async move { current.run_until_cancelled(work).await });
    }
}
