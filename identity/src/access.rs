//! Who is let in where: the policy, and what follows from it. No store, no clock, no chance.
//!
//! What somebody was granted is for one place: their direct messages to an account, or one group.
//! Neither grants the other.

use std::collections::{HashMap, HashSet};

use zaki_envelope::{AccountName, ChannelKind, Conversation, Sender};

use crate::actor::words;
use crate::codes::LinkCode;
use crate::groups::{Group, GroupMode, Who};

words! {
    /// How strangers become somebody, by writing to an account directly.
    SignUp("policy") {
        /// By writing.
        Open = "open",
        /// By an invitation's code.
        Invite = "invite",
        /// By being on the list, for as long as they are, and by no invitation.
        Allowlist = "allowlist",
        /// By an operator or an owner who approves the code they were given.
        Pairing = "pairing",
        /// Not at all: an operator links people.
        Closed = "closed",
    }
}

/// What becomes of strangers who write to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How they become somebody.
    pub sign_up: SignUp,
    /// Who needs nothing else, unless the house is closed.
    pub allow: Allow,
}

impl From<SignUp> for Policy {
    fn from(sign_up: SignUp) -> Self {
        Self { sign_up, allow: Allow::default() }
    }
}

impl Policy {
    /// Whether who wrote there needs nothing else.
    pub(crate) fn admits(
        &self,
        channel: ChannelKind,
        sender: &Sender,
        conversation: &Conversation,
        email: Option<&str>,
    ) -> bool {
        let listed = || self.allow.admits(channel, sender, conversation);
        let vouched = || email.is_some_and(|address| self.allow.admits_address(address));
        self.sign_up != SignUp::Closed && (listed() || vouched())
    }
}

/// A list of those who are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allow {
    /// Ids of senders, as the platform numbers people; where ids are unique in a scope alone, also
    /// as `scope/id`.
    pub ids: HashSet<String>,
    /// Slack workspaces (teams), or enterprises.
    pub workspaces: HashSet<String>,
    /// Discord guilds. Only what is written there shows its guild: direct messages have none.
    pub guilds: HashSet<String>,
    /// Domains of verified e-mail addresses, which come with web sign-in alone.
    pub domains: HashSet<String>,
}

impl Allow {
    /// Whether who wrote there is on the list.
    fn admits(&self, channel: ChannelKind, sender: &Sender, conversation: &Conversation) -> bool {
        let (scope, space) = (sender.scope.as_str(), conversation.space.as_ref());
        let listed = |id: &str| {
            self.ids.contains(id)
                || !scope.is_empty() && self.ids.contains(&format!("{scope}/{id}"))
        };
        let here = |spaces: &HashSet<String>| space.is_some_and(|id| spaces.contains(id.as_str()));
        let by_place = match channel {
            ChannelKind::Slack => here(&self.workspaces) || self.workspaces.contains(scope),
            ChannelKind::Discord => here(&self.guilds),
            ChannelKind::Telegram | ChannelKind::WhatsApp | ChannelKind::Web => false,
        };
        by_place
            || listed(sender.id.as_str())
            || sender.aliases.iter().any(|alias| listed(alias.as_str()))
    }

    /// Whether whoever proves this address is on the list.
    fn admits_address(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map(|(_, domain)| domain.to_ascii_lowercase());
        domain.is_some_and(|domain| self.domains.contains(&domain))
    }
}

/// The policy of every account.
#[derive(Clone, Debug)]
pub struct Access {
    default: Policy,
    accounts: HashMap<(ChannelKind, AccountName), Policy>,
}

impl Access {
    /// This one for all of them.
    pub fn new(default: impl Into<Policy>) -> Self {
        Self { default: default.into(), accounts: HashMap::new() }
    }

    /// Another one for one account.
    #[must_use]
    pub fn with(mut self, channel: ChannelKind, account: AccountName, policy: Policy) -> Self {
        self.accounts.insert((channel, account), policy);
        self
    }

