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

    /// The token holds the bot's id, but only `getMe` tells its name: a mention read before would
    /// be taken for talk among others.
    fn is_ready(&self) -> bool {
        self.config.username().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_read_before_the_bot_knows_its_name() {
        let config = Config::new("42:token".to_owned().into());
        let hook = Hook::new("main".parse().unwrap(), config.clone());
        assert!(!hook.is_ready());
        config.learn("zaki_bot".to_owned());
        assert!(hook.is_ready());
    }
}
