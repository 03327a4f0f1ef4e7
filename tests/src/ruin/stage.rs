//! Plays a schedule: tells a sandbox who somebody is, has something die, and asks.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use reqwest::Method;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use zaki_envelope::ZakiUserId;

use super::script::{Moment, Schedule, Step, Victim};
use crate::caller::{Caller, turn, user};
use crate::edge::Edge;
use crate::openclaw::{self, OpenClaw};
use crate::processes::{self, Process};

/// A turn that takes four seconds.
const LONG: &str = "SLOW:20x200";
const LAST_WORD: &str = "word19";
const LOOK: Duration = Duration::from_millis(20);
/// Reached only by a defect.
const PATIENCE: Duration = Duration::from_mins(5);

/// An edge and whoever asks it.
pub(super) struct Stage {
    edge: Edge,
    caller: Caller,
    /// How many names were told.
    names: u32,
}

impl Stage {
    pub(super) async fn open(openclaw: &OpenClaw, dir: &Path) -> Result<Self> {
        let runtime = openclaw.dir().display();
        // Room for two, so that those of earlier schedules are stopped for the next.
        let settings = format!(
            "[sandbox]\nruntime = \"process\"\nruntime_dir = \"{runtime}\"\nfreeze_after_s = 2\n\
             stop_after_s = 0\nsandbox_mb = 1100\nmemory_mb = 2200\n[backup]\nquiet_s = 1\n\
             every_s = 5\n"
        );
        let mut edge = Edge::prepare(dir, &settings)?;
        edge.up().await?;
        let caller = Caller::new(edge.address())?;
        Ok(Self { edge, caller, names: 0 })
    }

    pub(super) fn log(&self) -> String {
        self.edge.log()
    }

    pub(super) async fn close(mut self) -> Result<()> {
        self.edge.stop().await
    }

    pub(super) async fn play(&mut self, n: u32, schedule: &Schedule) -> Result<()> {
        let who = user(n);
        for step in &schedule.0 {
            let name = self.tell(who).await?;
            self.happen(who, step, &name).await.with_context(|| format!("{step:?}"))?;
            self.recall(who, &name).await.with_context(|| format!("after {step:?}"))?;
        }
        Ok(())
    }

    /// A story: somebody says who they are.
    async fn tell(&mut self, who: ZakiUserId) -> Result<String> {
        self.names += 1;
        let name = format!("Layla{}", self.names);
        let told = self.caller.insist(who, turn(), &format!("my name is {name}")).await?;
        told.text()?;
        Ok(name)
    }

    async fn recall(&self, who: ZakiUserId, name: &str) -> Result<()> {
        let told = self.caller.insist(who, turn(), "What is my name?").await?;
        let text = told.text()?;
        ensure!(text.contains(&format!("is {name}")), "{name} is forgotten: {text}");
        Ok(())
    }

    async fn happen(&mut self, who: ZakiUserId, step: &Step, name: &str) -> Result<()> {
        match step.moment {
            Moment::After(so_long) => {
                sleep(so_long).await;
                self.kill(who, step.victim).await
            }
            Moment::Frozen => {
                self.frozen(who).await?;
                self.kill(who, step.victim).await
            }
            Moment::Within(so_long) => {
                let text = self.asked(who, LONG, so_long, step.victim).await?;
                ensure!(text.contains(LAST_WORD), "an answer is cut off: {text}");
                Ok(())
            }
            Moment::Starting(so_long) | Moment::Restoring(so_long) => {
                let is_lost = matches!(step.moment, Moment::Restoring(_));
                self.kill(who, if is_lost { Victim::Disk } else { Victim::Sandbox }).await?;
                let text = self.asked(who, "What is my name?", so_long, step.victim).await?;
                ensure!(text.contains(&format!("is {name}")), "{name} is forgotten: {text}");
                Ok(())
            }
        }
    }

    /// Says something, has the victim die `so_long` later, and returns the answer.
    async fn asked(
        &mut self,
        who: ZakiUserId,
        text: &str,
        so_long: Duration,
        victim: Victim,
    ) -> Result<String> {
        let (caller, turn, text) = (self.caller.clone(), turn(), text.to_owned());
        let asking = {
            let (caller, text) = (caller.clone(), text.clone());
            tokio::spawn(async move { caller.insist(who, turn, &text).await })
        };
        sleep(so_long).await;
        if victim == Victim::Hub {
            asking.abort();
            return Ok(caller.insist(who, turn, &text).await?.text()?.to_owned());
        }
        self.kill(who, victim).await?;
        Ok(asking.await??.text()?.to_owned())
    }

    async fn kill(&mut self, who: ZakiUserId, victim: Victim) -> Result<()> {
        let processes = processes::of(&self.sandbox(who));
        match victim {
            Victim::Hub => {}
            Victim::Sandbox => processes.iter().for_each(Process::kill),
            Victim::Gateway => {
                openclaw::gateways(&self.sandbox(who)).iter().for_each(Process::kill);
            }
            Victim::Edge => {
                self.edge.kill()?;
                self.edge.up().await?;
            }
            Victim::Machine => self.crash().await?,
            Victim::Disk => {
                self.backed_up(who).await?;
                self.edge.kill()?;
                self.end_all().await?;
                fs::remove_dir_all(self.sandbox(who))?;
                self.edge.up().await?;
            }
        }
        Ok(())
    }

    async fn crash(&mut self) -> Result<()> {
        self.edge.kill()?;
        self.end_all().await?;
        self.edge.up().await
    }

    /// Everything in every sandbox ends.
    async fn end_all(&self) -> Result<()> {
        let all = processes::of(&self.edge.sandboxes());
        all.iter().for_each(Process::kill);
        ensure!(processes::gone(&all, PATIENCE).await, "some processes do not end");
        Ok(())
    }

    async fn frozen(&self, who: ZakiUserId) -> Result<()> {
        let sandbox = self.sandbox(who);
        let is_frozen = || {
            let mut there = processes::of(&sandbox);
            there.retain(|process| !process.waits_outside());
            !there.is_empty() && there.iter().all(Process::is_held)
        };
        let deadline = Instant::now() + PATIENCE;
        while !is_frozen() {
            ensure!(Instant::now() < deadline, "it is never frozen");
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Waits until there is nothing in the sandbox that no backup has.
    async fn backed_up(&self, who: ZakiUserId) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            let path = format!("/v1/users/{who}/sandbox");
            let report = self.caller.call(Method::GET, &path, &Value::Null).await?;
            let backup = &report["backup"];
            if backup["last"].is_string() && backup["changed_since"].is_null() {
                return Ok(());
            }
            sleep(LOOK * 5).await;
        }
        bail!("its backup is never made")
    }

    fn sandbox(&self, who: ZakiUserId) -> PathBuf {
        self.edge.sandboxes().join(format!("openclaw-{who}"))
    }
}
