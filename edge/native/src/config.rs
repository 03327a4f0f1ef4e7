//! What an edge is told when it starts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use zaki_edge_core::{fleet::Limits, meter::Price, sandbox::Habits};
use zaki_envelope::signature::Keyring;

use crate::{backups::BackupConfig, model::ModelConfig};

/// What a gateway was measured to need after some dozen turns, in megabytes.
const SANDBOX_MB: u64 = 1024;
/// After an agent has said that it is busy, until it is asked again.
const BUSY_MS: i64 = 15_000;

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
    /// Further models of the same provider, which a turn may ask for by name.
    pub choices: Vec<String>,
    /// What models cost, by name; one that is not here costs nothing.
    pub prices: BTreeMap<String, Price>,
    /// How many sandboxes may start at once; a start is CPU-bound, so the default is the cores.
    pub max_parallel_starts: usize,
    /// How many connections are served at once; a hub needs one per turn it follows.
    pub max_connections: usize,
    /// How long a caller may take for the head of a request, and be idle between two.
    pub head_timeout: Duration,
    /// How long a start may take, from its turn in the queue to the agent's hello.
    pub start_timeout: Duration,
    /// Whether sandboxes that are on another version than the one of `runtime` are brought to it by
    /// the edge, one after another; otherwise an operator does it.
    pub upgrades: bool,
    /// How the sandboxes' memories are kept.
    pub backup: BackupConfig,
    /// Unused for so long a sandbox is frozen, where it can be: it uses no processor time, keeps its
    /// memory, and is back at once. `None`: never.
    pub freeze_after: Option<Duration>,
    /// Unused for so long it is stopped. `None`: only when others need its room.
    pub stop_after: Option<Duration>,
    /// How much memory all sandboxes that are not stopped may have together, in megabytes; `None`:
    /// three quarters of the machine's. Beyond it whoever was used least lately is stopped, and
    /// whoever wants to start waits until that is done.
    pub memory_mb: Option<u64>,
    /// How much of it is set aside for one.
    pub sandbox_mb: u64,
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
            choices: Vec::new(),
            prices: BTreeMap::new(),
            max_parallel_starts: std::thread::available_parallelism().map_or(2, usize::from),
            max_connections: 4096,
            head_timeout: Duration::from_secs(30),
            start_timeout: Duration::from_mins(3),
            upgrades: true,
            backup: BackupConfig::default(),
            freeze_after: Some(Duration::from_mins(2)),
            stop_after: Some(Duration::from_hours(1)),
            memory_mb: None,
            sandbox_mb: SANDBOX_MB,
        }
    }

    /// What all sandboxes have together.
    pub(crate) fn limits(&self) -> Limits {
        let memory = self.memory_mb.or_else(|| Some(machine_mb()? / 4 * 3)).unwrap_or(u64::MAX);
        Limits { starts: self.max_parallel_starts, memory }
    }

    /// How they live, where they can be frozen.
    pub(crate) fn habits(&self) -> Habits {
        Habits {
            start_timeout_ms: ms(self.start_timeout),
            freeze_after_ms: self.freeze_after.map(ms),
            stop_after_ms: self.stop_after.map(ms),
            busy_ms: BUSY_MS,
        }
    }
}

fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// What the machine has, in megabytes; `None`: it does not say (meminfo(5)).
fn machine_mb() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = total.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes / 1024)
}

/// What a sandbox is.
#[derive(Clone, Debug)]
pub enum RuntimeChoice {
    /// Nothing: every turn is answered at once with `echo: <text>`. For measurements and tests.
    Echo,
    /// A process of this machine, under a user of its own when the edge runs as root.
    Process(ProcessConfig),
    /// A container of a Docker engine, from our image.
    Docker(DockerConfig),
}

