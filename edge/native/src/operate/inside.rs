//! What is done inside a sandbox: a program, the logs, the agent's configuration.

use std::time::Duration;

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde::{Deserialize, de::DeserializeOwned};
use tokio::time::sleep;
use zaki_edge_core::sandbox::{BUSY_AGAIN_MS, BUSY_TRIES, Phase};
use zaki_envelope::{
    SandboxName,
    wire::{AgentConfig, ExecOutput, ExecRequest, Logs, PatchRequest},
};

use super::NOTHING;
use crate::{
    actor::Errand,
    backups::Backups,
    edge::Running,
    runtime::{Ground, HttpLink},
};

/// What is done in a sandbox takes no longer: a program has ten minutes.
pub(super) const LONGEST: Duration = Duration::from_mins(15);
/// Without waking anybody.
const LOOK: Duration = Duration::from_secs(10);

impl Running {
    /// Runs a program in it. Only where what runs in there is kept from the machine.
    pub(crate) async fn exec(
        &self,
        name: &SandboxName,
        request: ExecRequest,
    ) -> Result<ExecOutput, String> {
        match &self.shared.ground {
            Ground::Standing(_) => return Err(NOTHING.to_owned()),
            Ground::Built(runtime) if !runtime.is_isolated() => {
                let why = "programs run only where sandboxes are isolated; `zaki doctor` says what \
                           is missing";
                return Err(why.to_owned());
            }
            Ground::Built(_) => {}
        }
        let program = request.command.first().cloned().unwrap_or_default();
        tracing::info!(sandbox = %name, %program, "sandbox.exec");
        let call = move |http: &HttpLink| http.request(Method::POST, "exec").json(&request);
        self.inside(name, true, call).await
    }

    /// What its agent is configured with.
    pub(crate) async fn agent_config(&self, name: &SandboxName) -> Result<AgentConfig, String> {
        self.inside(name, false, |http: &HttpLink| http.request(Method::GET, "config")).await
    }

    /// Changes that.
    pub(crate) async fn patch_config(
        &self,
        name: &SandboxName,
        PatchRequest { if_match, patch }: PatchRequest,
    ) -> Result<AgentConfig, String> {
        if !if_match.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err("the configuration is not the one that was seen".to_owned());
        }
        let call = move |http: &HttpLink| {
            let call = http.request(Method::PATCH, "config").json(&patch);
            call.header(header::IF_MATCH, format!("\"{if_match}\""))
        };
        self.inside(name, true, call).await
    }

    /// The last lines of its logs, as far as they can be had without waking it.
    pub(crate) async fn logs(&self, name: &SandboxName, lines: usize) -> Logs {
        let mut logs = match &self.shared.ground {
            Ground::Standing(_) => return Logs::default(),
            Ground::Built(runtime) => runtime.logs(name, lines).await,
        };
        let is_up = self.phase(name) != Phase::Frozen;
        if let Some(link) = self.shared.backups.link(name).filter(|_| is_up)
            && let Some(http) = link.endpoint()
        {
            let call = http.request(Method::GET, &format!("logs?lines={lines}")).timeout(LOOK);
            if let Ok(answer) = http.send(call).await
                && let Ok(inside) = answer.json::<Logs>().await
            {
                logs.extend(inside.logs);
            }
        }
        Logs { logs }
    }

    /// Makes a call to the program in it, once it is up.
    async fn inside<T: DeserializeOwned + Send + 'static>(
        &self,
        name: &SandboxName,
        changes: bool,
        call: impl Fn(&HttpLink) -> RequestBuilder + Send + Sync + 'static,
    ) -> Result<T, String> {
        let (mut errand, outcome) = Errand::new(move |link| {
            let work = async move {
                let http = Backups::patient(link.as_ref());
                ask(&http.ok_or_else(|| NOTHING.to_owned())?, call).await
            };
            Box::pin(work)
        });
        errand.changes = changes;
        self.send(name, errand, outcome).await?
    }
}

/// What a sandbox says of what it does not do.
#[derive(Default, Deserialize)]
struct Said {
    #[serde(default)]
    error: String,
}

/// Asks until its memory is not being worked on.
async fn ask<T: DeserializeOwned>(
    http: &HttpLink,
    call: impl Fn(&HttpLink) -> RequestBuilder,
) -> Result<T, String> {
    let mut tries = 0;
    loop {
        let answer = http.raw(call(http)).await.map_err(|error| error.to_string())?;
        let status = answer.status();
        if status.is_success() {
            return answer.json().await.map_err(|error| error.without_url().to_string());
        }
        tries += 1;
        if status == StatusCode::CONFLICT && tries < BUSY_TRIES {
            sleep(Duration::from_millis(BUSY_AGAIN_MS)).await;
            continue;
        }
        let Said { error } = answer.json().await.unwrap_or_default();
        return Err(if error.is_empty() {
            format!("the sandbox answered {status}")
        } else {
            error
        });
    }
}
