//! What operators have the edge do with sandboxes.

use zaki_envelope::{
    ZakiUserId,
    wire::{
        AgentConfig, ExecOutput, ExecRequest, Logs, Outcome, PatchRequest, Standing, StopRequest,
    },
};

use super::{EdgeClient, EdgeError, json, memory::read};

/// What a sandbox is brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Start,
    /// `now`: its turns end with an error.
    Stop {
        now: bool,
    },
    Freeze,
    Restart {
        now: bool,
    },
    Upgrade,
}

impl Move {
    /// As the edge calls it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop { .. } => "stop",
            Self::Freeze => "freeze",
            Self::Restart { .. } => "restart",
            Self::Upgrade => "upgrade",
        }
    }

    const fn now(self) -> bool {
        matches!(self, Self::Stop { now: true } | Self::Restart { now: true })
    }
}

impl EdgeClient {
    /// Brings a sandbox there, and returns when it is. [`EdgeError::Gone`]: its person is retired or
    /// being erased.
    pub(crate) async fn bring(
        &self,
        user: ZakiUserId,
        to: Move,
    ) -> Result<Outcome<Standing>, EdgeError> {
        let body = json(&StopRequest { now: to.now() })?;
        self.operate("POST", user, to.as_str(), body).await
    }

    /// Runs a program in it, which is woken if it has to be.
    pub(crate) async fn exec(
        &self,
        user: ZakiUserId,
        request: &ExecRequest,
    ) -> Result<Outcome<ExecOutput>, EdgeError> {
        self.operate("POST", user, "exec", json(request)?).await
    }

    /// The last lines of its logs.
    pub(crate) async fn logs(&self, user: ZakiUserId, lines: usize) -> Result<Logs, EdgeError> {
        self.operate("GET", user, &format!("logs?lines={lines}"), Vec::new()).await
    }

    /// What its agent is configured with.
    pub(crate) async fn agent_config(
        &self,
        user: ZakiUserId,
    ) -> Result<Outcome<AgentConfig>, EdgeError> {
        self.operate("GET", user, "config", Vec::new()).await
    }

    /// Changes that.
    pub(crate) async fn patch_config(
        &self,
        user: ZakiUserId,
        request: &PatchRequest,
    ) -> Result<Outcome<AgentConfig>, EdgeError> {
        self.operate("POST", user, "patch", json(request)?).await
    }

    async fn operate<T: serde::de::DeserializeOwned>(
        &self,
        method: &str,
        user: ZakiUserId,
        what: &str,
        body: Vec<u8>,
    ) -> Result<T, EdgeError> {
        let path = format!("/v1/users/{user}/sandbox/{what}");
        read(self.call(method, &path, body).await?).await
    }
}
