//! Gives sandboxes the version that all are to have: one after another, each when it has nothing to
//! do, with all of its memory in a backup, and back to where it was when it does not come up well.

use std::collections::VecDeque;
use std::sync::Weak;
use std::time::Duration;

use tokio::time::sleep;
use zaki_edge_core::sandbox::Phase;
use zaki_envelope::{
    SandboxName,
    wire::{self, BackupOutcome, Standing},
};

use crate::{edge::Running, runtime::Ground, state::SandboxRow};

/// After the start of an edge there is other work.
const AT_FIRST: Duration = Duration::from_secs(10);
/// Between two sandboxes, since each start takes a core for some seconds.
const PAUSE: Duration = Duration::from_secs(2);
/// Before those are tried again that had something to do.
const LATER: Duration = Duration::from_mins(1);
/// So many sandboxes in a row had to go back: the version is no good, and the others are spared.
const MOST_REFUSED: u32 = 3;

impl Running {
    /// Which version a sandbox is on, and what is to become of that.
    pub(crate) fn release(&self, row: &SandboxRow) -> wire::Release {
        let Ground::Built(runtime) = &self.shared.ground else { return wire::Release::default() };
        let (release, target) = (&row.release, runtime.version());
        let is_there = release.on().is_none_or(|on| *on == target);
        wire::Release {
            version: release.on().map(ToString::to_string),
            wanted: (!is_there).then(|| target.to_string()),
            refused: release.refused(&target).map(str::to_owned),
        }
    }

    /// Brings it to the version that all are to have; an error says why it is where it was.
    pub(crate) async fn upgrade(&self, name: &SandboxName) -> Result<Standing, String> {
        let Ground::Built(runtime) = &self.shared.ground else {
            return Err("these sandboxes have no version".to_owned());
        };
        let target = runtime.version();
        let before = self.row(name).await?;
        if before.release.on().is_none_or(|on| *on == target) {
            return Ok(self.standing(name).await);
        }
        if let BackupOutcome::Failed { why } = self.back_up(name.clone()).await {
            return Err(format!("it is not tried, since it cannot be backed up before: {why}"));
        }
        let was_stopped = self.phase(name) == Phase::Stopped;
        self.stop(name, false).await?;
        self.shared.proposals.insert(name.clone());
        let started = self.start(name).await;
        self.shared.proposals.remove(name);
        let after = self.row(name).await?.release;
        if was_stopped {
            // Somebody may want it by now.
            let _ = self.stop(name, false).await;
        }
        match after.refused(&target) {
            _ if after.on() == Some(&target) => Ok(self.standing(name).await),
            Some(why) => Err(format!("it went back to where it was: {why}")),
            None => Err(started.err().unwrap_or_else(|| {
                "it was used meanwhile, and could not be backed up: say it again".to_owned()
            })),
        }
    }

    pub(crate) async fn row(&self, name: &SandboxName) -> Result<SandboxRow, String> {
        let row = self.shared.state.known_sandbox(name.clone()).await;
        let row = row.map_err(|error| error.to_string())?;
        Ok(row.unwrap_or_else(|| SandboxRow::new(name.clone())))
    }

    /// All that are elsewhere and were not sent back.
    async fn behind(&self) -> VecDeque<SandboxName> {
        let Ground::Built(runtime) = &self.shared.ground else { return VecDeque::new() };
        let (target, rows) = (runtime.version(), self.shared.state.sandboxes().await);
        let rows = rows.unwrap_or_default().into_iter();
        rows.filter(|row| row.release.wants(&target)).map(|row| row.name).collect()
    }
}

/// Brings all of them there, as long as the edge runs.
pub(crate) async fn roll(edge: Weak<Running>) {
    sleep(AT_FIRST).await;
    let mut behind = match edge.upgrade() {
        Some(edge) => edge.behind().await,
        None => return,
    };
    let (mut refused, mut later) = (0, VecDeque::new());
    loop {
        let Some(name) = behind.pop_front() else {
            if later.is_empty() {
                return;
            }
            sleep(LATER).await;
            behind = std::mem::take(&mut later);
            continue;
        };
        let Some(edge) = edge.upgrade() else { return };
        match one(&edge, &name).await {
            Rolled::There => refused = 0,
            Rolled::Later => later.push_back(name),
            Rolled::Back => refused += 1,
        }
        if refused >= MOST_REFUSED {
            tracing::error!(left = behind.len() + later.len(), "release.given_up");
            return;
        }
        drop(edge);
        sleep(PAUSE).await;
    }
}

/// What has become of one.
enum Rolled {
    There,
    Later,
    Back,
}

async fn one(edge: &Running, name: &SandboxName) -> Rolled {
    // Of somebody who has gone nothing is started.
    if edge.shared.people.hold(name.user()).await.standing.refusal().is_some() {
        return Rolled::There;
    }
    match edge.upgrade(name).await {
        Ok(_) => {
            tracing::info!(sandbox = %name, "release.done");
            Rolled::There
        }
        Err(why) => {
            let is_refused =
                edge.row(name).await.is_ok_and(|row| edge.release(&row).refused.is_some());
            tracing::warn!(sandbox = %name, why, "release.not_done");
            if is_refused { Rolled::Back } else { Rolled::Later }
        }
    }
}
