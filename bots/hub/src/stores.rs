//! The ledger and the people: in files of the data directory, or in a database that hubs share.

use std::{io::ErrorKind, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context, Result, bail};
use secrecy::ExposeSecret;
use url::Url;
use zaki_identity::{Directory, Options};
use zaki_ledger::{InboundFilter, Ledger, PgLedger, SqliteLedger};
use zaki_store::{Keys, PgOptions};

use crate::{
    config::Config,
    data_dir::{self, hub_dir},
};

/// Both, open.
pub(crate) struct Stores {
    pub ledger: Arc<dyn Ledger>,
    pub directory: Directory,
    engine: Engine,
}

/// What they are kept in.
enum Engine {
    Files(SqliteLedger),
    Shared(PgLedger),
}

/// In the hub's own directory.
const LEDGER: &str = "ledger.db";
const IDENTITY: &str = "identity.db";
const ONE: InboundFilter = InboundFilter { limit: 1, before: None, state: None };
/// How long a command waits for what others are doing in a database.
const PATIENCE: Duration = Duration::from_secs(30);

impl Stores {
    /// Opens what an earlier run has made: for commands that look at it or mend it.
    pub(crate) async fn open_existing(config: &Config) -> Result<Self> {
        if let Some(file) = file(config) {
            let dir = config.data_dir();
            match file.metadata() {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    bail!("{}", data_dir::nothing(&dir))
                }
                found => found.with_context(|| format!("cannot read {}", file.display()))?,
            };
        }
        // Whoever types a command waits in line; a hub would try again.
        let patient = PgOptions {
            lock_timeout: PATIENCE,
            statement_timeout: PATIENCE,
            ..PgOptions::default()
        };
        Self::open_with(config, &patient).await
    }

    /// Where everything is kept, once it could be opened. Files that are not there are not made; in
    /// a database, what is needed is made as `zaki up` would.
    pub(crate) async fn look(config: &Config) -> Result<String> {
        let place = match file(config) {
            Some(file) if !file.exists() => {
                return Ok(format!("SQLite in {}, from the first start", file.display()));
            }
            Some(file) => format!("SQLite in {}", file.display()),
            None => format!("PostgreSQL at {}", server(config)),
        };
        Self::open(config).await?.close().await;
        Ok(match keys(config)?.first() {
            Some(id) => format!("{place}; what people say is encrypted with the key {id:?}"),
            None => place,
        })
    }

    /// Opens what `config` names, making or migrating it as needed.
    pub(crate) async fn open(config: &Config) -> Result<Self> {
        Self::open_with(config, &PgOptions::default()).await
    }

    async fn open_with(config: &Config, options: &PgOptions) -> Result<Self> {
        let url = &config.ledger.url;
        if url.expose_secret().is_empty() {
            let dir = hub_dir(config)?;
            let identity = dir.join(IDENTITY);
            let ledger = SqliteLedger::open_sealed(dir.join(LEDGER), keys(config)?).await;
            let ledger = ledger.map_err(about_keys)?;
            if !identity.exists() && !ledger.list_inbounds(ONE).await?.is_empty() {
                bail!(
                    "{} is missing beside a ledger that has messages: everybody would be a stranger \
                     and get a new sandbox; put it back from a backup, or move {LEDGER} away as well \
                     to begin anew",
                    identity.display()
                );
            }
            let directory = Directory::sqlite(identity, people(config)?).await?;
            return Ok(Self::new(Engine::Files(ledger), directory));
        }
        if !["postgres://", "postgresql://"].iter().any(|s| url.expose_secret().starts_with(s)) {
            bail!("ledger.url must begin with postgres://; leave it empty for SQLite in data_dir");
        }
        let shared = async {
            let (keys, ttl) = (keys(config)?, PgLedger::TTL);
            let ledger = PgLedger::connect_sealed(url, options, ttl, keys).await;
            let ledger = ledger.map_err(about_keys)?;
            let directory = Directory::postgres(url, options, people(config)?).await?;
            anyhow::Ok(Self::new(Engine::Shared(ledger), directory))
        };
        shared.await.context("cannot use the database of ledger.url")
    }

    fn new(engine: Engine, directory: Directory) -> Self {
        let ledger: Arc<dyn Ledger> = match &engine {
            Engine::Files(ledger) => Arc::new(ledger.clone()),
            Engine::Shared(ledger) => Arc::new(ledger.clone()),
        };
        Self { ledger, directory, engine }
    }

    /// Finishes what is being written; later calls fail as closed.
    pub(crate) async fn close(self) {
        match self.engine {
            Engine::Files(ledger) => ledger.close().await,
            Engine::Shared(ledger) => ledger.close(),
        }
        self.directory.close().await;
    }
}

/// What the directory is told.
fn people(config: &Config) -> Result<Options> {
    Ok(Options { keys: keys(config)?, ..config.people() })
}

/// The keys for what people say.
fn keys(config: &Config) -> Result<Keys> {
    config.ledger.keys().context("ledger.keys")
}

/// Says which setting an error is about.
fn about_keys(error: zaki_ledger::Error) -> anyhow::Error {
    use zaki_ledger::Error::{MissingKey, WrongKey};
    let keys = matches!(error, MissingKey { .. } | WrongKey { .. });
    let error = anyhow::Error::from(error);
    if keys { error.context("ledger.keys") } else { error }
}

/// The ledger's file; none where it is a database.
fn file(config: &Config) -> Option<PathBuf> {
    let files = config.ledger.url.expose_secret().is_empty();
    files.then(|| config.data_dir().join("hub").join(LEDGER))
}

/// `host/database`: nothing else of the address, which holds a password.
fn server(config: &Config) -> String {
    let url = Url::parse(config.ledger.url.expose_secret()).ok();
    let place = url.map(|url| format!("{}{}", url.host_str().unwrap_or_default(), url.path()));
    place.unwrap_or_else(|| "ledger.url".to_owned())
}
