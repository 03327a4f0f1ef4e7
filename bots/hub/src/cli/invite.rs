//! `zaki invite`: codes that let strangers in.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use zaki_identity::{Actor, Invite as Kept, NewInvite};

use super::{output::Output, table, users::check_tier};
use crate::clock;

const DAY_MS: i64 = 24 * 3_600_000;

/// Makes an invitation, unless another command is given.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Invite {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    create: Create,
}

#[derive(Subcommand)]
enum What {
    /// Make an invitation. Its code is shown this once.
    Create(Create),
    /// The invitations there are, newest first.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// Take one back; whoever came by it stays.
    Revoke {
        /// As `zaki invite list` shows it.
        id: String,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args)]
struct Create {
    /// How many people may use it.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    uses: u32,
    /// For so many days; for ever otherwise.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: Option<u32>,
    /// The tier of those who come by it.
    #[arg(long)]
    tier: Option<String>,
    /// What it is for, in your words.
    #[arg(long)]
    note: Option<String>,
    #[command(flatten)]
    output: Output,
}

impl Invite {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self.what {
            None => create(self.create).await?,
            Some(What::Create(new)) => create(new).await?,
            Some(What::List { output }) => {
                output.list(&output.directory().await?.invites().await?, row)?;
            }
            Some(What::Revoke { id, output }) => revoke(&id, &output).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn create(create: Create) -> Result<()> {
    let Create { uses, days, tier, note, output } = create;
    check_tier(&output, tier.as_deref())?;
    let now = clock::now();
    let expires_at = days.map(|days| now.plus_ms(i64::from(days) * DAY_MS));
    let new = NewInvite { uses, expires_at, tier: tier.clone(), note };
    let made = output.directory().await?.invite(new, Actor::Operator, now).await?;
    let (code, id) = (made.code.shown(), made.id);
    let line =
        json!({"id": id, "code": code, "uses": uses, "expires_at": expires_at, "tier": tier});
    output.say(&line, || {
        let who = if uses == 1 {
            "Whoever is invited writes".to_owned()
        } else {
            format!("{uses} people may write")
        };
        format!(
            "{code}\n{who} to a bot: /link {code}\n\
             The code is shown this once; `zaki invite revoke {id}` takes it back."
        )
    });
    Ok(())
}

async fn revoke(id: &str, output: &Output) -> Result<()> {
    if !output.directory().await?.revoke_invite(id, Actor::Operator, clock::now()).await? {
        bail!("there is no invitation {id}; `zaki invite list` shows them");
    }
    output.say(&json!({"id": id, "revoked": true}), || format!("{id} lets nobody in any more"));
    Ok(())
}

fn row(invite: &Kept) -> [String; 6] {
    let Kept { id, uses, uses_left, expires_at, tier, note, made_at, .. } = invite;
    [
        id.clone(),
        table::time(*made_at),
        format!("{uses_left} of {uses} left"),
        expires_at.map_or("for ever".to_owned(), |at| format!("until {}", table::time(at))),
        tier.clone().unwrap_or_default(),
        note.clone().unwrap_or_default(),
    ]
}
