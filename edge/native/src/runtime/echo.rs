//! Sandboxes that are none: they answer every turn at once. For measurements and tests.
//!
//! As the offline model does, `SLOW:<n>x<ms>` anywhere in the text streams n words, one every ms
//! milliseconds, and `FAIL:<status>` fails. What is steered in meanwhile is echoed behind, in the
//! same answer. `ASK:<command>` asks whether it may run that, and says what it was told.
//! `USE:<read>x<written>x<cost>` in the end claims to have used that. `WHO` has it end with the names
//! of the media it was given, the hashes of the bytes it has got of them, whose sandbox answered, and
//! in which session. `BACK` has it send those media back. `LATER:<ms>:<words>` has it say the words by
//! itself, so long after the turn.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Bytes;
use dashmap::DashMap;
use futures::{StreamExt, stream};
use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zaki_envelope::{
    InboundId, Kept, MediaHash, Part, SandboxName, Timestamp, TurnId, plain_text,
    wire::{
        AgentInfo, ApprovalAnswer, Decision, ErrorCode, Reminders, SteerRequest, TurnEvent,
        TurnEventKind, TurnRequest, Usage, proactive::Proactive,
    },
};

use super::{Events, Link, LinkError, Rest, RuntimeError};
use crate::model::{fails, slow_words};

/// The link to all of them.
#[derive(Clone, Default)]
pub(crate) struct Echo {
    /// Which of them it is.
    name: Option<SandboxName>,
    /// The slow turns that run.
    running: Arc<DashMap<TurnId, Arc<Slow>>>,
    /// The last media they were given.
    given: Arc<Mutex<VecDeque<Given>>>,
}

/// Media that are remembered.
const REMEMBERED: usize = 256;

/// A medium, and whose.
struct Given {
    name: Option<SandboxName>,
    hash: MediaHash,
    bytes: Bytes,
}

/// A turn that takes its time.
#[derive(Default)]
struct Slow {
    stop: CancellationToken,
    said: Mutex<Said>,
    decided: watch::Sender<Option<Decision>>,
}

/// What a turn is told to do.
struct Script {
    text: String,
    /// Who it says it is.
    who: Option<String>,
    words: Vec<String>,
    pause: Duration,
    /// What it asks for first, and under which id.
    asks: Option<(String, String)>,
    /// The files it makes.
    back: Vec<TurnEventKind>,
    usage: Usage,
}

#[derive(Default)]
struct Said {
    steered: Vec<InboundId>,
    waiting: Vec<(InboundId, Vec<Part>)>,
    ended: bool,
}

impl Echo {
    /// The link to one of them.
    pub(crate) fn of(&self, name: &SandboxName) -> Arc<dyn Link> {
        Arc::new(Self { name: Some(name.clone()), ..self.clone() })
    }

