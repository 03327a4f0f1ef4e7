//! The life of one sandbox: stopped -> queued -> starting -> running -> (frozen ->) stopped.
//!
//! [`Sandbox::step`] takes what happened and returns what to do, in order; a shell does exactly that.
//! One start is in flight at most. Every start has a number, its generation, and an event about
//! another generation than the current one changes nothing. What all sandboxes of a machine share,
//! who may start and who has to make room, is the [`fleet`](crate::fleet)'s to decide: after every
//! step the shell tells it the sandbox's [`Claim`].
//!
//! It rests only when its own agent has said that nothing is to do, by a handshake right before:
//! frozen after some time, stopped after more, or when others wait for its room.

mod event;
mod phase;
mod rest;
mod start;
mod stop;

use std::collections::BTreeMap;

use zaki_envelope::{
    Timestamp, TurnId,
    wire::{ErrorCode, WakeStage},
};

pub use event::{Effect, Event};
pub use phase::{Phase, wake_at};

/// How often a turn is handed to a sandbox that then dies, before it fails. The sandbox knows turns
/// by id, so handing one over again takes it up and does not run it twice.
pub const MAX_RUNS: u32 = 3;

/// What is to be done inside a sandbox that is busy, as while its memory is being copied, is asked for
/// so often.
pub const BUSY_TRIES: u32 = 60;
/// And again after so many milliseconds.
pub const BUSY_AGAIN_MS: u64 = 500;

/// Whether a call that a sandbox answers with this HTTP status may be made again: it stops or restarts,
/// or somebody before it says so. Not where its disk is full, which is 507.
pub const fn is_passing(status: u16) -> bool {
    matches!(status, 429 | 500..=506 | 508..=599)
}

/// After a start for a reminder came to nothing, the next try, in milliseconds.
pub const REMIND_AGAIN_MS: i64 = 60_000;

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

/// Number of an alarm, as long as a sandbox is known to the shell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct AlarmId(u64);

/// How a sandbox rests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// It keeps its memory and is there at once.
    Frozen,
    /// Nothing runs.
    Stopped,
}

/// How a kind of sandbox lives. Times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habits {
    /// How long a start may take.
    pub start_timeout_ms: i64,
    /// Unused for so long it is frozen; `None`: never, or it cannot be.
    pub freeze_after_ms: Option<i64>,
    /// Unused for so long it is stopped; `None`: only to make room.
    pub stop_after_ms: Option<i64>,
    /// After its agent has said that it is busy, until it is asked again.
    pub busy_ms: i64,
}

/// What a sandbox has, or wants, of what its machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing.
    Absent,
    /// To start.
    Waiting(Generation),
    /// It starts.
    Starting(Generation),
    /// It is up and has something to do.
    Busy(Generation),
    /// It is up, frozen or not, and was used last at that time.
    Idle(Generation, Timestamp),
    /// It is about to be gone.
    Going(Generation),
}

/// A turn that needs the sandbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Need {
    /// How often it was handed over, or waited for a start that died.
    runs: u32,
    /// It was handed to the current start.
    running: bool,
}

/// Whether the time of the reminder has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Due {
    /// Not yet, as far as is known.
    #[default]
    No,
    /// It has, and the sandbox must be up.
    Yes,
    /// It is up for it, or starts; nobody has asked its agent since.
    Served,
}

/// What an alarm is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Alarm {
    Start,
    Rest(Rest),
    /// Its agent was busy.
    Again,
}

/// The state of one sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "facts that are independent of each other")]
pub struct Sandbox {
    phase: Phase,
    generation: Generation,
    habits: Habits,
    turns: BTreeMap<TurnId, Need>,
    /// How many others start before it.
    ahead: Option<u32>,
    /// When it was used last.
    used: Timestamp,
    /// What it rests for.
    rest: Rest,
    /// Somebody else needs its room.
    leaving: bool,
    /// Its agent has said that it is busy, a moment ago.
    engaged: bool,
    /// It is wanted while it is on its way to rest.
    woken: bool,
    /// This start could not be frozen.
    unfreezable: bool,
    /// When its agent wants to act by itself, as it said last.
    reminder: Option<Timestamp>,
    due: Due,
    /// What was due when it was asked to rest last, and was waited for.
    overdue: Option<Timestamp>,
    alarm: Option<Alarm>,
    alarms: u64,
    closing: bool,
}

