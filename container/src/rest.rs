//! Rest: the gateway is asked whether it has nothing to do, and takes nothing new until it is
//! resumed, so that the sandbox can be frozen, stopped or copied in peace.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use zaki_envelope::wire::Reminders;

use crate::{
    gateway::{CallError, Connection, Link},
    reminders::Reminders as Plans,
};

/// Why it does not rest.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RestError {
    #[error("the agent has something to do")]
    Busy,
    #[error("the agent does not answer")]
    Unready,
}

impl From<CallError> for RestError {
    fn from(error: CallError) -> Self {
        tracing::warn!(%error, "the gateway was asked to rest, in vain");
        Self::Unready
    }
}

/// Who wants it to rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// The edge, which is about to freeze or stop it.
    Edge,
    /// A copy of its memory that is being made.
    Copy,
}

/// Whoever rests, and until when.
#[derive(Debug)]
pub(crate) struct Rest {
    link: Arc<Link>,
    plans: Arc<Plans>,
    lease: Mutex<Option<Lease>>,
}

/// The gateway's promise to do nothing; it ends by itself after two minutes.
#[derive(Debug)]
struct Lease {
    /// Ours: the same asks for more time.
    request: String,
    /// The gateway's.
    suspension: String,
    /// Which gateway; another one knows nothing of it.
    gateway: u64,
    reminders: Reminders,
    /// What asked for it, and will end it: another connection takes the gateway 30 ms to answer, and
    /// whoever wrote to one that rests waits for that.
    host: Arc<Connection>,
    /// It ends with the last of them.
    holders: Vec<Holder>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prepared {
    status: String,
    suspension_id: Option<String>,
}

impl Rest {
    pub(crate) fn new(link: Arc<Link>, plans: Arc<Plans>) -> Self {
        Self { link, plans, lease: Mutex::default() }
    }

    /// Asks the gateway to rest; one that rests already rests for two more minutes. While its memory
    /// is copied it is busy for the edge.
    pub(crate) async fn suspend(&self, holder: Holder) -> Result<Reminders, RestError> {
        let mut lease = self.lease.lock().await;
        let gateway = self.link.gateway();
        lease.take_if(|lease| lease.gateway != gateway);
        if holder == Holder::Edge
            && lease.as_ref().is_some_and(|lease| lease.holders.contains(&Holder::Copy))
        {
            return Err(RestError::Busy);
        }
        let host = self.host(lease.as_ref()).await?;
        let (request, reminders, mut holders) = if let Some(held) = &*lease {
            (held.request.clone(), held.reminders, held.holders.clone())
        } else {
            // Resting, it would not say.
            let request = format!("zaki-{:032x}", rand::random::<u128>());
            (request, self.plans.next_by(&host).await?, Vec::new())
        };
        let prepared: Prepared =
            host.call("gateway.suspend.prepare", &json!({ "requestId": request })).await?;
        let Some(suspension) = prepared.suspension_id.filter(|_| prepared.status == "ready") else {
            *lease = None;
            return Err(RestError::Busy);
        };
        holders.retain(|other| *other != holder);
        holders.push(holder);
        *lease = Some(Lease { request, suspension, gateway, reminders, host, holders });
        Ok(reminders)
    }

    /// It rests no more for this one. One that does not rest, or whose time is over, stays as it is,
    /// and so does one that somebody else wants to rest.
    pub(crate) async fn resume(&self, holder: Holder) -> Result<(), RestError> {
        let mut lease = self.lease.lock().await;
        let gateway = self.link.gateway();
        lease.take_if(|lease| lease.gateway != gateway);
        let Some(held) = lease.as_mut() else { return Ok(()) };
        held.holders.retain(|other| *other != holder);
        if !held.holders.is_empty() {
            return Ok(());
        }
        let params = json!({ "suspensionId": held.suspension });
        let host = self.host(lease.as_ref()).await?;
        let _: serde_json::Value = host.call("gateway.suspend.resume", &params).await?;
        *lease = None;
        Ok(())
    }

    /// When the agent wants to act by itself.
    pub(crate) async fn reminders(&self) -> Result<Reminders, RestError> {
        let lease = self.lease.lock().await;
        match lease.as_ref().filter(|lease| lease.gateway == self.link.gateway()) {
            Some(lease) => Ok(lease.reminders),
            None => self.plans.next().await.ok_or(RestError::Unready),
        }
    }

    async fn host(&self, lease: Option<&Lease>) -> Result<Arc<Connection>, RestError> {
        let held = lease.map(|lease| &lease.host).filter(|host| !host.closed.is_cancelled());
        match held {
            Some(host) => Ok(Arc::clone(host)),
            None => self.link.host().await.map(Arc::new).ok_or(RestError::Unready),
        }
    }
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
