//! By hand, and by random schedules against a model that looks at everything every time.

use proptest::prelude::*;

use super::*;
use crate::dice::Dice;

fn admitted(fair: &mut Fair<char>) -> Vec<Ticket> {
    std::iter::from_fn(|| fair.admit()).collect()
}

fn ahead(fair: &Fair<char>, ticket: Ticket) -> usize {
    match fair.standing(ticket) {
        Some(Standing::Queued { ahead }) => ahead,
        other => panic!("{other:?}"),
    }
}

#[test]
fn where_there_is_room_nobody_waits() {
    let mut fair = Fair::new(2);
    let one = fair.ask('a', 0);
    assert_eq!(admitted(&mut fair), [one]);
    let two = fair.ask('a', 0);
    assert_eq!(admitted(&mut fair), [two]);
    assert_eq!(fair.standing(two), Some(Standing::Runs));
}

#[test]
fn who_runs_less_comes_first_then_who_has_waited_longest() {
    let mut fair = Fair::new(2);
    let [first, second] = [fair.ask('a', 0), fair.ask('a', 0)];
    assert_eq!(admitted(&mut fair), [first, second]);
    let third = fair.ask('a', 0);
    let [bob, cleo] = [fair.ask('b', 0), fair.ask('c', 0)];
    assert_eq!([bob, cleo, third].map(|ticket| ahead(&fair, ticket)), [0, 1, 2]);
    fair.leave(first);
    assert_eq!(admitted(&mut fair), [bob]);
    fair.leave(second);
    assert_eq!(admitted(&mut fair), [cleo]);
    fair.leave(bob);
    assert_eq!(admitted(&mut fair), [third]);
}

#[test]
fn many_old_tickets_are_no_advantage_over_a_new_one() {
    let mut fair = Fair::new(1);
    let flood: Vec<_> = (0..100).map(|_| fair.ask('a', 0)).collect();
    assert_eq!(admitted(&mut fair), flood[..1]);
    let bob = fair.ask('b', 0);
    assert_eq!((ahead(&fair, bob), ahead(&fair, flood[99])), (0, 99));
    fair.leave(flood[0]);
    assert_eq!(admitted(&mut fair), [bob]);
    let again = fair.ask('b', 0);
    fair.leave(bob);
    // It was asked for after all of them, and yet they take turns.
    assert_eq!(admitted(&mut fair), flood[1..2]);
    fair.leave(flood[1]);
    assert_eq!(admitted(&mut fair), [again]);
}

#[test]
fn nobody_runs_more_than_they_may_and_others_pass_them() {
    let mut fair = Fair::new(3);
    let [one, two] = [fair.ask('a', 1), fair.ask('a', 1)];
    assert_eq!(admitted(&mut fair), [one]);
    assert_eq!(fair.standing(two), Some(Standing::Own));
    let bob = fair.ask('b', 1);
    assert_eq!(admitted(&mut fair), [bob]);
    fair.leave(one);
    assert_eq!(admitted(&mut fair), [two]);
}

#[test]
fn who_gives_up_is_in_nobodys_way() {
    let mut fair = Fair::new(1);
    let [running, given_up, last] = ['a', 'b', 'c'].map(|person| fair.ask(person, 0));
    assert_eq!(admitted(&mut fair), [running]);
    fair.leave(given_up);
    assert_eq!((fair.standing(given_up), ahead(&fair, last)), (None, 0));
    fair.leave(running);
    fair.leave(running);
    fair.leave(given_up);
    assert_eq!(admitted(&mut fair), [last]);
    assert_eq!((fair.running(), fair.waiting()), (1, 0));
}

#[test]
fn what_was_taken_over_runs_in_any_case() {
    let mut fair = Fair::new(1);
    let [old, older] = [fair.take_over('a', 1), fair.take_over('b', 1)];
    assert_eq!(fair.running(), 2);
    let new = fair.ask('c', 1);
    fair.leave(old);
    assert_eq!(admitted(&mut fair), []);
    fair.leave(older);
    assert_eq!(admitted(&mut fair), [new]);
    fair.resize(2);
    assert_eq!(admitted(&mut fair), []);
}

/// A ticket, as the model sees it.
#[derive(Clone, Copy, Debug)]
struct Known {
    ticket: Ticket,
    person: char,
    runs: bool,
}

/// One person, as the model sees them.
#[derive(Clone, Copy, Debug, Default)]
struct Theirs {
    most: usize,
    since: usize,
}

