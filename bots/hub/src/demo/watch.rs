//! Following one message through the hub's stages.

use std::time::{Duration, Instant};

use tokio::sync::broadcast::{Receiver, error::RecvError};
use zaki_envelope::{ChannelKind, InboundId, wire::AgentInfo};

use super::say;
use crate::stage::{Stage, Step};

/// When each stage came, since the message was sent.
#[derive(Default)]
pub(super) struct Journey {
    pub accepted: Option<Duration>,
    pub started: Option<Duration>,
    pub first_delta: Option<Duration>,
    pub delivered: Option<Duration>,
    pub agent: Option<AgentInfo>,
    pub failed: bool,
}

/// Follows the next message of a conversation to its end.
pub(super) async fn follow(
    mut stages: Receiver<Stage>,
    channel: ChannelKind,
    conversation: &str,
    sent: Instant,
) -> Journey {
    let (mut journey, mut mine): (Journey, Option<InboundId>) = Default::default();
    let mut waking: Option<Instant> = None;
    loop {
        let stage = match stages.recv().await {
            Ok(stage) => stage,
            Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return journey,
        };
        let is_mine =
            |place: &str, kind| mine.is_none() && place == conversation && kind == channel;
        match stage.step {
            Step::Accepted { channel: kind, conversation: place }
                if is_mine(place.as_str(), kind) =>
            {
                mine = Some(stage.inbound);
                journey.accepted = Some(sent.elapsed());
            }
            _ if mine != Some(stage.inbound) => {}
            Step::Waking if waking.is_none() => {
                waking = Some(Instant::now());
                say(&format!(
                    "{channel:<16} waking the sandbox: OpenClaw takes 8 s or more to start"
                ));
            }
            Step::Waking | Step::Accepted { .. } => {}
            Step::Started(agent) => {
                if let Some(since) = waking.take() {
                    let took = since.elapsed().as_secs_f64();
                    say(&format!(
                        "{channel:<16} {} {} is up after {took:.1} s",
                        agent.name, agent.version
                    ));
                }
                journey.started = Some(sent.elapsed());
                journey.agent = Some(agent);
            }
            Step::FirstDelta => journey.first_delta = Some(sent.elapsed()),
            Step::Failed => journey.failed = true,
            Step::Delivered => {
                journey.delivered = Some(sent.elapsed());
                return journey;
            }
        }
    }
}
