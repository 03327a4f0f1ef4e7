//! What the program is told: arguments, each also by environment.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::ValueEnum;
use secrecy::SecretString;

/// The variable that holds the sandbox's token. Never an argument: those are visible to everyone
/// on the machine.
pub const TOKEN_VARIABLE: &str = "ZAKI_SANDBOX_TOKEN";
/// The variable that says where the sandbox listens, where no argument does.
pub const LISTEN_VARIABLE: &str = "ZAKI_SANDBOX_LISTEN";

/// How one sandbox runs.
#[derive(Clone, Debug, clap::Args)]
pub struct Settings {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, env = LISTEN_VARIABLE, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
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
    /// Whether the private agent runs commands. Only where the sandbox is isolated.
    #[arg(long, env = "ZAKI_SANDBOX_EXEC", value_enum, default_value_t)]
    pub exec: Exec,
    /// Without a state, wait until somebody brings one (`PUT /v1/restore`) or says that there is none
    /// (`POST /v1/begin`).
    #[arg(long, env = "ZAKI_SANDBOX_HOLD")]
    pub hold: bool,
    /// How long a running turn may take to end when the sandbox stops, in seconds.
    #[arg(long, env = "ZAKI_SANDBOX_GRACE", default_value = "5", value_parser = seconds)]
    pub grace: Duration,
    /// What the edge authenticates with, and what the agent shows to the model proxy.
    #[arg(skip = token_from_env())]
    pub token: SecretString,
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
