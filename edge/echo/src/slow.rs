//! A turn that takes its time, and may be told more meanwhile.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use zaki_envelope::{
    InboundId, Part, plain_text,
    wire::{Decision, SteerRequest, TurnEvent, TurnEventKind},
};

use crate::{Refused, echo, script::Script, started};

/// One of them.
#[derive(Default)]
pub(crate) struct Slow {
    stop: CancellationToken,
    said: Mutex<Said>,
    decided: watch::Sender<Option<Decision>>,
}

#[derive(Default)]
struct Said {
    steered: Vec<InboundId>,
    waiting: Vec<(InboundId, Vec<Part>)>,
    ended: bool,
}

impl Slow {
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    pub(crate) fn decide(&self, decision: Decision) -> Result<(), Refused> {
        self.decided.send_if_modified(|decided| {
            let is_first = decided.is_none();
            decided.get_or_insert(decision);
            is_first
        });
        let is_it = *self.decided.borrow() == Some(decision);
        if is_it { Ok(()) } else { Err(Refused(409)) }
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

    pub(crate) fn steer(&self, request: &SteerRequest) -> Result<(), Refused> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.steered.contains(&request.steer) {
            return Ok(());
        }
        if said.ended {
            return Err(Refused(409));
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

    pub(crate) async fn run(&self, script: Script, mut teller: Teller) {
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
pub(crate) struct Teller {
    events: mpsc::UnboundedSender<TurnEvent>,
    seq: u64,
    after: u64,
    text: String,
    /// To be answered when the words are out.
    heard: Vec<Vec<Part>>,
}

impl Teller {
    pub(crate) fn new(events: mpsc::UnboundedSender<TurnEvent>, after: u64) -> Self {
        Self { events, seq: 0, after, text: String::new(), heard: Vec::new() }
    }

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
