//! The gateway: Discord's events over a WebSocket into the inbox, each with the place to resume
//! from in the same commit.
//!
//! Two halves, so that a slow store never keeps the socket from its heartbeats: one follows the
//! socket into a bounded queue, the other stores and acknowledges.

use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use reqwest::Method;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use twilight_gateway::queue::InMemoryQueue;
use twilight_gateway::{ConfigBuilder, Intents, Message, Shard, ShardId};
use zaki_channel::{
    Answer, Batch, ChannelError, Dead, Inbox, Parse, Parsed, Pause, Retry, Source, Verified, now,
    stored_cursor,
};
use zaki_envelope::AccountName;

use crate::api::{Api, error, failed, is_hopeless};
use crate::session::{Cursor, fatal, is_gateway};
use crate::{Config, Reader};

/// Events that may wait to be stored; then the socket waits too, and Discord replays.
const QUEUE: usize = 1024;
/// Events stored in one commit, if so many have come meanwhile.
const TOGETHER: usize = 32;
/// After so many events of no use the cursor is stored all the same, so that a resume is short.
const IDLE_EVENTS: u32 = 100;
/// Connections that may fail before the session's own address is given up.
const PATIENCE: u32 = 3;

/// The gateway connection of one application.
#[derive(Clone)]
pub struct Gateway {
    account: AccountName,
    config: Config,
    api: Api,
    reader: Reader,
}

/// `GET /gateway/bot`.
#[derive(Deserialize)]
struct Gate {
    url: String,
    session_start_limit: StartLimit,
}

#[derive(Deserialize)]
struct StartLimit {
    total: u32,
    remaining: u32,
    reset_after: u64,
    max_concurrency: u16,
}

/// Something to store.
struct Item {
    batch: Batch,
    /// An interaction waits for its first answer.
    ack: Option<Ack>,
}

/// Interactions that come by the gateway are answered by REST, within 3 s.
struct Ack {
    id: String,
    token: String,
    answer: Answer,
}

/// How far we are.
#[derive(Default)]
struct Progress {
    cursor: Option<Cursor>,
    /// Events since a cursor was last stored.
    idle: u32,
    pause: Pause,
}

impl Gateway {
    /// The gateway of the application configured as `account`. No connection is made.
    pub fn new(account: AccountName, config: Config) -> Result<Self, ChannelError> {
        Ok(Self {
            api: Api::new(&config)?,
            reader: Reader::new(account.clone(), config.clone()),
            account,
            config,
        })
    }

    async fn receive(&self, inbox: &dyn Inbox) -> Result<(), ChannelError> {
        let cursor = stored_cursor(inbox).await.as_deref().and_then(Cursor::read);
        let (queue, items) = mpsc::channel(QUEUE);
        let (followed, ()) =
            tokio::join!(self.follow(inbox, cursor, queue), self.store(inbox, items));
        followed
    }

    /// Connects, again and again; ends only when that is pointless.
    async fn follow(
        &self,
        inbox: &dyn Inbox,
        cursor: Option<Cursor>,
        queue: mpsc::Sender<Item>,
    ) -> Result<(), ChannelError> {
        let starts = InMemoryQueue::default();
        let mut progress = Progress { cursor, ..Progress::default() };
        if let Some(cursor) = &progress.cursor {
            self.config.learn(cursor.bot_id.clone());
        }
        loop {
            let gate = self.gate_at_last(inbox).await?;
            let limit = gate.session_start_limit;
            starts.update(
                limit.max_concurrency,
                limit.remaining.min(limit.total),
                Duration::from_millis(limit.reset_after),
                limit.total,
            );
            let shard = self.shard(&gate.url, &progress, starts.clone());
            self.listen(inbox, shard, &mut progress, &queue).await?;
            inbox.reached(Err(&error("the gateway cannot be reached", Retry::Unknown)));
            warn!(account = %self.account, "the Discord gateway is not reached");
            progress.pause.wait().await;
        }
    }

