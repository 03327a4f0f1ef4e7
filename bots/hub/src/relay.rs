//! A turn at the edge: begun there, or found again, and followed to its end through lost
//! connections.

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use zaki_envelope::wire::{Budget, ErrorCode, Origin, TurnEvent, TurnEventKind, TurnRequest};
use zaki_envelope::{Inbound, TraceContext};
use zaki_ledger::OpenTurn;

use crate::{
    approvals::Pending,
    commands,
    edge::{EdgeError, Events},
    hub::Hub,
    limits::Left,
    live::Live,
    media::{self, Made},
    stage::Step,
    turn,
    waking::{self, Waking},
};

/// How long a sandbox may wait for its start and start, on top of the turn itself. Generous: a
/// burst of cold starts queues, and the edge ends a start that fails.
const START_PATIENCE: Duration = Duration::from_mins(15);
/// How long the edge may take to hear that a turn is to stop.
const ABORT_PATIENCE: Duration = Duration::from_secs(5);

/// How a turn ended, in the person's terms.
pub(crate) enum End {
    Answered(String),
    /// There was nothing to be stopped.
    Idle,
    Aborted(String),
    Failed(ErrorCode),
}

/// Whether the edge may know a turn already.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Age {
    New,
    /// An earlier run, or another replica, has begun it.
    Old,
}

/// On which terms a turn runs.
pub(crate) struct Terms {
    pub age: Age,
    /// What its person has chosen.
    pub model: Option<String>,
    /// What is left to them.
    pub left: Left,
}

/// Follows a turn to its end. `None`: the hub stops, and whoever comes next takes it up again.
pub(crate) async fn relay(
    hub: &Arc<Hub>,
    open: &OpenTurn,
    live: &Live,
    terms: &Terms,
) -> Option<End> {
    let mut request = request(hub, open, terms);
    let trace = request.trace.as_ref().and_then(TraceContext::id);
    let (turn, messages) = (request.turn, open.inbounds.len());
    tracing::info!(%turn, trace, messages, resumed = terms.age == Age::Old, "turn.handed_over");
    let mut progress = Progress {
        hub,
        open,
        live,
        last: 0,
        known: terms.age == Age::Old,
        begun: false,
        first: true,
        waking: watch::Sender::new(None),
    };
    let patience = hub.settings.turn_timeout + START_PATIENCE;
    let telling = waking::tell(hub, open, progress.waking.subscribe());
    let follow = async {
        // Nothing is fetched for whom nothing is left; what is stopped waits for no file.
        if terms.left.tokens != Some(0) && terms.left.cost_micros != Some(0) {
            tokio::select! {
                () = media::bring_all(hub, open, &mut request) => {}
                () = live.stopping.cancelled() => {}
            }
        }
        progress.until_end(&request).await
    };
    let end = tokio::select! {
        end = follow => end,
        end = async { telling.await; std::future::pending().await } => end,
        () = hub.stop.cancelled() => return None,
        () = tokio::time::sleep(patience) => End::Failed(ErrorCode::Timeout),
    };
    if matches!(end, End::Failed(ErrorCode::Timeout)) && hub.may_act().await {
        // Nobody reads it any more; it must not run on beside the person's next message.
        let abort = hub.edge.abort(open.turn.user, open.turn.id);
        if let Ok(Err(error)) = tokio::time::timeout(ABORT_PATIENCE, abort).await {
            tracing::warn!(turn = %open.turn.id, %error, "the turn could not be stopped");
        }
    }
    Some(end)
}

fn request(hub: &Hub, open: &OpenTurn, terms: &Terms) -> TurnRequest {
    let Left { tokens, cost_micros } = terms.left;
    let address = &open.turn.reply.address;
    let place = open.inbounds.last().map(|last| hub.places.note(open.turn.user, last));
    let timeout_ms = u64::try_from(hub.settings.turn_timeout.as_millis()).unwrap_or(u64::MAX);
    TurnRequest {
        turn: open.turn.id,
        sandbox: open.turn.sandbox.clone(),
        session: open.turn.session.clone(),
        parts: open.inbounds.iter().flat_map(|inbound| inbound.parts.clone()).collect(),
        origin: Origin { place, ..Origin::new(address.channel, address.conversation.kind) },
        model: terms.model.clone(),
        budget: Budget { timeout_ms, tokens, cost_micros },
        trace: open.inbounds.first().map(Inbound::traced),
    }
}

