//! `zaki sandbox`: the sandboxes, what of their memory is backed up, and having it back.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use zaki_envelope::{
    BackupId, ZakiUserId,
    wire::{Backup, BackupOutcome, BackupState, SandboxReport},
};

use super::{output::Output, table, users};
use crate::edge::{EdgeClient, EdgeError};

#[derive(Subcommand)]
pub(crate) enum Sandbox {
    /// All of them: whether they are awake, and how their backups stand.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One person's, with its backups.
    Show(One),
    /// Back it up now; it is woken if it has to be.
    Backup(One),
    /// Give it the memory of a backup. What it has now is backed up before, where it can be.
    Restore {
        #[command(flatten)]
        one: One,
        /// Which backup; the newest that is whole otherwise.
        #[arg(long, value_name = "ID")]
        backup: Option<BackupId>,
    },
}

/// The sandbox of a person.
#[derive(Args)]
pub(crate) struct One {
    /// The person, as `zaki users list` shows them.
    #[arg(value_parser = users::person)]
    user: ZakiUserId,
    #[command(flatten)]
    output: Output,
}

impl Sandbox {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { output } => {
                let all = with(&output, async |edge| edge.sandboxes().await).await?;
                output.list(&all, row)?;
            }
            Self::Show(One { user, output }) => {
                let report = with(&output, async |edge| edge.sandbox(user).await).await?;
                output.show(&report, lines(&report))?;
            }
            Self::Backup(One { user, output }) => {
                let outcome = with(&output, async |edge| edge.back_up(user).await).await?;
                return say(
                    &output,
                    &outcome,
                    "backed up",
                    "nothing has changed since the last one",
                );
            }
            Self::Restore { one: One { user, output }, backup } => {
                let asked = with(&output, async |edge| edge.bring_back(user, backup).await).await?;
                return say(&output, &asked, "restored", "there is no such backup");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Asks the edge that has the sandboxes.
async fn with<T>(
    output: &Output,
    ask: impl AsyncFnOnce(&EdgeClient) -> Result<T, EdgeError>,
) -> Result<T> {
    let reached = users::edge::reach(output.source.load()?).await?;
    let Some(client) = &reached.client else {
        bail!(
            "the sandboxes are those of the running hub, whose edge nobody else can call: stop it \
             and say this again, or set edge.key and edge.listen and start it anew"
        );
    };
    let asked = ask(client).await.context("the edge does not do it");
    reached.close().await;
    asked
}

fn say(output: &Output, outcome: &BackupOutcome, done: &str, nothing: &str) -> Result<ExitCode> {
    let json = serde_json::to_value(outcome)?;
    let (text, code) = match outcome {
        BackupOutcome::Done { backup, passed_over } => {
            for passed in passed_over {
                eprintln!("warning: not whole, and passed over: {passed}");
            }
            (format!("{done}: {}", whole(backup)), ExitCode::SUCCESS)
        }
        BackupOutcome::Nothing => (nothing.to_owned(), ExitCode::SUCCESS),
        BackupOutcome::Failed { why } => (format!("failed: {why}"), ExitCode::FAILURE),
    };
    output.say(&json, || text);
    Ok(code)
}

fn row(report: &SandboxReport) -> [String; 4] {
    let SandboxReport { sandbox, awake, backup, .. } = report;
    let made = backup.made_at.map_or_else(|| "never".to_owned(), table::time);
    let awake = if *awake { "awake" } else { "asleep" };
    [sandbox.clone(), awake.to_owned(), made, standing(backup)]
}

/// What is not as it should be, the worst first.
fn standing(state: &BackupState) -> String {
    let mut said = Vec::new();
    if state.overdue {
        said.push("OVERDUE".to_owned());
    }
    said.extend(state.failure.as_ref().map(|why| format!("failed: {why}")));
    said.extend(state.restore_failure.as_ref().map(|why| format!("restore: {why}")));
    if state.changed_since.is_some() && said.is_empty() {
        said.push("changed since".to_owned());
    }
    said.join(", ")
}

fn lines(report: &SandboxReport) -> Vec<[String; 2]> {
    let SandboxReport { sandbox, awake, backup, backups } = report;
    let mut lines = vec![
        ("sandbox", sandbox.clone()),
        ("is", if *awake { "awake" } else { "asleep" }.to_owned()),
    ];
    let since = |at| format!("since {}", table::time(at));
    lines.extend(backup.changed_since.map(|at| ("not backed up", since(at))));
    if backup.overdue {
        lines.push(("overdue", "it should have been backed up long ago".to_owned()));
    }
    lines.extend(backup.failure.clone().map(|why| ("last backup failed", why)));
    if let (Some(id), Some(at)) = (backup.restored, backup.restored_at) {
        lines.push(("restored", format!("{id}, {}", table::time(at))));
    }
    lines.extend(backup.restore_failure.clone().map(|why| ("restore passed over", why)));
    match backups {
        Some(all) => lines.extend(all.iter().map(|backup| ("backup", whole(backup)))),
        None => lines.push(("backups", "the store does not answer".to_owned())),
    }
    lines.into_iter().map(|(what, said)| [what.to_owned(), said]).collect()
}

fn whole(backup: &Backup) -> String {
    let Backup { id, at, size, key, summary, .. } = backup;
    let key = key.as_ref().map(|key| format!(", encrypted with {key}")).unwrap_or_default();
    let files = summary.files;
    format!("{id}, {}, {files} files in {size} bytes{key}", table::time(*at))
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    #[test]
    fn what_is_wrong_is_said_and_what_is_right_is_not() {
        let well = BackupState { made_at: Some(Timestamp::from_secs(1)), ..BackupState::default() };
        assert_eq!(standing(&well), "");
        let changed = BackupState { changed_since: Some(Timestamp::from_secs(1)), ..well.clone() };
        assert_eq!(standing(&changed), "changed since");
        let overdue = BackupState { overdue: true, failure: Some("no store".into()), ..changed };
        assert_eq!(standing(&overdue), "OVERDUE, failed: no store");
    }
}
