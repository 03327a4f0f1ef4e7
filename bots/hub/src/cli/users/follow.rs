//! What follows from an operator's decision, as far as it can be done by a command: the rest is for
//! the hub, which runs or will.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use zaki_envelope::ZakiUserId;
use zaki_identity::Errand;

use super::edge;
use crate::{
    accounts::Accounts,
    cli::table,
    config::Config,
    errands::{Errands, Followed},
    stores::Stores,
};

/// So long a hub that runs is waited for to do its part.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(200);

/// Does what follows for a person, and waits for what a hub does.
pub(super) async fn follow(config: Config, stores: &Stores, user: ZakiUserId) -> Result<Followed> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let accounts = Arc::new(Accounts::build(&config)?);
    let edge = edge::reach(config).await?;
    let Stores { directory, ledger, .. } = stores;
    let (directory, ledger) = (directory.clone(), Arc::clone(ledger));
    let errands = Errands::new(directory.clone(), ledger, accounts, edge.client.clone());
    let followed = errands.follow(user, edge.is_alone()).await;
    // Tried in vain, it is another's to try.
    let is_waited_for = edge.client.is_none();
    edge.close().await;
    let mut followed = followed?;
    let until = Instant::now() + PATIENCE;
    while is_waited_for && !followed.is_done() && Instant::now() < until {
        sleep(LOOK).await;
        followed.left = directory.errands(Some(user), u32::MAX).await?;
    }
    Ok(followed)
}

/// The same when it is all that is left to be done; what cannot be done now is no error.
pub(super) async fn follow_on(config: Config, stores: &Stores, user: ZakiUserId) -> Vec<Errand> {
    match follow(config, stores, user).await {
        Ok(followed) => followed.left,
        Err(error) => {
            eprintln!("note: {error:#}");
            stores.directory.errands(Some(user), u32::MAX).await.unwrap_or_default()
        }
    }
}

/// What is left, for programs.
pub(super) fn due(left: &[Errand]) -> Value {
    json!(left)
}

/// What is left, for people; nothing when that is only a last look.
pub(super) fn note(left: &[Errand]) {
    for errand in left.iter().filter(|errand| !errand.task.is_last_look()) {
        eprintln!("note: still due: {}", line(errand));
    }
}

/// One that is due, in words.
pub(in crate::cli) fn line(errand: &Errand) -> String {
    let what = match errand.task.word() {
        "forget" if errand.task.is_last_look() => "to look once more for what was under way",
        "forget" => "to remove what was said",
        "erase" => "to remove the sandboxes and their backups at the edge",
        "retire" => "to stop the sandbox at the edge",
        _ => "to let the sandbox run again at the edge",
    };
    let Errand { user, asked_at, due_at, tries, trouble, .. } = errand;
    let since = table::time(*asked_at);
    let tried = match (tries, trouble) {
        (0, _) | (_, None) => String::new(),
        (1, Some(why)) => format!(", tried once in vain ({why})"),
        (tries, Some(why)) => format!(", tried {tries} times in vain ({why})"),
    };
    let next = table::time(*due_at);
    format!("{what}, of {user}, since {since}{tried}; a hub that runs does it, from {next} on")
}
