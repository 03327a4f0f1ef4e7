//! What every part of a running edge shares.

use std::sync::{Arc, PoisonError, RwLock};

use dashmap::DashSet;
use tokio_util::task::TaskTracker;
use zaki_edge_core::{
    front::{Front, Tokens},
    sandbox::Habits,
};
use zaki_envelope::{SandboxName, signature::Keyring};

use crate::{
    account::Accounts,
    approve::Answers,
    backups::Backups,
    figures::Figures,
    fleet::Fleet,
    media::Media,
    model::Model,
    people::People,
    proactive::Outgoing,
    record::Recorder,
    reminders::Reminders,
    runtime::{Ground, Hooks},
    state::State,
    turn::Turn,
    turns::Turns,
};

pub(crate) struct Shared {
    pub(crate) state: State,
    pub(crate) ground: Ground,
    pub(crate) turns: Turns,
    pub(crate) recorder: Recorder,
    pub(crate) model: Model,
    pub(crate) people: People,
    pub(crate) accounts: Accounts,
    pub(crate) answers: Answers,
    pub(crate) backups: Arc<Backups>,
    pub(crate) media: Media,
    /// Around the life of every sandbox.
    pub(crate) hooks: Arc<dyn Hooks>,
    pub(crate) figures: Figures,
    pub(crate) fleet: Fleet,
    pub(crate) habits: Habits,
    pub(crate) reminders: Reminders,
    /// What agents say without being asked.
    pub(crate) outgoing: Arc<Outgoing>,
    pub(crate) keys: Keyring,
    /// Whose next start is to be on the version that all are to have.
    pub(crate) proposals: DashSet<SandboxName>,
    tokens: RwLock<Tokens>,
    /// What must be done before the state closes.
    pub(crate) tasks: TaskTracker,
}

/// What an edge is made of.
pub(crate) struct Parts {
    pub(crate) state: State,
    pub(crate) ground: Ground,
    pub(crate) turns: Turns,
    pub(crate) recorder: Recorder,
    pub(crate) model: Model,
    pub(crate) people: People,
    pub(crate) backups: Arc<Backups>,
    pub(crate) media: Media,
    pub(crate) keys: Keyring,
    pub(crate) fleet: Fleet,
    pub(crate) habits: Habits,
}

impl Shared {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            state: parts.state,
            ground: parts.ground,
            turns: parts.turns,
            recorder: parts.recorder,
            model: parts.model,
            people: parts.people,
            accounts: Accounts::default(),
            answers: Answers::default(),
            hooks: Arc::new(parts.backups.clone()),
            backups: parts.backups,
            media: parts.media,
            figures: Figures::default(),
            fleet: parts.fleet,
            habits: parts.habits,
            reminders: Reminders::default(),
            outgoing: Arc::default(),
            keys: parts.keys,
            proposals: DashSet::new(),
            tokens: RwLock::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Works with what callers are known by.
    pub(crate) fn front<T>(&self, work: impl FnOnce(&Front<'_>) -> T) -> T {
        let tokens = self.tokens.read().unwrap_or_else(PoisonError::into_inner);
        work(&Front { keys: &self.keys, tokens: &*tokens })
    }

    /// Forgets a turn whose end is durable, or that was released.
    pub(crate) fn close(&self, turn: &Turn) {
        self.accounts.end(turn);
        self.turns.close(turn);
    }

    /// From now on `token` proves `name`.
    pub(crate) fn grant(&self, token: &str, name: &SandboxName) {
        if !token.is_empty() {
            let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
            tokens.grant(token, name.clone());
        }
    }

    /// No token proves `name` any more.
    pub(crate) fn revoke(&self, name: &SandboxName) {
        let mut tokens = self.tokens.write().unwrap_or_else(PoisonError::into_inner);
        tokens.revoke(name);
    }
}
