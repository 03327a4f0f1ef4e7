//! The gateway's process, which never outlives this program (see `guard`). OpenClaw's spawn broker
//! has a session of its own and ends with the gateway's connection.

use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill, killpg},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::guard::{Guard, pid};

/// A running gateway with its guard.
#[derive(Debug)]
pub(crate) struct Process {
    gateway: Child,
    guard: Guard,
}

impl Process {
    /// Starts `command` under guard; what it prints goes to `output`, and who the guard is to `note`,
    /// before there is anything to guard.
    pub(crate) fn start(mut command: Command, output: &Path, note: &Path) -> io::Result<Self> {
        let guard = Guard::start()?;
        remember(note, u32::try_from(guard.group()).ok())?;
        let output = File::create(output)?;
        let gateway = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .process_group(guard.group())
            .kill_on_drop(true)
            .spawn()?;
        Ok(Self { gateway, guard })
    }

    /// The gateway's own process.
    pub(crate) fn id(&self) -> Option<u32> {
        self.gateway.id()
    }

    /// Waits until the gateway ends, and ends whatever it leaves behind.
    pub(crate) async fn wait(&mut self) -> io::Result<ExitStatus> {
        let status = self.gateway.wait().await?;
        self.guard.sweep().await;
        Ok(status)
    }

    /// Asks the gateway to end, and ends it after `grace`.
    pub(crate) async fn stop(mut self, grace: Duration) {
        if let Ok(gateway) = pid(&self.gateway) {
            let _ = kill(gateway, Signal::SIGTERM);
        }
        let _ = timeout(grace, self.gateway.wait()).await;
        self.guard.sweep().await;
        let _ = self.gateway.wait().await;
    }
}

/// A process by its number and its start, in clock ticks since boot: no second process has both.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Identity {
    pid: i32,
    started: u64,
}

impl Identity {
    /// The process that runs under the number now.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Field 22; the second, the name in brackets, may hold anything.
        let (_, fields) = stat.rsplit_once(") ")?;
        let mut fields = fields.split(' ');
        let is_zombie = fields.next()? == "Z";
        let started = fields.nth(18)?.parse().ok()?;
        let pid = pid.try_into().ok()?;
        (!is_zombie).then_some(Self { pid, started })
    }

    /// Who has been [remembered](remember) there.
    pub(crate) fn noted(file: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(file).ok()?).ok()
    }

    /// Ends exactly this process, if it still runs, and waits until it is gone.
    pub(crate) async fn end(&self) {
        self.end_by(|pid| kill(pid, Signal::SIGKILL)).await;
    }

    /// The same with the whole group that it leads.
    pub(crate) async fn end_group(&self) {
        self.end_by(|pid| killpg(pid, Signal::SIGKILL)).await;
    }

    async fn end_by(&self, end: impl Fn(Pid) -> nix::Result<()>) {
        let runs = || u32::try_from(self.pid).ok().and_then(Self::of).as_ref() == Some(self);
        if runs() {
            tracing::warn!(pid = self.pid, "ending a gateway that was left behind");
        }
        for _ in 0..100 {
            if !runs() || end(Pid::from_raw(self.pid)).is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// For whoever comes after us.
pub(crate) fn remember(file: &Path, pid: Option<u32>) -> io::Result<()> {
    fs::write(file, serde_json::to_vec(&pid.and_then(Identity::of))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A test that fails ends; one that passes never waits so long.
    const PATIENCE: Duration = Duration::from_mins(1);

    fn sleeper(dir: &Path) -> Process {
        let mut command = Command::new("/bin/sh");
        // Deaf to SIGTERM, with a child of its own.
        command.args(["-c", "trap '' TERM; sleep 1000 & echo $!; wait"]);
        Process::start(command, &dir.join("out"), &dir.join("guard")).unwrap()
    }

    async fn grandchild(dir: &Path) -> u32 {
        loop {
            let text = fs::read_to_string(dir.join("out")).unwrap();
            if let Ok(pid) = text.trim().parse() {
                return pid;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn ends(pid: u32) {
        let dead = |pid| {
            fs::read_to_string(format!("/proc/{pid}/stat"))
                .map_or(true, |stat| stat.contains(") Z"))
        };
        let ended = async {
            while !dead(pid) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, ended).await.unwrap();
    }

    #[tokio::test]
    async fn stopping_ends_the_deaf_and_their_children() {
        let dir = tempfile::tempdir().unwrap();
        let process = sleeper(dir.path());
        let (child, grandchild) = (process.id().unwrap(), grandchild(dir.path()).await);
        process.stop(Duration::from_millis(50)).await;
        ends(child).await;
        ends(grandchild).await;
    }

    #[tokio::test]
    async fn the_guard_ends_all_when_its_pipe_closes() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = sleeper(dir.path());
        let grandchild = grandchild(dir.path()).await;
        process.guard.let_go();
        let ended = timeout(PATIENCE, process.gateway.wait()).await;
        assert!(!ended.unwrap().unwrap().success());
        ends(grandchild).await;
    }

    /// As after an end of ours between the start of a gateway and the note of it.
    #[tokio::test]
    async fn a_guard_that_is_late_is_ended_with_all_it_guards() {
        let dir = tempfile::tempdir().unwrap();
        let mut process = sleeper(dir.path());
        let grandchild = grandchild(dir.path()).await;
        let guard = Identity::noted(&dir.path().join("guard")).unwrap();
        guard.end_group().await;
        let ended = timeout(PATIENCE, process.gateway.wait()).await;
        assert!(!ended.unwrap().unwrap().success());
        ends(grandchild).await;
    }

    #[tokio::test]
    async fn an_identity_ends_its_process_and_no_other_with_the_number() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let identity = Identity::of(child.id().unwrap()).unwrap();
        let other = Identity { pid: identity.pid, started: identity.started + 1 };
        other.end().await;
        assert!(child.try_wait().unwrap().is_none());
        let end = identity.end();
        let (status, ()) = tokio::join!(child.wait(), end);
        assert!(!status.unwrap().success());
    }
}
