//! Discord: REST under `/api/v10`, the gateway as a WebSocket, interactions over HTTP.
//!
//! Calls are recorded under the names that [`rest`] lists (`create_message`, `edit_original`, …).
//! Facts are from discord.com/developers/docs. The gateway's first URL ends in `/gateway`, the one
//! in READY in `/resume`: [`Discord::connections`] shows which was used.

mod callback;
mod commands;
mod endpoint;
mod files;
mod gateway;
mod interactions;
mod messages;
mod person;
mod refusal;
pub mod rest;
mod webhooks;
mod world;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use base64::Engine as _;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use gateway::{Connected, How, intents};
pub use interactions::Interaction;
pub use person::{Channel, User};
pub use world::Said;

use crate::common::{
    Attempt, Desk, Gate, Limit, Log, Poster, Records, Simulator, WebhookRefused, Whose, gate,
    listen, lock, serve, signature,
};
use gateway::Sessions;
use world::World;

/// <https://discord.com/developers/docs/topics/rate-limits>: 50 a second in all. What a channel
/// takes is not promised; 5 in 5 s is what it answers.
const LIMITS: &[Limit] = &[
    Limit { whose: Whose::Conversation, count: 5, per: Duration::from_secs(5) },
    Limit { whose: Whose::Bot, count: 50, per: Duration::from_secs(1) },
];

/// The application and how its gateway behaves.
#[derive(Clone)]
pub struct Config {
    /// The bot's token, without `Bot `.
    pub token: String,
    /// The application's id, which is the bot's user id too.
    pub application_id: u64,
    /// The bot's name: `@name` in what people type becomes a mention.
    pub username: String,
    /// Signs interactions.
    pub signing_seed: [u8; 32],
    /// What HELLO tells clients.
    pub heartbeat: Duration,
    /// How long an interaction waits for its first answer.
    pub deadline: Duration,
    /// How long a nonce is remembered: "the past few minutes", in Discord's words.
    pub nonce_lives: Duration,
    /// How many events a session keeps for a resume; older ones make it impossible.
    pub replay: usize,
    /// The privileged intents are switched on for the application.
    pub privileged_intents: bool,
}

impl Default for Config {
    fn default() -> Self {
        let application_id = 1_100_000_000_000_000_001;
        let id = base64::engine::general_purpose::STANDARD_NO_PAD
            .encode(u64::to_string(&application_id));
        Self {
            token: format!("{id}.GSimul.simulated-simulated-simulated-simula"),
            application_id,
            username: "zaki".to_owned(),
            signing_seed: *b"zaki simulators: a discord seed.",
            heartbeat: Duration::from_millis(41_250),
            deadline: Duration::from_secs(3),
            nonce_lives: Duration::from_mins(3),
            replay: 10_000,
            privileged_intents: true,
        }
    }
}

/// A running Discord. Clones are handles to the same one.
#[derive(Clone)]
pub struct Discord {
    desk: Desk,
    shared: Arc<Shared>,
}

struct Shared {
    url: String,
    config: Config,
    records: Records,
    poster: Poster,
    stop: CancellationToken,
    world: Mutex<World>,
    sessions: Mutex<Sessions>,
    connections: Log<Connected>,
}

