//! Who may change a group. No store.

use zaki_envelope::ZakiUserId;

use super::{Changers, Group, GroupChange};
use crate::{Actor, Role};

/// Whether `by` may. `role`: of the person, if it is one; blocked people have none and come with
/// `None`. `served`: whether the group is there for them.
///
/// Nobody makes another's sandbox serve a group: its owner agrees by doing it, or an operator
/// answers for it. Who may change a group is for those to say who always may.
pub(crate) fn may_change(
    group: &Group,
    change: GroupChange,
    by: Actor,
    role: Option<Role>,
    served: bool,
) -> bool {
    let Actor::Person(user) = by else { return true };
    let Some(role) = role else { return false };
    let house = role == Role::Owner;
    let here = house || group.owner == Some(user);
    let general = match group.changers {
        Changers::Operators => false,
        Changers::Owners => here,
        Changers::Anyone => here || served,
    };
    let changers = change.changers.is_none() || house;
    general && changers && change.owner.is_none_or(|owner| may_own(group, owner, user, house))
}

fn may_own(group: &Group, to: Option<ZakiUserId>, user: ZakiUserId, house: bool) -> bool {
    let free = group.owner.is_none_or(|owner| owner == user) || house;
    free && to.is_none_or(|owner| owner == user)
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{ChannelKind, ConversationId, SenderScope, Timestamp};

    use super::*;
    use crate::groups::{GroupKey, GroupMode, GroupRules};

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    fn group(changers: Changers, owner: Option<u128>) -> Group {
        let key = GroupKey {
            channel: ChannelKind::Telegram,
            scope: SenderScope::new(""),
            conversation: ConversationId::new("-1"),
        };
        let rules = GroupRules { changers, ..GroupRules::default() };
        Group { owner: owner.map(user), ..rules.group(key) }
    }

    const OFF: GroupChange =
        GroupChange { mode: Some(GroupMode::Off), who: None, owner: None, changers: None };

    fn own(owner: Option<u128>) -> GroupChange {
        GroupChange { owner: Some(owner.map(user)), ..GroupChange::default() }
    }

    #[test]
    fn a_group_is_changed_by_those_it_names() {
        use Changers::{Anyone, Operators, Owners};
        let may = |changers, by, role, served| {
            may_change(&group(changers, Some(7)), OFF, by, role, served)
        };
        let person = |n| Actor::Person(user(n));
        for changers in [Operators, Owners, Anyone] {
            assert!(may(changers, Actor::Operator, None, false));
            assert!(!may(changers, person(7), None, true), "blocked");
            let house = may(changers, person(1), Some(Role::Owner), false);
            let owner = may(changers, person(7), Some(Role::Member), false);
            assert_eq!((house, owner), (changers != Operators, changers != Operators));
            let served = may(changers, person(2), Some(Role::Member), true);
            assert_eq!(served, changers == Anyone);
            assert!(!may(changers, person(2), Some(Role::Member), false));
        }
    }

    #[test]
    fn nobody_lends_anothers_sandbox() {
        let may = |owner, change, by, role| {
            let by = Actor::Person(user(by));
            may_change(&group(Changers::Anyone, owner), change, by, Some(role), true)
        };
        let (member, house) = (Role::Member, Role::Owner);
        assert!(may(None, own(Some(2)), 2, member));
        assert!(!may(None, own(Some(3)), 2, member));
        assert!(!may(None, own(Some(3)), 2, house), "not even an owner of the house");
        assert!(!may(Some(3), own(Some(2)), 2, member), "it is another's already");
        assert!(!may(Some(3), own(None), 2, member));
        assert!(may(Some(2), own(None), 2, member));
        assert!(may(Some(3), own(None), 2, house));
        let lock = GroupChange { changers: Some(Changers::Operators), ..GroupChange::default() };
        assert!(!may(None, lock, 2, member));
        assert!(may(None, lock, 2, house));
    }
}