impl Sandbox {
    /// A stopped sandbox whose last start was `generation`, and whose agent wants to act at
    /// `reminder`.
    pub const fn stopped(
        generation: Generation,
        reminder: Option<Timestamp>,
        habits: Habits,
    ) -> Self {
        Self {
            phase: Phase::Stopped,
            generation,
            habits,
            turns: BTreeMap::new(),
            ahead: None,
            used: Timestamp::from_ms(0),
            rest: Rest::Stopped,
            leaving: false,
            engaged: false,
            woken: false,
            unfreezable: false,
            reminder,
            due: Due::No,
            overdue: None,
            alarm: None,
            alarms: 0,
            closing: false,
        }
    }

    /// This one, as an earlier edge left it: it is still there; watch it until it is ready.
    pub fn adopt(&mut self, now: Timestamp) -> Vec<Effect> {
        self.phase = Phase::Starting;
        let effects = [self.set_start_alarm(now), Effect::AwaitReady(self.generation)];
        effects.into_iter().collect()
    }

    /// This one, which went on running while the shell that knew of it was away: it takes turns, and
    /// was used last at `used`, so that coming back keeps nothing from resting.
    pub fn resume(&mut self, used: Timestamp, now: Timestamp) -> Vec<Effect> {
        self.phase = Phase::Running;
        self.used = used;
        self.idle(now)
    }

    /// When it was used last. Of use to [`Sandbox::resume`].
    pub const fn used(&self) -> Timestamp {
        self.used
    }

    /// Where it is in its life.
    pub const fn phase(&self) -> Phase {
        self.phase
    }

    /// The current start, or the last one.
    pub const fn generation(&self) -> Generation {
        self.generation
    }

    /// When its agent wants to act by itself, as far as is known. Part of what is durable.
    pub const fn reminder(&self) -> Option<Timestamp> {
        self.reminder
    }

