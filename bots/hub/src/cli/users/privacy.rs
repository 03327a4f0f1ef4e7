//! Everything kept about a person: written out, or removed.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::TryStreamExt;
use serde_json::json;
use zaki_envelope::ZakiUserId;
use zaki_identity::{Actor, Erased, Traces};

use super::{One, edge, follow};
use crate::{
    accounts::Accounts,
    clock,
    config::Config,
    errands::Followed,
    export::{self, Source, archive},
    stores::Stores,
};

#[derive(Args)]
pub(crate) struct Export {
    #[command(flatten)]
    one: One,
    /// The archive, a zip; it must not be there yet.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct Erase {
    #[command(flatten)]
    one: One,
    /// It is meant. Without it, what would be erased is only said.
    #[arg(long)]
    yes: bool,
}

fn accounts(config: &Config) -> Result<Arc<Accounts>> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    Ok(Arc::new(Accounts::build(config)?))
}

impl Export {
    pub(super) async fn run(&self) -> Result<()> {
        let Self { one: One { user, output }, out } = self;
        let config = output.source.load()?;
        let accounts = accounts(&config)?;
        let Stores { directory, ledger, .. } = Stores::open_existing(&config).await?;
        if directory.person(*user).await?.is_none() {
            bail!("no person {user}; `zaki users list` shows everybody");
        }
        let file = create(out)?;
        let reached = reach(config).await;
        let client = reached.as_ref().and_then(|reached| reached.client.clone());
        let sandbox = client.is_some();
        let source = Source { directory, ledger, accounts, edge: client };
        let written = hand_out(file, source, *user).await;
        if let Some(reached) = reached {
            reached.close().await;
        }
        // Nobody takes a part for the whole.
        let written = written.inspect_err(|_| drop(fs::remove_file(out)));
        let bytes = written.with_context(|| format!("cannot write {}", out.display()))?;
        let line = json!({"user": user, "file": out, "bytes": bytes, "sandbox": sandbox});
        output.say(&line, || format!("all about {user} is in {} ({bytes} bytes)", out.display()));
        Ok(())
    }
}

/// Private, since nothing is more so.
fn create(path: &Path) -> Result<File> {
    let made = File::options().write(true).create_new(true).mode(0o600).open(path);
    made.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            anyhow::anyhow!("{} is there already; name another --out", path.display())
        }
        _ => anyhow::Error::from(error).context(format!("cannot write {}", path.display())),
    })
}

/// The edge that has the sandboxes, if it can be reached; else whoever asks is told.
async fn reach(config: Config) -> Option<edge::Reached> {
    let why = match edge::reach(config).await {
        Ok(reached) if reached.client.is_some() => return Some(reached),
        Ok(_) => {
            "its edge is in the hub that runs; set edge.key and edge.listen, or stop it".into()
        }
        Err(error) => format!("{error:#}"),
    };
    eprintln!("warning: what the sandbox has written down is not in it: {why}");
    None
}

/// Writes the archive. Whoever stops that halfway has what is written by then: that they have it is in
/// the record before the first byte, and that it broke off after it.
async fn hand_out(file: File, source: Source, user: ZakiUserId) -> Result<u64> {
    let directory = source.directory.clone();
    let (by, nothing) = (Actor::Operator, json!({}));
    let exported = directory.record("exported", by, Some(user), nothing, clock::now());
    exported.await.context("cannot record that this is exported, so it is not")?;
    let written = write(file, source, user).await;
    if written.is_err() {
        export::broke_off(&directory, user, Actor::Operator).await;
    }
    written
}

async fn write(mut file: File, source: Source, user: ZakiUserId) -> Result<u64> {
    let mut pieces = pin!(archive(source, user, None));
    let mut bytes = 0;
    while let Some(piece) = pieces.try_next().await? {
        file.write_all(&piece)?;
        bytes += piece.len() as u64;
    }
    file.sync_all()?;
    Ok(bytes)
}

impl Erase {
    pub(super) async fn run(&self) -> Result<()> {
        let Self { one: One { user, output }, yes } = self;
        let config = output.source.load()?;
        let stores = Stores::open_existing(&config).await?;
        let traces = stores.directory.traces(*user).await?;
        if !yes {
            bail!("{}", warning(*user, &traces));
        }
        let (by, now) = (Actor::Operator, clock::now());
        let Erased { people, bindings, barred } = stores.directory.erase(*user, by, now).await?;
        let followed = follow::follow(config, &stores, *user).await.with_context(|| {
            format!("{user} is nobody any more; a hub that runs removes what was theirs")
        })?;
        let Followed { erased, left } = &followed;
        let line = json!({
            "user": user, "erased": people, "bindings": bindings, "barred": barred,
            "ledger": erased, "due": follow::due(left),
        });
        output.say(&line, || {
            let zaki_ledger::Erased { messages, turns, deliveries, .. } = erased;
            let sandboxes =
                if followed.is_done() { ", and their sandboxes with all backups" } else { "" };
            format!(
                "{user} is erased: {bindings} senders, {messages} messages, {turns} turns, \
                 {deliveries} deliveries{sandboxes}{}",
                stay_blocked(barred)
            )
        });
        follow::note(left);
        Ok(())
    }
}

/// What is said of the senders of somebody who was blocked.
fn stay_blocked(count: usize) -> String {
    match count {
        0 => String::new(),
        count => format!(
            "; {count} senders stay blocked, under a keyed hash: `zaki users unblock CHANNEL:ID`"
        ),
    }
}

fn warning(user: ZakiUserId, traces: &Traces) -> String {
    let others = match traces.users.len() {
        0 | 1 => String::new(),
        count => format!(" and {} who became that person", count - 1),
    };
    format!(
        "this removes {user}{others}, with {} senders, everything said, and all sandboxes and \
         backups, for good; `zaki users export {user} --out FILE` keeps a copy. Say it again with \
         --yes",
        traces.senders.len()
    )
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope};
    use zaki_identity::{Directory, How};

    use super::*;
    use crate::config;

    async fn exports(directory: &Directory) -> Vec<String> {
        let acts = directory.audit(0, 100).await.unwrap();
        acts.into_iter().map(|act| act.act).filter(|act| act.starts_with("export")).collect()
    }

    #[tokio::test]
    async fn who_has_an_archive_is_in_the_record_before_its_first_byte() {
        let dir = tempfile::tempdir().unwrap();
        let toml = format!("[hub]\ndata_dir = {:?}", dir.path());
        let config = config::load_table(toml.parse().unwrap()).unwrap();
        let Stores { directory, ledger, .. } = Stores::open(&config).await.unwrap();
        let ann = Sender::new(SenderScope::new(""), SenderId::new("ann"));
        let (by, how) = (Actor::Operator, How::Operator);
        let ann =
            directory.enrol(ChannelKind::Telegram, &ann, by, how, clock::now()).await.unwrap();
        let source = Source { directory, ledger, accounts: Arc::default(), edge: None };
        // It takes no byte at all.
        let full = File::options().write(true).open("/dev/full").unwrap();
        assert!(hand_out(full, source.clone(), ann).await.is_err());
        assert_eq!(exports(&source.directory).await, ["exported", "export_failed"]);
        let file = create(&dir.path().join("ann.zip")).unwrap();
        assert!(hand_out(file, source.clone(), ann).await.unwrap() > 0);
        assert_eq!(exports(&source.directory).await, ["exported", "export_failed", "exported"]);
    }
}