    /// What it is to say by itself, and how long after the turn.
    pub(crate) fn later(request: &TurnRequest, at: Timestamp) -> Option<(Duration, Proactive)> {
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

    fn given(&self) -> MutexGuard<'_, VecDeque<Given>> {
        self.given.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What this one was given under that hash.
    fn find(&self, hash: MediaHash) -> Option<Bytes> {
        let given = self.given();
        let mine = given.iter().rev().find(|it| it.name == self.name && it.hash == hash);
        mine.map(|it| it.bytes.clone())
    }

    /// The media of a turn that it has got the bytes of, to be sent back.
    fn back(&self, request: &TurnRequest) -> Vec<TurnEventKind> {
        let media = request.parts.iter().filter_map(|part| {
            let Part::Media { reference, mime, name, .. } = part else { return None };
            let bytes = self.find(Kept::of(reference)?.hash)?;
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
                let bytes = kept.and_then(|kept| self.find(kept.hash));
                let bytes = bytes.map(|bytes| format!("\n[bytes {}]", MediaHash::of(&bytes)));
                name.into_iter().chain(bytes)
            })
            .collect();
        let name = whose;
        format!("{given}\n\nanswered by {name} in {}", request.session)
    }
}

#[async_trait]
impl Link for Echo {
    async fn ready(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn exited(&self) {
        std::future::pending::<()>().await;
    }

    async fn give(&self, hash: MediaHash, bytes: Bytes) -> Result<(), LinkError> {
        let mut given = self.given();
        given.push_back(Given { name: self.name.clone(), hash, bytes });
        if given.len() > REMEMBERED {
            given.pop_front();
        }
        Ok(())
    }

    async fn medium(&self, hash: MediaHash) -> Result<Bytes, LinkError> {
        self.find(hash).ok_or(LinkError::Refused(404))
    }

    async fn open(&self, request: &TurnRequest, after: u64) -> Result<Events, LinkError> {
        let script = Script::read(request, self);
        if script.words.is_empty() && script.asks.is_none() {
            let end = script.end();
            let kinds = [started()].into_iter().chain(script.back).chain([end]);
            let events = (1_u64..).zip(kinds).filter(move |(seq, _)| *seq > after);
            return Ok(stream::iter(events.map(|(seq, kind)| Ok(TurnEvent { seq, kind }))).boxed());
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
        Ok(events.map(Ok).boxed())
    }

    async fn steer(&self, turn: TurnId, said: &SteerRequest) -> Result<(), LinkError> {
        let slow = self.running.get(&turn).map(|slow| slow.clone());
        slow.ok_or(LinkError::Refused(404))?.steer(said)
    }

    async fn approve(&self, approval: &str, answer: ApprovalAnswer) -> Result<(), LinkError> {
        let turn = approval.strip_prefix("echo-").and_then(|turn| turn.parse().ok());
        let slow = turn.and_then(|turn: TurnId| self.running.get(&turn).map(|slow| slow.clone()));
        slow.ok_or(LinkError::Refused(404))?.decide(answer.decision)
    }

    async fn abort(&self, turn: TurnId) -> Result<(), LinkError> {
        if let Some(slow) = self.running.get(&turn) {
            slow.stop.cancel();
        }
        Ok(())
    }

    async fn ack(&self, _turn: TurnId, _seq: u64) -> Result<(), LinkError> {
        Ok(())
    }

    async fn suspend(&self) -> Result<Rest, LinkError> {
        let is_idle = self.running.is_empty();
        Ok(if is_idle { Rest::Ready(Reminders::default()) } else { Rest::Busy })
    }

    async fn resume(&self) -> Result<(), LinkError> {
        Ok(())
    }

    async fn reminders(&self) -> Result<Reminders, LinkError> {
        Ok(Reminders::default())
    }
}

impl Script {
    fn read(request: &TurnRequest, echo: &Echo) -> Self {
        let text = plain_text(&request.parts);
        let says = |it: &str| text.split_whitespace().any(|word| word == it);
        let who = says("WHO").then(|| echo.who(request));
        let back = if says("BACK") { echo.back(request) } else { Vec::new() };
        let (words, pause) = slow_words(&text).unwrap_or_default();
        let asks = text.split_once("ASK:").map(|(_, command)| {
            let command = command.lines().next().unwrap_or_default();
            (format!("echo-{}", request.turn), command.trim().to_owned())
        });
        let usage = usage(&text).unwrap_or_default();
        Self { text, who, words, pause, asks, back, usage }
    }

    /// The end of a turn that does nothing else.
    fn end(&self) -> TurnEventKind {
        if fails(&self.text) {
            let (code, message) = (ErrorCode::Agent, "told to fail".to_owned());
            return TurnEventKind::Error { code, message, usage: self.usage };
        }
        let text = echo(&self.text) + self.who.as_deref().unwrap_or_default();
        TurnEventKind::Final { text, usage: self.usage, aborted: false }
    }
}

fn usage(text: &str) -> Option<Usage> {
    let (_, numbers) = text.split_once("USE:")?;
    let mut numbers = numbers.split_whitespace().next()?.split('x').map(str::parse);
    let mut next = || numbers.next()?.ok();
    Some(Usage { input_tokens: next()?, output_tokens: next()?, cost_micros: next()? })
}

impl Slow {
    fn decide(&self, decision: Decision) -> Result<(), LinkError> {
        self.decided.send_if_modified(|decided| {
            let is_first = decided.is_none();
            decided.get_or_insert(decision);
            is_first
        });
        let is_it = *self.decided.borrow() == Some(decision);
        if is_it { Ok(()) } else { Err(LinkError::Refused(409)) }
    }

    async fn ask(&self, id: String, command: String, teller: &mut Teller) {
        let mut decided = self.decided.subscribe();
        let decisions = vec![Decision::AllowOnce, Decision::AllowAlways, Decision::Deny];
        let told = command.clone();
        teller.tell(TurnEventKind::Approval { id, command, decisions, expires_at: None });
        if let Ok(decision) = decided.wait_for(Option::is_some).await {
            let said = match *decision {
                Some(Decision::AllowOnce) => "allowed once",
                Some(Decision::AllowAlways) => "allowed always",
                _ => "denied",
            };
            teller.say(&format!("{said}: {told}"));
        }
    }

    fn steer(&self, request: &SteerRequest) -> Result<(), LinkError> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.steered.contains(&request.steer) {
            return Ok(());
        }
        if said.ended {
            return Err(LinkError::Refused(409));
        }
        said.steered.push(request.steer);
        said.waiting.push((request.steer, request.parts.clone()));
        Ok(())
    }

    /// What has been said meanwhile; when that is nothing, nothing more is taken.
    fn heard(&self, is_over: bool) -> Vec<(InboundId, Vec<Part>)> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.ended = said.ended || (is_over && said.waiting.is_empty());
        std::mem::take(&mut said.waiting)
    }

