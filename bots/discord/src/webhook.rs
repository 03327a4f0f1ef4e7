//! The interactions endpoint: Discord calls `/webhooks/discord/<account>`.

use std::fmt;

use serenity::interactions_endpoint::Verifier;
use zaki_channel::{Parse, ParseError, Parsed, Proof, Verified, Webhook, Window};
use zaki_envelope::{AccountName, Timestamp};

use crate::{Config, Reader};

// <https://discord.com/developers/docs/interactions/overview#setting-up-an-endpoint>
const SIGNATURE_HEADER: &str = "x-signature-ed25519";
const TIME_HEADER: &str = "x-signature-timestamp";

type Check = dyn Fn(&str, &str, &[u8]) -> bool + Send + Sync;

/// The webhook of one application.
pub struct Hook {
    reader: Reader,
    window: Window,
    check: Box<Check>,
}

impl Hook {
    /// The webhook of the application configured as `account`. Without a sound public key it
    /// refuses everything.
    pub fn new(account: AccountName, config: Config) -> Self {
        Self {
            window: Window { header: TIME_HEADER, secs: config.signature_window_secs },
            check: Box::new(check(config.verifier())),
            reader: Reader::new(account, config),
        }
    }
}

fn check(verifier: Option<Verifier>) -> impl Fn(&str, &str, &[u8]) -> bool + Send + Sync {
    move |signature, time, body| {
        // serenity's hex reader takes `+5` for `05`; one signature has one spelling.
        let is_hex = signature.bytes().all(|b| b.is_ascii_hexdigit());
        let verify = |verifier: &Verifier| verifier.verify(signature, time, body).is_ok();
        is_hex && verifier.as_ref().is_some_and(verify)
    }
}

impl Parse for Hook {
    fn parse(&self, bytes: Verified<'_>, received_at: Timestamp) -> Result<Parsed, ParseError> {
        self.reader.parse(bytes, received_at)
    }
}

impl Webhook for Hook {
    fn proof(&self) -> Proof<'_> {
        Proof::Signature { header: SIGNATURE_HEADER, time: self.window, check: &*self.check }
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").field("reader", &self.reader).finish_non_exhaustive()
    }
}
