//! `zaki sandbox`: the sandboxes, what is done with them, what of their memory is backed up, and
//! having it back.

mod operate;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use zaki_envelope::{
    BackupId, ZakiUserId,
    wire::{Backup, BackupOutcome, BackupState, Release, RestoreRequest, SandboxReport},
};

use super::{output::Output, table, users};
use crate::edge::{EdgeClient, EdgeError, Move};

const NOT_DONE: &str = "the edge does not do it";

#[derive(Subcommand)]
pub(crate) enum Sandbox {
    /// All of them: whether they are awake, and how their backups stand.
    List {
        #[command(flatten)]
        output: Output,
    },
    /// One person's, with its backups.
    Show(One),
    /// Have it up.
    Start(One),
    /// Stop it, once its turns have ended. Its next message starts it again.
    Stop(operate::Stop),
    /// Hold it still, with all it has in memory, once its agent has nothing to do.
    Freeze(One),
    /// Stop it and have it up again.
    Restart(operate::Stop),
    /// Give it the version of its agent that the edge has for all: backed up before, and taken back
    /// with that backup if it does not come up well.
    Upgrade(operate::Upgrade),
    /// Run a program in it, as its own user, within bounds: `zaki sandbox exec USER -- ls -l`.
    Exec(operate::Exec),
    /// The last lines of its logs; it is not woken.
    Logs(operate::LogsOf),
    /// What its agent is configured with, or change that.
    Config(operate::ConfigOf),
    /// Back it up now; it is woken if it has to be.
    Backup(One),
    /// Give it the memory of a backup. What it has now is backed up before, where it can be.
    Restore {
        #[command(flatten)]
        one: One,
        /// Which backup; the newest that is whole otherwise.
        #[arg(long, value_name = "ID")]
        backup: Option<BackupId>,
        /// Where it has no memory and no backup can be restored, though not all are broken: have it
        /// begin anew all the same. The backups are kept.
        #[arg(long, conflicts_with = "backup")]
        anew: bool,
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
            Self::Start(One { user, output }) => {
                return operate::bring(&output, user, Move::Start).await;
            }
            Self::Stop(stop) => return stop.stop().await,
            Self::Freeze(One { user, output }) => {
                return operate::bring(&output, user, Move::Freeze).await;
            }
            Self::Restart(stop) => return stop.restart().await,
            Self::Upgrade(upgrade) => return upgrade.run().await,
            Self::Exec(exec) => return exec.run().await,
            Self::Logs(logs) => return logs.show().await,
            Self::Config(config) => return config.run().await,
            Self::Backup(One { user, output }) => {
                let outcome = with(&output, async |edge| edge.back_up(user).await).await?;
                return say(
                    &output,
                    &outcome,
                    "backed up",
                    "nothing has changed since the last one",
                );
            }
            Self::Restore { one: One { user, output }, backup, anew } => {
                let detail = json!({"backup": backup, "anew": anew});
                operate::record(&output, user, "sandbox_restore", detail).await?;
                let what = RestoreRequest { id: backup, anew };
                let asked = with(&output, async |edge| edge.bring_back(user, what).await).await?;
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
    reached(output, async |edge, _| ask(edge).await).await
}

/// The same; whoever asks is told whether that edge is ours, and ends with this command.
async fn reached<T>(
    output: &Output,
    ask: impl AsyncFnOnce(&EdgeClient, bool) -> Result<T, EdgeError>,
) -> Result<T> {
    let reached = users::edge::reach(output.source.load()?).await?;
    let asked = ask(client(&reached)?, reached.is_alone()).await.context(NOT_DONE);
    reached.close().await;
    asked
}

fn client(reached: &users::edge::Reached) -> Result<&EdgeClient> {
    reached.client.as_ref().context(
        "the sandboxes are those of the running hub, which does not say how its edge is called: \
         run this as the user it runs as, or set edge.key and edge.listen and start it anew",
    )
}

fn say(output: &Output, outcome: &BackupOutcome, done: &str, nothing: &str) -> Result<ExitCode> {
    let json = serde_json::to_value(outcome)?;
    let (text, code) = match outcome {
        BackupOutcome::Done { backup, passed_over } => {
            for passed in passed_over {
                eprintln!("warning: passed over: {passed}");
            }
            (format!("{done}: {}", whole(backup)), ExitCode::SUCCESS)
        }
        BackupOutcome::Anew => {
            let text = "begun anew: no backup could be restored; all are kept";
            (text.to_owned(), ExitCode::SUCCESS)
        }
        BackupOutcome::Nothing => (nothing.to_owned(), ExitCode::SUCCESS),
        BackupOutcome::Failed { why } => (format!("failed: {why}"), ExitCode::FAILURE),
    };
    output.say(&json, || text);
    Ok(code)
}

fn row(report: &SandboxReport) -> [String; 5] {
    let SandboxReport { sandbox, phase, release, backup, .. } = report;
    let made = backup.made_at.map_or_else(|| "never".to_owned(), table::time);
    [sandbox.clone(), phase.to_string(), on(release), made, standing(backup)]
}

/// Which version it is on, and whether it is to have another one.
fn on(Release { version, wanted, refused }: &Release) -> String {
    let version = version.clone().unwrap_or_else(|| "-".to_owned());
    match (wanted, refused) {
        (Some(wanted), Some(_)) => format!("{version} (not {wanted})"),
        (Some(wanted), None) => format!("{version} -> {wanted}"),
        (None, _) => version,
    }
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
    let SandboxReport { sandbox, phase, release, backup, backups, .. } = report;
    let mut lines =
        vec![("sandbox", sandbox.clone()), ("is", phase.to_string()), ("version", on(release))];
    lines.extend(release.refused.clone().map(|why| ("upgrade taken back", why)));
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
    fn an_upgrade_to_come_and_one_taken_back_are_seen() {
        let release = |wanted: Option<&str>, refused: Option<&str>| {
            let owned = |text: Option<&str>| text.map(str::to_owned);
            on(&Release {
                version: owned(Some("1")),
                wanted: owned(wanted),
                refused: owned(refused),
            })
        };
        assert_eq!(release(None, None), "1");
        assert_eq!(release(Some("2"), None), "1 -> 2");
        assert_eq!(release(Some("2"), Some("it ended")), "1 (not 2)");
    }

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
