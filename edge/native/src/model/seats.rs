//! How many model calls of one person go on at once: an agent that runs wild fills neither the edge's
//! memory nor the provider's patience, and exceeds its person's budget by no more than these.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use zaki_envelope::ZakiUserId;

/// Sessions of one person that think at the same time.
const AT_ONCE: usize = 8;
/// How long a further call waits.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Default)]
pub(crate) struct Seats(DashMap<ZakiUserId, Arc<Semaphore>>);

/// Room for one call.
pub(crate) struct Seat {
    permit: Option<OwnedSemaphorePermit>,
    seats: Arc<Seats>,
    user: ZakiUserId,
}

impl Seats {
    /// Waits for room; `None`: there was none for long.
    pub(crate) async fn take(self: &Arc<Self>, user: ZakiUserId) -> Option<Seat> {
        let mine = self.0.entry(user).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))).clone();
        // Whoever gives up leaves what is left to those who have a seat.
        let permit = timeout(PATIENCE, mine.acquire_owned()).await.ok()?.ok()?;
        Some(Seat { permit: Some(permit), seats: self.clone(), user })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.permit.take();
        self.seats.0.remove_if(&self.user, |_, mine| Arc::strong_count(mine) == 1);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use zaki_envelope::Timestamp;

    use super::*;

    fn user(n: u128) -> ZakiUserId {
        ZakiUserId::from_parts(Timestamp::from_ms(1), n)
    }

    #[tokio::test]
    async fn a_person_has_so_many_and_takes_nobody_elses() {
        let seats = Arc::new(Seats::default());
        let mut taken = Vec::new();
        for _ in 0..AT_ONCE {
            taken.push(seats.take(user(1)).await.unwrap());
        }
        let mut next = Box::pin(seats.take(user(1)));
        assert!((&mut next).now_or_never().is_none());
        assert!(seats.take(user(2)).now_or_never().flatten().is_some());
        taken.pop();
        let next = next.await;
        assert!(next.is_some());
        drop((taken, next));
        assert!(seats.0.is_empty(), "nothing is left of whoever asks for nothing");
    }
}
