//! Putting the rooms together: stores, edge, accounts, listener; and taking them down again.

pub(crate) mod ending;
mod model;
mod store;

use std::{fs::File, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use zaki_edge_native::Edge;
use zaki_identity::Keep;
use zaki_ledger::Retention;

use ending::Patience;

use crate::{
    accounts::{self, Account, Accounts},
    clock, commands,
    config::{Config, RetentionConfig},
    data_dir::{self, Tenant},
    groups::Groups,
    http,
    hub::{Models, Parts, Settings},
    lane::Bounds,
    limits::Allowance,
    local_edge, memory,
    replica::{self, Door},
    stores::Stores,
    web,
};

/// Connections of platforms and proxies at a time; one more waits.
const CONNECTIONS: usize = 4096;
/// How long a connection may take to send the head of a request.
const HEAD_PATIENCE: Duration = Duration::from_secs(75);
/// How often an edge that is not there at the start is looked for.
const LOOK: Duration = Duration::from_secs(3);
const MINUTE: Duration = Duration::from_mins(1);
/// Counts of usage are kept for so long: more than a year, for whoever compares months.
const USAGE_DAYS: u32 = 400;
const HOUR: Duration = Duration::from_hours(1);

/// A hub that serves.
pub(crate) struct Server {
    pub parts: Parts,
    /// Where webhooks come in.
    pub address: SocketAddr,
    door: Door,
    patience: Patience,
    stores: Stores,
    edge: Option<Edge>,
    /// For the commands of this machine.
    _whereabouts: Option<local_edge::Whereabouts>,
    listeners: Vec<JoinHandle<()>>,
    replica: JoinHandle<()>,
    locks: Vec<File>,
}

/// Starts everything `config` asks for, with its `accounts`, and takes up unfinished work, until
/// `closing` fires.
pub(crate) async fn start(
    config: &Config,
    accounts: Accounts,
    closing: CancellationToken,
) -> Result<Server> {
    // The one TLS provider of this process; a second call only says that it is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut locks = vec![data_dir::lock(&config.data_dir(), Tenant::Hub)?];
    if config.edge.url.is_none() {
        locks.push(data_dir::lock(&config.data_dir(), Tenant::Edge)?);
    }
    let stores = store::open(config, &closing).await?;
    let socket = TcpListener::bind(config.hub.listen).await.with_context(|| {
        format!("cannot listen on {}; free it or set another hub.listen", config.hub.listen)
    })?;
    let address = socket.local_addr()?;
    let counter = web::Counter::open(config).await?;
    let (own, client) = local_edge::reach(config).await?;
    let people = config.people();
    let groups = Groups::new(people.group.mode);
    groups.refresh(&stores.directory).await.context("cannot read the groups")?;
    let (tier, shared) = (config.identity.tier.clone(), stores.ledger.ttl().is_some());
    let parts = Parts {
        accounts: Arc::new(accounts),
        ledger: Arc::clone(&stores.ledger),
        directory: stores.directory.clone(),
        edge: client,
        settings: settings(config),
        public_url: config.hub.public_url.clone(),
        models: Arc::new(Models {
            default: config.model.name.clone(),
            choices: config.model.choices.clone(),
        }),
        groups: Arc::new(groups),
        allowance: Arc::new(Allowance::new(config.limits(), tier, shared)),
        strangers: Arc::default(),
        counters: Arc::default(),
        troubles: Arc::default(),
        stages: Arc::default(),
        tongues: Arc::default(),
        approvals: Arc::default(),
        pace: Arc::new(commands::Pace::new(config.hub.commands_per_minute)),
        places: Arc::default(),
        closing,
    };
    let replica = replica::begin(parts.clone(), config.replica_name())
        .await
        .context("cannot read what an earlier run left")?;
    let door = replica.door();
    let routes = http::router(door.clone(), Arc::clone(&parts.counters));
    if let Some(own) = &own {
        own.connect(|keys| web::of_own_edge(door.clone(), keys));
    } else if config.edge.hub_listen.or(config.web.listen).is_none() {
        tracing::warn!("edge.hub_listen is empty: reminders of agents at that edge reach nobody");
    }
    let whereabouts = own.as_ref().map(|own| own.announce(config)).transpose()?;
    let edge = own.map(|own| own.edge);
    let web = counter.map(|counter| counter.serve(door.clone())).into_iter().flatten();
    let listeners = std::iter::once((socket, routes)).chain(web);
    let listeners = listeners.map(|(socket, routes)| {
        tokio::spawn(zaki_edge_native::serve(socket, routes, CONNECTIONS, HEAD_PATIENCE))
    });
    let listeners = listeners.collect();
    let replica = tokio::spawn(replica.run());
    for account in parts.accounts.iter() {
        set_up(&parts, account);
    }
    tokio::spawn(find_edge(parts.clone()));
    tokio::spawn(model::watch(parts.clone()));
    tokio::spawn(prune(door.clone(), retention(config), kept(config)));
    tokio::spawn(flush(parts.clone()));
    tokio::spawn(memory::give_back(parts.closing.clone()));
    Ok(Server {
        parts,
        address,
        door,
        patience: Patience::of(config),
        stores,
        edge,
        _whereabouts: whereabouts,
        listeners,
        replica,
        locks,
    })
}

/// What the rooms read of it.
pub(crate) fn settings(config: &Config) -> Settings {
    Settings {
        turn_timeout: config.turn.timeout,
        progress: config.turn.progress,
        mid_turn: config.turn.mid_turn,
        bounds: Bounds::new(&config.lane),
        turns_at_once: config.hub.turns_at_once,
        max_wait: config.deliver.max_wait,
        patience: config.deliver.patience,
        report: config.deliver.report,
        paced: config.deliver.paced,
    }
}

/// Does an account's errands in the background, so that a platform that is down keeps nothing else
/// from starting.
fn set_up(parts: &Parts, account: &Account) {
    let (label, errands) = (account.label().to_owned(), account.errands.clone());
    let (troubles, closing) = (Arc::clone(&parts.troubles), parts.closing.clone());
    tokio::spawn(async move {
        let pauses = accounts::REFUSED_AGAIN;
        accounts::run_errands(&label, errands, &troubles, closing, pauses).await;
    });
}

/// Says when a remote edge is not there at the start, until it is.
async fn find_edge(parts: Parts) {
    const LABEL: &str = "edge";
    let Some(place) = parts.edge.place() else { return };
    let mut is_told = false;
    while let Err(error) = parts.edge.check().await {
        tracing::debug!(%error, cause = ?std::error::Error::source(&error), "no edge yet");
        if !std::mem::replace(&mut is_told, true) {
            let said = format!("the edge at {place} cannot be reached; turns wait until it can");
            parts.troubles.warn(LABEL, said);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = parts.closing.cancelled() => return,
        }
    }
    if is_told {
        parts.troubles.clear(LABEL);
        tracing::info!("the edge at {place} is there now");
    }
}

fn retention(config: &Config) -> Retention {
    let days = |n: u32| Duration::from_secs(u64::from(n) * 86_400);
    Retention {
        raw: days(config.retention.raw_days),
        text: days(config.retention.text_days),
        messages: days(config.retention.done_days),
        ..Retention::default()
    }
}

/// Keeps when people last wrote.
async fn flush(parts: Parts) {
    while !parts.closing.is_cancelled() {
        tokio::time::sleep(MINUTE).await;
        if let Err(error) = parts.directory.flush().await {
            tracing::debug!(%error, "when people last wrote was not kept");
        }
    }
}

/// How long the directory keeps what people leave behind.
const fn kept(config: &Config) -> Keep {
    let RetentionConfig { feedback_days, session_days, .. } = config.retention;
    Keep { usage: USAGE_DAYS, feedback: feedback_days, sessions: session_days }
}

async fn prune(door: Door, retention: Retention, keep: Keep) {
    loop {
        tokio::time::sleep(HOUR).await;
        let Some(hub) = door.borrow().clone() else { continue };
        match hub.ledger.prune(hub.fence, clock::now(), retention).await {
            Ok(rows) => tracing::debug!(rows, "pruned the ledger"),
            Err(error) => tracing::warn!(%error, "the ledger was not pruned"),
        }
        match hub.directory.sweep(clock::now(), keep).await {
            Ok(swept) => tracing::debug!(?swept, "swept the directory"),
            Err(error) => tracing::warn!(%error, "the directory was not swept"),
        }
        commands::lapse(&hub).await;
    }
}
