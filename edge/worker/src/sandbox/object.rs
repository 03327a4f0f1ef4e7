//! One object: what it has in memory, how it comes to be, its alarms and its tasks.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use futures::channel::oneshot;
use futures::future::{AbortHandle, abortable};
use worker::{Container, Env, Error, Response, Result, State};
use zaki_edge_core::{
    backup::Tracker,
    limit::Bucket,
    meter::Allowance,
    person::Standing,
    sandbox::{AlarmId, Event, Generation, Phase, Sandbox},
    turn::{KEPT_MS, KNOWN_MS},
};
use zaki_envelope::{
    SandboxName, Timestamp, TurnId,
    wire::{BackupState, ErrorCode},
};

use super::{
    link::Link,
    store::{Row, Store},
    turn::Turn,
};
use crate::{
    breakers::{self, Leave},
    clock,
    config::Config,
    report,
    signal::Signal,
};

/// Between two looks at an object that has turns under way, in milliseconds: should it be evicted
/// all the same, it comes back and takes them up.
const TICK_MS: i64 = 30_000;
/// How often what is no longer kept is dropped, in milliseconds.
const FORGET_MS: i64 = 3_600_000;

/// One sandbox's.
pub(crate) struct Object {
    pub(super) state: State,
    pub(super) env: Env,
    pub(super) store: Option<Store>,
    /// From its first event on.
    pub(super) life: RefCell<Option<Life>>,
    pub(super) turns: RefCell<BTreeMap<TurnId, Rc<Turn>>>,
    /// What belongs to the current start.
    tasks: RefCell<BTreeMap<u64, AbortHandle>>,
    last_task: Cell<u64>,
    /// When the one alarm rings, if this isolate has set it.
    pub(super) armed: Cell<Option<Timestamp>>,
    /// Somebody works on its memory.
    pub(super) archiving: Cell<bool>,
    /// Its person is being erased, or was: nothing of them is noted any more.
    pub(super) leaving: Cell<bool>,
    pub(super) limits: RefCell<[Bucket; 3]>,
    /// While a container comes up. Lost with the object, and another one may try a minute later.
    pub(super) starting: RefCell<Option<Leave>>,
    /// Its phase has changed.
    pub(super) moved: Signal,
}

/// What is known of its life. Whatever of it must outlast the object is in its store, too.
pub(super) struct Life {
    pub(super) config: Rc<Config>,
    pub(super) name: SandboxName,
    pub(super) sandbox: Sandbox,
    /// The time asked for last, in memory: an object that comes back asks anew.
    pub(super) alarm: Option<(Timestamp, AlarmId)>,
    pub(super) reason: Option<String>,
    /// When and why it did not start; nothing since its last start that did.
    pub(super) ailment: Option<(Timestamp, String)>,
    /// Its agent has taken turns since its start.
    pub(super) up: bool,
    /// The turns that have ended with an error since the last start.
    pub(super) failed: Vec<TurnId>,
    pub(super) tracker: Tracker,
    pub(super) memory: BackupState,
    pub(super) left: Option<Allowance>,
    pub(super) version: Option<String>,
    pub(super) began: Timestamp,
}

impl Object {
    pub(super) fn new(state: State, env: Env) -> Rc<Self> {
        let store = Store::open(state.storage().sql());
        // A constructor cannot fail: whatever is asked of it fails instead.
        let store = store.inspect_err(|error| report::failure("object.no_store", error)).ok();
        Rc::new(Self {
            state,
            env,
            store,
            life: RefCell::default(),
            turns: RefCell::default(),
            tasks: RefCell::default(),
            last_task: Cell::default(),
            armed: Cell::default(),
            archiving: Cell::new(false),
            leaving: Cell::new(false),
            limits: RefCell::default(),
            starting: RefCell::default(),
            moved: Signal::default(),
        })
    }

    pub(super) fn store(&self) -> Result<&Store> {
        self.store.as_ref().ok_or_else(|| Error::from("the object has no store"))
    }

    pub(super) fn container(&self) -> Result<Container> {
        self.state.container().ok_or_else(|| Error::from("the object has no container"))
    }

