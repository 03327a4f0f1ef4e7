//! A sandbox as a process of this machine: the container program, one per sandbox, with a state
//! directory, a port, a token and (as root) a user of its own.
//!
//! Isolation here is Unix users: a sandbox reads neither the edge's files nor another sandbox's. It
//! is not a virtual machine; the network and the kernel are shared.

mod identity;
mod launch;
mod reach;
mod users;

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rand::RngCore;
use reqwest::Client;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;
use zaki_edge_core::sandbox::Generation;
use zaki_envelope::{SandboxName, ZakiUserId};

use super::{Container, HttpLink, Life, Link, Manner, Place, Runtime, RuntimeError};
use crate::{EdgeError, config::ProcessConfig};
use identity::{Handle, Identity};
use launch::{Launch, TOKEN_VARIABLE};
pub(crate) use users::draw_uids;

/// The container aborts its turns (5 s) and stops its gateway (seldom over 3 s) when asked to.
const GRACE: Duration = Duration::from_secs(20);
/// Rounds of killing what a sandbox left; something that forks faster than that wins no more.
const SWEEPS: u32 = 50;
const BETWEEN_SWEEPS: Duration = Duration::from_millis(20);

/// Where a process is, and what proves that it is that one.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Spot {
    port: u16,
    /// Its own user, where it is isolated.
    uid: Option<u32>,
    /// Everything it was started with that may change: only an equal one is adopted.
    spec: String,
    /// Known once it runs.
    identity: Option<Identity>,
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
    /// The first of its sandboxes' user ids.
    pub(crate) first_uid: u32,
}

/// The process runtime.
pub(crate) struct Process {
    launch: Arc<Launch>,
    client: Client,
}

impl Process {
    /// Makes the directories, and the program reachable for the sandboxes' users.
    pub(crate) fn new(config: ProcessConfig, around: Surroundings<'_>) -> Result<Self, EdgeError> {
        let launch = Arc::new(Launch::new(config, around)?);
        Ok(Self { launch, client: HttpLink::client()? })
    }

    fn link(&self, place: &Place, spot: &Spot, life: Handle) -> Container<Handle> {
        let address = (Ipv4Addr::LOCALHOST, spot.port).into();
        Container { http: HttpLink::new(self.client.clone(), address, &place.token), life }
    }
}

#[async_trait]
impl Runtime for Process {
    fn can_freeze(&self) -> bool {
        true
    }

    async fn place(&self, number: u32, generation: Generation) -> Result<Place, RuntimeError> {
        let mut token = [0; 32];
        rand::rng().fill_bytes(&mut token);
        // Free now; a start that finds it taken fails and the next one takes another.
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        Ok(Place {
            generation,
            token: hex::encode(token),
            process: Some(Spot {
                port: free.local_addr()?.port(),
                uid: self.launch.uid(number)?,
                spec: self.launch.spec(),
                identity: None,
            }),
            ..Place::default()
        })
    }

    async fn start(
        &self,
        name: &SandboxName,
        place: &mut Place,
    ) -> Result<Arc<dyn Link>, RuntimeError> {
        let missing = || RuntimeError::new("the start has no place");
        let spot = place.process.as_mut().ok_or_else(missing)?;
        let mut child = self.launch.start(name, &place.token, spot.port, spot.uid)?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        let identity = pid.and_then(Identity::of);
        let handle = identity.and_then(Identity::open);
        let (Some(identity), Some(handle)) = (identity, handle) else {
            let log = self.launch.log(name);
            let why = format!("the sandbox ended at once; see {}", log.display());
            return Err(RuntimeError::new(why));
        };
        launch::limit(identity.pid(), spot.uid.is_some());
        spot.identity = Some(identity);
        let name = name.clone();
        tokio::spawn(async move {
            // Reaped here; that it went is noticed by its handle.
            let status = child.wait().await.map(|status| status.to_string());
            tracing::debug!(sandbox = %name, ?status, "sandbox.process_ended");
        });
        let spot = spot.clone();
        Ok(Arc::new(self.link(place, &spot, handle)))
    }

    async fn adopt(&self, name: &SandboxName, place: &Place) -> Option<Arc<dyn Link>> {
        let spot = place.process.as_ref()?;
        if spot.spec != self.launch.spec() {
            return None;
        }
        let link = self.link(place, spot, spot.identity?.open()?);
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
        for handle in leaders.iter().filter_map(|leader| leader.open()) {
            end(name, &handle, manner).await;
        }
        // Also when no leader is left: what it started may be.
        sweep(|| members(spot, &leaders, &place.token)).await;
    }

