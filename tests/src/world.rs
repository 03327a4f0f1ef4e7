//! One test's world: four platforms in this process, one hub beside it, one scratch directory.

use std::fs::{self, Permissions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use toml::Table;
use zaki_simulators::{Simulator, Simulators, discord, graph, slack, telegram};

use crate::openclaw::OpenClaw;
use crate::program::{self, Output};
use crate::{ChannelKind, SOON, processes, up::Up};

/// The account's name on every channel.
pub const ACCOUNT: &str = "main";
/// The secret of Telegram's webhook.
pub const TELEGRAM_SECRET: &str = "telegram-webhook-secret-0001";
/// A guild the Discord bot is in, and its channel.
pub const GUILD: (u64, u64) = (91_000_000_000_000_001, 91_000_000_000_000_002);

/// What a world is to be like.
pub struct Setup {
    settings: Table,
    public: bool,
    openclaw: Option<OpenClaw>,
    channels: Vec<ChannelKind>,
}

impl Setup {
    /// All four channels by webhook, an agent that repeats what it is told.
    pub fn echo() -> Self {
        let setup = Self {
            settings: Table::new(),
            public: true,
            openclaw: None,
            channels: ChannelKind::ALL.to_vec(),
        };
        setup.set("sandbox.runtime", "echo")
    }

    /// The same with a real OpenClaw for each person.
    pub fn openclaw(openclaw: OpenClaw) -> Self {
        let dir = openclaw.dir().display().to_string();
        let setup = Self::echo().set("sandbox.runtime", "process").set("sandbox.runtime_dir", dir);
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
        let Simulators { telegram, discord, whatsapp, slack } = Simulators::start().await?;
        discord.add_channel(&discord::Channel::in_guild(GUILD.0, GUILD.1, "general"));
        let hub = own_address().to_string();
        let data = dir.path().join("data").display().to_string();
        let mut settings = self.settings;
        let mut default = |key: &str, value: String| set_default(&mut settings, key, value);
        default("hub.listen", hub.clone());
        default("hub.data_dir", data);
        default(
            "hub.public_url",
            if self.public { format!("http://{hub}") } else { String::new() },
        );
        default("edge.listen", "127.0.0.1:0".to_owned());
        let world = World {
            hub_address: hub,
            public: self.public,
            channels: self.channels,
            http: reqwest::Client::builder().no_proxy().build()?,
            telegram,
            discord,
            whatsapp,
            slack,
            up: None,
            dir,
            openclaw: self.openclaw,
        };
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

/// Everything of one test. Dropping it ends every process it started.
pub struct World {
    /// Telegram.
    pub telegram: telegram::Telegram,
    /// Discord.
    pub discord: discord::Discord,
    /// WhatsApp.
    pub whatsapp: graph::Graph,
    /// Slack.
    pub slack: slack::Slack,
    /// For requests by hand.
    pub http: reqwest::Client,
    hub_address: String,
    public: bool,
    channels: Vec<ChannelKind>,
    up: Option<Up>,
    dir: TempDir,
    // Last, so that others wait until the processes are gone.
    openclaw: Option<OpenClaw>,
}

impl World {
    /// The scratch directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The hub's data directory.
    pub fn data(&self) -> PathBuf {
        self.dir().join("data")
    }

    /// The configuration file.
    pub fn config(&self) -> PathBuf {
        self.dir().join("zaki.toml")
    }

    /// A URL of the hub.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.hub_address)
    }

    /// Starts the hub, again if need be, and introduces it to the platforms.
    pub async fn up(&mut self) -> Result<()> {
        let connected = usize::try_from(self.discord.connections().len())?;
        self.launch().await?;
        self.attach(connected).await
    }

    /// Starts the hub and waits until it is ready; the platforms are not told.
    pub async fn launch(&mut self) -> Result<()> {
        let patience = if self.openclaw.is_some() { 2 * SOON } else { SOON };
        let mut up = Up::start(&self.config(), &self.log_file(), patience)?;
        up.ready(&self.url("/ready"), 2 * SOON).await?;
        self.up = Some(up);
        Ok(())
    }

    async fn attach(&self, connected: usize) -> Result<()> {
        let hook = |channel: ChannelKind| self.url(&format!("/webhooks/{channel}/{ACCOUNT}"));
        let log = |what: &str| format!("{what}\n{}", self.log());
        for channel in &self.channels {
            match channel {
                ChannelKind::Telegram => {
                    let told = |call: &zaki_simulators::Call| {
                        ["setWebhook", "getUpdates"].contains(&call.method.as_str())
                    };
                    // A poll that waits is recorded only when it ends, so do not wait for one.
                    if self.public {
                        let told = self.telegram.calls().wait_for(told, SOON).await;
                        told.with_context(|| log("Telegram was not told of the webhook"))?;
                    }
                }
                ChannelKind::Discord => {
                    let ready = self.discord.connections();
                    let ready = ready.wait_for_count(connected + 1, |_| true, SOON).await;
                    ready.with_context(|| log("Discord's gateway was not connected to"))?;
                    if self.public {
                        let set = self.discord.set_interactions_endpoint(&hook(*channel)).await;
                        set.with_context(|| log("Discord"))?;
                    }
                }
                ChannelKind::WhatsApp => {
                    self.whatsapp
                        .set_webhook(&hook(*channel))
                        .await
                        .with_context(|| log("WhatsApp"))?;
                }
                ChannelKind::Slack => {
                    let set =
                        self.slack.set_events_url(&format!("{}/events", hook(*channel))).await;
                    set.with_context(|| log("Slack"))?;
                }
            }
        }
        Ok(())
    }

    /// The hub, which must be up.
    pub fn hub(&self) -> Result<&Up> {
        self.up.as_ref().context("the hub is not up")
    }

    /// The end of the hub's log.
    pub fn log(&self) -> String {
        self.up.as_ref().map(Up::log).unwrap_or_default()
    }

    /// All that this hub and those before it wrote.
    pub fn whole_log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    fn log_file(&self) -> PathBuf {
        self.dir().join("zaki.log")
    }

    /// The hub dies as in a crash.
    pub fn kill(&mut self) -> Result<()> {
        self.up.take().context("the hub is not up")?.kill()
    }

    /// The hub is asked to end, and does.
    pub async fn stop(&mut self, signal: Signal) -> Result<ExitStatus> {
        self.up.take().context("the hub is not up")?.stop(signal).await
    }

    /// Every process that belongs to this world, the hub among them.
    pub fn processes(&self) -> Vec<processes::Process> {
        processes::of(self.dir())
    }

    /// Runs `zaki <args> --config FILE` to its end.
    pub async fn zaki(&self, args: &[&str]) -> Result<Output> {
        let config = self.config();
        let config = config.to_str().context("a path that is not UTF-8")?;
        program::run(args.iter().copied().chain(["--config", config])).await
    }

    /// What `zaki <args> --json` lists.
    pub async fn list(&self, args: &[&str]) -> Result<Vec<Value>> {
        let args: Vec<&str> = args.iter().copied().chain(["--json"]).collect();
        let lines = self.zaki(&args).await?.ok()?;
        lines.lines().map(|line| serde_json::from_str(line).context("not JSON Lines")).collect()
    }

    /// What people said on one channel, newest first: no statuses or other events.
    pub async fn inbox(&self, channel: ChannelKind) -> Result<Vec<Value>> {
        let mut all = self.list(&["inbox", "list"]).await?;
        all.retain(|line| line["channel"] == channel.as_str() && is_said(line));
        Ok(all)
    }

    /// The deliveries of one channel, newest first.
    pub async fn deliveries(&self, channel: ChannelKind) -> Result<Vec<Value>> {
        let all = self.list(&["deliveries", "list"]).await?;
        let here = |line: &Value| line["address"]["channel"] == channel.as_str();
        Ok(all.into_iter().filter(here).collect())
    }

    /// Waits until what `read` returns satisfies `wanted`.
    pub async fn until<T, F>(
        &self,
        what: &str,
        mut read: impl FnMut() -> F,
        wanted: impl Fn(&T) -> bool,
    ) -> Result<T>
    where
        T: std::fmt::Debug,
        F: Future<Output = Result<T>>,
    {
        let deadline = tokio::time::Instant::now() + SOON;
        loop {
            let last = read().await?;
            if wanted(&last) {
                return Ok(last);
            }
            if tokio::time::Instant::now() > deadline {
                bail!("{what} did not come about; at last: {last:#?}\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// How often webhooks of a channel came out as `outcome`, by `/metrics`.
    pub async fn count(&self, channel: ChannelKind, outcome: &str) -> Result<u64> {
        let text = self.http.get(self.url("/metrics")).send().await?.text().await?;
        let labels = format!("account=\"{channel}/{ACCOUNT}\",outcome=\"{outcome}\"");
        let line = text.lines().find(|line| line.contains(&labels));
        let count = line.and_then(|line| line.rsplit(' ').next()?.parse().ok());
        Ok(count.unwrap_or_default())
    }

    /// Replaces the configuration file; nobody else may read it.
    pub fn write_config(&self, text: &str) -> Result<()> {
        fs::write(self.config(), text)?;
        Ok(fs::set_permissions(self.config(), Permissions::from_mode(0o600))?)
    }

    /// Changes one setting, from the next start on.
    pub fn reconfigure(&self, key: &str, value: impl Into<toml::Value>) -> Result<()> {
        let mut config: Table = fs::read_to_string(self.config())?.parse()?;
        set(&mut config, key, value.into());
        self.write_config(&config.to_string())
    }

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
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.up.take());
        for left in self.processes() {
            left.kill();
        }
    }
}

/// Whether a line of `zaki inbox list` is something a person said.
pub fn is_said(line: &Value) -> bool {
    let kind = line["kind"]["type"].as_str().unwrap_or_default();
    ["message", "command", "button"].contains(&kind)
}

/// An address of loopback that is nobody else's, also after a crash: below the ports that the
/// system gives away by itself, and another one in every test process.
pub fn own_address() -> SocketAddr {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(8) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = u16::try_from(10_000 + number % 20_000).unwrap_or(10_000);
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}

fn set_default(table: &mut Table, key: &str, value: impl Into<toml::Value>) {
    let known = key.split('.').try_fold(None, |at: Option<&toml::Value>, part| {
        let next = at.map_or_else(|| table.get(part), |at| at.get(part));
        next.map(Some)
    });
    if known.is_none() {
        set(table, key, value.into());
    }
}

fn set(table: &mut Table, key: &str, value: toml::Value) {
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
