//! `zaki users`: who is known, and which senders are one person.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, ZakiUserId};
use zaki_identity::{Actor, How, Linked, PeopleFilter, Person};

use super::{Source, table};
use crate::{clock, stores::Stores};

#[derive(Subcommand)]
pub(crate) enum Users {
    /// Everybody, with the senders that are theirs.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        source: Source,
    },
    /// Make a sender one of a person's, so that both share one sandbox.
    Link(Link),
}

#[derive(Args)]
pub(crate) struct Link {
    /// The person, as `zaki users list` shows them.
    #[arg(value_parser = person)]
    user: ZakiUserId,
    /// telegram, discord, whatsapp or slack.
    channel: ChannelKind,
    /// The sender's id on that platform, as `zaki inbox list --json` shows it (sender.id).
    sender: String,
    /// Where the id is unique, for Slack and WhatsApp alone: `zaki inbox list --json` shows it
    /// (sender.scope).
    #[arg(long, default_value = "", hide_default_value = true)]
    scope: String,
    #[command(flatten)]
    source: Source,
}

impl Users {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { json, source } => list(&source, json).await?,
            Self::Link(link) => link.run().await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(source: &Source, json: bool) -> Result<()> {
    let directory = Stores::open_existing(&source.load()?).await?.directory;
    let mut filter = PeopleFilter::default();
    loop {
        let people = directory.people(filter.clone()).await?;
        if people.is_empty() && filter.after.is_none() && !json {
            table::nothing();
        }
        for person in &people {
            show(person, json)?;
        }
        match people.last() {
            Some(last) => filter.after = Some(last.user),
            None => return Ok(()),
        }
    }
}

fn show(person: &Person, json: bool) -> Result<()> {
    if json {
        outln!("{}", serde_json::to_string(person)?);
        return Ok(());
    }
    outln!("{}", person.user);
    for binding in &person.bindings {
        outln!("  {:9} {} {}", binding.channel, binding.scope, binding.sender);
    }
    Ok(())
}

/// The id of a person, from the command line.
fn person(text: &str) -> Result<ZakiUserId, &'static str> {
    text.parse().map_err(|_| "not the id of a person; `zaki users list` shows them")
}

impl Link {
    /// No sender comes with a scope where there are none, nor without one where there are.
    fn check_scope(&self) -> Result<()> {
        match (self.channel, self.scope.is_empty()) {
            (ChannelKind::Slack, true) => bail!(
                "Slack's ids are unique only within a team or enterprise: give its id by \
                 --scope, as `zaki inbox list --json` shows it (sender.scope)"
            ),
            (ChannelKind::WhatsApp, true) => bail!(
                "WhatsApp's ids are unique only within an account or portfolio: give its id by \
                 --scope, as `zaki inbox list --json` shows it (sender.scope)"
            ),
            (ChannelKind::Telegram | ChannelKind::Discord, false) => {
                bail!("{} has no scopes: leave --scope out", self.channel)
            }
            _ => Ok(()),
        }
    }

    async fn run(&self) -> Result<()> {
        self.check_scope()?;
        let directory = Stores::open_existing(&self.source.load()?).await?.directory;
        let sender = Sender::new(SenderScope::new(&self.scope), SenderId::new(&self.sender));
        let (by, how) = (Actor::Operator, How::Operator);
        let linked = directory.link(self.user, self.channel, &sender, by, how, clock::now());
        let said = match linked.await? {
            Linked::Already => "was theirs already".to_owned(),
            Linked::Bound => "is theirs now".to_owned(),
            Linked::Moved { from, left: 0 } => {
                format!("is theirs now; nobody is left who could reach {from}")
            }
            Linked::Moved { from, left } => {
                format!("is theirs now; it was {from}'s, who keeps {left} more")
            }
        };
        outln!("{} {} {said}", self.channel, self.sender);
        Ok(())
    }
}
