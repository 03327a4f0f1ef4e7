//! Keeps one gateway running, and the link to it.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::OpenOptionsExt,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::RngCore;
use secrecy::ExposeSecret;
use tokio::{
    process::Command,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Connection, Link, State,
    connection::ConnectError,
    process::{Identity, Process, remember},
    protocol::{Role, SessionEvent},
    refusal::{self, Cause},
};
use crate::{
    Exec, Layout, Settings,
    config::{self, RenderError},
    gate::Gate,
    patch::Kept,
    warm,
};

/// OpenClaw's "the configuration is wrong", or its state is not as it has to be (see `refusal`).
const EXIT_CONFIG: i32 = 78;
/// A start took 9 s at rest and more than 60 s beside other starts.
const START: Duration = Duration::from_mins(3);
/// How long a gateway that lives may refuse connections before it counts as hung.
const SILENT: Duration = Duration::from_mins(1);
/// A gateway that lived this long has not failed to start.
const STABLE: Duration = Duration::from_mins(1);
/// Failed starts in a row before nobody tries again.
const ATTEMPTS: u32 = 5;
/// So often a gateway may refuse a state that its next start may take; before the last, OpenClaw is
/// told to repair it.
const REFUSALS: u32 = 2;
/// How long a sandbox without a gateway tells so before it ends: turns end with the reason, and the
/// edge starts another one for the next turn.
const LAST_WORDS: Duration = Duration::from_secs(5);
/// Between two knocks.
const KNOCK: Duration = Duration::from_millis(50);

/// Why a gateway does not run any more.
#[derive(Debug, thiserror::Error)]
enum Down {
    #[error("the sandbox stops")]
    Stopped,
    #[error("its state is exchanged")]
    Exchange,
    #[error(
        "OpenClaw refuses its configuration (exit 78); read gateway.out in the sandbox's logs, then update the sandbox or run `openclaw doctor`"
    )]
    Config,
    #[error(
        "OpenClaw refuses what it finds in its state (exit 78); read gateway.out in the sandbox's logs, then restore a backup or run `openclaw doctor --fix`"
    )]
    State,
    #[error("OpenClaw ended ({0}); read gateway.out in the sandbox's logs")]
    Exited(String),
    #[error("OpenClaw does not accept connections; read gateway.out in the sandbox's logs")]
    Silent,
    #[error("the gateway refuses this program ({0}); the installed OpenClaw may be too new")]
    Refused(String),
    #[error("OpenClaw cannot be started: {0}")]
    Io(#[from] io::Error),
    #[error(transparent)]
    Render(#[from] RenderError),
}

impl Down {
    /// Whether another start may go better.
    const fn is_final(&self) -> bool {
        matches!(self, Self::Config | Self::Refused(_) | Self::Render(_))
    }
}

/// Runs gateways until `stop`, one after the other, while the gate is open. When none comes up any more, the link says so
/// for a while, then it returns why.
pub(crate) async fn supervise(
    settings: Settings,
    layout: Layout,
    link: Arc<Link>,
    gate: Arc<Gate>,
    stop: CancellationToken,
) -> Result<(), String> {
    let (mut failures, mut refusals) = (0, 0);
    while !stop.is_cancelled() {
        link.set(State::Starting);
        let _running = tokio::select! {
            entered = gate.enter() => entered,
            () = stop.cancelled() => break,
        };
        let mut up = None;
        let down = match run_once(&settings, &layout, (&link, &mut up), &gate, &stop).await {
            Err(Down::Stopped) | Ok(()) => break,
            Err(Down::Exchange) => continue,
            Err(_) if Kept::new(&layout).revert() => continue,
            Err(down) => down,
        };
        // A slow start that comes to nothing is one that failed, however long it took.
        let is_stable = up.is_some_and(|since: Instant| since.elapsed() > STABLE);
        failures = if is_stable { 1 } else { failures + 1 };
        refusals = if up.is_some() { 0 } else { refusals };
        let down = match down {
            Down::Config => {
                refusals += 1;
                tokio::select! {
                    down = look_into(&settings, &layout, refusals) => down,
                    () = stop.cancelled() => break,
                    () = gate.closed() => continue,
                }
            }
            down => down,
        };
        tracing::error!(error = %down, failures, "the gateway is down");
        if down.is_final() || failures >= ATTEMPTS || refusals > REFUSALS {
            link.set(State::Failed(down.to_string()));
            let _ = timeout(LAST_WORDS, stop.cancelled()).await;
            return Err(down.to_string());
        }
        link.set(State::Starting);
        let pause = Duration::from_millis(250 << failures.min(6));
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => {}
        }
    }
    // Not a failure: a turn that waits stays unfinished in the journal, for the next start.
    link.set(State::Starting);
    Ok(())
}

