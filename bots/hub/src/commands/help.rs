//! `/help`, and `/start`, with which Telegram begins every conversation.

use zaki_identity::Role;
use zaki_lane::commands::Name;
use zaki_words::{self as words, Audience};

use super::{Answer, Order};

/// What can be done here.
pub(super) fn help(order: &Order<'_>) -> Answer {
    let audience = match order.person.role {
        _ if !order.is_direct() => Audience::Group,
        Role::Owner => Audience::Owner,
        Role::Member => Audience::Direct,
    };
    order.say(&words::Help(audience))
}

/// How one command is written.
pub(super) fn about(order: &Order<'_>, name: Name, misused: bool) -> Answer {
    let row = name.row();
    let usages: Vec<String> = row.usages().collect();
    order.say(&words::HelpOn { command: row.word, usages: &usages, misused })
}
