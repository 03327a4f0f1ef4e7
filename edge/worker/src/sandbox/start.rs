//! How a container comes up and goes down.

use std::rc::Rc;

use serde_json::{Value, json};
use worker::js_sys::JSON;
use worker::wasm_bindgen::JsCast;
use worker::{Container, Error, Result};
use zaki_edge_core::{
    breaker::Fault,
    sandbox::{Event, Generation},
};
use zaki_envelope::TurnId;

use super::{
    link::{Health, LinkError, PORT},
    object::Object,
    turn::streams,
};
use crate::{
    breakers::{self, Leave},
    clock, report,
};

/// Between two looks at a container that starts, in milliseconds.
const LOOK_AGAIN: u64 = 50;
/// How long a container may take to put its things in order, in milliseconds.
const GRACE: u64 = 10_000;
/// A stop waits no longer for its backup, in milliseconds.
const LAST_BACKUP: u64 = 60_000;
/// Between two tries of it, in milliseconds.
const SAVE_PAUSE: u64 = 1_000;
/// How long a stop may take altogether, in milliseconds.
pub(super) const STOP_PATIENCE: u64 = LAST_BACKUP + GRACE + 10_000;

impl Object {
    /// The start itself; what comes of it is an event.
    pub(super) fn start(self: &Rc<Self>, generation: Generation) {
        let now = clock::now();
        self.with(|life| {
            (life.reason, life.up, life.began) = (None, false, now);
            life.failed.clear();
        });
        self.cancel();
        let object = self.clone();
        self.spawn(async move {
            let event = match object.put_there(generation).await {
                Ok(()) => {
                    report::event(&object.env, "sandbox.started", &object.label(), 1.0);
                    object.watch_exit(generation);
                    Event::Started(generation)
                }
                Err(error) => {
                    report::failure("sandbox.not_started", &error);
                    object.with(|life| life.reason = Some(error.to_string()));
                    Event::StartFailed(generation)
                }
            };
            object.happen(event);
        });
        self.tick();
    }

    async fn put_there(&self, generation: Generation) -> Result<()> {
        let (user, container) = (self.with(|life| life.name.user()), self.container()?);
        if let Some(user) = user {
            let alone = || Error::from(breakers::left_alone(breakers::CONTAINERS));
            let leave = Leave::of(breakers::CONTAINERS, user).ok_or_else(alone)?;
            self.starting.replace(Some(leave));
        }
        if container.running() {
            // Of an earlier generation, whose token this object does not accept any more.
            container.destroy(None).await?;
        }
        let options = JSON::parse(&self.options(generation)?.to_string()).map_err(Error::from)?;
        // Not by the crate's own options: they hand the environment over as a Map, which is lost.
        let raw: &worker::worker_sys::Container = container.as_ref().unchecked_ref();
        raw.start(&options).map_err(Error::from)
    }

    fn options(&self, generation: Generation) -> Result<Value> {
        let options = self.with(|life| {
            let config = &life.config;
            json!({
                // The model's door at this Worker is outside of it.
                "enableInternet": true,
                "env": {
                    "ZAKI_SANDBOX_LISTEN": format!("0.0.0.0:{PORT}"),
                    "ZAKI_SANDBOX_TOKEN": config.seal.token(&life.name, generation),
                    "ZAKI_SANDBOX_MODEL_URL": format!("{}/model/v1", config.edge_url),
                    "ZAKI_SANDBOX_MODEL": config.model,
                    "ZAKI_SANDBOX_MODEL_API": config.model_api,
                    "ZAKI_SANDBOX_CHOICES": config.choices.join(","),
                    "ZAKI_SANDBOX_EXEC": config.exec,
                    // It waits for its memory, or for the word that it has none.
                    "ZAKI_SANDBOX_HOLD": "true",
                },
            })
        });
        let mut options = options.ok_or_else(|| Error::from("the object has not begun"))?;
        if let Some(env) = options.get_mut("env").and_then(Value::as_object_mut) {
            env.retain(|_, value| value.as_str().is_some_and(|text| !text.is_empty()));
        }
        Ok(options)
    }

    pub(super) fn watch_exit(self: &Rc<Self>, generation: Generation) {
        let Ok(container) = self.container() else { return };
        let object = self.clone();
        self.spawn(async move {
            let ended = container.wait_for_exit().await;
            let why = ended.err().map_or_else(|| "it ended".to_owned(), |error| error.to_string());
            report::event(&object.env, "sandbox.exited", &object.label(), 1.0);
            object.with(|life| {
                life.up = false;
                life.reason = Some(format!("the sandbox went away: {why}"));
            });
            object.happen(Event::Exited(generation));
        });
    }

    /// Watches until it takes turns; gives it its memory on the way, once its port is bound and
    /// before its gateway starts.
    pub(super) fn await_ready(self: &Rc<Self>, generation: Generation) {
        let object = self.clone();
        self.spawn(async move {
            let event = match object.ready().await {
                Ok(version) => {
                    if let Some(version) = version {
                        let _ = object.store().and_then(|it| it.set_fact("version", &version));
                        object.with(|life| life.version = Some(version));
                    }
                    Event::Ready(generation)
                }
                Err(why) => {
                    report::failure("sandbox.not_ready", &why);
                    object.with(|life| life.reason = Some(why));
                    Event::StartFailed(generation)
                }
            };
            object.happen(event);
        });
    }

