//! What happens to a message on its way, for whoever watches: the demo, tests, later the console.

use dashmap::{DashMap, DashSet};
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
    /// The whole answer has left, be it the agent's or the hub's own.
    Delivered,
    /// There will be no answer, or only an apology.
    Failed,
    /// Nothing more is said to it by itself: it was part of something else, or is not answered.
    Closed,
}

/// Announces stages; costs nothing while nobody listens.
pub(crate) struct Stages {
    watchers: broadcast::Sender<Stage>,
    replies: DashMap<TurnId, Reply>,
    /// What the hub itself has something to say about.
    notices: DashSet<InboundId>,
}

/// A reply on its way.
struct Reply {
    inbounds: Vec<InboundId>,
    last: u32,
}

impl Default for Stages {
    fn default() -> Self {
        let watchers = broadcast::Sender::new(1024);
        Self { watchers, replies: DashMap::new(), notices: DashSet::new() }
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

    /// The hub says something about `inbound`, in a delivery of the same id. To be said before it
    /// can leave.
    pub(crate) fn noticing(&self, inbound: InboundId) {
        if self.watchers.receiver_count() > 0 {
            self.notices.insert(inbound);
        }
    }

    /// These get no turn, so that only a notice may still end them.
    pub(crate) fn settled(&self, inbounds: &[InboundId]) {
        for inbound in inbounds.iter().filter(|inbound| !self.notices.contains(*inbound)) {
            self.tell(*inbound, Step::Closed);
        }
    }

    /// What became of one delivery: the last part of a reply delivers it, any may fail it.
    pub(crate) fn sent(&self, delivery: &Delivery, end: &DeliveryEnd) {
        if self.watchers.receiver_count() == 0 {
            return;
        }
        let (steps, over): (&[Step], _) = match end {
            DeliveryEnd::Sent { .. } => (&[Step::Delivered], false),
            DeliveryEnd::Unknown { .. } | DeliveryEnd::Dead { .. } => {
                (&[Step::Failed, Step::Closed], true)
            }
            DeliveryEnd::Retry { .. } | DeliveryEnd::Held { .. } => return,
        };
        for inbound in self.answered(delivery, over) {
            for step in steps {
                self.tell(inbound, step.clone());
            }
        }
    }

    /// Which messages hear their last with this delivery; `over`: no later part follows.
    fn answered(&self, delivery: &Delivery, over: bool) -> Vec<InboundId> {
        let Some(turn) = delivery.turn else {
            let about = delivery.id.to_string().parse().ok();
            return about.and_then(|id| self.notices.remove(&id)).into_iter().collect();
        };
        let ended = |_: &TurnId, reply: &Reply| over || reply.last == delivery.part;
        self.replies.remove_if(&turn, ended).map_or_else(Vec::new, |(_, reply)| reply.inbounds)
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Stage> {
        self.watchers.subscribe()
    }
}
