//! What every household is going to do: made from a seed, whoever its people will have become.

use super::cast::Account;
use super::model::AccountNo;
use crate::ChannelKind;
use crate::chaos::{Chance, Seed};

/// Groups on every platform; the first on Telegram is served by its host.
const GROUPS: u32 = 6;

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
    /// An account says something in a group.
    Group(usize, u32),
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
}

impl Script {
    /// So many households, of which the first only hosts a group.
    pub fn new(seed: Seed, households: u32, steps: u32) -> Self {
        let mut chance = seed.chance(41);
        let mut counts = Counts::default();
        let mut next: AccountNo = 0;
        let mut household = |no: u32| {
            let count = if no == 0 { 1 } else { 4 + chance.among(0..4) };
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
                (0..steps).map(|_| step(&mut chance, accounts.len() as u64)).collect()
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

fn step(chance: &mut Chance, accounts: u64) -> Step {
    let mut any = || usize::try_from(chance.among(0..accounts)).unwrap_or_default();
    let (one, other) = (any(), any());
    let (race, agree) = (chance.percent(50), chance.percent(70));
    match chance.among(0..100) {
        0..30 => Step::Say(one),
        30..38 => Step::Burst(one, other),
        38..50 => Step::Group(one, u32::try_from(chance.among(0..GROUPS.into())).unwrap_or(0)),
        50..56 => Step::New(one),
        56..60 => Step::Enter(one, u32::try_from(chance.among(1..4)).unwrap_or(1)),
        60..75 => Step::Link { offers: one, redeems: other, agree, race },
        75..77 => Step::Stale(one),
        77..87 => Step::Unlink { by: one, account: other, race },
        87..90 => Step::Remove(one, race),
        90..94 => Step::Give(one, other, race),
        94..98 => Step::Merge(one, other, race),
        _ => Step::Unmerge,
    }
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
    }
}
