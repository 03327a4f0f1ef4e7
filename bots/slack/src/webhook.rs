//! The webhook: `/webhooks/slack/<account>` with `/events`, `/commands` or `/interactivity`.

use secrecy::ExposeSecret;
use zaki_channel::{Parse, ParseError, Parsed, Proof, Verified, Webhook, Window};
use zaki_envelope::{AccountName, Timestamp};

use crate::{Config, Reader};

/// Slack's own rule: older or newer requests are replays
/// (<https://docs.slack.dev/authentication/verifying-requests-from-slack>).
const WINDOW: Window = Window { header: "x-slack-request-timestamp", secs: 300 };

/// The webhook of one app.
#[derive(Clone, Debug)]
pub struct Hook {
    reader: Reader,
    config: Config,
}

impl Hook {
    /// The webhook of the app configured as `account`. Without a secret it refuses everything.
    pub fn new(account: AccountName, config: Config) -> Self {
        Self { reader: Reader::new(account, &config), config }
    }
}

impl Parse for Hook {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        self.reader.parse(bytes, received_at)
    }
}

impl Webhook for Hook {
    fn proof(&self) -> Proof<'_> {
        Proof::Hmac {
            header: "x-slack-signature",
            prefix: "v0=",
            key: self.config.signing_secret.expose_secret(),
            time: Some((WINDOW, "v0")),
        }
    }
}
