//! The hub's side of the edge wire: signed requests out, turn events in.

mod media;
mod memory;
mod operate;

use std::{collections::VecDeque, error::Error, time::Duration};

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use serde::Serialize;
use serde_json::to_vec;
use tokio::time::timeout;
use zaki_edge_native::{Answered, Caller, Reach};
use zaki_envelope::{
    Timestamp, TurnId, ZakiUserId,
    signature::SigningKey,
    wire::{
        ApprovalAnswer, Decision, ModelReport, RetireRequest, SILENCE, SseDecoder, SteerRequest,
        TurnEvent, TurnRequest, UsageReport,
    },
};

pub(crate) use operate::Move;

use crate::clock;

/// Between two questions whether something that takes its time is done.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// Why the edge did not serve a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EdgeError {
    /// Nobody answered, or the answer broke off: try again.
    #[error("the edge cannot be reached")]
    Lost(#[source] Box<dyn Error + Send + Sync>),
    /// It is overloaded or starting: try again.
    #[error("the edge answers {0}")]
    Busy(u16),
    /// It has no such turn, or nobody asks for this approval any more.
    #[error("the edge does not know this")]
    Unknown,
    /// It no longer keeps the events of this turn, or anything of this person.
    #[error("the edge no longer keeps this")]
    Gone,
    /// It will not serve this call, however often it is made.
    #[error("the edge refuses: {0}")]
    Refused(u16),
}

impl EdgeError {
    fn lost(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Lost(source.into())
    }

    /// Whether the same call may be answered another time.
    pub(crate) const fn is_passing(&self) -> bool {
        matches!(self, Self::Lost(_) | Self::Busy(_))
    }

    fn of_status(status: u16) -> Self {
        match status {
            404 => Self::Unknown,
            410 => Self::Gone,
            // 401: its clock and ours differ, or a key is being changed; the turn may run there.
            401 | 408 | 425 | 429 | 500..=599 => Self::Busy(status),
            _ => Self::Refused(status),
        }
    }
}

/// Calls the edge.
#[derive(Clone)]
pub(crate) struct EdgeClient(Caller);

impl EdgeClient {
    pub(crate) fn new(reach: Reach, key: SigningKey) -> Self {
        Self(Caller::new(reach, key))
    }

    /// Where an edge runs that is not in this process.
    pub(crate) fn place(&self) -> Option<String> {
        self.0.reach().place()
    }

    /// Whether it answers.
    pub(crate) async fn check(&self) -> Result<(), EdgeError> {
        self.act("GET", "/health", Vec::new()).await
    }

    /// Runs a turn, or attaches to it when its id is known already: it never runs twice.
    pub(crate) async fn turn(
        &self,
        user: ZakiUserId,
        turn: &TurnRequest,
    ) -> Result<Events, EdgeError> {
        let answer = self.call("POST", &format!("/v1/users/{user}/turns"), json(turn)?).await?;
        Ok(answer.events())
    }

    /// A turn of theirs is about to come: their sandbox starts now. Returns at once.
    pub(crate) async fn wake(&self, user: ZakiUserId) -> Result<(), EdgeError> {
        self.act("POST", &format!("/v1/users/{user}/wake"), Vec::new()).await
    }

    /// Goes on reading a turn after event `after`.
    pub(crate) async fn resume(
        &self,
        user: ZakiUserId,
        turn: TurnId,
        after: u64,
    ) -> Result<Events, EdgeError> {
        let path = format!("/v1/users/{user}/turns/{turn}?after={after}");
        Ok(self.call("GET", &path, Vec::new()).await?.events())
    }

    /// Stops a turn; its events tell the end.
    pub(crate) async fn abort(&self, user: ZakiUserId, turn: TurnId) -> Result<(), EdgeError> {
        let path = format!("/v1/users/{user}/turns/{turn}/abort");
        self.act("POST", &path, Vec::new()).await
    }

    /// Adds a message to a turn that runs. [`EdgeError::Refused`]: it takes no more.
    pub(crate) async fn steer(
        &self,
        user: ZakiUserId,
        turn: TurnId,
        said: &SteerRequest,
    ) -> Result<(), EdgeError> {
        let path = format!("/v1/users/{user}/turns/{turn}/steer");
        self.act("POST", &path, json(said)?).await
    }

    /// Answers what an agent asked. [`EdgeError::Unknown`]: it expired, its turn has ended, or
    /// nothing can be called so: whoever answers may have typed it.
    /// [`EdgeError::Refused`]: it was answered otherwise before, or cannot be answered so.
    pub(crate) async fn approve(
        &self,
        user: ZakiUserId,
        approval: &str,
        decision: Decision,
    ) -> Result<(), EdgeError> {
        if !is_approval(approval) {
            return Err(EdgeError::Unknown);
        }
        let path = format!("/v1/users/{user}/approvals/{approval}");
        self.act("POST", &path, json(&ApprovalAnswer { decision })?).await
    }

    /// Erases everything the edge has of the person; returns when nothing is left. It goes on there
    /// when nobody waits for it.
    pub(crate) async fn erase(&self, user: ZakiUserId) -> Result<(), EdgeError> {
        self.until_done("DELETE", &format!("/v1/users/{user}"), Vec::new()).await
    }

