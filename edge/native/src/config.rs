//! What an edge is told when it starts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use zaki_envelope::signature::Keyring;

/// How to run an edge.
pub struct EdgeConfig {
    /// Everything it keeps. Made when missing; no other edge may use it at the same time.
    pub data_dir: PathBuf,
    /// Where it listens, for remote hubs and for the sandboxes' model calls. With port 0 the port
    /// chosen is remembered and tried first at the next start, because running sandboxes know it.
    pub listen: SocketAddr,
    /// The hubs' keys.
    pub keys: Keyring,
    /// What a sandbox is.
    pub runtime: RuntimeChoice,
    /// Who answers the sandboxes' model calls.
    pub model: ModelConfig,
    /// How many sandboxes may start at once; a start is CPU-bound, so the default is the cores.
    pub max_parallel_starts: usize,
    /// How long a start may take, from its turn in the queue to the agent's hello.
    pub start_timeout: Duration,
}

impl EdgeConfig {
    /// Loopback, a port of its own, as many starts as cores, three minutes per start (over a
    /// minute has been seen on a loaded machine).
    pub fn new(
        data_dir: impl Into<PathBuf>,
        keys: Keyring,
        runtime: RuntimeChoice,
        model: ModelConfig,
    ) -> Self {
        Self {
            data_dir: data_dir.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            keys,
            runtime,
            model,
            max_parallel_starts: std::thread::available_parallelism().map_or(2, usize::from),
            start_timeout: Duration::from_secs(180),
        }
    }
}

/// What a sandbox is.
#[derive(Clone, Debug)]
pub enum RuntimeChoice {
    /// Nothing: every turn is answered at once with `echo: <text>`. For measurements and tests.
    Echo,
}

/// Who answers the sandboxes' model calls.
#[derive(Clone, Debug)]
pub enum ModelConfig {
    /// The model inside the edge: deterministic, needs no key and no network, says that it is it.
    Offline,
    /// A real provider with an OpenAI-compatible interface.
    Forward {
        /// Up to and without `/chat/completions`.
        base_url: String,
        /// Added to every call here; no sandbox ever sees it.
        api_key: SecretString,
        /// The model the sandboxes use.
        model: String,
    },
}

impl ModelConfig {
    /// The name the sandboxes know the model by.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Offline => "offline",
            Self::Forward { model, .. } => model,
        }
    }
}
