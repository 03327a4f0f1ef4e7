//! What happens to a message on its way, for whoever watches: the demo, tests, later the console.

use tokio::sync::broadcast;
use zaki_envelope::{ChannelKind, ConversationId, InboundId, wire::AgentInfo};

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
#[derive(Clone)]
pub(crate) struct Stages(broadcast::Sender<Stage>);

impl Default for Stages {
    fn default() -> Self {
        Self(broadcast::Sender::new(1024))
    }
}

impl Stages {
    pub(crate) fn tell(&self, inbound: InboundId, step: Step) {
        // An error only says that nobody listens.
        let _ = self.0.send(Stage { inbound, step });
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Stage> {
        self.0.subscribe()
    }
}
