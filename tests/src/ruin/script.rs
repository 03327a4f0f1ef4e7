//! What is done to somebody's sandbox, and when.

use std::ops::Range;
use std::time::Duration;

use crate::chaos::{Chance, Seed};

/// What happens to one person, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule(pub Vec<Step>);

/// One thing that happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When.
    pub moment: Moment,
    /// To whom.
    pub victim: Victim,
}

/// A moment in the life of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// So long after a turn: its backup is due after one second, its freezing after two.
    After(Duration),
    /// So long after a turn of some seconds began.
    Within(Duration),
    /// While it is held still.
    Frozen,
    /// So long after somebody wanted it who was stopped.
    Starting(Duration),
    /// So long after somebody wanted it whose disk was lost: its memory is brought back.
    Restoring(Duration),
}

/// Who dies, without warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Victim {
    /// All of the sandbox.
    Sandbox,
    /// The gateway in it.
    Gateway,
    /// The edge, which comes again.
    Edge,
    /// Whoever asks: their connection breaks, and they ask again.
    Hub,
    /// The edge and all sandboxes.
    Machine,
    /// All of them, and what the sandbox had, once its backup was made.
    Disk,
}

impl Schedule {
    /// Number `n` of the seed, of that many steps.
    pub fn draw(seed: Seed, n: u32, steps: Range<u64>) -> Self {
        let mut chance = seed.chance(u64::from(n) + 1);
        let count = chance.among(steps);
        Self((0..count).map(|_| Step::draw(&mut chance)).collect())
    }
}

impl Step {
    fn draw(chance: &mut Chance) -> Self {
        let moment = match chance.among(0..8) {
            0..3 => Moment::After(chance.millis(0..3000)),
            3 | 4 => Moment::Within(chance.millis(0..3000)),
            5 => Moment::Frozen,
            6 => Moment::Starting(chance.millis(0..9000)),
            _ => Moment::Restoring(chance.millis(0..9000)),
        };
        let victim = match chance.among(0..8) {
            0 | 1 => Victim::Sandbox,
            2 => Victim::Gateway,
            3 => Victim::Edge,
            4 => Victim::Hub,
            5 => Victim::Machine,
            // Of what is lost in the middle of something no backup can be due.
            _ if matches!(moment, Moment::After(_) | Moment::Frozen) => Victim::Disk,
            _ => Victim::Machine,
        };
        Self { moment, victim }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_draws_the_same_again_and_everything_comes_up() {
        let draw = |seed| (0..200).map(|n| Schedule::draw(Seed(seed), n, 2..4)).collect::<Vec<_>>();
        let all = draw(7);
        assert!(all == draw(7) && all != draw(8));
        let steps: Vec<&Step> = all.iter().flat_map(|schedule| &schedule.0).collect();
        let kind = |moment: Moment| std::mem::discriminant(&moment);
        let zero = Duration::ZERO;
        for victim in [Victim::Sandbox, Victim::Gateway, Victim::Edge, Victim::Hub, Victim::Machine]
        {
            for moment in [
                Moment::After(zero),
                Moment::Within(zero),
                Moment::Frozen,
                Moment::Starting(zero),
                Moment::Restoring(zero),
            ] {
                let is_it =
                    |step: &&Step| step.victim == victim && kind(step.moment) == kind(moment);
                assert!(steps.iter().copied().any(|step| is_it(&step)), "{victim:?} {moment:?}");
            }
        }
        assert!(steps.iter().any(|step| step.victim == Victim::Disk));
    }
}
