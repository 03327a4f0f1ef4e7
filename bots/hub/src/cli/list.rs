//! `zaki inbox list`: what has been accepted.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use serde_json::{Value, json};
use zaki_envelope::plain_text;
use zaki_ledger::{DeadRecord, InboundFilter, InboundRecord};

use super::{
    Source,
    table::{self, Rows},
};
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
        let ledger = Stores::open_existing(&page.source.load()?).await?.ledger;
        if dead {
            let letters = ledger.list_dead(page.limit).await?;
            page.print(&letters.rows, |letter| Ok(letter_json(letter)), letter_row)?;
            warn_of(&letters.illegible);
        } else {
            let filter = InboundFilter { limit: page.limit, ..InboundFilter::default() };
            let records = ledger.list_inbounds(filter).await?;
            page.print(&records.rows, record_json, record_row)?;
            warn_of(&records.illegible);
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// What a list leaves out, beside it.
pub(super) fn warn_of(illegible: &[String]) {
    if !illegible.is_empty() {
        let ids = illegible.join(", ");
        eprintln!("warning: damaged, or stored by a later release, and not listed: {ids}");
    }
}

fn letter_json(letter: &DeadRecord) -> Value {
    json!({
        "channel": letter.channel,
        "account": letter.account,
        "received_at": letter.received_at,
        "reason": letter.reason,
        "raw": String::from_utf8_lossy(&letter.raw),
    })
}

fn letter_row(letter: &DeadRecord) -> [String; 3] {
    let place = format!("{}/{}", letter.channel, letter.account);
    [table::time(letter.received_at), place, letter.reason.clone()]
}

fn record_json(record: &InboundRecord) -> Result<Value> {
    let mut line = serde_json::to_value(&record.inbound)?;
    line["state"] = serde_json::to_value(record.state)?;
    line["turn"] = serde_json::to_value(record.turn)?;
    line["reason"] = serde_json::to_value(&record.reason)?;
    Ok(line)
}

/// The reason before the words: those may be cut.
fn record_row(record: &InboundRecord) -> [String; 6] {
    let inbound = &record.inbound;
    let name = inbound.sender.display_name.as_deref();
    let who = name.unwrap_or(inbound.sender.id.as_str());
    [
        inbound.id.to_string(),
        table::time(inbound.received_at),
        inbound.channel.to_string(),
        table::word(record.state),
        record.reason.clone().unwrap_or_default(),
        format!("{who}: {}", plain_text(&inbound.parts)),
    ]
}

impl Page {
    /// All of `items`, for programs or for people.
    pub(super) fn print<T, const N: usize>(
        &self,
        items: &[T],
        json: impl Fn(&T) -> Result<Value>,
        row: impl Fn(&T) -> [String; N],
    ) -> Result<()> {
        if self.json {
            for item in items {
                outln!("{}", json(item)?);
            }
            return Ok(());
        }
        let mut rows = Rows::default();
        for item in items {
            rows.push(row(item));
        }
        rows.print();
        Ok(())
    }
}
