//! Sandboxes that are none: they answer every turn at once. For measurements and tests.
//!
//! As the offline model does, `SLOW:<n>x<ms>` anywhere in the text streams n words, one every ms
//! milliseconds, and `FAIL:<status>` fails. What is steered in meanwhile is echoed behind, in the
//! same answer.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use dashmap::DashMap;
use futures::{StreamExt, stream};
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zaki_envelope::{
    InboundId, Part, TurnId, plain_text,
    wire::{AgentInfo, ErrorCode, SteerRequest, TurnEvent, TurnEventKind, TurnRequest, Usage},
};

use super::{Events, Link, LinkError, RuntimeError};
use crate::model::{fails, slow_words};

/// The link to all of them.
#[derive(Clone, Default)]
pub(crate) struct Echo {
    /// The slow turns that run.
    running: Arc<DashMap<TurnId, Arc<Slow>>>,
}

/// A turn that takes its time.
#[derive(Default)]
struct Slow {
    stop: CancellationToken,
    said: Mutex<Said>,
}

#[derive(Default)]
struct Said {
    steered: Vec<InboundId>,
    waiting: Vec<(InboundId, Vec<Part>)>,
    ended: bool,
}

#[async_trait]
impl Link for Echo {
    async fn ready(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn exited(&self) {
        std::future::pending::<()>().await;
    }

    async fn open(&self, request: &TurnRequest, after: u64) -> Result<Events, LinkError> {
        let text = plain_text(&request.parts);
        let Some((words, pause)) = slow_words(&text) else {
            let end = if fails(&text) { failed() } else { finished(echo(&text), false) };
            let kinds = [started(), end];
            let events = (1_u64..).zip(kinds).filter(move |(seq, _)| *seq > after);
            return Ok(stream::iter(events.map(|(seq, kind)| Ok(TurnEvent { seq, kind }))).boxed());
        };
        let slow = Arc::new(Slow::default());
        self.running.insert(request.turn, slow.clone());
        let (events, told) = mpsc::unbounded_channel();
        let (running, turn) = (self.running.clone(), request.turn);
        tokio::spawn(async move {
            slow.run(words, pause, Teller::new(events, after)).await;
            running.remove(&turn);
        });
        let events = stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) });
        Ok(events.map(Ok).boxed())
    }

    async fn steer(&self, turn: TurnId, said: &SteerRequest) -> Result<(), LinkError> {
        let slow = self.running.get(&turn).map(|slow| slow.clone());
        slow.ok_or(LinkError::Refused(404))?.steer(said)
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
}

impl Slow {
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

    async fn run(&self, words: Vec<String>, pause: Duration, mut teller: Teller) {
        teller.tell(started());
        let spoken = self.stop.run_until_cancelled(async {
            for word in words {
                sleep(pause).await;
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
        let text = std::mem::take(&mut teller.text);
        teller.tell(finished(text, aborted));
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

fn finished(text: String, aborted: bool) -> TurnEventKind {
    TurnEventKind::Final { text, usage: Usage::default(), aborted }
}

fn failed() -> TurnEventKind {
    TurnEventKind::Error { code: ErrorCode::Agent, message: "told to fail".to_owned() }
}
