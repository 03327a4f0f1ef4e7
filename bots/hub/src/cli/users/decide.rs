//! What an operator decides about people.

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::json;
use zaki_envelope::{Timestamp, ZakiUserId};
use zaki_identity::{Actor, DirectoryError, Merged, Role, Unmerged};

use super::{One, check_tier, edge, person};
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
        let (directory, by, now) = (output.directory().await?, Actor::Operator, clock::now());
        let merged =
            directory.merge(*into, *from, by, now).await.map_err(|error| said(error, *from))?;
        let Merged { moved, restorable_until } = merged;
        let retired = retire(output, *from, restorable_until).await;
        let line = json!({
            "into": into, "from": from, "moved": moved, "restorable_until": restorable_until,
            "sandbox": if retired.is_ok() { "retired" } else { "left to itself" },
        });
        output.say(&line, || {
            let until = table::time(restorable_until);
            format!(
                "{from} is {into} now, with {moved} senders; until {until} `zaki users unmerge \
                 {from}` undoes it"
            )
        });
        if let Err(error) = retired {
            eprintln!(
                "note: the sandbox of {from} was not told to stop ({error:#}); nobody can reach \
                 it, it stops when it is idle, and it is removed when the merge can no longer be \
                 undone"
            );
        }
        Ok(())
    }
}

async fn retire(output: &Output, from: ZakiUserId, until: Timestamp) -> Result<()> {
    let edge = edge::reach(output.source.load()?).await?;
    let done = edge.within(edge.client.retire(from, until)).await;
    edge.close().await;
    done
}

pub(super) async fn unmerge(One { user, output }: &One) -> Result<()> {
    let directory = output.directory().await?;
    if directory.person(*user).await?.is_none() {
        bail!("no person {user}; `zaki users list` shows everybody");
    }
    let edge = edge::reach(output.source.load()?).await?;
    let done = async {
        edge.within(edge.client.check()).await.context("nothing is undone yet")?;
        let unmerged = directory.unmerge(*user, Actor::Operator, clock::now()).await?;
        restore(*user, unmerged, edge.within(edge.client.reinstate(*user))).await
    };
    let done = done.await;
    edge.close().await;
    let (into, moved) = done?;
    let line = json!({"user": user, "was": into, "moved": moved});
    output.say(&line, || format!("{user} and {into} are two again; {moved} senders went back"));
    Ok(())
}

/// Lets the sandbox of a person run who is nobody else any more: who they had become, and how many
/// senders went back. The sandbox of whoever stays another is to be removed, so it stays stopped.
async fn restore(
    user: ZakiUserId,
    unmerged: Unmerged,
    reinstate: impl Future<Output = Result<()>>,
) -> Result<(ZakiUserId, usize)> {
    let restored = match unmerged {
        Unmerged::Restored { into, moved } => Some((into, moved)),
        // Perhaps since the last time, when the edge did not hear of it.
        Unmerged::NotMerged => None,
        Unmerged::TooLate => bail!("{user} became another more than 30 days ago: that stays"),
    };
    reinstate.await.with_context(|| {
        format!("{user} is nobody else, but their sandbox stays stopped: say this again")
    })?;
    restored.with_context(|| format!("{user} has not become anybody else"))
}

pub(super) async fn block(One { user, output }: &One, blocked: bool) -> Result<()> {
    let (directory, by, now) = (output.directory().await?, Actor::Operator, clock::now());
    let changed = if blocked {
        directory.block(*user, by, now).await?
    } else {
        directory.unblock(*user, by, now).await?
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_sandbox_of_whoever_stays_another_stays_stopped() {
        let user = |n| ZakiUserId::from_parts(Timestamp::from_ms(1), n);
        let undo = async |unmerged| {
            let mut runs = false;
            let reinstate = async {
                runs = true;
                Ok(())
            };
            let done = restore(user(1), unmerged, reinstate).await;
            (done.ok(), runs)
        };
        let into = user(2);
        let restored = Unmerged::Restored { into, moved: 3 };
        assert_eq!(undo(restored).await, (Some((into, 3)), true));
        assert_eq!(undo(Unmerged::TooLate).await, (None, false));
        assert_eq!(undo(Unmerged::NotMerged).await, (None, true), "the edge may not know yet");
    }
}