    /// Stops everything of the person and keeps it until then. [`EdgeError::Gone`]: they are being
    /// erased.
    pub(crate) async fn retire(&self, user: ZakiUserId, until: Timestamp) -> Result<(), EdgeError> {
        let path = format!("/v1/users/{user}/retire");
        self.until_done("POST", &path, json(&RetireRequest { until })?).await
    }

    /// Takes a retirement back. [`EdgeError::Gone`]: too late.
    pub(crate) async fn reinstate(&self, user: ZakiUserId) -> Result<(), EdgeError> {
        self.act("POST", &format!("/v1/users/{user}/reinstate"), Vec::new()).await
    }

    /// What the person has used, as the edge has metered it.
    pub(crate) async fn usage(&self, user: ZakiUserId) -> Result<UsageReport, EdgeError> {
        let answer = self.call("GET", &format!("/v1/users/{user}/usage"), Vec::new()).await?;
        serde_json::from_slice(&answer.body().await?).map_err(EdgeError::lost)
    }

    /// How the providers of models stand.
    pub(crate) async fn model(&self) -> Result<ModelReport, EdgeError> {
        let answer = self.call("GET", "/v1/model", Vec::new()).await?;
        serde_json::from_slice(&answer.body().await?).map_err(EdgeError::lost)
    }

    /// Asks until it is done.
    async fn until_done(&self, method: &str, path: &str, body: Vec<u8>) -> Result<(), EdgeError> {
        while self.call(method, path, body.clone()).await?.is_under_way() {
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(())
    }

    async fn act(&self, method: &str, path: &str, body: Vec<u8>) -> Result<(), EdgeError> {
        self.call(method, path, body).await.map(drop)
    }

    async fn call(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Answer, EdgeError> {
        let answered = self.0.call(clock::now(), method, path, body).await;
        let Answered { status, bytes } = answered.map_err(EdgeError::lost)?;
        Answer::open(status, bytes.map_err(EdgeError::lost).boxed())
    }
}

/// Whether this can be the id of a question. It becomes part of a path.
fn is_approval(id: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || ":_.-".contains(c);
    (1..=128).contains(&id.len()) && id.chars().all(fits) && id.contains(|c: char| c != '.')
}

fn json(body: &impl Serialize) -> Result<Vec<u8>, EdgeError> {
    to_vec(body).map_err(EdgeError::lost)
}

/// What the edge answers to a call it serves.
struct Answer {
    status: u16,
    bytes: BoxStream<'static, Result<Bytes, EdgeError>>,
}

impl Answer {
    fn open(
        status: u16,
        bytes: BoxStream<'static, Result<Bytes, EdgeError>>,
    ) -> Result<Self, EdgeError> {
        if !(200..300).contains(&status) {
            return Err(EdgeError::of_status(status));
        }
        Ok(Self { status, bytes })
    }

    /// Whether what was asked for is not done yet.
    const fn is_under_way(&self) -> bool {
        self.status == 202
    }

    /// All of it, which is short.
    async fn body(mut self) -> Result<Vec<u8>, EdgeError> {
        const MOST: usize = 64 * 1024;
        let mut body = Vec::new();
        while let Some(bytes) = self.bytes.next().await {
            body.extend_from_slice(&bytes?);
            if body.len() > MOST {
                return Err(EdgeError::lost("an answer is too long"));
            }
        }
        Ok(body)
    }

    /// As the events of a turn.
    fn events(self) -> Events {
        Events { bytes: self.bytes, decoder: SseDecoder::default(), ready: VecDeque::new() }
    }
}

/// The events of a turn as they arrive.
pub(crate) struct Events {
    bytes: BoxStream<'static, Result<Bytes, EdgeError>>,
    decoder: SseDecoder,
    ready: VecDeque<TurnEvent>,
}

impl Events {
    /// The next event; `None` when the stream has ended.
    pub(crate) async fn next(&mut self) -> Option<Result<TurnEvent, EdgeError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let bytes = match timeout(SILENCE, self.bytes.next()).await {
                Ok(Some(Ok(bytes))) => bytes,
                Ok(Some(Err(error))) => return Some(Err(error)),
                Ok(None) => return None,
                // Whatever TCP thinks of the connection.
                Err(silent) => return Some(Err(EdgeError::lost(silent))),
            };
            match self.decoder.push(&bytes) {
                Ok(events) => self.ready.extend(events),
                Err(error) => return Some(Err(EdgeError::lost(error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;

    use super::*;

    #[tokio::test]
    async fn what_somebody_typed_leads_nowhere_else() {
        // Whatever comes here is answered.
        let router = Router::new().fallback(async || ());
        let key = SigningKey::new("hub", "a secret of the tests, long enough");
        let edge = EdgeClient::new(Reach::InProcess(router), key);
        let user = ZakiUserId::from_parts(Timestamp::from_ms(1), 1);
        let ask = async |id: &str| edge.approve(user, id, Decision::Deny).await;
        for id in ["0b9f6e0e-6a53", "exec:1_a.b", "...a"] {
            assert!(ask(id).await.is_ok(), "{id}");
        }
        for path in ["", ".", "..", "../x", "a/b", "a?b", "a#b", "a%2fb", "é", &"a".repeat(129)] {
            assert!(matches!(ask(path).await, Err(EdgeError::Unknown)), "{path}");
        }
    }
}
