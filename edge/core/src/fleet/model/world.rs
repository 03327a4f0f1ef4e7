//! A machine: sandboxes that are processes, an edge in front of them, and time.

use std::collections::BTreeSet;

use zaki_envelope::{Timestamp, TurnId, wire::ErrorCode};

use crate::dice::Dice;
use crate::fleet::{Fleet, Limits};
use crate::sandbox::{Effect, Event, Generation, Habits, Phase, Rest, Sandbox};

mod answer;
mod seen;
mod spot;

pub(super) use seen::Seen;
use spot::{Job, Process, Row, Spot};

const START_TIMEOUT: i64 = 60_000;

pub(super) struct World {
    dice: Dice,
    now: i64,
    limits: Limits,
    habits: Habits,
    fleet: Fleet<usize>,
    boxes: Vec<Spot>,
    turns: u64,
    /// Nothing fails any more, and nobody asks for anything.
    calm: bool,
    /// Everything is printed.
    loud: bool,
    pub(super) seen: Seen,
}

impl World {
    pub(super) fn new(seed: u64, loud: bool) -> Self {
        let mut dice = Dice::new(seed);
        let limits = Limits { starts: 1 + dice.below(2), memory: 4 };
        let habits = Habits {
            start_timeout_ms: START_TIMEOUT,
            freeze_after_ms: dice.percent(70).then(|| dice.ms(40_000)),
            stop_after_ms: dice.percent(80).then(|| dice.ms(90_000)),
            busy_ms: 15_000,
        };
        let boxes = 2 + dice.below(5);
        // One of them may be larger than the machine.
        let sizes: Vec<u64> =
            (0..boxes).map(|_| if dice.percent(4) { 5 } else { 1 + dice.next() % 3 }).collect();
        let boxes = sizes.into_iter().map(|size| Spot::new(size, habits)).collect();
        let fleet = Fleet::new(limits);
        Self {
            dice,
            now: 1_000,
            limits,
            habits,
            fleet,
            boxes,
            turns: 0,
            calm: false,
            loud,
            seen: Seen::default(),
        }
    }

    fn time(&self) -> Timestamp {
        Timestamp::from_ms(self.now)
    }

