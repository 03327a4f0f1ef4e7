//! Turns wait here until there is room for them: for the whole hub, and for their person.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;
use zaki_envelope::ZakiUserId;
use zaki_lane::fair::{Fair, Standing, Ticket};
use zaki_ledger::OpenTurn;
use zaki_words::{self as words, Say};

use crate::{edge::EdgeError, hub::Hub, live::Live, notice, relay::Age};

/// Whoever waits longer is told how many are before them, or that it is their own they wait for.
const PATIENCE: Duration = Duration::from_secs(2);

/// The turns of one hub that run or wait.
pub(crate) struct Queue(Mutex<Turns>);

struct Turns {
    fair: Fair<ZakiUserId>,
    /// Who hears that it is their turn.
    waiting: HashMap<Ticket, oneshot::Sender<()>>,
}

/// A turn's place: it runs, or waits, until this is dropped.
pub(crate) struct Place {
    queue: Arc<Queue>,
    ticket: Ticket,
}

impl Queue {
    /// At most so many run at once; 0: as many as there are.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        let turns = Turns { fair: Fair::new(most), waiting: HashMap::new() };
        Arc::new(Self(Mutex::new(turns)))
    }

    /// A turn of a person who may have so many at once; 0: any number. It may run when the other
    /// half says so.
    fn ask(self: &Arc<Self>, user: ZakiUserId, most: u32) -> (Place, oneshot::Receiver<()>) {
        let (turn, next) = oneshot::channel();
        let mut turns = self.lock();
        let ticket = turns.fair.ask(user, usize::try_from(most).unwrap_or(usize::MAX));
        turns.waiting.insert(ticket, turn);
        turns.admit();
        (Place { queue: Arc::clone(self), ticket }, next)
    }

    /// A turn that runs already.
    fn take_over(self: &Arc<Self>, user: ZakiUserId, most: u32) -> Place {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let ticket = self.lock().fair.take_over(user, most);
        Place { queue: Arc::clone(self), ticket }
    }

    /// The state is whole after every statement, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Turns> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn admit(&mut self) {
        while let Some(ticket) = self.fair.admit() {
            if let Some(turn) = self.waiting.remove(&ticket) {
                // Whoever does not listen any more is about to leave.
                let _ = turn.send(());
            }
        }
    }
}

impl Place {
    /// How things stand with it.
    fn standing(&self) -> Option<Standing> {
        self.queue.lock().fair.standing(self.ticket)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut turns = self.queue.lock();
        turns.waiting.remove(&self.ticket);
        turns.fair.leave(self.ticket);
        turns.admit();
    }
}

/// Whether a turn has begun, as the edge knows. One that an earlier run has left may have waited
/// here; where nobody waits that does not matter, and is not asked.
pub(crate) async fn age(hub: &Hub, open: &OpenTurn, age: Age, most: u32) -> Age {
    if age == Age::New || hub.settings.turns_at_once == 0 && most == 0 {
        return age;
    }
    match hub.edge.resume(open.turn.user, open.turn.id, 0).await {
        Err(EdgeError::Unknown) => Age::New,
        _ => Age::Old,
    }
}

/// Waits until a turn may run, or is to be stopped before. `None`: the hub stops, and the turn is
/// taken up by whoever comes next.
pub(crate) async fn wait(
    hub: &Arc<Hub>,
    open: &OpenTurn,
    live: &Live,
    age: Age,
    most: u32,
) -> Option<Place> {
    let user = open.turn.user;
    if age == Age::Old {
        return Some(hub.queue.take_over(user, most));
    }
    let (place, mut next) = hub.queue.ask(user, most);
    if next.try_recv().is_ok() {
        return Some(place);
    }
    let patience = tokio::time::sleep(PATIENCE);
    tokio::pin!(patience);
    let mut is_told = false;
    loop {
        tokio::select! {
            _ = &mut next => return Some(place),
            () = live.stopping.cancelled() => return Some(place),
            // Nothing new begins.
            () = hub.closing.cancelled() => return None,
            () = &mut patience, if !is_told => {
                is_told = true;
                tell(hub, open, &place);
            }
        }
    }
}

fn tell(hub: &Arc<Hub>, open: &OpenTurn, place: &Place) {
    let (Some(standing), Some(last)) = (place.standing(), open.inbounds.last()) else { return };
    let (hub, user, about) = (Arc::clone(hub), open.turn.user, last.clone());
    hub.tasks.clone().spawn(async move {
        let said = match standing {
            Standing::Runs => return,
            Standing::Queued { ahead } => words::Turn::Queued { ahead },
            Standing::Own if hub.speaker(user, &about).await == Some(user) => words::Turn::Own,
            Standing::Own => words::Turn::Host,
        };
        let text = said.say(hub.voice(user, &about).await);
        notice::remark(&hub, &about, text).await;
    });
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    #[test]
    fn a_place_that_is_given_up_goes_to_the_next() {
        let queue = Queue::new(1);
        let (first, mut runs) = queue.ask(user(1), 0);
        assert!(runs.try_recv().is_ok());
        let (second, mut waits) = queue.ask(user(2), 0);
        let (third, mut waits_too) = queue.ask(user(3), 0);
        assert!(waits.try_recv().is_err() && waits_too.try_recv().is_err());
        let ahead = |ahead| Some(Standing::Queued { ahead });
        assert_eq!((second.standing(), third.standing()), (ahead(0), ahead(1)));
        assert_eq!(first.standing(), Some(Standing::Runs));
        drop(second);
        drop(first);
        assert!(waits_too.try_recv().is_ok(), "whoever has left is skipped");
        drop(third);
        assert!(queue.lock().waiting.is_empty());
        assert_eq!(queue.lock().fair.running(), 0);
    }

    #[test]
    fn what_was_taken_over_runs_whether_there_is_room_or_not() {
        let queue = Queue::new(1);
        let taken = [queue.take_over(user(1), 1), queue.take_over(user(2), 1)];
        let (_place, mut next) = queue.ask(user(3), 1);
        assert!(next.try_recv().is_err());
        drop(taken);
        assert!(next.try_recv().is_ok());
    }

    #[test]
    fn a_persons_own_turns_wait_for_each_other() {
        let queue = Queue::new(0);
        let (first, _) = queue.ask(user(1), 1);
        let (second, mut next) = queue.ask(user(1), 1);
        assert!(next.try_recv().is_err());
        assert_eq!(second.standing(), Some(Standing::Own), "nobody else is before them");
        drop(first);
        assert!(next.try_recv().is_ok());
    }
}
