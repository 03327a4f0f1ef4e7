//! The state machine.

use std::{collections::VecDeque, mem, time::Duration};

use zaki_envelope::{Inbound, Part, TurnId};

use super::{Command, Effect, Event, Mode, Notice, Reason, Why, gather::Gather};

/// How much a lane takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages that may wait; one that begins a turn at once does not.
    pub waiting: usize,
    /// Messages that may become one turn.
    pub batch: usize,
    /// Bytes of text that may become one turn; a single message may be longer.
    pub batch_bytes: usize,
}

/// One lane. It keeps nothing that is not waiting or running: see [`Lane::is_empty`].
#[derive(Debug)]
pub struct Lane {
    limits: Limits,
    mode: Mode,
    phase: Phase,
    /// A turn that was taken over while something else is being carried out.
    resumed: Option<TurnId>,
    waiting: VecDeque<Inbound>,
    /// The pieces at the end of `waiting`, while a next one may come.
    gather: Option<Gather>,
    /// The turn that runs takes no further messages.
    deaf: bool,
    /// The person knows that too much waits.
    told: bool,
    alarm: Option<Duration>,
}

#[derive(Debug)]
enum Phase {
    /// No turn that this lane knows of.
    Idle,
    /// [`Effect::Begin`] is being carried out.
    Beginning { stop: Option<Stop> },
    /// [`Effect::Halt`] is being carried out.
    Halting,
    /// Our turn runs.
    Running { turn: TurnId, steering: bool, abort: Option<Why>, stop: Option<Stop> },
    /// [`Effect::Steer`] is being carried out upon another replica's turn.
    Elsewhere { stop: Option<Stop> },
}

/// A `/stop` that is not done with. It stays unsettled until the turn has ended, so that a crash
/// does not take it back.
#[derive(Debug)]
struct Stop {
    message: Box<Inbound>,
    cleared: usize,
}

type Effects = Vec<Effect>;

impl Lane {
    /// A lane with nothing in it.
    pub fn new(limits: Limits, mode: Mode) -> Self {
        Self {
            limits,
            mode,
            phase: Phase::Idle,
            resumed: None,
            waiting: VecDeque::new(),
            gather: None,
            deaf: false,
            told: false,
            alarm: None,
        }
    }

