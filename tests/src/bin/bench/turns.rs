//! `bench turns`: from a webhook's request to the reply's arrival at the platform, with an agent
//! that answers at once and everything durable: message, turn, delivery, receipt.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, LocalSet};
use zaki_tests::SOON;
use zaki_tests::load::{Business, Connection, Place, Sink, Times};

use crate::Load;
use crate::bare::Bare;
use crate::drive::{Round, Target, WARM_UP};
use crate::hub::Hub;
use crate::machine;

pub(crate) async fn run(load: Load) -> Result<Value> {
    LocalSet::new().run_until(measure(load)).await
}

async fn measure(load: Load) -> Result<Value> {
    let platform = Platform::start().await?;
    let hub = Hub::start(&platform.sink.url(), "").await?;
    let bare = Bare::start(Some(&platform.sink.url())).await?;
    let bare = (Target { pid: bare.pid(), address: bare.address }, "/webhook", bare);
    let target = Target { pid: hub.pid(), address: hub.address };
    let mut sums: [Round; 4] = Default::default();
    for _ in 0..load.rounds {
        for (sum, (target, path, lanes)) in sums.iter_mut().zip([
            (bare.0, bare.1, 1),
            (target, Hub::WEBHOOK, 1),
            (bare.0, bare.1, load.connections),
            (target, Hub::WEBHOOK, load.connections),
        ]) {
            sum.extend(platform.converse(target, path, lanes, load.seconds).await?);
        }
    }
    let [bare_one, hub_one, bare_many, hub_many] = sums.map(Round::report);
    Ok(json!({
        "bench": "turns",
        "machine": machine::facts(hub.dir())?,
        "one": {"bare": bare_one, "hub": hub_one},
        "many": {"conversations": load.connections, "bare": bare_many, "hub": hub_many},
        "goal": {"one": {"p50_ms": 1.5, "p99_ms": 6}, "many": {"per_second": 4000}},
    }))
}

/// Who waits for a reply.
type Waiting = Arc<Mutex<HashMap<u32, mpsc::UnboundedSender<Instant>>>>;

/// A platform that tells when a person's reply has arrived.
struct Platform {
    sink: Sink,
    waiting: Waiting,
    messages: Rc<RefCell<u64>>,
}

impl Platform {
    async fn start() -> Result<Self> {
        let waiting = Waiting::default();
        let people = Arc::clone(&waiting);
        let sink = Sink::start(move |body| arrived(&people, body)).await?;
        Ok(Self { sink, waiting, messages: Rc::default() })
    }

    /// As many people as `lanes` write, each as soon as the reply to their last message is there.
    async fn converse(
        &self,
        target: Target,
        path: &'static str,
        lanes: u32,
        seconds: u64,
    ) -> Result<Round> {
        self.talk(target, path, lanes, WARM_UP).await?;
        let time = Duration::from_secs(seconds);
        Round::measure(target.pid, self.talk(target, path, lanes, time)).await
    }

    async fn talk(
        &self,
        target: Target,
        path: &'static str,
        lanes: u32,
        time: Duration,
    ) -> Result<Times> {
        let until = Instant::now() + time;
        let mut tasks = JoinSet::new();
        for who in 0..lanes {
            let (sender, replies) = mpsc::unbounded_channel();
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).insert(who, sender);
            let connection = Connection::open(target.address).await?;
            let messages = Rc::clone(&self.messages);
            let mut person = Person { who, connection, replies, messages };
            tasks.spawn_local(async move {
                let mut times = Times::default();
                while Instant::now() < until {
                    times.push(person.say(target, path).await?);
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

/// A reply has come: notes when, and gives it an id. A read receipt is taken as well.
fn arrived(waiting: &Waiting, body: &[u8]) -> String {
    let at = Instant::now();
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let Some(to) = body["to"].as_str() else {
        return json!({"success": true}).to_string();
    };
    let number = SENT.fetch_add(1, Ordering::Relaxed);
    let waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(person) = Business::person(to).and_then(|who| waiting.get(&who)) {
        let _ = person.send(at);
    }
    format!(
        "{{\"messaging_product\":\"whatsapp\",\"contacts\":[{{\"input\":\"{to}\",\
         \"wa_id\":\"{to}\"}}],\"messages\":[{{\"id\":\"wamid.OUT{number:012}\"}}]}}"
    )
}

/// Somebody in conversation with the bot.
struct Person {
    who: u32,
    connection: Connection,
    replies: mpsc::UnboundedReceiver<Instant>,
    messages: Rc<RefCell<u64>>,
}

impl Person {
    /// Says something; how long the reply takes from when the request leaves.
    async fn say(&mut self, target: Target, path: &str) -> Result<Duration> {
        let message = self.messages.replace_with(|number| *number + 1);
        let text = format!("message {message}: what is on my list for today?");
        let body = Business::BENCH.text(Place::Direct, self.who, message, &text);
        let request = Business::BENCH.request(target.address, path, &body);
        let begun = Instant::now();
        let status = self.connection.call(&request).await?;
        ensure!(status == 200, "the server answers {status}");
        let reply = tokio::time::timeout(SOON, self.replies.recv()).await;
        let at = reply.context("no reply came")?.context("the platform has closed")?;
        Ok(at - begun)
    }
}
