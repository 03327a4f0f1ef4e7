//! Putting the rooms together: stores, edge, accounts, listener; and taking them down again.

use std::{fs::File, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use tokio::{net::TcpListener, task::JoinHandle};
use zaki_channel::Source;
use zaki_edge_native::Edge;
use zaki_identity::{Policy, SqliteDirectory};
use zaki_ledger::{Ledger, Retention, SqliteLedger};

use crate::{
    accounts::{self, Account, Accounts},
    clock,
    config::{self, Config},
    data_dir::{self, Tenant, hub_dir},
    http,
    hub::{AccountInbox, Hub, Settings},
    local_edge,
};

/// How long running work may go on after a stop was asked for.
const GRACE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_hours(1);

/// A hub that serves.
pub(crate) struct Server {
    pub hub: Arc<Hub>,
    /// Where webhooks come in.
    pub address: SocketAddr,
    ledger: Arc<SqliteLedger>,
    directory: Arc<SqliteDirectory>,
    edge: Option<Edge>,
    listener: JoinHandle<std::io::Result<()>>,
    _locks: Vec<File>,
}

/// Starts everything `config` asks for, with its `accounts`, and takes up unfinished work.
pub(crate) async fn start(config: &Config, accounts: Accounts) -> Result<Server> {
    // The one TLS provider of this process; a second call only says that it is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut locks = vec![data_dir::lock(&config.data_dir(), Tenant::Hub)?];
    if config.edge.url.is_none() {
        locks.push(data_dir::lock(&config.data_dir(), Tenant::Edge)?);
    }
    let ledger = Arc::new(open_ledger(config).await?);
    let directory = Arc::new(open_directory(config).await?);
    let listener = TcpListener::bind(config.hub.listen).await.with_context(|| {
        format!("cannot listen on {}; free it or set another hub.listen", config.hub.listen)
    })?;
    let (edge, client) = local_edge::reach(config).await?;
    let settings = Settings {
        turn_timeout: config.turn.timeout,
        max_wait: config.deliver.max_wait,
        patience: config.deliver.patience,
    };
    let fence = ledger.enroll("hub").await?;
    let hub = Hub::new(accounts, ledger.clone(), directory.clone(), client, settings, fence);
    hub.recover().await.context("cannot read what an earlier run left")?;
    let address = listener.local_addr()?;
    let closing = hub.closing.clone();
    let serve = axum::serve(listener, http::router(Arc::clone(&hub)));
    let serve = serve.with_graceful_shutdown(async move { closing.cancelled().await });
    let listener = tokio::spawn(serve.into_future());
    for account in hub.accounts.iter() {
        connect(&hub, account);
    }
    tokio::spawn(prune(Arc::clone(&hub), retention(config)));
    Ok(Server { hub, address, ledger, directory, edge, listener, _locks: locks })
}

impl Server {
    /// Stops: nothing new begins, running work gets its time, every child process ends. What is
    /// left stays in the ledger for the next start.
    pub(crate) async fn stop(self) -> Result<()> {
        self.hub.closing.cancel();
        self.hub.tasks.close();
        if tokio::time::timeout(GRACE, self.hub.tasks.wait()).await.is_err() {
            tracing::warn!("stopping with unfinished work; the next start takes it up");
        }
        self.hub.stop.cancel();
        if let Some(edge) = self.edge {
            edge.shutdown().await;
        }
        let _ = tokio::time::timeout(Duration::from_secs(2), self.listener).await;
        self.ledger.close().await;
        self.directory.close().await;
        Ok(())
    }
}

/// The ledger of the data directory.
pub(crate) async fn open_ledger(config: &Config) -> Result<SqliteLedger> {
    let dir = hub_dir(config)?;
    Ok(SqliteLedger::open(dir.join("ledger.db")).await?)
}

/// The people of the data directory.
pub(crate) async fn open_directory(config: &Config) -> Result<SqliteDirectory> {
    let policy = match config.identity.policy {
        config::SignUp::Open => Policy::Open,
        config::SignUp::Closed => Policy::Closed,
    };
    let dir = hub_dir(config)?;
    Ok(SqliteDirectory::open(dir.join("identity.db"), policy, config.identity.cache).await?)
}

/// Runs an account's socket, or tells its platform where the webhook is; both in the background,
/// so that a platform that is down keeps nothing else from starting.
fn connect(hub: &Arc<Hub>, account: &Account) {
    if let Some(source) = &account.source {
        let inbox =
            AccountInbox { hub: Arc::clone(hub), kind: account.kind, name: account.name.clone() };
        tokio::spawn(receive(inbox, Arc::clone(source), account.label().to_owned()));
    }
    for errand in &account.errands {
        let (hub, label, errand) = (Arc::clone(hub), account.label().to_owned(), errand.clone());
        tokio::spawn(async move {
            if let Err(error) = accounts::run_errand(&label, errand, hub.closing.clone()).await {
                hub.troubles.note(&label, error.to_string());
            }
        });
    }
}

/// Runs a socket until the hub closes. A source ends before that only when going on is pointless.
async fn receive(inbox: AccountInbox, source: Arc<dyn Source>, label: String) {
    let hub = Arc::clone(&inbox.hub);
    let closing = hub.closing.clone();
    // In a task of its own, so that a panic in it is noticed as well.
    let ended = tokio::spawn(async move { source.run(&inbox, closing).await }).await;
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => hub.troubles.note(&label, error.to_string()),
        Err(error) => hub.troubles.note(&label, format!("its socket ended abnormally: {error}")),
    }
}

fn retention(config: &Config) -> Retention {
    let days = |n: u32| Duration::from_secs(u64::from(n) * 86_400);
    Retention {
        raw: days(config.retention.raw_days),
        messages: days(config.retention.done_days),
        ..Retention::default()
    }
}

async fn prune(hub: Arc<Hub>, retention: Retention) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(HOUR) => {}
            () = hub.closing.cancelled() => return,
        }
        match hub.ledger.prune(hub.fence, clock::now(), retention).await {
            Ok(rows) => tracing::debug!(rows, "pruned the ledger"),
            Err(error) => tracing::warn!(%error, "the ledger was not pruned"),
        }
    }
}
