//! Putting the rooms together: stores, edge, accounts, listener; and taking them down again.

use std::{
    fs::{self, File, Permissions, TryLockError},
    net::SocketAddr,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use secrecy::{ExposeSecret, SecretString};
use tokio::{net::TcpListener, task::JoinHandle};
use zaki_channel::Source;
use zaki_edge_native::{
    Edge, EdgeConfig, Isolation, ModelConfig, ProcessConfig, RuntimeChoice, RuntimePaths,
};
use zaki_envelope::signature::{Keyring, SigningKey};
use zaki_identity::{Policy, SqliteDirectory};
use zaki_ledger::{Retention, SqliteLedger};

use crate::{
    accounts::{self, Account, Accounts},
    clock,
    config::{self, Config},
    edge::{EdgeClient, Reach},
    http,
    hub::{AccountInbox, Hub, Settings},
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
    _lock: File,
}

/// Starts everything `config` asks for, with its `accounts`, and takes up unfinished work.
pub(crate) async fn start(config: &Config, accounts: Accounts) -> Result<Server> {
    // The one TLS provider of this process; a second call only says that it is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let lock = lock(&config.data_dir())?;
    let ledger = Arc::new(open_ledger(config).await?);
    let directory = Arc::new(open_directory(config).await?);
    let listener = TcpListener::bind(config.hub.listen).await.with_context(|| {
        format!("cannot listen on {}; free it or set another hub.listen", config.hub.listen)
    })?;
    let (edge, client) = reach_edge(config).await?;
    let settings = Settings {
        turn_timeout: config.turn.timeout,
        max_wait: config.deliver.max_wait,
        patience: config.deliver.patience,
    };
    let hub = Hub::new(accounts, ledger.clone(), directory.clone(), client, settings);
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
    Ok(Server { hub, address, ledger, directory, edge, listener, _lock: lock })
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

/// Takes the data directory for this process alone.
fn lock(dir: &Path) -> Result<File> {
    let unusable = || {
        format!(
            "cannot use the data directory {}; make it writable or set hub.data_dir",
            dir.display()
        )
    };
    fs::create_dir_all(dir).with_context(unusable)?;
    if is_ours(dir).with_context(unusable)? {
        // Sandboxes pass through to their own directories, and see nothing on the way.
        fs::set_permissions(dir, Permissions::from_mode(0o711)).with_context(unusable)?;
    }
    // Private: whoever can open it could hold the lock.
    let mut private = File::options();
    private.create(true).truncate(true).write(true).mode(0o600);
    let file = private.open(dir.join("zaki.lock")).with_context(unusable)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another zaki uses {}; stop it or set another hub.data_dir", dir.display())
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(unusable),
    }
}

/// Whether nobody else keeps anything there, so that its mode is ours to set: it is empty, or an
/// earlier zaki has used it.
fn is_ours(dir: &Path) -> std::io::Result<bool> {
    Ok(dir.join("zaki.lock").exists() || fs::read_dir(dir)?.next().is_none())
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

fn private_dir(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    fs::set_permissions(dir, Permissions::from_mode(0o700))
}

fn hub_dir(config: &Config) -> Result<std::path::PathBuf> {
    let dir = config.data_dir().join("hub");
    private_dir(&dir).with_context(|| {
        format!(
            "cannot use the data directory {}; make it writable or set hub.data_dir",
            dir.display()
        )
    })?;
    Ok(dir)
}

/// The edge: a remote one where configured, otherwise the native one, started here.
async fn reach_edge(config: &Config) -> Result<(Option<Edge>, EdgeClient)> {
    let key = edge_key(config)?;
    let signing = || SigningKey::new("hub", key.expose_secret().as_bytes());
    if let Some(base) = &config.edge.url {
        let http = reqwest::Client::builder().connect_timeout(Duration::from_secs(10)).build()?;
        let reach = Reach::Remote { http, base: base.clone() };
        return Ok((None, EdgeClient::new(reach, signing())));
    }
    let mut edge = EdgeConfig::new(
        config.data_dir(),
        Keyring::new([signing()]),
        runtime(config)?,
        model(config)?,
    );
    edge.listen = config.edge.listen;
    edge.start_timeout = config.sandbox.start_timeout;
    if config.sandbox.max_parallel_starts > 0 {
        edge.max_parallel_starts = config.sandbox.max_parallel_starts;
    }
    let edge = Edge::start(edge).await?;
    let reach = Reach::InProcess(edge.router());
    Ok((Some(edge), EdgeClient::new(reach, signing())))
}

/// The configured key, or a fresh one when hub and edge are one process and need no other.
fn edge_key(config: &Config) -> Result<SecretString> {
    let key = &config.edge.key;
    match (key.expose_secret().len(), &config.edge.url) {
        (0, None) => Ok(hex::encode(rand::random::<[u8; 32]>()).into()),
        (0..32, _) => bail!("edge.key must be at least 32 characters: set the one the edge has"),
        _ => Ok(key.clone()),
    }
}

fn runtime(config: &Config) -> Result<RuntimeChoice> {
    if config.sandbox.runtime == config::Runtime::Echo {
        return Ok(RuntimeChoice::Echo);
    }
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let program = [program.display().to_string(), "container".to_owned()];
    let paths = RuntimePaths::in_dir(&config.runtime_dir());
    let mut process = ProcessConfig::new(program, paths);
    process.allow_exec = config.sandbox.allow_exec;
    process.isolation = match config.sandbox.isolation {
        config::Isolation::Auto => Isolation::Auto,
        config::Isolation::None => Isolation::None,
    };
    Ok(RuntimeChoice::Process(process))
}

pub(crate) fn model(config: &Config) -> Result<ModelConfig> {
    let model = &config.model;
    if model.provider == config::Provider::Offline {
        return Ok(ModelConfig::Offline);
    }
    let Some(base_url) = &model.base_url else {
        bail!(
            "model.provider is \"openai\" but model.base_url is empty: set the provider's address"
        );
    };
    if model.api_key.expose_secret().is_empty() {
        bail!(
            "model.provider is \"openai\" but model.api_key is empty: set it, or model.api_key_file"
        );
    }
    Ok(ModelConfig::Forward {
        base_url: base_url.to_string(),
        api_key: model.api_key.clone(),
        model: model.name.clone(),
    })
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
        match hub.ledger.prune(Hub::FENCE, clock::now(), retention).await {
            Ok(rows) => tracing::debug!(rows, "pruned the ledger"),
            Err(error) => tracing::warn!(%error, "the ledger was not pruned"),
        }
    }
}
