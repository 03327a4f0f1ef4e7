//! An inbox in memory, which can refuse as a full disk would.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use zaki_channel::{Batch, Inbox, InboxError};
use zaki_envelope::{Inbound, ReplyHandle};

/// What was accepted, and how often more is to be refused.
pub(crate) struct Memory {
    batches: watch::Sender<Vec<Batch>>,
    cursor: Mutex<Option<String>>,
    refusals: watch::Sender<(u32, u32)>,
}

impl Memory {
    pub(crate) fn new() -> Self {
        Self {
            batches: watch::Sender::new(Vec::new()),
            cursor: Mutex::default(),
            refusals: watch::Sender::new((0, 0)),
        }
    }

    pub(crate) fn refuse(&self, times: u32) {
        self.refusals.send_replace((times, 0));
    }

    /// Until so much was refused since [`Memory::refuse`].
    pub(crate) async fn until_refused(&self, times: u32) {
        let mut refusals = self.refusals.subscribe();
        let refused = refusals.wait_for(|(_, done)| *done >= times);
        tokio::time::timeout(Duration::from_secs(30), refused).await.expect("in time").unwrap();
    }

    pub(crate) fn set_cursor(&self, cursor: &str) {
        *self.cursor.lock().unwrap() = Some(cursor.to_owned());
    }

    pub(crate) fn handles(&self) -> Vec<ReplyHandle> {
        let batches = self.batches();
        let arrivals = batches.into_iter().flat_map(|batch| batch.parsed.arrivals);
        arrivals.filter_map(|arrival| arrival.handle).collect()
    }

    pub(crate) fn stored_cursor(&self) -> Option<String> {
        self.cursor.lock().unwrap().clone()
    }

    pub(crate) fn batches(&self) -> Vec<Batch> {
        self.batches.borrow().clone()
    }

    /// The accepted messages, once there are `count` of them.
    pub(crate) async fn messages(&self, count: usize) -> Vec<Inbound> {
        let all = |batches: &Vec<Batch>| -> Vec<Inbound> {
            let arrivals = batches.iter().flat_map(|batch| &batch.parsed.arrivals);
            arrivals.map(|arrival| arrival.inbound.clone()).collect()
        };
        let mut seen = self.batches.subscribe();
        let enough = seen.wait_for(|batches| all(batches).len() >= count);
        let enough = tokio::time::timeout(Duration::from_secs(30), enough).await;
        all(&enough.expect("the messages arrive").unwrap())
    }

    /// Until `done` says so.
    pub(crate) async fn until(&self, done: impl Fn(&[Batch]) -> bool) {
        let mut seen = self.batches.subscribe();
        let done = seen.wait_for(|batches| done(batches));
        tokio::time::timeout(Duration::from_secs(30), done).await.expect("in time").unwrap();
    }
}

#[async_trait]
impl Inbox for Memory {
    async fn accept(&self, batch: Batch) -> Result<(), InboxError> {
        let refused = self.refusals.send_if_modified(|(left, done)| {
            let refuse = *left > 0;
            *left = left.saturating_sub(1);
            *done += u32::from(refuse);
            refuse
        });
        if refused {
            return Err(InboxError("no space left".into()));
        }
        if let Some(cursor) = &batch.cursor {
            *self.cursor.lock().unwrap() = Some(cursor.clone());
        }
        self.batches.send_modify(|batches| batches.push(batch));
        Ok(())
    }

    async fn cursor(&self) -> Result<Option<String>, InboxError> {
        Ok(self.stored_cursor())
    }
}
