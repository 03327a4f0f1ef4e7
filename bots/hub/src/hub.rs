//! The hub: what all its rooms share, and the way of a message from the ledger to its lane.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use futures::FutureExt;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zaki_channel::{Batch, Inbox, InboxError};
use zaki_envelope::{AccountName, ChannelKind, Inbound, InboundKind, SessionKey, ZakiUserId};
use zaki_identity::{Directory, Resolution};
use zaki_lane::turns::{Command, Event, Mode};
use zaki_ledger::{Fence, Ledger, Line, Pulse, Recovery, SettleReason};

use crate::{
    accounts::{Account, Accounts},
    clock, commands,
    counters::Counters,
    doubt::Doubts,
    edge::EdgeClient,
    intake::{self, Intake},
    lane::{Bounds, Lanes},
    lease::{Lease, Uptime},
    outbox::{self, Outbox},
    stage::{Stages, Step},
    troubles::Troubles,
    turn,
    writes::Writes,
};

/// Settings the rooms read.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub turn_timeout: Duration,
    /// What a message does that arrives mid-turn, unless its person has chosen.
    pub mid_turn: Mode,
    /// How much may wait.
    pub bounds: Bounds,
    /// The longest pause of our own between two attempts.
    pub max_wait: Duration,
    /// How long a reply is tried.
    pub patience: Duration,
    /// How long a platform's report of an unknown outcome is waited for.
    pub report: Duration,
    /// Whether the platforms' published limits are kept to.
    pub paced: bool,
}

/// What this process has, whichever lease it holds.
#[derive(Clone)]
pub(crate) struct Parts {
    pub accounts: Arc<Accounts>,
    pub ledger: Arc<dyn Ledger>,
    pub directory: Directory,
    pub edge: EdgeClient,
    pub settings: Settings,
    pub counters: Arc<Counters>,
    pub troubles: Arc<Troubles>,
    pub stages: Arc<Stages>,
    /// Fires when the process is to end.
    pub closing: CancellationToken,
}

/// The hub for as long as its lease lives; see `replica.rs`.
pub(crate) struct Hub {
    pub accounts: Arc<Accounts>,
    pub ledger: Arc<dyn Ledger>,
    pub directory: Directory,
    pub edge: EdgeClient,
    pub settings: Settings,
    pub counters: Arc<Counters>,
    pub troubles: Arc<Troubles>,
    pub stages: Arc<Stages>,
    /// The right to act, by this machine's clock.
    pub lease: Lease,
    /// The right to write, for the ledger to judge.
    pub fence: Fence,
    /// Whether the stores take what is written.
    pub writes: Writes,
    /// What may have been accepted.
    pub doubts: Doubts,
    /// Held while work of nobody is being taken over.
    pub taking_over: Arc<tokio::sync::Mutex<()>>,
    /// Fires when nothing new may begin.
    pub closing: CancellationToken,
    /// Fires when running work must be handed over to whoever comes next.
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    intake: Intake,
    pub lanes: Lanes,
    pub(crate) outbox: Outbox,
}

impl Hub {
    pub(crate) fn new(parts: &Parts, lease: Lease) -> Arc<Self> {
        let Parts { accounts, ledger, directory, edge, settings, .. } = parts.clone();
        let Parts { counters, troubles, stages, closing, .. } = parts.clone();
        let tasks = TaskTracker::new();
        Arc::new(Self {
            accounts,
            ledger,
            directory,
            edge,
            settings,
            counters,
            troubles,
            stages,
            fence: lease.fence(),
            lease,
            writes: Writes::default(),
            doubts: Doubts::default(),
            taking_over: Arc::default(),
            closing: closing.child_token(),
            stop: CancellationToken::new(),
            intake: Intake::new(tasks.clone()),
            lanes: Lanes::default(),
            outbox: Outbox::default(),
            tasks,
        })
    }

    /// Stores what arrived. Returns once it is durable; what follows happens on its own.
    ///
    /// A platform that hangs up must not part the commit from what follows it, so both run in a
    /// task of their own.
    pub(crate) async fn accept(
        self: &Arc<Self>,
        account: &Account,
        batch: Batch,
    ) -> Result<(), AcceptError> {
        let parsed = &batch.parsed;
        if parsed.arrivals.is_empty() && parsed.dead.is_empty() && batch.cursor.is_none() {
            return Ok(());
        }
        if self.intake.is_full() {
            return Err(AcceptError::Full);
        }
        let (hub, mut batch) = (Arc::clone(self), to_ledger(account, batch));
        for item in &mut batch.items {
            item.inbound.id = hub.doubts.id_for(item.inbound.id);
        }
        let ids = batch.items.iter().map(|item| item.inbound.id).collect();
        let store = async move {
            let accepted = hub.ledger.accept(hub.fence, batch).await;
            match &accepted {
                Ok(_) => hub.writes.worked(),
                Err(error) => {
                    hub.writes.failed(error);
                    hub.doubt(ids);
                }
            }
            for inbound in accepted?.fresh {
                let (channel, conversation) = (inbound.channel, inbound.conversation.id.clone());
                hub.stages.tell(inbound.id, Step::Accepted { channel, conversation });
                hub.admit(inbound);
            }
            Ok(())
        };
        self.tasks.spawn(store).await?
    }

