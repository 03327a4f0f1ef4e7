//! The gateway's scheduler in its own words (`cron.list`, `cron.runs`): the jobs there are, and what
//! their runs have come to. Of OpenClaw 2026.9.6; read tolerantly.

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use zaki_envelope::Timestamp;

use super::{CallError, Connection};

/// Jobs looked at; sorted by what is next, so that more change little.
const MOST_JOBS: u32 = 200;
/// Runs looked at, the newest first.
const MOST_RUNS: u32 = 200;
/// Names of jobs that the gateway makes itself, and that wake nobody.
const OWN: &str = "openclaw";
/// Words of an agent that has nothing to say.
const SILENT: [&str; 2] = ["NO_REPLY", "HEARTBEAT_OK"];

/// A job that is enabled.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Job {
    pub(crate) id: String,
    /// As the agent called it.
    name: String,
    created_at_ms: Option<i64>,
    state: JobState,
    declaration_key: Option<String>,
    payload: Payload,
    owner: Option<Owner>,
    session_key: Option<String>,
    session_target: String,
    schedule: Schedule,
    delivery: Delivery,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
#[allow(clippy::struct_field_names, reason = "the gateway calls them so")]
struct JobState {
    next_run_at_ms: Option<i64>,
    running_at_ms: Option<i64>,
    last_run_at_ms: Option<i64>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Schedule {
    kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Delivery {
    mode: String,
    channel: Option<String>,
    to: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Payload {
    kind: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Owner {
    session_key: Option<String>,
}

impl Job {
    /// When it runs, if somebody wants it to.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.state.next_run_at_ms.filter(|_| self.is_wanted()).map(Timestamp::from_ms)
    }

    /// When it was made.
    pub(crate) fn made_at(&self) -> Option<Timestamp> {
        self.created_at_ms.map(Timestamp::from_ms)
    }

    /// Whether somebody has asked for it: the gateway makes some itself.
    pub(crate) fn is_wanted(&self) -> bool {
        let key = self.declaration_key.as_deref().unwrap_or_default();
        !key.starts_with(OWN) && self.payload.kind != "heartbeat"
    }

    /// In which session it was asked for.
    pub(crate) fn session(&self) -> Option<&str> {
        let owner = self.owner.as_ref().and_then(|owner| owner.session_key.as_deref());
        owner.or(self.session_key.as_deref())
    }

    /// Whether the gateway would send what it says to a channel, of which it has none. One of the
    /// session it was asked for in is written into that session, and wants no channel.
    pub(crate) fn is_announced_in_vain(&self) -> bool {
        let Delivery { mode, channel, to } = &self.delivery;
        let is_apart = self.session_target == "isolated";
        is_apart && mode == "announce" && channel.is_none() && to.is_none()
    }

    /// As its person may know it.
    pub(crate) fn name(&self) -> Option<&str> {
        Some(self.name.trim()).filter(|name| !name.is_empty())
    }

    /// Whether it is to run once: after a failure it is tried again as long as it is enabled.
    pub(crate) fn is_once(&self) -> bool {
        self.schedule.kind == "at"
    }

    /// Whether it is to run once, and has not begun to.
    pub(crate) fn is_ahead(&self) -> bool {
        let JobState { running_at_ms, last_run_at_ms, .. } = self.state;
        self.is_once() && running_at_ms.is_none() && last_run_at_ms.is_none()
    }
}

/// A run that has ended.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Run {
    /// When it ended, in milliseconds.
    pub(crate) ts: i64,
    pub(crate) job_id: String,
    status: Option<String>,
    error: Option<String>,
    delivery_error: Option<String>,
    /// The first 2,000 characters of what it came to; once it was heard in full, all of it.
    pub(crate) summary: Option<String>,
    delivery_suppression_reason: Option<String>,
    pub(crate) session_key: Option<String>,
    #[serde(rename = "runAtMs")]
    pub(crate) begun_at: Option<i64>,
}

impl Run {
    pub(crate) const fn ended_at(&self) -> Timestamp {
        Timestamp::from_ms(self.ts)
    }

    /// What it says to its person.
    pub(crate) fn text(&self) -> Option<&str> {
        let is_meant = self.delivery_suppression_reason.is_none();
        words(self.summary.as_deref().filter(|_| self.has_come_out() && is_meant)?)
    }

    /// Whether nothing came of it, and somebody was to hear of it.
    pub(crate) fn has_failed(&self) -> bool {
        self.status.as_deref() == Some("error") && !self.has_come_out()
    }

    /// Whether it has ended well. That the gateway could not deliver it is no matter: we do.
    fn has_come_out(&self) -> bool {
        match self.status.as_deref() {
            Some("ok") => true,
            Some("error") => {
                self.delivery_error.is_some()
                    && self.error == self.delivery_error
                    && self.summary != self.error
            }
            _ => false,
        }
    }

    /// Whether `whole` is what its summary is the beginning of, as said in `session`.
    pub(crate) fn is_of(&self, session: &str, whole: &str) -> bool {
        let begins = |summary: &String| whole.trim().starts_with(summary.trim_end_matches('…'));
        self.session_key.as_deref() == Some(session) && self.summary.as_ref().is_some_and(begins)
    }
}

/// What there is to say of a text.
pub(crate) fn words(text: &str) -> Option<&str> {
    let text = text.trim();
    let is_silent = SILENT.iter().any(|word| text.eq_ignore_ascii_case(word));
    (!text.is_empty() && !is_silent).then_some(text)
}

#[derive(Deserialize)]
struct Jobs {
    #[serde(default, deserialize_with = "readable")]
    jobs: Vec<Job>,
}

#[derive(Deserialize)]
struct Runs {
    #[serde(default, deserialize_with = "readable")]
    entries: Vec<Run>,
}

/// Those that can be read; a strange one does not hide the others.
fn readable<'de, D: Deserializer<'de>, T: serde::de::DeserializeOwned>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    let all = Option::<Vec<Value>>::deserialize(from)?.unwrap_or_default();
    Ok(all.into_iter().filter_map(|one| serde_json::from_value(one).ok()).collect())
}

/// The jobs that are enabled, the next one first.
pub(crate) async fn list(host: &Connection) -> Result<Vec<Job>, CallError> {
    let params = json!({"enabled": "enabled", "sortBy": "nextRunAtMs", "sortDir": "asc",
                        "limit": MOST_JOBS, "includeDeliveryPreviews": false});
    Ok(host.call::<Jobs>("cron.list", &params).await?.jobs)
}

/// The last runs that have ended, also of jobs that are no more; the newest first.
pub(crate) async fn runs(host: &Connection) -> Result<Vec<Run>, CallError> {
    let params = json!({"scope": "all", "limit": MOST_RUNS, "sortDir": "desc"});
    Ok(host.call::<Runs>("cron.runs", &params).await?.entries)
}

/// The gateway is not to deliver what a job says.
pub(crate) async fn hush(host: &Connection, job: &Job) -> Result<(), CallError> {
    update(host, job, json!({"delivery": {"mode": "none"}})).await
}

/// A job that is to run once runs at that time. `cron.run` would not do: what is run by force before
/// the time it was put off to runs at that time once more.
pub(crate) async fn run_at(host: &Connection, job: &Job, at: Timestamp) -> Result<(), CallError> {
    update(host, job, json!({"schedule": {"kind": "at", "at": at.as_ms().to_string()}})).await
}

async fn update(host: &Connection, job: &Job, patch: Value) -> Result<(), CallError> {
    let params = json!({"id": job.id, "patch": patch});
    host.call::<Value>("cron.update", &params).await.map(drop)
}
