//! The circuit breakers of this isolate, around all that the edge leans on: providers of models,
//! containers, the bucket, the hub. Each isolate learns for itself what answers. What it has learned
//! goes with it, and harms nobody: a breaker that is gone is closed, and five calls that fail teach
//! the next one. So none of it is stored, but for what operators read: how those stand that are not
//! as they should be is told to the `Registry`, whichever machine they are on.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use worker::{Env, Error};
use zaki_edge_core::breaker::{Breaker, Fault, Ticket, Watched, Word, gather};
use zaki_envelope::{Timestamp, ZakiUserId, wire::ModelReport};

use crate::{clock, config::Config, registry, report};

/// The starts of containers, up to where the program in them answers.
pub(crate) const CONTAINERS: &str = "containers";
/// R2.
pub(crate) const BUCKET: &str = "bucket";
/// Whoever hears what agents say without being asked.
pub(crate) const HUB: &str = "hub";
/// Hubs ask every 15 s, many of them perhaps: for so long one answer is good for all who ask the same
/// isolate, in milliseconds.
const FRESH_MS: i64 = 5_000;
/// What is there beside models.
const PARTS: [&str; 3] = [CONTAINERS, BUCKET, HUB];

#[derive(Default)]
struct Isolate {
    /// As the registry knows it.
    name: Option<String>,
    breakers: BTreeMap<String, Breaker>,
    /// How they stood when that was told last.
    told: BTreeMap<String, Word>,
    /// What the registry knew of all of them, and when.
    read: Option<(Timestamp, Rc<ModelReport>)>,
}

thread_local! {
    static ISOLATE: RefCell<Isolate> = RefCell::default();
}

fn of<T>(name: &str, work: impl FnOnce(&mut Breaker) -> T) -> T {
    ISOLATE.with_borrow_mut(|isolate| match isolate.breakers.get_mut(name) {
        Some(breaker) => work(breaker),
        None => work(isolate.breakers.entry(name.to_owned()).or_default()),
    })
}

/// Leave to ask once. Dropped without a word, nobody knows what became of it: another one may try.
pub(crate) struct Leave {
    name: String,
    ticket: Option<Ticket>,
}

impl Leave {
    /// To ask `name` now, for `user`; `None`: it is left alone.
    pub(crate) fn of(name: &str, user: ZakiUserId) -> Option<Self> {
        let ticket = of(name, |it| it.admit(user, clock::now()))?;
        Some(Self { name: name.to_owned(), ticket: Some(ticket) })
    }

    pub(crate) fn answered(mut self) {
        if let Some(mut ticket) = self.ticket.take() {
            of(&self.name, |it| it.answered(&mut ticket, clock::now()));
        }
    }

    /// `later_ms`: it has asked to be left alone for so long.
    pub(crate) fn failed(mut self, fault: Fault, later_ms: Option<i64>) {
        if let Some(ticket) = self.ticket.take() {
            of(&self.name, |it| it.failed(ticket, fault, later_ms, clock::now()));
        }
    }

    /// What somebody asked came to this; what is not its own fault says nothing of it.
    pub(crate) fn settle<T, E: From<String>>(self, done: Result<T, Fell<E>>) -> Result<T, E> {
        match done {
            Ok(done) => {
                self.answered();
                Ok(done)
            }
            Err(Fell::Part(why)) => {
                self.failed(Fault::Broken, None);
                Err(why.into())
            }
            Err(Fell::Else(why)) => Err(why),
        }
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            of(&self.name, |it| it.let_go(ticket));
        }
    }
}

/// Why something came to nothing.
pub(crate) enum Fell<E> {
    /// By the fault of what was asked.
    Part(String),
    /// By anything else.
    Else(E),
}

impl<E: From<String>> Fell<E> {
    /// Whosever fault it is.
    pub(crate) fn why(self) -> E {
        match self {
            Self::Part(why) => why.into(),
            Self::Else(why) => why,
        }
    }
}

impl<E> From<Error> for Fell<E> {
    fn from(error: Error) -> Self {
        Self::Part(error.to_string())
    }
}

/// In words for operators and hubs, when nobody may ask.
pub(crate) fn left_alone(name: &str) -> String {
    format!("the {name} failed before, and is left alone for a while")
}

/// By what fault it fails, if it does so for everybody.
pub(crate) fn fault(name: &str) -> Option<Fault> {
    of(name, |it| it.failing().map(|(fault, _)| fault))
}

/// It has failed for so long that nobody need try it again.
pub(crate) fn is_lost(name: &str) -> bool {
    of(name, |it| it.is_lost(clock::now()))
}

/// Until when `user` may not so much as try.
pub(crate) fn kept_from(name: &str, user: ZakiUserId) -> Option<Timestamp> {
    of(name, |it| it.kept_from(user, clock::now()))
}

/// What is new of them since this was asked last, and what was told before it.
fn news() -> Vec<(Word, Option<Word>)> {
    ISOLATE.with_borrow_mut(|Isolate { breakers, told, .. }| {
        let mut news = Vec::new();
        for (name, breaker) in breakers {
            let word = breaker.word(name);
            if word.is_news(told.get(name)) {
                let before = told.insert(name.clone(), word.clone());
                news.push((word, before));
            }
        }
        news
    })
}

fn isolate() -> String {
    ISOLATE.with_borrow_mut(|isolate| {
        isolate.name.get_or_insert_with(|| format!("{:032x}", report::random())).clone()
    })
}

/// Has operators know what is new. Costs nothing while all is as it was.
pub(crate) async fn tell(env: &Env) {
    for (word, before) in news() {
        let name = word.stands.provider.clone();
        report::breaker(env, &word.stands);
        if let Err(error) = registry::say(env, isolate(), word).await {
            report::failure("breaker.not_told", &error);
            // Told again, also that it is well once more.
            ISOLATE.with_borrow_mut(|Isolate { told, .. }| match before {
                Some(before) => told.insert(name, before),
                None => told.remove(&name),
            });
        }
    }
}

/// How they stand, in whichever isolate; no older than [`FRESH_MS`].
pub(crate) async fn report(
    env: &Env,
    config: &Config,
    now: Timestamp,
) -> worker::Result<Rc<ModelReport>> {
    let read = ISOLATE.with_borrow(|isolate| isolate.read.clone());
    if let Some((_, report)) = read.filter(|(at, _)| now.since(*at) < FRESH_MS) {
        return Ok(report);
    }
    let said = registry::said(env).await?;
    let of = |what, name: &str| gather(what, name, said.iter().cloned());
    let report = Rc::new(ModelReport {
        providers: config.providers.iter().map(|it| of(Watched::Provider, &it.name)).collect(),
        parts: PARTS.into_iter().map(|name| of(Watched::Part, name)).collect(),
    });
    ISOLATE.with_borrow_mut(|isolate| isolate.read = Some((now, report.clone())));
    Ok(report)
}
