//! What an object answers. Who asks was proven by the Worker in front of it, which alone reaches it.

use std::rc::Rc;

use serde_json::json;
use worker::{Request, Response, Result};
use zaki_edge_core::{
    front::{Call, Caller, Pause, Refusal},
    http::{Answer, Request as Asked, barred, ended},
    limit::Rate,
    meter::Allowance,
    sandbox::{Event, Generation, Phase},
    turn::{bar, is_kept, why},
};
use zaki_envelope::{
    SandboxName, Timestamp, TurnId,
    wire::{ApprovalAnswer, Decision, SandboxReport, SteerRequest, TurnRequest, UsageReport},
};

use super::{
    leave::has_heard,
    link::LinkError,
    object::Object,
    turn::{Ear, Turn},
};
use crate::{
    breakers, clock,
    convert::{self, Read},
    report,
};

/// How long to wait for a sandbox that comes up before the hub is asked to come again.
const STEER_PATIENCE: u64 = 10_000;
const STEER_PAUSE: u64 = 100;
/// A start that has failed is not tried again for so long by those who come anew, in milliseconds.
const UNTRIED: i64 = 10_000;
/// The request paths between the Worker's own parts.
pub(crate) const LOOK: &str = "/-/look";
pub(super) const STANDING: &str = "/-/standing";

/// Why there is no answer.
pub(super) enum Problem {
    Refused(Refusal),
    Failed(worker::Error),
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<worker::Error> for Problem {
    fn from(error: worker::Error) -> Self {
        Self::Failed(error)
    }
}

pub(super) type Answered = std::result::Result<Response, Problem>;

/// A turn as somebody who asks for it finds it.
enum Opened {
    Live(Rc<Turn>),
    Whole(Answer),
    /// In another sandbox of the same person.
    Elsewhere(SandboxName),
}

/// The request as it came, to be handed on.
pub(super) struct Raw {
    read: Read,
    body: Vec<u8>,
}

impl Object {
    pub(super) async fn answer(self: &Rc<Self>, request: Request) -> Result<Response> {
        let read = Read::of(request.inner());
        match read.head().target {
            LOOK => {
                self.back_up_when_due();
                return convert::whole(Answer::accepted());
            }
            STANDING => return Response::from_json(&self.told_standing()?),
            _ => {}
        }
        let generation = request.headers().get("zaki-generation")?;
        let generation = generation.and_then(|it| it.parse().ok()).map(Generation);
        let body = read.body().await?;
        let answered = self.respond(Raw { read, body }, generation).await;
        answered.or_else(|problem| match problem {
            Problem::Refused(refusal) => convert::whole(refusal.into()),
            Problem::Failed(error) => {
                report::failure("object.failed", &error);
                convert::whole(Refusal::Unavailable.into())
            }
        })
    }

    async fn respond(self: &Rc<Self>, raw: Raw, generation: Option<Generation>) -> Answered {
        let head = raw.read.head();
        let (path, query) = head.split();
        let call = Call::of(head.method, path, query)?;
        let caller = match (generation, self.with(|life| life.name.clone())) {
            (Some(_), Some(name)) => Caller::Sandbox(name),
            (None, Some(_)) => Caller::Hub,
            (_, None) => return Err(Refusal::NotFound.into()),
        };
        let asked = Asked::of(call, caller, &raw.body)?;
        self.limit(&asked)?;
        self.act(asked, &raw, generation.unwrap_or_default()).await
    }

    fn limit(&self, asked: &Asked) -> std::result::Result<(), Refusal> {
        let (which, rate) = match asked {
            Asked::Think { .. } | Asked::Models { .. } => (2, Rate::MODEL),
            Asked::Operate { .. } | Asked::Backup { .. } | Asked::Restore { .. } => {
                (1, Rate::OPERATIONS)
            }
            _ => (0, Rate::TURNS),
        };
        let mut limits = self.limits.borrow_mut();
        let Some(bucket) = limits.get_mut(which) else { return Ok(()) };
        let taken = bucket.take(rate, clock::now());
        taken.map_err(|ms| Refusal::TooMany { after: Pause::of_ms(ms) })
    }