impl Discord {
    /// Start on a free port.
    pub async fn start(config: Config) -> io::Result<Self> {
        let (listener, url) = listen().await?;
        let records = Records::new(LIMITS);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            url: url.clone(),
            poster: Poster::new(records.attempts.clone())?,
            records: records.clone(),
            stop: stop.clone(),
            world: Mutex::new(World::new(&config)),
            sessions: Mutex::default(),
            connections: Log::default(),
            config,
        });
        let gated = Gate { dialect: Arc::new(rest::Rest), records: records.clone() };
        let router = rest::router(&shared).layer(from_fn_with_state(gated, gate));
        serve(listener, router, stop.clone());
        Ok(Self { desk: Desk::new(url, records, stop), shared })
    }

    /// The bot's token.
    pub fn token(&self) -> &str {
        &self.shared.config.token
    }

    /// How the application was set up.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The application's public key, in hex.
    pub fn public_key(&self) -> String {
        signature::discord_public_key(&self.shared.config.signing_seed)
    }

    /// The gateway's first URL, as `GET /gateway/bot` gives it.
    pub fn gateway_url(&self) -> String {
        gateway::url(&self.shared.url)
    }

    /// The gateway's URL that READY gives for resuming.
    pub fn resume_url(&self) -> String {
        gateway::resume_url(&self.shared.url)
    }

    // What people do.

    /// `from` writes `text` to the bot in private.
    pub fn say(&self, from: &User, text: &str) -> Said {
        let channel = lock(&self.shared.world).direct(from);
        self.say_in(&channel, from, text, json!({}))
    }

    /// `from` writes `text` in `channel`; `@zaki` (the bot's name) becomes a mention; the fields
    /// of `extra` (such as `message_reference`) go into the message.
    pub fn say_in(&self, channel: &Channel, from: &User, text: &str, extra: Value) -> Said {
        self.add_channel(channel);
        let said = lock(&self.shared.world).said(channel, from, text, extra);
        gateway::message_create(&self.shared, channel, &said);
        said
    }

    /// Any dispatch, as given, to every session that has one of these intents (0: to all).
    pub fn dispatch(&self, event: &str, intents: u64, data: &Value) {
        gateway::dispatch(&self.shared, event, &|granted| {
            (intents == 0 || granted & intents != 0).then(|| data.clone())
        });
    }

    /// The same `MESSAGE_CREATE` again, as a resume may replay it.
    pub fn deliver_again(&self, said: &Said) {
        gateway::message_create(&self.shared, &said.channel, said);
    }

    /// The private channel with `user`.
    pub fn direct(&self, user: &User) -> Channel {
        lock(&self.shared.world).direct(user)
    }

    /// The channel exists, the bot is in its guild: a GUILD_CREATE or CHANNEL_CREATE tells of it.
    pub fn add_channel(&self, channel: &Channel) {
        let news = lock(&self.shared.world).add_channel(channel);
        if let Some((event, data)) = news {
            self.dispatch(event, intents::GUILDS, &data);
        }
    }

    /// A file to be written with, as `{"attachments": [this]}` in `extra`.
    pub fn put_attachment(&self, name: &str, mime_type: &str, content: Vec<u8>) -> Value {
        files::put(&self.shared, name, mime_type, content)
    }

    /// What a message reads now, after all edits.
    pub fn text_of(&self, channel: u64, message: u64) -> Option<String> {
        lock(&self.shared.world).text_of(channel, message)
    }

    // Interactions.

    /// Sets the Interactions Endpoint URL as the portal does: a PING must be answered, and one with
    /// a bad signature refused with 401. From then on interactions no longer come by the gateway.
    pub async fn set_interactions_endpoint(&self, url: &str) -> Result<(), WebhookRefused> {
        endpoint::set(&self.shared, url).await
    }

    /// `user` runs a slash command with one text option in `channel`. Waits for the endpoint's
    /// answer (3 s at most); over the gateway it returns at once.
    pub async fn command(
        &self,
        channel: &Channel,
        user: &User,
        name: &str,
        option: (&str, &str),
    ) -> Interaction {
        let data = interactions::command_data(&self.shared, name, option);
        interactions::create(&self.shared, channel, user, 2, data, Value::Null).await
    }

    /// `user` presses the button `custom_id` of a message.
    pub async fn press(
        &self,
        channel: &Channel,
        user: &User,
        message: u64,
        custom_id: &str,
    ) -> Interaction {
        let message = lock(&self.shared.world).message_json(channel.id, message);
        let data = json!({"component_type": 2, "custom_id": custom_id, "id": 1});
        interactions::create(&self.shared, channel, user, 3, data, message).await
    }

    /// A request to the endpoint with a signature that does not fit, as Discord makes from time to
    /// time. Absent when no endpoint is set.
    pub async fn probe(&self) -> Option<Attempt> {
        endpoint::probe(&self.shared).await
    }

    /// The interaction's 15 minutes are over.
    pub fn expire(&self, interaction: &Interaction) {
        lock(&self.shared.world).expire(&interaction.token);
    }

    // The gateway.

    /// Every connection that identified or resumed, and on which path.
    pub fn connections(&self) -> &Log<Connected> {
        &self.shared.connections
    }

    /// Cuts every socket without a close frame. Sessions stay resumable.
    pub fn drop_sockets(&self) {
        gateway::signal_all(&self.shared, &gateway::Signal::Drop);
    }

    /// RECONNECT (op 7) to every socket.
    pub fn reconnect(&self) {
        gateway::signal_all(&self.shared, &gateway::Signal::Reconnect);
    }

    /// INVALID_SESSION (op 9) to every socket; `resumable` is its `d`.
    pub fn invalidate(&self, resumable: bool) {
        gateway::invalidate(&self.shared, resumable);
    }

    /// Closes every socket with this code.
    pub fn close(&self, code: u16) {
        gateway::signal_all(&self.shared, &gateway::Signal::Close(code));
    }

    /// Heartbeats are no longer acknowledged (or again).
    pub fn ignore_heartbeats(&self, ignore: bool) {
        lock(&self.shared.sessions).ignore_heartbeats = ignore;
    }
}

impl Simulator for Discord {
    fn name(&self) -> &'static str {
        "discord"
    }

    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn credentials(&self) -> Value {
        json!({
            "url": self.url(),
            "api_url": format!("{}/api/v10", self.url()),
            "gateway_url": self.gateway_url(),
            "token": self.token(),
            "application_id": self.shared.config.application_id.to_string(),
            "public_key": self.public_key(),
        })
    }
}
