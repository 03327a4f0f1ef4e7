//! Random calls to a provider that works, fails and comes back, with answers that take their time,
//! callers that go away, and one whose calls alone fail: whatever happens in whatever order, the promises hold. Each schedule has a
//! seed, which a failure prints. `ZAKI_MODEL_STEPS` makes it longer.

use super::*;
use crate::dice::Dice;

/// Of one schedule.
const STEPS: usize = 400;

/// What has been seen; what never happens is not proven.
#[derive(Debug, Default)]
struct Seen {
    admitted: u64,
    refused: u64,
    opened: u64,
    closed: u64,
    late: u64,
    gone: u64,
    jumps: u64,
    /// Calls of others while it was open for one.
    spared: u64,
}

impl Seen {
    fn is_rich(&self) -> bool {
        let all = [self.admitted, self.refused, self.opened, self.closed, self.late, self.gone];
        all.iter().chain([&self.jumps, &self.spared]).all(|count| *count > 100)
    }
}

fn user(n: u64) -> ZakiUserId {
    ZakiUserId::from_parts(Timestamp::from_ms(1), n.into())
}

/// How it stands for whoever it is open for, if it is for anybody.
fn state(breaker: &Breaker) -> Standing {
    Breaker { works_for_others: false, ..breaker.clone() }.standing()
}

