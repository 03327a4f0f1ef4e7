//! A sandbox as a Docker container of our image: no capability, no network, a root that is
//! read-only, bounds on memory, processors and processes, and one named volume for what lasts.
//!
//! The one way in and out is a [`Tunnel`] through the engine. Everything here carries labels, so
//! that whatever a crash leaves behind is found.

mod engine;
mod shape;
mod tunnel;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::ContainerInspectResponse;
use rand::RngCore;
use reqwest::Client;
use serde::{Deserialize, Serialize};
use zaki_edge_core::{model::Wire, sandbox::Generation};
use zaki_envelope::{SandboxName, ZakiUserId};

use crate::{
    EdgeError,
    config::DockerConfig,
    runtime::{Container, HttpLink, Life, Link, Manner, Place, Runtime, RuntimeError, Version},
    state::SandboxRow,
};
use engine::Engine;
use shape::Shape;
use tunnel::Tunnel;

/// Between two looks at an engine that does not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// Where a container is.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Spot {
    /// Everything it was started with that may change: only an equal one is adopted.
    spec: String,
    /// Its id, known once it is made. Its name tells as well: it has the generation in it.
    container: Option<String>,
}

/// What a container needs of the edge it belongs to.
pub(crate) struct Surroundings<'a> {
    /// Tells the containers of this edge from those of another one on the same engine.
    pub(crate) edge: u32,
    /// Where the model proxy listens.
    pub(crate) model_proxy: SocketAddr,
    /// The model to ask for.
    pub(crate) model: &'a str,
    /// Further ones, which a turn may ask for.
    pub(crate) choices: &'a [String],
    /// The interface of the proxy that has them.
    pub(crate) api: Wire,
}

/// The Docker runtime.
pub(crate) struct Docker {
    engine: Engine,
    shape: Shape,
    model_proxy: SocketAddr,
    client: Client,
}

impl Docker {
    /// Finds the engine and the image, and removes the containers of this edge that are at no place
    /// of `known`.
    pub(crate) async fn open(
        config: DockerConfig,
        around: Surroundings<'_>,
        known: &[SandboxRow],
    ) -> Result<Self, EdgeError> {
        let engine = Engine::open(config.socket.as_deref(), around.edge).await?;
        let at = engine.image(&config.image).await?;
        let version = Version { agent: engine.agent(&at).await, at, node: String::new() };
        let cores = engine.cores().await?;
        let shape = Shape::new(&config, version, cores, &around);
        let model_proxy = around.model_proxy;
        let docker = Self { engine, shape, model_proxy, client: HttpLink::client()? };
        docker.sweep(known).await;
        Ok(docker)
    }

    /// What a start left that was never noted, or that belongs to nobody any more.
    async fn sweep(&self, known: &[SandboxRow]) {
        let expected = |row: &SandboxRow| {
            let place = row.place.as_ref()?;
            place.docker.as_ref().map(|_| self.engine.name(&row.name, place.generation))
        };
        let known: Vec<String> = known.iter().filter_map(expected).collect();
        for left in self.engine.containers(&[]).await.unwrap_or_default() {
            if !known.contains(&left.name) {
                tracing::warn!(container = %left.name, "container.left_behind");
                self.engine.remove(&left.id).await;
            }
        }
    }

    /// What is at `place`, however much of it was noted.
    async fn find(&self, name: &SandboxName, place: &Place) -> Option<ContainerInspectResponse> {
        let spot = place.docker.as_ref()?;
        let name = self.engine.name(name, place.generation);
        self.engine.inspect(spot.container.as_deref().unwrap_or(&name)).await
    }

    async fn id(&self, name: &SandboxName, place: &Place) -> Option<String> {
        self.find(name, place).await?.id
    }

    async fn link(&self, id: &str, place: &Place) -> io::Result<Container<Watched>> {
        let tunnel = Tunnel::open(self.engine.clone(), id.to_owned(), self.model_proxy).await?;
        let http = HttpLink::new(self.client.clone(), tunnel.address(), &place.token);
        let life = Watched { engine: self.engine.clone(), id: id.to_owned(), _tunnel: tunnel };
        Ok(Container { http, life })
    }

