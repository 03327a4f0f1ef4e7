//! How somebody who is here comes to the same bot on another channel.

/// The way to one of our bots with a one-use code. Holds that code, so it is never logged.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    /// What the person writes to the bot, in private.
    pub text: String,
    /// Opens the conversation with the bot, where the platform has addresses for that and the bot
    /// knows its own.
    pub url: Option<String>,
    /// Whether `url` brings the code along, so that `text` need not be written.
    pub prefilled: bool,
}

impl std::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Invitation").field("prefilled", &self.prefilled).finish_non_exhaustive()
    }
}

impl Invitation {
    /// To write `text`, at `url` if there is one.
    pub fn to_write(text: impl Into<String>, url: Option<String>) -> Self {
        Self { text: text.into(), url, prefilled: false }
    }

    /// To open `url`, where `text` stands already; without one, to write it.
    pub fn prefilled(text: impl Into<String>, url: Option<String>) -> Self {
        let prefilled = url.is_some();
        Self { text: text.into(), url, prefilled }
    }
}
