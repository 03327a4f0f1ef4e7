//! An agent that repeats what it is told, at once: what stands for OpenClaw in measurements and
//! tests, inside the native edge and in a container of its own (`tests/box`).
//!
//! As the offline model does, `SLOW:<n>x<ms>` anywhere in the text streams n words, one every ms
//! milliseconds, and `FAIL:<status>` fails. What is steered in meanwhile is echoed behind, in the
//! same answer. `ASK:<command>` asks whether it may run that, and says what it was told.
//! `USE:<read>x<written>x<cost>` in the end claims to have used that. `WHO` has it end with the names
//! of the media it was given, the hashes of the bytes it has got of them, whose sandbox answered, and
//! in which session. `BACK` has it send those media back. `LATER:<ms>:<words>` has it say the words by
//! itself, so long after the turn.

mod pace;
mod script;
mod slow;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use dashmap::DashMap;
use futures::stream::BoxStream;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use zaki_envelope::{
    Kept, MediaHash, Part, SandboxName, Timestamp, TurnId, plain_text,
    wire::{
        AgentInfo, ApprovalAnswer, SteerRequest, TurnEvent, TurnEventKind, TurnRequest,
        proactive::Proactive,
    },
};

pub use pace::{number, slow_words, status};
use script::Script;
use slow::{Slow, Teller};

/// Media that are remembered.
const REMEMBERED: usize = 256;

/// It does not take that; with the HTTP status a sandbox says so by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused(pub u16);

/// One that answers for any number of sandboxes.
#[derive(Clone, Default)]
pub struct Echo {
    /// Which of them it is.
    name: Option<SandboxName>,
    /// The slow turns that run.
    running: Arc<DashMap<TurnId, Arc<Slow>>>,
    /// The last media they were given.
    given: Arc<Mutex<VecDeque<Given>>>,
}

/// A medium, and whose.
struct Given {
    name: Option<SandboxName>,
    hash: MediaHash,
    bytes: Bytes,
}

impl Echo {
    /// The one in the sandbox of that name.
    #[must_use]
    pub fn of(&self, name: &SandboxName) -> Self {
        Self { name: Some(name.clone()), ..self.clone() }
    }

    /// What it is to say by itself, and how long after the turn.
    pub fn later(request: &TurnRequest, at: Timestamp) -> Option<(Duration, Proactive)> {
        let said = plain_text(&request.parts);
        let (_, rest) = said.split_once("LATER:")?;
        let (ms, words) = rest.lines().next()?.split_once(':')?;
        let message = Proactive {
            failed: false,
            // One for each turn, as a job runs once.
            id: request.turn.to_string().parse().ok()?,
            at,
            place: request.origin.place,
            shared: request.session.is_shared(),
            text: words.trim().to_owned(),
        };
        Some((Duration::from_millis(ms.trim().parse().ok()?), message))
    }

    /// Gives it a medium. The same again changes nothing.
    pub fn give(&self, hash: MediaHash, bytes: Bytes) {
        let mut given = self.given();
        given.push_back(Given { name: self.name.clone(), hash, bytes });
        if given.len() > REMEMBERED {
            given.pop_front();
        }
    }

    /// What it was given under that hash.
    pub fn medium(&self, hash: MediaHash) -> Option<Bytes> {
        let given = self.given();
        let mine = given.iter().rev().find(|it| it.name == self.name && it.hash == hash);
        mine.map(|it| it.bytes.clone())
    }

    /// Takes a turn: its events as they come, without those up to `after`. The turn goes on when
    /// nobody listens.
    pub fn open(&self, request: &TurnRequest, after: u64) -> BoxStream<'static, TurnEvent> {
        let script = Script::read(request, self);
        if script.is_quick() {
            let end = script.end();
            let kinds = [started()].into_iter().chain(script.back).chain([end]);
            let events = (1_u64..).zip(kinds).filter(move |(seq, _)| *seq > after);
            return stream::iter(events.map(|(seq, kind)| TurnEvent { seq, kind })).boxed();
        }
        let slow = Arc::new(Slow::default());
        self.running.insert(request.turn, slow.clone());
        let (events, told) = mpsc::unbounded_channel();
        let (running, turn) = (self.running.clone(), request.turn);
        tokio::spawn(async move {
            slow.run(script, Teller::new(events, after)).await;
            running.remove(&turn);
        });
        let events = stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) });
        events.boxed()
    }

    /// Adds to a turn that runs. 404: no such turn; 409: it takes nothing more.
    pub fn steer(&self, turn: TurnId, said: &SteerRequest) -> Result<(), Refused> {
        self.slow(turn)?.steer(said)
    }

    /// Answers what a turn has asked. 404: nobody has; 409: it was answered otherwise.
    pub fn approve(&self, approval: &str, answer: ApprovalAnswer) -> Result<(), Refused> {
        let turn = approval.strip_prefix("echo-").and_then(|turn| turn.parse().ok());
        self.slow(turn.ok_or(Refused(404))?)?.decide(answer.decision)
    }

    /// Ends a turn with what there is of it.
    pub fn abort(&self, turn: TurnId) {
        if let Ok(slow) = self.slow(turn) {
            slow.stop();
        }
    }

    /// No turn runs.
    pub fn is_idle(&self) -> bool {
        self.running.is_empty()
    }

    fn slow(&self, turn: TurnId) -> Result<Arc<Slow>, Refused> {
        self.running.get(&turn).map(|slow| slow.clone()).ok_or(Refused(404))
    }

    fn given(&self) -> MutexGuard<'_, VecDeque<Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The media of a turn that it has got the bytes of, to be sent back.
    fn back(&self, request: &TurnRequest) -> Vec<TurnEventKind> {
        let media = request.parts.iter().filter_map(|part| {
            let Part::Media { reference, mime, name, .. } = part else { return None };
            let bytes = self.medium(Kept::of(reference)?.hash)?;
            Some(TurnEventKind::Media {
                sha256: MediaHash::of(&bytes).to_string(),
                mime: mime.clone().unwrap_or_default(),
                name: name.clone().unwrap_or_else(|| "file".to_owned()),
                size: Some(bytes.len() as u64),
            })
        });
        media.collect()
    }

    fn who(&self, request: &TurnRequest) -> String {
        let whose = self.name.as_ref().map(ToString::to_string).unwrap_or_default();
        let given = request.parts.iter().filter_map(|part| match part {
            Part::Media { reference, name, .. } => Some((Kept::of(reference), name)),
            _ => None,
        });
        let given: String = given
            .flat_map(|(kept, name)| {
                let name = name.as_deref().map(|name| format!("\n[{name}]"));
                let bytes = kept.and_then(|kept| self.medium(kept.hash));
                let bytes = bytes.map(|bytes| format!("\n[bytes {}]", MediaHash::of(&bytes)));
                name.into_iter().chain(bytes)
            })
            .collect();
        format!("{given}\n\nanswered by {whose} in {}", request.session)
    }
}

/// Who answers.
pub fn agent() -> AgentInfo {
    AgentInfo { name: "echo".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

fn echo(text: &str) -> String {
    format!("echo: {text}")
}

fn started() -> TurnEventKind {
    TurnEventKind::Started { agent: agent() }
}