    /// Where the gateway is, as often as it takes to learn it.
    async fn gate_at_last(&self, inbox: &dyn Inbox) -> Result<Gate, ChannelError> {
        let mut pause = Pause::default();
        loop {
            let asked = match self.api.call(Method::GET, &["gateway", "bot"]).await.map(gate_of) {
                Ok(Some(gate)) => return Ok(gate),
                Ok(None) => {
                    warn!(account = %self.account, "Discord does not name its gateway");
                    inbox.reached(Err(&error("it does not name its gateway", Retry::Unknown)));
                    Duration::ZERO
                }
                Err(failure) if is_hopeless(&failure) => {
                    return Err(failed(failure, "gateway (are token and api_base right?)"));
                }
                Err(failure) => {
                    let asked = failure.asks_to_wait();
                    let e = failed(failure, "gateway");
                    warn!(account = %self.account, error = %e, "Discord is not reached yet");
                    inbox.reached(Err(&e));
                    asked
                }
            };
            pause.wait_for(asked).await;
        }
    }

    fn shard(&self, url: &str, progress: &Progress, starts: InMemoryQueue) -> Shard<InMemoryQueue> {
        let token = self.config.token.expose_secret().to_owned();
        let mut config = ConfigBuilder::new(token, self.intents())
            .proxy_url(url.trim_end_matches('/').to_owned());
        if let Some(cursor) = &progress.cursor {
            config = config.session(cursor.session());
            if progress.pause.failures() < PATIENCE {
                config = config.resume_url(cursor.resume_url().trim_end_matches('/').to_owned());
            }
        }
        Shard::with_config(ShardId::ONE, config.queue(starts).build())
    }

    fn intents(&self) -> Intents {
        let intents = Intents::GUILDS
            | Intents::GUILD_MESSAGES
            | Intents::GUILD_MESSAGE_REACTIONS
            | Intents::DIRECT_MESSAGES
            | Intents::DIRECT_MESSAGE_REACTIONS;
        if self.config.message_content { intents | Intents::MESSAGE_CONTENT } else { intents }
    }

    /// Follows one shard, which reconnects and resumes by itself, until it cannot connect.
    async fn listen(
        &self,
        inbox: &dyn Inbox,
        mut shard: Shard<InMemoryQueue>,
        progress: &mut Progress,
        queue: &mpsc::Sender<Item>,
    ) -> Result<(), ChannelError> {
        let mut closed = None;
        while let Some(message) = shard.next().await {
            match message {
                Ok(Message::Text(raw)) => {
                    inbox.reached(Ok(()));
                    let Some(item) = self.take(&shard, progress, &raw) else {
                        continue;
                    };
                    if queue.send(item).await.is_err() {
                        return Ok(());
                    }
                }
                Ok(Message::Close(frame)) => {
                    closed = frame.map(|frame| frame.code);
                    info!(account = %self.account, code = closed, "the Discord gateway closed");
                }
                Err(e) if is_unreached(&e) => return Ok(()),
                // Its text would hold the event.
                Err(_) => warn!(account = %self.account, "an unreadable Discord payload"),
            }
        }
        let code = closed.unwrap_or_default();
        let what = fatal(code).unwrap_or("Discord has ended the connection for good");
        Err(error(&format!("gateway: {what} (code {code})"), Retry::Never))
    }