/// How to run sandboxes as containers.
#[derive(Clone, Debug)]
pub struct DockerConfig {
    /// The engine's socket. `None`: `/var/run/docker.sock`.
    pub socket: Option<PathBuf>,
    /// The image, which the engine has: the stage `sandbox` of our Dockerfile.
    pub image: String,
    /// What a sandbox may take of the machine.
    pub tier: Tier,
    /// Whether the private agents run commands.
    pub exec: Exec,
}

impl DockerConfig {
    /// The smallest tier, without exec.
    pub fn new(image: impl Into<String>) -> Self {
        Self { socket: None, image: image.into(), tier: Tier::STANDARD_1, exec: Exec::Deny }
    }
}

/// What a sandbox may take of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tier {
    /// Memory, in MiB; beyond it the sandbox is ended. A gateway has 800 MB at rest and was seen
    /// with 1,100.
    pub memory_mb: u32,
    /// Time of processors, in hundredths of one. Never more than the machine has.
    pub cpu_percent: u32,
    /// Processes and threads. A gateway has about sixty.
    pub pids: u32,
}

impl Tier {
    /// What one gateway was measured to need.
    pub const STANDARD_1: Self = Self { memory_mb: 1536, cpu_percent: 100, pids: 512 };
    /// Room for the commands of an agent.
    pub const STANDARD_2: Self = Self { memory_mb: 3072, cpu_percent: 200, pids: 1024 };
    /// Room for big ones.
    pub const STANDARD_3: Self = Self { memory_mb: 6144, cpu_percent: 400, pids: 2048 };
}

/// How to run sandboxes as processes.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// The container program: an executable and its leading arguments, such as
    /// `["/usr/local/bin/zaki", "container"]`.
    pub program: Vec<String>,
    /// Node and OpenClaw, as [`install::ensure_runtime`](crate::install::ensure_runtime) left them.
    pub runtime: RuntimePaths,
    /// What is to keep them apart.
    pub isolation: Isolation,
    /// Whether they have a network.
    pub network: Network,
    /// What a sandbox may take of the machine's memory and processes, where control groups can be
    /// made.
    pub tier: Tier,
    /// Whether the private agents run commands. Nothing but [`Exec::Deny`] has an effect unless
    /// isolation is active.
    pub exec: Exec,
    /// The first user id given to a sandbox; the 65,535 after it must be nobody's, nor another
    /// edge's. `None`: a block of such ids is drawn once and remembered in the data directory.
    pub first_uid: Option<u32>,
}

impl ProcessConfig {
    /// Isolated as well as is possible, without network and exec, of the smallest tier.
    pub fn new(program: impl IntoIterator<Item = String>, runtime: RuntimePaths) -> Self {
        Self {
            program: program.into_iter().collect(),
            runtime,
            isolation: Isolation::Auto,
            network: Network::None,
            tier: Tier::STANDARD_1,
            exec: Exec::Deny,
            first_uid: None,
        }
    }
}

/// Whether private agents run commands. The agents of groups never do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// As the container program is told.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Ask => "ask",
            Self::Full => "full",
        }
    }
}

/// What is to keep sandboxes apart that are processes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// Whatever the machine offers: users of their own when the edge runs as root, and namespaces of
    /// their own where there is bubblewrap and the kernel lets it.
    #[default]
    Auto,
    /// Namespaces of their own and no network; without them the edge does not start.
    Require,
    /// Nothing. Then no agent runs commands.
    Off,
}

/// Whether isolated sandboxes have a network. Those that are not isolated have the machine's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Their own loopback, on which only they are, and a way to the model.
    #[default]
    None,
    /// The machine's, with everything that can be reached from it, its own services too.
    Host,
}

/// An installed Node and OpenClaw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuntimePaths {
    /// The `node` program.
    pub node: PathBuf,
    /// The directory of the `openclaw` package.
    pub openclaw: PathBuf,
}

impl RuntimePaths {
    /// The layout of a runtime directory. Whether anything is there is not looked at.
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            node: dir.join("bin").join("node"),
            openclaw: dir.join("node_modules").join("openclaw"),
        }
    }
}
