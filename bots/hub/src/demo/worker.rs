//! `zaki demo --edge workerd`: the edge as it runs on Cloudflare, in workerd on this machine, with a
//! container for each person. The offline model answers from here, since that edge has none.

use std::{net::SocketAddr, path::Path};

use anyhow::{Context, Result};
use serde_json::json;
use tokio::task::JoinHandle;
use toml::{Table, Value};
use zaki_edge_native::offline_provider;
use zaki_simulators::workerd::{Rig, Workerd};

use super::{free_address, say};

const PROVIDER: &str = "offline";

/// A Worker that runs. Dropping it ends it, and removes its containers.
pub(super) struct Cloud {
    worker: Workerd,
    model: JoinHandle<()>,
    key: String,
    /// Where the hub hears what agents say by themselves.
    hears: SocketAddr,
}

impl Cloud {
    /// Starts it; an error says what is missing, and what to do.
    pub(super) async fn start(data: &Path) -> Result<Self> {
        let rig = Rig::for_demo()?;
        let (key, hears) = (secret(), free_address()?);
        let (url, model) = offline_provider().await?;
        let shared = hex::encode(&key);
        let provider =
            json!([{"name": PROVIDER, "url": url, "models": {PROVIDER: PROVIDER}}]).to_string();
        let bindings = json!({
            "ZAKI_EDGE_KEYS": format!("edge={shared},hub={shared}"),
            "ZAKI_SANDBOX_SECRET": secret(),
            "ZAKI_HUB_URL": format!("http://{hears}"),
            "ZAKI_MODEL": PROVIDER,
            "ZAKI_PROVIDERS": provider,
            "ZAKI_MODEL_KEYS": json!({PROVIDER: "none"}).to_string(),
            "ZAKI_EXEC": "deny",
        });
        let worker = Workerd::start(&rig, &data.join("worker"), bindings).await;
        let worker = worker.context("the Worker does not start")?;
        say(&format!("edge in workerd  http://{}", worker.address()));
        Ok(Self { worker, model, key, hears })
    }

    /// `[edge]` of the hub.
    pub(super) fn edge(&self) -> Table {
        let pairs = [
            ("url", format!("http://{}", self.worker.address())),
            ("key", self.key.clone()),
            ("hub_listen", self.hears.to_string()),
        ];
        pairs.into_iter().map(|(name, value)| (name.to_owned(), Value::String(value))).collect()
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        self.model.abort();
    }
}

fn secret() -> String {
    hex::encode(rand::random::<[u8; 32]>())
}