    async fn act(self: &Rc<Self>, asked: Asked, raw: &Raw, generation: Generation) -> Answered {
        Ok(match asked {
            Asked::Turn { sandbox, request, .. } => {
                let opened = self.open(request.turn, Some((sandbox, *request)), 0)?;
                return self.events(opened, 0, raw).await;
            }
            Asked::Events { turn, after, .. } => {
                let opened = self.open(turn, None, after)?;
                return self.events(opened, after, raw).await;
            }
            Asked::Abort { turn, .. } => match self.open(turn, None, 0) {
                Ok(Opened::Elsewhere(name)) => return self.forward(&name, raw).await,
                Ok(Opened::Live(turn)) => {
                    self.abort(&turn);
                    convert::whole(Answer::accepted())?
                }
                Ok(Opened::Whole(_)) => convert::whole(Answer::accepted())?,
                Err(problem) => return Err(problem),
            },
            Asked::Steer { turn, said, .. } => return self.steer(turn, &said, raw).await,
            Asked::Wake { .. } => {
                if self.standing()?.refusal().is_some() {
                    return Err(Refusal::Gone.into());
                }
                let ready = self.phase() == Phase::Running;
                self.happen(Event::Wake);
                convert::whole(Answer::woken(ready))?
            }
            Asked::Approve { approval, answer, .. } => {
                return self.approve(&approval, answer, raw).await;
            }
            Asked::Usage { .. } => convert::whole(Answer::json(&self.usage(raw).await?))?,
            Asked::Retire { until, .. } => return self.retire(until, raw).await,
            Asked::Reinstate { .. } => return self.reinstate(raw).await,
            Asked::Erase { .. } => return self.erase(raw).await,
            Asked::Sandbox { .. } => {
                let backups = self.backups().await.ok();
                convert::whole(Answer::json(&SandboxReport { backups, ..self.about() }))?
            }
            Asked::Backup { .. } => self.back_up_now()?,
            Asked::Restore { request, .. } => self.restore(request)?,
            Asked::Archive { id, .. } => match self.archive(id).await? {
                Some(body) => Response::from_body(body)?,
                None => return Err(Refusal::NotFound.into()),
            },
            Asked::Operate { order, .. } => return self.operate(order).await,
            Asked::Think { wire, .. } => self.think(wire, generation, &raw.body).await?,
            Asked::Models { .. } => self.models()?,
            // The Worker in front answers these itself.
            Asked::Health
            | Asked::Metrics
            | Asked::Sandboxes
            | Asked::Model
            | Asked::Keep { .. }
            | Asked::Media { .. } => return Err(Refusal::NotFound.into()),
        })
    }

    /// Finds a turn; one that is new starts running.
    fn open(
        self: &Rc<Self>,
        id: TurnId,
        asked: Option<(SandboxName, TurnRequest)>,
        after: u64,
    ) -> std::result::Result<Opened, Problem> {
        if let Some(turn) = self.live(id) {
            return Ok(Opened::Live(turn));
        }
        let now = clock::now();
        if let Some(kept) = self.store()?.turn(id)? {
            return match kept.ended {
                Some((at, log)) if is_kept(at, now) => {
                    Ok(Opened::Whole(Answer::events(ended(&log, after))))
                }
                _ => Err(Refusal::Gone.into()),
            };
        }
        if let Some(name) = self.store()?.elsewhere(id)? {
            return Ok(Opened::Elsewhere(name));
        }
        let (sandbox, request) = asked.ok_or(Refusal::NotFound)?;
        let config = self.config()?;
        if let Some(code) = bar(self.standing()?, &request, |model| config.offers(model)) {
            return Ok(Opened::Whole(Answer::events(barred(code, why(code), after))));
        }
        self.reachable(now)?;
        if self.with(|life| life.name == sandbox) != Some(true) {
            self.store()?.send_elsewhere(id, &sandbox, now)?;
            return Ok(Opened::Elsewhere(sandbox));
        }
        match self.ails(now) {
            Some(answer) => Ok(Opened::Whole(answer)),
            None => self.begin(request, now),
        }
    }

