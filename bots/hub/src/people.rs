//! What the way of a message asks of people: what they have chosen, and how they stand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use dashmap::DashMap;
use zaki_envelope::{ConversationKind, Inbound, SessionKey, ZakiUserId};
use zaki_identity::Person;
use zaki_lane::turns::Mode;

use crate::hub::Hub;

/// How long a person is remembered where nobody but the command line changes them besides us.
const FRESH: Duration = Duration::from_secs(1);
/// So many are remembered; when there are more, it begins anew. More do not write in that time.
const MOST: usize = 2_000;

/// People as they were a moment ago, without their bindings.
pub(crate) struct People {
    /// None at all where other replicas may change them.
    fresh: Option<Duration>,
    known: DashMap<ZakiUserId, (Instant, Arc<Person>)>,
    /// How often somebody has been forgotten.
    epoch: AtomicU64,
}

impl People {
    pub(crate) fn new(shared: bool) -> Self {
        let fresh = (!shared).then_some(FRESH);
        Self { fresh, known: DashMap::new(), epoch: AtomicU64::new(0) }
    }

    fn get(&self, user: ZakiUserId) -> Option<Arc<Person>> {
        let found = self.known.get(&user)?;
        let (since, person) = found.value();
        (since.elapsed() < self.fresh?).then(|| Arc::clone(person))
    }

    /// Not when somebody was forgotten since it was read: that may be older than the change.
    fn remember(&self, read_in: u64, person: &Arc<Person>) {
        if self.fresh.is_none() || self.epoch.load(Ordering::Acquire) != read_in {
            return;
        }
        if self.known.len() >= MOST {
            self.known.clear();
        }
        self.known.insert(person.user, (Instant::now(), Arc::clone(person)));
    }

    /// They have changed something.
    pub(crate) fn forget(&self, user: ZakiUserId) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.known.remove(&user);
    }
}

impl Hub {
    /// A person without their bindings; one who is not there any more has chosen nothing. `None`:
    /// the hub stops.
    pub(crate) async fn profile(&self, user: ZakiUserId) -> Option<Option<Arc<Person>>> {
        if let Some(person) = self.people.get(user) {
            return Some(Some(person));
        }
        let epoch = self.people.epoch.load(Ordering::Acquire);
        let read = || self.directory.profile(user);
        let person = self.persist("read a person", read).await?.map(Arc::new);
        if let Some(person) = &person {
            self.people.remember(epoch, person);
        }
        Some(person)
    }

    /// Whose sandbox answers this message of a speaker's, read from the store, if that is this person.
    /// `None`: the hub stops.
    pub(crate) async fn host_of(
        &self,
        user: ZakiUserId,
        speaker: ZakiUserId,
        inbound: &Inbound,
    ) -> Option<Option<Arc<Person>>> {
        let epoch = self.people.epoch.load(Ordering::Acquire);
        let read = || self.directory.host(user, Some(speaker), inbound);
        let person = self.persist("check a binding", read).await?.map(Arc::new);
        if let Some(person) = &person {
            self.people.remember(epoch, person);
            self.asked.note(inbound.id, user);
        }
        Some(person)
    }

    /// What a person wants their messages to do mid-turn.
    pub(crate) fn mode_of(&self, person: Option<&Person>) -> Mode {
        let chosen = person.and_then(|person| person.mode.as_ref()?.parse().ok());
        chosen.unwrap_or(self.settings.mid_turn)
    }
}

/// The session a message belongs to: in private, the one its person is in.
pub(crate) fn session_of(person: Option<&Person>, inbound: &Inbound) -> SessionKey {
    match person {
        Some(person) if inbound.conversation.kind == ConversationKind::Direct => {
            SessionKey::direct(person.session)
        }
        _ => SessionKey::of(inbound),
    }
}
