//! One turn: what it has told so far, and whoever reads it.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::stream;
use tokio::sync::watch;
use zaki_envelope::wire::{AgentInfo, ErrorCode, TurnEvent, TurnEventKind, Usage, encode_sse};

/// What it has told, from the first event on.
#[derive(Default)]
pub(crate) struct Turn {
    told: Mutex<Vec<TurnEvent>>,
    count: watch::Sender<usize>,
    aborted: watch::Sender<bool>,
}

/// Who answers.
pub(crate) fn agent() -> AgentInfo {
    AgentInfo { name: "echo".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() }
}

impl Turn {
    fn told(&self) -> MutexGuard<'_, Vec<TurnEvent>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, kind: TurnEventKind) {
        let mut told = self.told();
        let seq = told.len() as u64 + 1;
        told.push(TurnEvent { seq, kind });
        self.count.send_replace(told.len());
    }

    /// No further event follows.
    pub(crate) fn is_over(&self) -> bool {
        self.told().last().is_some_and(|event| event.kind.is_end())
    }

    /// Ends it with what there is.
    pub(crate) fn abort(&self) {
        self.aborted.send_replace(true);
    }

    /// Answers `text`, after as many words at such a pace as it asks for.
    pub(crate) async fn run(&self, text: &str, answer: String) {
        self.tell(TurnEventKind::Started { agent: agent() });
        let mut aborted = self.aborted.subscribe();
        let (words, pause) = pace(text).unwrap_or_default();
        for n in 0..words {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = aborted.wait_for(|it| *it) => break,
            }
            self.tell(TurnEventKind::Delta { text: format!("word{n} "), replace: false });
        }
        let (usage, aborted) = (Usage::default(), *aborted.borrow());
        self.tell(if text.contains("FAIL:") {
            let message = "told to fail".to_owned();
            TurnEventKind::Error { code: ErrorCode::Agent, message, usage }
        } else {
            TurnEventKind::Final { text: answer, usage, aborted }
        });
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

/// `SLOW:<n>x<ms>`, as the native echo runtime reads it.
fn pace(text: &str) -> Option<(u32, Duration)> {
    let (_, rest) = text.split_once("SLOW:")?;
    let (words, pause) = rest.split_whitespace().next()?.split_once('x')?;
    Some((words.parse().ok()?, Duration::from_millis(pause.parse().ok()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pace_is_read() {
        assert_eq!(pace("a SLOW:3x20 b"), Some((3, Duration::from_millis(20))));
        assert_eq!(pace("SLOW:x20"), None);
        assert_eq!(pace("slow"), None);
    }

    #[tokio::test]
    async fn a_turn_may_be_read_again_after_any_event() {
        let turn = Arc::new(Turn::default());
        turn.run("SLOW:2x1", "done".to_owned()).await;
        for (after, count) in [(0, 4), (2, 2), (4, 0)] {
            let body = turn.clone().after(after).into_body();
            let bytes = axum::body::to_bytes(body, 10_000).await.unwrap();
            assert_eq!(String::from_utf8_lossy(&bytes).matches("event: ").count(), count);
        }
    }
}
