//! Writes that are not given up, and what the hub says of itself while the stores do not take
//! them.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;
use zaki_envelope::{InboundId, Timestamp};
use zaki_identity::DirectoryError;
use zaki_ledger::SettleReason;

use crate::hub::Hub;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What the stores do not take, for `/ready`.
#[derive(Default)]
pub(crate) struct Writes(Mutex<Standing>);

#[derive(Default)]
struct Standing {
    /// Why the last write of what arrives, or the last pulse, failed.
    refused: Option<String>,
    /// What is being tried again, by a number of its own.
    open: BTreeMap<u64, String>,
    next: u64,
}

/// A write that is being tried again, until this is dropped.
struct Open<'a> {
    writes: &'a Writes,
    number: u64,
    said: String,
}

impl Writes {
    /// Something was not written: nothing more should be sent here until something is.
    pub(crate) fn failed(&self, error: &dyn Error) {
        self.lock().refused = Some(error.to_string());
    }

    /// Something was written again.
    pub(crate) fn worked(&self) {
        self.lock().refused = None;
    }

    fn is_refused(&self) -> bool {
        self.lock().refused.is_some()
    }

    /// What is wrong now, if anything is.
    pub(crate) fn trouble(&self) -> Option<String> {
        let standing = self.lock();
        let open = standing.open.values().next();
        standing.refused.as_ref().or(open).map(|said| format!("the store does not write: {said}"))
    }

    fn open(&self) -> Open<'_> {
        let mut standing = self.lock();
        standing.next += 1;
        Open { writes: self, number: standing.next, said: String::new() }
    }

    /// The state is whole after every statement, so a poisoned lock is still good.
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open<'_> {
    /// It failed; `true`: in a way that is new.
    fn failed(&mut self, what: &str, error: &dyn Error) -> bool {
        let said = format!("cannot {what}: {error}");
        self.writes.lock().open.insert(self.number, said.clone());
        std::mem::replace(&mut self.said, said) != self.said
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.writes.lock().open.remove(&self.number);
    }
}

/// What a store may answer.
pub(crate) trait Answer: Error {
    /// Whether it is an answer about what was asked: asking again would not change it. Everything
    /// else is about the store, and what has begun is tried until it has ended.
    fn is_verdict(&self) -> bool;

    /// Whether it is known to pass by itself.
    fn is_transient(&self) -> bool;
}

impl Answer for zaki_ledger::Error {
    fn is_verdict(&self) -> bool {
        matches!(self, Self::Fenced | Self::NotAccepted(_) | Self::UnknownTurn(_))
    }

    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }
}

impl Answer for DirectoryError {
    fn is_verdict(&self) -> bool {
        Self::is_verdict(self)
    }

    fn is_transient(&self) -> bool {
        Self::is_transient(self)
    }
}

