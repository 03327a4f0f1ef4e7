//! A platform that loses answers, a ledger in a few lines, and a process that is killed again and
//! again: random lives of many conversations in virtual time, and what must hold in all of them.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap, HashSet},
    time::Duration,
};

use zaki_channel::{Recourse, Retry};

use super::*;
use crate::dice::Dice;

const RULES: Rules = Rules {
    max_wait: Duration::from_mins(2),
    patience: Duration::from_hours(2),
    report: Duration::from_mins(1),
};
const NONCE_LIVES: Duration = Duration::from_mins(2);
/// From a claim to its end: one call, and the longest way out of a doubt.
const LONGEST_CLAIM: Duration = Duration::from_mins(6);
const LONGEST_CALL: u64 = 30_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Pending {
        not_before: Duration,
    },
    /// Claimed at `since`; the process that has it began with it at `taken`.
    Sending {
        since: Duration,
        taken: Duration,
    },
    Sent,
    Unknown,
    Dead,
}

/// One delivery, as the ledger and as the platform know it.
#[derive(Clone, Copy, Debug)]
struct Delivery {
    reply: usize,
    made: Duration,
    claims: u32,
    state: State,
    /// How often people can see it.
    seen: u32,
    /// A call about it was cut, or its process killed: it may be unknown.
    excused: bool,
}

/// An answer or a report under way, or a time to be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Claim,
    Answer(u32),
    Report(bool),
    Time,
}

/// What is to happen when: to this delivery of this conversation, if the process still runs that it
/// was meant for.
type Planned = Reverse<(Duration, u64, usize, usize, u32, Event)>;

struct Model {
    dice: Dice,
    recourse: Recourse,
    now: Duration,
    /// Counts the kills.
    process: u32,
    conversations: Vec<Vec<Delivery>>,
    running: HashMap<usize, Attempt>,
    in_flight: HashSet<(usize, usize)>,
    answers: HashMap<u32, Heard>,
    first_seen: HashMap<(usize, usize), Duration>,
    shown: Vec<Vec<usize>>,
    events: BinaryHeap<Planned>,
    order: u64,
    steps: u64,
}

impl Model {
    fn new(seed: u64, recourse: Recourse, conversations: usize) -> Self {
        let mut dice = Dice::new(seed);
        let reply = |reply, dice: &mut Dice| vec![reply; 1 + dice.below(3)];
        let delivery = |reply| Delivery {
            reply,
            made: Duration::ZERO,
            claims: 0,
            state: State::Pending { not_before: Duration::ZERO },
            seen: 0,
            excused: false,
        };
        let conversation = |_| {
            let replies = 0..2 + dice.below(6);
            replies.flat_map(|n| reply(n, &mut dice)).map(delivery).collect()
        };
        let conversations: Vec<Vec<_>> = (0..conversations).map(conversation).collect();
        Self {
            recourse,
            now: Duration::ZERO,
            process: 0,
            shown: vec![Vec::new(); conversations.len()],
            conversations,
            running: HashMap::new(),
            in_flight: HashSet::new(),
            answers: HashMap::new(),
            first_seen: HashMap::new(),
            events: BinaryHeap::new(),
            order: 0,
            steps: 0,
            dice,
        }
    }

    fn plan(&mut self, after: Duration, conversation: usize, part: usize, event: Event) {
        self.order += 1;
        let at = self.now + after;
        self.events.push(Reverse((at, self.order, conversation, part, self.process, event)));
    }

    /// The ledger's rule: the oldest open delivery of a conversation, once it is due.
    fn next(&mut self, conversation: usize) {
        let open = |delivery: &Delivery| {
            matches!(delivery.state, State::Pending { .. } | State::Sending { .. })
        };
        let Some(part) = self.conversations[conversation].iter().position(open) else { return };
        let State::Pending { not_before } = self.conversations[conversation][part].state else {
            panic!("two at one conversation");
        };
        self.plan(not_before.saturating_sub(self.now), conversation, part, Event::Claim);
    }

