//! A world whose edge is the Worker in workerd, with a container for each person: `ZAKI_EDGE=workerd`.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use toml::Table;
use zaki_edge_native::offline_provider;

use crate::World;
use crate::edge::KEY;
use crate::setup::{set, set_default};
use crate::workerd::{Rig, Workerd, own_address};

/// Settings of the edge that the Worker has by a name of its own, in milliseconds.
const TIMES: [(&str, &str, &str); 4] = [
    ("sandbox", "stop_after_s", "ZAKI_STOP_AFTER_MS"),
    ("sandbox", "start_timeout_s", "ZAKI_START_TIMEOUT_MS"),
    ("backup", "quiet_s", "ZAKI_BACKUP_QUIET_MS"),
    ("backup", "every_s", "ZAKI_BACKUP_EVERY_MS"),
];
/// What the one provider of models is called.
const PROVIDER: &str = "main";

impl World {
    /// Its sandboxes are containers of a Worker in workerd.
    pub fn is_on_workerd(&self) -> bool {
        self.worker.is_some()
    }

    /// The Worker.
    pub fn worker(&self) -> Result<&Workerd> {
        self.worker.as_ref().context("the edge is no Worker")
    }

    /// Starts the Worker, unless the world has an edge of its own.
    pub(crate) async fn move_to_workerd(&mut self, settings: &mut Table) -> Result<()> {
        set_default(settings, "edge.key", KEY);
        if value(settings, "edge", "url").is_some() {
            return Ok(());
        }
        let rig = if self.openclaw.is_some() { Rig::find_agent() } else { Rig::find() };
        let rig = rig.context("ZAKI_EDGE=workerd, and no Worker is built")?;
        let hears = own_address().to_string();
        let mut bindings = json!({"ZAKI_HUB_URL": format!("http://{hears}")});
        for (section, key, variable) in TIMES {
            if let Some(seconds) = value(settings, section, key).and_then(toml::Value::as_integer) {
                bindings[variable] = json!((seconds * 1000).to_string());
            }
        }
        if self.openclaw.is_some() {
            self.model(settings, &mut bindings).await?;
        }
        let worker = Workerd::start(&rig, &self.dir().join("worker"), bindings).await?;
        set(settings, "edge.url", format!("http://{}", worker.address()).into());
        set_default(settings, "edge.hub_listen", hears);
        // Answers alone are counted, whatever the start of a container takes.
        set_default(settings, "turn.progress_s", 0);
        self.worker = Some(worker);
        Ok(())
    }

    /// The model that the world is set to, or the offline one, which the Worker has to be given.
    async fn model(&mut self, settings: &Table, bindings: &mut Value) -> Result<()> {
        let text = |key: &str| value(settings, "model", key).and_then(toml::Value::as_str);
        let (url, name) = if let Some(url) = text("base_url") {
            (url.to_owned(), text("name").unwrap_or("stub").to_owned())
        } else {
            let (url, served) = offline_provider().await?;
            self.model = Some(served);
            (url, "offline".to_owned())
        };
        let keys = json!({PROVIDER: text("api_key").unwrap_or("none")});
        let provider = json!([{"name": PROVIDER, "url": url, "models": {&name: &name}}]);
        bindings["ZAKI_MODEL"] = json!(name);
        bindings["ZAKI_PROVIDERS"] = json!(provider.to_string());
        bindings["ZAKI_MODEL_KEYS"] = json!(keys.to_string());
        // As an edge has it that is told nothing.
        bindings["ZAKI_EXEC"] = json!("deny");
        Ok(())
    }
}

fn value<'t>(settings: &'t Table, section: &str, key: &str) -> Option<&'t toml::Value> {
    settings.get(section).and_then(|section| section.get(key))
}