    /// The turns that need it.
    pub fn turns(&self) -> impl Iterator<Item = TurnId> + '_ {
        self.turns.keys().copied()
    }

    /// Whether this turn runs in it.
    pub fn runs(&self, turn: TurnId) -> bool {
        self.turns.get(&turn).is_some_and(|need| need.running)
    }

    /// What it has or wants of what its machine has.
    pub fn claim(&self) -> Claim {
        let generation = self.generation;
        match self.phase {
            Phase::Stopped => Claim::Absent,
            Phase::Queued => Claim::Waiting(generation),
            Phase::Starting => Claim::Starting(generation),
            Phase::Stopping => Claim::Going(generation),
            _ if self.is_working() || self.engaged => Claim::Busy(generation),
            _ if self.leaving => Claim::Going(generation),
            _ if self.is_wanted() => Claim::Busy(generation),
            _ => Claim::Idle(generation, self.used),
        }
    }

    /// Takes what happened, returns what to do, in order.
    pub fn step(&mut self, event: Event, now: Timestamp) -> Vec<Effect> {
        if event.generation().is_some_and(|generation| generation != self.generation) {
            return Vec::new();
        }
        match event {
            Event::Wake => self.wake(now),
            Event::Accept(turn) => self.accept(turn),
            Event::Ended(turn) => self.ended(turn, now),
            Event::Due(at) => self.fall_due(at, now),
            Event::Admitted(_) => self.admitted(now),
            Event::Ahead(_, ahead) => self.line_up(ahead),
            Event::Started(generation) => match self.phase {
                Phase::Starting => vec![Effect::Persist, Effect::AwaitReady(generation)],
                _ => Vec::new(),
            },
            Event::Ready(_) => self.ready(now),
            Event::StartFailed(_) => self.start_failed(ErrorCode::Sandbox, now),
            Event::Exited(_) => self.exited(),
            Event::Stopped(_) => self.stopped_now(now),
            Event::Suspended(_, next) => self.suspended(next, now),
            Event::Busy(_) => self.busy(now),
            Event::Frozen(_) => self.frozen(now),
            Event::FreezeFailed(_) => self.freeze_failed(),
            Event::Thawed(_) => self.thawed(now),
            Event::Noted(_, next) => self.noted(next),
            Event::MakeRoom(_) => self.make_room(),
            Event::Stay(_) => self.stay(),
            Event::Rest(rest) => self.asked_to_rest(rest),
            Event::Alarm(alarm) => self.alarmed(alarm, now),
            Event::Halt(code) => self.halt(code),
            Event::Close => self.close(),
        }
    }

    /// Whether a turn runs in it.
    fn is_working(&self) -> bool {
        self.turns.values().any(|need| need.running)
    }

    /// Whether it has to be up.
    fn is_wanted(&self) -> bool {
        !self.turns.is_empty() || self.woken || self.due == Due::Yes
    }

    fn wake(&mut self, now: Timestamp) -> Vec<Effect> {
        match self.phase {
            Phase::Stopped => self.begin(),
            Phase::Queued | Phase::Starting => Vec::new(),
            Phase::Running if !self.leaving => self.use_it(now),
            Phase::Frozen => {
                self.woken = true;
                self.thaw()
            }
            _ => {
                self.woken = true;
                Vec::new()
            }
        }
    }

    /// Somebody uses it, and not by a turn: what time there is until it rests begins anew.
    fn use_it(&mut self, now: Timestamp) -> Vec<Effect> {
        self.used = now;
        if self.is_working() || self.engaged { Vec::new() } else { self.idle(now) }
    }

    /// Starts; nothing runs now.
    fn begin(&mut self) -> Vec<Effect> {
        if self.closing {
            return Vec::new();
        }
        self.generation = Generation(self.generation.0.saturating_add(1));
        self.phase = Phase::Queued;
        self.ahead = None;
        self.serve();
        vec![Effect::Persist]
    }

    /// It is up, or comes up, for whatever it was woken for.
    fn serve(&mut self) {
        self.woken = false;
        if self.due == Due::Yes {
            self.due = Due::Served;
        }
    }

    fn accept(&mut self, turn: TurnId) -> Vec<Effect> {
        if self.closing {
            return vec![Effect::Release(turn)];
        }
        if self.turns.contains_key(&turn) {
            return Vec::new();
        }
        self.turns.insert(turn, Need::default());
        match self.phase {
            Phase::Running if !self.leaving => self.run(),
            Phase::Starting => vec![waking(turn, WakeStage::Starting, None)],
            Phase::Queued => vec![waking(turn, WakeStage::Queued, self.ahead)],
            Phase::Frozen => self.thaw(),
            Phase::Stopped => {
                let mut effects = self.begin();
                effects.push(waking(turn, WakeStage::Queued, None));
                effects
            }
            Phase::Stopping => vec![waking(turn, WakeStage::Queued, None)],
            _ if self.leaving => vec![waking(turn, WakeStage::Queued, None)],
            // It is back before anybody could be told.
            _ => Vec::new(),
        }
    }

    fn ended(&mut self, turn: TurnId, now: Timestamp) -> Vec<Effect> {
        let Some(Need { running: true, .. }) = self.turns.remove(&turn) else {
            return Vec::new();
        };
        self.used = now;
        if self.is_working() {
            return Vec::new();
        }
        if self.leaving {
            return self.suspend(Rest::Stopped);
        }
        // It may have been about a reminder, and whatever is up may die.
        let mut effects = vec![Effect::Look(self.generation)];
        effects.extend(self.idle(now));
        effects
    }

    fn fall_due(&mut self, at: Timestamp, now: Timestamp) -> Vec<Effect> {
        if self.reminder != Some(at) || self.due != Due::No {
            return Vec::new();
        }
        self.due = Due::Yes;
        match self.phase {
            Phase::Queued | Phase::Starting => {
                self.due = Due::Served;
                Vec::new()
            }
            // Its own clock tells it, too.
            Phase::Running if !self.leaving => {
                self.due = Due::Served;
                self.use_it(now)
            }
            Phase::Stopped => self.begin(),
            Phase::Frozen => self.thaw(),
            _ => Vec::new(),
        }
    }
}

const fn waking(turn: TurnId, stage: WakeStage, ahead: Option<u32>) -> Effect {
    Effect::Waking { turn, stage, ahead }
}

#[cfg(test)]
mod tests;
