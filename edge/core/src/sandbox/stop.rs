//! How a sandbox goes down, by itself, when it is told to or by a crash, and what becomes of its turns.

use zaki_envelope::{
    Timestamp,
    wire::{ErrorCode, WakeStage},
};

use super::{Due, Effect, MAX_RUNS, Need, Phase, REMIND_AGAIN_MS, Sandbox};

impl Sandbox {
    pub(super) fn fail_all(&mut self, code: ErrorCode) -> Vec<Effect> {
        let turns = std::mem::take(&mut self.turns).into_keys();
        turns.map(|turn| Effect::Fail { turn, code }).collect()
    }

    /// It went away, by a crash or by somebody's hand: its turns are taken up by the next start, a
    /// few times. One that went away before it was ready counts as if it had had them.
    pub(super) fn exited(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Starting => {
                for need in self.turns.values_mut() {
                    need.runs = need.runs.saturating_add(1);
                }
            }
            Phase::Stopped | Phase::Queued | Phase::Stopping => return Vec::new(),
            _ => {}
        }
        let cut = self.is_working();
        let spent = |need: &Need| need.runs >= MAX_RUNS;
        let code = ErrorCode::Sandbox;
        let failed = self.turns.iter().filter(|(_, need)| spent(need));
        let mut effects: Vec<_> = failed.map(|(&turn, _)| Effect::Fail { turn, code }).collect();
        self.turns.retain(|_, need| !spent(need));
        effects.push(self.stop(cut));
        effects
    }

    pub(super) fn stop(&mut self, cut: bool) -> Effect {
        self.phase = Phase::Stopping;
        (self.alarm, self.engaged) = (None, false);
        for need in self.turns.values_mut() {
            need.running = false;
        }
        Effect::Stop { generation: self.generation, cut }
    }

    pub(super) fn stopped_now(&mut self, now: Timestamp) -> Vec<Effect> {
        if self.phase != Phase::Stopping {
            return Vec::new();
        }
        self.phase = Phase::Stopped;
        (self.leaving, self.unfreezable) = (false, false);
        let again = self.remind_again(now);
        let mut effects = vec![Effect::Persist];
        effects.extend(again);
        if self.is_wanted() && !self.closing {
            effects.extend(self.begin());
            effects.extend(self.told(WakeStage::Queued));
        }
        effects
    }

    /// It went down before its agent could say that it has done what was due.
    pub(super) fn remind_again(&mut self, now: Timestamp) -> Option<Effect> {
        if self.due == Due::Served {
            self.due = Due::No;
            self.reminder = Some(now.plus_ms(REMIND_AGAIN_MS));
        }
        self.reminder.map(|at| Effect::Remind(Some(at)))
    }

    pub(super) fn halt(&mut self, code: ErrorCode) -> Vec<Effect> {
        self.woken = false;
        self.due = Due::No;
        let cut = self.is_working();
        let mut effects = self.fail_all(code);
        effects.extend(self.leave(cut));
        effects.extend(self.reminder.map(|at| Effect::Remind(Some(at))));
        effects
    }

    pub(super) fn close(&mut self) -> Vec<Effect> {
        self.closing = true;
        let cut = self.is_working();
        let turns = std::mem::take(&mut self.turns).into_keys();
        let mut effects: Vec<_> = turns.map(Effect::Release).collect();
        effects.extend(self.leave(cut));
        effects
    }

    /// Stops, from wherever it is.
    fn leave(&mut self, cut: bool) -> Option<Effect> {
        match self.phase {
            Phase::Queued => {
                self.phase = Phase::Stopped;
                None
            }
            Phase::Stopped | Phase::Stopping => None,
            _ => Some(self.stop(cut)),
        }
    }
}
