//! The lanes: one for each person and session, in memory only while something waits or runs there.
//! What happens in them is decided in `zaki_lane::turns`; here it is carried out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use dashmap::{DashMap, Entry};
use zaki_envelope::{Inbound, InboundId, SessionKey, ZakiUserId};
use zaki_lane::turns::{Effect, Event, Lane, Limits, Notice, Reason};
use zaki_ledger::SettleReason;
use zaki_words::{self as words, Say};

use crate::{config::LaneConfig, hub::Hub, live::Live, notice, steer, turn};

/// A person and one of their sessions.
pub(crate) type LaneKey = Arc<(ZakiUserId, SessionKey)>;

/// All lanes with something in them.
pub(crate) struct Lanes {
    active: DashMap<LaneKey, Active>,
    waiting: Waiting,
    began: Instant,
}

impl Default for Lanes {
    fn default() -> Self {
        Self { active: DashMap::new(), waiting: Waiting::default(), began: Instant::now() }
    }
}

struct Active {
    lane: Lane,
    /// The turn of ours that runs in it.
    live: Option<Arc<Live>>,
}

/// How many messages wait, in all lanes and in those of each person for whose assistant any do.
#[derive(Default)]
struct Waiting {
    all: AtomicUsize,
    people: DashMap<ZakiUserId, usize>,
}

impl Waiting {
    /// In one lane of a person there are so many now.
    fn change(&self, user: ZakiUserId, before: usize, after: usize) {
        if before == after {
            return;
        }
        self.all.fetch_add(after, Ordering::Relaxed);
        self.all.fetch_sub(before, Ordering::Relaxed);
        let mut entry = self.people.entry(user).or_default();
        *entry = (*entry + after).saturating_sub(before);
        drop(entry);
        self.people.remove_if(&user, |_, count| *count == 0);
    }

    /// Whether no more may wait there, for one person's sake or for all of them.
    fn is_crowded(&self, user: ZakiUserId, bounds: &Bounds) -> bool {
        let theirs = || self.people.get(&user).is_some_and(|count| *count >= bounds.person);
        self.all.load(Ordering::Relaxed) >= bounds.all || theirs()
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub lane: Limits,
    /// Messages in all lanes of one person.
    pub person: usize,
    /// Messages in all lanes.
    pub all: usize,
}

/// Bytes of text that may become one turn; the edge takes a body of 1 MiB.
const BATCH_BYTES: usize = 256 * 1024;

impl Bounds {
    pub(crate) fn new(config: &LaneConfig) -> Self {
        let batch = config.waiting.max(1);
        let lane = Limits { waiting: config.waiting, batch, batch_bytes: BATCH_BYTES };
        // What may wait in one session may wait for its person.
        let person = config.waiting_person.max(config.waiting);
        Self { lane, person, all: config.waiting_all }
    }
}

impl Lanes {
    /// Whether something waits or runs there.
    pub(crate) fn is_active(&self, key: &LaneKey) -> bool {
        self.active.contains_key(key)
    }

    /// Whether a turn is under way there, and how many messages wait.
    pub(crate) fn standing(&self, key: &LaneKey) -> (bool, usize) {
        self.active.get(key).map_or((false, 0), |active| (true, active.lane.waiting()))
    }

    /// Lets a lane take in what happened, and forgets it when nothing is left in it.
    fn step(
        &self,
        key: &LaneKey,
        event: Event,
        begun: Option<Arc<Live>>,
        new: impl FnOnce() -> Lane,
    ) -> (Vec<Effect>, Option<Arc<Live>>) {
        let mut entry = match self.active.entry(Arc::clone(key)) {
            Entry::Occupied(entry) => entry,
            // The lane that set this alarm is gone.
            Entry::Vacant(_) if matches!(event, Event::Tick) => return (Vec::new(), None),
            Entry::Vacant(entry) => entry.insert_entry(Active { lane: new(), live: None }),
        };
        let active = entry.get_mut();
        if begun.is_some() {
            active.live = begun;
        }
        let before = active.lane.waiting();
        let effects = active.lane.step(event, self.began.elapsed());
        self.waiting.change(key.0, before, active.lane.waiting());
        let live = active.live.clone();
        if let Some(live) = live.as_ref().filter(|_| !active.lane.is_asking()) {
            live.answered();
        }
        if active.lane.is_empty() {
            entry.remove();
        }
        (effects, live)
    }

