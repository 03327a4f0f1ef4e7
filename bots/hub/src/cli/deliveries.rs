//! `zaki deliveries`: what left or is to leave, and what an operator does about the rest. Beside a
//! running hub as well: it looks for such work once a second.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};
use zaki_envelope::{DeliveryId, Outbound, plain_text};
use zaki_identity::{Actor, Directory};
use zaki_ledger::{Delivery, DeliveryFilter, DeliveryState, Ledger};

use super::{
    Source,
    list::{Page, warn_of},
    table,
};
use crate::{clock, outbox::find, stores::Stores};

/// So many are read at a time.
const PAGE: u32 = 500;

#[derive(Subcommand)]
pub(crate) enum Deliveries {
    /// Everything that left or is to leave, newest first.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<State>,
        #[command(flatten)]
        page: Page,
    },
    /// All about one.
    Show {
        /// As `zaki deliveries list` shows it.
        #[arg(value_parser = delivery)]
        id: DeliveryId,
        #[command(flatten)]
        output: Output,
    },
    /// Send what may not have arrived, or was given up, after all. What was unknown may arrive a
    /// second time.
    Retry {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        output: Output,
    },
    /// Never send this, nor the later parts of its reply. The person is told that an answer is
    /// missing; of one that is dead already they are told no more.
    Drop {
        /// As `zaki deliveries list` shows it.
        #[arg(value_parser = delivery)]
        id: DeliveryId,
        #[command(flatten)]
        output: Output,
    },
}

#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// This one, with the later parts of its reply.
    #[arg(value_parser = delivery)]
    id: Option<DeliveryId>,
    /// Everything that may or may not have arrived.
    #[arg(long)]
    all_unknown: bool,
    /// Everything that was given up.
    #[arg(long)]
    all_dead: bool,
}

