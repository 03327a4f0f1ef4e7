//! One turn: claim the message, have the edge run it, store the end with its reply.

use std::{sync::Arc, time::Duration};

use zaki_channel::fit;
use zaki_envelope::{
    Address, ConversationKind, Inbound, Outbound, Part, SandboxKind, SessionKey, Timestamp,
    ZakiUserId,
    wire::{Budget, ErrorCode, Origin, TurnEvent, TurnEventKind, TurnRequest},
};
use zaki_ledger::{
    Begin, DeliveryKind, Finish, NewDelivery, NewTurn, OpenTurn, ReplyPlan, TurnEnd,
};

use crate::{
    clock,
    deliver,
    edge::{EdgeError, Events},
    hub::Hub,
    presence,
    stage::Step,
    words,
};

/// How long a sandbox may wait for its start and start, on top of the turn itself. Generous: a
/// burst of cold starts queues, and the edge ends a start that fails.
const START_PATIENCE: Duration = Duration::from_mins(15);
/// How long the edge may take to hear that a turn is to stop.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);

/// What a lane works off.
pub(crate) enum Job {
    /// A message nobody has worked on.
    New(Box<Inbound>),
    /// A turn an earlier process began.
    Resume(Box<OpenTurn>),
}

impl Job {
    fn session(&self) -> SessionKey {
        match self {
            Self::New(inbound) => SessionKey::of(inbound),
            Self::Resume(open) => open.turn.session.clone(),
        }
    }
}

/// Puts a job on its person's lane.
pub(crate) fn enqueue(hub: &Arc<Hub>, user: ZakiUserId, job: Job) {
    let shared = Arc::clone(hub);
    hub.turns.push((user, job.session()), job, move |job| run(Arc::clone(&shared), user, job));
}

async fn run(hub: Arc<Hub>, user: ZakiUserId, job: Job) {
    if hub.closing.is_cancelled() {
        return;
    }
    let open = match job {
        Job::Resume(open) => Some(*open),
        Job::New(inbound) => begin(&hub, user, *inbound).await,
    };
    let Some(open) = open else { return };
    let typing = presence::show(&hub, &open);
    let Some(end) = relay(&hub, &open).await else {
        return;
    };
    drop(typing);
    finish(&hub, open, end).await;
}

/// Claims the message for a new turn. The binding is read again from the store, so that an unlink
/// holds from the next message on, whatever a cache says.
async fn begin(hub: &Arc<Hub>, user: ZakiUserId, inbound: Inbound) -> Option<OpenTurn> {
    let check = || hub.directory.verify(user, inbound.channel, &inbound.sender);
    if !hub.persist("check a binding", check).await? {
        // Another process has moved the binding; by now the directory has forgotten the old one.
        hub.admit(inbound);
        return None;
    }
    let direct = inbound.conversation.kind == ConversationKind::Direct;
    let turn = NewTurn {
        id: clock::turn_id(),
        user,
        session: SessionKey::of(&inbound),
        sandbox: SandboxKind::Personal,
        inbounds: vec![inbound.id],
        reply: ReplyPlan {
            address: Address::of(&inbound),
            reply_to: if direct { None } else { inbound.message.clone() },
        },
        at: clock::now(),
    };
    let begin = || hub.ledger.begin_turn(hub.fence, turn.clone());
    match hub.persist("begin a turn", begin).await? {
        Begin::Begun => Some(OpenTurn { turn, inbounds: vec![inbound], steered: Vec::new() }),
        // The end of that turn hands the message on.
        Begin::Busy { .. } => None,
    }
}

/// How a turn ended, in the person's terms.
enum End {
    Answered(String),
    Aborted(String),
    Failed(ErrorCode),
}

/// Follows the turn at the edge to its end, through lost connections. `None`: the hub stops, and
/// the next start takes the same turn up again.
async fn relay(hub: &Hub, open: &OpenTurn) -> Option<End> {
    let request = request(hub, open);
    let mut progress = Progress { hub, open, last: 0, begun: false, first: true };
    let patience = hub.settings.turn_timeout + START_PATIENCE;
    let end = tokio::select! {
        end = progress.until_end(&request) => end,
        () = hub.stop.cancelled() => return None,
        () = tokio::time::sleep(patience) => End::Failed(ErrorCode::Timeout),
    };
    if matches!(end, End::Failed(ErrorCode::Timeout)) {
        // Nobody reads it any more; it must not run on beside the person's next message.
        let abort = hub.edge.abort(open.turn.user, open.turn.id);
        if let Ok(Err(error)) = tokio::time::timeout(ABORT_PATIENCE, abort).await {
            tracing::warn!(turn = %open.turn.id, %error, "the turn could not be stopped");
        }
    }
    Some(end)
}

fn request(hub: &Hub, open: &OpenTurn) -> TurnRequest {
    let address = &open.turn.reply.address;
    let timeout_ms = u64::try_from(hub.settings.turn_timeout.as_millis()).unwrap_or(u64::MAX);
    TurnRequest {
        turn: open.turn.id,
        sandbox: open.turn.sandbox.clone(),
        session: open.turn.session.clone(),
        parts: open.inbounds.iter().flat_map(|inbound| inbound.parts.clone()).collect(),
        origin: Origin { channel: address.channel, conversation: address.conversation.kind },
        budget: Budget { timeout_ms },
        trace: open.inbounds.first().and_then(|inbound| inbound.trace.clone()),
    }
}

