//! A turn of ours while it runs, as the tasks around it see it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use zaki_envelope::{Inbound, InboundId, TurnId, wire::Usage};
use zaki_lane::turns::Why;

use crate::media::Made;

/// A turn of ours that runs.
pub(crate) struct Live {
    pub turn: TurnId,
    /// Fires when it has ended at the edge, or is let go.
    pub over: CancellationToken,
    /// Fires when it is to be stopped.
    pub stopping: CancellationToken,
    state: Mutex<State>,
    answered: Notify,
}

#[derive(Default)]
struct State {
    why: Option<Why>,
    /// Became part of it while it ran, in order.
    joined: Vec<Inbound>,
    /// What the sandbox says it has heard of these.
    heard: Vec<InboundId>,
    /// The files its agent has made.
    made: Vec<Made>,
    /// What the edge says it has cost.
    usage: Usage,
}

impl Live {
    pub(crate) fn new(turn: TurnId) -> Self {
        Self {
            turn,
            over: CancellationToken::new(),
            stopping: CancellationToken::new(),
            state: Mutex::default(),
            answered: Notify::new(),
        }
    }

    /// It is being stopped. What the person said outweighs what a setting does.
    pub(crate) fn stop(&self, why: Why) {
        self.state().why = Some(why);
        self.stopping.cancel();
    }

    /// Why it is being stopped, if it is.
    pub(crate) fn why(&self) -> Option<Why> {
        self.state().why
    }

    /// The ledger has a message as part of it, and the edge has been told.
    pub(crate) fn join(&self, message: Inbound) {
        self.state().joined.push(message);
    }

    /// The sandbox has heard a message that joined.
    pub(crate) fn hear(&self, steer: InboundId) {
        self.state().heard.push(steer);
    }

    /// Its agent has made a file, which goes with the answer.
    pub(crate) fn made(&self, made: Made) {
        let mut state = self.state();
        if !state.made.iter().any(|it| it.hash == made.hash) {
            state.made.push(made);
        }
    }

    /// All of them.
    pub(crate) fn take_made(&self) -> Vec<Made> {
        std::mem::take(&mut self.state().made)
    }

    /// Its end says what it has cost.
    pub(crate) fn cost(&self, usage: Usage) {
        self.state().usage = usage;
    }

    /// What it has cost, as far as is known.
    pub(crate) fn usage(&self) -> Usage {
        self.state().usage
    }

    /// It begins from its beginning again, where nobody has heard anything.
    pub(crate) fn begin_again(&self) {
        let mut state = self.state();
        state.heard.clear();
        state.made.clear();
    }

    /// What its end answers besides: what we have added, and the ids of all, whoever added them.
    pub(crate) fn take_heard(&self) -> (Vec<Inbound>, Vec<InboundId>) {
        let State { joined, heard, .. } = &mut *self.state();
        joined.retain(|message| heard.contains(&message.id));
        (std::mem::take(joined), std::mem::take(heard))
    }

    /// Its lane has all answers.
    pub(crate) fn answered(&self) {
        self.answered.notify_waiters();
    }

    pub(crate) async fn until_answered(&self, is_asking: impl Fn() -> bool) {
        loop {
            let answered = self.answered.notified();
            if !is_asking() {
                return;
            }
            answered.await;
        }
    }

    /// The state is whole after every statement, so a poisoned lock is still good.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
