//! Everything kept about a person: written out, or removed.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use futures::TryStreamExt;
use serde_json::json;
use zaki_envelope::ZakiUserId;
use zaki_identity::Actor;
use zaki_ledger::Who;

use super::{One, edge};
use crate::{
    accounts::Accounts,
    clock,
    config::Config,
    export::{Source, archive},
    stores::Stores,
    who,
};

/// What is under way while a person is erased is over after this: a turn that ends as their
/// sandbox does.
const AFTERWARDS: Duration = Duration::from_secs(3);

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
        let written = write(out, Source { directory, ledger, accounts }, *user).await;
        if written.is_err() {
            // Nobody takes a part for the whole.
            fs::remove_file(out).ok();
        }
        let bytes = written.with_context(|| format!("cannot write {}", out.display()))?;
        let line = json!({"user": user, "file": out, "bytes": bytes});
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

async fn write(path: &Path, source: Source, user: ZakiUserId) -> Result<u64> {
    let mut file = create(path)?;
    let mut pieces = pin!(archive(source, user));
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
        let accounts = accounts(&config)?;
        let stores = Stores::open_existing(&config).await?;
        let who = who::who(&stores.directory, &accounts, *user).await?;
        if !yes {
            bail!("{}", warning(*user, &who));
        }
        sandboxes(config, &who).await.with_context(|| {
            format!("nothing of {user} is erased, but perhaps sandboxes; who they are is kept")
        })?;
        let (bindings, removed) = forget(&stores, *user, &who).await?;
        let line = json!({
            "user": user, "erased": who.users, "bindings": bindings, "ledger": removed,
        });
        output.say(&line, || {
            let zaki_ledger::Erased { messages, turns, deliveries, .. } = removed;
            format!(
                "{user} is erased: {bindings} senders, {messages} messages, {turns} turns, \
                 {deliveries} deliveries, and their sandboxes with all backups"
            )
        });
        Ok(())
    }
}

fn warning(user: ZakiUserId, who: &Who) -> String {
    let others = match who.users.len() {
        0 | 1 => String::new(),
        count => format!(" and {} who became that person", count - 1),
    };
    format!(
        "this removes {user}{others}, with {} senders, everything said, and all sandboxes and \
         backups, for good; `zaki users export {user} --out FILE` keeps a copy. Say it again with \
         --yes",
        who.senders.len()
    )
}

/// First, since whoever is interrupted here can say it again.
async fn sandboxes(config: Config, who: &Who) -> Result<()> {
    let edge = edge::reach(config).await?;
    let mut done = Ok(());
    for user in &who.users {
        if done.is_ok() {
            done = edge.within(edge.client.erase(*user)).await;
        }
    }
    edge.close().await;
    done
}

/// What was said, then who they are, then what was said meanwhile.
async fn forget(
    stores: &Stores,
    user: ZakiUserId,
    who: &Who,
) -> Result<(usize, zaki_ledger::Erased)> {
    let Stores { directory, ledger, .. } = stores;
    let removed = ledger.erase(who, clock::now()).await?;
    let erased = directory.erase(user, Actor::Operator, clock::now()).await?;
    tokio::time::sleep(AFTERWARDS).await;
    ledger.erase(who, clock::now()).await?;
    Ok((erased.bindings, removed))
}
