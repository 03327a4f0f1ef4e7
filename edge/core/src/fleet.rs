//! All sandboxes of one machine: who starts next, who waits and behind how many, and who makes room.
//!
//! Sandboxes start in the order in which they asked. No more start at once than the machine has
//! cores for, and all that are there, frozen ones too since they keep their memory, have to fit into
//! what is set aside for them. When the next one does not fit, whoever was used least lately makes
//! room; when all have something to do, whoever is up longest does, as soon as its turns are over.
//!
//! [`Fleet::tell`] takes one sandbox's [`Claim`] after each of its steps and returns what to tell
//! which sandbox, in order. Like everything here it does nothing itself.

use std::collections::{BTreeMap, VecDeque};

use zaki_envelope::Timestamp;

use crate::sandbox::{Claim, Event, Generation};

/// What a machine has for its sandboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many may start at the same time; at least one may.
    pub starts: usize,
    /// How much memory they may have together, in any unit.
    pub memory: u64,
}

/// What is known of one sandbox.
#[derive(Clone, Debug)]
struct Entry {
    claim: Claim,
    /// How much memory it has, or would have.
    size: u64,
    /// It may start, and what it takes is set aside.
    admitted: Option<Generation>,
    /// It was asked to make room.
    asked: bool,
    /// How many it was told are before it.
    ahead: Option<u32>,
    /// When it was admitted, counted.
    since: u64,
}

impl Entry {
    /// Whether its memory is taken.
    fn is_in(&self) -> bool {
        match self.claim {
            Claim::Absent => false,
            Claim::Waiting(generation) => self.admitted == Some(generation),
            _ => true,
        }
    }

    fn is_starting(&self) -> bool {
        match self.claim {
            Claim::Waiting(_) => self.is_in(),
            claim => matches!(claim, Claim::Starting(_)),
        }
    }

    fn is_busy(&self) -> bool {
        matches!(self.claim, Claim::Busy(_))
    }

    /// Whether its memory is about to be free.
    fn is_leaving(&self) -> bool {
        match self.claim {
            Claim::Going(_) => true,
            Claim::Idle(..) => self.asked,
            _ => false,
        }
    }
}

/// What to tell a sandbox.
pub type Told<K> = Vec<(K, Event)>;

/// All sandboxes of one machine that are not at rest, by name.
#[derive(Clone, Debug)]
pub struct Fleet<K> {
    limits: Limits,
    entries: BTreeMap<K, Entry>,
    /// Who waits, in order.
    line: VecDeque<K>,
    admissions: u64,
    closed: bool,
}

