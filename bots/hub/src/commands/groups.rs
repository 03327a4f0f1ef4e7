//! `/mode` in a group: when the bot answers there.

use zaki_identity::{Actor, Changers, DirectoryError, GroupChange, GroupKey, GroupMode, Role};
use zaki_lane::commands;
use zaki_words::{self as words, Groups};

use super::{Answer, Order, Silence};

/// Changes it, if that is for this person to do, or says how it is.
pub(super) async fn mode(order: &Order<'_>, mode: Option<commands::GroupMode>) -> Answer {
    let Order { hub, inbound, person, now, .. } = order;
    let key = GroupKey::of(inbound);
    let read = || hub.directory.group(&key);
    let group = order.attempt("read a group", read).await?;
    let changers = changers(group.changers);
    let Some(mode) = mode else {
        let may_change = match group.changers {
            Changers::Operators => false,
            Changers::Owners => person.role == Role::Owner || group.owner == Some(person.user),
            Changers::Anyone => true,
        };
        return order.say(&Groups::Help { now: spoken(group.mode), changers, may_change });
    };
    let mode = kept(mode);
    let change = GroupChange { mode: Some(mode), ..GroupChange::default() };
    let set = || hub.directory.set_group(&key, change, Actor::Person(person.user), *now);
    match hub.attempt("change a group", set).await {
        None => Err(Silence::Closing),
        Some(Ok(group)) => {
            hub.groups.note(&group);
            order.say(&Groups::Set(spoken(group.mode)))
        }
        Some(Err(DirectoryError::NotAllowed)) => order.say(&Groups::NotYours(changers)),
        Some(Err(_)) => Err(Silence::Refused),
    }
}

const fn kept(mode: commands::GroupMode) -> GroupMode {
    match mode {
        commands::GroupMode::Off => GroupMode::Off,
        commands::GroupMode::Mention => GroupMode::Mention,
        commands::GroupMode::Always => GroupMode::Always,
    }
}

const fn spoken(mode: GroupMode) -> words::GroupMode {
    match mode {
        GroupMode::Off => words::GroupMode::Off,
        GroupMode::Mention => words::GroupMode::Mention,
        GroupMode::Always => words::GroupMode::Always,
    }
}

const fn changers(changers: Changers) -> words::Changers {
    match changers {
        Changers::Operators => words::Changers::Operators,
        Changers::Owners => words::Changers::Owners,
        Changers::Anyone => words::Changers::Anyone,
    }
}