    /// Whether there is nothing to remember.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty() && matches!(self.phase, Phase::Idle)
    }

    /// Whether an answer is outstanding to something it asked for.
    pub fn is_asking(&self) -> bool {
        match self.phase {
            Phase::Idle => false,
            Phase::Beginning { .. } | Phase::Halting | Phase::Elsewhere { .. } => true,
            Phase::Running { steering, .. } => steering,
        }
    }

    /// How many messages wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes in what happened at `now` and says what is to be done.
    pub fn step(&mut self, event: Event, now: Duration) -> Effects {
        let mut effects = Effects::new();
        self.take_in(event, now, &mut effects);
        self.go_on(now, &mut effects);
        effects
    }

    fn take_in(&mut self, event: Event, now: Duration, effects: &mut Effects) {
        match event {
            Event::Arrived { message, .. } | Event::Left { message } if is_stop(&message) => {
                self.stop(message, effects);
            }
            Event::Arrived { message, crowded } => self.arrive(message, crowded, now, effects),
            Event::Left { message } => self.admit(*message, now),
            Event::Tick => self.alarm = self.alarm.filter(|at| *at > now),
            Event::Begun { turn } => self.run(turn),
            Event::Resumed { turn } => self.resumed = Some(turn),
            Event::Busy { turn, messages } => self.busy(turn, messages, effects),
            Event::Gone { messages } => self.gone(messages, effects),
            Event::Ending => self.deaf = true,
            Event::Ended { aborted, waiting } => self.ended(aborted, waiting, effects),
            Event::Steered => self.steered(effects),
            Event::Unsteered { messages } => self.unsteered(messages, effects),
            Event::Mode(mode) => self.mode = mode,
        }
    }

    fn arrive(
        &mut self,
        message: Box<Inbound>,
        crowded: bool,
        now: Duration,
        effects: &mut Effects,
    ) {
        if self.holds(&message) {
            return;
        }
        // What need not wait is taken, however little may.
        let full = crowded || self.waiting.len() >= self.limits.waiting;
        if full && !self.is_empty() {
            return self.refuse(message, effects);
        }
        self.admit(*message, now);
    }

    fn admit(&mut self, message: Inbound, now: Duration) {
        if self.holds(&message) {
            return;
        }
        let place = self.place_of(&message);
        if place == self.waiting.len() {
            self.gather = Gather::with(self.gather, &message, now);
        }
        self.waiting.insert(place, message);
    }

    /// Behind what was received before it or with it: what a replica had that is no more comes
    /// late.
    fn place_of(&self, message: &Inbound) -> usize {
        let earlier = |it: &Inbound| it.received_at <= message.received_at;
        self.waiting.iter().rposition(earlier).map_or(0, |last| last + 1)
    }

    fn refuse(&mut self, message: Box<Inbound>, effects: &mut Effects) {
        if !mem::replace(&mut self.told, true) {
            effects.push(Effect::Tell { about: message.clone(), notice: Notice::Full });
        }
        effects.push(Effect::Settle { messages: vec![*message], reason: Reason::Limited });
    }

    /// `/stop` overtakes all that waits, and takes it along.
    fn stop(&mut self, message: Box<Inbound>, effects: &mut Effects) {
        let cleared = self.clear(self.waiting.len(), effects);
        if let Some(turn) = self.resumed {
            effects.push(Effect::Abort { turn, why: Why::Stopped { cleared } });
        }
        let new = Stop { message, cleared };
        match &mut self.phase {
            Phase::Idle => self.halt(new, effects),
            Phase::Beginning { stop } | Phase::Running { stop, .. } | Phase::Elsewhere { stop }
                if stop.is_none() =>
            {
                *stop = Some(new);
            }
            // It says once more what is being done already.
            _ => new.close(cleared > 0, effects),
        }
    }

    /// Settles the first `count` that wait, since a `/stop` came after them.
    fn clear(&mut self, count: usize, effects: &mut Effects) -> usize {
        let messages: Vec<_> = self.waiting.drain(..count).collect();
        if self.waiting.is_empty() {
            self.gather = None;
        }
        if !messages.is_empty() {
            self.told = false;
            effects.push(Effect::Settle { messages, reason: Reason::Stopped });
        }
        count
    }

    fn halt(&mut self, stop: Stop, effects: &mut Effects) {
        self.phase = Phase::Halting;
        effects.push(Effect::Halt { stop: stop.message, cleared: stop.cleared });
    }

    fn run(&mut self, turn: TurnId) {
        let stop = match mem::replace(&mut self.phase, Phase::Idle) {
            Phase::Beginning { stop } => stop,
            _ => None,
        };
        self.deaf = false;
        self.phase = Phase::Running { turn, steering: false, abort: None, stop };
    }

    fn busy(&mut self, turn: TurnId, messages: Vec<Inbound>, effects: &mut Effects) {
        let before = mem::replace(&mut self.phase, Phase::Idle);
        let deaf = mem::take(&mut self.deaf);
        match before {
            Phase::Beginning { stop: Some(stop) } => self.halt(stop, effects),
            Phase::Halting => effects.push(Effect::Abort { turn, why: Why::Elsewhere }),
            _ if self.mode == Mode::Interrupt => {
                effects.push(Effect::Abort { turn, why: Why::Elsewhere });
            }
            _ if self.mode == Mode::Steer && !deaf => {
                self.phase = Phase::Elsewhere { stop: None };
                effects.push(Effect::Steer { turn, messages });
            }
            // The ledger hands them to whoever ends the other's turn.
            _ => {}
        }
    }

    fn gone(&mut self, messages: Vec<Inbound>, effects: &mut Effects) {
        self.deaf = false;
        self.put_back(messages);
        if let Phase::Beginning { stop: Some(stop) } = mem::replace(&mut self.phase, Phase::Idle) {
            self.halt(stop, effects);
        }
    }

    fn ended(&mut self, aborted: bool, mut handed: Vec<Inbound>, effects: &mut Effects) {
        // What our turn would not take waits here already.
        handed.retain(|message| !self.holds(message));
        // How many of those that a stop has cleared the person has not heard of.
        let mut untold = 0;
        if self.resumed.take().is_none() {
            let phase = mem::replace(&mut self.phase, Phase::Idle);
            if let Phase::Running { stop: Some(stop), .. } = phase {
                // Among the others, since some of those were left before it.
                handed = merge(handed.into(), vec![*stop.message]).into();
                untold = if aborted { 0 } else { stop.cleared };
            }
            self.deaf = false;
        }
        if handed.is_empty() {
            return;
        }
        // What was taken although too much waited is not refused now.
        let most = self.limits.waiting.max(1).max(self.waiting.len());
        self.waiting = merge(mem::take(&mut self.waiting), handed);
        while let Some(at) = self.waiting.iter().rposition(is_stop) {
            let Some(message) = self.waiting.remove(at) else { break };
            let cleared = self.clear(at, effects) + mem::take(&mut untold);
            // Those before it are gone, and with them every earlier stop.
            Stop { message: Box::new(message), cleared }.close(!aborted || cleared > 0, effects);
        }
        // One of them need not wait any more.
        while self.waiting.len() > most
            && let Some(message) = self.waiting.pop_back()
        {
            self.refuse(Box::new(message), effects);
        }
    }

    fn steered(&mut self, effects: &mut Effects) {
        match &mut self.phase {
            Phase::Running { steering, .. } => *steering = false,
            Phase::Elsewhere { stop } => match stop.take() {
                Some(stop) => self.halt(stop, effects),
                None => self.phase = Phase::Idle,
            },
            _ => {}
        }
    }

    fn unsteered(&mut self, messages: Vec<Inbound>, effects: &mut Effects) {
        if let Phase::Elsewhere { stop: None } = self.phase
            && !messages.is_empty()
        {
            // Not with what has come since: the other replica may have taken these along.
            self.deaf = true;
            self.phase = Phase::Beginning { stop: None };
            return effects.push(Effect::Begin { messages });
        }
        let count = messages.len();
        self.put_back(messages);
        match &mut self.phase {
            Phase::Elsewhere { stop: Some(stop) } => {
                stop.cleared += count;
                self.clear(count, effects);
            }
            Phase::Running { .. } => self.deaf = true,
            _ => {}
        }
        self.steered(effects);
    }

    /// Does what can be done now.
    fn go_on(&mut self, now: Duration, effects: &mut Effects) {
        if let (Phase::Idle, Some(turn)) = (&self.phase, self.resumed) {
            self.resumed = None;
            self.run(turn);
        }
        let ready = self.is_ready(now);
        match &mut self.phase {
            Phase::Idle if ready => {
                let messages = self.batch();
                self.phase = Phase::Beginning { stop: None };
                effects.push(Effect::Begin { messages });
            }
            Phase::Running { turn, abort, stop: Some(stop), .. }
                if !matches!(abort, Some(Why::Stopped { .. })) =>
            {
                let why = Why::Stopped { cleared: stop.cleared };
                *abort = Some(why);
                effects.push(Effect::Abort { turn: *turn, why });
            }
            Phase::Running { turn, steering, abort: abort @ None, .. } if ready => {
                match self.mode {
                    Mode::Interrupt => {
                        *abort = Some(Why::Interrupted);
                        effects.push(Effect::Abort { turn: *turn, why: Why::Interrupted });
                    }
                    Mode::Steer if !self.deaf && !*steering => {
                        *steering = true;
                        let turn = *turn;
                        effects.push(Effect::Steer { turn, messages: self.batch() });
                    }
                    Mode::Steer | Mode::Queue => {}
                }
            }
            _ => {}
        }
        self.set_alarm(now, effects);
    }

    fn is_ready(&self, now: Duration) -> bool {
        !self.waiting.is_empty() && self.gather.is_none_or(|gather| gather.until() <= now)
    }

    /// Wakes the lane when the pieces have gathered, if it is them that it waits for.
    fn set_alarm(&mut self, now: Duration, effects: &mut Effects) {
        let waits = match &self.phase {
            Phase::Idle => true,
            Phase::Running { abort: None, .. } => self.mode != Mode::Queue,
            _ => false,
        };
        let Some(at) = self.gather.map(Gather::until).filter(|at| waits && *at > now) else {
            return;
        };
        if self.alarm.is_none() {
            self.alarm = Some(at);
            effects.push(Effect::Alarm(at));
        }
    }

    fn put_back(&mut self, messages: Vec<Inbound>) {
        for message in messages.into_iter().rev() {
            if !self.holds(&message) {
                let later = |it: &Inbound| it.received_at >= message.received_at;
                let place = self.waiting.iter().position(later).unwrap_or(self.waiting.len());
                self.waiting.insert(place, message);
            }
        }
    }

    /// Whether it waits here already: what changes hands may come by two ways.
    fn holds(&self, message: &Inbound) -> bool {
        self.waiting.iter().any(|known| known.id == message.id)
    }

    /// What becomes one turn.
    fn batch(&mut self) -> Vec<Inbound> {
        let mut room = self.limits.batch_bytes;
        let fits = |message: &&Inbound| {
            let size = size(message);
            let fits = size <= room;
            room = room.saturating_sub(size);
            fits
        };
        let count = self.waiting.iter().take(self.limits.batch).take_while(fits).count().max(1);
        (self.told, self.gather) = (false, None);
        self.waiting.drain(..count.min(self.waiting.len())).collect()
    }
}

