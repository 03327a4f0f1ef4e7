//! The limits hold in every stretch of time, and nobody waits for ever: by hand, and by random
//! schedules in virtual time.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

use super::*;
use crate::dice::Dice;

const fn rate(burst: u32, every_ms: u64) -> Rate {
    Rate { burst, every: Duration::from_millis(every_ms) }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// The verdict's moment: now, or until when to wait.
fn at(verdict: Verdict, now: Duration) -> Duration {
    match verdict {
        Verdict::Go => now,
        Verdict::Wait { until, .. } => until,
    }
}

#[test]
fn a_burst_passes_at_once_and_the_rest_evenly() {
    const PACE: Pace = Pace { conversation: &[rate(3, 1000)], account: &[] };
    let mut pacer = Pacer::<(), u32>::default();
    let mut moments = Vec::new();
    let mut now = ms(5000);
    while moments.len() < 5 {
        match pacer.ask((&(), &1), PACE, None, now) {
            Verdict::Go => moments.push(now),
            Verdict::Wait { until, .. } => now = until,
        }
    }
    assert_eq!(moments, [ms(5000), ms(5000), ms(5000), ms(6000), ms(7000)]);
}

#[test]
fn all_rates_of_a_place_bind_it() {
    // Telegram's groups: one a second, and twenty a minute.
    const PACE: Pace = Pace { conversation: &[rate(1, 1000), rate(2, 4000)], account: &[] };
    let mut pacer = Pacer::<(), u32>::default();
    let mut now = Duration::ZERO;
    let mut moments = Vec::new();
    while moments.len() < 4 {
        match pacer.ask((&(), &1), PACE, None, now) {
            Verdict::Go => moments.push(now),
            Verdict::Wait { until, .. } => now = until,
        }
    }
    assert_eq!(moments, [ms(0), ms(1000), ms(4000), ms(8000)]);
}

#[test]
fn nobody_waits_for_the_pause_of_another_conversation() {
    const PACE: Pace = Pace { conversation: &[rate(1, 1000)], account: &[rate(1, 100)] };
    let mut pacer = Pacer::<(), u32>::default();
    pacer.pause_conversation(&1, ms(60_000), ms(0));
    for waiting in 0..50 {
        let verdict = pacer.ask((&(), &1), PACE, None, ms(waiting));
        assert_eq!(verdict, Verdict::Wait { until: ms(60_000), ticket: None });
    }
    assert_eq!(pacer.ask((&(), &2), PACE, None, ms(50)), Verdict::Go, "and took no token of it");
    assert!(pacer.is_paused(&(), &1, ms(59_999)) && !pacer.is_paused(&(), &2, ms(0)));
}

#[test]
fn a_pause_of_the_account_holds_everybody_and_ends_without_a_burst() {
    const PACE: Pace = Pace { conversation: &[], account: &[rate(10, 100)] };
    let mut pacer = Pacer::<u8, u32>::default();
    // Eleven have asked; the last one holds a ticket when the platform refuses.
    for conversation in 0..10 {
        assert_eq!(pacer.ask((&0, &conversation), PACE, None, ms(0)), Verdict::Go);
    }
    let Verdict::Wait { ticket, until } = pacer.ask((&0, &10), PACE, None, ms(0)) else {
        panic!("an eleventh");
    };
    assert_eq!(until, ms(100));
    pacer.pause_account(&0, PACE, ms(5000));
    let first = pacer.ask((&0, &10), PACE, ticket, ms(100));
    assert_eq!(at(first, ms(100)), ms(5100), "the ticket is void");
    let second = pacer.ask((&0, &11), PACE, None, ms(5050));
    assert_eq!(at(second, ms(5050)), ms(5200));
    assert_eq!(pacer.ask((&1, &12), PACE, None, ms(100)), Verdict::Go, "another account");
}

#[test]
fn replicas_share_an_account() {
    const PACE: Pace = Pace { conversation: &[], account: &[rate(6, 100)] };
    let mut pacer = Pacer::<(), u32>::default();
    pacer.share(3);
    let at = |n| at(pacer.ask((&(), &n), PACE, None, ms(0)), ms(0));
    assert_eq!([0, 1, 2, 3].map(at), [ms(0), ms(0), ms(300), ms(600)]);
}

#[test]
fn only_who_was_written_to_a_moment_ago_is_remembered() {
    const PACE: Pace = Pace { conversation: &[rate(1, 1000)], account: &[] };
    let mut pacer = Pacer::<(), u32>::default();
    for person in 0..100_000 {
        // A thousand a second.
        let verdict = pacer.ask((&(), &person), PACE, None, ms(u64::from(person)));
        assert_eq!(verdict, Verdict::Go);
        assert!(pacer.remembered() <= 2 * 1001 + 1, "{}", pacer.remembered());
    }
}

/// Conversations that always have something to say, under a pace.
struct World {
    dice: Dice,
    pacer: Pacer<usize, usize>,
    pace: Pace,
    accounts: usize,
    /// When who asks again, with the ticket and the moment from which on it waits.
    asking: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    waiting: HashMap<usize, (Option<Ticket>, Duration)>,
    left_by_account: Vec<Vec<Duration>>,
    left_by_conversation: HashMap<usize, Vec<Duration>>,
    conversation_paused: HashMap<usize, Duration>,
    account_paused: Vec<Duration>,
    longest: Duration,
    order: u64,
}

impl World {
    fn new(seed: u64, pace: Pace, accounts: usize, conversations: usize) -> Self {
        let mut world = Self {
            dice: Dice::new(seed),
            pacer: Pacer::default(),
            pace,
            accounts,
            asking: BinaryHeap::new(),
            waiting: HashMap::new(),
            left_by_account: vec![Vec::new(); accounts],
            left_by_conversation: HashMap::new(),
            conversation_paused: HashMap::new(),
            account_paused: vec![Duration::ZERO; accounts],
            longest: Duration::ZERO,
            order: 0,
        };
        for conversation in 0..conversations {
            let at = world.dice.millis(0..3000);
            world.plan(conversation, at);
        }
        world
    }

    fn plan(&mut self, conversation: usize, at: Duration) {
        self.order += 1;
        self.asking.push(Reverse((at, self.order, conversation)));
    }

    fn step(&mut self, pauses: bool) {
        let Reverse((now, _, conversation)) = self.asking.pop().unwrap();
        let account = conversation % self.accounts;
        let (ticket, since) = self.waiting.get(&conversation).copied().unwrap_or((None, now));
        match self.pacer.ask((&account, &conversation), self.pace, ticket, now) {
            Verdict::Wait { until, ticket } => {
                assert!(until > now, "a wait that is none");
                self.waiting.insert(conversation, (ticket, since));
                self.plan(conversation, until);
            }
            Verdict::Go => {
                self.waiting.remove(&conversation);
                self.longest = self.longest.max(now - since);
                let asked = self.conversation_paused.get(&conversation);
                assert!(asked.is_none_or(|until| *until <= now), "written to in its pause");
                assert!(self.account_paused[account] <= now, "written to in the account's pause");
                self.left_by_account[account].push(now);
                self.left_by_conversation.entry(conversation).or_default().push(now);
                if pauses {
                    self.pause(account, conversation, now);
                }
                let idle = if self.dice.once_in(10) { 30_000 } else { 200 };
                let next = now + self.dice.millis(0..idle);
                self.plan(conversation, next);
            }
        }
    }

    fn pause(&mut self, account: usize, conversation: usize, now: Duration) {
        if self.dice.once_in(200) {
            let until = now + self.dice.millis(1..10_000);
            self.pacer.pause_conversation(&conversation, until, now);
            self.conversation_paused.insert(conversation, until);
        }
        if self.dice.once_in(5000) {
            let until = now + self.dice.millis(1..5000);
            self.pacer.pause_account(&account, self.pace, until);
            self.account_paused[account] = self.account_paused[account].max(until);
        }
    }

    /// No stretch from one message to another holds more than the rate lets through.
    fn judge(&self) {
        for left in &self.left_by_account {
            self.pace.account.iter().for_each(|rate| holds(left, *rate));
        }
        for left in self.left_by_conversation.values() {
            self.pace.conversation.iter().for_each(|rate| holds(left, *rate));
        }
    }
}

/// A token bucket of its own, in whole tokens: `burst + t / every` at most in any stretch `t` is the
/// same as a bucket that never runs below nothing.
fn holds(left: &[Duration], rate: Rate) {
    let every = i128::try_from(rate.every.as_nanos()).unwrap();
    let full = i128::from(rate.burst) * every;
    let (mut tokens, mut last) = (full, Duration::ZERO);
    for now in left {
        let gained = i128::try_from((*now - last).as_nanos()).unwrap();
        tokens = full.min(tokens + gained) - every;
        assert!(tokens >= 0, "too fast for {rate:?} at {now:?}");
        last = *now;
    }
}

#[test]
fn limits_hold_and_nobody_starves_in_a_million_random_steps() {
    const GROUP: Pace = Pace {
        conversation: &[rate(1, 1000), Rate::within(20, Duration::from_mins(1), 5)],
        account: &[Rate::within(30, Duration::from_secs(1), 5)],
    };
    const OPEN: Pace =
        Pace { conversation: &[rate(1, 50)], account: &[rate(10, 13), rate(40, 40)] };
    for (seed, pace) in [(1, GROUP), (2, OPEN), (3, GROUP), (4, OPEN)] {
        let pauses = seed > 2;
        let mut world = World::new(seed, pace, 2, 300);
        for _ in 0..250_000 {
            world.step(pauses);
        }
        world.judge();
        // One's own bucket, the queue of everybody else (150 with one account), and pauses.
        let bound = if pauses { 60 } else { 12 };
        assert!(world.longest < Duration::from_secs(bound), "seed {seed}: {:?}", world.longest);
        let least = world.left_by_conversation.values().map(Vec::len).min().unwrap();
        assert!(least > 10, "seed {seed}: somebody was let through only {least} times");
    }
}