    async fn run(&self, script: Script, mut teller: Teller) {
        teller.tell(started());
        let spoken = self.stop.run_until_cancelled(async {
            if let Some((id, command)) = script.asks {
                self.ask(id, command, &mut teller).await;
            }
            for word in script.words {
                sleep(script.pause).await;
                teller.say(&format!(" {}", word.trim_end()));
                self.listen(&mut teller, false);
            }
        });
        let aborted = spoken.await.is_none();
        // What was taken is part of the turn, whatever its end.
        while self.listen(&mut teller, true) {
            for parts in std::mem::take(&mut teller.heard) {
                teller.say(&format!("\n\n{}", echo(&plain_text(&parts))));
            }
        }
        if let Some(who) = &script.who {
            teller.say(who);
        }
        script.back.into_iter().for_each(|kind| teller.tell(kind));
        let text = std::mem::take(&mut teller.text);
        teller.tell(TurnEventKind::Final { text, usage: script.usage, aborted });
    }

    /// Tells what was steered in; `false`: nothing is left to be answered.
    fn listen(&self, teller: &mut Teller, is_over: bool) -> bool {
        for (steer, parts) in self.heard(is_over && teller.heard.is_empty()) {
            teller.tell(TurnEventKind::Steered { steer });
            teller.heard.push(parts);
        }
        !teller.heard.is_empty()
    }
}

/// Tells a slow turn's events, from the first one that is wanted.
struct Teller {
    events: mpsc::UnboundedSender<TurnEvent>,
    seq: u64,
    after: u64,
    text: String,
    /// To be answered when the words are out.
    heard: Vec<Vec<Part>>,
}

impl Teller {
    fn new(events: mpsc::UnboundedSender<TurnEvent>, after: u64) -> Self {
        Self { events, seq: 0, after, text: String::new(), heard: Vec::new() }
    }
}

impl Teller {
    fn say(&mut self, piece: &str) {
        let piece = if self.text.is_empty() { piece.trim_start() } else { piece };
        self.text.push_str(piece);
        self.tell(TurnEventKind::Delta { text: piece.to_owned(), replace: false });
    }

    fn tell(&mut self, kind: TurnEventKind) {
        self.seq += 1;
        if self.seq > self.after {
            // Nobody listens: the turn goes on, as in any sandbox.
            let _ = self.events.send(TurnEvent { seq: self.seq, kind });
        }
    }
}

fn echo(text: &str) -> String {
    format!("echo: {text}")
}

fn started() -> TurnEventKind {
    let version = env!("CARGO_PKG_VERSION").to_owned();
    TurnEventKind::Started { agent: AgentInfo { name: "echo".to_owned(), version } }
}
