//! Sandboxes that are none: [`zaki_echo`] answers every turn at once, in this process.

use async_trait::async_trait;
use axum::body::Bytes;
use futures::StreamExt;
pub(crate) use zaki_echo::Echo;
use zaki_envelope::{
    MediaHash, TurnId,
    wire::{ApprovalAnswer, Reminders, SteerRequest, TurnRequest},
};

use super::{Events, Link, LinkError, Rest, RuntimeError};

#[async_trait]
impl Link for Echo {
    async fn ready(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn exited(&self) {
        std::future::pending::<()>().await;
    }

    async fn give(&self, hash: MediaHash, bytes: Bytes) -> Result<(), LinkError> {
        Self::give(self, hash, bytes);
        Ok(())
    }

    async fn medium(&self, hash: MediaHash) -> Result<Bytes, LinkError> {
        Self::medium(self, hash).ok_or(LinkError::Refused(404))
    }

    async fn open(&self, request: &TurnRequest, after: u64) -> Result<Events, LinkError> {
        Ok(Self::open(self, request, after).map(Ok).boxed())
    }

    async fn steer(&self, turn: TurnId, said: &SteerRequest) -> Result<(), LinkError> {
        Self::steer(self, turn, said).map_err(refused)
    }

    async fn approve(&self, approval: &str, answer: ApprovalAnswer) -> Result<(), LinkError> {
        Self::approve(self, approval, answer).map_err(refused)
    }

    async fn abort(&self, turn: TurnId) -> Result<(), LinkError> {
        Self::abort(self, turn);
        Ok(())
    }

    async fn ack(&self, _turn: TurnId, _seq: u64) -> Result<(), LinkError> {
        Ok(())
    }

    async fn suspend(&self) -> Result<Rest, LinkError> {
        Ok(if self.is_idle() { Rest::Ready(Reminders::default()) } else { Rest::Busy })
    }

    async fn resume(&self) -> Result<(), LinkError> {
        Ok(())
    }

    async fn reminders(&self) -> Result<Reminders, LinkError> {
        Ok(Reminders::default())
    }
}

fn refused(zaki_echo::Refused(status): zaki_echo::Refused) -> LinkError {
    LinkError::Refused(status)
}
