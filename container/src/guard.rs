//! The promise that what this program starts never outlives it.
//!
//! A guard, one small shell, leads a process group and waits on a pipe from us. When we end in
//! whatever way, `SIGKILL` included, the pipe closes and the guard kills its own group. No unsafe
//! code, no number of a process that may have been given to another.

use std::{io, process::Stdio};

use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::{Child, Command};

/// `kill 0` is the guard's own group, whatever its number.
const GUARD: &str = "read -r _; kill -KILL 0";

/// The leader of a group.
#[derive(Debug)]
pub(crate) struct Guard {
    shell: Child,
    group: Pid,
}

impl Guard {
    pub(crate) fn start() -> io::Result<Self> {
        let shell = Command::new("/bin/sh")
            .args(["-c", GUARD])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let group = pid(&shell)?;
        Ok(Self { shell, group })
    }

    /// For [`Command::process_group`].
    pub(crate) const fn group(&self) -> i32 {
        self.group.as_raw()
    }

    /// Kills the whole group, once: as long as the guard, its leader, is not reaped, nobody else
    /// can have its number.
    pub(crate) async fn sweep(&mut self) {
        if self.shell.id().is_some() {
            let _ = killpg(self.group, Signal::SIGKILL);
            let _ = self.shell.wait().await;
        }
    }

    /// As if we had ended.
    #[cfg(test)]
    pub(crate) fn let_go(&mut self) {
        drop(self.shell.stdin.take());
    }
}

/// The number of a process that has not been reaped.
pub(crate) fn pid(child: &Child) -> io::Result<Pid> {
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    id.map(Pid::from_raw).ok_or_else(|| io::Error::other("the process has ended"))
}
