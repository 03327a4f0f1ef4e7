//! `zaki audit`: the record of who changed what.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Subcommand;
use zaki_identity::{Audited, Directory, Entry};

use super::{output::Output, table};

/// So many are read at a time.
const PAGE: u32 = 1000;
/// Digits of a hash.
const HASH: usize = 64;

#[derive(Subcommand)]
pub(crate) enum Audit {
    /// What was done, the oldest first: the last of it, or what came after an entry.
    List {
        /// Only what came after the entry with this number.
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,
        /// How many.
        #[arg(long, default_value_t = PAGE)]
        limit: u32,
        #[command(flatten)]
        output: Output,
    },
    /// Inspect the whole record. Fails when an entry was changed, removed or moved.
    Verify {
        /// A head that was noted earlier: fails as well when it is not in the record any more, as
        /// when the record was cut or written anew.
        #[arg(long, value_name = "HASH")]
        head: Option<String>,
        #[command(flatten)]
        output: Output,
    },
}

impl Audit {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { after, limit, output } => list(after, limit, &output).await?,
            Self::Verify { head, output } => verify(head.as_deref(), &output).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(after: Option<u64>, limit: u32, output: &Output) -> Result<()> {
    let directory = output.directory().await?;
    let after = match after {
        Some(after) => after,
        None => directory.acts().await?.saturating_sub(limit.into()),
    };
    output.list(&directory.audit(after, limit).await?, row)
}

async fn verify(head: Option<&str>, output: &Output) -> Result<()> {
    if let Some(head) = head
        && !is_hash(head)
    {
        bail!(
            "--head takes a hash, {HASH} digits from 0 to f, as `zaki audit verify` and `zaki audit \
             list --json` show it; this is none: {}",
            table::plain(head)
        );
    }
    let directory = output.directory().await?;
    let found = directory.verify_audit().await?;
    let Audited { entries, head: last, broken_at } = &found;
    if let Some(place) = broken_at {
        output.say(&serde_json::to_value(&found)?, || format!("{entries} entries are sound"));
        bail!(
            "entry {place} is not what was written, or not where it was; nothing from there on can \
             be relied upon: compare with a backup"
        );
    }
    if let Some(head) = head
        && !has(&directory, head).await?
    {
        bail!("no entry has the hash {head}: the record was cut, or written anew");
    }
    output.say(&serde_json::to_value(&found)?, || match entries {
        0 => "nothing has been recorded yet".to_owned(),
        _ => format!("all {entries} entries are as they were written; the last is {last}"),
    });
    Ok(())
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH && text.chars().all(|digit| matches!(digit, '0'..='9' | 'a'..='f'))
}

/// Whether an entry has this hash.
async fn has(directory: &Directory, hash: &str) -> Result<bool> {
    let mut after = 0;
    loop {
        let entries = directory.audit(after, PAGE).await?;
        if entries.iter().any(|entry| entry.hash == hash) {
            return Ok(true);
        }
        match entries.last() {
            Some(last) => after = last.seq,
            None => return Ok(false),
        }
    }
}

fn row(entry: &Entry) -> [String; 6] {
    let Entry { seq, at, act, by, about, detail, .. } = entry;
    let about = about.map(|user| user.to_string()).unwrap_or_default();
    let detail = if detail == "{}" { String::new() } else { detail.clone() };
    [seq.to_string(), table::time(*at), act.clone(), about, format!("by {by}"), detail]
}
