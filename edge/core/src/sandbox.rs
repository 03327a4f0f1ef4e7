//! The life of one sandbox: stopped -> starting -> running -> stopping -> stopped.
//!
//! [`Sandbox::step`] takes what happened and returns what to do, in order; a shell does exactly that.
//! One start is in flight at most. Every start has a number, its generation, and an event about
//! another generation than the current one changes nothing. How many sandboxes of a machine may
//! start at once is the shell's budget: [`Effect::Admit`] asks for it.

use std::collections::BTreeMap;

use zaki_envelope::{
    Timestamp, TurnId,
    wire::{ErrorCode, WakeStage},
};

/// How often a turn is handed to a sandbox that then dies, before it fails. The sandbox knows turns
/// by id, so handing one over again takes it up and does not run it twice.
pub const MAX_RUNS: u32 = 3;

/// Number of a start. Grows by one with every start and is durable before the start.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

/// Where a sandbox is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Nothing runs.
    #[default]
    Stopped,
    /// It waits until the machine may start one more.
    Queued,
    /// It starts.
    Starting,
    /// It takes turns.
    Running,
    /// It is being ended.
    Stopping,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A turn is about to come.
    Wake,
    /// This turn is to run; accepting it again changes nothing.
    Accept(TurnId),
    /// This turn needs the sandbox no longer: it ended, or was aborted while it waited.
    Ended(TurnId),
    /// The shell's budget allows the start it was asked for.
    Admitted(Generation),
    /// The start has put something there; it is not ready yet.
    Started(Generation),
    /// It takes turns.
    Ready(Generation),
    /// The start failed, or could not even be asked for.
    StartFailed(Generation),
    /// It went away by itself.
    Exited(Generation),
    /// Nothing of that start is left.
    Stopped(Generation),
    /// The time asked for by [`Effect::SetAlarm`] has come.
    Alarm(Generation),
    /// Its turns end with this, and it stops. What is asked of it later starts it again.
    Halt(ErrorCode),
    /// The edge goes down: stop, and start no more.
    Close,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make the state durable before doing any later effect.
    Persist,
    /// Ask the shell's budget for a start; answer with [`Event::Admitted`].
    Admit(Generation),
    /// Start it; answer with [`Event::Started`] or [`Event::StartFailed`].
    Start(Generation),
    /// Watch until it takes turns; answer with [`Event::Ready`] or [`Event::StartFailed`].
    AwaitReady(Generation),
    /// End exactly this start, whatever is left of it; answer with [`Event::Stopped`].
    Stop(Generation),
    /// Send [`Event::Alarm`] at this time.
    SetAlarm {
        /// When.
        at: Timestamp,
        /// About which start.
        generation: Generation,
    },
    /// Tell the turn's readers how far the sandbox is.
    Waking {
        /// Whose readers.
        turn: TurnId,
        /// How far.
        stage: WakeStage,
    },
    /// Hand the turn over, or take it up again; answer with [`Event::Ended`].
    Run {
        /// Which.
        turn: TurnId,
        /// To which start; its link is of no use to another.
        generation: Generation,
    },
    /// End the turn with an error.
    Fail {
        /// Which.
        turn: TurnId,
        /// Why.
        code: ErrorCode,
    },
    /// Leave the turn as it is; whoever asks for it after the next start takes it up.
    Release(TurnId),
}

/// The state of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    phase: Phase,
    generation: Generation,
    /// Turns that need it, with how often each was handed over, or waited for a start that died.
    turns: BTreeMap<TurnId, u32>,
    closing: bool,
    start_timeout_ms: i64,
}

impl Sandbox {
    /// A stopped sandbox whose last start was `generation`.
    pub const fn stopped(generation: Generation, start_timeout_ms: i64) -> Self {
        Self {
            phase: Phase::Stopped,
            generation,
            turns: BTreeMap::new(),
            closing: false,
            start_timeout_ms,
        }
    }

    /// A sandbox that an earlier edge started and that is still there; watch it until it is ready.
    pub fn adopted(
        generation: Generation,
        start_timeout_ms: i64,
        now: Timestamp,
    ) -> (Self, Vec<Effect>) {
        let mut sandbox = Self::stopped(generation, start_timeout_ms);
        sandbox.phase = Phase::Starting;
        let effects = vec![sandbox.alarm(now), Effect::AwaitReady(generation)];
        (sandbox, effects)
    }

