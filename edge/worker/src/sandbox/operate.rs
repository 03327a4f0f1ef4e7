//! What operators have done with a sandbox, and what takes its time.

use std::rc::Rc;

use futures::stream;
use serde::Serialize;
use serde::de::DeserializeOwned;
use worker::{Headers, Method, Response, Result, js_sys::Uint8Array};
use zaki_edge_core::{
    backup::told,
    front::Refusal,
    http::{Answer, Order},
    sandbox::{BUSY_AGAIN_MS, BUSY_TRIES, Event, Phase, Rest},
};
use zaki_envelope::wire::{
    BackupOutcome, BackupState, ErrorCode, Logs, Outcome, Release, RestoreRequest, SIGN_OF_LIFE,
    SandboxReport, Standing,
};

use super::{
    answer::{Answered, Problem},
    object::Object,
    start::STOP_PATIENCE,
};
use crate::{clock, convert, millis};

/// How long an agent may take to have nothing to do, in milliseconds.
const REST_PATIENCE: u64 = 60_000;
const ASK_AGAIN: u64 = 1_000;
/// What is done in a sandbox takes no longer: a program has ten minutes.
const LONGEST: u64 = 900_000;

impl Object {
    /// Waits until it is there.
    pub(super) async fn until(&self, is_there: impl Fn(Phase) -> bool, patience: u64) -> bool {
        let there = self.moved.wait(|| is_there(self.phase()).then_some(()));
        clock::timeout(patience, there).await.is_some()
    }

    pub(super) fn about(&self) -> SandboxReport {
        let now = clock::now();
        let known = self.with(|life| {
            let tracker = &life.tracker;
            let backup = BackupState {
                changed_since: tracker.changed_since(),
                overdue: tracker.is_overdue(life.config.schedule, now),
                ..life.memory.clone()
            };
            let release = Release { version: life.version.clone(), ..Release::default() };
            (life.name.to_string(), backup, release)
        });
        let (sandbox, backup, release) = known.unwrap_or_default();
        let phase = self.phase();
        let awake = !matches!(phase, Phase::Stopped | Phase::Stopping);
        SandboxReport { sandbox, awake, phase: phase.told(), release, backup, backups: None }
    }

    pub(super) fn back_up_now(self: &Rc<Self>) -> std::result::Result<Response, Problem> {
        if self.standing()?.refusal().is_some() {
            return Err(Refusal::Gone.into());
        }
        let object = self.clone();
        Ok(slowly(self, async move {
            if !object.has_changed() && object.with(|life| life.memory.last.is_some()) == Some(true)
            {
                return BackupOutcome::Nothing;
            }
            match object.bring_up().await {
                Ok(()) => object.back_up().await,
                Err(why) => BackupOutcome::Failed { why },
            }
        })?)
    }

    /// The next start has that memory; it is started anew for it.
    pub(super) fn restore(
        self: &Rc<Self>,
        request: RestoreRequest,
    ) -> std::result::Result<Response, Problem> {
        if self.standing()?.refusal().is_some() {
            return Err(Refusal::Gone.into());
        }
        let object = self.clone();
        Ok(slowly(self, async move {
            let stock = match object.stock().await {
                Ok(stock) => stock,
                Err(why) => return BackupOutcome::Failed { why },
            };
            if !stock.has(request.id) {
                return BackupOutcome::Nothing;
            }
            // Before its stop makes another one.
            let is_up = object.with(|life| life.up).unwrap_or_default();
            let id = match stock.meant(request.id, is_up) {
                Ok(id) => id,
                Err(why) => return BackupOutcome::Failed { why },
            };
            let again = object.bring_up_with(RestoreRequest { id, ..request }).await;
            // Done or not: a later start must not have it over what is newer by then.
            object.wish(None);
            if let Err(why) = again {
                return BackupOutcome::Failed { why };
            }
            let memory = object.with(|life| life.memory.clone()).unwrap_or_default();
            if request.anew && memory.restored.is_none() {
                return BackupOutcome::Anew;
            }
            // With the one that was made before it stopped.
            let kept = object.backups().await.unwrap_or(stock.kept);
            told(kept, id, memory.restored, memory.restore_failure)
        })?)
    }

    /// Down, and up again with that memory or the best of the others. It is wished for once it is down
    /// only: what has something to do does not stop.
    async fn bring_up_with(
        self: &Rc<Self>,
        wish: RestoreRequest,
    ) -> std::result::Result<(), String> {
        self.rest(false).await?;
        // What it was given before is no news of this.
        self.with(|life| {
            let memory = &mut life.memory;
            (memory.restored, memory.restored_at, memory.restore_failure) = (None, None, None);
        });
        self.wish(Some(wish));
        self.bring_up().await
    }