/// Where the reading of a turn's events has come to.
struct Progress<'a> {
    hub: &'a Hub,
    open: &'a OpenTurn,
    last: u64,
    begun: bool,
    first: bool,
}

impl Progress<'_> {
    /// Follows the turn through lost connections, as long as it takes.
    async fn until_end(&mut self, request: &TurnRequest) -> End {
        let turn = request.turn;
        let mut pause = Duration::from_millis(100);
        loop {
            let end = match self.connect(request).await {
                Ok(events) => self.follow(events).await,
                Err(error) => Err(error),
            };
            match end {
                Ok(Some(end)) => return end,
                Ok(None) => tracing::warn!(%turn, "the turn's events broke off; resuming"),
                Err(EdgeError::Refused(status)) => {
                    tracing::error!(%turn, status, "the edge refuses the turn");
                    return End::Failed(ErrorCode::Internal);
                }
                Err(EdgeError::Gone) => return End::Failed(ErrorCode::Gone),
                // It is begun again, and counts from 1 again.
                Err(EdgeError::Unknown) => (self.begun, self.last) = (false, 0),
                Err(error) => tracing::warn!(%turn, %error, "trying the edge again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Begins the turn, or goes on reading it once it is known to have begun.
    async fn connect(&mut self, request: &TurnRequest) -> Result<Events, EdgeError> {
        let user = self.open.turn.user;
        if self.begun {
            return self.hub.edge.resume(user, request.turn, self.last).await;
        }
        let events = self.hub.edge.turn(user, request).await?;
        self.begun = true;
        Ok(events)
    }

    /// Reads to the turn's end; `None` when the stream ended before the turn did.
    async fn follow(&mut self, mut events: Events) -> Result<Option<End>, EdgeError> {
        while let Some(event) = events.next().await {
            if let Some(end) = self.note(event?) {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    fn note(&mut self, event: TurnEvent) -> Option<End> {
        // Seq 0 is the edge's own word about waking; all others may come again after a resume.
        if event.seq != 0 && event.seq <= self.last {
            return None;
        }
        self.last = self.last.max(event.seq);
        match event.kind {
            TurnEventKind::Waking { .. } => tell(self.hub, self.open, &Step::Waking),
            TurnEventKind::Started { agent } => tell(self.hub, self.open, &Step::Started(agent)),
            TurnEventKind::Delta { .. } if std::mem::take(&mut self.first) => {
                tell(self.hub, self.open, &Step::FirstDelta);
            }
            TurnEventKind::Final { text, aborted: false, .. } => return Some(End::Answered(text)),
            TurnEventKind::Final { text, .. } => return Some(End::Aborted(text)),
            TurnEventKind::Error { code, message } => {
                tracing::warn!(turn = %self.open.turn.id, ?code, message, "the turn failed");
                return Some(End::Failed(code));
            }
            TurnEventKind::Delta { .. }
            | TurnEventKind::Tool { .. }
            | TurnEventKind::Approval { .. }
            | TurnEventKind::Media { .. }
            | TurnEventKind::Steered { .. } => {}
        }
        None
    }
}

fn tell(hub: &Hub, open: &OpenTurn, step: &Step) {
    for inbound in &open.inbounds {
        hub.stages.tell(inbound.id, step.clone());
    }
}

/// Stores the end of the turn and its reply in one commit, then hands the reply to the outbox.
async fn finish(hub: &Arc<Hub>, open: OpenTurn, end: End) {
    if let End::Failed(_) = end {
        tell(hub, &open, &Step::Failed);
    }
    let (ended, text) = match end {
        End::Answered(text) if text.trim().is_empty() => {
            (TurnEnd::Finished, words::NOTHING.to_owned())
        }
        End::Answered(text) => (TurnEnd::Finished, text),
        End::Aborted(text) => (TurnEnd::Aborted, words::interrupted(&text)),
        End::Failed(code) => (TurnEnd::Failed { code }, words::failed(code).to_owned()),
    };
    let deliveries = compose(hub, &open, text);
    let finish = || {
        let ledger = &hub.ledger;
        ledger.finish_turn(hub.fence, open.turn.id, ended, deliveries.clone(), clock::now())
    };
    hub.answers.expect(&open, deliveries.len());
    let Some(finished) = hub.persist("finish a turn", finish).await else {
        return;
    };
    if let Finish::Ended { first, waiting } = finished {
        deliver::spawn(hub, first);
        for inbound in waiting {
            hub.admit(inbound);
        }
    }
}

/// The reply as the channel can carry it.
fn compose(hub: &Hub, open: &OpenTurn, text: String) -> Vec<NewDelivery> {
    let ReplyPlan { address, reply_to } = &open.turn.reply;
    let post = Outbound::Post { parts: vec![Part::text(text)], reply_to: reply_to.clone() };
    let pieces = match hub.accounts.get(address.channel, &address.account) {
        Some(account) => fit(post, &account.channel.capabilities(address.conversation.kind)),
        // The account is gone from the configuration: the outbox says so of the whole reply.
        None => vec![post],
    };
    let part = |(n, outbound)| NewDelivery {
        id: clock::delivery_id(),
        turn: Some(open.turn.id),
        address: address.clone(),
        outbound,
        kind: DeliveryKind::Reply,
        part: n,
        not_before: Timestamp::default(),
    };
    (0..).zip(pieces).map(part).collect()
}
