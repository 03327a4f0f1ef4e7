//! Settings: the embedded `config/default.toml`, under a file, under the environment.

mod backup;
mod explain;
mod load;
mod model;
mod people;

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use secrecy::SecretString;
use serde::Deserialize;
use zaki_envelope::{AccountName, ChannelKind};
use zaki_lane::turns::Mode;
use zaki_store::{KeyError, Keys};

pub(crate) use explain::misspelt;
pub(crate) use load::{environment, load, load_table, log_filter};
pub(crate) use model::Provider;
use people::{AccessOf, IdentityConfig, TierConfig};

/// The bots of one channel, by the name of the account.
type Accounts<T> = BTreeMap<AccountName, T>;

/// The whole configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    pub hub: HubConfig,
    pub ledger: LedgerConfig,
    pub edge: EdgeConfig,
    pub web: WebConfig,
    pub sandbox: SandboxConfig,
    pub backup: backup::BackupConfig,
    pub turn: TurnConfig,
    pub lane: LaneConfig,
    pub model: model::ModelConfig,
    pub identity: IdentityConfig,
    tiers: BTreeMap<String, TierConfig>,
    pub deliver: DeliverConfig,
    pub retention: RetentionConfig,
    pub log: LogConfig,
    #[serde(default)]
    pub telegram: Accounts<zaki_telegram::Config>,
    #[serde(default)]
    pub discord: Accounts<zaki_discord::Config>,
    #[serde(default)]
    pub whatsapp: Accounts<zaki_whatsapp::Config>,
    #[serde(default)]
    pub slack: Accounts<zaki_slack::Config>,
    /// Taken out of the accounts.
    #[serde(skip)]
    access: AccessOf,
    /// What to say about older names of settings.
    #[serde(skip)]
    pub notes: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HubConfig {
    #[serde(deserialize_with = "load::address")]
    pub listen: SocketAddr,
    #[serde(deserialize_with = "load::web_address")]
    pub public_url: Option<url::Url>,
    #[serde(deserialize_with = "load::directory")]
    data_dir: Option<PathBuf>,
    #[serde(deserialize_with = "load::optional")]
    replica: Option<String>,
    #[serde(rename = "stop_timeout_s", deserialize_with = "load::seconds")]
    pub stop_timeout: Duration,
    /// 0: as many as there are.
    pub turns_at_once: usize,
    /// Of one person; 0: as many as they like.
    pub commands_per_minute: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LedgerConfig {
    /// Empty: SQLite. Secret, since it may hold a password.
    pub url: SecretString,
    /// For what people say: the first one encrypts, all of them decrypt.
    keys: Vec<KeyConfig>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyConfig {
    id: String,
    key: SecretString,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EdgeConfig {
    #[serde(deserialize_with = "load::address")]
    pub listen: SocketAddr,
    #[serde(deserialize_with = "load::web_address")]
    pub url: Option<url::Url>,
    pub key: SecretString,
    /// Of a hub: where it hears an edge of another process.
    #[serde(deserialize_with = "load::optional_address")]
    pub hub_listen: Option<SocketAddr>,
    /// Of such an edge: where hubs hear it.
    #[serde(deserialize_with = "load::web_address")]
    pub hub_url: Option<url::Url>,
}

/// People who sign in on the web.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebConfig {
    #[serde(deserialize_with = "load::optional_address")]
    pub listen: Option<SocketAddr>,
    pub issuers: Vec<String>,
    access: Option<people::AccessConfig>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Runtime {
    Process,
    Docker,
    Echo,
}

/// Who brings sandboxes to the version there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Upgrade {
    Idle,
    Asked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Isolation {
    Auto,
    Require,
    #[serde(alias = "none")]
    Off,
}

/// Whether processes have a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Network {
    None,
    Host,
}

/// Whether agents may run commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Exec {
    Deny,
    Ask,
    Full,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxConfig {
    pub runtime: Runtime,
    #[serde(deserialize_with = "load::directory")]
    runtime_dir: Option<PathBuf>,
    pub upgrade: Upgrade,
    pub isolation: Isolation,
    pub network: Network,
    pub exec: Exec,
    pub max_parallel_starts: usize,
    #[serde(rename = "start_timeout_s", deserialize_with = "load::seconds")]
    pub start_timeout: Duration,
    #[serde(rename = "stop_timeout_s", deserialize_with = "load::seconds")]
    pub stop_timeout: Duration,
    #[serde(rename = "freeze_after_s", deserialize_with = "load::seconds_if_any")]
    pub freeze_after: Option<Duration>,
    #[serde(rename = "stop_after_s", deserialize_with = "load::seconds_if_any")]
    pub stop_after: Option<Duration>,
    pub memory_mb: u64,
    pub sandbox_mb: u64,
    /// One of `tiers`.
    pub tier: String,
    pub docker: DockerConfig,
    pub tiers: BTreeMap<String, SandboxTier>,
}

/// Where containers come from.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DockerConfig {
    #[serde(deserialize_with = "load::directory")]
    pub socket: Option<PathBuf>,
    pub image: String,
}

/// What a container may take of the machine.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SandboxTier {
    pub memory_mb: u32,
    pub cpu_percent: u32,
    pub pids: u32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TurnConfig {
    #[serde(rename = "timeout_s", deserialize_with = "load::seconds")]
    pub timeout: Duration,
    /// 0: nobody is told.
    #[serde(rename = "progress_s", deserialize_with = "load::seconds")]
    pub progress: Duration,
    #[serde(deserialize_with = "load::parsed")]
    pub mid_turn: Mode,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LaneConfig {
    pub waiting: usize,
    pub waiting_person: usize,
    pub waiting_all: usize,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliverConfig {
    #[serde(rename = "max_wait_s", deserialize_with = "load::seconds")]
    pub max_wait: Duration,
    #[serde(rename = "patience_s", deserialize_with = "load::seconds")]
    pub patience: Duration,
    #[serde(rename = "report_s", deserialize_with = "load::seconds")]
    pub report: Duration,
    pub paced: bool,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "they are called so in the file")]
pub(crate) struct RetentionConfig {
    pub raw_days: u32,
    pub text_days: u32,
    pub done_days: u32,
    pub feedback_days: u32,
    pub session_days: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    Text,
    Json,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LogConfig {
    pub format: LogFormat,
    #[serde(deserialize_with = "load::level")]
    pub level: String,
}

impl RetentionConfig {
    /// What is kept longer, or less long, than the file says.
    fn notes(&self) -> Vec<String> {
        const SEEN: u32 = 8;
        let Self { raw_days, text_days, done_days, .. } = *self;
        let done = done_days.max(SEEN);
        let short = (done_days < SEEN).then(|| {
            format!(
                "retention.done_days = {done_days} counts as {SEEN}: platforms repeat a webhook for \
                 up to 7 days, and which messages were seen is known by what is kept of them"
            )
        });
        let long = [("raw_days", raw_days), ("text_days", text_days)];
        let long = long.into_iter().filter(|(_, days)| *days > done);
        let long = long.map(|(key, days)| {
            format!("retention.{key} = {days} counts as {done}: nothing outlives done_days")
        });
        short.into_iter().chain(long).collect()
    }
}

impl LedgerConfig {
    /// The keys, if they are some.
    pub(crate) fn keys(&self) -> Result<Keys, KeyError> {
        Keys::new(self.keys.iter().map(|key| (key.id.as_str(), &key.key)))
    }
}

impl Config {
    /// Where everything is kept.
    pub(crate) fn data_dir(&self) -> PathBuf {
        self.hub.data_dir.clone().unwrap_or_else(default_data_dir)
    }

    /// How this process is called among its replicas: for people, it need not be unique.
    pub(crate) fn replica_name(&self) -> String {
        let host = || nix::unistd::gethostname().ok()?.into_string().ok();
        let named = self.hub.replica.clone().or_else(host);
        named.unwrap_or_else(|| format!("pid {}", std::process::id()))
    }

    /// The account names of one channel.
    pub(crate) fn accounts(&self, channel: ChannelKind) -> Vec<&AccountName> {
        match channel {
            ChannelKind::Telegram => self.telegram.keys().collect(),
            ChannelKind::Discord => self.discord.keys().collect(),
            ChannelKind::WhatsApp => self.whatsapp.keys().collect(),
            ChannelKind::Slack => self.slack.keys().collect(),
            ChannelKind::Web => Vec::new(),
        }
    }

    /// Where Node and OpenClaw are: each version of its own, so that there is a way back.
    pub(crate) fn runtime_dir(&self) -> PathBuf {
        let name = format!("runtime-{}", zaki_edge_native::install::OPENCLAW_VERSION);
        self.sandbox.runtime_dir.clone().unwrap_or_else(|| self.data_dir().join(name))
    }
}

fn default_data_dir() -> PathBuf {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    match (is_root(), home) {
        (false, Some(home)) => home.join(".local/share/zaki"),
        _ => PathBuf::from("/var/lib/zaki"),
    }
}

/// Whether sandboxes can be given user ids of their own.
pub(crate) fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
