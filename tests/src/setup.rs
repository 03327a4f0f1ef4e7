//! What a test's world is to be like, and the configuration that makes it so.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use toml::Table;
use zaki_simulators::{Retry, Simulator, Simulators, discord, graph, slack, telegram};

use crate::ChannelKind;
use crate::openclaw::OpenClaw;
use crate::workerd::Rig;
use crate::world::{ACCOUNT, GUILD, TELEGRAM_SECRET, World, own_address};

/// What a world is to be like.
pub struct Setup {
    settings: Table,
    public: bool,
    openclaw: Option<OpenClaw>,
    channels: Vec<ChannelKind>,
    haste: Option<u32>,
    address: Option<String>,
    front: Option<String>,
    environment: Vec<(String, String)>,
}

impl Setup {
    /// All four channels by webhook, an agent that repeats what it is told.
    pub fn echo() -> Self {
        let setup = Self {
            settings: Table::new(),
            public: true,
            openclaw: None,
            channels: ChannelKind::ALL.to_vec(),
            haste: None,
            address: None,
            front: None,
            environment: Vec::new(),
        };
        setup.set("sandbox.runtime", "echo")
    }

    /// The same with a real OpenClaw for each person.
    pub fn openclaw(openclaw: OpenClaw) -> Self {
        let dir = openclaw.dir().display().to_string();
        let setup = Self::echo().set("sandbox.runtime", "process").set("sandbox.runtime_dir", dir);
        // Answers alone are counted, whatever a start takes.
        let setup = setup.set("turn.progress_s", 0);
        Self { openclaw: Some(openclaw), ..setup }
    }

    /// A hub that the platforms cannot call: Telegram is polled, Discord comes by its gateway.
    #[must_use]
    pub fn without_public_url(mut self) -> Self {
        self.public = false;
        self
    }

    /// Only these channels have an account.
    #[must_use]
    pub fn only(mut self, channels: &[ChannelKind]) -> Self {
        self.channels = channels.to_vec();
        self
    }

    /// Everything that takes minutes takes seconds: the platforms come again as often as they do,
    /// but sooner, and nobody waits long for a report that will not come.
    #[must_use]
    pub fn hasty(mut self) -> Self {
        self.haste = Some(20);
        self.set("deliver.report_s", 3).set("deliver.max_wait_s", 2)
    }

    /// The hub listens here, an address of [`own_address`].
    #[must_use]
    pub fn at(mut self, address: &str) -> Self {
        self.address = Some(address.to_owned());
        self
    }

    /// The platforms' webhooks go to this base URL, which passes them on to the hub.
    #[must_use]
    pub fn behind(mut self, front: &str) -> Self {
        self.front = Some(front.to_owned());
        self
    }

    /// A variable of the hub's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A setting by its dotted name.
    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<toml::Value>) -> Self {
        set(&mut self.settings, key, value.into());
        self
    }

    /// Starts the platforms and writes the configuration, but starts no hub.
    pub async fn prepare(self) -> Result<World> {
        // Sandboxes run as other users and must be able to walk in.
        let open = Permissions::from_mode(0o755);
        let dir = tempfile::Builder::new().prefix("zaki-tests-").permissions(open).tempdir()?;
        let Simulators { telegram, discord, whatsapp, slack } = platforms(self.haste).await?;
        discord.add_channel(&discord::Channel::in_guild(GUILD.0, GUILD.1, "general"));
        let hub = self.address.unwrap_or_else(|| own_address().to_string());
        let front = self.front.unwrap_or_else(|| format!("http://{hub}"));
        let data = dir.path().join("data").display().to_string();
        let mut settings = self.settings;
        let mut default = |key: &str, value: String| set_default(&mut settings, key, value);
        default("hub.listen", hub.clone());
        default("hub.data_dir", data);
        default("hub.public_url", if self.public { front.clone() } else { String::new() });
        default("edge.listen", "127.0.0.1:0".to_owned());
        let mut world = World {
            hub_address: hub,
            front,
            public: self.public,
            channels: self.channels,
            http: reqwest::Client::builder().no_proxy().build()?,
            telegram,
            discord,
            whatsapp,
            slack,
            up: None,
            dir,
            environment: self.environment,
            openclaw: self.openclaw,
            worker: None,
            model: None,
        };
        if Rig::is_wanted() {
            world.move_to_workerd(&mut settings).await?;
        }
        world.configure(settings)?;
        Ok(world)
    }

    /// Starts everything; every platform knows the hub and the hub every platform.
    pub async fn start(self) -> Result<World> {
        let mut world = self.prepare().await?;
        world.up().await?;
        Ok(world)
    }
}

