//! A sandbox as a process of this machine: the container program, one per sandbox, with a state
//! directory, a socket, a token, (as root) a user of its own, and a jail around it where the
//! machine has what builds one.
//!
//! It is not a virtual machine: the kernel is shared.

mod cgroup;
mod identity;
mod jail;
mod launch;
mod logs;
mod reach;
mod sockets;
#[cfg(test)]
mod tests;
mod users;
mod walls;

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::RngCore;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zaki_edge_core::{model::Wire, sandbox::Generation};
use zaki_envelope::{SandboxName, ZakiUserId};

use super::{Container, HttpLink, Life, Link, Manner, Place, Runtime, RuntimeError, Version};
use crate::{EdgeError, config::ProcessConfig};
use identity::{Handle, Identity};
use launch::{Launch, TOKEN_VARIABLE};
pub(crate) use users::draw_uids;
pub use walls::IsolationReport;

/// The container aborts its turns (5 s) and stops its gateway (seldom over 3 s) when asked to.
const GRACE: Duration = Duration::from_secs(20);
/// Rounds of killing what a sandbox left; something that forks faster than that wins no more.
const SWEEPS: u32 = 50;
const BETWEEN_SWEEPS: Duration = Duration::from_millis(20);

/// How long a jail may take to be built.
const BUILDING: Duration = Duration::from_secs(10);
const LOOK_AGAIN: Duration = Duration::from_millis(2);
/// The number of the container program in its jail, whose own process is the first.
const PROGRAM: i32 = 2;

/// Where a process is, and what proves that it is that one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Spot {
    /// Its own user, where it is isolated.
    uid: Option<u32>,
    /// Everything it was started with that may change: only an equal one is adopted.
    spec: String,
    /// Known once it runs: the container program, or what stands outside of its jail and ends when
    /// it ends.
    identity: Option<Identity>,
    /// The first process in the jail, with which all others in there end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    first: Option<Identity>,
}

/// What a sandbox needs of the edge it belongs to.
pub(crate) struct Surroundings<'a> {
    /// Where everything of the edge is.
    pub(crate) data_dir: &'a std::path::Path,
    /// The model proxy, as a sandbox reaches it.
    pub(crate) model_url: String,
    /// The model to ask for.
    pub(crate) model: String,
    /// Further ones, which a turn may ask for.
    pub(crate) choices: &'a [String],
    /// The interface of the proxy that has them.
    pub(crate) api: Wire,
    /// The first of its sandboxes' user ids.
    pub(crate) first_uid: u32,
}

/// The process runtime.
pub(crate) struct Process {
    launch: Arc<Launch>,
}

impl Process {
    /// Makes the directories, and the program reachable for the sandboxes' users.
    pub(crate) fn new(config: &ProcessConfig, around: Surroundings<'_>) -> Result<Self, EdgeError> {
        Ok(Self { launch: Arc::new(Launch::new(config, around)?) })
    }

    /// Where sandboxes without a network call the model; `None`: they have the network.
    pub(crate) fn listen_for_models(&self) -> io::Result<Option<UnixListener>> {
        let has = self.launch.has_way_out();
        has.then(|| self.launch.sockets().listen_for_models()).transpose()
    }

    /// What keeps them apart.
    pub(crate) fn isolation(&self) -> IsolationReport {
        self.launch.walls().report()
    }

    fn link(
        &self,
        name: &SandboxName,
        place: &Place,
        life: Handle,
    ) -> Result<Container<Handle>, RuntimeError> {
        let http = HttpLink::local(self.launch.sockets().of(name), &place.token);
        let http = http.map_err(|error| RuntimeError::new(error.to_string()))?;
        Ok(Container { http, life })
    }

    /// Bounds what was just started, and finds what it is by: in a jail, its first process.
    async fn settle(&self, name: &SandboxName, leader: Identity) -> Option<Identity> {
        let walls = self.launch.walls();
        let bounded = walls
            .groups
            .as_ref()
            .map_or(Ok(()), |groups| groups.hold(name, self.launch.tier(), &[leader.pid()]));
        if let Err(error) = bounded {
            tracing::warn!(sandbox = %name, %error, "sandbox.unbounded");
        }
        walls.jail.as_ref().ok()?;
        let first = timeout(BUILDING, first_below(leader)).await.ok()??;
        if let Ok(groups) = &walls.groups {
            // Those that were there before their parent was bounded, too.
            for _ in 0..2 {
                let all: Vec<i32> = identity::below(leader).iter().map(|it| it.pid()).collect();
                let _ = groups.join(name, &all);
            }
        }
        Some(first)
    }
}

