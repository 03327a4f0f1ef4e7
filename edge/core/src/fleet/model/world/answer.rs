//! What becomes of an effect, and what must hold after every step.

use std::collections::BTreeSet;

use zaki_envelope::wire::WakeStage;

use super::World;
use super::spot::{Job, Spot};
use crate::sandbox::{Event, Phase};

impl World {
    pub(super) fn answer(&mut self, at: usize) {
        let which = self.dice.below(self.boxes[at].jobs.len());
        if self.boxes[at].jobs.is_empty() {
            return;
        }
        let job = self.boxes[at].jobs.swap_remove(which);
        let fails = !self.calm && self.dice.percent(8);
        let is_busy = !self.calm && self.dice.percent(25);
        let plan = self.dice.percent(30).then(|| self.time().plus_ms(self.dice.ms(200_000)));
        let now = self.time();
        let it = &mut self.boxes[at];
        let event = match job {
            Job::Start(g) if fails => Event::StartFailed(g),
            Job::Start(g) => Event::Started(g),
            Job::AwaitReady(g) if fails => Event::StartFailed(g),
            Job::Stop(g) => {
                // Whatever was begun in it ends with it.
                it.process = None;
                it.jobs.retain(|job| matches!(job, Job::Start(_)));
                it.forget_untold();
                Event::Stopped(g)
            }
            _ => {
                let Some(process) = &mut it.process else { return };
                match job {
                    Job::AwaitReady(g) => {
                        process.ready = true;
                        Event::Ready(g)
                    }
                    // It may have turns that an earlier edge has given up.
                    Job::Suspend(g) if is_busy || !process.running.is_empty() => Event::Busy(g),
                    Job::Suspend(g) => {
                        process.suspended = true;
                        Event::Suspended(g, it.plan)
                    }
                    Job::Freeze(g) if fails => Event::FreezeFailed(g),
                    Job::Freeze(g) => {
                        process.frozen = true;
                        self.seen.freezes += 1;
                        Event::Frozen(g)
                    }
                    Job::Thaw(g) if fails => Event::Exited(g),
                    Job::Thaw(g) => {
                        self.seen.thaws += u64::from(process.frozen);
                        (process.frozen, process.suspended) = (false, false);
                        Event::Thawed(g)
                    }
                    Job::Look(_) if fails || process.suspended || process.frozen => return,
                    Job::Look(g) => Event::Noted(g, it.plan),
                    Job::Turn(turn, g) => {
                        if process.generation != g || !process.running.remove(&turn) {
                            return;
                        }
                        self.seen.turns += 1;
                        it.open.remove(&turn);
                        if !self.calm && plan.is_some() && it.plan.is_none_or(|at| at > now) {
                            (it.plan, it.told_plan) = (plan, false);
                        }
                        Event::Ended(turn)
                    }
                    Job::Start(_) | Job::Stop(_) => return,
                }
            }
        };
        it.inbox.push_back(event);
        self.act();
    }

    pub(super) fn check(&self, at: usize) {
        let it = &self.boxes[at];
        let there: u64 =
            self.boxes.iter().filter(|it| it.process.is_some()).map(|it| it.size).sum();
        assert!(there <= self.fleet.taken(), "something runs that nobody counts");
        assert!(self.fleet.taken() <= self.limits.memory, "more memory than there is");
        let starting = |it: &&Spot| it.state.phase() == Phase::Starting && !it.adopted;
        assert!(
            self.boxes.iter().filter(starting).count() <= self.limits.starts,
            "too many starts"
        );
        let waiting: BTreeSet<_> = it.state.turns().collect();
        assert!(it.open.is_subset(&waiting), "a turn is lost");
        assert!(waiting.iter().all(|turn| it.is_open(*turn)), "it waits for ever");
        assert!(waiting.is_empty() || it.state.phase() != Phase::Stopped, "it waits for nothing");
        if let Some(process) = &it.process {
            assert!(!process.frozen || process.suspended, "frozen without having been asked");
            assert!(!process.suspended || process.running.is_empty(), "a turn sleeps");
        }
        // Whoever waits knows behind how many, once everything was said.
        if it.state.phase() == Phase::Queued && it.inbox.is_empty() {
            let place = self.fleet.line().position(|waiting| *waiting == at);
            let place = place.and_then(|place| u32::try_from(place).ok());
            for turn in &waiting {
                let told = it.told.get(turn);
                assert_eq!(told, Some(&(WakeStage::Queued, place)), "told the wrong place");
            }
        }
    }
}
