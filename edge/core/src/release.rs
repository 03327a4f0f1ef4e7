//! Which version of its agent a sandbox runs on, and how it gets another one without losing anything.
//!
//! A start on another version than the one a sandbox is on is a trial. It takes place only when all
//! of its memory is in a backup; no turn runs before it has proven itself. A trial that is not proven,
//! whatever became of it, is taken back: the next start is on the version before, with the memory of
//! that backup in place of what the trial may have left, and that version is not tried again by
//! itself. [`Release`] is what is durable of this: before a start, and before the first turn after it.

use serde::{Deserialize, Serialize};
use zaki_envelope::BackupId;

/// Which version a sandbox is on; `V` names one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound(deserialize = "V: Deserialize<'de>"))]
pub struct Release<V> {
    /// `None`: it has never been started.
    on: Option<V>,
    trial: Option<Trial<V>>,
    refused: Option<Refused<V>>,
    /// What has to be its memory before any turn runs.
    owed: Option<BackupId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Trial<V> {
    version: V,
    /// All that was in it before; `None`: nothing was.
    backup: Option<BackupId>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Refused<V> {
    version: V,
    why: String,
}

/// How much of a memory is in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saved {
    /// Not all of it.
    No,
    /// All of it is in this one; `None`: there is none.
    Yes(Option<BackupId>),
}

/// How a sandbox is to be started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start<V> {
    /// On which version.
    pub version: V,
    /// With the memory of this backup, and no other.
    pub restore: Option<BackupId>,
}

impl<V> Default for Release<V> {
    fn default() -> Self {
        Self { on: None, trial: None, refused: None, owed: None }
    }
}

impl<V: Clone + PartialEq> Release<V> {
    /// The version it is on; on trial, the one before.
    pub const fn on(&self) -> Option<&V> {
        self.on.as_ref()
    }

    /// The version that is being tried.
    pub fn trial(&self) -> Option<&V> {
        self.trial.as_ref().map(|trial| &trial.version)
    }

    /// Why `version` was taken back.
    pub fn refused(&self, version: &V) -> Option<&str> {
        let refused = self.refused.as_ref().filter(|refused| refused.version == *version)?;
        Some(&refused.why)
    }

    /// Whether it is on another version than `target`, and may be brought to it by itself.
    pub fn wants(&self, target: &V) -> bool {
        let is_elsewhere = self.on.as_ref().is_some_and(|on| on != target);
        is_elsewhere
            && self.trial.is_none()
            && self.owed.is_none()
            && self.refused(target).is_none()
    }

    /// Nothing of it runs, and it is about to be started. `proposed`: it is to have `target`.
    pub fn begin(&mut self, target: &V, proposed: bool, saved: Saved) -> Start<V> {
        self.take_back("it went away before it had proven itself");
        let on = self.on.get_or_insert_with(|| target.clone()).clone();
        if self.owed.is_some() {
            return Start { version: on, restore: self.owed };
        }
        match saved {
            Saved::Yes(backup) if proposed && on != *target => {
                self.refused = None;
                self.trial = Some(Trial { version: target.clone(), backup });
                Start { version: target.clone(), restore: None }
            }
            _ => Start { version: on, restore: None },
        }
    }

    /// The start takes turns, and has the memory it was to have; returns whether that is to be made
    /// durable before any runs.
    pub fn proven(&mut self) -> bool {
        let owed = self.owed.take().is_some();
        match self.trial.take() {
            Some(Trial { version, .. }) => {
                self.on = Some(version);
                true
            }
            None => owed,
        }
    }

    /// The trial came to nothing; without one, nothing changes.
    pub fn take_back(&mut self, why: &str) {
        if let Some(Trial { version, backup }) = self.trial.take() {
            self.owed = backup;
            self.refused = Some(Refused { version, why: why.to_owned() });
        }
    }