    /// Why it does not start: a turn that would wait for that in vain does not begin.
    fn ails(&self, now: Timestamp) -> Option<Answer> {
        if !matches!(self.phase(), Phase::Stopping | Phase::Stopped) {
            return None;
        }
        let known = self.with(|life| (life.ailment.clone(), life.name.user()));
        let (ailment, user) = known?;
        let own = ailment.map(|(at, why)| (UNTRIED - now.since(at), why));
        let alone = || {
            let until = breakers::kept_from(breakers::CONTAINERS, user)?;
            Some((until.since(now), breakers::left_alone(breakers::CONTAINERS)))
        };
        let (wait, why) = own.filter(|(wait, _)| *wait > 0).or_else(alone)?;
        let said = json!({"error": format!("the sandbox does not start: {why}")});
        let mut answer = Answer::with(503, &said);
        answer.headers.push(("retry-after", Pause::of_ms(wait).as_str()));
        Some(answer)
    }

    fn begin(
        self: &Rc<Self>,
        request: TurnRequest,
        now: Timestamp,
    ) -> std::result::Result<Opened, Problem> {
        self.store()?.begin_turn(&request)?;
        report::turn_begins(&self.env, &self.label(), &request);
        let is_busy = !self.turns.borrow().is_empty();
        let left = Allowance::of(&request.budget, now);
        self.with(|life| {
            let known = life.left.filter(|_| is_busy);
            life.left = Some(known.map_or(left, |known| known.beside(left)));
        });
        let id = request.turn;
        let turn = Rc::new(Turn::new(request, zaki_envelope::wire::Usage::default()));
        self.turns.borrow_mut().insert(id, turn.clone());
        self.happen(Event::Accept(id));
        self.tick();
        Ok(Opened::Live(turn))
    }

    /// Somebody writes: what has waited for that may go.
    fn reachable(self: &Rc<Self>, now: Timestamp) -> Result<()> {
        let store = self.store()?;
        if store.next_spoken()?.is_some() {
            store.hasten(now)?;
            self.set_due("outbound", Some(now));
        }
        Ok(())
    }

    async fn events(&self, opened: Opened, after: u64, raw: &Raw) -> Answered {
        Ok(match opened {
            Opened::Live(turn) => turn.events(after)?,
            Opened::Whole(answer) => convert::whole(answer)?,
            Opened::Elsewhere(name) => self.forward(&name, raw).await?,
        })
    }

    /// Hands the request on to another sandbox of the same person.
    async fn forward(&self, name: &SandboxName, raw: &Raw) -> Answered {
        let config = self.config()?;
        let call = crate::front::addressed(&raw.read, name, None, &raw.body)?;
        let stub = self.env.durable_object(config.binding(name))?.get_by_name(name.as_str())?;
        Ok(stub.fetch_with_request(call).await?)
    }

    async fn steer(self: &Rc<Self>, turn: TurnId, said: &SteerRequest, raw: &Raw) -> Answered {
        let live = match self.open(turn, None, 0) {
            Ok(Opened::Elsewhere(name)) => return self.forward(&name, raw).await,
            Ok(Opened::Live(live)) => live,
            Ok(Opened::Whole(_)) => {
                let kept = self.store()?.turn(turn)?.and_then(|kept| kept.ended);
                return match kept {
                    Some((_, log)) if log.has(said.steer) => {
                        Ok(convert::whole(Answer::accepted())?)
                    }
                    _ => Err(Refusal::Ended.into()),
                };
            }
            Err(Problem::Refused(Refusal::Gone)) => return Err(Refusal::Ended.into()),
            Err(problem) => return Err(problem),
        };
        let told = clock::timeout(STEER_PATIENCE, self.tell(&live, said)).await;
        told.unwrap_or(Err(Refusal::Unavailable))?;
        Ok(convert::whole(Answer::accepted())?)
    }

