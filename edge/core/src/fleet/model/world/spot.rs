//! One sandbox of a machine: what its edge knows of it, and what is really there.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use zaki_envelope::{Timestamp, TurnId, wire::WakeStage};

use crate::sandbox::{AlarmId, Event, Generation, Habits, Phase, Sandbox};

/// What a sandbox's start has put there.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) generation: Generation,
    pub(super) ready: bool,
    pub(super) suspended: bool,
    pub(super) frozen: bool,
    pub(super) running: BTreeSet<TurnId>,
}

/// An effect that has not been answered.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Job {
    Start(Generation),
    AwaitReady(Generation),
    Suspend(Generation),
    Freeze(Generation),
    Thaw(Generation),
    Look(Generation),
    Stop(Generation),
    Turn(TurnId, Generation),
}

/// What the edge's store has of a sandbox.
#[derive(Clone, Copy, Default)]
pub(super) struct Row {
    pub(super) generation: Generation,
    pub(super) placed: bool,
    pub(super) reminder: Option<Timestamp>,
}

pub(super) struct Spot {
    pub(super) state: Sandbox,
    pub(super) size: u64,
    pub(super) row: Row,
    pub(super) inbox: VecDeque<Event>,
    pub(super) jobs: Vec<Job>,
    pub(super) alarm: Option<(Timestamp, AlarmId)>,
    pub(super) wheel: Option<Timestamp>,
    pub(super) process: Option<Process>,
    /// An earlier edge has started it.
    pub(super) adopted: bool,
    /// When the agent wants to act by itself; whether the edge was told.
    pub(super) plan: Option<Timestamp>,
    pub(super) told_plan: bool,
    pub(super) open: BTreeSet<TurnId>,
    pub(super) told: BTreeMap<TurnId, (WakeStage, Option<u32>)>,
}

impl Spot {
    pub(super) fn new(size: u64, habits: Habits) -> Self {
        Self {
            state: Sandbox::stopped(Generation(0), None, habits),
            size,
            row: Row::default(),
            inbox: VecDeque::new(),
            jobs: Vec::new(),
            alarm: None,
            wheel: None,
            process: None,
            adopted: false,
            plan: None,
            told_plan: true,
            open: BTreeSet::new(),
            told: BTreeMap::new(),
        }
    }

    /// Whether it has not ended, as far as the sandbox knows.
    pub(super) fn is_open(&self, turn: TurnId) -> bool {
        self.open.contains(&turn) || self.inbox.contains(&Event::Ended(turn))
    }

    /// Whether this tells the edge what the agent has planned.
    pub(super) fn hears(&self, event: Event) -> bool {
        let phase = self.state.phase();
        let (generation, plan) = match event {
            Event::Suspended(generation, plan) if phase == Phase::Suspending => (generation, plan),
            Event::Noted(generation, plan)
                if matches!(phase, Phase::Running | Phase::Suspending) =>
            {
                (generation, plan)
            }
            _ => return false,
        };
        generation == self.state.generation() && plan == self.plan
    }

    pub(super) fn is_under_way(&self) -> bool {
        !self.inbox.is_empty() || !self.jobs.is_empty()
    }

    pub(super) fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        let plan = self.plan.filter(|_| self.process.is_some());
        self.alarm.map(|(at, _)| at).into_iter().chain(self.wheel).chain(plan)
    }

    pub(super) fn is_quiet(&self) -> bool {
        let ours = |process: &Process| process.running.iter().any(|turn| self.open.contains(turn));
        self.process.as_ref().is_none_or(|process| !ours(process) && !process.frozen)
    }

    pub(super) fn is_resting(&self) -> bool {
        self.process.as_ref().is_none_or(|process| {
            process.suspended && !process.frozen && process.running.is_empty()
        })
    }

    /// What the agent planned and had no time to say dies with it.
    pub(super) fn forget_untold(&mut self) {
        if !self.told_plan {
            (self.plan, self.told_plan) = (None, true);
        }
    }
}