#[derive(Args)]
pub(crate) struct Output {
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum State {
    Pending,
    Sending,
    Sent,
    Unknown,
    Dead,
}

impl From<State> for DeliveryState {
    fn from(state: State) -> Self {
        match state {
            State::Pending => Self::Pending,
            State::Sending => Self::Sending,
            State::Sent => Self::Sent,
            State::Unknown => Self::Unknown,
            State::Dead => Self::Dead,
        }
    }
}

impl Deliveries {
    pub(crate) async fn run(self) -> Result<ExitCode> {
        match self {
            Self::List { state, page } => list(state.map(Into::into), &page).await?,
            Self::Show { id, output } => show(id, &output).await?,
            Self::Retry { which, output } => retry(which, &output).await?,
            Self::Drop { id, output } => drop(id, &output).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

async fn list(state: Option<DeliveryState>, page: &Page) -> Result<()> {
    let ledger = Stores::open_existing(&page.source.load()?).await?.ledger;
    let filter = DeliveryFilter { limit: page.limit, state, before: None };
    let found = ledger.list_deliveries(filter).await?;
    page.print(&found.rows, |delivery| Ok(serde_json::to_value(delivery)?), row)?;
    warn_of(&found.illegible);
    Ok(())
}

async fn show(id: DeliveryId, output: &Output) -> Result<()> {
    let ledger = Stores::open_existing(&output.source.load()?).await?.ledger;
    let Some(delivery) = find(&*ledger, id).await? else { bail!("there is no delivery {id}") };
    output.print(&serde_json::to_value(&delivery)?, || {
        let turn = delivery.turn.map_or_else(|| "none".to_owned(), |turn| turn.to_string());
        let text = text(&delivery.outbound);
        let Delivery { part, attempts, .. } = &delivery;
        let line = row(&delivery).join("  ");
        format!("{}\n  turn {turn}, part {part}, attempts {attempts}\n{text}", line.trim_end())
    });
    Ok(())
}

/// What an operator does to somebody's answers is on record.
async fn note(directory: &Directory, act: &str, id: DeliveryId) -> Result<()> {
    let detail = json!({"delivery": id});
    Ok(directory.record(act, Actor::Operator, None, detail, clock::now()).await?)
}

async fn retry(which: Which, output: &Output) -> Result<()> {
    let stores = Stores::open_existing(&output.source.load()?).await?;
    let Stores { ledger, directory, .. } = &stores;
    let ids = match which {
        Which { id: Some(id), .. } => vec![id],
        Which { all_unknown: true, .. } => all(&**ledger, DeliveryState::Unknown).await?,
        Which { .. } => all(&**ledger, DeliveryState::Dead).await?,
    };
    let mut retried = 0;
    for id in &ids {
        if ledger.retry_delivery(*id, clock::now()).await? {
            retried += 1;
            note(directory, "delivery_retried", *id).await?;
            output.print(&json!({"id": id, "state": "pending"}), || {
                format!("{id} will be sent again, by the running hub or at its next start")
            });
        } else if which.id.is_some() {
            bail!(
                "{}",
                refused(&**ledger, *id, |_| "only what is unknown or dead is sent again").await?
            );
        }
    }
    if retried == 0 && !output.json {
        outln!("nothing to be sent again");
    }
    Ok(())
}

async fn drop(id: DeliveryId, output: &Output) -> Result<()> {
    let stores = Stores::open_existing(&output.source.load()?).await?;
    let Stores { ledger, directory, .. } = &stores;
    let was = find(&**ledger, id).await?.map(|delivery| delivery.state);
    if !ledger.drop_delivery(id, clock::now()).await? {
        let rule = |state| match state {
            DeliveryState::Dead => "it is not going to be sent: nothing to drop",
            _ => "what is sent or being sent cannot be dropped",
        };
        bail!("{}", refused(&**ledger, id, rule).await?);
    }
    note(directory, "delivery_dropped", id).await?;
    output.print(&json!({"id": id, "state": "dead"}), || match was {
        Some(DeliveryState::Dead) => format!("{id} is dead, and nobody will be told of it"),
        _ => format!("{id} will not be sent"),
    });
    Ok(())
}

/// All in one state, oldest first: they are sent in this order. Not what an operator has dropped,
/// nor what followed it.
async fn all(ledger: &dyn Ledger, state: DeliveryState) -> Result<Vec<DeliveryId>> {
    let (mut ids, mut before) = (Vec::new(), None);
    loop {
        let filter = DeliveryFilter { limit: PAGE, before, state: Some(state) };
        let found = ledger.list_deliveries(filter).await?.rows;
        ids.extend(
            found.iter().filter(|delivery| !delivery.is_dropped()).map(|delivery| delivery.id),
        );
        match found.last() {
            Some(last) => before = Some(last.id),
            None => break,
        }
    }
    ids.reverse();
    Ok(ids)
}

async fn refused(
    ledger: &dyn Ledger,
    id: DeliveryId,
    rule: impl Fn(DeliveryState) -> &'static str,
) -> Result<String> {
    Ok(match find(ledger, id).await? {
        Some(Delivery { state, .. }) => {
            format!("delivery {id} is {}: {}", table::word(state), rule(state))
        }
        None => format!("there is no delivery {id}"),
    })
}

fn row(delivery: &Delivery) -> [String; 5] {
    let Delivery { id, address, state, reason, changed_at, .. } = delivery;
    [
        id.to_string(),
        table::time(*changed_at),
        format!("{} {}", address.channel, address.conversation.id),
        table::word(*state),
        reason.clone().unwrap_or_default(),
    ]
}

/// The id of a delivery, from the command line.
fn delivery(text: &str) -> Result<DeliveryId, &'static str> {
    text.parse().map_err(|_| "not the id of a delivery; `zaki deliveries list` shows them")
}

fn text(outbound: &Outbound) -> String {
    match outbound {
        Outbound::Post { parts, .. } | Outbound::Edit { parts, .. } => plain_text(parts),
        other => format!("{other:?}"),
    }
}

impl Output {
    fn print(&self, json: &Value, text: impl FnOnce() -> String) {
        if self.json { outln!("{json}") } else { outln!("{}", text()) }
    }
}
