//! WhatsApp Cloud API on Graph: sending, media, and signed webhooks with statuses.
//!
//! Calls are recorded as `messages`, `read` (mark as read), `media`, `download`, `phone_number`.
//! Facts are from developers.facebook.com/docs/whatsapp/cloud-api. As on the real one, a free-form
//! message outside the 24-hour window is taken and then fails by status (131047): a person must
//! have written first.

mod contact;
mod inbound;
mod messages;
mod refusal;
mod routes;

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::middleware::from_fn_with_state;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub use contact::Contact;
pub use inbound::Said;

use crate::common::{
    Desk, Gate, Limit, Made, Poster, Records, Retry, Simulator, WebhookRefused, Whose, gate,
    listen, lock, serve,
};

/// <https://developers.facebook.com/docs/whatsapp/cloud-api/overview>: 45 in 6 s and 600 in an hour
/// to one person, 80 a second in all.
const LIMITS: &[Limit] = &[
    Limit { whose: Whose::Conversation, count: 45, per: Duration::from_secs(6) },
    Limit { whose: Whose::Conversation, count: 600, per: Duration::from_hours(1) },
    Limit { whose: Whose::Bot, count: 80, per: Duration::from_secs(1) },
];

/// The business, its app, and how its webhook is tried again.
#[derive(Clone)]
pub struct Config {
    /// The access token calls must bear.
    pub token: String,
    /// Signs the webhooks.
    pub app_secret: String,
    /// Asked for when the webhook is set.
    pub verify_token: String,
    /// The bot's number, as Graph names it.
    pub phone_number_id: String,
    /// The bot's number, as people see it.
    pub display_phone_number: String,
    /// The WhatsApp Business account.
    pub waba_id: String,
    /// POST `sent` and `delivered` statuses after each message.
    pub statuses: bool,
    /// The webhook's retries; Meta's own run for up to 7 days.
    pub retry: Retry,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token: "EAASimulatedGraphAccessToken".to_owned(),
            app_secret: "meta-app-secret-simulated".to_owned(),
            verify_token: "verify-simulated".to_owned(),
            phone_number_id: "106540352242922".to_owned(),
            display_phone_number: "15550783881".to_owned(),
            waba_id: "102290129340398".to_owned(),
            statuses: true,
            retry: Retry {
                pauses: (0..10).map(|n| Duration::from_secs(1 << n)).collect(),
                timeout: Duration::from_secs(20),
            },
        }
    }
}

/// A running Graph server. Clones are handles to the same one.
#[derive(Clone)]
pub struct Graph {
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

/// A message the business sent.
struct Outgoing {
    to: String,
    tracker: Value,
}

struct Media {
    mime_type: String,
    content: Vec<u8>,
}

#[derive(Default)]
struct World {
    webhook: Option<String>,
    /// By number or business-scoped id: the last time they wrote, in Unix seconds.
    heard: HashMap<String, (Contact, u64)>,
    outgoing: Made<Outgoing>,
    /// Bodies POSTed, by the wamid of each message in them.
    bodies: Made<String>,
    media: HashMap<String, Media>,
    /// What the bot has uploaded: SHA-256 by id.
    uploads: HashMap<String, String>,
    next: u64,
}

impl World {
    fn next(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

impl Graph {
    /// Start on a free port.
    pub async fn start(config: Config) -> io::Result<Self> {
        let (listener, url) = listen().await?;
        let records = Records::new(LIMITS);
        let stop = CancellationToken::new();
        let shared = Arc::new(Shared {
            url: url.clone(),
            config: config.clone(),
            poster: Poster::new(records.attempts.clone())?,
            records: records.clone(),
            stop: stop.clone(),
            world: Mutex::default(),
        });
        let gated = Gate {
            dialect: Arc::new(routes::GraphApi { phone_number_id: config.phone_number_id }),
            records: records.clone(),
        };
        let router = routes::router(Arc::clone(&shared)).layer(from_fn_with_state(gated, gate));
        serve(listener, router, stop.clone());
        Ok(Self { desk: Desk::new(url, records, stop), shared })
    }

    /// The access token.
    pub fn token(&self) -> &str {
        &self.shared.config.token
    }

    /// How the business was set up.
    pub fn config(&self) -> &Config {
        &self.shared.config
    }

    /// Sets the webhook as the app's dashboard does: GET with a challenge first.
    pub async fn set_webhook(&self, url: &str) -> Result<(), WebhookRefused> {
        inbound::verify_webhook(&self.shared, url).await?;
        lock(&self.shared.world).webhook = Some(url.to_owned());
        Ok(())
    }

    /// `from` writes `text`. Returns the message's id (wamid).
    pub fn say(&self, from: &Contact, text: &str) -> String {
        self.say_all(&[Said::text(from, text)]).pop().unwrap_or_default()
    }

    /// Several messages in one POST, in this order. Returns their ids.
    pub fn say_all(&self, messages: &[Said]) -> Vec<String> {
        inbound::say_all(&self.shared, messages)
    }

    /// Any `value` of a `messages` change, as given. Returns the key of its [`crate::Attempt`]s.
    pub fn push(&self, value: &Value) -> String {
        let key = format!("push.{}", lock(&self.shared.world).next());
        inbound::post(&self.shared, &[key.as_str()], &[("messages", value)]);
        key
    }

    /// The status of a message that the business sent: `read`, `delivered`, ...
    pub fn status(&self, wamid: &str, status: &str) {
        inbound::post_status(&self.shared, wamid, status, None);
    }

    /// The same POST again that held this message, byte for byte.
    pub fn deliver_again(&self, wamid: &str) {
        inbound::post_again(&self.shared, wamid);
    }

    /// A medium that can be asked for and fetched. Returns its id.
    pub fn put_media(&self, mime_type: &str, content: Vec<u8>) -> String {
        let mut world = lock(&self.shared.world);
        let id = format!("{}", 1_000_000_000 + world.next());
        world.media.insert(id.clone(), Media { mime_type: mime_type.to_owned(), content });
        id
    }

    /// This person wrote just now, in a message made by hand: their 24-hour window opens.
    pub fn open_window(&self, contact: &Contact) {
        inbound::hear(&mut lock(&self.shared.world), contact);
    }

    /// The 24-hour window of this person closes now.
    pub fn close_window(&self, contact: &Contact) {
        let mut world = lock(&self.shared.world);
        world.heard.retain(|_, (known, _)| known != contact);
    }
}

impl Simulator for Graph {
    fn name(&self) -> &'static str {
        "whatsapp"
    }

    fn desk(&self) -> &Desk {
        &self.desk
    }

    fn credentials(&self) -> Value {
        let config = &self.shared.config;
        json!({
            "url": self.url(),
            "token": config.token,
            "app_secret": config.app_secret,
            "verify_token": config.verify_token,
            "phone_number_id": config.phone_number_id,
            "waba_id": config.waba_id,
        })
    }
}
