//! Load that never waits for anything but an answer: as many requests under way as connections.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use zaki_tests::load::{Connection, Times, Usage};

/// Until caches are warm.
const WARM_UP: Duration = Duration::from_secs(1);
/// For what a server does after its last answer.
const REST: Duration = Duration::from_millis(500);

/// A server under load.
#[derive(Clone, Copy)]
pub(crate) struct Target {
    pub(crate) pid: i32,
    pub(crate) address: SocketAddr,
}

/// What one round has shown.
#[derive(Default)]
pub(crate) struct Round {
    pub(crate) times: Times,
    pub(crate) took: Duration,
    pub(crate) cpu: Duration,
}

impl Round {
    /// What `work` costs the process `pid`, with what it still does afterwards.
    pub(crate) async fn measure(
        pid: i32,
        work: impl Future<Output = Result<Times>>,
    ) -> Result<Self> {
        let (before, begun) = (Usage::of(pid)?, Instant::now());
        let times = work.await?;
        let took = begun.elapsed();
        tokio::time::sleep(REST).await;
        Ok(Self { times, took, cpu: Usage::of(pid)?.cpu.saturating_sub(before.cpu) })
    }

    /// Requests per second.
    pub(crate) fn rate(&self) -> f64 {
        count(self.times.len()) / self.took.as_secs_f64()
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.times.extend(other.times);
        self.took += other.took;
        self.cpu += other.cpu;
    }

    /// What one cost the server, in microseconds.
    pub(crate) fn cpu_us_each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / count(self.times.len())
    }

    /// As the report tells it.
    pub(crate) fn report(self) -> Value {
        let mut report = json!({
            "requests": self.times.len(),
            "per_second": self.rate(),
            "cpu_us_each": self.cpu_us_each(),
        });
        if let (Value::Object(report), Value::Object(times)) = (&mut report, self.times.report()) {
            report.extend(times);
        }
        report
    }
}

#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52")]
fn count(n: usize) -> f64 {
    n as f64
}

/// Loads `target` for `time` over `connections`; `request` makes the bytes of the n-th request.
pub(crate) async fn drive(
    target: Target,
    connections: u32,
    time: Duration,
    request: impl Fn(u64) -> Vec<u8> + 'static,
) -> Result<Round> {
    let mut open = Vec::new();
    for _ in 0..connections {
        open.push(Connection::open(target.address).await?);
    }
    let source = Rc::new(Source { next: Cell::new(0), request: Box::new(request) });
    open = flood(open, &source, WARM_UP).await?.0;
    let work = async { Ok(flood(open, &source, time).await?.1) };
    Round::measure(target.pid, work).await
}

/// Where requests come from.
struct Source {
    next: Cell<u64>,
    request: Box<dyn Fn(u64) -> Vec<u8>>,
}

async fn flood(
    connections: Vec<Connection>,
    source: &Rc<Source>,
    time: Duration,
) -> Result<(Vec<Connection>, Times)> {
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for connection in connections {
        tasks.spawn_local(repeat(connection, Rc::clone(source), until));
    }
    let (mut connections, mut times) = (Vec::new(), Times::default());
    while let Some(done) = tasks.join_next().await {
        let (connection, measured) = done??;
        connections.push(connection);
        times.extend(measured);
    }
    Ok((connections, times))
}

async fn repeat(
    mut connection: Connection,
    source: Rc<Source>,
    until: Instant,
) -> Result<(Connection, Times)> {
    let mut times = Times::default();
    while Instant::now() < until {
        let number = source.next.replace(source.next.get() + 1);
        let request = (source.request)(number);
        let begun = Instant::now();
        let status = connection.call(&request).await?;
        times.push(begun.elapsed());
        ensure!(status == 200, "the server answers {status}");
    }
    Ok((connection, times))
}