    /// Looks at its life, which has begun.
    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Life) -> T) -> Option<T> {
        self.life.borrow_mut().as_mut().map(look)
    }

    pub(super) fn config(&self) -> Result<Rc<Config>> {
        Config::of(&self.env).map_err(|error| Error::from(error.to_string()))
    }

    /// The way to the current start.
    pub(super) fn link(&self) -> Result<Link> {
        let token = self.with(|life| life.config.seal.token(&life.name, life.sandbox.generation()));
        let token = token.ok_or_else(|| Error::from("the object has not begun"))?;
        Ok(Link::new(self.container()?, token))
    }

    /// Begins its life in this isolate, where an earlier one has left it. `named`: whose request
    /// this is; an alarm finds the name in the store.
    pub(super) fn awaken(self: &Rc<Self>, named: Option<SandboxName>) -> Result<()> {
        if self.life.borrow().is_some() {
            return Ok(());
        }
        let (store, config) = (self.store()?, self.config()?);
        let known: Option<String> = store.fact("name")?;
        let known = known.and_then(|name| name.parse::<SandboxName>().ok());
        let Some(name) = known.clone().or(named) else { return Ok(()) };
        if known.is_none() {
            store.set_fact("name", &name.as_str())?;
            store.set_due("forget", Some(clock::now().plus_ms(FORGET_MS)))?;
        }
        self.leaving.set(self.standing()?.refusal() == Some(ErrorCode::Erased));
        let row: Row = store.fact("life")?.unwrap_or_default();
        let mut tracker = Tracker::default();
        if let Some(since) = store.fact::<Timestamp>("changed")? {
            tracker.change(since);
        }
        let sandbox = Sandbox::stopped(row.generation, row.reminder, config.habits);
        *self.life.borrow_mut() = Some(Life {
            config,
            name,
            sandbox,
            alarm: None,
            reason: None,
            ailment: None,
            up: false,
            failed: Vec::new(),
            tracker,
            memory: store.fact("memory")?.unwrap_or_default(),
            left: None,
            version: store.fact("version")?,
            began: clock::now(),
        });
        self.take_over(&row)
    }

    /// What an earlier isolate has left: a container, and turns.
    fn take_over(self: &Rc<Self>, row: &Row) -> Result<()> {
        let now = clock::now();
        let is_there = row.placed && self.container().is_ok_and(|container| container.running());
        if is_there {
            let effects = self.with(|life| {
                life.up = row.up;
                if row.up {
                    life.sandbox.resume(Timestamp::from_ms(row.used), now)
                } else {
                    life.sandbox.adopt(now)
                }
            });
            report::event(&self.env, "sandbox.adopted", &self.label(), 1.0);
            self.watch_exit(row.generation);
            if row.up {
                self.listen();
            }
            self.execute_all(effects.unwrap_or_default());
        } else if row.placed {
            self.persist()?;
        }
        for kept in self.store()?.open_turns()? {
            let Some(request) = kept.request else { continue };
            let id = request.turn;
            self.turns.borrow_mut().insert(id, Rc::new(Turn::new(request, kept.used)));
            self.happen(Event::Accept(id));
        }
        self.tick();
        Ok(())
    }

    /// Its name, for the log.
    pub(super) fn label(&self) -> String {
        self.with(|life| life.name.to_string()).unwrap_or_default()
    }

    pub(super) fn phase(&self) -> Phase {
        self.with(|life| life.sandbox.phase()).unwrap_or_default()
    }

    pub(super) fn generation(&self) -> Generation {
        self.with(|life| life.sandbox.generation()).unwrap_or_default()
    }

    /// Whether its person may have turns.
    pub(super) fn standing(&self) -> Result<Standing> {
        let store = self.store()?;
        if store.fact("erasing")? == Some(true) {
            return Ok(Standing::Erasing);
        }
        if let Some(at) = store.fact::<Timestamp>("erased")? {
            return Ok(Standing::Erased { at });
        }
        Ok(match store.fact::<Timestamp>("retired")? {
            Some(until) => Standing::Retired { until },
            None => Standing::Active,
        })
    }

    /// Runs until done, or until the current start ends.
    pub(super) fn spawn(self: &Rc<Self>, work: impl Future<Output = ()> + 'static) {
        let (work, handle) = abortable(work);
        let number = self.last_task.get().wrapping_add(1);
        self.last_task.set(number);
        self.tasks.borrow_mut().insert(number, handle);
        let object = self.clone();
        self.detach(async move {
            let _ = work.await;
            object.tasks.borrow_mut().remove(&number);
        });
    }

    /// Has operators know what is new of the breakers.
    pub(super) fn tell_breakers(&self) {
        let env = self.env.clone();
        self.detach(async move { breakers::tell(&env).await });
    }

    /// Runs until done.
    pub(super) fn detach(&self, work: impl Future<Output = ()> + 'static) {
        self.state.wait_until(work);
    }

    /// Goes on whether anybody waits for what comes of it or not.
    pub(super) fn set_going<T: 'static>(
        &self,
        work: impl Future<Output = T> + 'static,
    ) -> oneshot::Receiver<T> {
        let (done, told) = oneshot::channel();
        self.detach(async move { _ = done.send(work.await) });
        told
    }

    /// Ends what belongs to the current start.
    pub(super) fn cancel(&self) {
        self.tasks.take().values().for_each(AbortHandle::abort);
    }

    /// The one alarm is at the earliest of all times, or before.
    pub(super) fn set_due(self: &Rc<Self>, what: &str, at: Option<Timestamp>) {
        let set = self.store().and_then(|store| {
            store.set_due(what, at)?;
            store.next_due()
        });
        match set {
            Ok(next) => self.arm(next),
            Err(error) => report::failure("alarm.not_set", &error),
        }
    }

    /// An alarm that rings too early finds nothing due, and is set anew then: each time it is set
    /// is a commit that a turn waits for.
    fn arm(self: &Rc<Self>, next: Option<Timestamp>) {
        let (Some(next), now) = (next, clock::now()) else { return };
        if self.armed.get().is_some_and(|armed| armed > now && armed <= next) {
            return;
        }
        self.armed.set(Some(next));
        let object = self.clone();
        self.detach(async move {
            let wait = u64::try_from(next.since(clock::now())).unwrap_or_default();
            let set = object.state.storage().set_alarm(Duration::from_millis(wait)).await;
            if let Err(error) = set {
                object.armed.set(None);
                report::failure("alarm.not_set", &error);
            }
        });
    }

    /// Looks after turns under way from time to time.
    pub(super) fn tick(self: &Rc<Self>) {
        let is_busy = !self.turns.borrow().is_empty() || self.phase() == Phase::Starting;
        self.set_due("tick", is_busy.then(|| clock::now().plus_ms(TICK_MS)));
    }

    /// A time has come.
    pub(super) fn alarmed(self: &Rc<Self>) -> Result<()> {
        self.armed.set(None);
        self.awaken(None)?;
        let now = clock::now();
        let due = self.store()?.due(now)?;
        for what in &due {
            self.store()?.set_due(what, None)?;
        }
        for what in due {
            self.fall_due(&what, now);
        }
        let next = self.store()?.next_due()?;
        self.arm(next);
        Ok(())
    }

    fn fall_due(self: &Rc<Self>, what: &str, now: Timestamp) {
        match what {
            "life" => {
                // Of an earlier isolate's, nothing is known: this one has asked anew.
                if let Some((at, alarm)) = self.with(|life| life.alarm).flatten() {
                    if at <= now {
                        self.happen(Event::Alarm(alarm));
                    } else {
                        self.set_due("life", Some(at));
                    }
                }
            }
            "remind" => self.remind(now),
            "backup" => self.back_up_when_due(),
            "outbound" => self.deliver(),
            "tick" => self.tick(),
            "expire" => self.expire(),
            "forget" => {
                let store = self.store().and_then(|store| {
                    store.forget_turns(now.plus_ms(-KEPT_MS), now.plus_ms(-KNOWN_MS))
                });
                if let Err(error) = store {
                    report::failure("turns.not_forgotten", &error);
                }
                self.set_due("forget", Some(now.plus_ms(FORGET_MS)));
            }
            _ => {}
        }
    }

    pub(super) async fn fetch(self: &Rc<Self>, request: worker::Request) -> Result<Response> {
        let name = request.headers().get("zaki-sandbox")?;
        let name = name.and_then(|name| name.parse::<SandboxName>().ok());
        self.awaken(name)?;
        self.answer(request).await
    }
}
