//! The calls of the engine that we need, by the names and labels that we give.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse, VolumeCreateRequest};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
    LogsOptionsBuilder, RemoveContainerOptionsBuilder, RemoveVolumeOptionsBuilder,
    StopContainerOptionsBuilder,
};
use bollard::{API_DEFAULT_VERSION, Docker};
use futures::StreamExt;
use zaki_edge_core::sandbox::Generation;
use zaki_envelope::{SandboxName, ZakiUserId};

use crate::{EdgeError, runtime::RuntimeError};

/// A call takes no longer, in seconds, also on a machine that is busy starting others.
const CALL: u64 = 120;
/// The container aborts its turns (5 s) and stops its gateway (seldom over 3 s), in seconds.
const GRACE: i32 = 20;
/// Looks whether what was removed is gone.
const LOOKS: u32 = 100;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// The engine, for one edge.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) docker: Docker,
    edge: String,
}

/// A container by its id and its name.
pub(super) struct Found {
    pub(super) id: String,
    pub(super) name: String,
}

pub(super) fn sandbox_label(name: &SandboxName) -> String {
    format!("zaki.sandbox={name}")
}

fn user_label(user: ZakiUserId) -> String {
    format!("zaki.user={user}")
}

impl Engine {
    /// At that socket, or at the usual one.
    pub(super) async fn open(socket: Option<&Path>, edge: u32) -> Result<Self, EdgeError> {
        let usual = Path::new("/var/run/docker.sock");
        let socket = socket.unwrap_or(usual);
        let fail = |source| EdgeError::Engine { socket: socket.to_owned(), source };
        let path = socket.to_string_lossy();
        let docker = Docker::connect_with_unix(&path, CALL, API_DEFAULT_VERSION).map_err(fail)?;
        let docker = docker.negotiate_version().await.map_err(fail)?;
        Ok(Self { docker, edge: format!("{edge:08x}") })
    }

    /// The id of an image.
    pub(super) async fn image(&self, name: &str) -> Result<String, EdgeError> {
        let found = self.docker.inspect_image(name).await.ok().and_then(|image| image.id);
        found.ok_or_else(|| EdgeError::NoImage { image: name.to_owned() })
    }

    /// The version of the agent in an image, as its label says; empty: it has none.
    pub(super) async fn agent(&self, image: &str) -> String {
        let found = self.docker.inspect_image(image).await.ok().and_then(|image| image.config);
        let label = found.and_then(|config| config.labels?.remove("zaki.openclaw"));
        label.unwrap_or_default()
    }

    /// How many processors the engine may give away.
    pub(super) async fn cores(&self) -> Result<i64, EdgeError> {
        let info = self.docker.info().await;
        let info = info.map_err(|source| EdgeError::Engine { socket: "info".into(), source })?;
        Ok(info.ncpu.unwrap_or(1).max(1))
    }

    /// A start's own name.
    pub(super) fn name(&self, sandbox: &SandboxName, generation: Generation) -> String {
        format!("zaki-{}-{sandbox}-{}", self.edge, generation.0)
    }

    /// What a sandbox keeps, whichever start it is.
    pub(super) fn volume(&self, sandbox: &SandboxName) -> String {
        format!("zaki-{}-{sandbox}", self.edge)
    }

    pub(super) fn labels(&self, name: &SandboxName) -> HashMap<String, String> {
        let labels = [
            ("zaki.edge", self.edge.clone()),
            ("zaki.sandbox", name.to_string()),
            ("zaki.user", name.user().to_string()),
        ];
        labels.map(|(name, value)| (name.to_owned(), value)).into()
    }

    fn ours(&self, labels: &[String]) -> HashMap<String, Vec<String>> {
        let mut all = vec![format!("zaki.edge={}", self.edge)];
        all.extend(labels.iter().cloned());
        [("label".to_owned(), all)].into()
    }

    /// Containers of this edge with all these labels, whatever their state.
    pub(super) async fn containers(&self, labels: &[String]) -> Result<Vec<Found>, RuntimeError> {
        let options = ListContainersOptionsBuilder::new().all(true).filters(&self.ours(labels));
        let found = self.docker.list_containers(Some(options.build())).await?;
        let found = found.into_iter().filter_map(|container| {
            let name = container.names.unwrap_or_default().into_iter().next().unwrap_or_default();
            Some(Found { id: container.id?, name: name.trim_start_matches('/').to_owned() })
        });
        Ok(found.collect())
    }

