//! The program inside every sandbox: it keeps one OpenClaw gateway running and relays turns to it
//! over the loopback WebSocket, journaling their events until the edge has them.
//!
//! Not for deciding who may run a turn or when a sandbox sleeps (the edge does), and not for
//! installing anything.

mod api;
mod backup;
mod book;
mod bridge;
mod choices;
mod config;
mod confine;
mod exec;
#[cfg(test)]
mod fake_gateway;
mod gate;
mod gateway;
mod guard;
mod journal;
mod layout;
mod listen;
mod media;
mod memory;
mod operator;
mod outbox;
mod patch;
mod progress;
mod prompt;
mod recovery;
mod relay;
mod reminders;
mod rest;
mod restore;
mod settings;
mod status;
mod steering;
mod turn;
mod warm;

use std::{
    fs::File,
    io::{self, Write},
    net::Ipv4Addr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use nix::fcntl::{Flock, FlockArg};
use secrecy::ExposeSecret;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use api::App;
use book::Book;
use bridge::Bridge;
pub use bridge::MODEL_PORT;
use choices::Choices;
use gate::{Door, Gate};
use gateway::Link;
use layout::Layout;
pub use listen::Listen;
use listen::Listener;
use outbox::Outbox;
use reminders::Reminders;
use rest::Rest;
pub use settings::{Exec, LISTEN_VARIABLE, ModelApi, Settings, TOKEN_VARIABLE};
use turn::Turns;
pub use warm::warm;

/// How long open HTTP connections may take to close.
const LINGER: Duration = Duration::from_secs(1);

/// Why a sandbox cannot start. One sentence each, with the mend.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// No token.
    #[error("no token: set {TOKEN_VARIABLE} to at least 16 characters")]
    NoToken,
    /// Node or OpenClaw is missing.
    #[error("{} does not exist; install Node and OpenClaw and name their paths", .0.display())]
    NoProgram(PathBuf),
    /// The state directory.
    #[error("the state directory {} cannot be used: make it writable", .path.display())]
    State {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another program has the state.
    #[error("another program runs this sandbox: {} is locked", .0.display())]
    Busy(PathBuf),
    /// The port.
    #[error("cannot listen on {address}: choose another port, or 0 for a free one")]
    Listen {
        /// Where.
        address: Listen,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It cannot give up what it has no need of.
    #[error("the sandbox cannot be confined")]
    Confine(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No gateway comes up any more.
    #[error("the sandbox has no gateway: {0}")]
    Gateway(String),
    /// Signals or the listener, while running.
    #[error("the sandbox cannot go on")]
    Io(#[from] io::Error),
}

/// Runs a sandbox until SIGTERM or SIGINT: answers `/v1/health` at once, turns as soon as the
/// gateway says hello. Prints one line `{"listening":"127.0.0.1:PORT"}` on standard output.
///
/// A stop aborts the turns that run, which end with what they have, then the gateway. Turns that
/// still wait for the gateway stay in the journal: the next start runs them.
pub async fn run(settings: Settings) -> Result<(), ContainerError> {
    check(&settings)?;
    if settings.confined {
        let confined = confine::confine(settings.most_processes);
        confined.map_err(|error| ContainerError::Confine(error.into()))?;
    }
    let layout = Layout::create(&settings.state).map_err(|source| state(&settings, source))?;
    let _lock = lock(&layout, &settings)?;
    restore::finish(&layout).map_err(|source| state(&settings, source))?;
    let is_empty = settings.await_restore || settings.hold && !memory::is_there(&layout);
    let gate = Arc::new(Gate::new(if is_empty { Door::Empty } else { Door::Open }));
    let (turns, interrupted) =
        Turns::open(&layout.journal()).map_err(|source| state(&settings, source))?;
    let link = Link::new();
    let choices = Choices::open(&layout.choices()).map_err(|source| state(&settings, source))?;
    let reminders = plans(&layout, &link).map_err(|source| state(&settings, source))?;
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    // A frozen one whose edge dies gets it from the kernel, and is to be there for the next edge.
    let _hangup = signal(SignalKind::hangup())?;
    let address = settings.listen;
    let listen = |source| ContainerError::Listen { address, source };
    let listener = Listener::open(address).await.map_err(listen)?;
    let _bridge = bridge(&settings).await?;
    announce(listener.place()?);

    reminders.start();
    let app = Arc::new(App {
        token: settings.token.clone(),
        rest: Rest::new(Arc::clone(&link), Arc::clone(&reminders)),
        reminders,
        link,
        turns,
        choices: Arc::new(choices),
        layout: layout.clone(),
        settings: settings.clone(),
        gate: Arc::clone(&gate),
        stopping: CancellationToken::new(),
    });
    for (turn, request) in interrupted {
        app.start(turn, request, true);
    }
    let stop_gateway = CancellationToken::new();
    let mut gateway = tokio::spawn(gateway::supervise(
        settings.clone(),
        layout,
        Arc::clone(&app.link),
        gate,
        stop_gateway.clone(),
    ));
    let server = axum::serve(listener, api::router(Arc::clone(&app)))
        .with_graceful_shutdown(app.stopping.clone().cancelled_owned());
    let mut server = tokio::spawn(server.into_future());

    let failed = tokio::select! {
        _ = term.recv() => None,
        _ = int.recv() => None,
        _ = &mut server => None,
        ended = &mut gateway => ended.ok().and_then(Result::err),
    };
    app.drain(settings.grace).await;
    stop_gateway.cancel();
    if !gateway.is_finished() {
        let _ = gateway.await;
    }
    let _ = timeout(LINGER, server).await;
    failed.map_or(Ok(()), |why| Err(ContainerError::Gateway(why)))
}

fn check(settings: &Settings) -> Result<(), ContainerError> {
    if settings.token.expose_secret().len() < 16 {
        return Err(ContainerError::NoToken);
    }
    let script = settings.openclaw.join("openclaw.mjs");
    match [settings.node.clone(), script].into_iter().find(|path| !path.is_file()) {
        Some(missing) => Err(ContainerError::NoProgram(missing)),
        None => Ok(()),
    }
}

fn lock(layout: &Layout, settings: &Settings) -> Result<Flock<File>, ContainerError> {
    let file = File::create(layout.lock_file()).map_err(|source| state(settings, source))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock)
        .map_err(|_| ContainerError::Busy(layout.lock_file()))
}

fn state(settings: &Settings, source: io::Error) -> ContainerError {
    ContainerError::State { path: settings.state.clone(), source }
}

/// What the agent does by itself.
fn plans(layout: &Layout, link: &Arc<Link>) -> io::Result<Arc<Reminders>> {
    let book = Book::open(&layout.reminders(), reminders::now())?;
    let outbox = Outbox::open(&layout.outbox())?;
    Ok(Arc::new(Reminders::new(Arc::clone(link), book, outbox)))
}

/// The way to the model, where there is no network.
async fn bridge(settings: &Settings) -> Result<Option<Bridge>, ContainerError> {
    let Some(socket) = settings.model_socket.clone() else { return Ok(None) };
    let address = Listen::Address((Ipv4Addr::LOCALHOST, MODEL_PORT).into());
    let bridge = Bridge::open(MODEL_PORT, socket).await;
    bridge.map(Some).map_err(|source| ContainerError::Listen { address, source })
}

/// Whoever started us may be gone already; that is no reason to stop.
fn announce(address: Listen) {
    let line = serde_json::json!({ "listening": address.to_string() });
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