struct World {
    dice: Dice,
    now: i64,
    breaker: Breaker,
    under_way: Vec<Ticket>,
    /// All of whose calls fail.
    hostile: Option<ZakiUserId>,
    /// By the rule told otherwise: for whom alone it is open.
    culprit: Option<ZakiUserId>,
    /// How many of a hundred calls fail.
    failing: usize,
    /// What was told since it closed: when, whose, and whether it failed.
    told: Vec<(i64, ZakiUserId, bool)>,
    /// The longest pause that the provider has asked for.
    asked: i64,
    /// When it opened, unless the clock has jumped since.
    opened: Option<i64>,
    /// When somebody was last let through to try it, unless the clock has jumped since.
    tried: Option<i64>,
    /// How often it opened since it last worked.
    pauses: u32,
    seen: Seen,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            now: 10_000_000,
            breaker: Breaker::default(),
            under_way: Vec::new(),
            hostile: None,
            culprit: None,
            failing: 0,
            told: Vec::new(),
            asked: 0,
            opened: None,
            tried: None,
            pauses: 0,
            seen: Seen::default(),
        }
    }

    fn now(&self) -> Timestamp {
        Timestamp::from_ms(self.now)
    }

    fn step(&mut self) {
        match self.dice.below(100) {
            0..40 => self.call(),
            40..75 => self.end(),
            75..80 => self.leave(),
            80..84 => {
                let kinds = [0, 0, 30, 70, 100, 100];
                self.failing = kinds[self.dice.below(kinds.len())];
                self.hostile = self.dice.percent(50).then(|| user(0));
            }
            84 => self.jump(),
            _ => {
                let most = [10, 1_000, 10_000, 100_000][self.dice.below(4)];
                self.now += self.dice.ms(most);
            }
        }
    }

    fn call(&mut self) {
        let (now, before) = (self.now(), state(&self.breaker));
        let user = user(self.dice.next() % 3);
        let is_spared = self.culprit.is_some_and(|culprit| culprit != user);
        let Some(ticket) = self.breaker.admit(user, now) else {
            self.seen.refused += 1;
            assert_ne!(before, Standing::Closed, "nobody is turned away while it works");
            assert!(!is_spared, "nor for what another's calls do");
            return;
        };
        self.seen.admitted += 1;
        if is_spared {
            assert_eq!(state(&self.breaker), before, "nobody else's call is a trial");
        } else if before != Standing::Closed {
            let trials = self.under_way.iter().filter(|other| other.era == ticket.era).count();
            assert_eq!(trials, 0, "one tries at a time");
            match (before, self.opened, self.tried) {
                (Standing::Open { .. }, Some(opened), _) => {
                    assert!(self.now >= opened + FIRST_PAUSE_MS, "it has its pause");
                }
                (Standing::Trial, _, Some(tried)) => {
                    assert!(self.now >= tried + TRIAL_MS, "who tries it has their time");
                }
                _ => {}
            }
            self.tried = Some(self.now);
        }
        self.under_way.push(ticket);
    }

    fn end(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let mut ticket = self.under_way.swap_remove(self.dice.below(self.under_way.len()));
        let (now, before, era) = (self.now(), self.breaker.clone(), ticket.era);
        let is_hostile = self.hostile == Some(ticket.user);
        let failed = is_hostile || self.dice.percent(self.failing);
        let is_spared = self.culprit.is_some_and(|culprit| culprit != ticket.user);
        if failed {
            let later = self.dice.percent(20).then(|| self.dice.ms(200_000));
            self.asked = self.asked.max(later.unwrap_or(0));
            self.breaker.failed(ticket, Fault::Broken, later, now);
        } else {
            self.breaker.answered(&mut ticket, now);
        }
        if era == before.era && is_spared && !failed {
            assert_eq!(state(&self.breaker), state(&before), "nobody else's call is a trial");
            assert_eq!(self.breaker.standing(), Standing::Closed, "it works for somebody");
            self.seen.spared += 1;
        } else if era == before.era {
            self.judge(&before, ticket.user, failed, is_spared);
        } else {
            assert_eq!(self.breaker, before, "what is late decides nothing");
            self.seen.late += 1;
        }
    }

    /// By the rule told otherwise: a list of what was told, instead of bits.
    fn judge(&mut self, before: &Breaker, user: ZakiUserId, failed: bool, is_spared: bool) {
        let was_closed = state(before) == Standing::Closed;
        if is_spared {
            (self.culprit, self.pauses) = (None, 0);
        } else if !was_closed {
            assert_eq!(failed, state(&self.breaker) != Standing::Closed, "a trial decides");
            self.seen.closed += u64::from(!failed);
        }
        if !was_closed {
            self.told.clear();
        }
        let last = self.told.last().map_or(self.now, |(at, ..)| *at);
        if is_over(Timestamp::from_ms(last), STALE_MS, self.now()) {
            self.told.clear();
        }
        self.told.push((self.now, user, failed));
        let last = self.told.iter().rev().take(10).filter(|(.., failed)| *failed);
        let whose: Vec<ZakiUserId> = last.map(|(_, user, _)| *user).collect();
        let failures = whose.len();
        match state(&self.breaker) {
            Standing::Closed => {
                assert!(failures < 5, "{failures} of ten");
                (self.pauses, self.culprit) = (0, None);
            }
            Standing::Open { until } => {
                assert!(failed && (failures >= 5 || !was_closed));
                assert!(!was_closed || self.breaker.standing() == state(&self.breaker));
                if was_closed && whose.iter().all(|other| *other == user) {
                    self.culprit = Some(user);
                }
                let pause = until.as_ms() - self.now;
                let most =
                    LONGEST_PAUSE_MS.min(self.asked.max(FIRST_PAUSE_MS << self.pauses.min(9)));
                assert!((FIRST_PAUSE_MS..=most).contains(&pause), "{pause}");
                self.opened = Some(self.now);
                self.pauses += 1;
                self.seen.opened += 1;
            }
            Standing::Trial => panic!("an outcome begins no trial"),
        }
    }

    fn leave(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let ticket = self.under_way.swap_remove(self.dice.below(self.under_way.len()));
        let before = self.breaker.clone();
        self.breaker.let_go(ticket);
        if self.breaker != before {
            assert_eq!((state(&before), ticket.era), (Standing::Trial, before.era));
            assert!(self.culprit.is_none_or(|culprit| culprit == ticket.user));
            self.opened = None;
            self.seen.gone += 1;
        }
    }

    fn jump(&mut self) {
        self.now += self.dice.ms(7_200_000) - 3_600_000;
        (self.opened, self.tried) = (None, None);
        self.seen.jumps += 1;
    }

    /// The provider works from now on: soon everybody is served.
    fn calm(&mut self) {
        for ticket in std::mem::take(&mut self.under_way) {
            self.breaker.let_go(ticket);
        }
        // A clock that was set back makes one pause longer by as much.
        self.now += 2 * LONGEST_PAUSE_MS + TRIAL_MS;
        for n in 0..3 {
            let ticket = self.breaker.admit(user(n), self.now());
            let mut ticket = ticket.expect("the longest pause is over");
            self.breaker.answered(&mut ticket, self.now());
        }
        assert_eq!(state(&self.breaker), Standing::Closed);
        assert!(!self.breaker.is_lost(self.now()) && self.breaker.failing().is_none());
    }
}

#[test]
fn no_schedule_breaks_a_promise() {
    let steps = std::env::var("ZAKI_MODEL_STEPS").ok().and_then(|text| text.parse().ok());
    let (asked, mut steps, mut seed) = (steps.unwrap_or(400_000), 0, 0);
    let mut sum = Seen::default();
    while steps < asked {
        seed += 1;
        let run = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..STEPS {
                world.step();
            }
            world.calm();
            world.seen
        });
        let Ok(counts) = run else { panic!("seed {seed}: see above") };
        sum.admitted += counts.admitted;
        sum.refused += counts.refused;
        sum.opened += counts.opened;
        sum.closed += counts.closed;
        sum.late += counts.late;
        sum.gone += counts.gone;
        sum.jumps += counts.jumps;
        sum.spared += counts.spared;
        steps += STEPS;
    }
    println!("{seed} schedules, {sum:?}");
    assert!(sum.is_rich(), "{sum:?}");
}
