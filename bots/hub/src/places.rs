//! Where people were a moment ago: noted as their turns begin, written down in batches, so that what
//! their agents say by themselves goes where it was asked for.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use zaki_envelope::{Address, Inbound, PlaceId, Timestamp, ZakiUserId};
use zaki_identity::{Directory, DirectoryError, Visit};

/// Whoever stays where they are is noted so often, in milliseconds.
const OFTEN_MS: i64 = 10 * 60_000;
/// So many people are remembered; when there are more, it begins anew.
const MOST: usize = 10_000;
/// Written down together. What other writes wait for is to be short.
const BATCH: usize = 512;

/// What is not written down yet, and where people were last. Worth little after a crash: turns that
/// go on are noted again.
#[derive(Default)]
pub(crate) struct Places(Mutex<Notes>);

#[derive(Default)]
struct Notes {
    last: HashMap<ZakiUserId, (PlaceId, Timestamp)>,
    waiting: VecDeque<Visit>,
}

impl Places {
    /// A turn about this message begins; returns its place.
    pub(crate) fn note(&self, user: ZakiUserId, inbound: &Inbound) -> PlaceId {
        let id = PlaceId::derive(user, &Address::of(inbound));
        let mut notes = self.lock();
        if notes.is_news(user, id, inbound.received_at) {
            notes.waiting.push_back(Visit::of(user, id, inbound));
        }
        id
    }

    /// Writes down what was noted.
    pub(crate) async fn keep(&self, directory: &Directory) -> Result<(), DirectoryError> {
        self.lock().sort();
        loop {
            let batch = self.lock().some();
            if batch.is_empty() {
                return Ok(());
            }
            let kept = directory.visited(Arc::clone(&batch)).await;
            if kept.is_err() {
                self.lock().later(&batch);
                return kept;
            }
        }
    }

    /// The state is whole after every statement, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Notes {
    fn is_news(&mut self, user: ZakiUserId, id: PlaceId, at: Timestamp) -> bool {
        let is_here =
            |(place, since): &(PlaceId, Timestamp)| *place == id && at.since(*since) < OFTEN_MS;
        if self.last.get(&user).is_some_and(is_here) {
            return false;
        }
        if self.last.len() >= MOST {
            self.last.clear();
        }
        self.last.insert(user, (id, at));
        true
    }

    /// In the order of the table, so that those written together share its pages; what was noted of
    /// one place stays in the order it was noted in.
    fn sort(&mut self) {
        self.waiting.make_contiguous().sort_by_key(|visit| (visit.user, visit.id));
    }

    /// The first of those that wait.
    fn some(&mut self) -> Arc<[Visit]> {
        let some = self.waiting.len().min(BATCH);
        let batch = self.waiting.drain(..some).collect();
        if self.waiting.is_empty() {
            self.waiting = VecDeque::new();
        }
        batch
    }

    fn later(&mut self, batch: &[Visit]) {
        for visit in batch.iter().rev() {
            self.waiting.push_front(visit.clone());
        }
        self.waiting.truncate(MOST);
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::{
        AccountName, ChannelKind, Conversation, ConversationId, ConversationKind, SenderId,
        SenderScope,
    };
    use zaki_identity::{BindingKey, Home};

    use super::*;

    fn visit(place: &str, at: i64) -> Visit {
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let account: AccountName = "main".parse().unwrap();
        let conversation = Conversation::new(ConversationId::new(place), ConversationKind::Direct);
        let channel = ChannelKind::Telegram;
        let home = Home { channel, account, conversation };
        let (scope, sender) = (SenderScope::new(""), SenderId::new("1"));
        Visit {
            user,
            id: PlaceId::derive(user, &home.address()),
            home,
            sender: BindingKey { channel, scope, sender },
            at: Timestamp::from_ms(at),
        }
    }

    #[test]
    fn a_move_is_noted_and_a_stay_now_and_then() {
        let mut notes = Notes::default();
        let mut is_news = |place, at| {
            let Visit { user, id, at, .. } = visit(place, at);
            notes.is_news(user, id, at)
        };
        let seen =
            [("a", 0), ("a", 5), ("b", 6), ("a", 7), ("a", 6 + OFTEN_MS), ("a", 7 + OFTEN_MS)];
        assert_eq!(
            seen.map(|(place, at)| is_news(place, at)),
            [true, false, true, true, false, true]
        );
    }

    #[test]
    fn the_last_visit_to_a_place_is_written_last() {
        let mut notes = Notes::default();
        notes
            .waiting
            .extend([("b", 1), ("a", 2), ("b", 3), ("a", 4)].map(|(at, ms)| visit(at, ms)));
        notes.sort();
        let ids: Vec<_> = notes.waiting.iter().map(|visit| visit.id).collect();
        let times: Vec<_> = notes.waiting.iter().map(|visit| visit.at.as_ms()).collect();
        assert!(ids.is_sorted() && (times == [1, 3, 2, 4] || times == [2, 4, 1, 3]), "{times:?}");
    }

    #[test]
    fn what_could_not_be_written_down_keeps_its_turn() {
        let mut notes = Notes::default();
        let times: Vec<_> = (0..i64::try_from(BATCH).unwrap() + 5).collect();
        notes.waiting.extend(times.iter().map(|at| visit("a", *at)));
        let failed = notes.some();
        assert_eq!((failed.len(), notes.waiting.len()), (BATCH, 5));
        notes.later(&failed);
        let waiting: Vec<_> = notes.waiting.iter().map(|visit| visit.at.as_ms()).collect();
        assert_eq!(waiting, times);
    }
}
