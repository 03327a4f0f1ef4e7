//! `zaki up`, `zaki hub` or `zaki edge` as a subprocess: started, watched, and ended in the ways a machine ends a program.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::program;

/// As much of its log goes into a failure's message.
const TAIL: usize = 6000;

/// A running hub. Dropping it ends it: SIGTERM first, so that it can end its sandboxes.
pub struct Up {
    child: Child,
    log: PathBuf,
    patience: Duration,
}

impl Up {
    /// Starts `zaki up`; its log goes to `log`. `patience`: how long it may take to stop when
    /// dropped.
    pub fn start(config: &Path, log: &Path, patience: Duration) -> Result<Self> {
        Self::run("up", config, log, patience, &[])
    }

    /// The same for any command that serves, with more in its environment.
    pub fn run(
        what: &str,
        config: &Path,
        log: &Path,
        patience: Duration,
        environment: &[(String, String)],
    ) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log)?;
        let args = [what.as_ref(), "--config".as_ref(), config.as_os_str()];
        let mut command = program::command(args)?;
        command.env("RUST_BACKTRACE", "1").stdout(file.try_clone()?).stderr(file);
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        let child = command.spawn().context("cannot start zaki")?;
        Ok(Self { child, log: log.to_owned(), patience })
    }

    /// Waits until `url` answers 200.
    pub async fn ready(&mut self, url: &str, within: Duration) -> Result<()> {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!("zaki ended ({status}) instead of starting\n{}", self.log());
            }
            let answer = http.get(url).timeout(Duration::from_secs(5)).send().await;
            if answer.is_ok_and(|answer| answer.status() == 200) {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("zaki is not ready after {within:?}\n{}", self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Its process number.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap_or_default()
    }

    /// The end of what it wrote.
    pub fn log(&self) -> String {
        let whole = fs::read(&self.log).unwrap_or_default();
        let whole = String::from_utf8_lossy(&whole);
        let from = whole.len().saturating_sub(TAIL);
        let from = (from..whole.len()).find(|at| whole.is_char_boundary(*at)).unwrap_or_default();
        format!("--- zaki's log:\n{}", whole.get(from..).unwrap_or_default())
    }

    /// Ends it as a crash does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        Ok(kill(Pid::from_raw(self.pid()), signal)?)
    }

    /// Asks it to end, and waits until it did.
    pub async fn stop(mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal)?;
        let deadline = Instant::now() + self.patience;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                bail!("zaki did not stop within {:?} of {signal}\n{}", self.patience, self.log());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        let _ = self.signal(Signal::SIGTERM);
        let deadline = Instant::now() + self.patience;
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
