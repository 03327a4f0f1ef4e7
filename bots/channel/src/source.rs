//! The socket half of a channel: a loop that fetches raw JSON and puts it into an inbox.

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use tracing::warn;
use zaki_envelope::Timestamp;

use crate::{ChannelError, Parsed, Pause};

/// What one frame or poll brought.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The bytes as they came.
    pub raw: Vec<u8>,
    /// When.
    pub received_at: Timestamp,
    /// What they said.
    pub parsed: Parsed,
    /// Where the source goes on after a restart; stored in the same commit as the messages.
    pub cursor: Option<String>,
}

impl Batch {
    /// With what came right behind it, to be stored at once: a line of bytes each, in order.
    #[must_use]
    pub fn joined(mut self, next: Self) -> Self {
        if !self.raw.is_empty() && !next.raw.is_empty() {
            self.raw.push(b'\n');
        }
        self.raw.extend(next.raw);
        self.parsed.arrivals.extend(next.parsed.arrivals);
        self.parsed.dead.extend(next.parsed.dead);
        self.cursor = next.cursor.or(self.cursor);
        self
    }
}

/// Where a source puts what it received. The hub's side of the contract.
#[async_trait]
pub trait Inbox: Send + Sync {
    /// Stores a batch; returns once it is durable. On an error nothing of it is stored, and the
    /// source must offer it again or let the platform do so.
    async fn accept(&self, batch: Batch) -> Result<(), InboxError>;

    /// The last cursor this source stored.
    async fn cursor(&self) -> Result<Option<String>, InboxError>;

    /// How the last attempt to receive went: the platform was reached, or this is why not. For
    /// whoever looks after it; the source goes on by itself.
    fn reached(&self, attempt: Result<(), &ChannelError>) {
        let _ = attempt;
    }
}

/// The store refused. Try again; do not acknowledge.
#[derive(Debug, thiserror::Error)]
#[error("the inbox cannot store messages now")]
pub struct InboxError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// A connection of our own to a platform.
#[async_trait]
pub trait Source: Send + Sync {
    /// Receives until `stop`. Never does turn work; reconnects by itself with back-off. Returns an
    /// error only when going on is pointless (a wrong token).
    async fn run(&self, inbox: &dyn Inbox, stop: CancellationToken) -> Result<(), ChannelError>;
}

/// Where the last run left off, asked for until the inbox says: to start without it would receive
/// anew, or miss, what came in between.
pub async fn stored_cursor(inbox: &dyn Inbox) -> Option<String> {
    let mut pause = Pause::default();
    loop {
        match inbox.cursor().await {
            Ok(cursor) => return cursor,
            Err(e) => warn!(error = %e, "the inbox does not say where to go on"),
        }
        pause.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// Refuses the first question.
    #[derive(Default)]
    struct Late(AtomicBool);

    #[async_trait]
    impl Inbox for Late {
        async fn accept(&self, _: Batch) -> Result<(), InboxError> {
            Ok(())
        }

        async fn cursor(&self) -> Result<Option<String>, InboxError> {
            let asked_before = self.0.swap(true, Ordering::Relaxed);
            asked_before.then(|| Some("7".to_owned())).ok_or_else(|| InboxError("locked".into()))
        }
    }

    #[tokio::test]
    async fn a_source_waits_until_it_knows_where_to_go_on() {
        assert_eq!(stored_cursor(&Late::default()).await.as_deref(), Some("7"));
    }
}
