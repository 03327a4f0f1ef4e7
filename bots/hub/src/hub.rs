//! The hub: what all its rooms share, and how what arrives is stored.

use std::{sync::Arc, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};
use zaki_channel::Batch;
use zaki_envelope::Inbound;
use zaki_identity::Directory;
use zaki_lane::turns::Mode;
use zaki_ledger::{Fence, Ledger, Pulse, Recovery, SettleReason};

use crate::{
    accept::{AcceptError, to_ledger},
    accounts::{Account, Accounts},
    approvals::Approvals,
    arrivals::Origin,
    asked::Asked,
    clock, codes, commands,
    counters::Counters,
    doubt::Doubts,
    edge::EdgeClient,
    errands::Errands,
    groups::Groups,
    intake::Intake,
    lane::{Bounds, Lanes},
    lease::{Lease, Uptime},
    limits::Allowance,
    media::Seats,
    notice,
    outbox::{self, Outbox},
    people::People,
    places::Places,
    queue::Queue,
    stage::{Stages, Step},
    strangers::Strangers,
    troubles::Troubles,
    turn,
    unbroken::Unbroken,
    voice::Tongues,
    writes::Writes,
};

/// Settings the rooms read.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub turn_timeout: Duration,
    /// Whoever waits longer for their sandbox is told; zero: nobody is.
    pub progress: Duration,
    /// What a message does that arrives mid-turn, unless its person has chosen.
    pub mid_turn: Mode,
    /// How much may wait.
    pub bounds: Bounds,
    /// How many turns run at the same time; 0: as many as there are.
    pub turns_at_once: usize,
    /// The longest pause of our own between two attempts.
    pub max_wait: Duration,
    /// How long a reply is tried.
    pub patience: Duration,
    /// How long a platform's report of an unknown outcome is waited for.
    pub report: Duration,
    /// Whether the platforms' published limits are kept to.
    pub paced: bool,
}

/// Which models people may choose from.
#[derive(Debug, Default)]
pub(crate) struct Models {
    /// The one that answers whoever has not chosen.
    pub default: String,
    /// Others.
    pub choices: Vec<String>,
}

impl Models {
    /// All of them, the default first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let others = self.choices.iter().filter(|name| **name != self.default);
        std::iter::once(&self.default).chain(others).map(String::as_str)
    }
}

/// What this process has, whichever lease it holds.
#[derive(Clone)]
pub(crate) struct Parts {
    pub accounts: Arc<Accounts>,
    pub ledger: Arc<dyn Ledger>,
    pub directory: Directory,
    pub edge: EdgeClient,
    pub settings: Settings,
    /// How people come to what the hub serves them itself.
    pub public_url: Option<url::Url>,
    pub models: Arc<Models>,
    /// Which groups the bot hears all of.
    pub groups: Arc<Groups>,
    pub allowance: Arc<Allowance>,
    pub strangers: Arc<Strangers>,
    pub counters: Arc<Counters>,
    pub troubles: Arc<Troubles>,
    pub stages: Arc<Stages>,
    pub tongues: Arc<Tongues>,
    pub approvals: Arc<Approvals>,
    pub pace: Arc<commands::Pace>,
    /// Where people were a moment ago.
    pub places: Arc<Places>,
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
    pub public_url: Option<url::Url>,
    pub models: Arc<Models>,
    pub groups: Arc<Groups>,
    pub allowance: Arc<Allowance>,
    pub strangers: Arc<Strangers>,
    pub counters: Arc<Counters>,
    pub troubles: Arc<Troubles>,
    pub stages: Arc<Stages>,
    pub tongues: Arc<Tongues>,
    pub approvals: Arc<Approvals>,
    /// How many commands people give.
    pub pace: Arc<commands::Pace>,
    /// Where they were a moment ago.
    pub places: Arc<Places>,
    /// People as they were a moment ago.
    pub people: People,
    /// Whose messages are was asked a moment ago.
    pub asked: Asked,
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
    /// Held while what a pulse brings along is done.
    pub keeping_up: Arc<tokio::sync::Mutex<()>>,
    /// Fires when nothing new may begin.
    pub closing: CancellationToken,
    /// Fires when running work must be handed over to whoever comes next.
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
    pub intake: Intake,
    pub lanes: Lanes,
    /// Which turns run, and which wait for room.
    pub queue: Arc<Queue>,
    /// What follows elsewhere when people leave.
    pub errands: Errands,
    pub(crate) outbox: Outbox,
    /// Room for files on their way.
    pub media: Seats,
}

