//! The image of the hub, tried: started as closed as it can be, asked whether it is ready, looked
//! into, stopped, and started again on the same volume.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::engine::Engine;

/// Looks, and the time between two: a minute and a half.
const LOOKS: u32 = 180;
const BETWEEN: Duration = Duration::from_millis(500);
/// Asks the hub, from inside.
const READY: &str = "exec 3<>/dev/tcp/127.0.0.1/8787 && printf 'GET /ready HTTP/1.0\\r\\n\\r\\n' >&3 && head -1 <&3";

/// One container and its volume, which go with this.
struct Trial<'e> {
    engine: &'e Engine,
    name: String,
}

/// Fails when the hub in `image` is not what it is to be; says what it was.
pub(super) fn hub(engine: &Engine, image: &str) -> Result<String> {
    let trial = Trial { engine, name: format!("zaki-trial-{}", std::process::id()) };
    trial.start(image)?;
    trial.is("is ready", READY, "HTTP/1.0 200 OK")?;
    trial.is("is nobody in particular", "id -u; id -G", "10001\n10001")?;
    trial.is("may do nothing", "grep -c '^Cap...:.0000000000000000$' /proc/1/status", "5")?;
    let writing =
        "(touch /x || touch /usr/x || touch /tmp/x || touch /etc/x) 2>/dev/null || echo no";
    trial.is("writes nowhere", writing, "no")?;
    trial.is(
        "has one place that lasts",
        "grep -c ' /data ' /proc/mounts; test -d /data/hub && echo it",
        "1\nit",
    )?;
    trial.is("keeps to itself", "stat -c %a /data/hub", "700")?;
    trial.is_healthy()?;
    trial.end()?;
    // On what the first one has left.
    trial.start(image)?;
    trial.is("is ready again", READY, "HTTP/1.0 200 OK")?;
    trial.end()?;
    Ok("started twice, ready, healthy, closed".to_owned())
}

impl Trial<'_> {
    /// Everything in one process and one container, with sandboxes that only repeat.
    fn start(&self, image: &str) -> Result<()> {
        let volume = format!("{}:/data", self.name);
        let started = self.engine.ask(&[
            "run",
            "--detach",
            "--name",
            &self.name,
            "--volume",
            &volume,
            "--read-only",
            "--network=none",
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--health-interval=1s",
            "--env",
            "ZAKI__SANDBOX__RUNTIME=echo",
            image,
            "up",
        ]);
        started.map(drop).context("the image of the hub does not start")
    }

    /// Waits until this says so inside.
    fn is(&self, what: &str, command: &str, expected: &str) -> Result<()> {
        let ask = || self.engine.ask(&["exec", &self.name, "/bin/bash", "-c", command]);
        let mut said = None;
        for _ in 0..LOOKS {
            said = ask();
            if said.as_deref().map(|said| said.trim().replace('\r', ""))
                == Some(expected.to_owned())
            {
                return Ok(());
            }
            sleep(BETWEEN);
        }
        bail!("the hub in its image is to say that it {what}: {said:?}\n{}", self.logs())
    }

    fn is_healthy(&self) -> Result<()> {
        let ask = ["inspect", "--format", "{{.State.Health.Status}}", &self.name];
        for _ in 0..LOOKS {
            if self.engine.ask(&ask).is_some_and(|said| said.trim() == "healthy") {
                return Ok(());
            }
            sleep(BETWEEN);
        }
        bail!("its health check does not pass\n{}", self.logs())
    }

    /// Asked to end it does, and well; its volume stays.
    fn end(&self) -> Result<()> {
        self.engine.ask(&["stop", "-t", "30", &self.name]).context("it does not stop")?;
        let code = ["inspect", "--format", "{{.State.ExitCode}}", &self.name];
        let code = self.engine.ask(&code).unwrap_or_default();
        ensure!(code.trim() == "0", "it ended with {}\n{}", code.trim(), self.logs());
        self.engine.ask(&["rm", &self.name]).map(drop).context("it cannot be removed")
    }

    fn logs(&self) -> String {
        self.engine.ask(&["logs", "--tail", "30", &self.name]).unwrap_or_default()
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        let _ = self.engine.ask(&["rm", "--force", &self.name]);
        let _ = self.engine.ask(&["volume", "rm", "--force", &self.name]);
    }
}