impl Hub {
    /// Repeats a write until the store takes it. `None`: the hub stops, or the verdict is against
    /// it; either way the ledger is as it was and recovery will see it.
    pub(crate) async fn persist<T, E, F>(&self, what: &str, write: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, E>>,
        E: Answer,
    {
        self.attempt(what, write).await?.ok()
    }

    /// The same for whoever makes something of the verdict.
    pub(crate) async fn attempt<T, E, F>(
        &self,
        what: &str,
        write: impl FnMut() -> F,
    ) -> Option<Result<T, E>>
    where
        F: Future<Output = Result<T, E>>,
        E: Answer,
    {
        self.writes.repeat(what, &self.stop, None, write).await
    }

    /// The same for whoever has to hear of it: after so long, what was wrong last is the answer.
    pub(crate) async fn attempt_for<T, E, F>(
        &self,
        patience: Duration,
        what: &str,
        write: impl FnMut() -> F,
    ) -> Option<Result<T, E>>
    where
        F: Future<Output = Result<T, E>>,
        E: Answer,
    {
        self.writes.repeat(what, &self.stop, Some(Instant::now() + patience), write).await
    }

    /// Finds out whether what was refused can be written again, after a pulse that worked: nobody
    /// may send anything for as long as we say that we cannot store it.
    pub(crate) fn look_again(self: &Arc<Self>) {
        if !self.writes.is_refused() {
            return;
        }
        let hub = Arc::clone(self);
        self.tasks.spawn(async move {
            // Of nobody: it takes the table's lock and changes nothing; the pulse has changed a row.
            let nobody = [InboundId::from_parts(Timestamp::default(), 0)];
            match hub.ledger.settle(hub.fence, &nobody, SettleReason::Event).await {
                Ok(_) => hub.writes.worked(),
                Err(error) => hub.writes.failed(&error),
            }
        });
    }
}

impl Writes {
    /// Until it is done, there is a verdict, it is too late to go on trying, or the hub stops.
    async fn repeat<T, E, F>(
        &self,
        what: &str,
        stop: &CancellationToken,
        until: Option<Instant>,
        mut write: impl FnMut() -> F,
    ) -> Option<Result<T, E>>
    where
        F: Future<Output = Result<T, E>>,
        E: Answer,
    {
        let (mut pause, mut open) = (FIRST_PAUSE, None);
        loop {
            let error = match write().await {
                Ok(done) => return Some(Ok(done)),
                Err(error) if error.is_verdict() => {
                    tracing::warn!(what, %error, "not to be done");
                    return Some(Err(error));
                }
                Err(error) => error,
            };
            let is_new = open.get_or_insert_with(|| self.open()).failed(what, &error);
            if error.is_transient() {
                tracing::warn!(what, %error, "trying again");
            } else if is_new {
                tracing::error!(what, %error, "cannot go on, and tries until it can");
            }
            if until.is_some_and(|until| Instant::now() + pause > until) {
                return Some(Err(error));
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = stop.cancelled() => return None,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use zaki_envelope::TurnId;
    use zaki_ledger::Error;

    use super::*;

    /// A defect of ours, as far as the store can tell, that passes all the same.
    fn odd() -> Error {
        let error = serde_json::from_str::<u8>("no number").unwrap_err();
        Error::Encode(Arc::new(error))
    }

    fn unknown() -> Error {
        Error::UnknownTurn(TurnId::from_parts(Timestamp::default(), 0))
    }

    #[tokio::test]
    async fn only_a_verdict_ends_what_cannot_be_written() {
        let (writes, stop, tries) = (Writes::default(), CancellationToken::new(), Cell::new(0));
        let write = || {
            tries.set(tries.get() + 1);
            let n = tries.get();
            if n > 1 {
                let said = writes.trouble().unwrap();
                assert!(said.contains("cannot end a turn"), "{said}");
            }
            async move { if n < 5 { Err(odd()) } else { Ok(n) } }
        };
        assert!(!odd().is_transient());
        assert!(matches!(writes.repeat("end a turn", &stop, None, write).await, Some(Ok(5))));
        assert_eq!(writes.trouble(), None, "it has been written");
        for verdict in [Error::Fenced, unknown()] {
            let write = || std::future::ready(Err::<(), _>(verdict.clone()));
            let done = writes.repeat("end a turn", &stop, None, write).await;
            assert!(matches!(done, Some(Err(_))), "{done:?}");
            assert_eq!(writes.trouble(), None);
        }
    }

    #[tokio::test]
    async fn whoever_waits_for_it_hears_what_is_wrong() {
        let (writes, stop, tries) = (Writes::default(), CancellationToken::new(), Cell::new(0));
        let write = || {
            tries.set(tries.get() + 1);
            std::future::ready(Err::<(), _>(odd()))
        };
        let until = Some(Instant::now() + 4 * FIRST_PAUSE);
        let done = writes.repeat("name a session", &stop, until, write).await;
        assert!(matches!(done, Some(Err(_))) && tries.get() > 1, "{done:?} after {tries:?}");
        assert_eq!(writes.trouble(), None, "nobody tries it any more");
    }

    #[tokio::test]
    async fn it_ends_with_the_hub() {
        let (writes, stop) = (Writes::default(), CancellationToken::new());
        let write = || std::future::ready(Err::<(), _>(odd()));
        let repeat = writes.repeat("end a turn", &stop, None, write);
        let end = async {
            tokio::time::sleep(3 * FIRST_PAUSE).await;
            stop.cancel();
        };
        assert!(tokio::join!(repeat, end).0.is_none());
        assert_eq!(writes.trouble(), None);
    }

    #[test]
    fn one_refused_write_is_remembered_until_one_works() {
        let writes = Writes::default();
        writes.failed(&odd());
        assert!(writes.trouble().is_some_and(|said| said.contains("JSON")));
        writes.worked();
        assert_eq!(writes.trouble(), None);
    }
}
