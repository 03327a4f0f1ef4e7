//! The webhook: Telegram calls `/webhooks/telegram/<account>` with one update at a time.

use zaki_channel::{Parse, ParseError, Parsed, Proof, Verified, Webhook};
use zaki_envelope::{AccountName, Timestamp};

use crate::{Config, Reader};

/// Carries `setWebhook`'s `secret_token`, in every request
/// (<https://core.telegram.org/bots/api#setwebhook>).
const SECRET_HEADER: &str = "x-telegram-bot-api-secret-token";

/// The webhook of one bot.
#[derive(Clone, Debug)]
pub struct Hook {
    reader: Reader,
    config: Config,
}

impl Hook {
    /// The webhook of the bot configured as `account`. Without a secret it refuses everything.
    pub fn new(account: AccountName, config: Config) -> Self {
        Self { reader: Reader::new(account, config.clone()), config }
    }
}

impl Parse for Hook {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        self.reader.parse(bytes, received_at)
    }
}

impl Webhook for Hook {
    fn proof(&self) -> Proof<'_> {
        Proof::Secret { header: SECRET_HEADER, secret: self.config.secret() }
    }
}
