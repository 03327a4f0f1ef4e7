//! What happens to a sandbox goes to the core; what the core asks for is done here, in order.

use std::collections::VecDeque;
use std::rc::Rc;

use worker::{Method, Result};
use zaki_edge_core::{
    breaker::Fault,
    sandbox::{Claim, Effect, Event, Generation, Phase, wake_at},
    turn::why,
};
use zaki_envelope::{
    Timestamp, TurnId,
    wire::{ErrorCode, Reminders},
};

use super::{
    link::{CALL, LinkError},
    object::Object,
    store::Row,
    turn::Turn,
};
use crate::{clock, report};

/// After which somebody who is retired is looked at again, in milliseconds.
const LATER_MS: i64 = 3_600_000;
/// Tries to have an agent that rested go on; what it cannot be told ends by itself.
const RESUMES: u32 = 3;
const RESUME_PAUSE: u64 = 200;

impl Object {
    /// Takes what happened, and everything that follows from it at once. Nothing is awaited: no
    /// other request comes between a decision and its commit.
    pub(super) fn happen(self: &Rc<Self>, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            if let Event::Ready(_) = event {
                self.with(|life| life.up = true);
            }
            let before = self.phase();
            let effects = self.with(|life| life.sandbox.step(event, clock::now()));
            if matches!(event, Event::StartFailed(_) | Event::Exited(_) | Event::Alarm(_)) {
                let late = matches!(event, Event::Alarm(_));
                self.note_ailment(before, if late { Fault::Silent } else { Fault::Broken });
            }
            events.extend(self.execute_each(effects.unwrap_or_default()));
            // No machine is shared: whoever waits may start.
            if let Some(Claim::Waiting(generation)) = self.with(|life| life.sandbox.claim()) {
                events.push_back(Event::Admitted(generation));
            }
            if let Event::Ready(generation) = event {
                self.came_up(generation);
            }
        }
        self.moved.tell();
    }

    /// It was coming up in phase `before`, and comes up no more.
    fn note_ailment(&self, before: Phase, fault: Fault) {
        let was = matches!(before, Phase::Queued | Phase::Starting);
        if was && matches!(self.phase(), Phase::Stopping | Phase::Stopped) {
            self.not_there(fault);
            self.with(|life| {
                let why = life.reason.as_deref().unwrap_or("it was not ready in time");
                life.ailment = Some((clock::now(), why.to_owned()));
            });
        }
    }

    pub(super) fn execute_all(self: &Rc<Self>, effects: Vec<Effect>) {
        for event in self.execute_each(effects) {
            self.happen(event);
        }
    }

    fn execute_each(self: &Rc<Self>, effects: Vec<Effect>) -> Vec<Event> {
        let mut events = Vec::new();
        for effect in effects {
            if effect == Effect::Persist {
                if let Err(error) = self.persist() {
                    report::failure("sandbox.not_persisted", &error);
                    if self.phase() == Phase::Queued {
                        // Nothing may start that is not durable: the rest is left undone.
                        self.with(|life| life.reason = Some(error.to_string()));
                        return vec![Event::StartFailed(self.generation())];
                    }
                }
            } else {
                events.extend(self.execute(effect));
            }
        }
        events
    }

    fn execute(self: &Rc<Self>, effect: Effect) -> Option<Event> {
        match effect {
            // The first was done before; only an edge that goes down lets turns go.
            Effect::Persist | Effect::Release(_) => {}
            Effect::Start(generation) => self.start(generation),
            Effect::AwaitReady(generation) => self.await_ready(generation),
            Effect::Suspend(generation) => self.suspend(generation),
            Effect::Freeze(generation) => return Some(Event::FreezeFailed(generation)),
            Effect::Thaw(generation) => self.thaw(generation),
            Effect::Look(generation) => self.look(generation),
            Effect::Stop { generation, cut } => self.stop(generation, cut),
            Effect::SetAlarm { at, alarm } => {
                self.with(|life| life.alarm = Some((at, alarm)));
                self.set_due("life", Some(at));
                self.note_use();
            }
            Effect::Remind(at) => self.set_reminder(at),
            Effect::Waking { turn, stage, ahead } => {
                if let Some(turn) = self.live(turn) {
                    turn.change(|progress| progress.waking(stage, ahead));
                }
            }
            Effect::Run { turn, .. } => match self.live(turn) {
                Some(turn) => self.relay(turn),
                None => return Some(Event::Ended(turn)),
            },
            Effect::Fail { turn, code } => self.fail(turn, code),
        }
        None
    }

    pub(super) fn live(&self, turn: TurnId) -> Option<Rc<Turn>> {
        self.turns.borrow().get(&turn).cloned()
    }

    /// Makes its state durable.
    pub(super) fn persist(&self) -> Result<()> {
        let row = self.with(|life| Row {
            generation: life.sandbox.generation(),
            placed: life.sandbox.phase() != Phase::Stopped,
            up: life.up,
            used: life.sandbox.used().as_ms(),
            reminder: life.sandbox.reminder(),
        });
        match row {
            Some(row) => self.store()?.set_fact("life", &row),
            None => Ok(()),
        }
    }

    /// When it was used last, so that an object that comes back keeps nothing awake by that.
    pub(super) fn note_use(&self) {
        if let Err(error) = self.persist() {
            report::failure("sandbox.use_not_kept", &error);
        }
    }

    fn set_reminder(self: &Rc<Self>, at: Option<Timestamp>) {
        let is_stopped = self.phase() == Phase::Stopped;
        self.set_due("remind", at.map(|at| wake_at(at, is_stopped, clock::now())));
    }

    /// Its agent wants to act by itself: now, or right after it has come up.
    pub(super) fn remind(self: &Rc<Self>, now: Timestamp) {
        let Some(at) = self.with(|life| life.sandbox.reminder()).flatten() else { return };
        match self.standing().map(zaki_edge_core::person::Standing::refusal) {
            Ok(None) => {
                if at > now {
                    self.set_due("remind", Some(at));
                }
                report::event(&self.env, "sandbox.due", &self.label(), 1.0);
                self.happen(Event::Due(at));
            }
            // They may be reinstated; then it is due still.
            _ => self.set_due("remind", Some(now.plus_ms(LATER_MS))),
        }
    }

    /// Asks the agent whether it may rest; one that does not answer is busy.
    fn suspend(self: &Rc<Self>, generation: Generation) {
        let object = self.clone();
        self.spawn(async move {
            let asked = async {
                let link = object.link()?;
                let mut answer = link.ask(Method::Post, "suspend", None, CALL).await?;
                Ok::<Reminders, LinkError>(answer.json().await?)
            };
            let event = match asked.await {
                Ok(reminders) => Event::Suspended(generation, reminders.next),
                Err(LinkError::Refused(409)) => Event::Busy(generation),
                Err(error) => {
                    report::failure("sandbox.not_suspended", &error);
                    if let Ok(link) = object.link() {
                        // It may rest all the same.
                        let _ = link.post("resume").await;
                    }
                    Event::Busy(generation)
                }
            };
            object.happen(event);
        });
    }

    /// Has an agent that rests go on.
    fn thaw(self: &Rc<Self>, generation: Generation) {
        let object = self.clone();
        self.spawn(async move {
            for _ in 0..RESUMES {
                let Ok(link) = object.link() else { break };
                if link.post("resume").await.is_ok() {
                    break;
                }
                clock::sleep(RESUME_PAUSE).await;
            }
            object.happen(Event::Thawed(generation));
        });
    }

    /// Asks the agent for its plans, if it says.
    fn look(self: &Rc<Self>, generation: Generation) {
        let object = self.clone();
        self.spawn(async move {
            let Ok(link) = object.link() else { return };
            if let Ok(reminders) = link.get::<Reminders>("reminders").await {
                object.happen(Event::Noted(generation, reminders.next));
            }
        });
    }

    fn fail(self: &Rc<Self>, turn: TurnId, code: ErrorCode) {
        let Some(turn) = self.live(turn) else { return };
        let reason = self.with(|life| life.reason.clone()).flatten();
        let message = match (&reason, code) {
            (_, ErrorCode::Retired | ErrorCode::Erased) => why(code),
            (Some(reason), _) => reason.as_str(),
            (None, ErrorCode::Timeout) => "the sandbox was not ready in time",
            (None, _) => "the sandbox went away",
        };
        turn.change(|progress| progress.fail(code, message));
        self.with(|life| life.failed.push(turn.id()));
        self.conclude(&turn);
    }

    /// It has ended: that is durable before anybody is told, by the output gate.
    pub(super) fn conclude(self: &Rc<Self>, turn: &Turn) {
        self.turns.borrow_mut().remove(&turn.id());
        let log = turn.look(|progress| progress.log().clone());
        let kept = self.store().and_then(|store| store.end_turn(turn.id(), clock::now(), &log));
        if let Err(error) = kept {
            report::failure("turn.not_kept", &error);
        }
        self.tick();
    }
}
