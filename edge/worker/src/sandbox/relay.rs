//! One turn's way through its container: events in, a lost connection taken up again.

use std::rc::Rc;

use futures::StreamExt;
use worker::{Method, Response};
use zaki_edge_core::{sandbox::Event, tally::outcome};
use zaki_envelope::wire::{BackupOutcome, ErrorCode, SILENCE, SseDecoder, TurnEventKind};

use super::{
    link::{Link, LinkError},
    object::Object,
    turn::Turn,
};
use crate::{clock, millis, report};

/// How much longer than the turn's budget the edge waits, in milliseconds: the sandbox ends late
/// turns itself.
const GRACE: u64 = 60_000;
const FIRST_PAUSE: u64 = 100;
const LONGEST_PAUSE: u64 = 2_000;
/// Tries to stop a turn before its own time limit has to.
const ABORTS: u32 = 3;
const ABORT_PAUSE: u64 = 500;
/// Tries to back up before an answer is told.
const SAVES: u32 = 10;
const SAVE_PAUSE: u64 = 200;

impl Object {
    /// Carries the turn to its end.
    pub(super) fn relay(self: &Rc<Self>, turn: Rc<Turn>) {
        let object = self.clone();
        self.spawn(async move {
            let limit = turn.request.budget.timeout_ms.saturating_add(GRACE);
            let began = clock::now();
            if clock::timeout(limit, object.follow(&turn)).await.is_none() {
                turn.attach(false);
                let late = "the sandbox did not end the turn in time";
                turn.change(|progress| progress.fail(ErrorCode::Timeout, late));
                if let Ok(link) = object.link() {
                    let _ = link.post(&format!("turns/{}/abort", turn.id())).await;
                }
            }
            let took = report::number(clock::now().since(began));
            let end = turn.look(|progress| outcome(progress.log().end()));
            report::turn_ended(&object.env, &object.label(), &turn.request, end, took);
            object.ended(&turn);
        });
        self.tick();
    }

    fn ended(self: &Rc<Self>, turn: &Rc<Turn>) {
        self.conclude(turn);
        self.changed();
        self.happen(Event::Ended(turn.id()));
        let (object, turn) = (self.clone(), turn.clone());
        self.detach(async move {
            let seq = turn.look(|progress| progress.log().last_seq());
            if let Ok(link) = object.link() {
                // Its journal ends by age otherwise.
                let _ = link.post(&format!("turns/{}/ack?seq={seq}", turn.id())).await;
            }
        });
    }

    async fn follow(self: &Rc<Self>, turn: &Turn) {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.hand_over(turn).await {
                Ok(mut answer) => {
                    turn.attach(true);
                    if self.read(turn, &mut answer).await {
                        pause = FIRST_PAUSE;
                    }
                    turn.attach(false);
                }
                Err(LinkError::Refused(410)) => turn.change(|progress| {
                    progress.fail(ErrorCode::Gone, "the sandbox no longer has it");
                }),
                Err(error @ LinkError::Refused(_)) => {
                    turn.change(|it| it.fail(ErrorCode::Internal, &error.to_string()));
                }
                Err(LinkError::Lost(_)) => {}
            }
            if turn.look(zaki_edge_core::turn::Progress::has_ended) {
                return;
            }
            clock::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Has the sandbox take the turn, or go on with it; what it is about to see comes first.
    async fn hand_over(&self, turn: &Turn) -> Result<Response, LinkError> {
        let link = self.link()?;
        let after = turn.look(|progress| progress.log().last_seq());
        if after > 0 {
            let path = format!("turns/{}?after={after}", turn.id());
            match link.ask(Method::Get, &path, None, millis(SILENCE)).await {
                Err(LinkError::Refused(404)) => {}
                answer => return answer,
            }
        } else {
            self.give_media(&turn.request.parts, &link).await?;
        }
        let body = serde_json::to_vec(&turn.request).unwrap_or_default();
        link.ask(Method::Post, "turns", Some(&body), millis(SILENCE)).await
    }

    /// Reads until the stream ends or is silent for too long; whether it said anything.
    async fn read(self: &Rc<Self>, turn: &Turn, answer: &mut Response) -> bool {
        let mut heard = false;
        let Ok(mut pieces) = answer.stream() else { return heard };
        let mut decoder = SseDecoder::default();
        while let Some(Some(Ok(piece))) = clock::timeout(millis(SILENCE), pieces.next()).await {
            let Ok(events) = decoder.push(&piece) else { return heard };
            for event in events {
                heard = true;
                if self.take_media(&event).await.is_err() {
                    return heard;
                }
                if matches!(event.kind, TurnEventKind::Final { .. }) {
                    self.save_first().await;
                }
                turn.change(|progress| progress.push(event));
            }
        }
        heard
    }

    /// Where that is wanted, an answer is told once a backup remembers it. Should the sandbox die
    /// meanwhile, this ends with it, and the turn runs again; while the bucket is down, turns go on.
    async fn save_first(self: &Rc<Self>) {
        if self.with(|life| life.config.saves_each_turn) != Some(true) {
            return;
        }
        self.changed();
        for _ in 0..SAVES {
            let owned = self.clone();
            let saved = self.set_going(async move { owned.back_up().await });
            if matches!(saved.await, Ok(BackupOutcome::Done { .. })) {
                return;
            }
            clock::sleep(SAVE_PAUSE).await;
        }
    }

    /// Stops a turn where it runs; one that waits ends here.
    pub(super) fn abort(self: &Rc<Self>, turn: &Rc<Turn>) {
        if self.with(|life| life.sandbox.runs(turn.id())) == Some(true) {
            let (object, path) = (self.clone(), format!("turns/{}/abort", turn.id()));
            self.spawn(async move {
                for _ in 0..ABORTS {
                    let Ok(link): Result<Link, _> = object.link() else { return };
                    if !matches!(link.post(&path).await, Err(LinkError::Lost(_))) {
                        return;
                    }
                    clock::sleep(ABORT_PAUSE).await;
                }
            });
            return;
        }
        turn.change(zaki_edge_core::turn::Progress::abort);
        self.conclude(turn);
        self.happen(Event::Ended(turn.id()));
    }
}
