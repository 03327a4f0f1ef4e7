//! A running edge.

use std::fs::{DirBuilder, File, TryLockError};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::UnixListener;
use tokio::task::JoinHandle;
use zaki_edge_core::{
    front::Refusal,
    person::Standing,
    turn::{bar, why},
};
use zaki_envelope::{
    SandboxName, TurnId, ZakiUserId,
    wire::{ErrorCode, TurnRequest},
};

use crate::{
    EdgeConfig, EdgeError, HubClient, RuntimeChoice,
    actor::Message,
    backups::Backups,
    clock,
    docker::{self, Docker},
    fleet::Fleet,
    http, listen,
    media::Media,
    model::Model,
    people::{self, People},
    proactive,
    record::Recorder,
    reminders,
    runtime::{self, Echo, Ground, IsolationReport, Process, Surroundings},
    sandboxes::Sandboxes,
    shared::{Parts, Shared},
    state::{Setting, State},
    turn::Turn,
    turns::{Opened, Turns},
    upgrade,
};

/// How long the last writes may take when the edge stops.
const LAST_WRITES: Duration = Duration::from_secs(5);
/// How often what is no longer kept is dropped.
const FORGET_EVERY: Duration = Duration::from_hours(1);

/// A running edge. Dropping it leaves its sandboxes alone, as a crash would; see [`Edge::shutdown`].
pub struct Edge {
    running: Arc<Running>,
    address: SocketAddr,
    isolation: Option<IsolationReport>,
    tasks: Vec<JoinHandle<()>>,
    /// Held as long as it runs.
    _lock: File,
}

/// What an edge holds in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Turns under way, or ended and not yet in the store.
    pub turns: usize,
    /// Sandboxes that run, start or stop.
    pub sandboxes: usize,
}

/// What the routes work on.
pub(crate) struct Running {
    pub(crate) shared: Arc<Shared>,
    pub(crate) sandboxes: Sandboxes,
}

impl Edge {
    /// Opens the data directory, takes over the sandboxes an earlier edge left, and listens.
    pub async fn start(config: EdgeConfig) -> Result<Self, EdgeError> {
        make_dir(&config.data_dir, 0o711)?;
        let private = config.data_dir.join("private");
        make_dir(&private, 0o700)?;
        let lock = lock(&private)?;
        let (limits, mut habits) = (config.limits(), config.habits());
        let state = State::open(&private.join("edge.db")).await?;
        let listener = listen::bind(config.listen, &state).await?;
        let address = listen::local_addr(&listener, config.listen)?;
        let mut isolation = None;
        let mut for_models = None;
        let ground = match config.runtime {
            RuntimeChoice::Echo => Ground::Standing(Echo::default()),
            RuntimeChoice::Process(process) => {
                let around = Surroundings {
                    data_dir: &config.data_dir,
                    model_url: model_url(address),
                    model: config.model.name().to_owned(),
                    choices: &config.choices,
                    api: config.model.wire(),
                    first_uid: first_uid(process.first_uid, &state).await?,
                };
                let process = Process::new(&process, around)?;
                isolation = Some(process.isolation());
                for_models = models_listener(&process, &config.data_dir)?;
                Ground::Built(Arc::new(process))
            }
            RuntimeChoice::Docker(docker) => {
                let around = docker::Surroundings {
                    edge: own_number(&state).await?,
                    model_proxy: reachable(address),
                    model: config.model.name(),
                    choices: &config.choices,
                    api: config.model.wire(),
                };
                let known = state.sandboxes().await?;
                Ground::Built(Arc::new(Docker::open(docker, around, &known).await?))
            }
        };
        let backups = Backups::open(&config.backup, &config.data_dir, state.clone()).await?;
        let can_freeze = ground.can_freeze();
        habits.freeze_after_ms = habits.freeze_after_ms.filter(|_| can_freeze);
        let (recorder, notes) = Recorder::new();
        let shared = Arc::new(Shared::new(Parts {
            state: state.clone(),
            ground,
            turns: Turns::new(state.greatest_turn().await?),
            recorder,
            fleet: Fleet::new(limits, config.sandbox_mb),
            habits,
            model: Model::new(config.model, config.choices, config.prices)?,
            people: People::load(&state).await?,
            backups: backups.clone(),
            media: Media::new(&private),
            keys: config.keys,
        }));
        let sandboxes = Sandboxes::new(shared.clone());
        sandboxes.adopt().await?;
        let running = Arc::new(Running { shared, sandboxes });
        let mut tasks = vec![
            tokio::spawn(listen::serve(
                listener,
                http::router(running.clone()),
                config.max_connections,
                config.head_timeout,
            )),
            tokio::spawn(forget(running.shared.clone())),
            tokio::spawn(people::sweep(Arc::downgrade(&running))),
            tokio::spawn(backups.run()),
            tokio::spawn(reminders::watch(Arc::downgrade(&running))),
            tokio::spawn(proactive::deliver(Arc::downgrade(&running.shared))),
            tokio::spawn(notes.keep(Arc::downgrade(&running.shared))),
        ];
        if config.upgrades {
            tasks.push(tokio::spawn(upgrade::roll(Arc::downgrade(&running))));
        }
        if let Some(listener) = for_models {
            let router = http::model_router(running.clone());
            let (most, patience) = (config.max_connections, config.head_timeout);
            tasks.push(tokio::spawn(listen::serve_local(listener, router, most, patience)));
        }
        tracing::info!(%address, "edge.listening");
        Ok(Self { running, address, isolation, tasks, _lock: lock })
    }

    /// The routes, to be called in the same process; the same as on the socket.
    pub fn router(&self) -> Router {
        http::router(self.running.clone())
    }

