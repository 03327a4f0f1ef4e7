//! Telegram Bot API: methods, long polling and webhooks, as Bot API 10 answers them.
//!
//! Calls are recorded under the method's own name (`sendMessage`). Facts are from
//! core.telegram.org/bots/api and the wording of errors from `tdlib/telegram-bot-api`.
//! Unlike the real one it takes `http:` webhooks, and a chat exists once somebody wrote in it or
//! [`Telegram::introduce`] was called; before that it is "chat not found". Privacy mode is left
//! out: the bot sees everything that is said in a group.

mod markup;
mod methods;
mod params;
mod person;
mod refusal;
mod send;
mod text;
mod updates;
mod world;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub use person::{Chat, User};

use crate::common::{
    Desk, Gate, Limit, Poster, Records, Retry, Simulator, Whose, gate, listen, lock, serve,
};
use methods::BotApi;
use world::World;

/// <https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this>: 1 a second in
/// a chat, 20 a minute in a group, about 30 a second in all.
const LIMITS: &[Limit] = &[
    Limit { whose: Whose::Conversation, count: 1, per: Duration::from_secs(1) },
    Limit { whose: Whose::Named("-"), count: 20, per: Duration::from_mins(1) },
    Limit { whose: Whose::Bot, count: 30, per: Duration::from_secs(1) },
];

/// The bot and how its webhook is tried again.
#[derive(Clone)]
pub struct Config {
    /// The bot's token; its id is the part before the colon.
    pub token: String,
    /// The bot's username, without `@`.
    pub username: String,
    /// The webhook's retries; Telegram's own pauses double from 1 s to 60 s for 24 h.
    pub retry: Retry,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token: "4200000001:AAF-simulated_telegram_bot_token_000".to_owned(),
            username: "zaki_sim_bot".to_owned(),
            retry: telegram_retry(),
        }
    }
}

/// At once, then 1, 2, 4, ... 60 s; bounded to a quarter of an hour instead of 24 h.
fn telegram_retry() -> Retry {
    let mut pauses = vec![Duration::ZERO];
    pauses.extend((0..18).map(|n| Duration::from_secs(1 << n.min(6)).min(Duration::from_mins(1))));
    Retry { pauses, timeout: Duration::from_mins(1) }
}

/// A running Bot API server. Clones are handles to the same one.
#[derive(Clone)]
pub struct Telegram {
    desk: Desk,
    shared: Arc<Shared>,
}

/// What the server's tasks share; it keeps nothing alive.
struct Shared {
    config: Config,
    records: Records,
    poster: Poster,
    stop: CancellationToken,
    world: Mutex<World>,
    /// Wakes pollers and the webhook deliverer; counts updates.
    news: watch::Sender<u64>,
    /// Counts polls and webhook changes: a newer one ends an older poll.
    polls: watch::Sender<u64>,
}

