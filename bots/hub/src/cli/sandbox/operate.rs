//! `zaki sandbox start|stop|freeze|restart|upgrade|exec|logs|config`: each is in the record before
//! it is done.

use std::{
    fs,
    io::{self, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use zaki_envelope::{
    SandboxName, ZakiUserId,
    wire::{AgentConfig, ExecOutput, ExecRequest, Outcome, PatchRequest, SandboxReport, Standing},
};
use zaki_identity::Actor;

use super::{NOT_DONE, One, client, reached, with};
use crate::{
    cli::{output::Output, users},
    clock,
    edge::Move,
};

/// As much of a command is kept in the record, in characters.
const KEPT: usize = 500;

/// Stopping one.
#[derive(Args)]
pub(crate) struct Stop {
    #[command(flatten)]
    one: One,
    /// End its turns, whose people are told, instead of waiting for them.
    #[arg(long)]
    now: bool,
}

impl Stop {
    pub(super) async fn stop(self) -> Result<ExitCode> {
        bring(&self.one.output, self.one.user, Move::Stop { now: self.now }).await
    }

    pub(super) async fn restart(self) -> Result<ExitCode> {
        bring(&self.one.output, self.one.user, Move::Restart { now: self.now }).await
    }
}

/// Whose sandbox is to have the version there is.
#[derive(Args)]
pub(crate) struct Upgrade {
    /// The person, as `zaki users list` shows them.
    #[arg(value_parser = users::person, required_unless_present = "all", conflicts_with = "all")]
    user: Option<ZakiUserId>,
    /// Everybody's that is on another version, one after another.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    output: Output,
}

impl Upgrade {
    /// Fails when one of them does.
    pub(super) async fn run(self) -> Result<ExitCode> {
        let reached = users::edge::reach(self.output.source.load()?).await?;
        let ended = self.each(&reached).await;
        reached.close().await;
        ended
    }

    async fn each(&self, reached: &users::edge::Reached) -> Result<ExitCode> {
        let (edge, output) = (client(reached)?, &self.output);
        let who = match self.user {
            Some(user) => vec![user],
            None => edge.sandboxes().await.context(NOT_DONE)?.iter().filter_map(behind).collect(),
        };
        let mut ended = ExitCode::SUCCESS;
        for user in who {
            let to = Move::Upgrade;
            note(output, user, to).await?;
            let code = standing(output, &edge.bring(user, to).await.context(NOT_DONE)?)?;
            if code != ExitCode::SUCCESS {
                ended = code;
            }
        }
        Ok(ended)
    }
}

/// Whose it is, if it is to have another version.
fn behind(report: &SandboxReport) -> Option<ZakiUserId> {
    report.release.wanted.as_ref()?;
    report.sandbox.parse().ok().map(|name: SandboxName| name.user())
}

/// Brings a sandbox there.
pub(super) async fn bring(output: &Output, user: ZakiUserId, to: Move) -> Result<ExitCode> {
    note(output, user, to).await?;
    let needs_company = !matches!(to, Move::Stop { .. });
    let asked = reached(output, async |edge, is_ours| {
        if needs_company && is_ours {
            return Ok(Outcome::failed(
                "no hub and no edge runs that would keep it up; start one (`zaki up`)",
            ));
        }
        edge.bring(user, to).await
    });
    standing(output, &asked.await?)
}

/// Where one is to be brought stands in the record, whatever comes of it.
async fn note(output: &Output, user: ZakiUserId, to: Move) -> Result<()> {
    record(output, user, &format!("sandbox_{}", to.as_str()), json!({})).await
}

fn standing(output: &Output, outcome: &Outcome<Standing>) -> Result<ExitCode> {
    tell(output, outcome, |Standing { phase, version }| {
        let version = version.as_ref().map(|it| format!(", on {it}")).unwrap_or_default();
        format!("{phase}{version}")
    })
}

/// A program to run in one.
#[derive(Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    one: One,
    /// How long it may take, in seconds; ten minutes at most.
    #[arg(long, value_name = "SECONDS", default_value_t = ExecRequest::USUAL_MS / 1000)]
    timeout: u64,
    /// Give it what this command reads.
    #[arg(long)]
    stdin: bool,
    /// The program and its arguments, after `--`.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

impl Exec {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let Self { one: One { user, output }, timeout, stdin, command } = self;
        let said: String = command.join(" ").chars().take(KEPT).collect();
        record(&output, user, "sandbox_exec", json!({ "command": said })).await?;
        let input = if stdin { io::read_to_string(io::stdin())? } else { String::new() };
        let timeout_ms = Some(timeout.saturating_mul(1000));
        let request = ExecRequest { command, input, timeout_ms };
        let outcome = with(&output, async |edge| edge.exec(user, &request).await).await?;
        let Outcome::Done(done) = &outcome else {
            return tell(&output, &outcome, |_| String::new());
        };
        if output.is_for_programs() {
            return tell(&output, &outcome, |_| String::new());
        }
        let ExecOutput { code, timed_out, cut, stdout, stderr } = done;
        // As they are: they may be meant for another program.
        let _ = io::stdout().write_all(stdout.as_bytes());
        let _ = io::stderr().write_all(stderr.as_bytes());
        if *cut {
            eprintln!("warning: there was more output than is kept");
        }
        if *timed_out {
            eprintln!("warning: it took too long and was ended");
        }
        Ok(ExitCode::from(u8::try_from(*code).unwrap_or(u8::MAX)))
    }
}

/// Whose logs.
#[derive(Args)]
pub(crate) struct LogsOf {
    #[command(flatten)]
    one: One,
    /// How many lines of each.
    #[arg(long, default_value_t = 100)]
    lines: usize,
}

impl LogsOf {
    /// Nobody is woken for it.
    pub(super) async fn show(self) -> Result<ExitCode> {
        let Self { one: One { user, output }, lines } = self;
        let told = with(&output, async |edge| edge.logs(user, lines).await).await?;
        output.say(&serde_json::to_value(&told)?, || {
            let logs = told.logs.iter().map(|(name, text)| format!("==> {name}\n{text}"));
            let text = logs.collect::<Vec<_>>().join("\n");
            if text.is_empty() { "there are none".to_owned() } else { text.trim_end().to_owned() }
        });
        Ok(ExitCode::SUCCESS)
    }
}

/// Whose configuration, and what is to be otherwise.
#[derive(Args)]
pub(crate) struct ConfigOf {
    #[command(flatten)]
    one: One,
    /// A JSON merge patch over what was patched before: objects merge, null takes back.
    #[arg(long, value_name = "JSON", conflicts_with = "file")]
    patch: Option<String>,
    /// The same from a file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only if it is still the configuration with this `etag`; that of now otherwise.
    #[arg(long, value_name = "ETAG")]
    if_match: Option<String>,
}

impl ConfigOf {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let Self { one: One { user, output }, patch, file, if_match } = self;
        let text = match (patch, file) {
            (Some(text), _) => Some(text),
            (None, Some(path)) => Some(read(&path)?),
            (None, None) => None,
        };
        let Some(text) = text else {
            let seen = with(&output, async |edge| edge.agent_config(user).await).await?;
            return tell(&output, &seen, show);
        };
        let patch: Value = serde_json::from_str(&text).context("the patch is not JSON")?;
        // Where, and not what: a name or a prompt is somebody's own.
        let detail = json!({ "paths": paths(&patch) });
        record(&output, user, "sandbox_config", detail).await?;
        let asked = with(&output, async |edge| {
            let if_match = match if_match {
                Some(etag) => etag,
                None => match edge.agent_config(user).await? {
                    Outcome::Done(seen) => seen.etag,
                    Outcome::Failed { why } => return Ok(Outcome::Failed { why }),
                },
            };
            edge.patch_config(user, &PatchRequest { if_match, patch }).await
        });
        tell(&output, &asked.await?, show)
    }
}

