//! What random lives have met, for whoever wants to know that they met it.
//! A model that never freezes anything proves nothing of freezing.

/// How often what was seen.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::fleet::model) struct Seen {
    pub(in crate::fleet::model) steps: u64,
    pub(super) starts: u64,
    pub(super) turns: u64,
    pub(super) freezes: u64,
    pub(super) thaws: u64,
    pub(super) rests: u64,
    pub(super) declined: u64,
    pub(super) reminders: u64,
    pub(super) crashes: u64,
    pub(super) queued: u64,
    pub(super) refused: u64,
}

impl Seen {
    pub(in crate::fleet::model) fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.starts += other.starts;
        self.turns += other.turns;
        self.freezes += other.freezes;
        self.thaws += other.thaws;
        self.rests += other.rests;
        self.declined += other.declined;
        self.reminders += other.reminders;
        self.crashes += other.crashes;
        self.queued += other.queued;
        self.refused += other.refused;
    }

    pub(in crate::fleet::model) fn is_rich(&self) -> bool {
        let counts = [
            self.starts,
            self.turns,
            self.freezes,
            self.thaws,
            self.rests,
            self.declined,
            self.reminders,
            self.crashes,
            self.queued,
            self.refused,
        ];
        counts.iter().all(|count| *count > self.steps / 20_000)
    }
}
