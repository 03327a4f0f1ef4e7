//! Accounts that are easily taken for each other: the same ids on every platform, the same ids in
//! two teams, phone numbers that turn out to have a better name, and one name for all.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use zaki_simulators::{discord, graph, signature, slack, telegram};

use super::judge::Place;
use super::model::AccountNo;
use crate::world::{ACCOUNT, GUILD};
use crate::{ChannelKind, World};

/// What everybody is called.
const NAME: &str = "Sam";
/// Another team whose people have the same ids.
const TWIN_TEAM: &str = "T0TWIN0001";
/// How often an event is delivered that nobody has acknowledged.
const TRIES: u32 = 20;
const AGAIN: Duration = Duration::from_secs(1);

/// An account on a platform.
#[derive(Debug)]
pub struct Account {
    /// Unique in a run.
    pub no: AccountNo,
    /// Where.
    pub channel: ChannelKind,
    /// Its id there, and that of somebody else elsewhere.
    id: u64,
    /// On Slack: in the other team.
    pub twin: bool,
    /// How often it has written.
    written: AtomicU32,
}

impl Account {
    /// An account; the `number`-th of its platform or team.
    pub fn new(no: AccountNo, channel: ChannelKind, twin: bool, number: u32) -> Self {
        let id = 7_000_000_000 + 100 * u64::from(number);
        Self { no, channel, id, twin, written: AtomicU32::new(0) }
    }

    /// What the directory may know it by.
    pub fn ids(&self) -> Vec<String> {
        match self.channel {
            ChannelKind::Telegram | ChannelKind::Discord => vec![self.id.to_string()],
            ChannelKind::WhatsApp => vec![self.id.to_string(), self.business_id()],
            ChannelKind::Slack => vec![self.slack()],
            ChannelKind::Web => crate::no_bot(),
        }
    }

    /// Whether the directory's scope can be its own.
    pub fn is_of(&self, scope: &str) -> bool {
        self.channel != ChannelKind::Slack || (scope == TWIN_TEAM) == self.twin
    }

    fn business_id(&self) -> String {
        format!("RU.{}", self.id)
    }

    fn slack(&self) -> String {
        format!("U{}", self.id)
    }

    fn discord(&self) -> discord::User {
        discord::User::new(self.id, NAME)
    }

    fn telegram(&self) -> telegram::User {
        telegram::User::new(self.id.cast_signed(), NAME)
    }

    /// Half of them are known by their number alone at first.
    fn contact(&self) -> graph::Contact {
        let written = self.written.fetch_add(1, Ordering::Relaxed);
        if self.no.is_multiple_of(2) && written < 3 {
            return graph::Contact::by_number(&self.id.to_string(), NAME);
        }
        graph::Contact::new(&self.id.to_string(), &self.business_id(), NAME)
    }
}

/// How accounts write on the platforms of a world.
#[derive(Clone)]
pub struct Cast {
    telegram: telegram::Telegram,
    discord: discord::Discord,
    whatsapp: graph::Graph,
    slack: slack::Slack,
    http: reqwest::Client,
    events: String,
}

impl Cast {
    /// Those of a world.
    pub fn of(world: &World) -> Self {
        Self {
            telegram: world.telegram.clone(),
            discord: world.discord.clone(),
            whatsapp: world.whatsapp.clone(),
            slack: world.slack.clone(),
            http: world.http.clone(),
            events: format!("{}/webhooks/slack/{ACCOUNT}/events", world.front),
        }
    }

    /// An account's private conversation with the bot, by all its names.
    pub fn places(&self, account: &Account) -> Vec<Place> {
        let ids = match account.channel {
            ChannelKind::Telegram => vec![account.id.to_string()],
            ChannelKind::Discord => vec![self.discord.direct(&account.discord()).id.to_string()],
            ChannelKind::WhatsApp => account.ids(),
            ChannelKind::Slack if account.twin => vec![format!("D0TWIN{}", account.id)],
            ChannelKind::Slack => vec![self.slack.direct_channel(&account.slack())],
            ChannelKind::Web => crate::no_bot(),
        };
        ids.into_iter().map(|id| (account.channel, id)).collect()
    }