    async fn make(&self, name: &SandboxName, place: &Place) -> Result<String, RuntimeError> {
        // Two containers must never share a volume.
        for left in self.engine.containers(&[engine::sandbox_label(name)]).await? {
            self.engine.remove(&left.id).await;
        }
        self.engine.make_volume(name).await?;
        let volume = self.engine.volume(name);
        let body = self.shape.body(volume, place, self.engine.labels(name));
        self.engine.create(&self.engine.name(name, place.generation), body).await
    }
}

#[async_trait]
impl Runtime for Docker {
    fn can_freeze(&self) -> bool {
        true
    }

    fn is_isolated(&self) -> bool {
        true
    }

    /// Of the container there is: with it goes its log.
    async fn logs(&self, name: &SandboxName, lines: usize) -> BTreeMap<String, String> {
        let found = self.engine.containers(&[engine::sandbox_label(name)]).await;
        let Some(found) = found.ok().and_then(|found| found.into_iter().next()) else {
            return BTreeMap::new();
        };
        let text = self.engine.logs(&found.id, lines).await;
        [("sandbox".to_owned(), text)].into()
    }

    fn version(&self) -> Version {
        self.shape.version().clone()
    }

    async fn has(&self, version: &Version) -> bool {
        self.engine.image(&version.at).await.is_ok()
    }

    async fn place(
        &self,
        _number: u32,
        generation: Generation,
        version: Version,
    ) -> Result<Place, RuntimeError> {
        let mut token = [0; 32];
        rand::rng().fill_bytes(&mut token);
        let docker = Some(Spot { spec: self.shape.spec(&version), container: None });
        Ok(Place { generation, token: hex::encode(token), version, docker, ..Place::default() })
    }

    async fn start(
        &self,
        name: &SandboxName,
        place: &mut Place,
    ) -> Result<Arc<dyn Link>, RuntimeError> {
        let id = self.make(name, place).await?;
        if let Some(spot) = &mut place.docker {
            spot.container = Some(id.clone());
        }
        self.engine.start(&id).await?;
        Ok(Arc::new(self.link(&id, place).await?))
    }

    async fn adopt(&self, name: &SandboxName, place: &Place) -> Option<Arc<dyn Link>> {
        if place.docker.as_ref()?.spec != self.shape.spec(&place.version) {
            return None;
        }
        let found = self.find(name, place).await?;
        let (id, state) = (found.id?, found.state?);
        if state.running != Some(true) {
            return None;
        }
        self.engine.thaw(&id).await.ok()?;
        let link = self.link(&id, place).await.ok()?;
        let health = link.http.health().await.ok()?;
        (!health.has_failed()).then(|| Arc::new(link) as Arc<dyn Link>)
    }

    async fn stop(&self, name: &SandboxName, place: &Place, manner: Manner) {
        let Some(id) = self.id(name, place).await else { return };
        if manner == Manner::Gently {
            // One that is held cannot hear.
            let _ = self.engine.thaw(&id).await;
            self.engine.end(&id).await;
        }
        self.engine.remove(&id).await;
    }

    async fn freeze(&self, name: &SandboxName, place: &Place) -> Result<(), RuntimeError> {
        let gone = || RuntimeError::new("the container is gone");
        self.engine.freeze(&self.id(name, place).await.ok_or_else(gone)?).await
    }

    async fn thaw(&self, name: &SandboxName, place: &Place) -> Result<(), RuntimeError> {
        let gone = || RuntimeError::new("the container is gone");
        self.engine.thaw(&self.id(name, place).await.ok_or_else(gone)?).await
    }

    async fn erase(&self, user: ZakiUserId) -> io::Result<()> {
        self.engine.erase(user).await.map_err(io::Error::other)
    }
}

/// Knows when a container is gone.
struct Watched {
    engine: Engine,
    id: String,
    _tunnel: Tunnel,
}

#[async_trait]
impl Life for Watched {
    async fn exited(&self) {
        while self.engine.runs(&self.id).await {
            if !self.engine.wait(&self.id).await {
                // The engine went, and may come back; what it runs often does not notice.
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
    }
}

#[cfg(test)]
mod tests;
