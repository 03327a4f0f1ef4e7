//! One delivery that has been claimed: what the platform's answer means, what is done while nobody
//! knows whether it arrived, and how it ends.
//!
//! Moments are `Duration`s since any fixed one, by a clock that never jumps.

#[cfg(test)]
#[allow(clippy::unchecked_time_subtraction, reason = "a test may end there")]
mod model;
#[cfg(test)]
mod tests;

use std::time::Duration;

use zaki_channel::{Recourse, Retry};

/// Our own first pause; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long a platform is left alone with a call that went wrong before it is asked what became of
/// it: what it may still be doing must show by then.
const QUIET: Duration = Duration::from_secs(6);
/// How long it is asked. Slack lets some apps ask once a minute.
const ASKED: Duration = Duration::from_mins(3);
/// How often something is sent that does no harm twice.
const TRIES: u32 = 3;

/// What the operator has a say in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// The longest pause of our own between two attempts.
    pub max_wait: Duration,
    /// How long a reply is tried, from its making on.
    pub patience: Duration,
    /// How long a platform's report of an unknown outcome is waited for, at most. The conversation
    /// stands still meanwhile.
    pub report: Duration,
}

/// What matters of a delivery.
#[derive(Clone, Copy, Debug)]
pub struct Letter {
    /// What can be done when it is not known whether it arrived.
    pub recourse: Recourse,
    /// Whether it does no harm twice, but must arrive: a notice.
    pub harmless: bool,
    /// How often it has been claimed, this time included.
    pub claims: u32,
    /// How old it is.
    pub age: Duration,
}

/// A claimed delivery on its way: [`Attempt::step`] is told what happened and says what to do.
///
/// It stays claimed until the end, so that nothing of its conversation overtakes it.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    rules: Rules,
    /// As it was when this began.
    letter: Letter,
    began: Duration,
    doubt: Option<Doubt>,
}

/// It may have arrived.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    /// How long before this attempt it may have arrived: of a delivery an earlier process left.
    before: Duration,
    failures: u32,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The platform took it.
    Sent,
    /// The call that was to be made failed.
    Failed(Retry),
    /// Asked, the platform has it (`true`) or does not.
    Proved(bool),
    /// Asked, the platform does not say.
    CannotTell,
    /// By itself, the platform reports that it has it (`true`) or could not do it.
    Reported(bool),
    /// The time waited for has come.
    Time,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Send it, under its own key.
    Send,
    /// Ask the platform whether it has it.
    Prove,
    /// Wait for [`Heard::Time`] at this moment, or a report before it.
    Wait(Duration),
    /// Settle it.
    End(End),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The platform has it.
    Sent,
    /// The platform does not have it; it is to be claimed again after this pause.
    Retry(Duration),
    /// The platform may have it, and nobody can find out.
    Unknown,
    /// The platform does not have it and never will.
    Refused,
    /// The platform does not have it, and that has gone on for too long.
    GivenUp,
}

impl Attempt {
    /// A delivery that was claimed just now. The first thing to do is [`Act::Send`].
    pub fn new(rules: Rules, letter: Letter, now: Duration) -> Self {
        Self { rules, letter, began: now, doubt: None }
    }

    /// A delivery an earlier process was sending when it ended, `before` ago; and what to do first.
    pub fn resume(rules: Rules, letter: Letter, before: Duration, now: Duration) -> (Self, Act) {
        let doubt = Some(Doubt { before, failures: 0 });
        let attempt = Self { doubt, ..Self::new(rules, letter, now) };
        let act = match letter.recourse {
            Recourse::Callback { .. } => attempt.await_report(now),
            Recourse::None | Recourse::Repeat { .. } | Recourse::Prove => attempt.retry(now),
        };
        (attempt, attempt.or_again(act, now, 1.0))
    }

    /// Whether it is unknown if the platform has it.
    pub fn is_in_doubt(&self) -> bool {
        self.doubt.is_some()
    }

    /// What to do after `heard`. `draw`, from 0 to 1, spreads the pauses, so that many who fail at
    /// once do not come back at once.
    pub fn step(&mut self, heard: Heard, now: Duration, draw: f64) -> Act {
        let act = self.decide(heard, now, draw);
        self.or_again(act, now, draw)
    }

