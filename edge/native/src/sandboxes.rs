//! All sandboxes this edge knows, each with its actor.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use dashmap::DashMap;
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;
use zaki_edge_core::sandbox::Event;
use zaki_envelope::{SandboxName, wire::ErrorCode};

use crate::{
    actor::{Actor, Message},
    shared::Shared,
};

/// The way to one actor.
#[derive(Clone)]
pub(crate) struct Mailbox {
    pub(crate) sender: mpsc::UnboundedSender<Message>,
    /// Whether its sandbox takes a turn right now.
    pub(crate) ready: Arc<AtomicBool>,
}

pub(crate) struct Sandboxes {
    shared: Arc<Shared>,
    mailboxes: DashMap<SandboxName, Mailbox>,
    actors: TaskTracker,
    closing: AtomicBool,
}

impl Sandboxes {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            mailboxes: DashMap::new(),
            actors: TaskTracker::new(),
            closing: AtomicBool::new(false),
        }
    }

    /// Takes over, or ends, every sandbox an earlier edge left behind.
    pub(crate) async fn adopt(&self) -> Result<(), zaki_store::Error> {
        let rows = self.shared.state.sandboxes().await?;
        let left = rows.into_iter().filter(|row| row.place.is_some());
        let adopt = |row| Actor::adopt(self.shared.clone(), row);
        for actor in futures::future::join_all(left.map(adopt)).await.into_iter().flatten() {
            let (mailbox, inbox) = mailbox();
            self.mailboxes.insert(actor.name().clone(), mailbox.clone());
            self.actors.spawn(actor.run(mailbox, inbox));
        }
        Ok(())
    }

    /// Tells the sandbox `name`; one that is new gets its actor now. Returns whether it takes turns.
    pub(crate) fn tell(&self, name: &SandboxName, message: Message) -> bool {
        let known = self.mailboxes.get(name).map(|mailbox| mailbox.clone());
        let mailbox = known.unwrap_or_else(|| self.enter(name));
        let ready = mailbox.ready.load(Ordering::Relaxed);
        // A closed mailbox is that of an edge going down: the message's turn is taken up later.
        if let Err(mpsc::error::SendError(Message::Accept(turn))) = mailbox.sender.send(message) {
            turn.release();
            self.shared.turns.close(&turn);
        }
        ready
    }

    fn enter(&self, name: &SandboxName) -> Mailbox {
        let entry = self.mailboxes.entry(name.clone());
        let entered = entry.or_insert_with(|| {
            let (mailbox, inbox) = mailbox();
            if !self.closing.load(Ordering::SeqCst) {
                let (shared, name) = (self.shared.clone(), name.clone());
                self.actors.spawn(begin(shared, name, mailbox.clone(), inbox));
            }
            mailbox
        });
        entered.clone()
    }

    /// Stops every sandbox and returns when all are gone.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        for mailbox in &self.mailboxes {
            let _ = mailbox.sender.send(Message::Event(Event::Close));
        }
        self.actors.close();
        self.actors.wait().await;
    }
}

fn mailbox() -> (Mailbox, mpsc::UnboundedReceiver<Message>) {
    let (sender, inbox) = mpsc::unbounded_channel();
    let ready = Arc::default();
    (Mailbox { sender, ready }, inbox)
}

/// The actor of a sandbox of which nothing runs; it begins with its first message.
async fn begin(
    shared: Arc<Shared>,
    name: SandboxName,
    mailbox: Mailbox,
    mut inbox: mpsc::UnboundedReceiver<Message>,
) {
    while let Some(first) = inbox.recv().await {
        match shared.sandbox(&name).await {
            Ok(row) => {
                let _ = mailbox.sender.send(first);
                return Actor::new(shared, row).run(mailbox, inbox).await;
            }
            // Not knowing its last generation it must not be started.
            Err(error) => tracing::error!(sandbox = %name, %error, "sandbox.unreadable"),
        }
        match first {
            Message::Accept(turn) => {
                turn.fail(ErrorCode::Internal, "the state of the sandbox cannot be read");
                shared.settle(turn, None);
            }
            Message::Event(Event::Close) => return,
            _ => {}
        }
    }
}
