//! One sandbox's actor: takes what happens, asks the core what to do, and does exactly that, one
//! effect after another.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use zaki_edge_core::sandbox::{Effect, Event, Generation, Phase, Sandbox};
use zaki_envelope::{SandboxName, TurnId, wire::ErrorCode};

use crate::{
    clock, people, relay,
    runtime::{Link, Manner, Place, Runtime, RuntimeError},
    sandboxes::{self, Mailbox},
    shared::Shared,
    state::SandboxRow,
    turn::Turn,
};

/// What an actor is told.
pub(crate) enum Message {
    /// Something happened.
    Event(Event),
    /// This turn is to run.
    Accept(Arc<Turn>),
    /// This turn is to stop.
    Abort(Arc<Turn>),
    /// End every turn so, stop, and tell when nothing is left.
    Halt(ErrorCode, oneshot::Sender<()>),
    /// The machine may start one more.
    Permit(Generation, OwnedSemaphorePermit),
    /// The start came to nothing.
    NotReady(Generation, RuntimeError),
}

pub(crate) struct Actor {
    shared: Arc<Shared>,
    runtime: Arc<dyn Runtime>,
    name: SandboxName,
    number: u32,
    state: Sandbox,
    place: Option<Place>,
    link: Option<Arc<dyn Link>>,
    turns: HashMap<TurnId, Arc<Turn>>,
    permit: Option<OwnedSemaphorePermit>,
    /// Ends what belongs to the current start: its watchers and relays.
    current: CancellationToken,
    /// Why the last start failed.
    reason: Option<String>,
    /// How to stop: once a turn was released, so that it is taken up and not aborted.
    manner: Manner,
    /// Who waits until it has stopped.
    halting: Vec<oneshot::Sender<()>>,
    /// To be done before the first message.
    pending: Vec<Effect>,
}

impl Actor {
    /// Of a sandbox of which nothing runs.
    pub(crate) fn new(shared: Arc<Shared>, runtime: Arc<dyn Runtime>, row: SandboxRow) -> Self {
        let state = Sandbox::stopped(row.generation, shared.start_timeout_ms);
        Self {
            shared,
            runtime,
            name: row.name,
            number: row.number,
            state,
            place: row.place,
            link: None,
            turns: HashMap::new(),
            permit: None,
            current: CancellationToken::new(),
            reason: None,
            manner: Manner::Gently,
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
            let timeout = actor.shared.start_timeout_ms;
            (actor.state, actor.pending) =
                Sandbox::adopted(place.generation, timeout, clock::now());
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
        events.extend(first.and_then(|message| self.receive(message)));
        loop {
            while let Some(event) = events.pop_front() {
                let effects = self.state.step(event, clock::now());
                events.extend(self.execute_all(effects, &mailbox).await);
                self.publish(&mailbox);
            }
            let is_idle = self.state.phase() == Phase::Stopped && self.turns.is_empty();
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
        if self.state.phase() != Phase::Starting {
            self.permit = None;
        }
        if self.state.phase() == Phase::Stopped {
            self.halting.drain(..).for_each(|done| _ = done.send(()));
        }
        let ready = self.state.phase() == Phase::Running;
        mailbox.ready.store(ready, Ordering::Relaxed);
    }

    fn receive(&mut self, message: Message) -> Option<Event> {
        match message {
            Message::Event(event) => {
                if let Event::Ended(turn) = event {
                    self.turns.remove(&turn);
                }
                Some(event)
            }
            Message::Accept(turn) => {
                let id = turn.id();
                self.turns.insert(id, turn);
                Some(Event::Accept(id))
            }
            Message::Abort(turn) => self.abort(&turn),
            Message::Halt(code, done) => {
                self.halting.push(done);
                if code == ErrorCode::Erased {
                    // Nothing in there needs to be put in order.
                    self.manner = Manner::AtOnce;
                }
                Some(Event::Halt(code))
            }
            Message::Permit(generation, permit) => {
                self.permit = Some(permit);
                Some(Event::Admitted(generation))
            }
            Message::NotReady(generation, error) => {
                tracing::warn!(sandbox = %self.name, generation = generation.0, %error, "sandbox.not_ready");
                self.reason = Some(error.to_string());
                Some(Event::StartFailed(generation))
            }
        }
    }

    /// A turn that runs is stopped where it runs; one that waits ends here.
    fn abort(&mut self, turn: &Arc<Turn>) -> Option<Event> {
        if let Some(link) = self.link.clone() {
            sandboxes::abort(link, turn.clone());
        }
        if self.state.phase() == Phase::Running {
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
            Effect::Persist => None,
            Effect::Admit(generation) => self.admit(generation, mailbox),
            Effect::Start(generation) => Some(self.start(generation, mailbox).await),
            Effect::AwaitReady(generation) => {
                self.watch_ready(generation, mailbox);
                None
            }
            Effect::Stop(generation) => Some(self.stop(generation).await),
            Effect::SetAlarm { at, generation } => {
                // Never longer than a start may take, whatever the clock has done meanwhile.
                let wait = at.since(clock::now()).clamp(0, self.shared.start_timeout_ms);
                let wait = wait.unsigned_abs();
                let sender = mailbox.sender.clone();
                self.spawn(async move {
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                    let _ = sender.send(Message::Event(Event::Alarm(generation)));
                });
                None
            }
            Effect::Waking { turn, stage } => {
                if let Some(turn) = self.turns.get(&turn) {
                    turn.waking(stage);
                }
                None
            }
            Effect::Run { turn, .. } => {
                self.relay(turn, mailbox);
                None
            }
            Effect::Fail { turn, code } => {
                self.fail(turn, code);
                None
            }
            Effect::Release(turn) => {
                if let Some(turn) = self.turns.remove(&turn) {
                    turn.release();
                    self.shared.close(&turn);
                    self.manner = Manner::AtOnce;
                }
                None
            }
        }
    }

    /// Makes the generation durable, with the place its start will have.
    async fn persist(&mut self) -> Result<(), RuntimeError> {
        let generation = self.state.generation();
        match self.state.phase() {
            Phase::Queued => {
                self.place = Some(self.runtime.place(self.number, generation).await?);
            }
            Phase::Stopped => self.place = None,
            Phase::Starting | Phase::Running | Phase::Stopping => {}
        }
        let saved =
            self.shared.state.save_sandbox(self.name.clone(), generation, self.place.clone());
        saved.await.map_err(|error| RuntimeError::new(error.to_string()))
    }

    fn admit(&self, generation: Generation, mailbox: &Mailbox) -> Option<Event> {
        let budget = self.shared.budget.clone();
        let sender = mailbox.sender.clone();
        tokio::spawn(async move {
            if let Ok(permit) = budget.acquire_owned().await {
                let _ = sender.send(Message::Permit(generation, permit));
            }
        });
        None
    }

    async fn start(&mut self, generation: Generation, mailbox: &Mailbox) -> Event {
        self.current = CancellationToken::new();
        self.manner = Manner::Gently;
        self.reason = None;
        let Some(place) = &mut self.place else {
            return Event::StartFailed(generation);
        };
        // Granted first: the sandbox may ask for its model before the start returns.
        self.shared.grant(&place.token, &self.name);
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
                Event::StartFailed(generation)
            }
        }
    }

