//! `zaki inbox list`: what has been accepted.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zaki_envelope::plain_text;
use zaki_ledger::InboundFilter;

use super::Source;
use crate::stores::Stores;

#[derive(Subcommand)]
pub(crate) enum Inbox {
    /// Accepted messages, newest first.
    List {
        /// Requests that made no sense instead, with their raw bytes.
        #[arg(long)]
        dead: bool,
        #[command(flatten)]
        page: Page,
    },
}

#[derive(Args)]
pub(crate) struct Page {
    /// One JSON object a line, with everything in it.
    #[arg(long)]
    json: bool,
    /// How many.
    #[arg(long, default_value_t = 1000)]
    pub(super) limit: u32,
    #[command(flatten)]
    pub(super) source: Source,
}

impl Inbox {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        let Self::List { dead, page } = self;
        let ledger = Stores::open(&page.source.load()?).await?.ledger;
        if dead {
            for letter in ledger.list_dead(page.limit).await? {
                let raw = String::from_utf8_lossy(&letter.raw);
                let line = json!({
                    "channel": letter.channel,
                    "account": letter.account,
                    "received_at": letter.received_at,
                    "reason": letter.reason,
                    "raw": raw,
                });
                page.print(&line, || {
                    format!("{}/{}  {}", letter.channel, letter.account, letter.reason)
                });
            }
            return Ok(ExitCode::SUCCESS);
        }
        let filter = InboundFilter { limit: page.limit, ..InboundFilter::default() };
        for record in ledger.list_inbounds(filter).await? {
            let mut line = serde_json::to_value(&record.inbound)?;
            line["state"] = serde_json::to_value(record.state)?;
            line["turn"] = serde_json::to_value(record.turn)?;
            line["reason"] = serde_json::to_value(&record.reason)?;
            page.print(&line, || {
                let inbound = &record.inbound;
                let who =
                    inbound.sender.display_name.as_deref().unwrap_or(inbound.sender.id.as_str());
                let state = line["state"].as_str().unwrap_or_default().to_owned();
                format!("{:9} {state:9} {who}: {}", inbound.channel, plain_text(&inbound.parts))
            });
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Page {
    pub(super) fn print(&self, json: &Value, text: impl FnOnce() -> String) {
        if self.json { outln!("{json}") } else { outln!("{}", text()) }
    }
}