/// What the queue is to do, decided by looking at everything.
struct World {
    fair: Fair<char>,
    most: usize,
    known: Vec<Known>,
    theirs: HashMap<char, Theirs>,
    gone: Vec<Ticket>,
    /// People who run nothing and wait: how many were before them, and have been since.
    patient: HashMap<char, (usize, usize)>,
    steps: usize,
}

/// What happens.
#[derive(Clone, Copy, Debug)]
enum Happening {
    Ask(char, usize),
    TakeOver(char, usize),
    /// The how-manieth of those known.
    Leave(usize),
    LeaveAgain(usize),
    Resize(usize),
}

impl World {
    fn new(most: usize) -> Self {
        Self {
            fair: Fair::new(most),
            most,
            known: Vec::new(),
            theirs: HashMap::new(),
            gone: Vec::new(),
            patient: HashMap::new(),
            steps: 0,
        }
    }

    fn count(&self, person: char, runs: bool) -> usize {
        self.known.iter().filter(|it| it.person == person && it.runs == runs).count()
    }

    fn running(&self) -> usize {
        self.known.iter().filter(|it| it.runs).count()
    }

    fn happen(&mut self, happening: Happening) {
        self.steps += 1;
        match happening {
            Happening::Ask(person, most) => {
                let waits = self.count(person, false) > 0;
                let theirs = self.theirs.entry(person).or_default();
                theirs.most = most;
                if !waits {
                    theirs.since = self.steps;
                }
                let ticket = self.fair.ask(person, most);
                self.known.push(Known { ticket, person, runs: false });
            }
            Happening::TakeOver(person, most) => {
                self.theirs.entry(person).or_default().most = most;
                let ticket = self.fair.take_over(person, most);
                self.known.push(Known { ticket, person, runs: true });
                self.patient.remove(&person);
            }
            Happening::Leave(nth) if !self.known.is_empty() => {
                let known = self.known.remove(nth % self.known.len());
                self.gone.push(known.ticket);
                self.fair.leave(known.ticket);
                if known.runs {
                    self.theirs.get_mut(&known.person).unwrap().since = self.steps;
                }
                if self.count(known.person, false) == 0 {
                    self.patient.remove(&known.person);
                }
            }
            Happening::Leave(_) => {}
            Happening::LeaveAgain(nth) => {
                if let Some(ticket) = self.gone.get(nth % self.gone.len().max(1)) {
                    self.fair.leave(*ticket);
                }
            }
            Happening::Resize(most) => {
                self.most = most;
                self.fair.resize(most);
            }
        }
        self.admit();
        self.compare();
    }

    /// The model's choice: of the people who may run one more, who runs least, then who has waited
    /// longest, and of their tickets the oldest.
    fn choice(&self) -> Option<usize> {
        if self.most > 0 && self.running() >= self.most {
            return None;
        }
        let may = |it: &(usize, &Known)| {
            let most = self.theirs[&it.1.person].most;
            !it.1.runs && (most == 0 || self.count(it.1.person, true) < most)
        };
        let place = |it: &(usize, &Known)| {
            let person = it.1.person;
            (self.count(person, true), self.theirs[&person].since, it.1.ticket)
        };
        self.known.iter().enumerate().filter(may).min_by_key(place).map(|(at, _)| at)
    }

    fn admit(&mut self) {
        while let Some(at) = self.choice() {
            self.steps += 1;
            let Known { ticket, person, .. } = self.known[at];
            assert_eq!(self.fair.admit(), Some(ticket));
            self.known[at].runs = true;
            self.theirs.get_mut(&person).unwrap().since = self.steps;
            self.patient.remove(&person);
            for (who, (before, since)) in &mut self.patient {
                *since += 1;
                assert!(since <= before, "{who} starves");
            }
        }
        assert_eq!(self.fair.admit(), None);
        self.who_is_patient();
    }