    pub(super) fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            self.happen();
        }
        self.calm = true;
        for _ in 0..20_000 {
            if self.is_over() {
                return;
            }
            self.go_on();
        }
        for (at, it) in self.boxes.iter().enumerate() {
            println!("{at}: {:?} open {:?} plan {:?} {:?}", it.state, it.open, it.plan, it.jobs);
        }
        panic!("it never ends: at {}, {:?}", self.now, self.fleet);
    }

    /// Every turn has ended, and everything that was planned was done.
    fn is_over(&self) -> bool {
        self.boxes.iter().all(|it| {
            let fits = it.size <= self.limits.memory;
            it.open.is_empty() && it.inbox.is_empty() && (it.plan.is_none() || !fits)
        })
    }

    /// Anything.
    fn happen(&mut self) {
        let at = self.dice.below(self.boxes.len());
        match self.dice.below(100) {
            0..12 => self.ask(at),
            12..14 => self.tell(at, Event::Wake),
            14 => self.tell(at, Event::Halt(ErrorCode::Retired)),
            15 => {
                let rest = if self.dice.percent(50) { Rest::Frozen } else { Rest::Stopped };
                self.tell(at, Event::Rest(rest));
            }
            16 => self.abort(at),
            17 if self.dice.percent(40) => self.die(at),
            18 if self.dice.percent(20) => self.crash(),
            19..24 => self.pass(),
            24 => self.repeat(at),
            _ => self.go_on(),
        }
    }

    /// Something that was begun goes on; when nothing was, time passes.
    fn go_on(&mut self) {
        let at = self.dice.below(self.boxes.len());
        let all = (0..self.boxes.len()).map(|n| (at + n) % self.boxes.len());
        let busy: Vec<usize> = all.filter(|at| self.boxes[*at].is_under_way()).collect();
        match busy.first() {
            Some(&at) if self.boxes[at].jobs.is_empty() || self.dice.percent(60) => {
                if let Some(event) = self.boxes[at].inbox.pop_front() {
                    self.tell(at, event);
                } else {
                    self.answer(at);
                }
            }
            Some(&at) => self.answer(at),
            None => self.pass(),
        }
    }

    /// Time passes: to the next thing that waits for it, or any.
    fn pass(&mut self) {
        let next = self.boxes.iter().flat_map(Spot::times).map(Timestamp::as_ms).min();
        self.now = match next {
            Some(next) if self.calm => self.now.max(next),
            _ => self.now + self.dice.ms(20_000),
        };
        let now = self.time();
        for it in &mut self.boxes {
            if let Some((_, alarm)) = it.alarm.take_if(|(at, _)| *at <= now) {
                it.inbox.push_back(Event::Alarm(alarm));
            }
            if let Some(at) = it.wheel.take_if(|at| *at <= now) {
                it.inbox.push_back(Event::Due(at));
            }
        }
        self.act();
    }

    /// Agents that are awake do what they have planned.
    fn act(&mut self) {
        let now = self.time();
        for it in &mut self.boxes {
            let is_awake = it.process.as_ref().is_some_and(|it| it.ready && !it.suspended);
            if is_awake && it.plan.is_some_and(|at| at <= now) {
                self.seen.reminders += 1;
                it.plan = None;
                it.told_plan = true;
            }
        }
    }

    /// A new turn, or one that is asked for again.
    fn ask(&mut self, at: usize) {
        let known = self.boxes[at].open.first().copied();
        let turn = match known {
            Some(turn) if self.dice.percent(30) => turn,
            _ => {
                self.turns += 1;
                TurnId::from_parts(Timestamp::from_ms(1), self.turns.into())
            }
        };
        self.boxes[at].open.insert(turn);
        self.tell(at, Event::Accept(turn));
    }

    /// Whoever waits changes their mind; what runs is stopped where it runs.
    fn abort(&mut self, at: usize) {
        let it = &mut self.boxes[at];
        let running = |turn: &TurnId| {
            it.process.as_ref().is_some_and(|process| process.running.contains(turn))
        };
        let Some(turn) = it.open.iter().copied().find(|turn| !running(turn)) else { return };
        it.open.remove(&turn);
        self.tell(at, Event::Ended(turn));
    }

    /// An old event once more, about an old start.
    fn repeat(&mut self, at: usize) {
        let g = Generation(self.boxes[at].state.generation().0.wrapping_sub(1));
        let stale = [
            Event::Admitted(g),
            Event::Started(g),
            Event::Ready(g),
            Event::StartFailed(g),
            Event::Exited(g),
            Event::Stopped(g),
            Event::Suspended(g, None),
            Event::Busy(g),
            Event::Frozen(g),
            Event::FreezeFailed(g),
            Event::Thawed(g),
            Event::Noted(g, None),
            Event::MakeRoom(g),
            Event::Stay(g),
            Event::Ahead(g, 7),
        ];
        let event = stale[self.dice.below(stale.len())];
        let before = self.boxes[at].state.clone();
        let now = self.time();
        assert_eq!(self.boxes[at].state.step(event, now), [], "{event:?}");
        assert_eq!(self.boxes[at].state, before, "{event:?}");
    }

    /// A sandbox dies by itself.
    fn die(&mut self, at: usize) {
        let it = &mut self.boxes[at];
        let Some(process) = it.process.take() else { return };
        it.forget_untold();
        let g = process.generation;
        it.jobs.retain(|job| matches!(job, Job::Start(_) | Job::Stop(_)));
        it.inbox.push_back(Event::Exited(g));
    }

    /// The edge dies and is started again: it has its store, and what runs.
    fn crash(&mut self) {
        self.seen.crashes += 1;
        if self.loud {
            println!("the edge dies");
        }
        self.fleet = Fleet::new(self.limits);
        let now = self.time();
        for at in 0..self.boxes.len() {
            let habits = self.habits;
            let is_usable = self.dice.percent(70);
            let it = &mut self.boxes[at];
            it.inbox.clear();
            it.jobs.clear();
            it.told.clear();
            it.alarm = None;
            it.wheel = it.row.reminder;
            it.state = Sandbox::stopped(it.row.generation, it.row.reminder, habits);
            assert!(it.row.placed || it.process.is_none(), "nobody knows of what runs");
            let adopted = match &mut it.process {
                Some(process) if is_usable && process.generation == it.row.generation => {
                    // Thawed and resumed first.
                    (process.frozen, process.suspended) = (false, false);
                    let given_up = process.running.difference(&it.open);
                    let g = process.generation;
                    it.jobs.extend(given_up.map(|turn| Job::Turn(*turn, g)));
                    true
                }
                _ => {
                    it.process = None;
                    it.forget_untold();
                    it.row.placed = false;
                    false
                }
            };
            it.adopted = adopted;
            if adopted {
                let effects = self.boxes[at].state.adopt(now);
                self.execute(at, Event::Wake, effects);
                self.publish(at);
            }
        }
        // The hub asks for its turns again.
        for at in 0..self.boxes.len() {
            for turn in self.boxes[at].open.clone() {
                self.step(at, Event::Accept(turn));
            }
            self.check(at);
        }
    }

    fn tell(&mut self, at: usize, event: Event) {
        self.step(at, event);
        self.check(at);
    }

    fn step(&mut self, at: usize, event: Event) {
        self.seen.steps += 1;
        let now = self.time();
        match event {
            Event::Admitted(_) => self.seen.starts += 1,
            Event::Busy(_) => self.seen.declined += 1,
            _ => {}
        }
        let it = &mut self.boxes[at];
        if it.hears(event) {
            it.told_plan = true;
        }
        let effects = it.state.step(event, now);
        if self.loud {
            println!("{at} {event:?} -> {:?}: {effects:?}", it.state.phase());
        }
        self.execute(at, event, effects);
        self.publish(at);
    }

    fn publish(&mut self, at: usize) {
        let it = &self.boxes[at];
        for (to, event) in self.fleet.tell(&at, it.size, it.state.claim()) {
            if let Event::Ahead(..) = event {
                self.seen.queued += 1;
            }
            self.boxes[to].inbox.push_back(event);
        }
    }

    /// Does what it is told, and checks that it may be told so.
    fn execute(&mut self, at: usize, event: Event, effects: Vec<Effect>) {
        let it = &mut self.boxes[at];
        for effect in effects {
            let current = it.state.generation();
            match effect {
                Effect::Persist => {
                    let placed = match it.state.phase() {
                        Phase::Queued => true,
                        Phase::Stopped => false,
                        _ => it.row.placed,
                    };
                    // A sandbox that starts again at once persists twice, in its last phase.
                    let reminder = it.state.reminder();
                    it.row = Row { generation: current, placed, reminder };
                }
                Effect::Start(g) => {
                    assert_eq!(g, current);
                    assert!(it.process.is_none(), "two starts in flight");
                    assert!(it.row.placed && it.row.generation == g, "not durable");
                    it.adopted = false;
                    let running = BTreeSet::new();
                    it.process = Some(Process {
                        generation: g,
                        ready: false,
                        suspended: false,
                        frozen: false,
                        running,
                    });
                    it.jobs.push(Job::Start(g));
                }
                Effect::AwaitReady(g) => {
                    assert_eq!(g, current);
                    it.jobs.push(Job::AwaitReady(g));
                }
                Effect::Suspend(g) => {
                    assert_eq!(g, current);
                    assert!(it.is_quiet(), "asked to rest in the middle of a turn");
                    it.jobs.push(Job::Suspend(g));
                }
                Effect::Freeze(g) => {
                    assert_eq!(g, current);
                    assert!(it.is_resting(), "frozen while busy");
                    assert_eq!(it.row.reminder, it.state.reminder(), "its reminder is not durable");
                    it.jobs.push(Job::Freeze(g));
                }
                Effect::Thaw(g) => {
                    assert_eq!(g, current);
                    it.jobs.push(Job::Thaw(g));
                }
                Effect::Look(g) => {
                    assert_eq!(g, current);
                    it.jobs.push(Job::Look(g));
                }
                Effect::Stop { generation, cut } => {
                    assert_eq!(generation, current);
                    let mut jobs = it.jobs.iter();
                    let runs = jobs.any(|job| matches!(job, Job::Turn(_, g) if *g == current));
                    assert!(cut || !runs, "nobody hears that a turn was cut off");
                    let forced = matches!(
                        event,
                        Event::Halt(_)
                            | Event::Close
                            | Event::Exited(_)
                            | Event::StartFailed(_)
                            | Event::Alarm(_)
                    );
                    if !forced {
                        self.seen.rests += 1;
                        let died = it.process.is_none();
                        assert!(died || it.is_resting(), "stopped without having been asked");
                        assert_eq!(it.row.reminder, it.state.reminder());
                    }
                    it.jobs.retain(|job| !matches!(job, Job::Turn(..)));
                    it.jobs.push(Job::Stop(generation));
                }
                Effect::SetAlarm { at, alarm } => it.alarm = Some((at, alarm)),
                Effect::Remind(at) => it.wheel = at,
                Effect::Waking { turn, stage, ahead } => {
                    assert!(it.is_open(turn), "told an ended turn");
                    it.told.insert(turn, (stage, ahead));
                }
                Effect::Run { turn, generation } => {
                    assert_eq!(generation, current);
                    assert!(it.open.contains(&turn), "an ended turn runs again");
                    if let Some(process) = &mut it.process {
                        assert_eq!(process.generation, generation);
                        assert!(process.ready && !process.suspended && !process.frozen);
                        process.running.insert(turn);
                        it.jobs.push(Job::Turn(turn, generation));
                    }
                }
                Effect::Fail { turn, .. } => {
                    assert!(it.is_open(turn), "failed twice");
                    it.open.remove(&turn);
                    self.seen.refused += u64::from(it.size > self.limits.memory);
                }
                Effect::Release(_) => unreachable!("nobody closes"),
            }
        }
    }
}