    fn claim(&mut self, conversation: usize, part: usize) {
        let delivery = &mut self.conversations[conversation][part];
        delivery.claims += 1;
        delivery.state = State::Sending { since: self.now, taken: self.now };
        let age = self.now - delivery.made;
        let letter =
            Letter { recourse: self.recourse, harmless: false, claims: delivery.claims, age };
        let attempt = Attempt::new(RULES, letter, self.now);
        assert!(self.running.insert(conversation, attempt).is_none(), "two writers");
        self.act(conversation, part, Act::Send);
    }

    fn act(&mut self, conversation: usize, part: usize, act: Act) {
        match act {
            Act::Send => self.send(conversation, part),
            Act::Prove => self.prove(conversation, part),
            Act::Wait(until) => {
                // Timers ring late, never early.
                let late = self.dice.millis(0..50);
                let after = until.saturating_sub(self.now) + late;
                self.plan(after, conversation, part, Event::Time);
            }
            Act::End(end) => self.settle(conversation, part, end),
        }
    }

    /// What the platform does with a call, and what the caller hears of it, and when.
    fn send(&mut self, conversation: usize, part: usize) {
        let free = self.in_flight.insert((conversation, part));
        assert!(free, "two sends of one delivery at once");
        let repeatable = matches!(self.recourse, Recourse::Repeat { .. });
        let (done, heard) = match self.dice.below(20) {
            0..8 => (true, Heard::Sent),
            8..11 => (false, Heard::Failed(Retry::AfterMs(self.dice.next() % 5000))),
            11 => (false, Heard::Failed(Retry::Never)),
            12..16 => (true, Heard::Failed(Retry::Unknown)),
            _ => (false, Heard::Failed(Retry::Unknown)),
        };
        if done {
            let seen = self.first_seen.get(&(conversation, part)).copied();
            let known = seen.is_some_and(|at| repeatable && self.now < at + NONCE_LIVES);
            if !known {
                self.show(conversation, part);
            }
        }
        let delivery = &mut self.conversations[conversation][part];
        delivery.excused |= heard == Heard::Failed(Retry::Unknown);
        if matches!(self.recourse, Recourse::Callback { .. }) && done && !self.dice.once_in(5) {
            let after = self.dice.millis(0..90_000);
            self.plan(after, conversation, part, Event::Report(true));
        }
        let call = self.dice.millis(1..LONGEST_CALL);
        self.answer(call, conversation, part, heard);
    }

    fn show(&mut self, conversation: usize, part: usize) {
        let delivery = &mut self.conversations[conversation][part];
        delivery.seen += 1;
        assert_eq!(delivery.seen, 1, "seen twice: {delivery:?}");
        let earlier = self.shown[conversation].last();
        assert!(earlier.is_none_or(|earlier| *earlier < part), "out of order");
        let reply = delivery.reply;
        let failed = |delivery: &&Delivery| {
            delivery.reply == reply && matches!(delivery.state, State::Dead | State::Unknown)
        };
        let failed = self.conversations[conversation][..part].iter().find(failed);
        assert!(failed.is_none(), "a part after one that failed");
        self.shown[conversation].push(part);
        self.first_seen.insert((conversation, part), self.now);
    }

    fn prove(&mut self, conversation: usize, part: usize) {
        let seen = self.conversations[conversation][part].seen == 1;
        let heard = match self.dice.below(10) {
            0 => Heard::CannotTell,
            1 => Heard::Failed(Retry::Unknown),
            2 => Heard::Failed(Retry::AfterMs(60_000)),
            _ => Heard::Proved(seen),
        };
        let call = self.dice.millis(1..LONGEST_CALL);
        self.answer(call, conversation, part, heard);
    }

    fn answer(&mut self, after: Duration, conversation: usize, part: usize, heard: Heard) {
        let key = u32::try_from(self.order).unwrap();
        self.answers.insert(key, heard);
        self.plan(after, conversation, part, Event::Answer(key));
    }

