//! A platform that tells a person when the reply to their message has arrived, and the people.

use std::cell::Cell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use zaki_tests::SOON;
use zaki_tests::load::{App, Connection, Sink, Times};

use crate::drive::{Round, Target};

/// In which channels a reply is waited for.
type Waiting = Arc<Mutex<HashMap<u32, oneshot::Sender<Instant>>>>;

/// Slack's side of the conversations.
pub(crate) struct Platform {
    sink: Sink,
    waiting: Waiting,
    messages: Rc<Cell<u64>>,
    /// The next new channel.
    channels: Rc<Cell<u32>>,
}

/// Those the hub is introduced to.
const PEOPLE: u32 = 10_000;

/// A prime: steps of it reach everybody.
const STRIDE: u64 = 7_919;

/// Somebody in a private channel.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    who: u32,
    channel: u32,
}

impl Person {
    /// Each has one channel, of the same number.
    pub(crate) const fn new(who: u32) -> Self {
        Self { who, channel: who }
    }
}

/// Who writes next.
pub(crate) type People = Rc<dyn Fn() -> Option<Person>>;

impl Platform {
    pub(crate) async fn start() -> Result<Self> {
        let waiting = Waiting::default();
        let people = Arc::clone(&waiting);
        let sink = Sink::start(move |body| arrived(&people, body)).await?;
        Ok(Self { sink, waiting, messages: Rc::default(), channels: Rc::new(Cell::new(PEOPLE)) })
    }

    /// Where the hub sends to.
    pub(crate) fn url(&self) -> String {
        self.sink.url()
    }

    /// `lanes` conversations at the same time, measured for a while, by people the hub has met.
    pub(crate) async fn converse(
        &self,
        target: Target,
        path: &'static str,
        lanes: u32,
        time: Duration,
    ) -> Result<Round> {
        self.chat(target, path, lanes, time, PEOPLE).await
    }

    /// The same by the first of so many people. A platform lets a bot write to each channel only
    /// so often, so whoever comes again does so in another one.
    pub(crate) async fn chat(
        &self,
        target: Target,
        path: &'static str,
        lanes: u32,
        time: Duration,
        people: u32,
    ) -> Result<Round> {
        let next = Rc::clone(&self.channels);
        let until = Instant::now() + time;
        let person = move || {
            let channel = next.replace(next.get().wrapping_add(1));
            // From all over the stores, each person once before anybody comes again.
            let who = u64::from(channel % people) * STRIDE % u64::from(people);
            let person = Person { who: u32::try_from(who).unwrap_or_default(), channel };
            (Instant::now() < until).then_some(person)
        };
        let person: People = Rc::new(person);
        let lanes = vec![person; usize::try_from(lanes)?];
        Round::measure(target.pid, self.talk(target, path, &lanes)).await
    }

    /// One person writes and is answered.
    pub(crate) async fn meet(&self, target: Target, path: &'static str, who: u32) -> Result<()> {
        let once = Cell::new(Some(Person::new(who)));
        let person: People = Rc::new(move || once.take());
        self.talk(target, path, &[person]).await.map(drop)
    }

    /// Everybody writes once, so that all are known and nothing is done for the first time.
    pub(crate) async fn introduce(&self, target: Target, path: &'static str) -> Result<()> {
        let next = Cell::new(0);
        let person: People = Rc::new(move || {
            let who = next.replace(next.get() + 1);
            (who < PEOPLE).then_some(Person::new(who))
        });
        self.talk(target, path, &vec![person; 64]).await.map(drop)
    }

    /// One conversation per item of `lanes`, each over a connection of its own.
    pub(crate) async fn talk(
        &self,
        target: Target,
        path: &'static str,
        lanes: &[People],
    ) -> Result<Times> {
        let mut tasks = JoinSet::new();
        for people in lanes {
            let mut line = Line {
                target,
                path,
                connection: Connection::open(target.address).await?,
                waiting: Arc::clone(&self.waiting),
                messages: Rc::clone(&self.messages),
            };
            let people = Rc::clone(people);
            tasks.spawn_local(async move {
                let mut times = Times::default();
                while let Some(who) = people() {
                    times.push(line.say(who).await?);
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Times::default();
        while let Some(done) = tasks.join_next().await {
            times.extend(done??);
        }
        Ok(times)
    }
}

/// Replies so far, for their ids.
static SENT: AtomicU64 = AtomicU64::new(0);

/// A call of the bot: takes it, and tells whoever waits for a reply.
fn arrived(waiting: &Waiting, body: &[u8]) -> String {
    let at = Instant::now();
    let (to, answer) = App::answer(body, SENT.fetch_add(1, Ordering::Relaxed));
    if let Some(person) = to.and_then(|channel| lock(waiting).remove(&channel)) {
        let _ = person.send(at);
    }
    answer
}

/// A connection over which people write, one after another.
struct Line {
    target: Target,
    path: &'static str,
    connection: Connection,
    waiting: Waiting,
    messages: Rc<Cell<u64>>,
}

impl Line {
    /// Says something; how long the reply takes from when the request leaves.
    async fn say(&mut self, Person { who, channel }: Person) -> Result<Duration> {
        let message = self.messages.replace(self.messages.get() + 1);
        let text = format!("message {message}: what is on my list for today?");
        let body = App::BENCH.text(who, channel, message, &text);
        let request = App::BENCH.request(self.target.address, self.path, &body);
        let (sender, reply) = oneshot::channel();
        lock(&self.waiting).insert(channel, sender);
        let begun = Instant::now();
        let status = self.connection.call(&request).await?;
        ensure!(status == 200, "the server answers {status}");
        let reply = tokio::time::timeout(SOON, reply).await;
        let at = reply.context("no reply came")?.context("somebody else writes as this person")?;
        Ok(at.saturating_duration_since(begun))
    }
}

/// A map is whole after every statement.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
