//! What every household is going to do: made from a seed, whoever its people will have become.

use super::account::Account;
use super::model::AccountNo;
use crate::ChannelKind;
use crate::chaos::{Chance, Seed};

/// Groups on every platform, for everybody; the first on Telegram is served by its host.
const GROUPS: u32 = 6;
/// Accounts of a household, at least and less than.
pub(super) const SIZE: (u32, u32) = (4, 8);

/// Everything that is going to be done.
#[derive(Debug)]
pub struct Script {
    /// All of them act at the same time.
    pub households: Vec<Household>,
}

/// A few accounts that may become one person's, or several's.
#[derive(Debug)]
pub struct Household {
    /// Its number.
    pub no: u32,
    /// Its accounts.
    pub accounts: Vec<Account>,
    /// What it does, one after another. Accounts are named by their place in the list.
    pub steps: Vec<Step>,
}

/// Something a household does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An account says something.
    Say(usize),
    /// Two accounts say several things at once.
    Burst(usize, usize),
    /// An account sends a picture with words under it, and another one at the same time.
    Show(usize, usize),
    /// An account says something in a group of everybody's.
    Group(usize, u32),
    /// An account says something in the household's own group on its platform.
    Own(usize),
    /// `zaki groups set`: the household's own group there is served by the account's person, or by
    /// nobody for all.
    Host(usize, bool),
    /// `/new`.
    New(usize),
    /// `/session n`.
    Enter(usize, u32),
    /// `/link` here, the code there; people who are two already agree, or do not.
    Link {
        /// Who makes the code.
        offers: usize,
        /// Who types it.
        redeems: usize,
        /// Whether both say yes.
        agree: bool,
        /// Whether something is said meanwhile.
        race: bool,
    },
    /// A code that was used before.
    Stale(usize),
    /// `/unlink` of one account by another, or by itself.
    Unlink {
        /// Who says it.
        by: usize,
        /// What is taken away.
        account: usize,
        /// Whether it says something meanwhile.
        race: bool,
    },
    /// `zaki users unlink`.
    Remove(usize, bool),
    /// `zaki users link`: an account is given to another one's person.
    Give(usize, usize, bool),
    /// `zaki users merge`: into the first one's person.
    Merge(usize, usize, bool),
    /// `zaki users unmerge`, of whoever was merged last.
    Unmerge,
    /// All about a person is erased, as they wish.
    Erase(usize, bool),
    /// All about a person is erased, as the operator wishes.
    Expel(usize, bool),
    /// The phone number of the first is the second's from now on.
    Reassign(usize, usize),
    /// The agent of the first asks whether it may; the second answers, and then the first.
    Ask(usize, usize),
    /// Somebody without the platform's key claims to be this account.
    Forge(usize),
    /// The platform delivers once more what was said last, whoever that belongs to by now.
    Again,
}

impl Script {
    /// So many households, of which the first only hosts a group.
    pub fn new(seed: Seed, households: u32, steps: u32) -> Self {
        let mut chance = seed.chance(41);
        let mut counts = Counts::default();
        let mut next: AccountNo = 0;
        let mut household = |no: u32| {
            let count = if no == 0 { 1 } else { chance.among(SIZE.0.into()..SIZE.1.into()) };
            let accounts = (0..count).map(|n| {
                next += 1;
                // The host is on Telegram.
                let channel = if no == 0 || n == 0 {
                    ChannelKind::ALL[no as usize % 4]
                } else {
                    ChannelKind::ALL[usize::try_from(chance.among(0..4)).unwrap_or_default()]
                };
                let channel = if no == 0 { ChannelKind::Telegram } else { channel };
                counts.account(next, channel, &mut chance)
            });
            let accounts: Vec<Account> = accounts.collect();
            let steps = if no == 0 {
                vec![Step::Say(0); 8]
            } else {
                (0..steps).map(|_| step(&mut chance, &accounts)).collect()
            };
            Household { no, accounts, steps }
        };
        Self { households: (0..households).map(&mut household).collect() }
    }

