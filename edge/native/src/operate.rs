//! What operators have done with a sandbox: always through its life, never around it.

mod inside;

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use zaki_edge_core::sandbox::{Event, Phase, Rest};
use zaki_edge_core::{front::Refusal, http::Order};
use zaki_envelope::{
    SandboxName,
    wire::{ErrorCode, SandboxReport, Standing},
};

use crate::{
    actor::{Errand, Message},
    edge::Running,
    runtime::Ground,
};

/// How long an agent may take to have nothing to do; what was asked of it stays asked.
const PATIENCE: Duration = Duration::from_mins(1);
/// A sandbox that has something to do is asked again so often.
const ASK_AGAIN: Duration = Duration::from_secs(1);
/// Beyond the time a start may take: the line, and the restore.
const EXTRA: Duration = Duration::from_mins(5);

const NOTHING: &str = "these sandboxes are not started or stopped";

impl Running {
    /// Where `name` is in its life.
    pub(crate) fn phase(&self, name: &SandboxName) -> Phase {
        let mailbox = self.shared.fleet.mailboxes.get(name);
        mailbox.map_or(Phase::Stopped, |mailbox| *mailbox.phase.borrow())
    }

    /// All there is to say of it.
    pub(crate) async fn report(&self, name: &SandboxName, whole: bool) -> SandboxReport {
        let report = self.shared.backups.report(name, whole).await;
        let release = self.row(name).await.map(|row| self.release(&row)).unwrap_or_default();
        SandboxReport { phase: self.phase(name).told(), release, ..report }
    }

    /// Up, when this returns.
    pub(crate) async fn start(&self, name: &SandboxName) -> Result<Standing, String> {
        let (errand, up) = Errand::new(|_| Box::pin(async {}));
        self.send(name, errand, up).await?;
        Ok(self.standing(name).await)
    }

    /// Stopped, when this returns; `now`: its turns end with an error.
    pub(crate) async fn stop(&self, name: &SandboxName, now: bool) -> Result<Standing, String> {
        self.check()?;
        if now {
            self.sandboxes.halt_one(name, ErrorCode::Sandbox).await;
        } else {
            let stopped = |phase| phase == Phase::Stopped;
            self.rest(name, Rest::Stopped, stopped).await.map_err(|_| {
                "it has something to do, and stops when that is done; --now ends it".to_owned()
            })?;
        }
        Ok(self.standing(name).await)
    }

    /// Frozen, when this returns.
    pub(crate) async fn freeze(&self, name: &SandboxName) -> Result<Standing, String> {
        self.check()?;
        if !self.shared.ground.can_freeze() {
            return Err("nothing is frozen here: the runtime cannot".to_owned());
        }
        let rests = |phase| matches!(phase, Phase::Frozen | Phase::Stopped);
        let reached = self.rest(name, Rest::Frozen, rests).await;
        match reached.map_err(|_| "it has something to do: say it again later".to_owned())? {
            Phase::Frozen => Ok(self.standing(name).await),
            _ => Err("nothing of it runs".to_owned()),
        }
    }

    /// Stopped and up again, when this returns.
    pub(crate) async fn restart(&self, name: &SandboxName, now: bool) -> Result<Standing, String> {
        self.stop(name, now).await?;
        self.start(name).await
    }

    /// Has something done in it, once it is up.
    async fn send<T>(
        &self,
        name: &SandboxName,
        errand: Errand,
        outcome: impl Future<Output = Result<T, String>>,
    ) -> Result<T, String> {
        self.check()?;
        {
            // Nobody leaves while it begins.
            let held = self.shared.people.hold(name.user()).await;
            if held.standing.refusal().is_some() {
                return Err("its person is retired, or being erased".to_owned());
            }
            self.sandboxes.tell(name, Message::Errand(errand));
        }
        let start = Duration::from_millis(self.shared.habits.start_timeout_ms.unsigned_abs());
        let patience = start.saturating_add(EXTRA).saturating_add(inside::LONGEST);
        timeout(patience, outcome).await.unwrap_or_else(|_| Err("it took too long".to_owned()))
    }

    /// Asks it to rest until it does; `Err`: where it is instead.
    async fn rest(
        &self,
        name: &SandboxName,
        rest: Rest,
        is_there: impl Fn(Phase) -> bool,
    ) -> Result<Phase, Phase> {
        let until = Instant::now() + PATIENCE;
        loop {
            let Some(mut phases) =
                self.shared.fleet.mailboxes.get(name).map(|mailbox| mailbox.phase.subscribe())
            else {
                return if is_there(Phase::Stopped) {
                    Ok(Phase::Stopped)
                } else {
                    Err(Phase::Stopped)
                };
            };
            let phase = *phases.borrow_and_update();
            if is_there(phase) && phase != Phase::Stopped {
                return Ok(phase);
            }
            if Instant::now() > until {
                return Err(phase);
            }
            self.sandboxes.tell(name, Message::Event(Event::Rest(rest)));
            tokio::select! {
                // It is told the same only once a second: it hears better than that.
                _ = phases.wait_for(|phase| is_there(*phase)) => {}
                () = sleep(ASK_AGAIN) => {}
            }
            // The actor of one that has stopped goes, unless it is wanted.
            if self.phase(name) == Phase::Stopped && is_there(Phase::Stopped) {
                return Ok(Phase::Stopped);
            }
        }
    }

    /// Whether there is anything to start here.
    fn check(&self) -> Result<(), String> {
        match self.shared.ground {
            Ground::Standing(_) => Err(NOTHING.to_owned()),
            Ground::Built(_) => Ok(()),
        }
    }

    pub(crate) async fn standing(&self, name: &SandboxName) -> Standing {
        let release = self.row(name).await.map(|row| self.release(&row)).unwrap_or_default();
        Standing { phase: self.phase(name).told(), version: release.version }
    }
}

/// Of somebody who is retired or erased nothing may wake.
pub(crate) async fn may(edge: &Running, name: &SandboxName, order: &Order) -> Result<(), Refusal> {
    let standing = edge.shared.people.hold(name.user()).await.standing;
    match standing.refusal() {
        Some(_) if order.may_wake() => Err(Refusal::Gone),
        _ => Ok(()),
    }
}
