//! Taking a hub down again: in its time, whatever hangs, and with a word about what is left. Whatever
//! is not finished by then is as after a kill.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};
use zaki_edge_native::Edge;
use zaki_ledger::{Counts, Ledger};

use super::Server;
use crate::{cli::THREADS, clock, config::Config, hub::Parts, stores::Stores};

/// How long work that has been stopped may take to notice.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How long it may take to give the lease up, so that others need not wait for its end.
const LEASE: Duration = Duration::from_secs(4);
/// How long the stores may take to keep the last of what is in memory, and to close.
const STORES: Duration = Duration::from_secs(3);
/// How long the ledger may take to say what it holds.
const WORD: Duration = Duration::from_secs(2);

/// How long a stop may take.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// Running work.
    work: Duration,
    /// The edge of this process with its sandboxes, if it has one.
    sandboxes: Duration,
}

impl Patience {
    pub(crate) fn of(config: &Config) -> Self {
        let elsewhere = config.edge.url.is_some();
        let sandboxes = if elsewhere { Duration::ZERO } else { config.sandbox.stop_timeout };
        Self { work: config.hub.stop_timeout, sandboxes }
    }

    /// From the signal to the end of the process, as `config/default.toml` promises it.
    pub(crate) fn whole(self) -> Duration {
        self.work + LAST_WORDS + LEASE + self.sandboxes + STORES + THREADS
    }
}

impl Server {
    /// Stops, as was `asked` then: nothing new begins, running work gets its time, every child
    /// process ends. What is left stays in the ledger for another replica, or for the next start.
    pub(crate) async fn stop(self, asked: Instant) {
        tracing::info!(within_s = self.patience.whole().as_secs(), "stopping");
        self.parts.closing.cancel();
        let hub = self.door.borrow().clone();
        if let Some(hub) = hub {
            hub.tasks.close();
            if timeout_at(asked + self.patience.work, hub.tasks.wait()).await.is_err() {
                tracing::warn!("stopping with unfinished work, which waits in the ledger");
            }
            hub.stop.cancel();
            let _ = timeout(LAST_WORDS, hub.tasks.wait()).await;
        }
        if timeout(LEASE, self.replica).await.is_err() {
            tracing::warn!("the ledger does not answer; the lease ends by itself");
        }
        if let Some(edge) = self.edge {
            end(edge, self.patience.sandboxes).await;
        }
        // Until now they have told everybody to come again.
        for listener in &self.listeners {
            listener.abort();
        }
        if timeout(STORES, close(&self.parts, self.stores)).await.is_err() {
            tracing::warn!("the stores do not close; the next start finds them as after a crash");
            // Nobody else may take the directory over while one of them may still write.
            std::mem::forget(self.locks);
        }
    }
}

/// Ends an edge of this process. Sandboxes that take longer run on, and so does whatever ends them,
/// until the process does.
pub(crate) async fn end(edge: Edge, within: Duration) {
    let mut ending = Box::pin(edge.shutdown());
    if timeout(within, &mut ending).await.is_err() {
        tracing::warn!("not all sandboxes have ended; the next start takes over those that run");
        std::mem::forget(ending);
    }
}

async fn close(parts: &Parts, stores: Stores) {
    let keep = async {
        if let Err(error) = parts.allowance.spending.keep(&parts.directory, clock::now()).await {
            tracing::warn!(%error, "what people have spent in the last second was not kept");
        }
        if let Err(error) = parts.places.keep(&parts.directory).await {
            tracing::debug!(%error, "where people were in the last second was not kept");
        }
    };
    tokio::join!(say(&*stores.ledger), keep);
    stores.close().await;
}

/// Says what waits. A ledger that does not answer has said enough.
async fn say(ledger: &dyn Ledger) {
    match timeout(WORD, ledger.counts()).await {
        Ok(Ok(counts)) => tracing::info!("{}", stopped(&counts, ledger.ttl().is_some())),
        Ok(Err(error)) => tracing::warn!(%error, "stopped; the ledger does not say what waits"),
        Err(_) => tracing::warn!("stopped; the ledger does not say what waits"),
    }
}

/// `shared`: other replicas may be at it.
fn stopped(counts: &Counts, shared: bool) -> String {
    let open = [
        (counts.accepted, "message", "messages"),
        (counts.running, "begun turn", "begun turns"),
        (counts.pending + counts.sending, "delivery", "deliveries"),
    ];
    let open = open.into_iter().filter(|(count, ..)| *count > 0);
    let open: Vec<String> = open
        .map(|(count, one, many)| format!("{count} {}", if count == 1 { one } else { many }))
        .collect();
    let Some((last, others)) = open.split_last() else { return "stopped; nothing waits".into() };
    let all =
        if others.is_empty() { last.clone() } else { format!("{} and {last}", others.join(", ")) };
    let whom = if shared { "another replica or the next start" } else { "the next start" };
    format!("stopped; for {whom} there is: {all}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_of_it_is_what_the_settings_say() {
        let promised = "from SIGTERM to the end of the process";
        let said = include_str!("../../../../config/default.toml").replace("\n# ", " ");
        assert!(said.to_lowercase().contains(&promised.to_lowercase()));
        for sum in ["10 seconds for all else", "120 seconds as it stands", "30 with an edge"] {
            assert!(said.contains(sum), "{sum}");
        }
        let mut config = crate::config::load_table(toml::Table::new()).unwrap();
        assert_eq!(Patience::of(&config).whole(), Duration::from_mins(2));
        config.edge.url = Some("http://edge.example".parse().unwrap());
        assert_eq!(Patience::of(&config).whole(), Duration::from_secs(30));
    }

    #[test]
    fn it_says_what_is_left_and_for_whom() {
        let counts = Counts { dead: 7, ..Counts::default() };
        assert_eq!(stopped(&counts, false), "stopped; nothing waits");
        let counts = Counts { accepted: 2, pending: 1, ..counts };
        let said = stopped(&counts, false);
        assert_eq!(said, "stopped; for the next start there is: 2 messages and 1 delivery");
        let counts = Counts { accepted: 0, running: 1, sending: 2, ..counts };
        assert!(
            stopped(&counts, true).ends_with("next start there is: 1 begun turn and 3 deliveries")
        );
    }
}