    /// Makes the volume of a sandbox, unless it is there.
    pub(super) async fn make_volume(&self, name: &SandboxName) -> Result<(), RuntimeError> {
        let volume = VolumeCreateRequest {
            name: Some(self.volume(name)),
            labels: Some(self.labels(name)),
            ..VolumeCreateRequest::default()
        };
        Ok(self.docker.create_volume(volume).await.map(drop)?)
    }

    pub(super) async fn create(
        &self,
        name: &str,
        body: ContainerCreateBody,
    ) -> Result<String, RuntimeError> {
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        Ok(self.docker.create_container(Some(options), body).await?.id)
    }

    pub(super) async fn start(&self, id: &str) -> Result<(), RuntimeError> {
        Ok(self.docker.start_container(id, None).await?)
    }

    pub(super) async fn freeze(&self, id: &str) -> Result<(), RuntimeError> {
        Ok(self.docker.pause_container(id).await?)
    }

    /// Lets it go on; one that is not held stays as it is.
    pub(super) async fn thaw(&self, id: &str) -> Result<(), RuntimeError> {
        let Err(error) = self.docker.unpause_container(id).await else { return Ok(()) };
        let state = self.inspect(id).await.and_then(|found| found.state);
        match state {
            Some(state) if state.paused == Some(false) => Ok(()),
            _ => Err(error.into()),
        }
    }

    /// Asks it to end, and waits; after a while it is made to.
    pub(super) async fn end(&self, id: &str) {
        let options = StopContainerOptionsBuilder::new().t(GRACE).build();
        if let Err(error) = self.docker.stop_container(id, Some(options)).await {
            tracing::warn!(container = id, %error, "container.not_ended");
        }
    }

    /// Kills and removes it, and returns when it is gone. Its volume stays.
    pub(super) async fn remove(&self, id: &str) {
        for _ in 0..LOOKS {
            let options = RemoveContainerOptionsBuilder::new().force(true).build();
            match self.docker.remove_container(id, Some(options)).await {
                Ok(()) | Err(Error::DockerResponseServerError { status_code: 404, .. }) => return,
                // It is being removed, or the engine is not there at the moment.
                Err(error) => tracing::debug!(container = id, %error, "container.not_removed"),
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        tracing::error!(container = id, "container.not_removed");
    }

    pub(super) async fn inspect(&self, id: &str) -> Option<ContainerInspectResponse> {
        self.docker.inspect_container(id, None).await.ok()
    }

    /// Whether it runs, as far as anybody can tell: an engine that does not answer has not said no.
    pub(super) async fn runs(&self, id: &str) -> bool {
        match self.docker.inspect_container(id, None).await {
            Ok(found) => found.state.and_then(|state| state.running).unwrap_or(false),
            Err(Error::DockerResponseServerError { status_code: 404, .. }) => false,
            Err(_) => true,
        }
    }

    /// The last lines of what it has said.
    pub(super) async fn logs(&self, id: &str, lines: usize) -> String {
        let options = LogsOptionsBuilder::new().stdout(true).stderr(true).tail(&lines.to_string());
        let pieces = self.docker.logs(id, Some(options.build()));
        let text = pieces.filter_map(async |piece| piece.ok().map(|piece| piece.to_string()));
        text.collect().await
    }

    /// Returns when it ends; `false`: the engine went first.
    pub(super) async fn wait(&self, id: &str) -> bool {
        let mut ends = std::pin::pin!(self.docker.wait_container(id, None));
        matches!(ends.next().await, Some(Ok(_) | Err(Error::DockerContainerWaitError { .. })))
    }

    /// Removes everything of a person.
    pub(super) async fn erase(&self, user: ZakiUserId) -> Result<(), RuntimeError> {
        let theirs = [user_label(user)];
        for left in self.containers(&theirs).await? {
            self.remove(&left.id).await;
        }
        let options = ListVolumesOptionsBuilder::new().filters(&self.ours(&theirs)).build();
        let volumes = self.docker.list_volumes(Some(options)).await?.volumes;
        for volume in volumes.unwrap_or_default() {
            let options = RemoveVolumeOptionsBuilder::new().force(true).build();
            self.docker.remove_volume(&volume.name, Some(options)).await?;
        }
        Ok(())
    }
}

impl From<Error> for RuntimeError {
    fn from(error: Error) -> Self {
        Self::new(error.to_string())
    }
}