/// Why a gateway ended with [`EXIT_CONFIG`], and what can be done about it done.
async fn look_into(settings: &Settings, layout: &Layout, refusals: u32) -> Down {
    match refusal::cause(settings, layout).await {
        Err(error) => error.into(),
        Ok(Cause::Config) => Down::Config,
        Ok(Cause::State) => {
            if refusals == REFUSALS {
                refusal::repair(settings, layout).await;
            }
            Down::State
        }
    }
}

/// One gateway from start to end; `up`: since when it takes turns.
async fn run_once(
    settings: &Settings,
    layout: &Layout,
    (link, up): (&Arc<Link>, &mut Option<Instant>),
    gate: &Gate,
    stop: &CancellationToken,
) -> Result<(), Down> {
    end_previous(layout).await;
    let (port, token) = (free_port()?, random_token());
    write_config(settings, layout)?;
    if let Err(error) = warm::lend(&settings.openclaw, layout) {
        tracing::warn!(%error, "OpenClaw is compiled anew");
    }
    let mut command = command(settings, layout, port);
    command
        .env("OPENCLAW_GATEWAY_TOKEN", &token)
        .env("ZAKI_MODEL_TOKEN", settings.token.expose_secret());
    link.count_gateway();
    link.set_door(port, &token);
    let mut process = Process::start(command, &layout.output(), &layout.guard_file())?;
    remember(&layout.pid_file(), process.id())?;
    link.set_process(process.id());
    tracing::info!(port, "the gateway starts");

    let door = Door { port, token, link: Arc::clone(link), asks: settings.exec == Exec::Ask };
    let mut patience = START;
    let down = loop {
        let connected = tokio::select! {
            connected = timeout(patience, door.connect()) => connected.unwrap_or(Err(Down::Silent)),
            status = process.wait() => break exited(status),
            () = stop.cancelled() => break Down::Stopped,
            () = gate.closed() => break Down::Exchange,
        };
        let lost = match connected {
            Ok(lost) => lost,
            Err(down) => break down,
        };
        Kept::new(layout).settle();
        up.get_or_insert_with(Instant::now);
        tokio::select! {
            () = lost.cancelled() => link.set(State::Starting),
            status = process.wait() => break exited(status),
            () = stop.cancelled() => break Down::Stopped,
            () = gate.closed() => break Down::Exchange,
        }
        patience = SILENT;
    };
    process.stop(settings.grace).await;
    link.set_process(None);
    let _ = (fs::remove_file(layout.pid_file()), fs::remove_file(layout.guard_file()));
    Err(down)
}

/// Where a gateway listens, and what it is to be asked for.
struct Door {
    port: u16,
    token: String,
    link: Arc<Link>,
    /// Its agents may ask.
    asks: bool,
}

impl Door {
    /// Knocks until the gateway is ready for turns and answers; the token says when it is no more.
    async fn connect(&self) -> Result<CancellationToken, Down> {
        let turns = self.knock(Role::Turns, |_| {}).await?;
        let link = Arc::clone(&self.link);
        // It alone tells: the gateway shows what a turn's tools do to whoever handed the turn over.
        let publish = move |event| link.publish(&event);
        let owner = Arc::new(self.knock(Role::Owner { asks: self.asks }, publish).await?);
        tracing::info!(version = turns.version, "the gateway is ready");
        let lost = turns.closed.clone();
        // Neither is of use without the other.
        let (one, other) = (owner.closed.clone(), lost.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = one.cancelled() => other.cancel(),
                () = other.cancelled() => one.cancel(),
            }
        });
        self.link.set_owner(Some(owner));
        self.link.set(State::Ready(Arc::new(turns)));
        Ok(lost)
    }

    async fn knock(
        &self,
        role: Role,
        publish: impl Fn(SessionEvent) + Clone + Send + 'static,
    ) -> Result<Connection, Down> {
        loop {
            match Connection::open(self.port, &self.token, role, publish.clone()).await {
                Ok(connection) => return Ok(connection),
                Err(ConnectError::Refused(refusal)) if !refusal.is_temporary() => {
                    return Err(Down::Refused(refusal.code));
                }
                Err(_) => sleep(KNOCK).await,
            }
        }
    }
}

