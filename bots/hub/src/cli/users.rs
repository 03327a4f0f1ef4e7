//! `zaki users`: who is known, what is theirs, and what an operator decides about them. Beside a
//! running hub as well, which asks the same store before each answer.

mod bindings;
mod decide;
pub(super) mod edge;
pub(super) mod follow;
mod privacy;
mod show;
mod unblock;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{
    Args, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use zaki_envelope::{ChannelKind, ZakiUserId};
use zaki_identity::Role;

use super::output::Output;

#[derive(Subcommand)]
pub(crate) enum Users {
    /// Everybody, in order of first contact.
    List {
        /// Only those with this in the name or handle of a sender, or with this id.
        #[arg(long, value_name = "TEXT")]
        find: Option<String>,
        /// How many; all otherwise.
        #[arg(long)]
        limit: Option<usize>,
        #[command(flatten)]
        output: Output,
    },
    /// All about one.
    Show(One),
    /// Make a sender one of a person's, so that both share one sandbox.
    Link(bindings::Named),
    /// Take a sender away from a person: whoever writes there is a stranger from then on.
    Unlink(bindings::Named),
    /// Make two people one. Nothing is mixed: the other's sandbox is stopped and kept for 30 days.
    Merge(decide::Merge),
    /// Undo a merge, within 30 days.
    Unmerge(One),
    /// Nobody answers them any more.
    Block(One),
    /// Takes that back; also of a sender of somebody who is no more.
    Unblock(unblock::Unblock),
    /// Say what they may decide for others.
    Role {
        #[command(flatten)]
        one: One,
        /// Owners let people in and change groups, from a chat.
        #[arg(value_parser = roles())]
        role: Role,
    },
    /// Say what they may use: a tier of the configuration, the usual one without.
    Tier {
        #[command(flatten)]
        one: One,
        /// One of the configuration's `tiers`.
        tier: Option<String>,
    },
    /// Write everything kept about them into an archive.
    Export(privacy::Export),
    /// Remove a person with everything kept about them: sandboxes, backups, what was said, who
    /// they are. It cannot be undone.
    Erase(privacy::Erase),
}

/// A person.
#[derive(Args)]
pub(crate) struct One {
    /// The person, as `zaki users list` shows them.
    #[arg(value_parser = person)]
    user: ZakiUserId,
    #[command(flatten)]
    output: Output,
}

fn roles() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.iter().map(|role| role.as_str()))
        .try_map(|role| role.parse::<Role>())
}

impl Users {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { find, limit, output } => show::list(find, limit, &output).await?,
            Self::Show(one) => show::show(&one).await?,
            Self::Link(named) => named.link().await?,
            Self::Unlink(named) => named.unlink().await?,
            Self::Merge(merge) => Box::pin(merge.run()).await?,
            Self::Unmerge(one) => Box::pin(decide::unmerge(&one)).await?,
            Self::Block(one) => decide::block(one.user, true, &one.output).await?,
            Self::Unblock(unblock) => unblock.run().await?,
            Self::Role { one, role } => decide::role(&one, role).await?,
            Self::Tier { one, tier } => decide::tier(&one, tier.as_deref()).await?,
            Self::Export(export) => export.run().await?,
            Self::Erase(erase) => erase.run().await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The id of a person, from the command line.
pub(super) fn person(text: &str) -> Result<ZakiUserId, &'static str> {
    text.parse().map_err(|_| "not the id of a person; `zaki users list` shows them")
}

/// No sender comes with a scope where there are none, nor without one where there are, nor with one
/// that is none.
pub(super) fn check_scope(channel: ChannelKind, scope: &str) -> Result<()> {
    match (channel, scope.is_empty()) {
        (ChannelKind::Slack, true) => bail!(
            "Slack's ids are unique only within a team or enterprise: give its id by --scope, as \
             `zaki inbox list --json` shows it (sender.scope)"
        ),
        (ChannelKind::WhatsApp, true) => bail!(
            "WhatsApp's ids are unique only within an account or portfolio: give its id by \
             --scope, as `zaki inbox list --json` shows it (sender.scope)"
        ),
        (ChannelKind::Web, true) => bail!(
            "people on the web are named by whoever issues their tokens: give the issuer by --scope"
        ),
        (ChannelKind::Telegram | ChannelKind::Discord, false) => {
            bail!("{channel} has no scopes: leave --scope out")
        }
        _ => Ok(channel.check_scope(scope)?),
    }
}

/// A tier nobody has configured would limit nothing, or everything.
pub(super) fn check_tier(output: &Output, tier: Option<&str>) -> Result<()> {
    let tiers = output.source.load()?.limits();
    match tier {
        Some(tier) if !tiers.contains_key(tier) => {
            let known = tiers.into_keys().collect::<Vec<_>>().join(", ");
            bail!("there is no tier {tier:?}; [tiers] in the configuration has: {known}")
        }
        _ => Ok(()),
    }
}
