//! What every channel must pass, called from each adapter's own tests: [`webhook`] for what comes
//! in, [`output()`] for what goes out, [`recourse()`] for what got lost on its way. Assertions say in
//! words which promise is broken.

#![allow(clippy::expect_used, reason = "an assertion of a test may end the test")]

mod garbage;
mod output;
mod recourse;
#[cfg(test)]
mod tests;
mod texts;
mod webhook;

#[cfg(test)]
pub(crate) use output::capable;
pub use output::output;
pub use recourse::{Platform, recourse};
pub use webhook::webhook;

use http::HeaderMap;
use zaki_envelope::{AccountName, Choice, Outbound, Part, Timestamp};

use crate::Webhook;

/// A question with two buttons, "Yes" and "No", as the hub puts commands behind them.
pub fn question(text: &str) -> Outbound {
    let choice = |label: &str, data: &str| Choice { label: label.into(), data: data.into() };
    let choices = vec![choice("Yes", "zaki:/approve 1"), choice("No", "zaki:/deny 1")];
    Outbound::Post { parts: vec![Part::text(text), Part::Choices { choices }], reply_to: None }
}

/// Which secret a hook checks with, or a sender signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The one both sides share.
    Ours,
    /// Somebody else's.
    Other,
    /// None configured: the empty text. Whoever signs with it, nothing may pass.
    Empty,
}

/// A request body and the route it comes in on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// As in [`crate::Request::route`].
    pub route: &'static str,
    /// The raw bytes.
    pub bytes: Vec<u8>,
}

impl Body {
    /// A body on the empty route.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self::on("", bytes)
    }

    /// A body on a route of its own.
    pub fn on(route: &'static str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self { route, bytes }
    }
}

/// Several messages in one body, some of them broken.
#[derive(Clone, Debug)]
pub struct Mixed {
    /// The body.
    pub body: Body,
    /// How many of its messages are sound and must arrive.
    pub live: usize,
    /// How many are broken and must be kept as dead, each with bytes of its own.
    pub dead: usize,
}

/// What an adapter hands to [`webhook`]: its hook, a sender that signs as its platform does, and
/// bodies as the platform writes them.
pub trait Sample {
    /// The configured name of the bot, which every envelope must carry.
    fn account(&self) -> AccountName;

    /// A hook that checks with `key`.
    fn hook(&self, key: Key) -> Box<dyn Webhook>;

    /// The headers a holder of `key` would send with `body` at `at`, as far as one can sign with
    /// it; an empty key still gives headers of the right shape.
    fn sign(&self, key: Key, body: &[u8], at: Timestamp) -> HeaderMap;

    /// One person's message to the bot, which makes exactly one arrival that wants a turn.
    fn message(&self) -> Body;

    /// Further bodies of other kinds (edits, buttons, media…): read without an error.
    fn others(&self) -> Vec<Body> {
        Vec::new()
    }

    /// What the platform reports of the bot's own messages, every shape of it. Ignored without a
    /// trace.
    fn own(&self) -> Vec<Body>;

    /// A batch with a broken item; `None` where the platform sends no batches.
    fn mixed(&self) -> Option<Mixed> {
        None
    }
}
