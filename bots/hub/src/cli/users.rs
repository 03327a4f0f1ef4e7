//! `zaki users`: who is known, and which senders are one person.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope, ZakiUserId};
use zaki_identity::Linked;

use super::Source;
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
    user: ZakiUserId,
    /// telegram, discord, whatsapp or slack.
    channel: ChannelKind,
    /// The sender's id on that platform.
    sender: String,
    /// Where the id is unique: Slack's team or enterprise, WhatsApp's portfolio. Empty elsewhere.
    #[arg(long, default_value = "")]
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
    for person in Stores::open(&source.load()?).await?.directory.list().await? {
        if json {
            outln!("{}", serde_json::to_string(&person)?);
            continue;
        }
        outln!("{}", person.user);
        for binding in &person.bindings {
            outln!("  {:9} {} {}", binding.channel, binding.scope, binding.sender);
        }
    }
    Ok(())
}

impl Link {
    async fn run(&self) -> Result<()> {
        let directory = Stores::open(&self.source.load()?).await?.directory;
        let sender = Sender::new(SenderScope::new(&self.scope), SenderId::new(&self.sender));
        let said = match directory.link(self.user, self.channel, &sender, clock::now()).await? {
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
