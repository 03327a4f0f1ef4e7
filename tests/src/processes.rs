//! Processes as `/proc` shows them: who belongs to a data directory, who is still there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A process, told apart from a later one with the same number by the time it started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
    /// Its arguments, joined by spaces.
    pub command: String,
}

impl Process {
    /// The process of this number; none when it is gone or only a zombie.
    pub fn find(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything; the state and 19 fields later the start follow.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        if fields.next()? == "Z" {
            return None;
        }
        let started = fields.nth(18)?.parse().ok()?;
        let command = read(pid, "cmdline").replace('\0', " ").trim().to_owned();
        Some(Self { pid, started, command })
    }

    /// It is still the same one.
    pub fn is_alive(&self) -> bool {
        Self::find(self.pid).is_some_and(|now| now.started == self.started)
    }

    /// Its effective user id.
    pub fn uid(&self) -> Option<u32> {
        let status = read(self.pid, "status");
        let line = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
        line.split_whitespace().nth(1)?.parse().ok()
    }

    /// It only waits outside of a jail for the end of all that is in there.
    pub fn waits_outside(&self) -> bool {
        let status = read(self.pid, "status");
        let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
        let is_jail = self.command.split(' ').next().is_some_and(|it| it.ends_with("bwrap"));
        is_jail && numbers.is_some_and(|numbers| numbers.split_whitespace().count() == 1)
    }

    /// It is held still: by a signal, or by whoever traces it (proc_pid_stat(5)).
    pub fn is_held(&self) -> bool {
        let stat = read(self.pid, "stat");
        let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
        matches!(state, Some('T' | 't'))
    }

    /// Its environment as text, variables separated by NUL.
    pub fn environment(&self) -> String {
        read(self.pid, "environ")
    }

    /// Ends it at once.
    pub fn kill(&self) {
        if self.is_alive() {
            let _ = kill(Pid::from_raw(self.pid), Signal::SIGKILL);
        }
    }
}

fn read(pid: i32, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Every process that was started with `dir` in its arguments or environment, or works under it.
pub fn of(dir: &Path) -> Vec<Process> {
    let needle = dir.display().to_string();
    let is_ours = |pid: i32| {
        let cwd: PathBuf = fs::read_link(format!("/proc/{pid}/cwd")).unwrap_or_default();
        cwd.starts_with(dir)
            || ["cmdline", "environ"].iter().any(|file| read(pid, file).contains(&needle))
    };
    let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| is_ours(*pid)).filter_map(Process::find).collect()
}

/// Waits until all of them are gone; whether they went in time.
pub async fn gone(processes: &[Process], within: Duration) -> bool {
    let deadline = Instant::now() + within;
    while processes.iter().any(Process::is_alive) {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_process_that_is_held_is_told_from_one_that_runs() {
        let mut sleep = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = Process::find(i32::try_from(sleep.id()).unwrap()).unwrap();
        assert!(!found.is_held());
        kill(Pid::from_raw(found.pid), Signal::SIGSTOP).unwrap();
        while !found.is_held() {
            tokio::task::yield_now().await;
        }
        found.kill();
        sleep.wait().unwrap();
    }

    #[tokio::test]
    async fn a_process_is_found_by_its_directory_until_it_ends() {
        let dir = tempfile::tempdir().unwrap();
        let sleep = std::process::Command::new("sleep").arg("60").current_dir(dir.path()).spawn();
        let mut sleep = sleep.unwrap();
        // Its arguments can be read a moment after it has begun.
        let mut found = of(dir.path());
        while found.iter().any(|process| process.command.is_empty()) {
            tokio::task::yield_now().await;
            found = of(dir.path());
        }
        let pids: Vec<i32> = found.iter().map(|process| process.pid).collect();
        assert_eq!(pids, [i32::try_from(sleep.id()).unwrap()]);
        assert!(found[0].command.contains("sleep") && found[0].uid().is_some());
        found[0].kill();
        sleep.wait().unwrap();
        assert!(gone(&found, Duration::from_secs(5)).await && of(dir.path()).is_empty());
    }
}
