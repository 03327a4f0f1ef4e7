//! The four simulated platforms and the people on them.

use std::time::Duration;

use anyhow::{Context, Result};
use toml::Table;
use zaki_envelope::{ChannelKind, Sender, SenderId, SenderScope};
use zaki_simulators::{
    Call, Log, Sent, Simulator,
    discord::{self, Discord},
    graph::{self, Graph},
    slack::{self, Slack},
    telegram::{self, Telegram},
};

/// The webhook secret of the simulated Telegram bot; the other platforms' simulators bring theirs.
const TELEGRAM_SECRET: &str = "demo-secret";

/// The account name on every channel.
const ACCOUNT: &str = "demo";

/// How long the hub may take to connect.
const PATIENCE: Duration = Duration::from_secs(30);

/// Four platforms on loopback.
pub(super) struct World {
    telegram: Telegram,
    discord: Discord,
    graph: Graph,
    slack: Slack,
}

impl World {
    pub(super) async fn start() -> std::io::Result<Self> {
        Ok(Self {
            telegram: Telegram::start(telegram::Config::default()).await?,
            discord: Discord::start(discord::Config::default()).await?,
            graph: Graph::start(graph::Config::default()).await?,
            slack: Slack::start(slack::Config::default()).await?,
        })
    }

    /// The accounts' part of the configuration.
    pub(super) fn accounts(&self) -> Result<Table> {
        let (graph, slack) = (self.graph.config(), self.slack.config());
        let json = serde_json::json!({
            "telegram": { ACCOUNT: {
                "token": self.telegram.token(),
                "api_base": self.telegram.url(),
                "receive": "webhook",
                "webhook_secret": TELEGRAM_SECRET,
            }},
            "discord": { ACCOUNT: {
                "token": self.discord.token(),
                "api_base": format!("{}/api/v10", self.discord.url()),
                "application_id": self.discord.config().application_id.to_string(),
                "public_key": self.discord.public_key(),
            }},
            "whatsapp": { ACCOUNT: {
                "token": graph.token,
                "api_base": self.graph.url(),
                "phone_number_id": graph.phone_number_id,
                "app_secret": graph.app_secret,
                "verify_token": graph.verify_token,
            }},
            "slack": { ACCOUNT: {
                "token": slack.bot_token,
                "api_base": self.slack.api_url(),
                "signing_secret": slack.signing_secret,
            }},
        });
        Ok(Table::try_from(json)?)
    }

    /// Does what a person does in each platform's console: tells it where the hub is. Telegram has
    /// no console; the hub registers there by itself.
    pub(super) async fn attach(&self, hub: &str) -> Result<()> {
        let url = |channel: ChannelKind| format!("{hub}/webhooks/{channel}/{ACCOUNT}");
        self.graph.set_webhook(&url(ChannelKind::WhatsApp)).await?;
        self.slack.set_events_url(&format!("{}/events", url(ChannelKind::Slack))).await?;
        self.discord.set_interactions_endpoint(&url(ChannelKind::Discord)).await?;
        let registered = |call: &Call| call.method == "setWebhook" && call.status == 200;
        let registered = self.telegram.calls().wait_for(registered, PATIENCE);
        registered.await.context("the hub does not register with the simulated Telegram")?;
        let connected = self.discord.connections().wait_for(|_| true, PATIENCE);
        connected.await.context("the hub does not connect to the simulated Discord gateway")?;
        Ok(())
    }

    /// What a person is called on each platform.
    pub(super) fn senders(&self, person: u8) -> [(ChannelKind, Sender); 4] {
        let sender =
            |scope: &str, id: String| Sender::new(SenderScope::new(scope), SenderId::new(id));
        let whatsapp = whatsapp(person);
        [
            (ChannelKind::Telegram, sender("", telegram(person).id.to_string())),
            (ChannelKind::Discord, sender("", discord(person).id.to_string())),
            (
                ChannelKind::WhatsApp,
                sender(&self.graph.config().waba_id, whatsapp.user_id.unwrap_or_default()),
            ),
            (ChannelKind::Slack, sender(&self.slack.config().team_id, slack_user(person))),
        ]
    }

    /// Where a person and the bot talk in private.
    pub(super) fn conversation(&self, channel: ChannelKind, person: u8) -> String {
        match channel {
            ChannelKind::Telegram => telegram(person).id.to_string(),
            ChannelKind::Discord => self.discord.direct(&discord(person)).id.to_string(),
            ChannelKind::WhatsApp => whatsapp(person).user_id.unwrap_or_default(),
            ChannelKind::Slack => self.slack.direct_channel(&slack_user(person)),
            ChannelKind::Web => String::new(),
        }
    }

    /// The person writes to the bot.
    pub(super) fn say(&self, channel: ChannelKind, person: u8, text: &str) {
        match channel {
            ChannelKind::Telegram => drop(self.telegram.say(&telegram(person), text)),
            ChannelKind::Discord => drop(self.discord.say(&discord(person), text)),
            ChannelKind::WhatsApp => drop(self.graph.say(&whatsapp(person), text)),
            ChannelKind::Slack => drop(self.slack.say(&slack_user(person), text)),
            ChannelKind::Web => {}
        }
    }

    /// What the bot did on a channel, if there is one.
    pub(super) fn sent(&self, channel: ChannelKind) -> Option<&Log<Sent>> {
        let sent = match channel {
            ChannelKind::Telegram => self.telegram.sent(),
            ChannelKind::Discord => self.discord.sent(),
            ChannelKind::WhatsApp => self.graph.sent(),
            ChannelKind::Slack => self.slack.sent(),
            ChannelKind::Web => return None,
        };
        Some(sent)
    }

    /// What the bot wrote in a conversation since its `seen`-th act on the channel.
    pub(super) fn reply(
        &self,
        channel: ChannelKind,
        conversation: &str,
        seen: u64,
    ) -> Option<String> {
        let seen = usize::try_from(seen).unwrap_or(usize::MAX);
        let acts = self.sent(channel)?.all();
        let texts: Vec<&str> = acts
            .iter()
            .skip(seen)
            .filter(|sent| sent.has_text() && sent.conversation == conversation)
            .map(|sent| sent.text.as_str())
            .collect();
        (!texts.is_empty()).then(|| texts.join("\n"))
    }

    /// Where the platforms are.
    pub(super) fn urls(&self) -> [(&'static str, &str); 4] {
        let simulators: [&dyn Simulator; 4] =
            [&self.telegram, &self.discord, &self.graph, &self.slack];
        simulators.map(|simulator| (simulator.name(), simulator.url()))
    }
}

fn telegram(person: u8) -> telegram::User {
    telegram::User::new(70_001 + i64::from(person), &name(person))
}

fn discord(person: u8) -> discord::User {
    discord::User::new(80_000_000_000_000_001 + u64::from(person), &name(person).to_lowercase())
}

fn whatsapp(person: u8) -> graph::Contact {
    let number = format!("4915100000{person:02}");
    graph::Contact::new(&number, &format!("DE.demo{person:02}"), &name(person))
}

fn slack_user(person: u8) -> String {
    format!("U0DEMO{person:02}")
}

fn name(person: u8) -> String {
    const NAMES: [&str; 4] = ["Ada", "Grace", "Edsger", "Barbara"];
    let name = NAMES.get(usize::from(person) % NAMES.len()).unwrap_or(&"Ada");
    match person / 4 {
        0 => (*name).to_owned(),
        n => format!("{name} {}", n + 1),
    }
}
