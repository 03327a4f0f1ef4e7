//! What an operator has done in a sandbox. To the core it is a turn like any other: it wakes the
//! sandbox, waits for its place, and keeps it from resting. Unlike a turn it is done once at most:
//! when the sandbox goes away in the middle of it, it is over.

use futures::future::BoxFuture;
use rand::Rng;
use tokio::sync::oneshot;
use zaki_edge_core::sandbox::Event;
use zaki_envelope::TurnId;

use super::{Actor, Arc, Link, Message};
use crate::{clock, fleet::Mailbox};

type Work = Box<dyn FnOnce(Arc<dyn Link>) -> BoxFuture<'static, ()> + Send + Sync>;

/// One such piece of work.
pub(crate) struct Errand {
    id: TurnId,
    work: Work,
    /// Whether there may be something new in the sandbox afterwards.
    pub(crate) changes: bool,
    /// Told why it was never begun.
    lost: oneshot::Sender<String>,
}

impl Errand {
    /// With what tells its outcome; an error says why there is none.
    pub(crate) fn new<T: Send + 'static>(
        work: impl FnOnce(Arc<dyn Link>) -> BoxFuture<'static, T> + Send + Sync + 'static,
    ) -> (Self, impl Future<Output = Result<T, String>> + Send) {
        let (done, told) = oneshot::channel();
        let (lost, why) = oneshot::channel();
        let work: Work = Box::new(|link| {
            let work = work(link);
            Box::pin(async move { _ = done.send(work.await) })
        });
        let outcome = async move {
            match told.await {
                Ok(outcome) => Ok(outcome),
                Err(_) => Err(why.await.unwrap_or_else(|_| "the sandbox went away".to_owned())),
            }
        };
        let id = TurnId::from_parts(clock::now(), rand::rng().random());
        (Self { id, work, changes: false, lost }, outcome)
    }
}

impl Actor {
    pub(super) fn take_on(&mut self, errand: Errand) -> Event {
        let id = errand.id;
        self.errands.insert(id, errand);
        Event::Accept(id)
    }

    /// The sandbox is up for it. What is not here any more was begun in an earlier start.
    pub(super) fn run_errand(&mut self, id: TurnId, mailbox: &Mailbox) -> Option<Event> {
        let ended = Event::Ended(id);
        let (Some(Errand { work, changes, .. }), Some(link)) =
            (self.errands.remove(&id), self.link.clone())
        else {
            return Some(ended);
        };
        let (shared, name, sender) =
            (self.shared.clone(), self.name.clone(), mailbox.sender.clone());
        self.spawn(async move {
            work(link.clone()).await;
            if changes {
                shared.hooks.changed(&name, Some(&link));
            }
            let _ = sender.send(Message::Event(ended));
        });
        None
    }

    /// The sandbox will not be up for it.
    pub(super) fn fail_errand(&mut self, id: TurnId) {
        if let Some(Errand { lost, .. }) = self.errands.remove(&id) {
            let why = self.reason.clone();
            let _ = lost.send(why.unwrap_or_else(|| "the sandbox went away".to_owned()));
        }
    }
}
