//! `zaki pairing`: strangers who wait to be let in.

mod review;

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use zaki_identity::{Actor, LinkCode, Pairing as Request};

use super::{output::Output, table};
use crate::clock;

/// Goes through those who wait, unless another command is given.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Pairing {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    output: Output,
}

#[derive(Subcommand)]
enum What {
    /// Go through those who wait, one after the other: let in, turn away, or leave for later.
    Review {
        #[command(flatten)]
        output: Output,
    },
    /// Whoever waits, the oldest first.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Let a stranger in, who is told so.
    Approve(Answer),
    /// Turn a stranger away, who hears nothing of it and may ask again a day later.
    Deny(Answer),
}

#[derive(Args)]
struct Answer {
    /// What the stranger was given, as `zaki pairing list` shows it.
    code: String,
    #[command(flatten)]
    output: Output,
}

impl Pairing {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self.what {
            None => review::run(&self.output).await?,
            Some(What::Review { output }) => review::run(&output).await?,
            Some(What::List { output }) => {
                let waiting = output.directory().await?.pairings(clock::now()).await?;
                output.list(&waiting, row)?;
            }
            Some(What::Approve(answer)) => answer.approve().await?,
            Some(What::Deny(answer)) => answer.deny().await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Answer {
    async fn approve(&self) -> Result<()> {
        let (code, directory) = (LinkCode::typed(&self.code), self.output.directory().await?);
        let done = directory.approve(&code, Actor::Operator, clock::now()).await?;
        let Some(approved) = done else { bail!("{}", self.unknown()) };
        self.output.say(&serde_json::to_value(&approved)?, || {
            let (user, who, channel) = (approved.user, &approved.who, approved.channel);
            format!("{who} ({user}) is let in on {channel}; a hub that runs tells them so")
        });
        Ok(())
    }

    async fn deny(&self) -> Result<()> {
        let (code, directory) = (LinkCode::typed(&self.code), self.output.directory().await?);
        let done = directory.deny(&code, Actor::Operator, clock::now()).await?;
        let Some(denied) = done else { bail!("{}", self.unknown()) };
        let line = json!({
            "code": code.shown(), "denied": true, "channel": denied.channel, "who": denied.who,
        });
        self.output.say(&line, || {
            let (who, channel) = (denied.who, denied.channel);
            format!("{who} was turned away on {channel}, and hears nothing of it")
        });
        Ok(())
    }

    fn unknown(&self) -> String {
        format!("nobody waits with the code {}; `zaki pairing list` shows who does", self.code)
    }
}

fn row(request: &Request) -> [String; 5] {
    let Request { code, channel, account, asked_at, expires_at, .. } = request;
    [
        code.clone(),
        table::time(*asked_at),
        format!("{channel}/{account}"),
        request.who().to_owned(),
        format!("until {}", table::time(*expires_at)),
    ]
}