impl Stop {
    fn close(self, tell: bool, effects: &mut Effects) {
        if tell {
            let notice = Notice::Stopped { cleared: self.cleared };
            effects.push(Effect::Tell { about: self.message.clone(), notice });
        }
        effects.push(Effect::Settle { messages: vec![*self.message], reason: Reason::Command });
    }
}

fn is_stop(message: &Inbound) -> bool {
    Command::of(message) == Some(Command::Stop)
}

fn size(message: &Inbound) -> usize {
    let size = |part: &Part| match part {
        Part::Text { text, .. } => text.len(),
        _ => 0,
    };
    message.parts.iter().map(size).sum()
}

/// Two queues as one, by time of receipt; the order of each is kept.
fn merge(ours: VecDeque<Inbound>, theirs: Vec<Inbound>) -> VecDeque<Inbound> {
    let mut merged = VecDeque::with_capacity(ours.len() + theirs.len());
    let (mut ours, mut theirs) = (ours.into_iter().peekable(), theirs.into_iter().peekable());
    while let (Some(our), Some(their)) = (ours.peek(), theirs.peek()) {
        let next = if our.received_at < their.received_at { ours.next() } else { theirs.next() };
        merged.extend(next);
    }
    merged.extend(ours.chain(theirs));
    merged
}
