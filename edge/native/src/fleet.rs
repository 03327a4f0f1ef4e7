//! The sandboxes of this machine that are not at rest: the way to each of them, and who may start.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;
use tokio::sync::{mpsc, watch};
use zaki_edge_core::{
    fleet,
    fleet::Limits,
    sandbox::{Claim, Phase},
};
use zaki_envelope::SandboxName;

use crate::actor::Message;

/// The way to one actor.
#[derive(Clone)]
pub(crate) struct Mailbox {
    pub(crate) sender: mpsc::UnboundedSender<Message>,
    /// Whether its sandbox takes a turn right now.
    pub(crate) ready: Arc<AtomicBool>,
    /// Where its sandbox is in its life.
    pub(crate) phase: watch::Sender<Phase>,
}

/// All of them.
pub(crate) struct Fleet {
    core: Mutex<fleet::Fleet<SandboxName>>,
    /// How much memory one of them has, in megabytes.
    size: u64,
    pub(crate) mailboxes: DashMap<SandboxName, Mailbox>,
}

impl Fleet {
    /// Nobody is there yet. The largest sandbox fits, whatever the limits say.
    pub(crate) fn new(limits: Limits, size: u64) -> Self {
        let limits = Limits { memory: limits.memory.max(size), ..limits };
        let core = Mutex::new(fleet::Fleet::new(limits));
        Self { core, size, mailboxes: DashMap::new() }
    }

    /// Says what `name` has or wants now, and passes on what follows for whom.
    pub(crate) fn tell(&self, name: &SandboxName, claim: Claim) {
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        // Sent under the lock, so that nobody hears of two decisions in the wrong order.
        for (to, event) in core.tell(name, self.size, claim) {
            if let Some(mailbox) = self.mailboxes.get(&to) {
                let _ = mailbox.sender.send(Message::Event(event));
            }
        }
    }

    /// Nobody starts any more.
    pub(crate) fn close(&self) {
        self.core.lock().unwrap_or_else(PoisonError::into_inner).close();
    }
}
