//! What went wrong with a call to a platform, and whether it may be made again.

use std::error::Error;

use zaki_envelope::ChannelKind;

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
    /// The cause, held to the same rule as `what`.
    #[source]
    pub source: Option<Box<dyn Error + Send + Sync>>,
}

impl ChannelError {
    /// An error without a cause worth keeping.
    pub fn new(channel: ChannelKind, retry: Retry, what: impl Into<String>) -> Self {
        Self { channel, what: what.into(), retry, source: None }
    }

    /// Adds the cause. The caller makes sure that it prints no secret.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}