    /// What does no harm twice is sent again before it is given up.
    fn or_again(&self, act: Act, now: Duration, draw: f64) -> Act {
        match act {
            Act::End(End::Unknown) if self.letter.harmless && self.letter.claims < TRIES => {
                self.later(Duration::ZERO, now, draw)
            }
            act => act,
        }
    }

    fn decide(&mut self, heard: Heard, now: Duration, draw: f64) -> Act {
        match (heard, self.doubt) {
            (Heard::Sent | Heard::Proved(true) | Heard::Reported(true), _) => Act::End(End::Sent),
            (Heard::Reported(false), _) => Act::End(End::Refused),
            (Heard::Failed(retry), None) => self.failed(retry, now, draw),
            (Heard::Failed(retry), Some(doubt)) => self.failed_in_doubt(retry, doubt, now, draw),
            (Heard::Proved(false), _) => {
                self.doubt = None;
                self.later(Duration::ZERO, now, draw)
            }
            (Heard::CannotTell, _) => Act::End(End::Unknown),
            (Heard::Time, None) => Act::Send,
            (Heard::Time, Some(_)) => self.retry(now),
        }
    }

    /// The one table of what a failed send means.
    fn failed(&mut self, retry: Retry, now: Duration, draw: f64) -> Act {
        match retry {
            Retry::Never => Act::End(End::Refused),
            Retry::AfterMs(ms) => self.later(Duration::from_millis(ms), now, draw),
            Retry::Unknown => {
                let doubt = Doubt { before: Duration::ZERO, failures: 0 };
                self.doubt = Some(doubt);
                self.failed_in_doubt(retry, doubt, now, draw)
            }
        }
    }

    /// And of what a failure means when an earlier send may have arrived.
    fn failed_in_doubt(&mut self, retry: Retry, doubt: Doubt, now: Duration, draw: f64) -> Act {
        let asked = match retry {
            // It cannot be found out, or what is refused now has been done before.
            Retry::Never => return Act::End(End::Unknown),
            Retry::AfterMs(ms) => Duration::from_millis(ms),
            Retry::Unknown => Duration::ZERO,
        };
        let failures = doubt.failures + 1;
        self.doubt = Some(Doubt { failures, ..doubt });
        let pause = asked.max(self.back_off(failures, draw));
        let until = now
            + match self.letter.recourse {
                Recourse::None => return Act::End(End::Unknown),
                Recourse::Callback { .. } => return self.await_report(now),
                Recourse::Repeat { .. } => pause,
                Recourse::Prove => pause.max(QUIET),
            };
        if self.is_open(until) { Act::Wait(until) } else { Act::End(End::Unknown) }
    }

    /// Does what can be done about a doubt, if there is still time for it.
    fn retry(&self, now: Duration) -> Act {
        match self.letter.recourse {
            Recourse::Repeat { .. } if self.is_open(now) => Act::Send,
            Recourse::Prove if self.is_open(now) => Act::Prove,
            _ => Act::End(End::Unknown),
        }
    }

    /// Whether a doubt may still be acted on at `at`.
    fn is_open(&self, at: Duration) -> bool {
        let since = at.saturating_sub(self.began);
        let before = self.doubt.map_or(Duration::ZERO, |doubt| doubt.before);
        match self.letter.recourse {
            Recourse::None | Recourse::Callback { .. } => false,
            Recourse::Repeat { within } => {
                before.saturating_add(since) < within
                    && self.letter.age + since < self.rules.patience
            }
            Recourse::Prove => since <= ASKED,
        }
    }

    fn await_report(&self, now: Duration) -> Act {
        match self.letter.recourse {
            Recourse::Callback { within } => Act::Wait(now + within.min(self.rules.report)),
            _ => Act::End(End::Unknown),
        }
    }

    /// It has certainly not arrived. Answered with patience, not with a number of tries: an outage
    /// of the platform or of our own uplink must not cost anybody an answer.
    fn later(&self, asked: Duration, now: Duration, draw: f64) -> Act {
        let pause = asked.max(self.back_off(self.letter.claims, draw));
        let age = self.letter.age + now.saturating_sub(self.began);
        let is_too_old = age.saturating_add(pause) > self.rules.patience;
        Act::End(if is_too_old { End::GivenUp } else { End::Retry(pause) })
    }

    /// From the upper half of a pause that doubles.
    fn back_off(&self, failures: u32, draw: f64) -> Duration {
        let whole = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(16));
        whole.min(self.rules.max_wait).mul_f64(0.5 + draw.clamp(0.0, 1.0) / 2.0)
    }
}