    /// Where it is in its life.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The current start, or the last one.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// The turns that need it.
    pub fn turns(&self) -> impl Iterator<Item = TurnId> + '_ {
        self.turns.keys().copied()
    }

    /// Takes what happened, returns what to do, in order.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        match event {
            Event::Wake => self.begin(),
            Event::Accept(turn) => self.accept(turn),
            Event::Ended(turn) => {
                self.turns.remove(&turn);
                Vec::new()
            }
            Event::Halt(code) => self.halt(code),
            Event::Close => self.close(),
            Event::Admitted(generation)
            | Event::Started(generation)
            | Event::Ready(generation)
            | Event::StartFailed(generation)
            | Event::Exited(generation)
            | Event::Stopped(generation)
            | Event::Alarm(generation)
                if generation != self.generation =>
            {
                Vec::new()
            }
            Event::Admitted(_) => self.admitted(now),
            Event::Started(generation) => match self.phase {
                Phase::Starting => vec![Effect::Persist, Effect::AwaitReady(generation)],
                _ => Vec::new(),
            },
            Event::Ready(_) => self.ready(),
            Event::StartFailed(_) => self.start_failed(ErrorCode::Sandbox),
            Event::Alarm(_) => self.start_failed(ErrorCode::Timeout),
            Event::Exited(_) => self.exited(),
            Event::Stopped(_) => self.stopped_now(),
        }
    }

    /// Starts when nothing runs; otherwise whatever is under way goes on.
    fn begin(&mut self) -> Vec<Effect> {
        if self.phase != Phase::Stopped || self.closing {
            return Vec::new();
        }
        self.generation = Generation(self.generation.0.saturating_add(1));
        self.phase = Phase::Queued;
        vec![Effect::Persist, Effect::Admit(self.generation)]
    }

    fn accept(&mut self, turn: TurnId) -> Vec<Effect> {
        if self.closing {
            return vec![Effect::Release(turn)];
        }
        if self.turns.contains_key(&turn) {
            return Vec::new();
        }
        self.turns.insert(turn, 0);
        match self.phase {
            Phase::Running => self.run(&[turn]),
            Phase::Starting => vec![waking(turn, WakeStage::Starting)],
            Phase::Stopped | Phase::Queued | Phase::Stopping => {
                let mut effects = self.begin();
                effects.push(waking(turn, WakeStage::Queued));
                effects
            }
        }
    }

    fn admitted(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Queued {
            return Vec::new();
        }
        self.phase = Phase::Starting;
        let told = self.turns().map(|turn| waking(turn, WakeStage::Starting));
        let start = [self.alarm(now), Effect::Start(self.generation)];
        told.chain(start).collect()
    }

    fn alarm(&self, now: Timestamp) -> Effect {
        Effect::SetAlarm { at: now.plus_ms(self.start_timeout_ms), generation: self.generation }
    }

    fn ready(&mut self) -> Vec<Effect> {
        if self.phase != Phase::Starting {
            return Vec::new();
        }
        self.phase = Phase::Running;
        let waiting: Vec<TurnId> = self.turns().collect();
        self.run(&waiting)
    }

    fn run(&mut self, turns: &[TurnId]) -> Vec<Effect> {
        let generation = self.generation;
        for turn in turns {
            if let Some(runs) = self.turns.get_mut(turn) {
                *runs = runs.saturating_add(1);
            }
        }
        let run = |&turn| Effect::Run { turn, generation };
        turns.iter().map(run).collect()
    }

    /// A start that failed will fail again: its turns end, what is left of it is ended too.
    fn start_failed(&mut self, code: ErrorCode) -> Vec<Effect> {
        if !matches!(self.phase, Phase::Queued | Phase::Starting) {
            return Vec::new();
        }
        let mut effects = self.fail_all(code);
        if self.phase == Phase::Queued {
            self.phase = Phase::Stopped;
        } else {
            effects.push(self.stop());
        }
        effects
    }

    fn fail_all(&mut self, code: ErrorCode) -> Vec<Effect> {
        let turns = std::mem::take(&mut self.turns).into_keys();
        turns.map(|turn| Effect::Fail { turn, code }).collect()
    }

    /// It went away, by a crash or by somebody's hand: its turns are taken up by the next start, a
    /// few times. One that went away before it was ready counts as if it had had them.
    fn exited(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Starting => {
                for runs in self.turns.values_mut() {
                    *runs = runs.saturating_add(1);
                }
            }
            Phase::Running => {}
            Phase::Stopped | Phase::Queued | Phase::Stopping => return Vec::new(),
        }
        let spent = |runs: &u32| *runs >= MAX_RUNS;
        let code = ErrorCode::Sandbox;
        let failed = self.turns.iter().filter(|(_, runs)| spent(runs));
        let mut effects: Vec<_> = failed.map(|(&turn, _)| Effect::Fail { turn, code }).collect();
        self.turns.retain(|_, runs| !spent(runs));
        effects.push(self.stop());
        effects
    }

    fn stop(&mut self) -> Effect {
        self.phase = Phase::Stopping;
        Effect::Stop(self.generation)
    }

    fn stopped_now(&mut self) -> Vec<Effect> {
        if self.phase != Phase::Stopping {
            return Vec::new();
        }
        self.phase = Phase::Stopped;
        let mut effects = vec![Effect::Persist];
        if !self.turns.is_empty() {
            effects.extend(self.begin());
            effects.extend(self.turns().map(|turn| waking(turn, WakeStage::Queued)));
        }
        effects
    }

    fn halt(&mut self, code: ErrorCode) -> Vec<Effect> {
        let mut effects = self.fail_all(code);
        effects.extend(self.leave());
        effects
    }

    fn close(&mut self) -> Vec<Effect> {
        self.closing = true;
        let turns = std::mem::take(&mut self.turns).into_keys();
        let mut effects: Vec<_> = turns.map(Effect::Release).collect();
        effects.extend(self.leave());
        effects
    }

    /// Stops, from wherever it is.
    fn leave(&mut self) -> Option<Effect> {
        match self.phase {
            Phase::Queued => {
                self.phase = Phase::Stopped;
                None
            }
            Phase::Starting | Phase::Running => Some(self.stop()),
            Phase::Stopped | Phase::Stopping => None,
        }
    }
}

const fn waking(turn: TurnId, stage: WakeStage) -> Effect {
    Effect::Waking { turn, stage }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
