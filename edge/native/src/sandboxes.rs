//! The sandboxes this edge works with, each with its actor while it is up or wanted.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::AbortHandle;
use tokio_util::task::TaskTracker;
use zaki_edge_core::sandbox::Event;
use zaki_envelope::{SandboxName, ZakiUserId, wire::ErrorCode};

use crate::{
    actor::{Actor, Message},
    clock,
    fleet::Mailbox,
    relay,
    runtime::{Echo, Ground, Link, Runtime},
    shared::Shared,
    turn::Turn,
};

/// Tries to stop a turn before its own time limit has to.
const ABORTS: u32 = 3;
const ABORT_PAUSE: Duration = Duration::from_millis(500);

type Inbox = mpsc::UnboundedReceiver<Message>;

pub(crate) struct Sandboxes {
    shared: Arc<Shared>,
    actors: TaskTracker,
    /// The actors of those that an earlier edge had left running.
    adopted: Mutex<HashMap<SandboxName, AbortHandle>>,
    closing: AtomicBool,
}

impl Sandboxes {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let (actors, adopted) = (TaskTracker::new(), Mutex::default());
        Self { shared, actors, adopted, closing: AtomicBool::new(false) }
    }

    /// Takes over, or ends, every sandbox an earlier edge left behind.
    pub(crate) async fn adopt(&self) -> Result<(), zaki_store::Error> {
        let Ground::Built(runtime) = &self.shared.ground else { return Ok(()) };
        let rows = self.shared.state.sandboxes().await?;
        for row in &rows {
            self.shared.reminders.set(&row.name, row.reminder, row.place.is_none());
        }
        let left = rows.into_iter().filter(|row| row.place.is_some());
        let adopt = |row| Actor::adopt(self.shared.clone(), runtime.clone(), row);
        for actor in join_all(left.map(adopt)).await.into_iter().flatten() {
            let (mailbox, inbox) = mailbox();
            let (name, is_there) = (actor.name().clone(), actor.has_link());
            self.shared.fleet.mailboxes.insert(name.clone(), mailbox.clone());
            let run = self.actors.spawn(actor.run(mailbox, None, inbox, retire(&self.shared)));
            if is_there {
                self.adopted().insert(name, run.abort_handle());
            }
        }
        Ok(())
    }

    /// Tells the sandbox `name`; one that is at rest gets its actor now. Returns whether it takes
    /// turns.
    pub(crate) fn tell(&self, name: &SandboxName, message: Message) -> bool {
        match &self.shared.ground {
            Ground::Standing(echo) => self.tell_standing(Arc::new(echo.of(name)), message),
            Ground::Built(runtime) => self.tell_actor(runtime, name, message),
        }
    }

    /// Nothing to start, nothing to remember: a turn goes there right away.
    fn tell_standing(&self, link: Arc<dyn Link>, message: Message) -> bool {
        match message {
            Message::Accept(turn) => {
                let shared = self.shared.clone();
                tokio::spawn(async move {
                    relay::relay(&shared, &turn, &link).await;
                    let later = Echo::later(&turn.request, clock::now());
                    let name = turn.sandbox.clone();
                    shared.recorder.ended(turn, Some(link));
                    if let Some((wait, message)) = later {
                        tokio::time::sleep(wait).await;
                        if let Err(error) = shared.keep_spoken(&name, message).await {
                            tracing::error!(%error, "what was said is lost");
                        }
                    }
                });
            }
            Message::Abort(turn) => abort(link, turn),
            _ => {}
        }
        true
    }

    fn tell_actor(&self, runtime: &Arc<dyn Runtime>, name: &SandboxName, message: Message) -> bool {
        // Held while the message is sent: an actor retires only when none is on its way.
        let entry = self.shared.fleet.mailboxes.entry(name.clone());
        let mailbox = entry.or_insert_with(|| self.enter(runtime, name));
        let ready = mailbox.ready.load(Ordering::Relaxed);
        // A closed mailbox is that of an edge going down: the message's turn is taken up later.
        if let Err(mpsc::error::SendError(Message::Accept(turn))) = mailbox.sender.send(message) {
            turn.release();
            self.shared.close(&turn);
        }
        ready
    }

    fn enter(&self, runtime: &Arc<dyn Runtime>, name: &SandboxName) -> Mailbox {
        let (mailbox, inbox) = mailbox();
        if !self.closing.load(Ordering::SeqCst) {
            let (shared, runtime, name) = (self.shared.clone(), runtime.clone(), name.clone());
            let retire = retire(&self.shared);
            self.actors.spawn(begin(shared, runtime, name, mailbox.clone(), inbox, retire));
        }
        mailbox
    }

    /// How many are not at rest.
    pub(crate) fn count(&self) -> usize {
        self.shared.fleet.mailboxes.len()
    }

    /// Stops every sandbox of `user`, ends its turns with `code`, and returns when all are gone.
    pub(crate) async fn halt(&self, user: ZakiUserId, code: ErrorCode) {
        let theirs =
            self.shared.fleet.mailboxes.iter().filter(|mailbox| mailbox.key().user() == user);
        let halts = theirs.map(|mailbox| {
            let (done, told) = oneshot::channel();
            let _ = mailbox.sender.send(Message::Halt(code, done));
            told
        });
        let halts: Vec<_> = halts.collect();
        join_all(halts).await;
    }

    /// Stops one, ends its turns with `code`, and returns when it is gone.
    pub(crate) async fn halt_one(&self, name: &SandboxName, code: ErrorCode) {
        let (done, told) = oneshot::channel();
        if let Some(mailbox) = self.shared.fleet.mailboxes.get(name) {
            let _ = mailbox.sender.send(Message::Halt(code, done));
        }
        let _ = told.await;
    }

    fn adopted(&self) -> MutexGuard<'_, HashMap<SandboxName, AbortHandle>> {
        self.adopted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of those that an earlier edge had left running: they go on as they are.
    pub(crate) fn let_go(&self) {
        for (name, actor) in self.adopted().drain() {
            actor.abort();
            self.shared.fleet.mailboxes.remove(&name);
        }
    }

    /// Stops every sandbox and returns when all are gone.
    pub(crate) async fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
        self.shared.fleet.close();
        for mailbox in &self.shared.fleet.mailboxes {
            let _ = mailbox.sender.send(Message::Event(Event::Close));
        }
        self.actors.close();
        self.actors.wait().await;
    }
}

