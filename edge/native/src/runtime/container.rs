//! The link to a sandbox that runs our container program, whatever holds it.

use async_trait::async_trait;
use axum::body::Bytes;
use zaki_envelope::{
    MediaHash, TurnId,
    wire::{ApprovalAnswer, Reminders, SteerRequest, TurnRequest},
};

use super::{Events, Link, LinkError, Rest, RuntimeError, http_link::HttpLink};

/// Knows when one start is gone.
#[async_trait]
pub(crate) trait Life: Send + Sync + 'static {
    /// Returns when it is gone.
    async fn exited(&self);
}

/// The way in, and the end.
pub(crate) struct Container<L> {
    pub(crate) http: HttpLink,
    pub(crate) life: L,
}

#[async_trait]
impl<L: Life> Link for Container<L> {
    fn endpoint(&self) -> Option<&HttpLink> {
        Some(&self.http)
    }

    async fn ready(&self) -> Result<(), RuntimeError> {
        self.http.ready().await
    }

    async fn exited(&self) {
        self.life.exited().await;
    }

    async fn give(&self, hash: MediaHash, bytes: Bytes) -> Result<(), LinkError> {
        self.http.give(hash, bytes).await
    }

    async fn medium(&self, hash: MediaHash) -> Result<Bytes, LinkError> {
        self.http.medium(hash).await
    }

    async fn open(&self, request: &TurnRequest, after: u64) -> Result<Events, LinkError> {
        self.http.open(request, after).await
    }

    async fn steer(&self, turn: TurnId, said: &SteerRequest) -> Result<(), LinkError> {
        self.http.steer(turn, said).await
    }

    async fn approve(&self, approval: &str, answer: ApprovalAnswer) -> Result<(), LinkError> {
        self.http.approve(approval, answer).await
    }

    async fn abort(&self, turn: TurnId) -> Result<(), LinkError> {
        self.http.abort(turn).await
    }

    async fn ack(&self, turn: TurnId, seq: u64) -> Result<(), LinkError> {
        self.http.ack(turn, seq).await
    }

    async fn suspend(&self) -> Result<Rest, LinkError> {
        self.http.suspend().await
    }

    async fn resume(&self) -> Result<(), LinkError> {
        self.http.resume().await
    }

    async fn reminders(&self) -> Result<Reminders, LinkError> {
        self.http.reminders().await
    }
}
