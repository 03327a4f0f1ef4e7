//! One test's world: four platforms in this process, one hub beside it, one scratch directory.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;
use tokio::task::JoinHandle;
use toml::Table;
use zaki_simulators::{Call, Follow, Simulator, discord, graph, slack, telegram};

use crate::openclaw::OpenClaw;
use crate::program::{self, Output};
use crate::setup::set;
use crate::workerd::Workerd;
pub use crate::workerd::own_address;
use crate::{ChannelKind, Person, SOON, processes, up::Up};

/// The account's name on every channel.
pub const ACCOUNT: &str = "main";
/// The secret of Telegram's webhook.
pub const TELEGRAM_SECRET: &str = "telegram-webhook-secret-0001";
/// A guild the Discord bot is in, and its channel.
pub const GUILD: (u64, u64) = (91_000_000_000_000_001, 91_000_000_000_000_002);

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
    pub(crate) hub_address: String,
    /// Where the platforms find the hub: itself, or what stands before it.
    pub(crate) front: String,
    pub(crate) public: bool,
    pub(crate) channels: Vec<ChannelKind>,
    pub(crate) up: Option<Up>,
    pub(crate) dir: TempDir,
    /// What else the hub finds in its environment.
    pub(crate) environment: Vec<(String, String)>,
    /// The edge, where it is not inside the hub.
    pub(crate) worker: Option<Workerd>,
    /// The offline model, for such an edge, which has none of its own.
    pub(crate) model: Option<JoinHandle<()>>,
    // Last, so that others wait until the processes are gone.
    pub(crate) openclaw: Option<OpenClaw>,
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
        let before = self.met();
        self.launch().await?;
        self.attach(before, 1).await
    }

    /// Starts the hub and waits until it is ready; the platforms are not told.
    pub async fn launch(&mut self) -> Result<()> {
        self.begin()?;
        self.ready().await
    }

    /// Starts the hub's process and waits for nothing.
    pub fn begin(&mut self) -> Result<()> {
        let patience = if self.openclaw.is_some() { 2 * SOON } else { SOON };
        let started = Up::run("up", &self.config(), &self.log_file(), patience, &self.environment)?;
        self.up = Some(started);
        Ok(())
    }

    /// Waits until the hub is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let url = self.url("/ready");
        self.up.as_mut().context("the hub is not up")?.ready(&url, 2 * SOON).await
    }

    /// Whom the platforms have met so far.
    pub fn met(&self) -> Met {
        let mut telegram = self.telegram.calls().follow();
        telegram.take();
        Met { telegram, discord: self.discord.connections().len() }
    }

    /// Introduces whatever hears at `front` to the platforms, once so many `hubs` have come forward
    /// since `before`: a bot knows its name on Telegram only then, and turns messages away until it
    /// does, which come again after pauses that grow.
    pub async fn attach(&self, mut before: Met, hubs: usize) -> Result<()> {
        let hook = |channel: ChannelKind| format!("{}/webhooks/{channel}/{ACCOUNT}", self.front);
        let log = |what: &str| format!("{what}\n{}", self.log());
        for channel in &self.channels {
            match channel {
                ChannelKind::Telegram => {
                    // A poll that waits is recorded only when it ends, so do not wait for one.
                    if self.public {
                        let told = tokio::time::timeout(SOON, before.telegram(hubs)).await;
                        told.with_context(|| log("Telegram was not told of the webhook"))?;
                    }
                }
                ChannelKind::Discord => {
                    let (ready, count) = (self.discord.connections(), before.discord + 1);
                    let ready = ready.wait_for_count(usize::try_from(count)?, |_| true, SOON).await;
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
                ChannelKind::Web => crate::no_bot(),
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
        let worker = self.worker.as_ref().map(Workerd::log).unwrap_or_default();
        self.up.as_ref().map(Up::log).unwrap_or_default() + &worker
    }

    /// All that this hub, those before it, and an edge apart wrote.
    pub fn whole_log(&self) -> String {
        let worker = self.worker.as_ref().map(Workerd::log).unwrap_or_default();
        fs::read_to_string(self.log_file()).unwrap_or_default() + &worker
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

    /// Whom `zaki users list` names first.
    pub async fn first_user(&self) -> Result<String> {
        let users = self.list(&["users", "list"]).await?;
        let user = users.first().and_then(|user| user["user"].as_str());
        Ok(user.context("nobody is known")?.to_owned())
    }

    /// Everything `person` has becomes that of the first user.
    pub async fn link_all(&self, person: Person) -> Result<()> {
        let user = self.first_user().await?;
        for channel in ChannelKind::ALL {
            let (scope, sender) = person.sender(self, channel);
            let args = ["users", "link", &user, channel.as_str(), &sender, "--scope", &scope];
            self.zaki(&args).await?.ok()?;
        }
        Ok(())
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

    /// Waits until the hub has noted that everything it sent arrived: a kill before that leaves an
    /// answer in doubt, and the person would be told.
    pub async fn noted(&self) -> Result<()> {
        let sent = |found: &Vec<Value>| found.iter().all(|delivery| delivery["state"] == "sent");
        let read = || self.list(&["deliveries", "list"]);
        self.until("everything noted as sent", read, sent).await.map(drop)
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
}

impl Drop for World {
    fn drop(&mut self) {
        drop(self.up.take());
        if let Some(model) = self.model.take() {
            model.abort();
        }
        for left in self.processes() {
            left.kill();
        }
    }
}

/// Whom the platforms had met at some moment.
pub struct Met {
    telegram: Follow<Call>,
    /// Sockets so far.
    discord: u64,
}

impl Met {
    /// Waits until so many hubs have told Telegram how they are reached.
    async fn telegram(&mut self, hubs: usize) {
        let is_it = |call: &&Call| ["setWebhook", "getUpdates"].contains(&call.method.as_str());
        let mut told = 0;
        while told < hubs {
            told += self.telegram.more().await.iter().filter(is_it).count();
        }
    }
}

/// Whether a line of `zaki inbox list` is something a person said.
pub fn is_said(line: &Value) -> bool {
    let kind = line["kind"]["type"].as_str().unwrap_or_default();
    ["message", "command", "button"].contains(&kind)
}
