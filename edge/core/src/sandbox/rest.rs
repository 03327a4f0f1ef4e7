//! How a sandbox comes to rest, and back.
//!
//! Running -> suspending -> (freezing -> frozen -> thawing -> running -> suspending ->) stopping.
//! What is frozen is asked once more before it is stopped: its agent may have something to do by
//! then, and what it has on its disk is whole only while it rests.

use zaki_envelope::Timestamp;

use super::{Alarm, Due, Effect, Habits, Phase, Rest, Sandbox, phase::is_near};

impl Habits {
    /// How it rests first, and after which time without use.
    const fn first(&self, can_freeze: bool) -> Option<(Rest, i64)> {
        match (self.freeze_after_ms, self.stop_after_ms) {
            (Some(freeze), Some(stop)) if can_freeze && freeze < stop => {
                Some((Rest::Frozen, freeze))
            }
            (Some(freeze), None) if can_freeze => Some((Rest::Frozen, freeze)),
            (_, Some(stop)) => Some((Rest::Stopped, stop)),
            (_, None) => None,
        }
    }
}

impl Sandbox {
    /// It runs, and nothing is to do: it rests when that has lasted.
    pub(super) fn idle(&mut self, now: Timestamp) -> Vec<Effect> {
        self.alarm = None;
        let Some((rest, after)) = self.habits.first(!self.unfreezable) else { return Vec::new() };
        let at = self.used.plus_ms(after);
        if at <= now {
            return self.suspend(rest);
        }
        vec![self.set_alarm(at, Alarm::Rest(rest))]
    }

    /// It has not been used for long enough.
    pub(super) fn tire(&mut self, rest: Rest) -> Vec<Effect> {
        match self.phase {
            Phase::Running => self.suspend(rest),
            Phase::Frozen => {
                self.rest = rest;
                self.thaw()
            }
            _ => Vec::new(),
        }
    }

    /// Asks the agent. No turn runs.
    pub(super) fn suspend(&mut self, rest: Rest) -> Vec<Effect> {
        self.phase = Phase::Suspending;
        (self.rest, self.alarm) = (rest, None);
        vec![Effect::Suspend(self.generation)]
    }

    pub(super) fn thaw(&mut self) -> Vec<Effect> {
        self.phase = Phase::Thawing;
        self.alarm = None;
        vec![Effect::Thaw(self.generation)]
    }

    pub(super) fn suspended(&mut self, next: Option<Timestamp>, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Suspending {
            return Vec::new();
        }
        let is_overdue = next.is_some_and(|at| at <= now);
        if is_overdue && next != self.overdue {
            // It was suspended in the very moment; whoever waits for the room waits a little more.
            self.overdue = next;
            self.leaving = false;
            return self.stay_up(next);
        }
        let may_stop = self.rest == Rest::Stopped && !self.leaving;
        if may_stop && next.is_some_and(|at| is_near(at, now)) {
            // It would be woken for that at once, and perhaps too late.
            return self.stay_up(next);
        }
        // What was waited for and did not happen will not.
        let mut effects = self.note(next.filter(|_| !is_overdue));
        if self.is_wanted() && !self.leaving {
            effects.extend(self.thaw());
        } else if self.rest == Rest::Frozen {
            self.phase = Phase::Freezing;
            effects.push(Effect::Freeze(self.generation));
        } else {
            effects.push(self.stop(false));
        }
        effects
    }

    /// For what its agent wants to do.
    fn stay_up(&mut self, next: Option<Timestamp>) -> Vec<Effect> {
        self.engaged = true;
        let mut effects = self.note(next);
        effects.extend(self.thaw());
        effects
    }

    pub(super) fn busy(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Suspending {
            return Vec::new();
        }
        self.phase = Phase::Running;
        self.leaving = false;
        self.engage(now)
    }

    /// It stays up for a while: its agent has something to do.
    fn engage(&mut self, now: Timestamp) -> Vec<Effect> {
        self.serve();
        if !self.turns.is_empty() && !self.leaving {
            return self.run();
        }
        self.engaged = true;
        vec![self.set_alarm(now.plus_ms(self.habits.busy_ms), Alarm::Again)]
    }

    /// The agent was busy some time ago.
    pub(super) fn try_again(&mut self, now: Timestamp) -> Vec<Effect> {
        self.engaged = false;
        if self.phase != Phase::Running || self.is_working() {
            Vec::new()
        } else if self.leaving {
            self.suspend(Rest::Stopped)
        } else {
            self.idle(now)
        }
    }

    pub(super) fn frozen(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Freezing {
            return Vec::new();
        }
        self.phase = Phase::Frozen;
        if self.is_wanted() || self.leaving {
            return self.thaw();
        }
        let Some(stop) = self.habits.stop_after_ms else { return Vec::new() };
        let at = self.used.plus_ms(stop);
        if at <= now {
            return self.tire(Rest::Stopped);
        }
        vec![self.set_alarm(at, Alarm::Rest(Rest::Stopped))]
    }

    /// It goes on, and is frozen no more before its next start.
    pub(super) fn freeze_failed(&mut self) -> Vec<Effect> {
        if self.phase != Phase::Freezing {
            return Vec::new();
        }
        self.unfreezable = true;
        self.thaw()
    }

    pub(super) fn thawed(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Thawing {
            return Vec::new();
        }
        self.phase = Phase::Running;
        let is_tired = !self.is_wanted() && self.rest == Rest::Stopped;
        if self.engaged {
            self.engage(now)
        } else if self.leaving || is_tired {
            // Its agent may have something to do by now.
            self.suspend(Rest::Stopped)
        } else {
            self.go_on(now)
        }
    }

    /// What the agent says of its plans while it is up.
    pub(super) fn noted(&mut self, next: Option<Timestamp>) -> Vec<Effect> {
        match self.phase {
            Phase::Running | Phase::Suspending => self.note(next),
            _ => Vec::new(),
        }
    }

    fn note(&mut self, next: Option<Timestamp>) -> Vec<Effect> {
        self.due = Due::No;
        if self.reminder == next {
            return Vec::new();
        }
        self.reminder = next;
        vec![Effect::Persist, Effect::Remind(next)]
    }

    pub(super) fn make_room(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Stopped | Phase::Queued | Phase::Starting | Phase::Stopping => Vec::new(),
            Phase::Running if !self.is_working() && !self.engaged => {
                self.leaving = true;
                self.suspend(Rest::Stopped)
            }
            Phase::Frozen => {
                self.leaving = true;
                self.thaw()
            }
            _ => {
                self.leaving = true;
                self.rest = Rest::Stopped;
                Vec::new()
            }
        }
    }

    pub(super) fn stay(&mut self) -> Vec<Effect> {
        self.leaving = false;
        if self.phase == Phase::Running && !self.turns.is_empty() { self.run() } else { Vec::new() }
    }

    pub(super) fn asked_to_rest(&mut self, rest: Rest) -> Vec<Effect> {
        match rest {
            Rest::Stopped => self.make_room(),
            Rest::Frozen => {
                // Also one that is never frozen by itself; a shell asks only where it can be.
                let can = !self.unfreezable;
                let is_free = self.turns.is_empty() && !self.engaged;
                if can && is_free && self.phase == Phase::Running {
                    self.suspend(Rest::Frozen)
                } else {
                    Vec::new()
                }
            }
        }
    }
}
