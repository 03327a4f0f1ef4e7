//! `zaki users`: who is known, and which senders are one person.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use zaki_envelope::{ChannelKind, SenderId, SenderScope, ZakiUserId};
use zaki_identity::Directory;

use super::Source;
use crate::{clock, serve};

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
