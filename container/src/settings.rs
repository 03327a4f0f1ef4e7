//! What the program is told: arguments, each also by environment.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::ValueEnum;
use secrecy::SecretString;

use crate::listen::Listen;

/// The variable that holds the sandbox's token. Never an argument: those are visible to everyone
/// on the machine.
pub const TOKEN_VARIABLE: &str = "ZAKI_SANDBOX_TOKEN";
/// The variable that says where the sandbox listens, where no argument does.
pub const LISTEN_VARIABLE: &str = "ZAKI_SANDBOX_LISTEN";

/// How one sandbox runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Where to listen: an address, whose port 0 takes a free one, or `stdin`, a Unix socket that
    /// listens already.
    #[arg(long, env = LISTEN_VARIABLE, default_value = "127.0.0.1:0")]
    pub listen: Listen,
    /// The directory of everything this sandbox keeps. It must keep its absolute path for life:
    /// OpenClaw refuses to start on moved state.
    #[arg(long, env = "ZAKI_SANDBOX_STATE")]
    pub state: PathBuf,
    /// The `node` program, 24.16 or newer.
    #[arg(long, env = "ZAKI_SANDBOX_NODE")]
    pub node: PathBuf,
    /// The directory of the `openclaw` package, with `openclaw.mjs` in it.
    #[arg(long, env = "ZAKI_SANDBOX_OPENCLAW")]
    pub openclaw: PathBuf,
    /// Base URL of the edge's model proxy, such as `http://127.0.0.1:8788/model/v1`.
    #[arg(long, env = "ZAKI_SANDBOX_MODEL_URL")]
    pub model_url: String,
    /// The model to ask for.
    #[arg(long, env = "ZAKI_SANDBOX_MODEL")]
    pub model: String,
    /// A further model that a turn may ask for; may be given several times.
    #[arg(long = "choice", env = "ZAKI_SANDBOX_CHOICES", value_delimiter = ',')]
    pub choices: Vec<String>,
    /// Which interface the model proxy has for it.
    #[arg(long, env = "ZAKI_SANDBOX_MODEL_API", value_enum, default_value_t)]
    pub model_api: ModelApi,
    /// Whether the private agent runs commands. Only where the sandbox is isolated.
    #[arg(long, env = "ZAKI_SANDBOX_EXEC", value_enum, default_value_t)]
    pub exec: Exec,
    /// Without a state, wait until somebody brings one (`PUT /v1/restore`) or says that there is none
    /// (`POST /v1/begin`).
    #[arg(long, env = "ZAKI_SANDBOX_HOLD")]
    pub hold: bool,
    /// Wait for a restore whatever state there is.
    #[arg(long, env = "ZAKI_SANDBOX_AWAIT_RESTORE")]
    pub await_restore: bool,
    /// The edge's Unix socket for model calls. With it, port 8788 of the loopback leads there: the way
    /// out of a sandbox that has no network.
    #[arg(long, env = "ZAKI_SANDBOX_MODEL_SOCKET")]
    pub model_socket: Option<PathBuf>,
    /// Take from this program and all it starts what no sandbox needs: system calls into the kernel's
    /// back rooms, new privileges, core files.
    #[arg(long, env = "ZAKI_SANDBOX_CONFINED")]
    pub confined: bool,
    /// With `--confined`: how many processes and threads its user may have. Only for a user that
    /// nobody else is.
    #[arg(long, env = "ZAKI_SANDBOX_MOST_PROCESSES", requires = "confined")]
    pub most_processes: Option<u64>,
    /// What memory the sandbox may have, in megabytes: its agent keeps to half of it for what it has
    /// to hold. From inside, nothing tells the agent of a bound, and beyond it the kernel ends it.
    #[arg(long, env = "ZAKI_SANDBOX_MEMORY_MB")]
    pub memory_mb: Option<u32>,
    /// How long a running turn may take to end when the sandbox stops, in seconds.
    #[arg(long, env = "ZAKI_SANDBOX_GRACE", default_value = "5", value_parser = seconds)]
    pub grace: Duration,
    /// What the edge authenticates with, and what the agent shows to the model proxy.
    #[arg(skip = token_from_env())]
    pub token: SecretString,
}

/// The interface by which the agent asks its model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ModelApi {
    /// OpenAI's chat completions.
    #[default]
    Openai,
    /// Anthropic's messages.
    Anthropic,
}

impl ModelApi {
    /// As OpenClaw's `models.providers.*.api` calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Openai => "openai-completions",
            Self::Anthropic => "anthropic-messages",
        }
    }
}

/// Whether the private agent runs commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Exec {
    /// No.
    #[default]
    Deny,
    /// Those that the person allows, once or for good.
    Ask,
    /// Any.
    Full,
}

impl Exec {
    /// As OpenClaw's `tools.exec.mode` calls it.
    pub(crate) const fn mode(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Full => "full",
        }
    }
}

fn seconds(text: &str) -> Result<Duration, std::num::ParseIntError> {
    text.parse().map(Duration::from_secs)
}

fn token_from_env() -> SecretString {
    std::env::var(TOKEN_VARIABLE).unwrap_or_default().into()
}

impl Settings {
    /// Of a sandbox that is nobody's: no model, no commands, no caller.
    pub(crate) fn of_nobody(state: &Path, node: &Path, openclaw: &Path) -> Self {
        Self {
            listen: Listen::Stdin,
            state: state.to_owned(),
            node: node.to_owned(),
            openclaw: openclaw.to_owned(),
            model_url: "http://127.0.0.1:1/model/v1".to_owned(),
            model: "none".to_owned(),
            choices: Vec::new(),
            model_api: ModelApi::default(),
            exec: Exec::Deny,
            hold: false,
            await_restore: false,
            model_socket: None,
            confined: false,
            most_processes: None,
            memory_mb: None,
            grace: Duration::from_secs(5),
            token: SecretString::default(),
        }
    }
}

#[cfg(test)]
impl Settings {
    /// With `node` in place of Node, and all else as it is when nothing is said.
    pub(crate) fn of_test(state: &std::path::Path, node: &std::path::Path) -> Self {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            settings: Settings,
        }
        let words = [
            ("--state", state.to_str().unwrap()),
            ("--node", node.to_str().unwrap()),
            ("--openclaw", "/nowhere"),
            ("--model-url", "http://127.0.0.1:1/model/v1"),
            ("--model", "stub"),
        ];
        let words = words.into_iter().flat_map(|(name, value)| [name, value]);
        let line = <Line as clap::Parser>::parse_from(["container"].into_iter().chain(words));
        let token = "sandbox-token-0123".to_owned().into();
        Self { grace: Duration::from_millis(100), token, ..line.settings }
    }
}
