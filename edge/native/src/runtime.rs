//! What can hold a sandbox: two small traits, and one implementation of both per kind; and what is
//! done around its life whatever holds it.

mod container;
mod echo;
mod http_link;
mod process;
mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Bytes;
use futures::stream::BoxStream;
use serde::{Deserialize, Serialize};
use zaki_edge_core::sandbox::Generation;
use zaki_envelope::{
    BackupId, MediaHash, SandboxName, TurnId, ZakiUserId,
    wire::{ApprovalAnswer, Reminders, SteerRequest, TurnEvent, TurnRequest},
};

pub(crate) use container::{Container, Life};
pub(crate) use echo::Echo;
pub(crate) use http_link::HttpLink;
pub use process::IsolationReport;
pub(crate) use process::{Process, Surroundings, draw_uids};
pub(crate) use version::Version;

/// Where one start of a sandbox is. Durable before anything is put there, so that whatever a crash
/// leaves behind can be found and is never taken for something else.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Which start.
    pub(crate) generation: Generation,
    /// Proves the sandbox to the edge, and the edge to the sandbox. Empty: nothing to prove.
    pub(crate) token: String,
    /// What it is started with.
    #[serde(default)]
    pub(crate) version: Version,
    /// It is to have the memory of this backup, whatever memory it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restore: Option<BackupId>,
    /// Where a process is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) process: Option<process::Spot>,
    /// Where a container is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) docker: Option<crate::docker::Spot>,
}

/// Why a sandbox is not there. For the log; holds no secrets and no message text.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct RuntimeError {
    what: String,
}

impl From<std::io::Error> for RuntimeError {
    fn from(error: std::io::Error) -> Self {
        Self::new(error.to_string())
    }
}

impl RuntimeError {
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into() }
    }
}

/// Why a call to a sandbox failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    /// The connection broke or never stood; the call may be made again.
    #[error("the connection to the sandbox was lost: {0}")]
    Lost(String),
    /// The sandbox does not take it.
    #[error("the sandbox answered {0}")]
    Refused(u16),
}

/// A turn's events as they come; the end of the stream before the turn's end is a lost connection.
pub(crate) type Events = BoxStream<'static, Result<TurnEvent, LinkError>>;

/// What sandboxes are, here.
pub(crate) enum Ground {
    /// They need no start and leave nothing behind.
    Standing(Echo),
    /// They are started and ended, and outlive the edge.
    Built(Arc<dyn Runtime>),
}

impl Ground {
    /// Whether sandboxes can be held still here.
    pub(crate) fn can_freeze(&self) -> bool {
        matches!(self, Self::Built(runtime) if runtime.can_freeze())
    }
}

/// A kind of sandbox: puts them there and ends them. For one sandbox nothing is asked before the
/// last thing asked has returned.
#[async_trait]
pub(crate) trait Runtime: Send + Sync + 'static {
    /// Whether it can hold a sandbox still, with everything it has in memory.
    fn can_freeze(&self) -> bool {
        false
    }

    /// Whether what runs in a sandbox is kept from the machine, so that strangers' programs may.
    fn is_isolated(&self) -> bool {
        false
    }

    /// The last lines of what is told of a sandbox outside of it, by name, asleep or awake.
    async fn logs(&self, name: &SandboxName, lines: usize) -> BTreeMap<String, String> {
        let _ = (name, lines);
        BTreeMap::new()
    }

    /// The version that all sandboxes are to have.
    fn version(&self) -> Version {
        Version::default()
    }

    /// Whether this one is still there to be started.
    async fn has(&self, version: &Version) -> bool {
        *version == self.version()
    }

    /// Chooses where the next start goes, and on which version; `number` is the sandbox's own. Puts
    /// nothing there.
    async fn place(
        &self,
        number: u32,
        generation: Generation,
        version: Version,
    ) -> Result<Place, RuntimeError>;

    /// Puts sandbox `name` at `place` and notes there what identifies it. Not for waiting until it
    /// is ready.
    async fn start(
        &self,
        name: &SandboxName,
        place: &mut Place,
    ) -> Result<Arc<dyn Link>, RuntimeError>;

    /// Takes over what an earlier edge put at `place`, thawed if it was frozen; `None`: it is not
    /// there, or not to be used.
    async fn adopt(&self, name: &SandboxName, place: &Place) -> Option<Arc<dyn Link>>;

    /// Ends exactly what is at `place`, if anything, frozen or not, and returns when it is gone.
    async fn stop(&self, name: &SandboxName, place: &Place, manner: Manner);

    /// Holds everything at `place` still until [`Runtime::thaw`]; when it fails, nothing is held.
    async fn freeze(&self, name: &SandboxName, place: &Place) -> Result<(), RuntimeError> {
        let _ = (name, place);
        Err(RuntimeError::new("this kind of sandbox cannot be frozen"))
    }

    /// Lets it go on, wherever it was held. What is not frozen stays as it is.
    async fn thaw(&self, name: &SandboxName, place: &Place) -> Result<(), RuntimeError> {
        let _ = (name, place);
        Ok(())
    }

    /// Removes everything that was kept of the sandboxes of `user`, which are all stopped.
    async fn erase(&self, user: ZakiUserId) -> std::io::Result<()>;
}

