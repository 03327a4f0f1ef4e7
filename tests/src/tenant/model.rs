//! Who everybody is, as it ought to be: pure, and told of everything in its order.

use std::collections::BTreeMap;

/// An account on a platform; unique in a run.
pub type AccountNo = u32;

/// Somebody, as the model counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonNo(pub u32);

/// A group of a household.
pub type GroupNo = u32;

/// Who answers a message, in which of their private sessions.
pub type Answerer = (PersonNo, u32);

/// What becomes of a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Joined {
    /// The account was nobody's and is that person's.
    Joined,
    /// It was theirs before.
    Already,
    /// It is somebody else's: both have to say so.
    Confirm,
}

/// One household: nobody outside shares a person with it.
#[derive(Clone, Debug)]
pub struct Model {
    first: u32,
    owners: BTreeMap<AccountNo, PersonNo>,
    people: BTreeMap<PersonNo, Person>,
    /// Whose sandbox serves a group.
    hosts: BTreeMap<GroupNo, PersonNo>,
}

#[derive(Clone, Debug)]
struct Person {
    session: u32,
    sessions: u32,
    merged: Option<Merge>,
}

/// What came to whom, so that it can go back.
#[derive(Clone, Debug)]
struct Merge {
    into: PersonNo,
    accounts: Vec<AccountNo>,
    groups: Vec<GroupNo>,
}

impl Model {
    /// People are counted from `first`.
    pub fn new(first: u32) -> Self {
        Self { first, owners: BTreeMap::new(), people: BTreeMap::new(), hosts: BTreeMap::new() }
    }

    /// Whose an account is.
    pub fn owner(&self, account: AccountNo) -> Option<PersonNo> {
        self.owners.get(&account).copied()
    }

    /// The accounts of a person.
    pub fn accounts(&self, person: PersonNo) -> Vec<AccountNo> {
        let theirs = self.owners.iter().filter(|(_, owner)| **owner == person);
        theirs.map(|(account, _)| *account).collect()
    }

    /// Who answers this account; a stranger becomes somebody.
    pub fn speak(&mut self, account: AccountNo) -> Answerer {
        let person = self.owner(account).unwrap_or_else(|| self.sign_up(account));
        (person, self.people.get(&person).map_or(1, |person| person.session))
    }

    fn sign_up(&mut self, account: AccountNo) -> PersonNo {
        let person = PersonNo(self.first + u32::try_from(self.people.len()).unwrap_or_default());
        self.people.insert(person, Person { session: 1, sessions: 1, merged: None });
        self.owners.insert(account, person);
        person
    }

    /// `/new`: the number of the session.
    pub fn begin_session(&mut self, account: AccountNo) -> u32 {
        let (person, _) = self.speak(account);
        self.people.get_mut(&person).map_or(1, |person| {
            person.sessions += 1;
            person.session = person.sessions;
            person.session
        })
    }

    /// `/session n`: whether there is one.
    pub fn enter_session(&mut self, account: AccountNo, n: u32) -> bool {
        let (person, _) = self.speak(account);
        let Some(person) = self.people.get_mut(&person).filter(|person| n <= person.sessions)
        else {
            return false;
        };
        person.session = n;
        true
    }

    /// What a code that `offers` was given is to `redeems`.
    pub fn redeem(&mut self, offers: AccountNo, redeems: AccountNo) -> Joined {
        let (into, _) = self.speak(offers);
        match self.owner(redeems) {
            None => {
                self.owners.insert(redeems, into);
                Joined::Joined
            }
            Some(owner) if owner == into => Joined::Already,
            Some(_) => Joined::Confirm,
        }
    }

    /// Everything of the person of `from` is that of `into` from now on.
    pub fn merge(&mut self, into: AccountNo, from: AccountNo) {
        let (Some(into), Some(from)) = (self.owner(into), self.owner(from)) else { return };
        let (accounts, groups) = (self.accounts(from), self.groups(from));
        for account in &accounts {
            self.owners.insert(*account, into);
        }
        for group in &groups {
            self.hosts.insert(*group, into);
        }
        if let Some(person) = self.people.get_mut(&from) {
            person.merged = Some(Merge { into, accounts, groups });
        }
    }

    /// The groups that a person's sandbox serves.
    fn groups(&self, host: PersonNo) -> Vec<GroupNo> {
        let theirs = self.hosts.iter().filter(|(_, person)| **person == host);
        theirs.map(|(group, _)| *group).collect()
    }

    /// The sandbox of this account's person serves a group from now on, or nobody's does.
    pub fn host(&mut self, group: GroupNo, account: Option<AccountNo>) {
        match account.and_then(|account| self.owner(account)) {
            Some(person) => self.hosts.insert(group, person),
            None => self.hosts.remove(&group),
        };
    }

