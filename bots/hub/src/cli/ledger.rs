//! `zaki ledger`: the ledger as a whole. Beside a running hub as well.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use serde_json::json;
use zaki_identity::Actor;

use super::Source;
use crate::{clock, stores::Stores};

#[derive(Subcommand)]
pub(crate) enum Ledger {
    /// Encrypt what people say with the first key of ledger.keys, whatever it is encrypted with
    /// now; then the other keys are not needed any more. Before it, the key must be the first on
    /// every hub.
    Rekey(Rekey),
}

#[derive(Args)]
pub(crate) struct Rekey {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

impl Ledger {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self::Rekey(Rekey { json, source }) = self;
        let config = source.load()?;
        let keys = config.ledger.keys()?;
        let Some(key) = keys.first() else {
            bail!("ledger.keys is empty: there is no key to encrypt with");
        };
        let stores = Stores::open_existing(&config).await?;
        // First what the ledger does not know of: it forgets the other keys at the end.
        let values = stores.directory.rekey().await? + stores.ledger.rekey().await?;
        let detail = json!({"key": key, "values": values});
        stores.directory.record("rekeyed", Actor::Operator, None, detail, clock::now()).await?;
        stores.close().await;
        if json {
            outln!("{}", json!({"key": key, "values": values}));
        } else {
            outln!("{values} values are now encrypted with the key {key:?}, as is everything else");
        }
        Ok(ExitCode::SUCCESS)
    }
}
