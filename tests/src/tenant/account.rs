//! Accounts that are easily taken for each other: the same ids on every platform, the same ids in
//! two teams, phone numbers that turn out to have a better name or get a new owner, and one name
//! for all.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use zaki_simulators::{discord, graph, telegram};

use super::model::AccountNo;
use crate::ChannelKind;
use crate::payload::Names;

/// What everybody is called.
const NAME: &str = "Sam";
/// Another team whose people have the same ids.
pub(super) const TWIN_TEAM: &str = "T0TWIN0001";
/// So often somebody may write before their business-scoped id comes along.
const SHY: u32 = 3;

/// An account on a platform.
#[derive(Debug)]
pub struct Account {
    /// Unique in a run.
    pub no: AccountNo,
    /// Where.
    pub channel: ChannelKind,
    /// Its id there, and that of somebody else elsewhere.
    pub(super) id: u64,
    /// On Slack: in the other team.
    pub twin: bool,
    /// How often it has written.
    written: AtomicU32,
    /// On WhatsApp: its phone number, for now.
    number: AtomicU64,
    /// How often it has changed that.
    moves: AtomicU32,
}

impl Account {
    /// An account; the `number`-th of its platform or team. An id of so many digits may be of any
    /// platform.
    pub fn new(no: AccountNo, channel: ChannelKind, twin: bool, number: u32) -> Self {
        let id = 700_000_000_000_000 + 100 * u64::from(number);
        Self {
            no,
            channel,
            id,
            twin,
            written: AtomicU32::new(0),
            number: AtomicU64::new(id),
            moves: AtomicU32::new(0),
        }
    }

    /// What the directory may know it by, the best last.
    pub fn ids(&self) -> Vec<String> {
        match self.channel {
            ChannelKind::Telegram | ChannelKind::Discord => vec![self.id.to_string()],
            ChannelKind::WhatsApp => vec![self.phone(), self.business_id()],
            ChannelKind::Slack => vec![self.slack()],
            ChannelKind::Web => crate::no_bot(),
        }
    }

    /// Whether the directory's scope can be its own.
    pub fn is_of(&self, scope: &str) -> bool {
        self.channel != ChannelKind::Slack || (scope == TWIN_TEAM) == self.twin
    }

    /// From now on it shows its business-scoped id.
    pub fn show_itself(&self) {
        self.written.fetch_max(SHY, Ordering::Relaxed);
    }

    /// Its phone number goes to somebody else, who had another; it gets one that was nobody's.
    pub fn hand_number_to(&self, heir: &Self) {
        let moves = u64::from(self.moves.fetch_add(1, Ordering::Relaxed));
        let number = self.number.swap(self.id + 1 + moves % 98, Ordering::Relaxed);
        heir.number.store(number, Ordering::Relaxed);
    }

    /// Counts what it writes.
    pub(super) fn count(&self) -> u32 {
        self.written.fetch_add(1, Ordering::Relaxed)
    }

    fn phone(&self) -> String {
        self.number.load(Ordering::Relaxed).to_string()
    }

    fn business_id(&self) -> String {
        format!("RU.{}", self.id)
    }

    pub(super) fn slack(&self) -> String {
        format!("U{}", self.id)
    }

    pub(super) fn discord(&self) -> discord::User {
        discord::User::new(self.id, NAME)
    }

    pub(super) fn telegram(&self) -> telegram::User {
        telegram::User::new(self.id.cast_signed(), NAME)
    }

    /// Half of them are known by their number alone at first.
    pub(super) fn contact(&self) -> graph::Contact {
        let written = self.count();
        if self.no.is_multiple_of(2) && written < SHY {
            return graph::Contact::by_number(&self.phone(), NAME);
        }
        graph::Contact::new(&self.phone(), &self.business_id(), NAME)
    }
}

/// As everybody else on the platforms would name it.
impl From<&Account> for Names {
    fn from(account: &Account) -> Self {
        Self {
            telegram: account.telegram(),
            discord: account.discord(),
            whatsapp: graph::Contact::new(&account.phone(), &account.business_id(), NAME),
            slack: account.slack(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_one_owner_at_a_time() {
        let whatsapp = |no| Account::new(no, ChannelKind::WhatsApp, false, no);
        let (one, other) = (whatsapp(1), whatsapp(2));
        let before = one.ids();
        one.hand_number_to(&other);
        assert_eq!(other.ids(), [before[0].clone(), "RU.700000000000200".to_owned()]);
        assert_eq!(one.ids()[1], before[1]);
        other.hand_number_to(&one);
        assert_eq!(one.ids(), before);
        let all: std::collections::BTreeSet<_> =
            [one.ids(), other.ids()].concat().into_iter().collect();
        assert_eq!(all.len(), 4);
    }
}