    /// By SIGSTOP, which nothing can refuse, until all that there is has got it.
    async fn freeze(&self, name: &SandboxName, place: &Place) -> Result<(), RuntimeError> {
        let (spot, leaders) = leaders(place)?;
        for _ in 0..SWEEPS {
            let moving = members(spot, &leaders, &place.token);
            let moving: Vec<_> = moving.into_iter().filter(|it| !it.is_held()).collect();
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
    // The gateway has a group of its own, and the token.
    let groups = leaders.iter().flat_map(|leader| identity::of_group(*leader));
    groups.chain(identity::with_value(token)).collect()
}

async fn end(name: &SandboxName, handle: &Handle, manner: Manner) {
    if manner == Manner::Gently {
        handle.signal(Signal::TERM);
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

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command};

    use serde_json::json;
    use zaki_envelope::{SandboxKind, Timestamp, ZakiUserId};

    use super::*;
    use crate::RuntimePaths;

    fn runtime(dir: &std::path::Path) -> Process {
        let node = dir.join("bin/node");
        std::fs::create_dir_all(dir.join("bin")).unwrap();
        std::fs::create_dir_all(dir.join("node_modules/openclaw")).unwrap();
        std::fs::write(&node, "").unwrap();
        let around = Surroundings {
            data_dir: dir,
            model_url: "http://127.0.0.1:1/model/v1".into(),
            model: "offline".into(),
            choices: &[],
            first_uid: draw_uids(),
        };
        let mut config = ProcessConfig::new(["/bin/false".to_owned()], RuntimePaths::in_dir(dir));
        config.isolation = crate::Isolation::None;
        Process::new(config, around).unwrap()
    }

    fn name() -> SandboxName {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        SandboxName::new(user, &SandboxKind::Personal).unwrap()
    }

    /// What an earlier edge may have noted.
    fn place(token: &str, identity: &serde_json::Value) -> Place {
        let spot = json!({"port": 1, "uid": null, "spec": "", "identity": identity});
        serde_json::from_value(json!({"generation": 1, "token": token, "process": spot})).unwrap()
    }

    fn sleeper(token: &str) -> Child {
        let mut command = Command::new("sleep");
        command.arg("1000").env(TOKEN_VARIABLE, token).process_group(0).spawn().unwrap()
    }

    fn identity(child: &Child) -> Identity {
        Identity::of(child.id().try_into().unwrap()).unwrap()
    }

    #[tokio::test]
    async fn stop_ends_the_process_noted_and_no_other_with_its_number() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime(dir.path());
        let mut innocent = sleeper("innocent");
        let noted = json!({"pid": innocent.id(), "started": 1});
        runtime.stop(&name(), &place("another", &noted), Manner::Gently).await;
        assert!(innocent.try_wait().unwrap().is_none(), "another process was ended");
        let noted = serde_json::to_value(identity(&innocent)).unwrap();
        runtime.stop(&name(), &place("another", &noted), Manner::AtOnce).await;
        assert!(!innocent.wait().unwrap().success());
    }

    #[tokio::test]
    async fn stop_finds_a_process_whose_pid_was_never_noted() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime(dir.path());
        let (mut lost, mut other) = (sleeper("lost-token"), sleeper("other-token"));
        while identity::with_variable(TOKEN_VARIABLE, "lost-token").is_empty() {
            tokio::task::yield_now().await;
        }
        runtime.stop(&name(), &place("lost-token", &json!(null)), Manner::Gently).await;
        assert!(!lost.wait().unwrap().success());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[tokio::test]
    async fn stop_ends_what_left_the_group_with_the_token() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime(dir.path());
        let (mut leader, mut gateway) = (sleeper("a-token"), sleeper("a-token"));
        let noted = serde_json::to_value(identity(&leader)).unwrap();
        while identity::with_value("a-token").len() < 2 {
            tokio::task::yield_now().await;
        }
        runtime.stop(&name(), &place("a-token", &noted), Manner::AtOnce).await;
        assert!(!leader.wait().unwrap().success() && !gateway.wait().unwrap().success());
    }

    /// The container is gone and was never noted; its gateway has the token and lives.
    #[tokio::test]
    async fn stop_ends_what_a_leader_left_who_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime(dir.path());
        let mut gateway = Command::new("sleep")
            .arg("1000")
            .env("ANOTHER_NAME", "left-token")
            .process_group(0)
            .spawn()
            .unwrap();
        while identity::with_value("left-token").is_empty() {
            tokio::task::yield_now().await;
        }
        runtime.stop(&name(), &place("left-token", &json!(null)), Manner::AtOnce).await;
        assert!(!gateway.wait().unwrap().success());
    }

    #[tokio::test]
    async fn nothing_of_an_erased_person_is_left_and_all_of_others() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime(dir.path());
        let user = |n| ZakiUserId::from_parts(Timestamp::from_ms(1), n);
        let mine = [name(), SandboxName::new(user(1), &SandboxKind::Runtime).unwrap()];
        let other = SandboxName::new(user(2), &SandboxKind::Personal).unwrap();
        for name in mine.iter().chain([&other]) {
            let state = dir.path().join("sandboxes").join(name.as_str());
            std::fs::create_dir_all(state.join("deep/down")).unwrap();
            std::os::unix::fs::symlink(dir.path(), state.join("deep/out")).unwrap();
            std::fs::write(state.join("deep/down/note"), "x").unwrap();
            for end in ["log", "log.1"] {
                std::fs::write(dir.path().join(format!("logs/{name}.{end}")), "x").unwrap();
            }
        }
        for _ in 0..2 {
            runtime.erase(user(1)).await.unwrap();
        }
        let names = |folder: &str| {
            let found = std::fs::read_dir(dir.path().join(folder)).unwrap();
            let names = found.map(|entry| entry.unwrap().file_name().into_string().unwrap());
            names.collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(names("sandboxes"), [other.to_string()].into());
        assert_eq!(names("logs"), ["log", "log.1"].map(|end| format!("{other}.{end}")).into());
        assert!(dir.path().join("bin").exists(), "a link was followed");
    }

    #[tokio::test]
    async fn a_program_that_ends_at_once_fails_its_start_and_says_where_to_look() {
        let dir = tempfile::tempdir().unwrap();
        let runtime = runtime(dir.path());
        let mut place = runtime.place(1, Generation(1)).await.unwrap();
        // It may be gone before or after it is looked at.
        match runtime.start(&name(), &mut place).await {
            Ok(link) => link.exited().await,
            Err(error) => assert!(error.to_string().contains(".log"), "{error}"),
        }
    }
}