/// The four platforms, in a hurry or not.
async fn platforms(haste: Option<u32>) -> Result<Simulators> {
    let Some(times) = haste else { return Ok(Simulators::start().await?) };
    let sooner = |retry: Retry| {
        let pauses = retry.pauses.iter();
        Retry { pauses: pauses.map(|pause| *pause / times).collect(), ..retry }
    };
    let telegram = telegram::Config::default();
    let mut telegram = telegram::Config { retry: sooner(telegram.retry.clone()), ..telegram };
    // A minute of waiting for an answer is Telegram's own bound; a test has less.
    telegram.retry.timeout = Duration::from_secs(10);
    let whatsapp = graph::Config::default();
    let whatsapp = graph::Config { retry: sooner(whatsapp.retry.clone()), ..whatsapp };
    let slack = slack::Config::default();
    let slack = slack::Config { retry: sooner(slack.retry.clone()), ..slack };
    Ok(Simulators {
        telegram: telegram::Telegram::start(telegram).await?,
        discord: discord::Discord::start(discord::Config::default()).await?,
        whatsapp: graph::Graph::start(whatsapp).await?,
        slack: slack::Slack::start(slack).await?,
    })
}

impl World {
    /// Writes the configuration: `settings` and an account on every channel.
    fn configure(&self, settings: Table) -> Result<()> {
        let mut config = settings;
        for channel in &self.channels {
            let name = format!("{channel}.{ACCOUNT}");
            let Value::Object(account) = self.account(*channel) else {
                continue;
            };
            for (key, value) in account {
                set_default(&mut config, &format!("{name}.{key}"), toml::Value::try_from(value)?);
            }
        }
        self.write_config(&config.to_string())
    }

    fn account(&self, channel: ChannelKind) -> Value {
        match channel {
            ChannelKind::Telegram => json!({
                "token": self.telegram.token(),
                "api_base": self.telegram.url(),
                "receive": if self.public { "webhook" } else { "polling" },
                "webhook_secret": TELEGRAM_SECRET,
            }),
            ChannelKind::Discord => json!({
                "token": self.discord.token(),
                "api_base": format!("{}/api/v10", self.discord.url()),
                "application_id": self.discord.config().application_id.to_string(),
                "public_key": self.discord.public_key(),
            }),
            ChannelKind::WhatsApp => json!({
                "token": self.whatsapp.token(),
                "api_base": self.whatsapp.url(),
                "phone_number_id": self.whatsapp.config().phone_number_id,
                "app_secret": self.whatsapp.config().app_secret,
                "verify_token": self.whatsapp.config().verify_token,
            }),
            ChannelKind::Slack => json!({
                "token": self.slack.token(),
                "api_base": self.slack.api_url(),
                "signing_secret": self.slack.config().signing_secret,
            }),
            ChannelKind::Web => crate::no_bot(),
        }
    }
}

pub(crate) fn set_default(table: &mut Table, key: &str, value: impl Into<toml::Value>) {
    let known = key.split('.').try_fold(None, |at: Option<&toml::Value>, part| {
        let next = at.map_or_else(|| table.get(part), |at| at.get(part));
        next.map(Some)
    });
    if known.is_none() {
        set(table, key, value.into());
    }
}

pub(crate) fn set(table: &mut Table, key: &str, value: toml::Value) {
    match key.split_once('.') {
        None => drop(table.insert(key.to_owned(), value)),
        Some((first, rest)) => {
            let inner = table.entry(first).or_insert_with(|| Table::new().into());
            if let toml::Value::Table(inner) = inner {
                set(inner, rest, value);
            }
        }
    }
}
