//! The stores at the start: a database that is not there yet is waited for.

use std::time::Duration;

use anyhow::{Error, Result, bail};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use zaki_identity::DirectoryError;

use crate::{config::Config, stores::Stores};

/// How often a database that is not there is looked for.
const LOOK: Duration = Duration::from_secs(1);

/// Opens them, as soon as that is possible. What will not pass by itself is an error: a wrong
/// password, an address that makes no sense, a file that somebody else holds.
pub(super) async fn open(config: &Config, closing: &CancellationToken) -> Result<Stores> {
    let opened = async {
        let mut told = String::new();
        loop {
            match Stores::open(config).await {
                Err(error) if is_shared(config) && passes(&error) => {
                    let said = format!("{error:#}");
                    if said != told {
                        tracing::warn!("{said}; waiting for it");
                        told = said;
                    }
                    tokio::time::sleep(LOOK).await;
                }
                opened => {
                    if opened.is_ok() && !told.is_empty() {
                        tracing::info!("the database is there now");
                    }
                    return opened;
                }
            }
        }
    };
    tokio::select! {
        opened = opened => opened,
        () = closing.cancelled() => bail!("stopped before the database was there"),
    }
}

fn is_shared(config: &Config) -> bool {
    !config.ledger.url.expose_secret().is_empty()
}

fn passes(error: &Error) -> bool {
    error.chain().any(|cause| {
        let ledger = cause.downcast_ref().is_some_and(zaki_ledger::Error::is_transient);
        ledger || cause.downcast_ref().is_some_and(DirectoryError::is_transient)
    })
}
