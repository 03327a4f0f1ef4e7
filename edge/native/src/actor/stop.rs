//! How an actor ends a start. What was cut off is stopped in there and backed up before it goes: who
//! is retired has whatever their agent had written by then.

use futures::future::join_all;
use zaki_edge_core::{
    sandbox::{Event, Generation},
    turn::why,
};
use zaki_envelope::{TurnId, wire::ErrorCode};

use super::{Actor, Manner, Message};
use crate::fleet::Mailbox;

impl Actor {
    /// Beside whatever is asked of it meanwhile: what comes now waits for the next start. `cut`: turns
    /// ran in it up to now, and nobody will say of them that they have ended.
    pub(super) fn stop(&mut self, generation: Generation, cut: bool, mailbox: &Mailbox) {
        self.current.cancel();
        let link = self.link.take().filter(|_| std::mem::take(&mut self.is_up));
        let failed = std::mem::take(&mut self.failed);
        if cut && !self.erased {
            self.shared.hooks.changed(&self.name, None);
        }
        let (shared, runtime, name) =
            (self.shared.clone(), self.runtime.clone(), self.name.clone());
        let (place, manner, sender) = (self.place.clone(), self.manner, mailbox.sender.clone());
        tokio::spawn(async move {
            if let (Some(link), Manner::Gently) = (&link, manner) {
                if cut {
                    // An agent at work cannot be backed up. One that does not hear it is stopped so.
                    join_all(failed.into_iter().map(|turn| link.abort(turn))).await;
                }
                shared.hooks.before_stop(&name, link, cut).await;
            }
            if let Some(place) = &place {
                runtime.stop(&name, place, manner).await;
            }
            shared.revoke(&name);
            tracing::info!(sandbox = %name, generation = generation.0, "sandbox.stopped");
            let _ = sender.send(Message::Event(Event::Stopped(generation)));
        });
    }

    pub(super) fn fail(&mut self, turn: TurnId, code: ErrorCode) {
        let Some(turn) = self.turns.remove(&turn) else {
            return self.fail_errand(turn);
        };
        let reason = match (&self.reason, code) {
            (_, ErrorCode::Retired | ErrorCode::Erased) => why(code),
            (Some(reason), _) => reason.as_str(),
            (None, ErrorCode::Timeout) => "the sandbox was not ready in time",
            (None, _) => "the sandbox went away",
        };
        turn.fail(code, reason);
        if self.is_up {
            self.failed.push(turn.id());
        }
        self.shared.recorder.ended(turn, None);
    }
}
