//! What happens to a message on its way, for whoever watches: the demo, tests, later the console.

use dashmap::DashMap;
use tokio::sync::broadcast;
use zaki_envelope::{ChannelKind, ConversationId, InboundId, TurnId, wire::AgentInfo};
use zaki_ledger::{Delivery, DeliveryEnd, NewDelivery};

/// One step of one message.
#[derive(Clone, Debug)]
pub(crate) struct Stage {
    pub inbound: InboundId,
    pub step: Step,
}

/// Which step.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// It is stored; the platform may be told.
    Accepted { channel: ChannelKind, conversation: ConversationId },
    /// Its sandbox is being woken.
    Waking,
    /// The agent has it.
    Started(AgentInfo),
    /// The first words are here.
    FirstDelta,
    /// The whole answer has left.
    Delivered,
    /// There will be no answer, or only an apology.
    Failed,
}

/// Announces stages; costs nothing while nobody listens.
pub(crate) struct Stages {
    watchers: broadcast::Sender<Stage>,
    replies: DashMap<TurnId, Reply>,
}

/// A reply on its way.
struct Reply {
    inbounds: Vec<InboundId>,
    last: u32,
}

impl Default for Stages {
    fn default() -> Self {
        Self { watchers: broadcast::Sender::new(1024), replies: DashMap::new() }
    }
}

impl Stages {
    pub(crate) fn tell(&self, inbound: InboundId, step: Step) {
        // An error only says that nobody listens.
        let _ = self.watchers.send(Stage { inbound, step });
    }

    /// These deliveries, all of one turn, are the reply to `inbounds`. To be said before any of
    /// them can leave.
    pub(crate) fn replying(&self, inbounds: &[InboundId], reply: &[NewDelivery]) {
        let Some(NewDelivery { turn: Some(turn), part, .. }) = reply.last() else { return };
        if self.watchers.receiver_count() > 0 {
            self.replies.insert(*turn, Reply { inbounds: inbounds.to_vec(), last: *part });
        }
    }

    /// What became of one delivery: the last part of a reply delivers it, any may fail it.
    pub(crate) fn settled(&self, delivery: &Delivery, end: &DeliveryEnd) {
        let Some(turn) = delivery.turn.filter(|_| self.watchers.receiver_count() > 0) else {
            return;
        };
        let (step, over) = match end {
            DeliveryEnd::Sent { .. } => (Step::Delivered, false),
            DeliveryEnd::Unknown { .. } | DeliveryEnd::Dead { .. } => (Step::Failed, true),
            DeliveryEnd::Retry { .. } | DeliveryEnd::Held { .. } => return,
        };
        let ended = |_: &TurnId, reply: &Reply| over || reply.last == delivery.part;
        let Some((_, reply)) = self.replies.remove_if(&turn, ended) else { return };
        for inbound in reply.inbounds {
            self.tell(inbound, step.clone());
        }
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Stage> {
        self.watchers.subscribe()
    }
}