    /// Sends an accepted message on its way, after the earlier ones of its sender.
    pub(crate) fn admit(self: &Arc<Self>, inbound: Inbound) {
        self.send_on(inbound, Origin::Fresh);
    }

    fn send_on(self: &Arc<Self>, inbound: Inbound, origin: Origin) {
        let sender = intake::key_of(&inbound);
        self.intake.push(sender, Arc::clone(self).resolve(inbound, origin).boxed());
    }

    /// Finds out whose message it is and puts it on that person's lane.
    async fn resolve(self: Arc<Self>, inbound: Inbound, origin: Origin) {
        if let Some(reason) = no_turn(&inbound) {
            outbox::report(&self, &inbound).await;
            return self.settle(&inbound, reason).await;
        }
        let who = self
            .persist("resolve a sender", || self.directory.resolve(&inbound, clock::now()))
            .await;
        match who {
            Some(Resolution::Known { user, .. }) => self.take(user, inbound, origin).await,
            Some(Resolution::Refused { .. }) => self.settle(&inbound, SettleReason::Refused).await,
            // Stopping: the message stays accepted and is taken up at the next start.
            None => {}
        }
    }

    /// Puts a person's message on its lane, or carries out the command that it is.
    async fn take(self: &Arc<Self>, user: ZakiUserId, inbound: Inbound, origin: Origin) {
        if let Some(Command::Mode(mode)) = Command::of(&inbound) {
            return commands::mode(self, user, &inbound, mode).await;
        }
        let key = Arc::new((user, SessionKey::of(&inbound)));
        // What the person has chosen matters only to what arrives mid-turn.
        if self.lanes.is_active(&key) {
            let mode = self.mode_of(user).await;
            self.happen(&key, Event::Mode(mode));
        }
        match origin {
            Origin::Fresh => self.arrive(&key, inbound),
            Origin::Left => self.happen(&key, Event::Left { message: Box::new(inbound) }),
        }
    }

    pub(crate) async fn settle(&self, inbound: &Inbound, reason: SettleReason) {
        let ids = [inbound.id];
        self.persist("settle a message", || self.ledger.settle(self.fence, &ids, reason)).await;
        self.stages.settled(&ids);
    }

    /// Takes up all that is nobody's, in the order it was accepted, and says so as `saying`.
    ///
    /// Until nothing is found: a message that arrives meanwhile must not overtake an older one.
    pub(crate) async fn recover(self: &Arc<Self>, saying: &str) -> Result<(), zaki_ledger::Error> {
        let mut all = Taken::default();
        while !self.closing.is_cancelled() {
            let found = self.ledger.recover(self.fence).await?;
            if !all.add(&found) {
                break;
            }
            self.take_up(found);
            // Much may take longer than a lease lives.
            self.renew().await?;
        }
        let Taken { messages, turns, pending, unknown } = all;
        if messages + turns + pending + unknown > 0 {
            let deliveries = pending + unknown;
            tracing::info!(messages, turns, deliveries, in_doubt = unknown, "{saying}");
        }
        Ok(())
    }

    fn take_up(self: &Arc<Self>, found: Recovery) {
        for next in found.deliveries {
            outbox::drive(self, next);
        }
        for claimed in found.unknown {
            outbox::resume(self, claimed);
        }
        for open in found.turns {
            turn::resume(self, open);
        }
        for inbound in found.accepted {
            // What comes from now on was received later.
            clock::received(inbound.received_at);
            self.send_on(inbound, Origin::Left);
        }
    }

    /// Renews the lease.
    pub(crate) async fn renew(&self) -> Result<Pulse, zaki_ledger::Error> {
        let asked = Uptime::now();
        let found = self.ledger.pulse(self.fence).await?;
        self.lease.renew(asked, found.replicas);
        Ok(found)
    }