/// Stops a turn where it runs.
pub(crate) fn abort(link: Arc<dyn Link>, turn: Arc<Turn>) {
    tokio::spawn(async move {
        for _ in 0..ABORTS {
            if turn.has_ended() || link.abort(turn.id()).await.is_ok() {
                return;
            }
            tokio::time::sleep(ABORT_PAUSE).await;
        }
    });
}

fn mailbox() -> (Mailbox, Inbox) {
    let (sender, inbox) = mpsc::unbounded_channel();
    let mailbox = Mailbox { sender, ready: Arc::default(), phase: watch::Sender::default() };
    (mailbox, inbox)
}

/// Forgets an actor that nobody has told anything since; `false`: somebody has.
fn retire(shared: &Arc<Shared>) -> impl Fn(&SandboxName, &Inbox) -> bool + Send + Sync + use<> {
    let shared = shared.clone();
    move |name, inbox| shared.fleet.mailboxes.remove_if(name, |_, _| inbox.is_empty()).is_some()
}

/// The actor of a sandbox of which nothing runs; it begins with its first message.
async fn begin(
    shared: Arc<Shared>,
    runtime: Arc<dyn Runtime>,
    name: SandboxName,
    mailbox: Mailbox,
    mut inbox: Inbox,
    retire: impl Fn(&SandboxName, &Inbox) -> bool,
) {
    while let Some(first) = inbox.recv().await {
        match shared.state.sandbox(name.clone()).await {
            Ok(row) => {
                let actor = Actor::new(shared, runtime, row);
                return actor.run(mailbox, Some(first), inbox, retire).await;
            }
            // Not knowing its last generation it must not be started.
            Err(error) => tracing::error!(sandbox = %name, %error, "sandbox.unreadable"),
        }
        if let Message::Accept(turn) = first {
            turn.fail(ErrorCode::Internal, "the state of the sandbox cannot be read");
            shared.recorder.ended(turn, None);
        }
        if retire(&name, &inbox) {
            return;
        }
    }
}