    /// The version it is on is not there any more, so that there is no way back: it is on `target`.
    pub fn lost(&mut self, target: &V) {
        self.on = Some(target.clone());
        self.trial = None;
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;
    use crate::dice::Dice;

    fn backup(n: u128) -> BackupId {
        BackupId::from_parts(Timestamp::from_ms(1), n)
    }

    const START: Start<u32> = Start { version: 1, restore: None };

    #[test]
    fn a_new_one_is_on_what_there_is_and_stays_there_until_asked() {
        let mut release = Release::default();
        assert!(!release.wants(&1));
        assert_eq!(release.begin(&1, false, Saved::Yes(None)), START);
        assert!(!release.proven() && release.wants(&2));
        assert_eq!(release.begin(&2, false, Saved::Yes(Some(backup(1)))), START);
        assert_eq!(release.begin(&2, true, Saved::No), START, "not without a backup");
    }

    #[test]
    fn a_trial_that_proves_itself_stays_and_one_that_does_not_is_taken_back_with_its_memory() {
        let mut release = Release::default();
        release.begin(&1, false, Saved::Yes(None));
        let trial = release.begin(&2, true, Saved::Yes(Some(backup(7))));
        assert_eq!((trial.version, trial.restore, release.on()), (2, None, Some(&1)));
        let mut good = release.clone();
        assert!(good.proven());
        assert_eq!((good.on(), good.wants(&2)), (Some(&2), false));

        release.take_back("it ended");
        assert_eq!((release.refused(&2), release.wants(&2)), (Some("it ended"), false));
        let back = release.begin(&2, true, Saved::Yes(Some(backup(7))));
        assert_eq!(back, Start { version: 1, restore: Some(backup(7)) });
        assert_eq!(release.begin(&2, false, Saved::No), back, "until it has it");
        assert!(release.proven() && !release.proven());
        assert!(!release.wants(&2) && release.wants(&3));
        let again = release.begin(&2, true, Saved::Yes(Some(backup(8))));
        assert_eq!((again.version, release.refused(&2)), (2, None), "an operator asks again");
    }

    /// A machine with a disk that outlives every crash.
    #[derive(Clone, Debug, Default)]
    struct World {
        release: Release<u32>,
        durable: Release<u32>,
        /// Who wrote the memory last, and how many turns are in it.
        memory: (u32, u32),
        changed: bool,
        backups: Vec<(u32, u32)>,
        target: u32,
        /// What runs, if anything, and whether it takes turns.
        up: Option<(Start<u32>, bool)>,
        turns: u32,
    }

    impl World {
        fn saved(&self) -> Saved {
            let last = u128::try_from(self.backups.len()).unwrap();
            match (self.changed, last) {
                (true, _) => Saved::No,
                (false, 0) => Saved::Yes(None),
                (false, last) => Saved::Yes(Some(backup(last))),
            }
        }

        fn start(&mut self, dice: &mut Dice) {
            let saved = self.saved();
            let start = self.release.begin(&self.target, dice.percent(50), saved);
            self.durable = self.release.clone();
            if let Some(id) = start.restore {
                let found = (1..=self.backups.len()).find(|n| backup(*n as u128) == id).unwrap();
                self.memory = self.backups[found - 1];
                self.changed = false;
            }
            // Whatever a trial does to it, before it is known whether it will do.
            if start.version != self.memory.0 {
                let spoilt = dice.percent(50);
                self.memory = (start.version, if spoilt { u32::MAX } else { self.memory.1 });
            }
            self.up = Some((start, false));
        }

        fn ready(&mut self) {
            let Some((start, ready)) = &mut self.up else { return };
            // One that has spoilt its memory does not come up well.
            if *ready || self.memory.1 == u32::MAX {
                return;
            }
            *ready = true;
            assert_eq!(self.memory.0, start.version, "it runs on a memory of another version");
            assert_eq!(self.memory.1, self.turns, "a turn is forgotten");
            if self.release.proven() {
                self.durable = self.release.clone();
            }
        }

        fn step(&mut self, dice: &mut Dice) {
            match (dice.below(10), &self.up) {
                (0..3, None) => self.start(dice),
                (3..6, Some(_)) => self.ready(),
                (6..8, Some((_, true))) => {
                    (self.turns, self.memory.1, self.changed) =
                        (self.turns + 1, self.memory.1 + 1, true);
                }
                // It stops, and is backed up before when it can be.
                (8, Some((_, true))) => {
                    if dice.percent(80) {
                        self.backups.push(self.memory);
                        self.changed = false;
                    }
                    self.up = None;
                }
                // A start fails.
                (8, Some((_, false))) => {
                    self.release.take_back("it does not come up");
                    self.durable = self.release.clone();
                    self.up = None;
                }
                // The edge dies, with or without the sandbox.
                (9, _) if dice.percent(30) => {
                    self.release = self.durable.clone();
                    self.up = None;
                }
                (9, _) if dice.percent(30) => self.target = 1 + self.target % 5,
                _ => {}
            }
        }
    }

    #[test]
    fn whatever_happens_no_turn_is_forgotten_nor_runs_on_a_memory_of_another_version() {
        let (mut trials, mut returns) = (0, 0);
        for seed in 0..2_000 {
            let mut dice = Dice::new(seed);
            let mut world = World { target: 1, ..World::default() };
            world.memory.0 = 1;
            for _ in 0..300 {
                let before = world.release.trial().is_some();
                world.step(&mut dice);
                trials += u32::from(!before && world.release.trial().is_some());
                returns += u32::from(world.up.as_ref().is_some_and(|up| up.0.restore.is_some()));
            }
        }
        assert!(trials > 1_000 && returns > 1_000, "{trials} {returns}");
    }
}
