//! What went wrong with a call to a platform, and whether it may be made again.

use std::error::Error;

use zaki_envelope::{ChannelKind, ConversationId};

/// Whether a failed call may be made again. Channels only say; `deliver` alone acts on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// It had no effect and never will: the platform refused it for good.
    Never,
    /// It had no effect; it may be made again after this many milliseconds.
    AfterMs(u64),
    /// It may have had its effect. Only an idempotent call may be repeated.
    Unknown,
}

/// How far a failure reaches: whom a pause after it is to hold up, or who else will fare no better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// Messages to this conversation; also where the platform does not say.
    #[default]
    Conversation,
    /// Everything this bot sends.
    Account,
}

/// A failed call to a platform.
#[derive(Debug, thiserror::Error)]
#[error("{channel}: {what}")]
pub struct ChannelError {
    /// Which platform.
    pub channel: ChannelKind,
    /// What failed, fit for a log: never message text, tokens or URLs that hold one.
    pub what: String,
    /// Whether it may be made again.
    pub retry: Retry,
    /// How far it reaches: with [`Retry::AfterMs`] whom the wait holds up; [`Retry::Never`] for the
    /// account says that its token is no good.
    pub scope: Scope,
    /// The conversation goes on under this id; nothing was done under the old one. The same
    /// outbound may be sent there at once.
    pub moved: Option<ConversationId>,
    /// The cause, held to the same rule as `what`.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl ChannelError {
    /// An error without a cause worth keeping.
    pub fn new(channel: ChannelKind, retry: Retry, what: impl Into<String>) -> Self {
        let what = what.into();
        Self { channel, what, retry, scope: Scope::default(), moved: None, source: None }
    }

    /// Says how far it reaches.
    #[must_use]
    pub fn of_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// It was met before anything could be seen by anybody: what is not known to have failed may be
    /// done again, in a second.
    #[must_use]
    pub fn before_sending(mut self) -> Self {
        if self.retry == Retry::Unknown {
            self.retry = Retry::AfterMs(1_000);
        }
        self
    }

    /// Whether it says something of the account, rather than of this call: the platform was not
    /// reached or did not answer, or it does not take the token.
    pub fn is_of_account(&self) -> bool {
        match self.retry {
            Retry::Never => self.is_refused_token(),
            // What the platform asks to wait for has no cause.
            Retry::AfterMs(_) => self.source.is_some(),
            Retry::Unknown => true,
        }
    }

    /// Whether the platform does not take the token.
    pub fn is_refused_token(&self) -> bool {
        (self.retry, self.scope) == (Retry::Never, Scope::Account)
    }

    /// Says where the conversation goes on.
    #[must_use]
    pub fn moved_to(mut self, conversation: ConversationId) -> Self {
        self.moved = Some(conversation);
        self
    }

    /// Adds the cause. The caller makes sure that it prints no secret.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