    /// The account writes to the bot in private.
    pub fn say(&self, account: &Account, text: &str) {
        match account.channel {
            ChannelKind::Telegram => drop(self.telegram.say(&account.telegram(), text)),
            ChannelKind::Discord => drop(self.discord.say(&account.discord(), text)),
            ChannelKind::WhatsApp => drop(self.whatsapp.say(&account.contact(), text)),
            ChannelKind::Slack if account.twin => self.say_in_twin_team(account, text),
            ChannelKind::Slack => drop(self.slack.say(&account.slack(), text)),
            ChannelKind::Web => crate::no_bot(),
        }
    }

    /// Where a group is.
    pub fn group(channel: ChannelKind, group: u32) -> Option<Place> {
        let id = match channel {
            ChannelKind::Telegram => (-1_002_000_000_000 - i64::from(group)).to_string(),
            ChannelKind::Discord => (93_000_000_000_000_000 + u64::from(group)).to_string(),
            ChannelKind::Slack => format!("C0TENANT{group:04}"),
            ChannelKind::WhatsApp | ChannelKind::Web => return None,
        };
        Some((channel, id))
    }

    /// The account writes to the bot among others.
    pub fn say_in(&self, (channel, id): &Place, account: &Account, text: &str) {
        match channel {
            ChannelKind::Telegram => {
                let chat = telegram::Chat::group(id.parse().unwrap_or_default(), "Some group");
                let name = self.telegram.bot().username.unwrap_or_default();
                let text = format!("@{name} {text}");
                self.telegram.say_in(&chat, &account.telegram(), &text, json!({}));
            }
            ChannelKind::Discord => {
                let id = id.parse().unwrap_or_default();
                let channel = discord::Channel::in_guild(GUILD.0, id, "some-channel");
                let text = format!("@zaki {text}");
                self.discord.say_in(&channel, &account.discord(), &text, json!({}));
            }
            ChannelKind::Slack => {
                self.slack.mention(id, &account.slack(), text, json!({}));
            }
            ChannelKind::WhatsApp | ChannelKind::Web => {}
        }
    }

    /// As Slack tells of somebody of another team, who happens to have the same id.
    fn say_in_twin_team(&self, account: &Account, text: &str) {
        let channel = format!("D0TWIN{}", account.id);
        self.slack.add_channel(&channel, "twin");
        let written = account.written.fetch_add(1, Ordering::Relaxed);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let ts = format!("{now}.{:06}", account.no * 1000 + written);
        let config = self.slack.config();
        let body = self.event(account, &channel, &ts, text).to_string();
        let signed = signature::slack(&config.signing_secret, now, body.as_bytes());
        let (http, events) = (self.http.clone(), self.events.clone());
        tokio::spawn(async move {
            // As Slack does, though sooner.
            for _ in 0..TRIES {
                let request = http.post(&events).body(body.clone());
                let request = request
                    .header("content-type", "application/json")
                    .header("x-slack-request-timestamp", now.to_string())
                    .header("x-slack-signature", &signed);
                if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
                    return;
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    fn event(&self, account: &Account, channel: &str, ts: &str, text: &str) -> Value {
        let (config, user) = (self.slack.config(), account.slack());
        json!({
            "type": "event_callback", "team_id": TWIN_TEAM, "api_app_id": config.app_id,
            "event_id": format!("EvTWIN{}{ts}", account.no), "event_time": 1,
            "authorizations": [{
                "enterprise_id": null, "team_id": TWIN_TEAM, "user_id": config.bot_user_id,
                "is_bot": true, "is_enterprise_install": false,
            }],
            "event": {
                "type": "message", "channel_type": "im", "team": TWIN_TEAM, "channel": channel,
                "user": user, "text": text, "ts": ts, "event_ts": ts,
            },
        })
    }
}