    /// How many accounts there are.
    pub fn accounts(&self) -> usize {
        self.households.iter().map(|household| household.accounts.len()).sum()
    }
}

/// How many accounts there are so far on each platform, which are numbered alike everywhere.
#[derive(Default)]
struct Counts {
    of: [u32; 4],
    twins: u32,
}

impl Counts {
    fn account(&mut self, no: AccountNo, channel: ChannelKind, chance: &mut Chance) -> Account {
        let twin = channel == ChannelKind::Slack && self.twins < self.of[3] && chance.percent(30);
        let at = ChannelKind::ALL.iter().position(|it| *it == channel).unwrap_or_default();
        let count = if twin { &mut self.twins } else { &mut self.of[at] };
        *count += 1;
        Account::new(no, channel, twin, *count)
    }
}

fn step(chance: &mut Chance, accounts: &[Account]) -> Step {
    let mut any = || usize::try_from(chance.among(0..accounts.len() as u64)).unwrap_or_default();
    let (one, other) = (any(), any());
    let (race, agree) = (chance.percent(50), chance.percent(70));
    match chance.among(0..100) {
        0..20 => Step::Say(one),
        20..26 => Step::Burst(one, other),
        26..31 => Step::Show(one, other),
        31..36 => Step::Group(one, u32::try_from(chance.among(0..GROUPS.into())).unwrap_or(0)),
        36..41 => Step::Own(one),
        41..45 => Step::Host(one, chance.percent(80)),
        45..49 => Step::New(one),
        49..52 => Step::Enter(one, u32::try_from(chance.among(1..4)).unwrap_or(1)),
        52..64 => Step::Link { offers: one, redeems: other, agree, race },
        64..66 => Step::Stale(one),
        66..74 => Step::Unlink { by: one, account: other, race },
        74..76 => Step::Remove(one, race),
        76..79 => Step::Give(one, other, race),
        79..82 => Step::Merge(one, other, race),
        82..84 => Step::Unmerge,
        84..86 => Step::Erase(one, race),
        86..87 => Step::Expel(one, race),
        87..92 => reassign(chance, accounts).unwrap_or(Step::Say(one)),
        92..95 => Step::Ask(one, other),
        95..98 => Step::Forge(one),
        _ => Step::Again,
    }
}

/// Only WhatsApp has numbers.
fn reassign(chance: &mut Chance, accounts: &[Account]) -> Option<Step> {
    let has_number = |(_, account): &(usize, &Account)| account.channel == ChannelKind::WhatsApp;
    let numbered: Vec<usize> =
        accounts.iter().enumerate().filter(has_number).map(|(n, _)| n).collect();
    let (one, other) = (*chance.pick(&numbered)?, *chance.pick(&numbered)?);
    (one != other).then_some(Step::Reassign(one, other))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_script_depends_on_its_seed_alone_and_many_share_their_ids() {
        let script = Script::new(Seed(3), 40, 24);
        let again = Script::new(Seed(3), 40, 24);
        assert_eq!(format!("{script:?}"), format!("{again:?}"));
        assert_ne!(format!("{script:?}"), format!("{:?}", Script::new(Seed(4), 40, 24)));
        let accounts: Vec<_> = script.households.iter().flat_map(|it| &it.accounts).collect();
        let numbers: BTreeSet<_> = accounts.iter().map(|account| account.no).collect();
        assert_eq!(numbers.len(), accounts.len());
        let ids: BTreeSet<String> =
            accounts.iter().filter_map(|account| account.ids().first().cloned()).collect();
        assert!(ids.len() < accounts.len(), "nobody could be taken for another");
        assert!(accounts.iter().any(|account| account.twin));
        let steps = || script.households.iter().flat_map(|it| &it.steps);
        assert!(steps().any(|step| matches!(step, Step::Reassign(..))));
    }
}
