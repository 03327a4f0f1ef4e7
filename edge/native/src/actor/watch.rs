//! What an actor asks of its sandbox, most of it beside its other work: the answer is an event.

use tokio::time::sleep;
use zaki_edge_core::sandbox::{Event, Generation};

use super::{Actor, Message, RESUME_PAUSE, RESUMES};
use crate::fleet::Mailbox;
use crate::proactive;
use crate::runtime::Rest;

impl Actor {
    pub(super) fn watch_exit(&self, mailbox: &Mailbox) {
        let Some(link) = self.link.clone() else {
            return;
        };
        let (sender, generation) = (mailbox.sender.clone(), self.state.generation());
        self.spawn(async move {
            link.exited().await;
            let _ = sender.send(Message::Event(Event::Exited(generation)));
        });
    }

    /// Asks the agent whether it may rest; one that does not answer is busy.
    pub(super) fn suspend(&self, generation: Generation, mailbox: &Mailbox) {
        let Some(link) = self.link.clone() else { return };
        let (sender, name) = (mailbox.sender.clone(), self.name.clone());
        self.spawn(async move {
            let event = match link.suspend().await {
                Ok(Rest::Ready(reminders)) => Event::Suspended(generation, reminders.next),
                Ok(Rest::Busy) => Event::Busy(generation),
                Err(error) => {
                    tracing::warn!(sandbox = %name, %error, "sandbox.not_suspended");
                    // It may rest all the same.
                    let _ = link.resume().await;
                    Event::Busy(generation)
                }
            };
            let _ = sender.send(Message::Event(event));
        });
    }

    pub(super) async fn freeze(&mut self, generation: Generation) -> Event {
        self.listen_no_more();
        let Some(place) = &self.place else { return Event::FreezeFailed(generation) };
        if let Some(link) = &self.link {
            // Nobody can back it up while it is frozen; it has been, unless something went wrong.
            self.shared.hooks.before_stop(&self.name, link, false).await;
        }
        match self.runtime.freeze(&self.name, place).await {
            Ok(()) => {
                tracing::info!(sandbox = %self.name, generation = generation.0, "sandbox.frozen");
                Event::Frozen(generation)
            }
            Err(error) => {
                tracing::warn!(sandbox = %self.name, %error, "sandbox.not_frozen");
                Event::FreezeFailed(generation)
            }
        }
    }

    /// Hears what its agent says by itself, until it is frozen or gone.
    pub(super) fn listen(&mut self) {
        self.listen_no_more();
        let Some(http) = self.link.as_ref().and_then(|link| link.endpoint().cloned()) else {
            return;
        };
        let (shared, name, current) =
            (self.shared.clone(), self.name.clone(), self.current.clone());
        let hearing = proactive::listen(shared, name, http);
        let task = tokio::spawn(async move { current.run_until_cancelled_owned(hearing).await });
        self.listener = Some(task.abort_handle());
    }

    fn listen_no_more(&mut self) {
        if let Some(listener) = self.listener.take() {
            listener.abort();
        }
    }

    pub(super) async fn thaw(&mut self, generation: Generation) -> Event {
        let (Some(place), Some(link)) = (&self.place, &self.link) else {
            return Event::Exited(generation);
        };
        if let Err(error) = self.runtime.thaw(&self.name, place).await {
            tracing::warn!(sandbox = %self.name, %error, "sandbox.not_thawed");
            return Event::Exited(generation);
        }
        for _ in 0..RESUMES {
            if link.resume().await.is_ok() {
                break;
            }
            sleep(RESUME_PAUSE).await;
        }
        self.listen();
        tracing::debug!(sandbox = %self.name, generation = generation.0, "sandbox.resumed");
        Event::Thawed(generation)
    }

    /// Asks the agent for its plans, if it says.
    pub(super) fn look(&self, generation: Generation, mailbox: &Mailbox) {
        let Some(link) = self.link.clone() else { return };
        let sender = mailbox.sender.clone();
        self.spawn(async move {
            if let Ok(reminders) = link.reminders().await {
                let noted = Event::Noted(generation, reminders.next);
                let _ = sender.send(Message::Event(noted));
            }
        });
    }
}
