//! How a sandbox comes up: queued -> starting -> running, and its turns with it.

use zaki_envelope::{
    Timestamp, TurnId,
    wire::{ErrorCode, WakeStage},
};

use super::{Alarm, AlarmId, Effect, Need, Phase, Sandbox, waking};

impl Sandbox {
    pub(super) fn line_up(&mut self, ahead: u32) -> Vec<Effect> {
        if self.phase != Phase::Queued {
            return Vec::new();
        }
        self.ahead = Some(ahead);
        self.told(WakeStage::Queued).collect()
    }

    pub(super) fn told(&self, stage: WakeStage) -> impl Iterator<Item = Effect> + '_ {
        let ahead = self.ahead.filter(|_| stage == WakeStage::Queued);
        self.turns().map(move |turn| waking(turn, stage, ahead))
    }

    pub(super) fn admitted(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Queued {
            return Vec::new();
        }
        self.phase = Phase::Starting;
        let start = [self.set_start_alarm(now), Effect::Start(self.generation)];
        self.told(WakeStage::Starting).chain(start).collect()
    }

    pub(super) fn set_start_alarm(&mut self, now: Timestamp) -> Effect {
        self.set_alarm(now.plus_ms(self.habits.start_timeout_ms), Alarm::Start)
    }

    pub(super) fn set_alarm(&mut self, at: Timestamp, what: Alarm) -> Effect {
        self.alarms = self.alarms.saturating_add(1);
        self.alarm = Some(what);
        Effect::SetAlarm { at, alarm: AlarmId(self.alarms) }
    }

    pub(super) fn alarmed(&mut self, alarm: AlarmId, now: Timestamp) -> Vec<Effect> {
        if alarm != AlarmId(self.alarms) {
            return Vec::new();
        }
        match self.alarm.take() {
            Some(Alarm::Start) => self.start_failed(ErrorCode::Timeout, now),
            Some(Alarm::Rest(rest)) => self.tire(rest),
            Some(Alarm::Again) => self.try_again(now),
            None => Vec::new(),
        }
    }

    pub(super) fn ready(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Starting {
            return Vec::new();
        }
        self.phase = Phase::Running;
        self.used = now;
        self.go_on(now)
    }

    /// It is up: its turns run, or nothing is to do.
    pub(super) fn go_on(&mut self, now: Timestamp) -> Vec<Effect> {
        self.alarm = None;
        if self.is_wanted() {
            self.used = now;
        }
        self.serve();
        if self.turns.is_empty() { self.idle(now) } else { self.run() }
    }

    /// Hands over the turns that wait.
    pub(super) fn run(&mut self) -> Vec<Effect> {
        (self.engaged, self.alarm) = (false, None);
        let generation = self.generation;
        let waiting = self.turns.iter_mut().filter(|(_, need)| !need.running);
        let run = |(&turn, need): (&TurnId, &mut Need)| {
            *need = Need { runs: need.runs.saturating_add(1), running: true };
            Effect::Run { turn, generation }
        };
        waiting.map(run).collect()
    }

    /// A start that failed will fail again: its turns end, what is left of it is ended too.
    pub(super) fn start_failed(&mut self, code: ErrorCode, now: Timestamp) -> Vec<Effect> {
        if !matches!(self.phase, Phase::Queued | Phase::Starting) {
            return Vec::new();
        }
        let mut effects = self.fail_all(code);
        if self.phase == Phase::Queued {
            self.phase = Phase::Stopped;
            let again = self.remind_again(now);
            effects.extend([Effect::Persist].into_iter().chain(again));
        } else {
            effects.push(self.stop(false));
        }
        effects
    }
}