    /// Waits until a lane has all the answers it asked for.
    pub(crate) async fn answered(&self, key: &LaneKey, live: &Live) {
        let is_asking = || self.active.get(key).is_some_and(|active| active.lane.is_asking());
        live.until_answered(is_asking).await;
    }
}

impl Hub {
    /// A message for a person.
    pub(crate) fn arrive(self: &Arc<Self>, key: &LaneKey, message: Inbound) {
        let crowded = self.lanes.waiting.is_crowded(key.0, &self.settings.bounds);
        self.happen(key, Event::Arrived { message: Box::new(message), crowded });
    }

    /// Something happened in a lane.
    pub(crate) fn happen(self: &Arc<Self>, key: &LaneKey, event: Event) {
        self.step(key, event, None);
    }

    /// A turn of ours runs in a lane from now on.
    pub(crate) fn begun(self: &Arc<Self>, key: &LaneKey, event: Event, live: &Arc<Live>) {
        self.step(key, event, Some(Arc::clone(live)));
    }

    fn step(self: &Arc<Self>, key: &LaneKey, event: Event, begun: Option<Arc<Live>>) {
        let new = || Lane::new(self.settings.bounds.lane, self.settings.mid_turn);
        let (effects, live) = self.lanes.step(key, event, begun, new);
        let mut chores = Vec::new();
        for effect in effects {
            if let Some(chore) = self.carry_out(key, live.as_ref(), effect) {
                chores.push(chore);
            }
        }
        if !chores.is_empty() {
            let hub = Arc::clone(self);
            self.tasks.spawn(async move {
                for chore in chores {
                    chore.run(&hub).await;
                }
            });
        }
    }

    /// Begins what takes its time; what must keep its order comes back.
    fn carry_out(
        self: &Arc<Self>,
        key: &LaneKey,
        live: Option<&Arc<Live>>,
        effect: Effect,
    ) -> Option<Chore> {
        let (hub, key) = (Arc::clone(self), Arc::clone(key));
        match effect {
            Effect::Begin { messages } => {
                self.tasks.spawn(turn::begin(hub, key, messages));
            }
            Effect::Halt { stop, cleared } => {
                self.tasks.spawn(turn::halt(hub, key, stop, cleared));
            }
            Effect::Steer { turn, messages } => {
                let live = live.filter(|live| live.turn == turn).cloned();
                self.tasks.spawn(steer::steer(hub, key, turn, live, messages));
            }
            Effect::Abort { turn, why } => {
                let live = live.filter(|live| live.turn == turn).cloned();
                if let Some(live) = &live {
                    live.stop(why);
                }
                self.tasks.spawn(steer::abort(hub, key.0, turn, live));
            }
            Effect::Alarm(at) => {
                let wait = at.saturating_sub(self.lanes.began.elapsed());
                self.tasks.spawn(async move {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => hub.happen(&key, Event::Tick),
                        () = hub.closing.cancelled() => {}
                    }
                });
            }
            Effect::Settle { messages, reason } => return Some(Chore::Settle(messages, reason)),
            Effect::Tell { about, notice } => return Some(Chore::Tell(key.0, about, notice)),
        }
        None
    }
}

/// What is done in order.
enum Chore {
    Settle(Vec<Inbound>, Reason),
    Tell(ZakiUserId, Box<Inbound>, Notice),
}

impl Chore {
    async fn run(self, hub: &Arc<Hub>) {
        match self {
            Self::Settle(messages, reason) => {
                let reason = match reason {
                    Reason::Limited => SettleReason::Limited,
                    Reason::Stopped | Reason::Command => SettleReason::Command,
                };
                notice::release_all(hub, &messages).await;
                let ids: Vec<InboundId> = messages.iter().map(|message| message.id).collect();
                let settle = || hub.ledger.settle(hub.fence, &ids, reason);
                hub.persist("settle messages", settle).await;
                hub.stages.settled(&ids);
            }
            Self::Tell(user, about, notice) => {
                let said = match notice {
                    Notice::Full => words::Turn::Full,
                    Notice::Stopped { cleared } => words::Turn::Stopped { partial: "", cleared },
                };
                let text = said.say(hub.voice(user, &about).await);
                notice::tell(hub, &about, text).await;
            }
        }
    }
}
