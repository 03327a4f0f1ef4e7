//! Following messages through the hub's stages.

use std::time::{Duration, Instant};

use tokio::sync::broadcast::{Receiver, error::RecvError};
use zaki_envelope::{ChannelKind, InboundId, wire::AgentInfo};

use super::say;
use crate::stage::{Stage, Step};

/// One message on its way: when each stage came, since it was sent.
pub(super) struct Journey {
    channel: ChannelKind,
    sent: Instant,
    waking: Option<Instant>,
    pub accepted: Option<Duration>,
    pub started: Option<Duration>,
    pub first_delta: Option<Duration>,
    pub delivered: Option<Duration>,
    pub agent: Option<AgentInfo>,
    pub failed: bool,
}

impl Journey {
    /// A message sent now.
    pub(super) fn begin(channel: ChannelKind) -> Self {
        Self {
            channel,
            sent: Instant::now(),
            waking: None,
            accepted: None,
            started: None,
            first_delta: None,
            delivered: None,
            agent: None,
            failed: false,
        }
    }

    /// Takes a step; `true`: it was the last one.
    pub(super) fn take(&mut self, step: Step) -> bool {
        let now = Some(self.sent.elapsed());
        match step {
            Step::Accepted { .. } => self.accepted = now,
            Step::Waking => self.wake(),
            Step::Started(agent) => {
                self.woken(&agent);
                (self.started, self.agent) = (now, Some(agent));
            }
            Step::FirstDelta => self.first_delta = now,
            Step::Failed => self.failed = true,
            Step::Delivered => self.delivered = now,
            Step::Closed => return true,
        }
        self.delivered.is_some()
    }

    fn wake(&mut self) {
        if self.waking.is_none() {
            self.waking = Some(Instant::now());
            self.say("waking the sandbox: OpenClaw takes 8 s or more to start");
        }
    }

    fn woken(&mut self, agent: &AgentInfo) {
        if let Some(since) = self.waking.take() {
            let took = since.elapsed().as_secs_f64();
            self.say(&format!("{} {} is up after {took:.1} s", agent.name, agent.version));
        }
    }

    fn say(&self, words: &str) {
        say(&format!("{:<16} {words}", self.channel));
    }
}

/// Follows the next message of a conversation to its end.
pub(super) async fn follow(journey: &mut Journey, mut stages: Receiver<Stage>, conversation: &str) {
    let mut mine: Option<InboundId> = None;
    loop {
        let stage = match stages.recv().await {
            Ok(stage) => stage,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if let Step::Accepted { channel, conversation: place } = &stage.step
            && mine.is_none()
            && (*channel, place.as_str()) == (journey.channel, conversation)
        {
            mine = Some(stage.inbound);
        }
        if mine == Some(stage.inbound) && journey.take(stage.step) {
            return;
        }
    }
}