    async fn tell(&self, turn: &Turn, said: &SteerRequest) -> std::result::Result<(), Refusal> {
        let body = serde_json::to_vec(said).unwrap_or_default();
        let path = format!("turns/{}/steer", turn.id());
        loop {
            match turn.ear(said.steer).await {
                Ear::Heard => return Ok(()),
                Ear::Closed => return Err(Refusal::Ended),
                Ear::Open => {}
            }
            let link = self.link().map_err(|_| Refusal::Unavailable)?;
            if self.give_media(&said.parts, &link).await.is_err() {
                clock::sleep(STEER_PAUSE).await;
                continue;
            }
            match link.tell(&path, Some(&body)).await {
                Ok(()) => return Ok(()),
                Err(LinkError::Refused(409)) => return Err(Refusal::Ended),
                // Not known there: its relay hands it over again in a moment.
                Err(LinkError::Refused(404) | LinkError::Lost(_)) => {
                    clock::sleep(STEER_PAUSE).await;
                }
                Err(LinkError::Refused(_)) => return Err(Refusal::Unavailable),
            }
        }
    }

    async fn approve(&self, approval: &str, answer: ApprovalAnswer, raw: &Raw) -> Answered {
        let fact = format!("approval {approval}");
        if let Some(given) = self.store()?.fact::<Decision>(&fact)? {
            let is_same = given == answer.decision;
            return if is_same {
                Ok(convert::whole(Answer::done())?)
            } else {
                Err(Refusal::Decided.into())
            };
        }
        let turns: Vec<Rc<Turn>> = self.turns.borrow().values().cloned().collect();
        let asks = |turn: &&Rc<Turn>| turn.look(|progress| progress.has_asked(approval));
        let Some(turn) = turns.iter().find(asks) else {
            for other in self.store()?.others()? {
                let answered = self.forward(&other, raw).await?;
                if answered.status_code() != 404 {
                    return Ok(answered);
                }
            }
            // One that is about to be taken up may have asked.
            let is_whole = turns.iter().all(|turn| turn.is_attached());
            return Err(if is_whole { Refusal::NotFound } else { Refusal::Unavailable }.into());
        };
        let body = serde_json::to_vec(&answer).unwrap_or_default();
        let path = format!("approvals/{approval}");
        match self.link()?.tell(&path, Some(&body)).await {
            Ok(()) => {
                turn.change(|progress| progress.answered(approval));
                self.store()?.set_fact(&fact, &answer.decision)?;
                Ok(convert::whole(Answer::done())?)
            }
            Err(LinkError::Refused(404)) => Err(Refusal::NotFound.into()),
            Err(LinkError::Refused(409)) => Err(Refusal::Decided.into()),
            Err(_) => Err(Refusal::Unavailable.into()),
        }
    }

    async fn usage(&self, raw: &Raw) -> std::result::Result<UsageReport, Problem> {
        let mut sum = self.store()?.used(clock::now())?;
        for other in self.store()?.others()? {
            let mut answer = self.forward(&other, raw).await?;
            if answer.status_code() == 200 {
                let more: UsageReport = answer.json().await?;
                sum.day += more.day;
                sum.month += more.month;
                sum.unasked.day += more.unasked.day;
                sum.unasked.month += more.unasked.month;
            }
        }
        Ok(sum)
    }

    /// Has every other sandbox of the person do the same; whether it is done there, or goes on. One
    /// that cannot now has the whole asked again, once all have been told: nobody is left out.
    pub(super) async fn all_others(&self, raw: &Raw) -> std::result::Result<bool, Problem> {
        let (mut done, mut failed) = (true, None);
        for other in self.store()?.others()? {
            match self.forward(&other, raw).await.map(|answer| answer.status_code()) {
                Ok(202) => done = false,
                Ok(status) if has_heard(status) => {}
                Ok(status) => {
                    report::failure("person.other_not_told", &status);
                    failed = Some(Refusal::Unavailable.into());
                }
                Err(problem) => failed = Some(problem),
            }
        }
        failed.map_or(Ok(done), Err)
    }
}
