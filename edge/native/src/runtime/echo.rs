//! A sandbox that is no sandbox: answers every turn at once. For measurements and tests.

use std::sync::Arc;

use async_trait::async_trait;
use futures::{StreamExt, stream};
use zaki_edge_core::sandbox::Generation;
use zaki_envelope::{
    SandboxName, TurnId, plain_text,
    wire::{AgentInfo, TurnEvent, TurnEventKind, TurnRequest, Usage},
};

use super::{Events, Link, LinkError, Manner, Place, Runtime, RuntimeError};

/// The runtime and its only link.
#[derive(Clone, Copy)]
pub(crate) struct Echo;

#[async_trait]
impl Runtime for Echo {
    fn survives(&self) -> bool {
        false
    }

    async fn place(&self, _number: u32, generation: Generation) -> Result<Place, RuntimeError> {
        Ok(Place { generation, ..Place::default() })
    }

    async fn start(
        &self,
        _name: &SandboxName,
        _place: &mut Place,
    ) -> Result<Arc<dyn Link>, RuntimeError> {
        Ok(Arc::new(Self))
    }

    async fn adopt(&self, _name: &SandboxName, _place: &Place) -> Option<Arc<dyn Link>> {
        None
    }

    async fn stop(&self, _name: &SandboxName, _place: &Place, _manner: Manner) {}
}

#[async_trait]
impl Link for Echo {
    async fn ready(&self) -> Result<(), RuntimeError> {
        Ok(())
    }

    async fn exited(&self) {
        std::future::pending::<()>().await;
    }

    async fn open(&self, request: &TurnRequest, after: u64) -> Result<Events, LinkError> {
        let agent =
            AgentInfo { name: "echo".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() };
        let answer = TurnEventKind::Final {
            text: format!("echo: {}", plain_text(&request.parts)),
            usage: Usage::default(),
            aborted: false,
        };
        let kinds = [TurnEventKind::Started { agent }, answer];
        let events = (1_u64..).zip(kinds).filter(move |(seq, _)| *seq > after);
        Ok(stream::iter(events.map(|(seq, kind)| Ok(TurnEvent { seq, kind }))).boxed())
    }

    async fn abort(&self, _turn: TurnId) -> Result<(), LinkError> {
        Ok(())
    }

    async fn ack(&self, _turn: TurnId, _seq: u64) -> Result<(), LinkError> {
        Ok(())
    }
}
