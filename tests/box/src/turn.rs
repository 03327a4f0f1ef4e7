//! One turn: what it has told so far, and whoever reads it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::watch;
use zaki_envelope::wire::{TurnEvent, encode_sse};

/// What it has told, from the first event on.
#[derive(Default)]
pub(crate) struct Turn {
    told: Mutex<Vec<TurnEvent>>,
    count: watch::Sender<usize>,
}

impl Turn {
    fn told(&self) -> MutexGuard<'_, Vec<TurnEvent>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It tells this next.
    pub(crate) fn tell(&self, event: TurnEvent) {
        let mut told = self.told();
        told.push(event);
        self.count.send_replace(told.len());
    }

    /// No further event follows.
    pub(crate) fn is_over(&self) -> bool {
        self.told().last().is_some_and(|event| event.kind.is_end())
    }

    /// Its events after `seq`, as they come.
    pub(crate) fn after(self: Arc<Self>, seq: u64) -> Response {
        let count = self.count.subscribe();
        let events = stream::unfold((self, count, seq), |(turn, mut count, seq)| async move {
            let next = usize::try_from(seq).ok()?;
            if turn.is_over() && turn.told().len() <= next {
                return None;
            }
            count.wait_for(|count| *count > next).await.ok()?;
            let event = encode_sse(turn.told().get(next)?).ok()?;
            Some((Ok::<_, Infallible>(event), (turn, count, seq + 1)))
        });
        let headers =
            [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
        (headers, Body::from_stream(events)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use zaki_envelope::wire::{TurnEventKind, Usage};

    use super::*;

    #[tokio::test]
    async fn a_turn_may_be_read_again_after_any_event() {
        let turn = Arc::new(Turn::default());
        let word = |seq| TurnEvent {
            seq,
            kind: TurnEventKind::Delta { text: "word ".to_owned(), replace: false },
        };
        (1..=3).for_each(|seq| turn.tell(word(seq)));
        let (text, usage) = ("done".to_owned(), Usage::default());
        turn.tell(TurnEvent { seq: 4, kind: TurnEventKind::Final { text, usage, aborted: false } });
        for (after, count) in [(0, 4), (2, 2), (4, 0)] {
            let body = turn.clone().after(after).into_body();
            let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&bytes).matches("event: ").count(), count);
        }
    }
}