impl Hub {
    pub(crate) fn new(parts: &Parts, lease: Lease) -> Arc<Self> {
        let Parts { accounts, ledger, directory, edge, settings, .. } = parts.clone();
        let Parts { public_url, models, groups, allowance, .. } = parts.clone();
        let Parts { strangers, counters, troubles, stages, tongues, approvals, .. } = parts.clone();
        let Parts { pace, places, closing, .. } = parts.clone();
        let tasks = TaskTracker::new();
        let errands = Errands::new(
            directory.clone(),
            Arc::clone(&ledger),
            Arc::clone(&accounts),
            Some(edge.clone()),
        );
        Arc::new(Self {
            errands,
            accounts,
            ledger,
            directory,
            edge,
            settings,
            public_url,
            models,
            groups,
            allowance,
            strangers,
            counters,
            troubles,
            stages,
            tongues,
            approvals,
            pace,
            places,
            people: People::new(parts.ledger.ttl().is_some()),
            asked: Asked::default(),
            fence: lease.fence(),
            lease,
            writes: Writes::default(),
            doubts: Doubts::default(),
            taking_over: Arc::default(),
            keeping_up: Arc::default(),
            closing: closing.child_token(),
            stop: CancellationToken::new(),
            intake: Intake::new(tasks.clone()),
            lanes: Lanes::default(),
            queue: Queue::new(settings.turns_at_once),
            outbox: Outbox::default(),
            media: Seats::default(),
            tasks,
        })
    }

    /// Stores what arrived. Returns once it is durable; what follows happens on its own.
    ///
    /// A platform that hangs up must not part the commit from what follows it.
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
        let mut batch = batch;
        for arrival in &mut batch.parsed.arrivals {
            arrival.inbound.id = self.doubts.id_for(arrival.inbound.id);
        }
        let mut taken = codes::take(self, &mut batch).await;
        let (hub, batch) = (Arc::clone(self), to_ledger(&self.groups, account, batch));
        let ids = batch.items.iter().map(|item| item.inbound.id).collect();
        let store = async move {
            let accepted = hub.ledger.accept(hub.fence, batch).await;
            match &accepted {
                Ok(_) => hub.writes.worked(),
                Err(error) => {
                    hub.writes.failed(error);
                    if error.leaves_doubt() {
                        hub.doubt(ids);
                    }
                }
            }
            for inbound in accepted?.fresh {
                let (channel, conversation) = (inbound.channel, inbound.conversation.id.clone());
                let trace = inbound.traced();
                tracing::debug!(%channel, message = %inbound.id, trace = trace.id(), "message.accepted");
                hub.stages.tell(inbound.id, Step::Accepted { channel, conversation });
                codes::own_up(&hub, &inbound, &mut taken);
                let code = taken.code_of(inbound.id);
                hub.send_on(inbound, Origin::Fresh(code));
            }
            Ok(())
        };
        Unbroken::new(&self.tasks, store).await
    }

    /// Settles a message about which no more is said than has been.
    pub(crate) async fn dismiss(self: &Arc<Self>, inbound: &Inbound, reason: SettleReason) {
        notice::release(self, inbound).await;
        self.settle(inbound, reason).await;
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

/// How much was taken up.
#[derive(Default)]
struct Taken {
    messages: usize,
    turns: usize,
    pending: usize,
    unknown: usize,
}

impl Taken {
    /// Whether there was anything, and so may be more.
    fn add(&mut self, found: &Recovery) -> bool {
        let (messages, turns) = (found.accepted.len(), found.turns.len());
        let (pending, unknown) = (found.deliveries.len(), found.unknown.len());
        self.messages += messages;
        self.turns += turns;
        self.pending += pending;
        self.unknown += unknown;
        messages + turns + pending + unknown + found.illegible > 0
    }
}
