//! Rest: the gateway is asked whether it has nothing to do, and takes nothing new until it is
//! resumed, so that the sandbox can be frozen, stopped or copied in peace.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use zaki_envelope::{Timestamp, wire::Reminders};

use crate::gateway::{CallError, Connection, Link};

/// Jobs looked through for the next one; sorted, so that more change nothing.
const MOST_JOBS: u32 = 200;
/// Names of jobs that the gateway makes itself, and that wake nobody.
const OWN: &str = "openclaw";

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
    /// It ends with the last of them.
    holders: Vec<Holder>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Prepared {
    status: String,
    suspension_id: Option<String>,
}

#[derive(Deserialize)]
struct Jobs {
    #[serde(default)]
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    #[serde(default)]
    state: JobState,
    declaration_key: Option<String>,
    #[serde(default)]
    payload: Payload,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobState {
    next_run_at_ms: Option<i64>,
}

#[derive(Default, Deserialize)]
struct Payload {
    #[serde(default)]
    kind: String,
}

impl Job {
    /// When it runs, if somebody wants it to.
    fn next(&self) -> Option<Timestamp> {
        let key = self.declaration_key.as_deref().unwrap_or_default();
        let is_own = key.starts_with(OWN) || self.payload.kind == "heartbeat";
        self.state.next_run_at_ms.filter(|_| !is_own).map(Timestamp::from_ms)
    }
}

impl Rest {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        Self { link, lease: Mutex::default() }
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
        let host = self.host().await?;
        let (request, reminders, mut holders) = if let Some(held) = &*lease {
            (held.request.clone(), held.reminders, held.holders.clone())
        } else {
            // Resting, it would not say.
            let request = format!("zaki-{:032x}", rand::random::<u128>());
            (request, next(&host).await?, Vec::new())
        };
        let prepared: Prepared =
            host.call("gateway.suspend.prepare", &json!({ "requestId": request })).await?;
        let Some(suspension) = prepared.suspension_id.filter(|_| prepared.status == "ready") else {
            *lease = None;
            return Err(RestError::Busy);
        };
        holders.retain(|other| *other != holder);
        holders.push(holder);
        *lease = Some(Lease { request, suspension, gateway, reminders, holders });
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
        let _: serde_json::Value =
            self.host().await?.call("gateway.suspend.resume", &params).await?;
        *lease = None;
        Ok(())
    }

    /// When the agent wants to act by itself.
    pub(crate) async fn reminders(&self) -> Result<Reminders, RestError> {
        let lease = self.lease.lock().await;
        match lease.as_ref().filter(|lease| lease.gateway == self.link.gateway()) {
            Some(lease) => Ok(lease.reminders),
            None => next(&self.host().await?).await,
        }
    }

    async fn host(&self) -> Result<Connection, RestError> {
        self.link.host().await.ok_or(RestError::Unready)
    }
}

/// The first job that somebody wants.
async fn next(host: &Connection) -> Result<Reminders, RestError> {
    let params = json!({"enabled": "enabled", "sortBy": "nextRunAtMs", "sortDir": "asc",
                        "limit": MOST_JOBS, "includeDeliveryPreviews": false});
    let Jobs { jobs } = host.call("cron.list", &params).await?;
    Ok(Reminders { next: jobs.iter().filter_map(Job::next).min() })
}

#[cfg(test)]
#[path = "rest_tests.rs"]
mod tests;