impl<K: Ord + Clone> Fleet<K> {
    /// Nobody is there.
    pub const fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
            line: VecDeque::new(),
            admissions: 0,
            closed: false,
        }
    }

    /// Nobody starts any more.
    pub const fn close(&mut self) {
        self.closed = true;
    }

    /// The sandbox `name`, which takes `size`, has or wants this now.
    pub fn tell(&mut self, name: &K, size: u64, claim: Claim) -> Told<K> {
        let before = self.entries.get(name).map_or(Claim::Absent, |entry| entry.claim);
        if before == claim {
            return Vec::new();
        }
        if claim == Claim::Absent {
            self.entries.remove(name);
            self.leave_line(name);
            return self.settle();
        }
        self.enter(name, size, claim);
        if let Claim::Waiting(generation) = claim {
            if size > self.limits.memory {
                return vec![(name.clone(), Event::StartFailed(generation))];
            }
            self.line.push_back(name.clone());
        }
        self.settle()
    }

    /// Who waits, in order.
    pub fn line(&self) -> impl Iterator<Item = &K> {
        self.line.iter()
    }

    /// What is set aside, in the unit of the limits.
    pub fn taken(&self) -> u64 {
        self.sum(Entry::is_in)
    }

    /// How many start.
    pub fn starting(&self) -> usize {
        self.entries.values().filter(|entry| entry.is_starting()).count()
    }

    fn enter(&mut self, name: &K, size: u64, claim: Claim) {
        let is_new = matches!(claim, Claim::Waiting(_));
        if is_new {
            self.leave_line(name);
        }
        let entry = self.entries.entry(name.clone()).or_insert(Entry {
            claim,
            size,
            admitted: None,
            asked: false,
            ahead: None,
            since: 0,
        });
        let declined = matches!(entry.claim, Claim::Going(_));
        entry.asked &= !is_new && !declined;
        if is_new {
            (entry.admitted, entry.ahead) = (None, None);
        }
        (entry.claim, entry.size) = (claim, size);
    }

    fn leave_line(&mut self, name: &K) {
        self.line.retain(|waiting| waiting != name);
    }

    fn sum(&self, which: impl Fn(&Entry) -> bool) -> u64 {
        let sizes = self.entries.values().filter(|entry| which(entry)).map(|entry| entry.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// Admits whoever may start, asks for the room that is missing, and tells who waits where.
    fn settle(&mut self) -> Told<K> {
        let mut told = Vec::new();
        if !self.closed {
            self.admit(&mut told);
            self.make_room(&mut told);
            self.tell_places(&mut told);
        }
        told
    }

    fn starts_left(&self) -> usize {
        self.limits.starts.max(1).saturating_sub(self.starting())
    }

    fn admit(&mut self, told: &mut Told<K>) {
        while self.starts_left() > 0
            && let Some(name) = self.line.front()
            && let Some(entry) = self.entries.get(name)
            && self.taken().saturating_add(entry.size) <= self.limits.memory
        {
            let Some(name) = self.line.pop_front() else { return };
            self.admissions = self.admissions.saturating_add(1);
            if let Some(entry) = self.entries.get_mut(&name)
                && let Claim::Waiting(generation) = entry.claim
            {
                (entry.admitted, entry.since) = (Some(generation), self.admissions);
                told.push((name, Event::Admitted(generation)));
            }
        }
    }

    /// How much memory is missing for those who could start next, and is not about to be free.
    fn missing(&self) -> u64 {
        let next = self.line.iter().take(self.starts_left().max(1));
        let wanted = next.filter_map(|name| self.entries.get(name)).map(|entry| entry.size);
        let wanted = wanted.fold(self.taken(), u64::saturating_add);
        let free = self.limits.memory.saturating_add(self.sum(Entry::is_leaving));
        wanted.saturating_sub(free)
    }

    fn make_room(&mut self, told: &mut Told<K>) {
        let mut missing = self.missing();
        for name in self.idle() {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(self.ask(&name, told));
        }
        for name in self.busy() {
            if missing > 0 {
                missing = missing.saturating_sub(self.ask(&name, told));
            } else {
                self.let_stay(&name, told);
            }
        }
    }

    /// Those with nothing to do who were not asked yet, the one used least lately first.
    fn idle(&self) -> Vec<K> {
        let idle = |(name, entry): (&K, &Entry)| match entry.claim {
            Claim::Idle(_, used) if !entry.asked => Some((used, name.clone())),
            _ => None,
        };
        let mut idle: Vec<(Timestamp, K)> = self.entries.iter().filter_map(idle).collect();
        idle.sort();
        idle.into_iter().map(|(_, name)| name).collect()
    }

    /// Those with something to do, asked ones first, then the one that is up longest.
    fn busy(&self) -> Vec<K> {
        let busy = self.entries.iter().filter(|(_, entry)| entry.is_busy());
        let order = |(name, entry): (&K, &Entry)| (!entry.asked, entry.since, name.clone());
        let mut busy: Vec<_> = busy.map(order).collect();
        busy.sort();
        busy.into_iter().map(|(_, _, name)| name).collect()
    }

    /// Asks it to make room, once; returns how much that will be.
    fn ask(&mut self, name: &K, told: &mut Told<K>) -> u64 {
        let Some(entry) = self.entries.get_mut(name) else { return 0 };
        if let Claim::Idle(generation, _) | Claim::Busy(generation) = entry.claim
            && !entry.asked
        {
            entry.asked = true;
            told.push((name.clone(), Event::MakeRoom(generation)));
        }
        entry.size
    }

    fn let_stay(&mut self, name: &K, told: &mut Told<K>) {
        if let Some(entry) = self.entries.get_mut(name)
            && entry.asked
            && let Claim::Busy(generation) = entry.claim
        {
            entry.asked = false;
            told.push((name.clone(), Event::Stay(generation)));
        }
    }

    fn tell_places(&mut self, told: &mut Told<K>) {
        for (ahead, name) in (0_u32..).zip(&self.line) {
            if let Some(entry) = self.entries.get_mut(name)
                && let Claim::Waiting(generation) = entry.claim
                && entry.ahead != Some(ahead)
            {
                entry.ahead = Some(ahead);
                told.push((name.clone(), Event::Ahead(generation, ahead)));
            }
        }
    }
}

#[cfg(test)]
mod model;
#[cfg(test)]
mod tests;