    /// The policy of an account.
    pub fn of(&self, channel: ChannelKind, account: &AccountName) -> &Policy {
        // A key of references would need an owned copy of the name.
        let found = self.accounts.iter().find(|((c, a), _)| *c == channel && a == account);
        found.map_or(&self.default, |(_, policy)| policy)
    }
}

impl From<SignUp> for Access {
    fn from(sign_up: SignUp) -> Self {
        Self::new(sign_up)
    }
}

/// Why nobody answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody new is let in.
    Closed,
    /// They are not on the list.
    NotListed,
    /// They need an invitation.
    InviteWanted,
    /// Somebody must let them in, by this code.
    PairingWanted {
        /// Theirs until it is approved, denied or too old.
        code: LinkCode,
    },
    /// Somebody must let them in, and too many wait for that already.
    Crowded,
    /// Whoever could let them in has said no.
    Denied,
    /// The bot is silent in this group.
    GroupOff,
    /// In this group, only what is said to the bot counts.
    NotAddressed,
    /// The bot is not there for them in this group.
    NotInGroup,
    /// An operator wants it so.
    Blocked,
}

impl Refusal {
    /// Whether it is said at all. Whoever is blocked or was turned away hears nothing, nor do silent
    /// groups.
    pub const fn is_told(&self) -> bool {
        matches!(
            self,
            Self::Closed
                | Self::NotListed
                | Self::InviteWanted
                | Self::PairingWanted { .. }
                | Self::Crowded
                | Self::NotInGroup
        )
    }
}

/// What is known of somebody, where they write.
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) blocked: bool,
    /// Let in by direct messages to this account.
    pub(crate) here: bool,
    /// Let in by direct messages to any.
    pub(crate) anywhere: bool,
    /// Let in in this group.
    pub(crate) listed: bool,
    /// The owner of this group.
    pub(crate) owns: bool,
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// They are served; a stranger signs up. `grant`: from now on they are let in here.
    Serve { grant: bool },
    /// They are given a code.
    Pair,
    /// They are not.
    Refuse(Refusal),
}

/// About a direct message. `who`: nothing for a stranger.
pub(crate) fn direct(policy: &Policy, admitted: bool, who: Option<Standing>) -> Ruling {
    match who {
        Some(Standing { blocked: true, .. }) => return Ruling::Refuse(Refusal::Blocked),
        Some(Standing { here: true, .. }) => return Ruling::Serve { grant: false },
        _ => {}
    }
    match policy.sign_up {
        SignUp::Open => Ruling::Serve { grant: true },
        SignUp::Closed => Ruling::Refuse(Refusal::Closed),
        // Not granted: who is taken off the list is no longer let in.
        _ if admitted => Ruling::Serve { grant: false },
        SignUp::Allowlist => Ruling::Refuse(Refusal::NotListed),
        SignUp::Invite => Ruling::Refuse(Refusal::InviteWanted),
        SignUp::Pairing => Ruling::Pair,
    }
}

/// Whether a group takes notice of a message, whoever wrote it.
pub(crate) fn hears(group: &Group, addressed: bool) -> Result<(), Refusal> {
    match group.mode {
        GroupMode::Off => Err(Refusal::GroupOff),
        GroupMode::Mention if !addressed => Err(Refusal::NotAddressed),
        GroupMode::Mention | GroupMode::Always => Ok(()),
    }
}

/// About a message in a group that [`hears`] it. `admitted`: whoever is on the account's list counts
/// as known.
pub(crate) fn shared(group: &Group, admitted: bool, who: Option<Standing>) -> Ruling {
    let standing = who.unwrap_or_default();
    if standing.blocked {
        return Ruling::Refuse(Refusal::Blocked);
    }
    let served = match group.who {
        Who::Everyone => true,
        Who::Known => standing.anywhere || standing.listed || admitted,
        Who::Listed => standing.listed,
    };
    if served || standing.owns {
        Ruling::Serve { grant: false }
    } else {
        Ruling::Refuse(Refusal::NotInGroup)
    }
}

#[cfg(test)]
mod tests;