    /// Waits until the lease allows to act; `false`: the term ends first. What is being done goes
    /// on once the lease is renewed: it belongs to us as long as the ledger says so.
    pub(crate) async fn may_act(&self) -> bool {
        while !self.lease.is_live() {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(50)) => {}
                () = self.stop.cancelled() => return false,
            }
        }
        true
    }

    /// Whether a platform's message would be stored and answered now.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        if let Some(trouble) = self.writes.trouble() {
            return Err(trouble);
        }
        if !self.lease.is_live() {
            return Err(
                "the lease has not been renewed: is the ledger's database there?".to_owned()
            );
        }
        self.ledger.counts().await.map(drop).map_err(|error| error.to_string())
    }
}

/// How a message came here.
#[derive(Clone, Copy)]
enum Origin {
    /// It arrived just now.
    Fresh,
    /// A run or a replica that is no more has left it: it was accepted, and is not refused now,
    /// however much waits.
    Left,
}

/// How much was taken up.
#[derive(Default)]
struct Taken {
    messages: usize,
    turns: usize,
    pending: usize,
    unknown: usize,
}

impl Taken {
    /// Whether there was anything.
    fn add(&mut self, found: &Recovery) -> bool {
        let (messages, turns) = (found.accepted.len(), found.turns.len());
        let (pending, unknown) = (found.deliveries.len(), found.unknown.len());
        self.messages += messages;
        self.turns += turns;
        self.pending += pending;
        self.unknown += unknown;
        messages + turns + pending + unknown > 0
    }
}

/// Why a message is not for the agent, if it is not.
fn no_turn(inbound: &Inbound) -> Option<SettleReason> {
    let says = matches!(
        inbound.kind,
        InboundKind::Message | InboundKind::Command { .. } | InboundKind::Button { .. }
    );
    match inbound {
        _ if !says => Some(SettleReason::Event),
        _ if inbound.sender.is_bot => Some(SettleReason::Bot),
        _ if !inbound.addressed => Some(SettleReason::NotAddressed),
        _ if inbound.parts.is_empty() && Command::of(inbound).is_none() => {
            Some(SettleReason::Empty)
        }
        _ => None,
    }
}

/// Why a message has been dealt with as soon as it is stored, if it has. A report on a delivery has
/// not: it may prove that the delivery arrived.
fn at_once(inbound: &Inbound) -> Option<SettleReason> {
    let is_report = matches!(inbound.kind, InboundKind::Status { delivery: Some(_), .. });
    if is_report { None } else { no_turn(inbound) }
}

/// The place among others of a message that is for the agent: a command of ours has none.
fn line(inbound: &Inbound) -> Option<Line> {
    let is_ours = no_turn(inbound).is_some() || Command::of(inbound).is_some();
    (!is_ours).then(|| Line::of(inbound))
}

/// Why a message was not stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AcceptError {
    #[error(transparent)]
    Ledger(#[from] zaki_ledger::Error),
    #[error("too many messages wait for their person to be found")]
    Full,
    #[error("the task that stores messages ended: {0}")]
    Task(#[from] tokio::task::JoinError),
}

fn to_ledger(account: &Account, batch: Batch) -> zaki_ledger::Batch {
    let Batch { raw, received_at, mut parsed, cursor } = batch;
    // By this the lanes know who came first.
    let received_at = clock::received(received_at);
    for arrival in &mut parsed.arrivals {
        arrival.inbound.received_at = received_at;
    }
    let items = parsed.arrivals.into_iter();
    let dead = parsed.dead.into_iter();
    zaki_ledger::Batch {
        channel: account.kind,
        account: account.name.clone(),
        received_at,
        raw,
        items: items
            .map(|arrival| zaki_ledger::NewInbound {
                settled: at_once(&arrival.inbound),
                line: line(&arrival.inbound),
                inbound: arrival.inbound,
                handle: arrival.handle,
            })
            .collect(),
        dead: dead
            .map(|dead| zaki_ledger::DeadLetter { reason: dead.reason, raw: dead.raw })
            .collect(),
        cursor: cursor
            .map(|value| zaki_ledger::CursorUpdate { name: account.label().to_owned(), value }),
    }
}

/// The inbox of one account's socket.
pub(crate) struct AccountInbox {
    pub hub: Arc<Hub>,
    pub kind: ChannelKind,
    pub name: AccountName,
}

#[async_trait]
impl Inbox for AccountInbox {
    async fn accept(&self, batch: Batch) -> Result<(), InboxError> {
        let account = self.account()?;
        self.hub.accept(account, batch).await.map_err(|error| InboxError(error.into()))
    }

    async fn cursor(&self) -> Result<Option<String>, InboxError> {
        let name = self.account()?.label();
        self.hub.ledger.cursor(name).await.map_err(|error| InboxError(error.into()))
    }
}

impl AccountInbox {
    fn account(&self) -> Result<&Account, InboxError> {
        let found = self.hub.accounts.get(self.kind, &self.name);
        found.ok_or_else(|| InboxError("the account is no longer configured".into()))
    }
}