    fn watch_exit(&self, mailbox: &Mailbox) {
        let Some(link) = self.link.clone() else {
            return;
        };
        let (sender, generation) = (mailbox.sender.clone(), self.state.generation());
        self.spawn(async move {
            link.exited().await;
            let _ = sender.send(Message::Event(Event::Exited(generation)));
        });
    }

    fn watch_ready(&self, generation: Generation, mailbox: &Mailbox) {
        let Some(link) = self.link.clone() else {
            return;
        };
        let sender = mailbox.sender.clone();
        self.spawn(async move {
            let message = match link.ready().await {
                Ok(()) => Message::Event(Event::Ready(generation)),
                Err(error) => Message::NotReady(generation, error),
            };
            let _ = sender.send(message);
        });
    }

    async fn stop(&mut self, generation: Generation) -> Event {
        self.current.cancel();
        self.link = None;
        if let Some(place) = &self.place {
            self.runtime.stop(&self.name, place, self.manner).await;
        }
        self.shared.revoke(&self.name);
        tracing::info!(sandbox = %self.name, generation = generation.0, "sandbox.stopped");
        Event::Stopped(generation)
    }

    fn relay(&self, turn: TurnId, mailbox: &Mailbox) {
        let (Some(turn), Some(link)) = (self.turns.get(&turn).cloned(), self.link.clone()) else {
            return;
        };
        let (shared, sender) = (self.shared.clone(), mailbox.sender.clone());
        self.spawn(async move {
            relay::relay(&turn, &link).await;
            let _ = sender.send(Message::Event(Event::Ended(turn.id())));
            shared.recorder.ended(turn, Some(link));
        });
    }

    fn fail(&mut self, turn: TurnId, code: ErrorCode) {
        let Some(turn) = self.turns.remove(&turn) else {
            return;
        };
        let why = match (&self.reason, code) {
            (_, ErrorCode::Retired | ErrorCode::Erased) => people::why(code),
            (Some(reason), _) => reason.as_str(),
            (None, ErrorCode::Timeout) => "the sandbox was not ready in time",
            (None, _) => "the sandbox went away",
        };
        turn.fail(code, why);
        self.shared.recorder.ended(turn, None);
    }

    /// Runs until done, or until the current start ends.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let current = self.current.clone();
        tokio::spawn(async move { current.run_until_cancelled(work).await });
    }
}
