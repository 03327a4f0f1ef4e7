//! What an edge counts of its own work, in Prometheus' text format: requests, turns, starts, and how
//! the gateways in its sandboxes do.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::time::{Instant, sleep, timeout};
use zaki_edge_core::{
    sandbox::Phase,
    tally::{Requests, Times},
};
use zaki_envelope::{SandboxName, wire::GatewayState};

use crate::edge::Running;

/// Whoever asks more often than this is told the same: `/metrics` is to wake and to hurry nobody.
const FRESH: Duration = Duration::from_secs(10);
/// A sandbox that does not say at once how it is is left out.
const PATIENCE: Duration = Duration::from_secs(1);
/// So many are asked at once.
const AT_ONCE: usize = 16;
/// Whoever has not answered by then is left out, however many there are: who scrapes hangs up in the end.
const IN_ALL: Duration = Duration::from_secs(3);

/// Since the edge started.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    requests: Mutex<Requests>,
    turns: Mutex<BTreeMap<&'static str, Times>>,
    starts: Mutex<Times>,
    streams: Arc<AtomicU64>,
    gateways: tokio::sync::Mutex<Option<(Instant, Gateways)>>,
}

/// A stream of events that somebody reads; dropping it ends that.
#[derive(Debug)]
pub(crate) struct Open(Arc<AtomicU64>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn held<T>(counts: &Mutex<T>) -> MutexGuard<'_, T> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ms(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

impl Figures {
    /// A request for `call` was answered.
    pub(crate) fn answered(&self, call: Option<&'static str>, status: u16, took: Duration) {
        held(&self.requests).note(call, status, ms(took));
    }

    /// A turn has ended in its sandbox.
    pub(crate) fn turned(&self, outcome: &'static str, took: Duration) {
        held(&self.turns).entry(outcome).or_default().note(ms(took));
    }

    /// A sandbox takes turns.
    pub(crate) fn came_up(&self, took: Duration) {
        held(&self.starts).note(ms(took));
    }

    /// Somebody begins to read events.
    pub(crate) fn open(&self) -> Open {
        self.streams.fetch_add(1, Ordering::Relaxed);
        Open(self.streams.clone())
    }

    fn render(&self) -> String {
        let mut text = String::new();
        held(&self.requests).render(&mut text);
        text.push_str("# TYPE zaki_turn_seconds histogram\n");
        for (end, times) in &*held(&self.turns) {
            times.render("zaki_turn_seconds", &format!("end=\"{end}\""), &mut text);
        }
        text.push_str("# TYPE zaki_sandbox_start_seconds histogram\n");
        held(&self.starts).render("zaki_sandbox_start_seconds", "", &mut text);
        gauge(&mut text, "zaki_edge_event_streams", self.streams.load(Ordering::Relaxed));
        text
    }
}

/// All gateways that are up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Gateways {
    count: u64,
    connections: u64,
    memory: u64,
    memory_max: u64,
    up_max_ms: u64,
}

impl Gateways {
    fn of(states: impl IntoIterator<Item = GatewayState>) -> Self {
        let mut all = Self::default();
        for GatewayState { up_ms, memory, connections } in states {
            all.count += 1;
            all.connections += u64::from(connections);
            // It comes from a sandbox, which may say anything.
            all.memory = all.memory.saturating_add(memory);
            all.memory_max = all.memory_max.max(memory);
            all.up_max_ms = all.up_max_ms.max(up_ms);
        }
        all
    }

    fn render(self, text: &mut String) {
        for (name, count) in [
            ("zaki_gateways", self.count),
            ("zaki_gateway_websocket_connections", self.connections),
            ("zaki_gateway_memory_bytes", self.memory),
            ("zaki_gateway_memory_bytes_max", self.memory_max),
            ("zaki_gateway_uptime_seconds_max", self.up_max_ms / 1_000),
        ] {
            gauge(text, name, count);
        }
    }
}

fn gauge(text: &mut String, name: &str, count: u64) {
    let _ = writeln!(text, "# TYPE {name} gauge\n{name} {count}");
}

impl Running {
    /// For `/metrics`.
    pub(crate) async fn figures(&self) -> String {
        let mut text = self.shared.figures.render();
        let mut known = self.shared.figures.gateways.lock().await;
        let fresh = known.filter(|(at, _)| at.elapsed() < FRESH);
        let (at, gateways) = match fresh {
            Some(known) => known,
            None => (Instant::now(), self.gateways().await),
        };
        *known = Some((at, gateways));
        gateways.render(&mut text);
        text
    }

    /// How those do that are up; what is frozen cannot be asked, and is not woken for that.
    async fn gateways(&self) -> Gateways {
        let all = self.shared.fleet.mailboxes.iter();
        let up = all.filter(|it| *it.phase.borrow() == Phase::Running);
        let names: Vec<SandboxName> = up.map(|it| it.key().clone()).collect();
        let ask = |name: SandboxName| async move {
            let link = self.shared.backups.link(&name)?;
            let health = timeout(PATIENCE, link.endpoint()?.health()).await;
            health.ok()?.ok()?.gateway()
        };
        let states = stream::iter(names).map(ask).buffer_unordered(AT_ONCE);
        let states: Vec<_> = states.take_until(sleep(IN_ALL)).collect().await;
        Gateways::of(states.into_iter().flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told_and_nobody_is_named() {
        let figures = Figures::default();
        figures.answered(Some("turn"), 200, Duration::from_millis(3));
        figures.answered(None, 404, Duration::ZERO);
        figures.turned("released", Duration::from_secs(2));
        figures.came_up(Duration::from_secs(9));
        let open = [figures.open(), figures.open()];
        let text = figures.render();
        for line in [
            "zaki_edge_request_seconds_count{call=\"turn\",status=\"200\"} 1",
            "zaki_edge_request_seconds_count{call=\"unknown\",status=\"404\"} 1",
            "zaki_turn_seconds_sum{end=\"released\"} 2",
            "zaki_sandbox_start_seconds_bucket{le=\"2.5\"} 0",
            "zaki_sandbox_start_seconds_bucket{le=\"10\"} 1",
            "zaki_edge_event_streams 2",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
        drop(open);
        assert!(figures.render().ends_with("zaki_edge_event_streams 0\n"));
    }

    #[test]
    fn gateways_are_told_of_together() {
        let one = |up_ms, memory| GatewayState { up_ms, memory, connections: 2 };
        let mut text = String::new();
        Gateways::of([one(5_000, 10), one(90_500, 30), one(0, u64::MAX)]).render(&mut text);
        for line in [
            "zaki_gateways 3",
            "zaki_gateway_websocket_connections 6",
            "zaki_gateway_uptime_seconds_max 90",
        ] {
            assert!(text.lines().any(|it| it == line), "{line}\n{text}");
        }
    }
}