    /// From now on `hub` hears what agents say without being asked. Until then it is kept.
    pub fn connect(&self, hub: HubClient) {
        self.running.shared.outgoing.connect(hub);
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// What keeps its sandboxes apart, if they are processes.
    pub const fn isolation(&self) -> Option<&IsolationReport> {
        self.isolation.as_ref()
    }

    /// What it is busy with. Everything else it knows is in its store.
    pub fn load(&self) -> Load {
        Load { turns: self.running.shared.turns.count(), sandboxes: self.running.sandboxes.count() }
    }

    /// Ends as [`shutdown`](Self::shutdown) does, but for the sandboxes that an earlier edge had left
    /// running: they go on, with their turns, for the next one to take up.
    pub async fn leave(self) {
        self.running.sandboxes.let_go();
        self.shutdown().await;
    }

    /// Stops every sandbox, each by its own pid, and returns when they are gone. Turns under way
    /// stay as they are and are taken up when the hub asks for them after the next start.
    pub async fn shutdown(self) {
        let shared = &self.running.shared;
        self.running.sandboxes.close().await;
        let _ = tokio::time::timeout(LAST_WRITES, shared.backups.close()).await;
        shared.tasks.close();
        // A store that refuses keeps nothing up: the sandboxes' journals have it.
        let last = futures::future::join(shared.recorder.flush(), shared.tasks.wait());
        let _ = tokio::time::timeout(LAST_WRITES, last).await;
        for task in &self.tasks {
            task.abort();
        }
        shared.state.close().await;
    }
}

impl Running {
    /// Finds a turn; one that is new, or that an earlier edge left, starts running.
    pub(crate) async fn open(
        &self,
        user: ZakiUserId,
        turn: TurnId,
        asked: Option<(SandboxName, TurnRequest)>,
    ) -> Result<Opened, Refusal> {
        let shared = &self.shared;
        if asked.is_some() {
            shared.recorder.room().await?;
        }
        // Nobody leaves while a turn of theirs begins.
        let held = shared.people.hold(user).await;
        let begin = |turn: &Arc<Turn>| self.begin(turn, held.standing);
        shared.turns.open(&shared.state, user, turn, asked, begin).await
    }

    /// No commit stands before the run: until the start is recorded the hub, who asks with the
    /// whole request, is the one who knows of the turn; the sandbox never runs an id twice.
    fn begin(&self, turn: &Arc<Turn>, standing: Standing) -> Result<(), (ErrorCode, &'static str)> {
        let offers = |model: &str| self.shared.model.offers(model);
        if let Some(code) = bar(standing, &turn.request, offers) {
            return Err((code, why(code)));
        }
        self.shared.accounts.begin(turn, clock::now());
        self.shared.reachable(turn.user);
        if let Ground::Built(_) = self.shared.ground {
            self.shared.recorder.started(turn);
        }
        self.sandboxes.tell(&turn.sandbox, Message::Accept(turn.clone()));
        Ok(())
    }
}

pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<(), EdgeError> {
    let mut dir = DirBuilder::new();
    dir.recursive(true)
        .mode(mode)
        .create(path)
        .map_err(|source| EdgeError::Data { path: path.to_owned(), source })
}

/// The first of the sandboxes' user ids: configured, remembered, or drawn now.
async fn first_uid(configured: Option<u32>, state: &State) -> Result<u32, EdgeError> {
    if let Some(uid) = configured {
        return Ok(uid);
    }
    if let Some(uid) = state.setting(Setting::FirstUid).await? {
        return Ok(uid);
    }
    let uid = runtime::draw_uids();
    state.save_setting(Setting::FirstUid, uid).await?;
    Ok(uid)
}

/// What tells this edge from others that use the same Docker engine: drawn once.
async fn own_number(state: &State) -> Result<u32, EdgeError> {
    if let Some(number) = state.setting(Setting::Docker).await? {
        return Ok(number);
    }
    let number = rand::random();
    state.save_setting(Setting::Docker, number).await?;
    Ok(number)
}

/// Where sandboxes without a network call the model.
fn models_listener(process: &Process, data: &Path) -> Result<Option<UnixListener>, EdgeError> {
    let listen = || {
        let Some(listener) = process.listen_for_models()? else { return Ok(None) };
        listener.set_nonblocking(true)?;
        UnixListener::from_std(listener).map(Some)
    };
    listen().map_err(|source| EdgeError::Data { path: data.join("run"), source })
}

/// The model proxy, as a process on this machine reaches it.
fn model_url(address: SocketAddr) -> String {
    format!("http://{}/model/v1", reachable(address))
}

/// The edge, as whoever is on this machine reaches it.
fn reachable(address: SocketAddr) -> SocketAddr {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(match address {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Takes the data directory for this edge alone, as long as the file is open.
fn lock(dir: &Path) -> Result<File, EdgeError> {
    let path = dir.join("edge.lock");
    let file = File::options().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(|source| EdgeError::Data { path, source })?;
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(EdgeError::Taken { path: dir.to_owned() }),
        // A file system that knows no locks keeps nobody from working.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(file),
    }
}

async fn forget(shared: Arc<Shared>) {
    let mut hour = tokio::time::interval(FORGET_EVERY);
    loop {
        hour.tick().await;
        shared.accounts.forget(clock::now());
        match shared.state.forget(clock::now()).await {
            Ok(turns) => tracing::debug!(turns, "turns.forgotten"),
            Err(error) => tracing::warn!(%error, "turns.not_forgotten"),
        }
        if let Err(error) = shared.media.forget().await {
            tracing::warn!(%error, "media.not_forgotten");
        }
        if let Err(error) = shared.state.forget_proactive(clock::now()).await {
            tracing::warn!(%error, "proactive.not_forgotten");
        }
    }
}
