//! What a platform reports by itself of what we sent: it settles a delivery nobody knows the
//! outcome of.

use std::sync::Arc;

use dashmap::DashMap;
use tokio::sync::oneshot;
use zaki_envelope::{DeliveryId, Inbound, InboundKind, MessageId, StatusKind};

use crate::{clock, hub::Hub};

/// The platform has the message, under this id; or why it could not deliver it.
type Report = Result<MessageId, String>;

/// Who waits for a report of which delivery.
#[derive(Default)]
pub(super) struct Reports(DashMap<DeliveryId, oneshot::Sender<Report>>);

/// A report that may come, until this is dropped.
pub(super) struct Awaited<'a> {
    reports: &'a Reports,
    delivery: DeliveryId,
    report: oneshot::Receiver<Report>,
}

impl Reports {
    pub(super) fn expect(&self, delivery: DeliveryId) -> Awaited<'_> {
        let (sender, report) = oneshot::channel();
        self.0.insert(delivery, sender);
        Awaited { reports: self, delivery, report }
    }

    fn tell(&self, delivery: DeliveryId, report: Report) {
        if let Some((_, waiting)) = self.0.remove(&delivery) {
            // An error only says that nobody waits any more.
            let _ = waiting.send(report);
        }
    }
}

impl Awaited<'_> {
    /// The first report, also one that came before this was asked.
    pub(super) async fn report(&mut self) -> Report {
        match (&mut self.report).await {
            Ok(report) => report,
            Err(_) => std::future::pending().await,
        }
    }
}

impl Drop for Awaited<'_> {
    fn drop(&mut self) {
        self.reports.0.remove(&self.delivery);
    }
}

/// Takes note of a status, if `inbound` is one of a delivery of ours.
pub(crate) async fn report(hub: &Arc<Hub>, inbound: &Inbound) {
    let InboundKind::Status { target, status, delivery: Some(id), reason } = &inbound.kind else {
        return;
    };
    if *status == StatusKind::Failed {
        let why = reason.as_deref().unwrap_or("the platform gives no reason");
        let why = format!("not delivered: {why}");
        let refute = || hub.ledger.refute_delivery(*id, why.clone(), clock::now());
        if hub.persist("note a report", refute).await == Some(true) {
            tracing::warn!(delivery = %id, why, "the platform could not deliver it");
        }
        return hub.outbox.reports.tell(*id, Err(why));
    }
    let prove = || hub.ledger.prove_delivery(*id, vec![target.clone()], clock::now());
    if hub.persist("note a report", prove).await == Some(true) {
        tracing::debug!(delivery = %id, "the platform reports that it arrived");
    }
    hub.outbox.reports.tell(*id, Ok(target.clone()));
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Timestamp;

    use super::*;

    #[tokio::test]
    async fn a_report_finds_whoever_waits_for_it_and_leaves_nothing() {
        let id = |n| DeliveryId::from_parts(Timestamp::from_ms(n), 0);
        let reports = Reports::default();
        let (mut one, other) = (reports.expect(id(1)), reports.expect(id(2)));
        reports.tell(id(1), Ok(MessageId::new("wamid.1")));
        reports.tell(id(1), Err("later".to_owned()));
        reports.tell(id(3), Ok(MessageId::new("of nobody")));
        assert_eq!(one.report().await, Ok(MessageId::new("wamid.1")));
        drop((one, other));
        assert!(reports.0.is_empty());
    }
}