    /// What a payload brings to store, if anything.
    fn take(
        &self,
        shard: &Shard<InMemoryQueue>,
        progress: &mut Progress,
        raw: &str,
    ) -> Option<Item> {
        let payload: Payload<'_> =
            serde_json::from_str(raw).ok().filter(|it: &Payload<'_>| it.op == 0)?;
        let name = payload.t.as_deref().unwrap_or_default();
        if let Some(bot) = (name == "READY").then(|| bot_of(payload.d)).flatten() {
            self.config.learn(bot);
        }
        progress.pause = Pause::default();
        progress.follow(shard, self.config.bot_id());
        let received_at = now();
        let parsed = self.reader.parse(Verified::trusted("", raw.as_bytes()), received_at);
        let parsed = parsed.unwrap_or_else(|e| Parsed {
            dead: vec![Dead { reason: e.to_string(), raw: raw.as_bytes().to_vec() }],
            ..Parsed::default()
        });
        let ack = (name == "INTERACTION_CREATE").then(|| ack(payload.d, &parsed)).flatten();
        let is_idle = parsed.arrivals.is_empty() && parsed.dead.is_empty();
        let is_mark = matches!(name, "READY" | "RESUMED") || progress.idle >= IDLE_EVENTS;
        if is_idle && ack.is_none() && !is_mark {
            progress.idle += 1;
            return None;
        }
        progress.idle = 0;
        let batch = Batch {
            raw: if is_idle { Vec::new() } else { raw.as_bytes().to_vec() },
            received_at,
            parsed,
            cursor: progress.cursor.as_ref().map(Cursor::write),
        };
        Some(Item { batch, ack })
    }

    /// Stores what has come, together and as often as it takes, and only then acknowledges it.
    async fn store(&self, inbox: &dyn Inbox, mut items: mpsc::Receiver<Item>) {
        let mut some = Vec::with_capacity(TOGETHER);
        while items.recv_many(&mut some, TOGETHER).await > 0 {
            let (batches, acks): (Vec<_>, Vec<_>) =
                some.drain(..).map(|Item { batch, ack }| (batch, ack)).unzip();
            let Some(batch) = batches.into_iter().reduce(Batch::joined) else { continue };
            let mut pause = Pause::default();
            while let Err(e) = inbox.accept(batch.clone()).await {
                warn!(account = %self.account, error = %e, "events wait to be stored");
                pause.wait().await;
            }
            for ack in acks.into_iter().flatten() {
                self.acknowledge(ack);
            }
        }
    }

    /// Beside the queue: the next event does not wait for Discord's answer.
    fn acknowledge(&self, ack: Ack) {
        let (api, account) = (self.api.clone(), self.account.clone());
        tokio::spawn(async move {
            let path = ["interactions", &ack.id, &ack.token, "callback"];
            let Ok(body) = serde_json::from_str::<Value>(&ack.answer.body) else {
                return;
            };
            let answer = api.send_by_token(Method::POST, &path, Some(&body)).await;
            // An event replayed by a resume is acknowledged already.
            if let Err(failure) = answer {
                let e = failed(failure, "acknowledging an interaction");
                warn!(%account, error = %e, "an interaction may be shown as failed");
            }
        });
    }
}

#[async_trait]
impl Source for Gateway {
    async fn run(&self, inbox: &dyn Inbox, stop: CancellationToken) -> Result<(), ChannelError> {
        // Without a close frame the session stays resumable; what was not yet stored is replayed.
        stop.run_until_cancelled(self.receive(inbox)).await.unwrap_or(Ok(()))
    }
}

impl Progress {
    /// After every event, so that what is stored names the very event it is stored with.
    fn follow(&mut self, shard: &Shard<InMemoryQueue>, bot: Option<&str>) {
        let Some(session) = shard.session() else {
            return;
        };
        let known = self.cursor.as_ref().map(Cursor::resume_url);
        // twilight forgets the address when a connection to it fails.
        let url = shard.resume_url().or(known).filter(|url| is_gateway(url));
        self.cursor = url.map(|url| Cursor::new(session, url, bot.unwrap_or_default()));
    }
}

/// A gateway payload, its data not yet read.
#[derive(Deserialize)]
struct Payload<'a> {
    op: u64,
    #[serde(default)]
    t: Option<String>,
    #[serde(default, borrow)]
    d: Option<&'a RawValue>,
}

fn bot_of(ready: Option<&RawValue>) -> Option<String> {
    #[derive(Deserialize)]
    struct Ready {
        user: User,
    }
    #[derive(Deserialize)]
    struct User {
        id: String,
    }
    let ready: Ready = serde_json::from_str(ready?.get()).ok()?;
    Some(ready.user.id)
}

fn ack(d: Option<&RawValue>, parsed: &Parsed) -> Option<Ack> {
    #[derive(Deserialize)]
    struct Asked {
        id: String,
        token: String,
    }
    let asked: Asked = serde_json::from_str(d?.get()).ok()?;
    let answer = parsed.answer.clone();
    Some(Ack { id: asked.id, token: asked.token, answer })
}

fn gate_of(answer: Value) -> Option<Gate> {
    serde_json::from_value(answer).ok().filter(|gate: &Gate| is_gateway(&gate.url))
}

fn is_unreached(e: &twilight_gateway::error::ReceiveMessageError) -> bool {
    matches!(e.kind(), twilight_gateway::error::ReceiveMessageErrorType::Reconnect)
}