    /// Who answers this account in a group.
    pub fn speak_in(&mut self, group: GroupNo, account: AccountNo) -> Answerer {
        let own = self.speak(account);
        self.hosts.get(&group).map_or(own, |host| (*host, 1))
    }

    /// Who has become somebody else, and could be restored.
    pub fn merged(&self) -> Vec<PersonNo> {
        let merged = self.people.iter().filter(|(_, person)| person.merged.is_some());
        merged.map(|(person, _)| *person).collect()
    }

    /// Undoes a merge.
    pub fn unmerge(&mut self, from: PersonNo) {
        let merged = self.people.get_mut(&from).and_then(|person| person.merged.take());
        let Some(Merge { into, accounts, groups }) = merged else { return };
        let into = self.became(into);
        for account in accounts {
            if self.owner(account) == Some(into) {
                self.owners.insert(account, from);
            }
        }
        for group in groups {
            if self.hosts.get(&group) == Some(&into) {
                self.hosts.insert(group, from);
            }
        }
    }

    /// The person of an account is gone, with all who have become that person: whoever of them
    /// writes again is somebody new. Returns who that was.
    pub fn erase(&mut self, account: AccountNo) -> Vec<PersonNo> {
        let Some(person) = self.owner(account) else { return Vec::new() };
        let is_it = |one: &PersonNo| self.became(*one) == person;
        let family: Vec<PersonNo> = self.people.keys().copied().filter(is_it).collect();
        self.owners.retain(|_, owner| !family.contains(owner));
        self.hosts.retain(|_, host| !family.contains(host));
        for person in &family {
            if let Some(person) = self.people.get_mut(person) {
                person.merged = None;
            }
        }
        family
    }

    /// Who somebody is by now.
    fn became(&self, person: PersonNo) -> PersonNo {
        let next = |one: &PersonNo| Some(self.people.get(one)?.merged.as_ref()?.into);
        std::iter::successors(Some(person), next).last().unwrap_or(person)
    }

    /// An account is nobody's.
    pub fn unlink(&mut self, account: AccountNo) {
        self.owners.remove(&account);
        self.forget_part(account);
    }

    /// An account is that of `to`'s person.
    pub fn give(&mut self, account: AccountNo, to: AccountNo) {
        let Some(person) = self.owner(to) else { return };
        self.owners.insert(account, person);
    }

    /// What was unlinked does not come back with a merge that is undone.
    fn forget_part(&mut self, account: AccountNo) {
        for person in self.people.values_mut() {
            if let Some(merge) = &mut person.merged {
                merge.accounts.retain(|part| *part != account);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_moves_all_and_is_undone_but_for_what_has_gone_elsewhere() {
        let mut model = Model::new(10);
        let (ada, bob) = (model.speak(1), model.speak(2));
        assert_eq!((ada, bob), ((PersonNo(10), 1), (PersonNo(11), 1)));
        assert_eq!(model.redeem(2, 3), Joined::Joined);
        assert_eq!(model.redeem(1, 2), Joined::Confirm);
        assert_eq!(model.begin_session(1), 2);
        model.merge(1, 2);
        assert_eq!(model.speak(3), (PersonNo(10), 2));
        model.unlink(3);
        assert_eq!(model.speak(3), (PersonNo(12), 1));
        let host = model.speak(4).0;
        model.merge(4, 1);
        assert_eq!(model.speak(2).0, host);
        model.unmerge(PersonNo(11));
        assert_eq!(model.speak(2), (PersonNo(11), 1));
        assert_eq!(model.speak(3).0, PersonNo(12));
    }

    #[test]
    fn a_group_is_served_by_its_host_whoever_that_has_become() {
        let mut model = Model::new(0);
        let (ada, bob, guest) = (model.speak(1), model.speak(2), model.speak(3));
        assert_eq!(model.speak_in(7, 3), guest);
        model.host(7, Some(2));
        assert_eq!(model.speak_in(7, 3), bob);
        assert_eq!(model.speak_in(8, 3), guest);
        model.merge(1, 2);
        assert_eq!(model.speak_in(7, 3), ada);
        model.unmerge(bob.0);
        assert_eq!(model.speak_in(7, 1), bob);
        model.host(7, None);
        assert_eq!(model.speak_in(7, 1), ada);
    }

    #[test]
    fn who_is_erased_is_gone_with_all_who_became_them() {
        let mut model = Model::new(0);
        for account in 1..4 {
            model.speak(account);
        }
        model.host(7, Some(2));
        model.merge(1, 2);
        assert_eq!(model.erase(2), [PersonNo(0), PersonNo(1)]);
        assert_eq!(model.merged(), []);
        assert_eq!((model.owner(1), model.owner(2)), (None, None));
        assert_eq!(model.speak_in(7, 3), (PersonNo(2), 1));
        assert_eq!((model.speak(2), model.speak(1)), ((PersonNo(3), 1), (PersonNo(4), 1)));
    }
}