fn read(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text)?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

fn show(AgentConfig { etag, patch, config, open }: &AgentConfig) -> String {
    let open = open.join(", ");
    format!("{config:#}\n\npatched: {patch}\netag: {etag}\nmay be patched: {open}")
}

/// Every path that a patch sets or takes back.
fn paths(patch: &Value) -> Vec<String> {
    let Value::Object(fields) = patch else { return Vec::new() };
    let below = |(key, value): (&String, &Value)| {
        let deeper = paths(value);
        let here = if deeper.is_empty() { vec![key.clone()] } else { Vec::new() };
        here.into_iter().chain(deeper.into_iter().map(|path| format!("{key}.{path}"))).collect()
    };
    fields.iter().flat_map(|field| -> Vec<String> { below(field) }).collect()
}

/// Before anything is done: what cannot be noted is not.
pub(super) async fn record(
    output: &Output,
    user: ZakiUserId,
    act: &str,
    detail: Value,
) -> Result<()> {
    let directory = output.directory().await?;
    if directory.person(user).await?.is_none() {
        bail!("no person {user}; `zaki users list` shows everybody");
    }
    Ok(directory.record(act, Actor::Operator, Some(user), detail, clock::now()).await?)
}

fn tell<T: serde::Serialize>(
    output: &Output,
    outcome: &Outcome<T>,
    text: impl FnOnce(&T) -> String,
) -> Result<ExitCode> {
    let json = serde_json::to_value(outcome)?;
    Ok(match outcome {
        Outcome::Done(done) => {
            output.say(&json, || text(done));
            ExitCode::SUCCESS
        }
        Outcome::Failed { why } => {
            output.say(&json, || format!("failed: {why}"));
            ExitCode::FAILURE
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_says_where_and_not_what() {
        let patch = json!({"a": {"b": "secret", "c": {"d": null}}, "e": [1], "f": {}});
        assert_eq!(paths(&patch), ["a.b", "a.c.d", "e", "f"]);
        assert!(paths(&json!("x")).is_empty());
    }
}