fn exited(status: io::Result<std::process::ExitStatus>) -> Down {
    match status {
        Ok(status) if status.code() == Some(EXIT_CONFIG) => Down::Config,
        Ok(status) => Down::Exited(status.to_string()),
        Err(error) => Down::Io(error),
    }
}

fn command(settings: &Settings, layout: &Layout, port: u16) -> Command {
    let mut command = openclaw(settings, layout);
    command.args(["gateway", "run", "--port", &port.to_string()]);
    command
}

/// The environment is OpenClaw's own and nothing of ours.
pub(super) fn openclaw(settings: &Settings, layout: &Layout) -> Command {
    let mut command = Command::new(&settings.node);
    // Its heap takes all that a machine seems to have before it is tidied, the more so the less time
    // there is: measured, 1,460 MB beside other starts. The rest is its code, its own workers and what
    // it runs.
    if let Some(memory) = settings.memory_mb {
        command.arg(format!("--max-old-space-size={}", memory / 2));
    }
    // Of young objects, too: measured, 120 MB less resident after a start, which takes no longer.
    command.arg("--max-semi-space-size=16");
    command
        .arg(settings.openclaw.join("openclaw.mjs"))
        .current_dir(layout.home())
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("LANG", "C.UTF-8")
        .env("HOME", layout.home())
        .env("TMPDIR", layout.tmp())
        .env("OPENCLAW_HOME", layout.home())
        .env("OPENCLAW_STATE_DIR", layout.openclaw())
        .env("OPENCLAW_CONFIG_PATH", layout.config())
        // Media that leave need the native package; without it, say so at once.
        .env("OPENCLAW_FS_SAFE_NATIVE_MODE", "require");
    for flag in [
        "OPENCLAW_NO_RESPAWN",
        "OPENCLAW_NO_AUTO_UPDATE",
        "OPENCLAW_DISABLE_BONJOUR",
        "OPENCLAW_SKIP_CHANNELS",
        "DO_NOT_TRACK",
    ] {
        command.env(flag, "1");
    }
    command.env("OPENCLAW_EXEC_SHELL_SNAPSHOT", "0");
    if let Some(zone) = std::env::var_os("TZ") {
        command.env("TZ", zone);
    }
    command
}

/// Written only when it changes: the file's time stays too.
fn write_config(settings: &Settings, layout: &Layout) -> Result<(), Down> {
    let config = config::current(settings, layout)?;
    if fs::read(layout.config()).is_ok_and(|old| old == config.as_bytes()) {
        return Ok(());
    }
    let part = layout.config().with_extension("part");
    let _ = fs::remove_file(&part);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&part)?;
    file.write_all(config.as_bytes())?;
    Ok(fs::rename(part, layout.config())?)
}

/// A port that is free now, and with it the one OpenClaw takes for browser control (+2). Should
/// another program be faster, the gateway ends and the next start asks again.
fn free_port() -> io::Result<u16> {
    let bind = |port| TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    loop {
        let listener = bind(0)?;
        let port = listener.local_addr()?.port();
        if port.checked_add(110).is_some() && bind(port + 2).is_ok() {
            return Ok(port);
        }
    }
}

fn random_token() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    hex::encode(bytes)
}

/// The guard leaves nothing behind; this is for one that is late, or was killed too.
async fn end_previous(layout: &Layout) {
    if let Some(guard) = Identity::noted(&layout.guard_file()) {
        guard.end_group().await;
    }
    if let Some(gateway) = Identity::noted(&layout.pid_file()) {
        gateway.end().await;
    }
}

#[cfg(test)]
#[path = "supervise_tests.rs"]
mod tests;