/// Where the reading of a turn's events has come to.
struct Progress<'a> {
    hub: &'a Arc<Hub>,
    open: &'a OpenTurn,
    live: &'a Live,
    /// The number of the last event.
    last: u64,
    /// The edge may have heard of it.
    known: bool,
    /// The edge has begun it.
    begun: bool,
    first: bool,
    /// How far its sandbox is, while it comes up.
    waking: watch::Sender<Option<Waking>>,
}

impl Progress<'_> {
    /// Follows the turn through lost connections, as long as it takes.
    async fn until_end(&mut self, request: &TurnRequest) -> End {
        let turn = request.turn;
        let mut pause = Duration::from_millis(100);
        loop {
            if !self.known && self.live.why().is_some() {
                return End::Aborted(String::new());
            }
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
                Err(EdgeError::Unknown) if request.parts.is_empty() => {
                    return End::Failed(ErrorCode::Internal);
                }
                // It is begun again, and counts from 1 again.
                Err(EdgeError::Unknown) => {
                    (self.begun, self.last) = (false, 0);
                    self.live.begin_again();
                }
                Err(error) => tracing::warn!(%turn, %error, "trying the edge again"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
    }

    /// Begins the turn, or goes on reading it once it is known to have begun. Not without a lease:
    /// another replica may have taken the turn over.
    async fn connect(&mut self, request: &TurnRequest) -> Result<Events, EdgeError> {
        let Hub { edge, lease, .. } = &**self.hub;
        if !lease.is_live() {
            return Err(EdgeError::Lost("the lease has not been renewed".into()));
        }
        let user = self.open.turn.user;
        // What cannot be told again, since none of it can be read, is asked for alone.
        if self.begun || request.parts.is_empty() {
            return edge.resume(user, request.turn, self.last).await;
        }
        self.known = true;
        let events = edge.turn(user, request).await?;
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
            TurnEventKind::Waking { stage, ahead } => {
                self.waking.send_replace(Some(Waking { stage, ahead }));
                self.tell(&Step::Waking);
            }
            TurnEventKind::Started { agent } => {
                self.waking.send_replace(None);
                self.tell(&Step::Started(agent));
            }
            TurnEventKind::Delta { .. } if std::mem::take(&mut self.first) => {
                self.tell(&Step::FirstDelta);
            }
            TurnEventKind::Steered { steer } => self.live.hear(steer),
            TurnEventKind::Final { text, usage, aborted } => {
                self.live.cost(usage);
                return Some(if aborted { End::Aborted(text) } else { End::Answered(text) });
            }
            TurnEventKind::Error { code, message, usage } => {
                self.live.cost(usage);
                tracing::warn!(turn = %self.open.turn.id, ?code, message, "the turn failed");
                return Some(End::Failed(code));
            }
            TurnEventKind::Approval { id, command, decisions, expires_at } => {
                let turn = self.open.turn.id;
                self.ask(Pending::new(turn, id, command, decisions, expires_at));
            }
            TurnEventKind::Media { sha256, mime, name, size } => {
                if let Ok(hash) = sha256.parse() {
                    self.live.made(Made { hash, mime, name, size });
                }
            }
            TurnEventKind::Delta { .. } | TurnEventKind::Tool { .. } => {}
        }
        None
    }

    /// Asks the person, while the turn goes on being read.
    fn ask(&self, asked: Pending) {
        let (hub, open) = (Arc::clone(self.hub), self.open.clone());
        self.hub.tasks.spawn(async move { commands::ask_approval(&hub, &open, asked).await });
    }

    fn tell(&self, step: &Step) {
        turn::tell(self.hub, &self.open.inbounds, step);
    }
}