    async fn ready(self: &Rc<Self>) -> std::result::Result<Option<String>, String> {
        let link = self.link().map_err(|error| error.to_string())?;
        let mut known: Option<String> = None;
        loop {
            let health = link.health(known.as_deref()).await;
            if !matches!(health, Err(LinkError::Lost(_))) {
                self.there();
            }
            match health {
                Ok(health) if health.state == "ready" => {
                    return Ok(health.agent.map(|agent| agent.version));
                }
                Ok(health) if health.state == "failed" => {
                    return Err(health.error.unwrap_or(health.state));
                }
                Ok(health) if health.state == "empty" => {
                    self.revive(&link).await?;
                    known = Some(health.state);
                }
                Ok(health) => known = Some(health.state),
                Err(LinkError::Refused(status)) => {
                    return Err(format!("the sandbox answered {status}"));
                }
                // Not answering yet is no failure: the watch and the alarm end the waiting.
                Err(LinkError::Lost(_)) => known = None,
            }
            clock::sleep(LOOK_AGAIN).await;
        }
    }

    /// The program in the container answers: whatever comes of it now, containers start.
    fn there(&self) {
        if let Some(leave) = self.starting.take() {
            leave.answered();
            self.tell_breakers();
        }
    }

    /// It went away, or nothing was heard of it, before the program in it answered.
    pub(super) fn not_there(&self, fault: Fault) {
        if let Some(leave) = self.starting.take() {
            leave.failed(fault, None);
            self.tell_breakers();
        }
    }

    /// How its gateway does, for operators.
    pub(super) fn tell_gateway(self: &Rc<Self>) {
        let object = self.clone();
        self.detach(async move {
            let Ok(link) = object.link() else { return };
            if let Ok(Health { gateway: Some(gateway), .. }) = link.health(None).await {
                report::gateway(&object.env, &object.label(), gateway, streams());
            }
        });
    }

    /// It takes turns.
    pub(super) fn came_up(self: &Rc<Self>, generation: Generation) {
        if self.generation() != generation {
            return;
        }
        let took = self.with(|life| {
            life.ailment = None;
            clock::now().since(life.began)
        });
        let took = took.unwrap_or_default();
        report::event(&self.env, "sandbox.ready", &self.label(), report::number(took));
        self.tell_gateway();
        self.note_use();
        self.listen();
        self.register();
    }

    /// Beside whatever is asked of it meanwhile: what comes now waits for the next start. `cut`: turns
    /// ran in it up to now, and nobody will say of them that they have ended.
    pub(super) fn stop(self: &Rc<Self>, generation: Generation, cut: bool) {
        self.cancel();
        // Of a start that was called off nobody knows what would have come of it.
        drop(self.starting.take());
        let failed = self.with(|life| std::mem::take(&mut life.failed)).unwrap_or_default();
        let is_kept = !self.leaving.get();
        let was_up = self.with(|life| std::mem::take(&mut life.up)) == Some(true) && is_kept;
        if cut && is_kept {
            self.changed();
        }
        let object = self.clone();
        self.detach(async move {
            if was_up && object.has_changed() {
                // Goes on when nobody waits for it, and is retried from the next start on.
                let owned = object.clone();
                let failed = if cut { failed } else { Vec::new() };
                let save = async move { owned.save_last(generation, &failed, cut).await };
                let saved = object.set_going(save);
                let _ = clock::timeout(LAST_BACKUP, saved).await;
            }
            if let Ok(container) = object.container() {
                end(&container, was_up).await;
            }
            report::event(&object.env, "sandbox.stopped", &object.label(), 1.0);
            object.happen(Event::Stopped(generation));
            object.tick();
        });
    }

    /// An agent at work cannot be backed up: what was cut off is stopped before, and it may take a
    /// while to let go of it.
    async fn save_last(self: &Rc<Self>, generation: Generation, failed: &[TurnId], cut: bool) {
        if let Ok(link) = self.link() {
            for turn in failed {
                // One that it does not hear of is ended with it.
                let _ = link.post(&format!("turns/{turn}/abort")).await;
            }
        }
        let until = clock::now().plus_ms(i64::try_from(LAST_BACKUP).unwrap_or(i64::MAX));
        while self.generation() == generation && self.has_changed() {
            match self.try_back_up().await {
                Err(missed) if missed.passes(cut) && clock::now() < until => {
                    clock::sleep(SAVE_PAUSE).await;
                }
                _ => return,
            }
        }
    }
}

async fn end(container: &Container, gently: bool) {
    if !container.running() {
        return;
    }
    if gently && container.signal(15).is_ok() {
        let _ = clock::timeout(GRACE, container.wait_for_exit()).await;
    }
    if let Err(error) = container.destroy(None).await {
        report::failure("sandbox.not_destroyed", &error);
    }
}