    /// Whoever runs nothing comes after no more than those who wait by now.
    fn who_is_patient(&mut self) {
        let waiting: BTreeSet<char> =
            self.known.iter().filter(|it| !it.runs).map(|it| it.person).collect();
        for person in &waiting {
            if self.count(*person, true) == 0 {
                self.patient.entry(*person).or_insert((waiting.len() - 1, 0));
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.fair.running(), self.running());
        assert_eq!(self.fair.waiting(), self.known.len() - self.running());
        let people: BTreeSet<char> = self.known.iter().map(|it| it.person).collect();
        assert_eq!(self.fair.people.len(), people.len(), "somebody is remembered for nothing");
        assert!(self.fair.ready.len() <= people.len());
    }

    /// Were there room for all, they would be admitted in the order that was told.
    fn foretell(&self) {
        let mut fair = self.fair.clone();
        fair.resize(0);
        let order = admitted(&mut fair);
        for known in &self.known {
            let expected = match order.iter().position(|ticket| *ticket == known.ticket) {
                _ if known.runs => Standing::Runs,
                Some(ahead) => Standing::Queued { ahead },
                None => Standing::Own,
            };
            assert_eq!(self.fair.standing(known.ticket), Some(expected), "{known:?}");
        }
        for ticket in &self.gone {
            assert_eq!(self.fair.standing(*ticket), None);
        }
    }
}

fn happening(dice: &mut Dice, waits: usize) -> Happening {
    let person = ['a', 'b', 'c', 'd', 'e', 'f', 'g'][dice.below(7)];
    // The first one floods.
    let person = if dice.percent(30) { 'a' } else { person };
    match dice.below(20) {
        0 => Happening::Resize(dice.below(6)),
        1 => Happening::TakeOver(person, dice.below(4)),
        2 => Happening::LeaveAgain(dice.below(1000)),
        // As many come as go, around a queue of some length.
        3..=19 if dice.below(30) > waits => Happening::Ask(person, dice.below(4)),
        _ => Happening::Leave(dice.below(1000)),
    }
}

fn runs(seeds: std::ops::Range<u64>) -> usize {
    let mut steps = 0;
    for seed in seeds {
        let mut dice = Dice::new(seed);
        let mut world = World::new(dice.below(6));
        for _ in 0..500 {
            let next = happening(&mut dice, world.fair.waiting());
            world.happen(next);
            if dice.once_in(50) {
                world.foretell();
            }
        }
        // Everything ends in the end.
        while !world.known.is_empty() {
            world.happen(Happening::Leave(dice.below(1000)));
        }
        steps += world.steps;
    }
    steps
}

#[test]
fn as_the_model_says_in_a_million_random_steps() {
    let steps = runs(0..1_800);
    println!("{steps} steps");
    assert!(steps > 1_000_000, "{steps}");
}

#[test]
#[ignore = "long: cargo test --release -p zaki-lane -- --ignored"]
fn as_the_model_says_in_millions_of_steps() {
    let steps = runs(1_000_000..1_030_000);
    println!("{steps} steps");
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let person = prop::char::range('a', 'e');
    prop_oneof![
        6 => (person.clone(), 0..4_usize).prop_map(|(who, most)| Happening::Ask(who, most)),
        1 => (person, 0..4_usize).prop_map(|(who, most)| Happening::TakeOver(who, most)),
        5 => any::<usize>().prop_map(Happening::Leave),
        1 => any::<usize>().prop_map(Happening::LeaveAgain),
        1 => (0..5_usize).prop_map(Happening::Resize),
    ]
}

proptest! {
    #[test]
    fn as_the_model_says(
        most in 0..5_usize,
        happenings in prop::collection::vec(any_happening(), 0..60),
    ) {
        let mut world = World::new(most);
        for happening in happenings {
            world.happen(happening);
            world.foretell();
        }
    }

    /// Turns that end, and room for at least one: everybody who asked runs, however many others go
    /// on asking.
    #[test]
    fn nobody_starves(seed in any::<u64>(), most in 1..4_usize, length in 1..20_usize) {
        let mut dice = Dice::new(seed);
        let mut fair = Fair::new(most);
        let mut ends: Vec<(usize, Ticket)> = Vec::new();
        let mut asked: HashMap<Ticket, usize> = HashMap::new();
        let mut longest = 0;
        for now in 0..2_000 {
            // One has always something more; of six others one asks now and then.
            asked.insert(fair.ask('a', 0), now);
            if dice.once_in(4 * length) {
                let person = ['b', 'c', 'd', 'e', 'f', 'g'][dice.below(6)];
                asked.insert(fair.ask(person, 2), now);
            }
            for (_, ticket) in ends.extract_if(.., |(end, _)| *end <= now) {
                fair.leave(ticket);
            }
            while let Some(ticket) = fair.admit() {
                ends.push((now + 1 + dice.below(length), ticket));
                let since = asked.remove(&ticket);
                if fair.tickets[&ticket] != 'a' {
                    longest = longest.max(now - since.unwrap());
                }
            }
        }
        // Each of the others waits for a turn of each at most, and their own before it.
        prop_assert!(longest <= 30 * length, "{longest} of {length}");
    }
}