/// How a sandbox is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// It may put its things in order, and aborts what still runs.
    Gently,
    /// As a crash would, so that it takes its turns up at its next start instead of aborting them.
    AtOnce,
}

/// What is done around the life of a sandbox, so that its memory outlives it. Whatever fails in
/// here is said by whoever does it, and keeps no sandbox from starting or stopping.
#[async_trait]
pub(crate) trait Hooks: Send + Sync + 'static {
    /// Nothing of it runs, and it is about to start at `place`.
    async fn before_start(&self, name: &SandboxName, place: &Place) {
        let _ = (name, place);
    }

    /// It was started; it may not answer yet, and has got no turn. Its turns wait for this.
    async fn after_start(&self, name: &SandboxName, link: &Arc<dyn Link>) {
        let _ = (name, link);
    }

    /// A turn of it has ended or was cut off, or its agent has done something by itself: there may be
    /// something new in it. `link`: the way in, for whoever knows it is up. Returns at once.
    fn changed(&self, name: &SandboxName, link: Option<&Arc<dyn Link>>) {
        let _ = (name, link);
    }

    /// It is about to be stopped gently, or frozen. `cut`: turns of it were cut off a moment ago, and
    /// its agent may still be at them.
    async fn before_stop(&self, name: &SandboxName, link: &Arc<dyn Link>, cut: bool) {
        let _ = (name, link, cut);
    }
}

/// What an agent says when it is asked to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rest {
    /// It does nothing, and takes nothing new until it is resumed, or for two minutes.
    Ready(Reminders),
    /// It has something to do.
    Busy,
}

/// The way to one start of a sandbox.
#[async_trait]
pub(crate) trait Link: Send + Sync + 'static {
    /// How to call what is not in here, such as a backup; `None`: there is nothing more to call.
    fn endpoint(&self) -> Option<&HttpLink> {
        None
    }

    /// Returns when it takes turns, or says that it never will.
    async fn ready(&self) -> Result<(), RuntimeError>;

    /// Returns when it is gone.
    async fn exited(&self);

    /// Gives it a medium that it is about to hear of. The same again changes nothing.
    async fn give(&self, hash: MediaHash, bytes: Bytes) -> Result<(), LinkError>;

    /// The bytes of a medium that it has told of. Refused with 404: it has none, or no longer.
    async fn medium(&self, hash: MediaHash) -> Result<Bytes, LinkError>;

    /// Runs the turn, or takes it up: the same turn id never runs twice. Events up to `after` may
    /// be left out.
    async fn open(&self, request: &TurnRequest, after: u64) -> Result<Events, LinkError>;

    /// Adds to a turn that runs; returns when that is durable there. The same id again adds
    /// nothing. Refused with 404: no such turn; with 409: it takes nothing more.
    async fn steer(&self, turn: TurnId, said: &SteerRequest) -> Result<(), LinkError>;

    /// Answers what a turn of it asks. The same answer again changes nothing. Refused with 404:
    /// nobody asks that any more; with 409: it was answered otherwise, or cannot be answered so.
    async fn approve(&self, approval: &str, answer: ApprovalAnswer) -> Result<(), LinkError>;

    /// Stops a turn; its events tell the end.
    async fn abort(&self, turn: TurnId) -> Result<(), LinkError>;

    /// The edge has durably what it keeps of the turn up to `seq`; its journal may go.
    async fn ack(&self, turn: TurnId, seq: u64) -> Result<(), LinkError>;

    /// Asks the agent to rest, if it has nothing to do. Again while it rests: the two minutes begin
    /// anew.
    async fn suspend(&self) -> Result<Rest, LinkError>;

    /// It rests no more. Nothing to do for one that does not rest.
    async fn resume(&self) -> Result<(), LinkError>;

    /// When it wants to act by itself next. Not to be asked while it rests.
    async fn reminders(&self) -> Result<Reminders, LinkError>;
}