    pub(super) async fn operate(self: &Rc<Self>, order: Order) -> Answered {
        if order.may_wake() && self.standing()?.refusal().is_some() {
            return Err(Refusal::Gone.into());
        }
        let object = self.clone();
        Ok(match order {
            Order::Start => slowly(self, async move {
                Outcome::from(object.bring_up().await.map(|()| object.place()))
            })?,
            Order::Stop { now } => slowly(self, async move {
                Outcome::from(object.rest(now).await.map(|()| object.place()))
            })?,
            Order::Restart { now } => slowly(self, async move {
                let again = async {
                    let rested = object.rest(now).await;
                    // What was ended comes up again, however long it took to go down.
                    if !now {
                        rested?;
                    }
                    object.bring_up().await
                };
                Outcome::from(again.await.map(|()| object.place()))
            })?,
            Order::Freeze => slowly(self, async {
                Outcome::<Standing>::failed("a container cannot be held still")
            })?,
            Order::Upgrade => slowly(self, async {
                Outcome::<Standing>::failed("a new image comes with a deployment")
            })?,
            Order::Exec(request) => slowly(self, async move {
                let body = serde_json::to_vec(&request).unwrap_or_default();
                let done: Outcome<zaki_envelope::wire::ExecOutput> =
                    object.inside(Method::Post, "exec", Some(&body), &[]).await.into();
                object.changed();
                done
            })?,
            Order::Logs { lines } => {
                let logs = match self.phase() {
                    Phase::Running => {
                        self.link()?.get::<Logs>(&format!("logs?lines={lines}")).await
                    }
                    _ => Ok(Logs::default()),
                };
                convert::whole(Answer::json(&logs.unwrap_or_default()))?
            }
            Order::Config => slowly(self, async move {
                let done: Outcome<zaki_envelope::wire::AgentConfig> =
                    object.inside(Method::Get, "config", None, &[]).await.into();
                done
            })?,
            Order::Patch(request) => slowly(self, async move {
                let body = serde_json::to_vec(&request.patch).unwrap_or_default();
                let seen = format!("\"{}\"", request.if_match.replace(['"', '\r', '\n'], ""));
                let headers = [("if-match", seen.as_str())];
                let done: Outcome<zaki_envelope::wire::AgentConfig> =
                    object.inside(Method::Patch, "config", Some(&body), &headers).await.into();
                object.changed();
                done
            })?,
        })
    }

    fn place(&self) -> Standing {
        Standing {
            phase: self.phase().told(),
            version: self.with(|it| it.version.clone()).flatten(),
        }
    }

    /// Up, when this returns.
    async fn bring_up(self: &Rc<Self>) -> std::result::Result<(), String> {
        if self.standing().map_err(|error| error.to_string())?.refusal().is_some() {
            return Err("its person is retired, or being erased".to_owned());
        }
        self.happen(Event::Wake);
        let patience = self.with(|life| life.config.habits.start_timeout_ms).unwrap_or_default();
        let patience = patience.unsigned_abs().saturating_add(5_000);
        let settled = |phase| matches!(phase, Phase::Running | Phase::Stopped);
        if self.until(settled, patience).await && self.phase() == Phase::Running {
            return Ok(());
        }
        let why = self.with(|life| life.reason.clone()).flatten();
        Err(why.unwrap_or_else(|| "it does not come up".to_owned()))
    }

    /// Stopped, when this returns; `now`: its turns end with an error.
    async fn rest(self: &Rc<Self>, now: bool) -> std::result::Result<(), String> {
        let stopped = |phase| phase == Phase::Stopped;
        if now {
            let generation = self.generation();
            self.happen(Event::Halt(ErrorCode::Sandbox));
            // Somebody who writes meanwhile has it start again at once.
            let ended = |phase| stopped(phase) || self.generation() != generation;
            return if self.until(ended, STOP_PATIENCE).await {
                Ok(())
            } else {
                Err("its turns have ended, but it is not down yet: that goes on".to_owned())
            };
        }
        for _ in 0..REST_PATIENCE / ASK_AGAIN {
            self.happen(Event::Rest(Rest::Stopped));
            if self.until(stopped, ASK_AGAIN).await {
                return Ok(());
            }
        }
        Err("it has something to do, and stops when that is done; --now ends it".to_owned())
    }

    /// Makes a call to the program in it, once it is up, and again until it has time for that.
    async fn inside<T: DeserializeOwned>(
        self: &Rc<Self>,
        method: Method,
        path: &str,
        body: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> std::result::Result<T, String> {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        let mut tries = 0;
        let (status, said) = loop {
            self.bring_up().await?;
            let link = self.link().map_err(|error| error.to_string())?;
            let sent = body.map(|bytes| Uint8Array::from(bytes).into());
            let call = clock::timeout(LONGEST, link.raw(method.clone(), path, sent, &all)).await;
            let mut answer = call.ok_or("it took too long")?.map_err(|error| error.to_string())?;
            if answer.status_code() < 300 {
                return answer.json().await.map_err(|error| error.to_string());
            }
            let said: serde_json::Value = answer.json().await.unwrap_or_default();
            tries += 1;
            if answer.status_code() != 409 || tries >= BUSY_TRIES {
                break (answer.status_code(), said);
            }
            clock::sleep(BUSY_AGAIN_MS).await;
        };
        let why = said.get("error").and_then(serde_json::Value::as_str).map(str::to_owned);
        Err(why.unwrap_or_else(|| format!("the sandbox answered {status}")))
    }
}

/// An answer that begins now and may take minutes: line ends keep it alive. The work goes on when
/// nobody reads it.
fn slowly<T: Serialize + 'static>(
    object: &Object,
    work: impl Future<Output = T> + 'static,
) -> Result<Response> {
    let told = object.set_going(work);
    let chunks = stream::unfold(Some(told), |told| async move {
        let mut told = told?;
        match clock::timeout(millis(SIGN_OF_LIFE), &mut told).await {
            Some(Ok(ended)) => {
                let text = serde_json::to_vec(&ended).unwrap_or_default();
                Some((Ok::<_, worker::Error>(text), None))
            }
            // The object is gone, and the answer with it.
            Some(Err(_)) => None,
            None => Some((Ok(b"\n".to_vec()), Some(told))),
        }
    });
    let headers = Headers::new();
    headers.set("content-type", "application/json")?;
    Response::builder().with_headers(headers).from_stream(chunks)
}