/// Waits for the first process of a jail; `None`: it ended before there was one.
async fn first_below(leader: Identity) -> Option<Identity> {
    loop {
        let all = identity::glimpse_below(leader);
        if let Some(first) = identity::numbered(1, &all) {
            return Some(first);
        }
        if all.is_empty() {
            return None;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

#[async_trait]
impl Runtime for Process {
    fn can_freeze(&self) -> bool {
        true
    }

    fn is_isolated(&self) -> bool {
        self.launch.is_isolated()
    }

    async fn logs(&self, name: &SandboxName, lines: usize) -> BTreeMap<String, String> {
        let (log, state) = (self.launch.log(name), self.launch.state(name));
        let read = tokio::task::spawn_blocking(move || logs::read(&log, &state, lines));
        read.await.unwrap_or_default()
    }

    fn version(&self) -> Version {
        self.launch.version().clone()
    }

    async fn has(&self, version: &Version) -> bool {
        version.is_installed()
    }

    async fn place(
        &self,
        number: u32,
        generation: Generation,
        version: Version,
    ) -> Result<Place, RuntimeError> {
        let mut token = [0; 32];
        rand::rng().fill_bytes(&mut token);
        Ok(Place {
            generation,
            token: hex::encode(token),
            process: Some(Spot {
                uid: self.launch.uid(number)?,
                spec: self.launch.spec(&version),
                identity: None,
                first: None,
            }),
            version,
            ..Place::default()
        })
    }

    async fn start(
        &self,
        name: &SandboxName,
        place: &mut Place,
    ) -> Result<Arc<dyn Link>, RuntimeError> {
        let missing = || RuntimeError::new("the start has no place");
        let (version, restore) = (place.version.clone(), place.restore.is_some());
        let spot = place.process.as_mut().ok_or_else(missing)?;
        let listener = self.launch.sockets().listen(name)?;
        let mut child = {
            let token = &place.token;
            self.launch.start(name, token, listener, spot.uid, (&version, restore))?
        };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let identity = pid.and_then(Identity::of);
        let handle = identity.and_then(Identity::open);
        let (Some(identity), Some(handle)) = (identity, handle) else {
            let log = self.launch.log(name);
            let why = format!("the sandbox ended at once; see {}", log.display());
            return Err(RuntimeError::new(why));
        };
        let ended = name.clone();
        tokio::spawn(async move {
            // Reaped here, from the first moment on: as long as it is not, it counts as there. That
            // it went is noticed by its handle.
            let status = child.wait().await.map(|status| status.to_string());
            tracing::debug!(sandbox = %ended, ?status, "sandbox.process_ended");
        });
        launch::limit(identity.pid(), spot.uid.is_some());
        spot.identity = Some(identity);
        spot.first = self.settle(name, identity).await;
        Ok(Arc::new(self.link(name, place, handle)?))
    }

    async fn adopt(&self, name: &SandboxName, place: &Place) -> Option<Arc<dyn Link>> {
        let spot = place.process.as_ref()?;
        if spot.spec != self.launch.spec(&place.version) {
            return None;
        }
        let link = self.link(name, place, spot.identity?.open()?).ok()?;
        self.thaw(name, place).await.ok()?;
        let health = link.http.health().await.ok()?;
        // One that an earlier edge let rest.
        let _ = link.http.resume().await;
        (!health.has_failed()).then(|| Arc::new(link) as Arc<dyn Link>)
    }

    async fn stop(&self, name: &SandboxName, place: &Place, manner: Manner) {
        let Some(spot) = &place.process else { return };
        // Without a pid an earlier edge crashed between the start and noting it: the token tells.
        let marked = || identity::with_variable(TOKEN_VARIABLE, &place.token);
        let leaders = spot.identity.map_or_else(marked, |identity| vec![identity]);
        if manner == Manner::Gently {
            // What is held hears nothing.
            let _ = self.thaw(name, place).await;
        }
        for leader in &leaders {
            end(name, *leader, manner).await;
        }
        // Also when no leader is left: what it started may be.
        sweep(|| members(spot, &leaders, &place.token)).await;
        if let Ok(groups) = &self.launch.walls().groups {
            groups.release(name);
        }
    }

    /// By SIGSTOP, which nothing can refuse, until all that there is has got it.
    async fn freeze(&self, name: &SandboxName, place: &Place) -> Result<(), RuntimeError> {
        let (spot, leaders) = leaders(place)?;
        for _ in 0..SWEEPS {
            let moving = members(spot, &leaders, &place.token);
            // Not who waits outside of a jail: held, it would not survive the end of its edge, since
            // the kernel hangs up on groups of held processes whose parent is gone.
            let outside = spot.first.and(spot.identity);
            let moving = moving.into_iter().filter(|it| Some(*it) != outside && !it.is_held());
            let moving: Vec<_> = moving.collect();
            if moving.is_empty() {
                return Ok(());
            }
            for handle in moving.into_iter().filter_map(Identity::open) {
                handle.signal(Signal::STOP);
            }
            // A process is seen as stopped a moment after the signal.
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.thaw(name, place).await?;
        Err(RuntimeError::new("some of its processes do not stop"))
    }

    async fn thaw(&self, _name: &SandboxName, place: &Place) -> Result<(), RuntimeError> {
        let (spot, leaders) = leaders(place)?;
        for handle in members(spot, &leaders, &place.token).into_iter().filter_map(Identity::open) {
            handle.signal(Signal::CONT);
        }
        Ok(())
    }

    async fn erase(&self, user: ZakiUserId) -> io::Result<()> {
        let launch = self.launch.clone();
        let erased = tokio::task::spawn_blocking(move || launch.erase(user));
        // Fails to be joined only when the edge goes down.
        erased.await.unwrap_or_else(|_| Err(io::ErrorKind::Interrupted.into()))
    }
}

fn leaders(place: &Place) -> Result<(&Spot, Vec<Identity>), RuntimeError> {
    let spot = place.process.as_ref();
    let spot = spot.ok_or_else(|| RuntimeError::new("nothing was started there"))?;
    Ok((spot, spot.identity.into_iter().collect()))
}

/// Every process of a sandbox.
fn members(spot: &Spot, leaders: &[Identity], token: &str) -> Vec<Identity> {
    if let Some(uid) = spot.uid {
        return identity::of_user(uid);
    }
    // The gateway has a group of its own, and the token; in a jail all are below the first.
    let groups = leaders.iter().flat_map(|leader| identity::of_group(*leader));
    let jailed = spot.first.into_iter().flat_map(identity::below);
    groups.chain(jailed).chain(identity::with_value(token)).collect()
}

/// Ends a leader; one of a jail ends with the program in it, which is who can be asked.
async fn end(name: &SandboxName, leader: Identity, manner: Manner) {
    let Some(handle) = leader.open() else { return };
    if manner == Manner::Gently {
        let program = identity::numbered(PROGRAM, &identity::below(leader));
        let program = program.and_then(Identity::open);
        program.as_ref().unwrap_or(&handle).signal(Signal::TERM);
        if timeout(GRACE, handle.exited()).await.is_ok() {
            return;
        }
        tracing::warn!(sandbox = %name, "sandbox.killed");
    }
    handle.signal(Signal::KILL);
    handle.exited().await;
}

/// Kills what is left until nothing is.
async fn sweep(left: impl Fn() -> Vec<Identity>) {
    for _ in 0..SWEEPS {
        let found = left();
        if found.is_empty() {
            return;
        }
        for handle in found.into_iter().filter_map(Identity::open) {
            handle.signal(Signal::KILL);
        }
        tokio::time::sleep(BETWEEN_SWEEPS).await;
    }
}

#[async_trait]
impl Life for Handle {
    async fn exited(&self) {
        Self::exited(self).await;
    }
}
