//! Whose turn is next when the machine is full: the person's who runs least, and of those the one
//! who has waited longest. Nobody starves as long as turns end.
//!
//! Everybody queues here, even where there is room: then their ticket is next at once.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    hash::Hash,
};

/// What a turn needs to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

/// How things stand with a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It runs.
    Runs,
    /// It waits for room.
    Queued {
        /// How many are before it, as things are. Somebody who runs less may overtake it, and it
        /// comes sooner when a turn of its own person ends.
        ahead: usize,
    },
    /// It waits for another turn of its own person, too: they may run no more at once.
    Own,
}

/// The queue of one machine; see the module. After every call that changes it, ask for
/// [`Fair::admit`] until there is none.
#[derive(Clone, Debug)]
pub struct Fair<P> {
    most: usize,
    running: usize,
    /// All that happens, in order.
    clock: u64,
    tickets: HashMap<Ticket, P>,
    people: HashMap<P, Person>,
    /// Those who may run one more, with one ticket each: the first is next.
    ready: BTreeSet<(Place, Ticket)>,
}

#[derive(Clone, Debug)]
struct Person {
    most: usize,
    running: usize,
    /// Since when they have been waiting, or a turn of theirs began or ended last: many tickets are
    /// no advantage over one.
    since: u64,
    /// In the order they were asked for.
    waiting: BTreeSet<Ticket>,
}

/// Who comes first: who runs least, then who has waited longest.
type Place = (usize, u64);

impl<P: Clone + Eq + Hash> Fair<P> {
    /// At most so many run at once; 0: as many as there are.
    pub fn new(most: usize) -> Self {
        let (tickets, people) = (HashMap::new(), HashMap::new());
        Self { most, running: 0, clock: 0, tickets, people, ready: BTreeSet::new() }
    }

    /// A turn of `person` wants to run, of whom so many may run at once; 0: any number.
    pub fn ask(&mut self, person: P, most_of_theirs: usize) -> Ticket {
        let ticket = self.ticket();
        self.change(&person, |theirs, now| {
            theirs.most = most_of_theirs;
            if theirs.waiting.is_empty() {
                theirs.since = now;
            }
            theirs.waiting.insert(ticket);
        });
        self.tickets.insert(ticket, person);
        ticket
    }

    /// A turn of `person` runs already, whether there is room or not: it was taken over.
    pub fn take_over(&mut self, person: P, most_of_theirs: usize) -> Ticket {
        let ticket = self.ticket();
        self.running += 1;
        self.change(&person, |theirs, _| {
            theirs.most = most_of_theirs;
            theirs.running += 1;
        });
        self.tickets.insert(ticket, person);
        ticket
    }

    /// The turn has ended, or does not want to run any more. Does nothing the second time.
    pub fn leave(&mut self, ticket: Ticket) {
        let Some(person) = self.tickets.remove(&ticket) else { return };
        let mut ran = 0;
        self.change(&person, |theirs, now| {
            if !theirs.waiting.remove(&ticket) {
                theirs.running -= 1;
                theirs.since = now;
                ran = 1;
            }
        });
        self.running -= ran;
    }

    /// From now on so many run at once; 0: as many as there are. None that runs is ended.
    pub fn resize(&mut self, most: usize) {
        self.most = most;
    }

    /// The next that may run; it runs from now on.
    #[must_use = "it runs from now on"]
    pub fn admit(&mut self) -> Option<Ticket> {
        if self.most > 0 && self.running >= self.most {
            return None;
        }
        let (_, ticket) = *self.ready.first()?;
        let person = self.tickets.get(&ticket)?.clone();
        self.running += 1;
        self.change(&person, |theirs, now| {
            theirs.waiting.remove(&ticket);
            theirs.running += 1;
            theirs.since = now;
        });
        Some(ticket)
    }

    /// How things stand with a ticket; none when it has left. Takes a look at everybody.
    pub fn standing(&self, ticket: Ticket) -> Option<Standing> {
        let theirs = self.people.get(self.tickets.get(&ticket)?)?;
        if !theirs.waiting.contains(&ticket) {
            return Some(Standing::Runs);
        }
        let nth = theirs.waiting.range(..ticket).count();
        if nth >= theirs.able() {
            return Some(Standing::Own);
        }
        let ahead = |person: &Person| person.before(theirs.turn(nth));
        Some(Standing::Queued { ahead: self.people.values().map(ahead).sum() })
    }

    /// How many run.
    pub fn running(&self) -> usize {
        self.running
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.tickets.len() - self.running
    }

    fn ticket(&mut self) -> Ticket {
        self.clock += 1;
        Ticket(self.clock)
    }

    /// Changes something about a person, and their place with it.
    fn change(&mut self, person: &P, change: impl FnOnce(&mut Person, u64)) {
        self.clock += 1;
        let mut entry = match self.people.entry(person.clone()) {
            Entry::Occupied(entry) => entry,
            Entry::Vacant(entry) => entry.insert_entry(Person::new()),
        };
        let theirs = entry.get_mut();
        if let Some(place) = theirs.place() {
            self.ready.remove(&place);
        }
        change(theirs, self.clock);
        self.ready.extend(theirs.place());
        if theirs.running == 0 && theirs.waiting.is_empty() {
            entry.remove();
        }
    }
}

impl Person {
    fn new() -> Self {
        Self { most: 0, running: 0, since: 0, waiting: BTreeSet::new() }
    }

    /// How many of those that wait could run if there were room.
    fn able(&self) -> usize {
        let most = if self.most == 0 { usize::MAX } else { self.most };
        self.waiting.len().min(most.saturating_sub(self.running))
    }

    /// Their place in the queue, with the ticket that is next.
    fn place(&self) -> Option<(Place, Ticket)> {
        let first = self.waiting.first().filter(|_| self.able() > 0)?;
        Some(((self.running, self.since), *first))
    }

    /// When their `nth` ticket would come, were there room for one after the other and none of
    /// those that run ended: with how many running, after how many of their own, and since when.
    fn turn(&self, nth: usize) -> (usize, usize, u64) {
        (self.running + nth, nth, self.since)
    }

    /// How many of their tickets come before that.
    fn before(&self, turn: (usize, usize, u64)) -> usize {
        let able = self.able();
        // All before the one with which they would run as many as that.
        let fewer = turn.0.saturating_sub(self.running);
        let as_many = turn.0 >= self.running && fewer < able && self.turn(fewer) < turn;
        fewer.min(able) + usize::from(as_many)
    }
}
