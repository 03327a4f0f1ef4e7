//! Long polling: `getUpdates` into the inbox, one commit per update, the offset in it.

use std::time::Duration;

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};
use zaki_channel::{
    Batch, ChannelError, Dead, Failure, Inbox, Parse, ParseError, Parsed, Pause, Retry, Source,
    Verified, now, stored_cursor,
};
use zaki_envelope::AccountName;

use crate::api::{Api, failed, is_hopeless};
use crate::channel::{ALLOWED_UPDATES, delete_webhook, learn};
use crate::offset::Offset;
use crate::{Config, Reader};

/// How long Telegram holds an empty answer back.
const HOLD: Duration = Duration::from_secs(30);
/// How much longer we wait for it.
const SLACK: Duration = Duration::from_secs(15);
/// What Telegram's 409 means.
const CONFLICT: &str = "another program polls with this bot's token or has set a webhook; stop it, \
                        or give each its own bot from @BotFather";

/// Polls for one bot.
#[derive(Clone)]
pub struct Poll {
    account: AccountName,
    config: Config,
    api: Api,
    reader: Reader,
}

impl Poll {
    /// Polling for the bot configured as `account`. No call is made.
    pub fn new(account: AccountName, config: Config) -> Result<Self, ChannelError> {
        Ok(Self {
            api: Api::new(&config)?,
            reader: Reader::new(account.clone(), config.clone()),
            account,
            config,
        })
    }

    /// Learns who we are and ends a webhook, since Telegram lets nobody poll beside one.
    async fn prepare(&self) -> Result<(), Failure> {
        learn(&self.api, &self.config).await?;
        delete_webhook(&self.api).await
    }

    /// As often as it takes; fails only when that is for good.
    async fn prepare_at_last(&self, inbox: &dyn Inbox) -> Result<(), ChannelError> {
        let mut pause = Pause::default();
        while let Err(failure) = self.prepare().await {
            pause.wait_for(self.complain(inbox, failure)?).await;
        }
        Ok(())
    }

    /// What is new; nothing, after so long a `hold`.
    async fn poll(&self, offset: Offset, hold: Duration) -> Result<Vec<Box<RawValue>>, Failure> {
        let body = json!({
            "offset": offset.at(now()),
            "limit": 100,
            "timeout": hold.as_secs(),
            "allowed_updates": ALLOWED_UPDATES,
        });
        let result = self.api.raw("getUpdates", &body, hold + SLACK).await?;
        serde_json::from_str(result.get()).map_err(|_| Failure::Unclear { status: 200 })
    }

    async fn receive(&self, inbox: &dyn Inbox) -> Result<(), ChannelError> {
        self.prepare_at_last(inbox).await?;
        inbox.reached(Ok(()));
        let mut offset = Offset::read(self.config.bot_id(), stored_cursor(inbox).await.as_deref());
        info!(account = %self.account, "polling Telegram");
        let mut pause = Pause::default();
        let mut hold = HOLD;
        loop {
            match self.poll(offset, hold).await {
                Ok(updates) => {
                    hold = HOLD;
                    inbox.reached(Ok(()));
                    let before = offset;
                    for update in &updates {
                        offset = self.accept(inbox, update, offset).await;
                    }
                    if offset == before && !updates.is_empty() {
                        // Nothing with a number: the same would come again at once.
                        pause.wait().await;
                    } else {
                        pause = Pause::default();
                    }
                }
                Err(failure) => {
                    // That it works again is seen at once, not when the next hold is over.
                    hold = Duration::ZERO;
                    pause.wait_for(self.complain(inbox, failure)?).await;
                }
            }
        }
    }

    /// Stores one update, as often as it takes, and returns the offset behind it.
    async fn accept(&self, inbox: &dyn Inbox, update: &RawValue, offset: Offset) -> Offset {
        let raw = update.get().as_bytes();
        let received_at = now();
        let next = update_id(update).map_or(offset, |id| offset.behind(id, received_at));
        let parsed = self.reader.parse(Verified::trusted("", raw), received_at);
        let batch = Batch {
            raw: raw.to_vec(),
            received_at,
            parsed: parsed.unwrap_or_else(|e| unread(&e, raw)),
            cursor: Some(next.to_string()),
        };
        let mut pause = Pause::default();
        while let Err(e) = inbox.accept(batch.clone()).await {
            warn!(account = %self.account, error = %e, "an update waits to be stored");
            pause.wait().await;
        }
        next
    }

    /// Says what keeps us from polling and returns how long Telegram asks to wait; fails when
    /// waiting is pointless.
    fn complain(&self, inbox: &dyn Inbox, failure: Failure) -> Result<Duration, ChannelError> {
        let (account, asked) = (&self.account, failure.asks_to_wait());
        if is_hopeless(&failure) {
            return Err(failed(failure, "polling (are token and api_base right?)"));
        }
        let kept_off = if failure.status() == Some(409) {
            error!(%account, "{CONFLICT}");
            crate::api::error(CONFLICT, Retry::Never)
        } else {
            let failed = failed(failure, "polling");
            warn!(%account, error = %failed, "Telegram is not reached");
            failed
        };
        inbox.reached(Err(&kept_off));
        Ok(asked)
    }
}

#[async_trait]
impl Source for Poll {
    async fn run(&self, inbox: &dyn Inbox, stop: CancellationToken) -> Result<(), ChannelError> {
        // What was not yet stored is offered again by Telegram, so stopping anywhere loses nothing.
        stop.run_until_cancelled(self.receive(inbox)).await.unwrap_or(Ok(()))
    }
}

/// An update that is none is kept as dead: it must not block those behind it.
fn unread(error: &ParseError, raw: &[u8]) -> Parsed {
    let dead = Dead { reason: error.to_string(), raw: raw.to_vec() };
    Parsed { dead: vec![dead], ..Parsed::default() }
}

fn update_id(update: &RawValue) -> Option<i64> {
    #[derive(Deserialize)]
    struct Numbered {
        update_id: i64,
    }
    let numbered: Numbered = serde_json::from_str(update.get()).ok()?;
    Some(numbered.update_id)
}