    fn settle(&mut self, conversation: usize, part: usize, end: End) {
        self.running.remove(&conversation).unwrap();
        self.in_flight.remove(&(conversation, part));
        let now = self.now;
        let parts = &mut self.conversations[conversation];
        let Delivery { reply, seen, excused, state, .. } = parts[part];
        let State::Sending { taken, .. } = state else { panic!("settled, but {state:?}") };
        assert!(now - taken < LONGEST_CLAIM, "{:?} from claim to {end:?}", now - taken);
        parts[part].state = match end {
            End::Sent => State::Sent,
            End::Retry(pause) => State::Pending { not_before: now + pause },
            End::Unknown => State::Unknown,
            End::Refused | End::GivenUp => State::Dead,
        };
        match end {
            End::Sent => assert_eq!(seen, 1, "said to be sent"),
            End::Unknown => assert!(excused, "unknown without a reason"),
            End::Retry(_) | End::Refused | End::GivenUp => assert_eq!(seen, 0, "{end:?}, but seen"),
        }
        if matches!(end, End::Unknown | End::Refused | End::GivenUp) {
            let later = parts[part + 1..].iter_mut().filter(|later| later.reply == reply);
            later.for_each(|later| later.state = State::Dead);
        }
        self.next(conversation);
    }

    /// The process dies; another takes up what it left.
    fn kill(&mut self) {
        self.process += 1;
        self.running.clear();
        self.in_flight.clear();
        for conversation in 0..self.conversations.len() {
            let parts = &mut self.conversations[conversation];
            let left = parts.iter_mut().enumerate().find_map(|(part, delivery)| {
                let State::Sending { since, .. } = delivery.state else { return None };
                delivery.excused = true;
                Some((part, since, delivery.made))
            });
            let Some((part, since, made)) = left else {
                self.next(conversation);
                continue;
            };
            let (age, before) = (self.now - made, self.now - since);
            let letter = Letter { recourse: self.recourse, harmless: false, claims: 1, age };
            let (attempt, act) = Attempt::resume(RULES, letter, before, self.now);
            // The moment of the claim must stay: a nonce lives from there on.
            let state = State::Sending { since, taken: self.now };
            self.conversations[conversation][part].state = state;
            self.running.insert(conversation, attempt);
            self.act(conversation, part, act);
        }
    }

    fn run(&mut self, kill_once_in: usize) {
        (0..self.conversations.len()).for_each(|conversation| self.next(conversation));
        while let Some(Reverse((at, _, conversation, part, process, event))) = self.events.pop() {
            self.now = at;
            self.steps += 1;
            // A report is the platform's and finds whichever process runs.
            let reported = matches!(event, Event::Report(_));
            if process == self.process || reported {
                self.happen(conversation, part, event);
            }
            if self.dice.once_in(kill_once_in) {
                self.kill();
            }
        }
    }

    fn happen(&mut self, conversation: usize, part: usize, event: Event) {
        let heard = match event {
            Event::Claim => return self.claim(conversation, part),
            Event::Time => Heard::Time,
            Event::Report(taken) => Heard::Reported(taken),
            Event::Answer(key) => {
                self.in_flight.remove(&(conversation, part));
                self.answers.remove(&key).unwrap()
            }
        };
        let state = self.conversations[conversation][part].state;
        let Some(attempt) = self.running.get_mut(&conversation) else { return };
        if !matches!(state, State::Sending { .. }) {
            return;
        }
        // The shell listens for reports and the clock only while it waits.
        let waits = attempt.is_in_doubt() && !self.in_flight.contains(&(conversation, part));
        if matches!(event, Event::Report(_) | Event::Time) && !waits {
            return;
        }
        let act = attempt.step(heard, self.now, self.dice.share());
        self.act(conversation, part, act);
    }
}

#[test]
fn nothing_is_lost_twice_or_out_of_order_in_millions_of_random_steps() {
    let recourses = [
        Recourse::None,
        Recourse::Repeat { within: NONCE_LIVES },
        Recourse::Prove,
        Recourse::Callback { within: Duration::from_mins(5) },
    ];
    let mut steps = 0;
    for (n, recourse) in (0..).zip(recourses) {
        for seed in 0..40 {
            let mut model = Model::new(seed * 4 + n, recourse, 1000);
            model.run(if seed % 2 == 0 { usize::MAX } else { 3000 });
            let open = model.conversations.iter().flatten().find(|delivery| {
                matches!(delivery.state, State::Pending { .. } | State::Sending { .. })
            });
            assert!(open.is_none(), "{recourse:?}, seed {seed}: {open:?} is stuck");
            steps += model.steps;
        }
    }
    assert!(steps > 3_000_000, "{steps}");
}
