//! What an operator decides about people.

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;
use zaki_envelope::ZakiUserId;
use zaki_identity::{Actor, DirectoryError, Merged, Role, Unmerged};

use super::{One, check_tier, follow, person};
use crate::{
    cli::{output::Output, table},
    clock,
};

/// Two people.
#[derive(Args)]
pub(crate) struct Merge {
    /// Who they are from then on: their sandbox stays.
    #[arg(value_parser = person)]
    into: ZakiUserId,
    /// Who becomes that person.
    #[arg(value_parser = person)]
    from: ZakiUserId,
    #[command(flatten)]
    output: Output,
}

impl Merge {
    pub(super) async fn run(&self) -> Result<()> {
        let Self { into, from, output } = self;
        let config = output.source.load()?;
        let stores = output.stores().await?;
        let (directory, by, now) = (&stores.directory, Actor::Operator, clock::now());
        let merged =
            directory.merge(*into, *from, by, now).await.map_err(|error| said(error, *from))?;
        let Merged { moved, restorable_until } = merged;
        let left = follow::follow_on(config, &stores, *from).await;
        let line = json!({
            "into": into, "from": from, "moved": moved, "restorable_until": restorable_until,
            "sandbox": if left.is_empty() { "retired" } else { "due" }, "due": follow::due(&left),
        });
        output.say(&line, || {
            let until = table::time(restorable_until);
            format!(
                "{from} is {into} now, with {moved} senders; until {until} `zaki users unmerge \
                 {from}` undoes it"
            )
        });
        follow::note(&left);
        Ok(())
    }
}

pub(super) async fn unmerge(One { user, output }: &One) -> Result<()> {
    let config = output.source.load()?;
    let stores = output.stores().await?;
    let directory = &stores.directory;
    if directory.person(*user).await?.is_none() {
        bail!("no person {user}; `zaki users list` shows everybody");
    }
    let undone = directory.unmerge(*user, Actor::Operator, clock::now()).await?;
    let (into, moved, blocked) = match undone {
        Unmerged::Restored { into, moved, blocked } => (into, moved, blocked),
        Unmerged::NotMerged => bail!("{user} has not become anybody else"),
        Unmerged::TooLate => bail!("{user} became another more than 30 days ago: that stays"),
    };
    let left = follow::follow_on(config, &stores, *user).await;
    let line = json!({
        "user": user, "was": into, "moved": moved, "blocked": blocked,
        "sandbox": if left.is_empty() { "reinstated" } else { "due" }, "due": follow::due(&left),
    });
    output.say(&line, || {
        let too =
            if blocked { "; both are blocked: `zaki users unblock` frees either" } else { "" };
        format!("{user} and {into} are two again; {moved} senders went back{too}")
    });
    follow::note(&left);
    Ok(())
}

pub(super) async fn block(user: ZakiUserId, blocked: bool, output: &Output) -> Result<()> {
    let (directory, by, now) = (output.directory().await?, Actor::Operator, clock::now());
    let changed = if blocked {
        directory.block(user, by, now).await?
    } else {
        directory.unblock(user, by, now).await?
    };
    output.say(&json!({"user": user, "blocked": blocked, "changed": changed}), || {
        let said = match (blocked, changed) {
            (true, true) => "is blocked: nobody answers them, wherever they write",
            (true, false) => "was blocked already",
            (false, true) => "is answered again",
            (false, false) => "was not blocked",
        };
        format!("{user} {said}")
    });
    Ok(())
}

pub(super) async fn role(One { user, output }: &One, role: Role) -> Result<()> {
    let (directory, now) = (output.directory().await?, clock::now());
    directory.set_role(*user, role, Actor::Operator, now).await?;
    output.say(&json!({"user": user, "role": role}), || match role {
        Role::Owner => format!("{user} is an owner: they let people in and change groups"),
        Role::Member => format!("{user} decides nothing for others"),
    });
    Ok(())
}

pub(super) async fn tier(One { user, output }: &One, tier: Option<&str>) -> Result<()> {
    check_tier(output, tier)?;
    let (directory, now) = (output.directory().await?, clock::now());
    directory.set_tier(*user, tier, Actor::Operator, now).await?;
    output.say(&json!({"user": user, "tier": tier}), || {
        format!(
            "{user} has {}",
            tier.map_or("the usual tier".to_owned(), |it| format!("the tier {it}"))
        )
    });
    Ok(())
}

/// What to do about it.
fn said(error: DirectoryError, from: ZakiUserId) -> anyhow::Error {
    match error {
        DirectoryError::Merged(user) if user == from => anyhow::anyhow!(
            "{user} has become somebody else already; `zaki users unmerge {user}` undoes that"
        ),
        error => error.into(),
    }
}
