//! Slack: Web API methods, Events API deliveries, slash commands and buttons over HTTP.
//!
//! Calls are recorded under the method's own name (`chat.postMessage`), `response_url` and
//! `file`. Facts are from docs.slack.dev. Unlike the real one, the ids of users, channels and
//! teams are given by the test; a user exists once they wrote or [`Slack::introduce`] was called.

mod chat;
mod deliver;
mod event;
mod files;
mod history;
mod methods;
mod refusal;
mod world;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use event::{Said, Slash};

use crate::common::{
    Attempt, Desk, Gate, Limit, Poster, Records, Retry, Simulator, WebhookRefused, Whose, gate,
    listen, lock, serve,
};
use world::World;

/// <https://docs.slack.dev/apis/web-api/rate-limits>: 1 a second in a channel.
const LIMITS: &[Limit] =
    &[Limit { whose: Whose::Conversation, count: 1, per: Duration::from_secs(1) }];

/// The app in its workspace, and how its events are delivered again.
#[derive(Clone)]
pub struct Config {
    /// `xoxb-…`.
    pub bot_token: String,
    /// Signs events, commands and interactions.
    pub signing_secret: String,
    /// The workspace.
    pub team_id: String,
    /// The app.
    pub app_id: String,
    /// The bot, as a user.
    pub bot_user_id: String,
    /// The bot, as a bot.
    pub bot_id: String,
    /// What people type after `@` to mention the bot.
    pub bot_name: String,
    /// The pauses before the (at most three) retries, and the deadline of 3 s.
    pub retry: Retry,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bot_token: "xoxb-simulated-0001".to_owned(),
            signing_secret: "8f742231b10e8888abcd99simulated5".to_owned(),
            team_id: "T0SIMTEAM".to_owned(),
            app_id: "A0SIMAPP".to_owned(),
            bot_user_id: "U0ZAKIBOT".to_owned(),
            bot_id: "B0ZAKIBOT".to_owned(),
            bot_name: "zaki".to_owned(),
            retry: Retry {
                pauses: vec![Duration::ZERO, Duration::from_mins(1), Duration::from_mins(5)],
                timeout: Duration::from_secs(3),
            },
        }
    }
}

/// A running Slack. Clones are handles to the same one.
#[derive(Clone)]
pub struct Slack {
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
}

impl Slack {
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
            config,
        });
        let gated = Gate { dialect: Arc::new(methods::WebApi), records: records.clone() };
        let router = methods::router(Arc::clone(&shared)).layer(from_fn_with_state(gated, gate));
        serve(listener, router, stop.clone());
        Ok(Self { desk: Desk::new(url, records, stop), shared })
    }

    /// The bot's token.
    pub fn token(&self) -> &str {
        &self.shared.config.bot_token
    }

    /// How the app was set up.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// The base of the Web API, with a slash at the end as Slack's own clients want it.
    pub fn api_url(&self) -> String {
        format!("{}/api/", self.shared.url)
    }

    /// Sets the Request URL of the Events API: it must answer `url_verification` first.
    pub async fn set_events_url(&self, url: &str) -> Result<(), WebhookRefused> {
        deliver::verify_url(&self.shared, url).await?;
        lock(&self.shared.world).events_url = Some(url.to_owned());
        Ok(())
    }

    /// `user` writes `text` to the bot in private. `@zaki` in it becomes a mention.
    pub fn say(&self, user: &str, text: &str) -> Said {
        let channel = lock(&self.shared.world).direct(user);
        self.say_in(&channel, user, text, json!({}))
    }

    /// `user` writes `text` in a channel, where `@zaki` (the bot's name) becomes a mention; the
    /// fields of `extra` (such as `thread_ts`) go into the event. Delivers one `message`.
    pub fn say_in(&self, channel: &str, user: &str, text: &str, extra: Value) -> Said {
        let said = lock(&self.shared.world).said(channel, user, text, extra);
        deliver::event(&self.shared, &said.event_id, &said.event);
        said
    }

    /// As [`Slack::say_in`] with a mention put before the text, and **both** events that Slack
    /// makes of it: `message` and `app_mention`, with the same `ts` and different event ids.
    pub fn mention(&self, channel: &str, user: &str, text: &str, extra: Value) -> (Said, Said) {
        let text = format!("@{} {text}", self.shared.config.bot_name);
        let message = self.say_in(channel, user, &text, extra);
        let mention = lock(&self.shared.world).as_app_mention(&message);
        deliver::event(&self.shared, &mention.event_id, &mention.event);
        (message, mention)
    }

    /// Any event, as given. Returns its event id.
    pub fn push(&self, event: &Value) -> String {
        let id = lock(&self.shared.world).event_id();
        deliver::event(&self.shared, &id, event);
        id
    }

    /// The same event again: same id, new time and signature, as a retry.
    pub fn deliver_again(&self, event_id: &str) {
        deliver::again(&self.shared, event_id);
    }

    /// `user` types a slash command in `channel`; it is POSTed to `url` once, within 3 s.
    pub async fn command(&self, url: &str, slash: &Slash<'_>) -> Attempt {
        deliver::command(&self.shared, url, slash).await
    }

    /// `user` presses a button of a message; the `block_actions` payload is POSTed to `url`.
    pub async fn press(
        &self,
        url: &str,
        user: &str,
        channel: &str,
        message_ts: &str,
        action: Value,
    ) -> Attempt {
        deliver::press(&self.shared, url, user, channel, message_ts, action).await
    }

    /// A file to be written with, as `{"subtype": "file_share", "files": [this]}` in `extra`.
    pub fn put_file(&self, name: &str, mime_type: &str, content: Vec<u8>) -> Value {
        files::put(&self.shared, name, mime_type, content)
    }

    /// The user exists.
    pub fn introduce(&self, user: &str, name: &str) {
        lock(&self.shared.world).introduce(user, name);
    }

    /// The channel exists; the bot is in it.
    pub fn add_channel(&self, channel: &str, name: &str) {
        lock(&self.shared.world).add_channel(channel, name);
    }

    /// The channel of the private chat with `user`.
    pub fn direct_channel(&self, user: &str) -> String {
        lock(&self.shared.world).direct(user)
    }

    /// What a message reads now, after all edits.
    pub fn text_of(&self, channel: &str, ts: &str) -> Option<String> {
        lock(&self.shared.world).text_of(channel, ts)
    }
}

impl Simulator for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn credentials(&self) -> Value {
        let config = &self.shared.config;
        json!({
            "url": self.url(),
            "api_url": self.api_url(),
            "bot_token": config.bot_token,
            "signing_secret": config.signing_secret,
            "team_id": config.team_id,
            "app_id": config.app_id,
            "bot_user_id": config.bot_user_id,
        })
    }
}