impl Telegram {
    /// Start on a free port.
    pub async fn start(config: Config) -> io::Result<Self> {
        let (listener, url) = listen().await?;
        let records = Records::new(LIMITS);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            poster: Poster::new(records.attempts.clone())?,
            world: Mutex::new(World::new(&config)),
            config,
            records: records.clone(),
            stop: stop.clone(),
            news: watch::Sender::new(0),
            polls: watch::Sender::new(0),
        });
        let gated = Gate { dialect: Arc::new(BotApi), records: records.clone() };
        let router = methods::router(Arc::clone(&shared)).layer(from_fn_with_state(gated, gate));
        serve(listener, router, stop.clone());
        Ok(Self { desk: Desk::new(url, records, stop), shared })
    }

    /// The bot's token.
    pub fn token(&self) -> &str {
        &self.shared.config.token
    }

    /// The bot itself.
    pub fn bot(&self) -> User {
        lock(&self.shared.world).bot.clone()
    }

    /// `from` writes `text` to the bot in private. Returns the update's id.
    pub fn say(&self, from: &User, text: &str) -> i64 {
        self.say_in(&Chat::private(from), from, text, json!({}))
    }

    /// `from` writes `text` in `chat`; the fields of `extra` (such as `message_thread_id`,
    /// `reply_to_message`, `entities`) go into the message. Returns the update's id.
    pub fn say_in(&self, chat: &Chat, from: &User, text: &str, extra: Value) -> i64 {
        let message = lock(&self.shared.world).incoming(chat, from, text, extra);
        self.push("message", &message)
    }

    /// `from` sends `photos` photos at once with a caption: that many messages with one
    /// `media_group_id`, the caption at the first. Returns the updates' ids.
    pub fn album(&self, chat: &Chat, from: &User, caption: &str, photos: usize) -> Vec<i64> {
        let group = lock(&self.shared.world).media_group();
        let message = |number: usize| {
            let file = format!("photo-{group}-{number}");
            self.put_file(&file, &format!("photos/{file}.jpg"), vec![0xff, 0xd8, 0xff]);
            let caption = if number == 0 { json!(caption) } else { Value::Null };
            json!({
                "media_group_id": group,
                "caption": caption,
                "photo": [{
                    "file_id": file, "file_unique_id": format!("u{file}"),
                    "width": 90, "height": 60, "file_size": 3,
                }],
            })
        };
        let messages: Vec<Value> = (0..photos).map(message).collect();
        let mut world = lock(&self.shared.world);
        world.introduce(chat);
        let ids = messages.into_iter().map(|fields| {
            let message = world.keep(chat, from, fields);
            world.queue("message", &message)
        });
        let ids = ids.collect();
        drop(world);
        updates::announce(&self.shared);
        ids
    }

    /// A basic group becomes a supergroup with the id `to`: both are told so, and the old one can
    /// no longer be written to. Returns the new chat and the updates' ids.
    pub fn upgrade(&self, group: &Chat, from: &User, to: i64) -> (Chat, Vec<i64>) {
        let new = group.upgraded(to);
        let mut world = lock(&self.shared.world);
        world.introduce(group);
        world.introduce(&new);
        world.moved.insert(group.id, to);
        let news = [
            (group, json!({"migrate_to_chat_id": to})),
            (&new, json!({"migrate_from_chat_id": group.id})),
        ];
        let ids = news.into_iter().map(|(chat, fields)| {
            let message = world.keep(chat, from, fields);
            world.queue("message", &message)
        });
        let ids = ids.collect();
        drop(world);
        updates::announce(&self.shared);
        (new, ids)
    }

    /// `from` edits an earlier message of theirs. Returns the update's id.
    pub fn edit(&self, chat: &Chat, from: &User, message_id: i64, text: &str) -> i64 {
        let edited = lock(&self.shared.world).edited(chat, from, message_id, text);
        self.push("edited_message", &edited)
    }

    /// `from` presses a button with this `callback_data` under a message. Returns the update's id.
    pub fn press(&self, chat: &Chat, from: &User, message_id: i64, data: &str) -> i64 {
        let query = lock(&self.shared.world).callback_query(chat, from, message_id, data);
        self.push("callback_query", &query)
    }

    /// An update of any kind, its content as given. Returns the update's id.
    pub fn push(&self, kind: &str, content: &Value) -> i64 {
        let id = lock(&self.shared.world).queue(kind, content);
        updates::announce(&self.shared);
        id
    }

    /// The very same update again, as after an answer that was lost. Nothing happens for an id
    /// that was never given out.
    pub fn deliver_again(&self, update_id: i64) {
        if lock(&self.shared.world).queue_again(update_id) {
            updates::announce(&self.shared);
        }
    }

    /// The message of a `message` update.
    pub fn message_id(&self, update_id: i64) -> Option<i64> {
        lock(&self.shared.world).given(update_id)?["message"]["message_id"].as_i64()
    }

    /// The bot may write in `chat` from now on, though nobody wrote there yet.
    pub fn introduce(&self, chat: &Chat) {
        lock(&self.shared.world).introduce(chat);
    }

    /// A person blocks the bot: sending there is refused with 403.
    pub fn block(&self, user: &User) {
        lock(&self.shared.world).blocked.insert(user.id);
    }

    /// A file that `getFile` knows and that can be downloaded.
    pub fn put_file(&self, file_id: &str, file_path: &str, content: Vec<u8>) {
        lock(&self.shared.world).put_file(file_id, file_path, content);
    }

    /// What the bot's message reads now, after all edits.
    pub fn text_of(&self, chat: i64, message_id: i64) -> Option<String> {
        lock(&self.shared.world).text_of(chat, message_id)
    }

    /// Sets the webhook as `setWebhook` does.
    pub fn set_webhook(&self, url: &str, secret_token: &str) {
        updates::set_webhook(&self.shared, url, Some(secret_token.to_owned()), 40);
    }
}

impl Simulator for Telegram {
    fn name(&self) -> &'static str {
        "telegram"
    }

    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn credentials(&self) -> Value {
        json!({
            "url": self.url(),
            "token": self.token(),
            "username": self.shared.config.username,
            "bot_id": self.bot().id,
        })
    }
}
