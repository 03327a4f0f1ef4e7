//! The hub under measurement: the real program with one bot each on WhatsApp and Slack, and
//! the echo runtime.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use zaki_tests::load::{App, Business};
use zaki_tests::{SOON, up::Up, world};

use crate::drive::Target;

/// A running hub; ended when dropped.
pub(crate) struct Hub {
    up: Option<Up>,
    address: SocketAddr,
    dir: TempDir,
}

impl Hub {
    /// The path of WhatsApp's webhook.
    pub(crate) const WHATSAPP: &str = "/webhooks/whatsapp/main";
    /// The path of Slack's.
    pub(crate) const SLACK: &str = "/webhooks/slack/main/events";

    /// Starts one whose platform is at `platform`; `settings` are lines of its configuration.
    pub(crate) async fn start(platform: &str, settings: &str) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("zaki-bench-").tempdir()?;
        let address = world::own_address();
        let Business { phone_number_id, app_secret, .. } = Business::BENCH;
        let config = dir.path().join("zaki.toml");
        let text = format!(
            "hub.listen = \"{address}\"\nhub.data_dir = \"{}\"\nedge.listen = \"127.0.0.1:0\"\n\
             sandbox.runtime = \"echo\"\n{settings}\n[whatsapp.main]\ntoken = \"bench\"\n\
             api_base = \"{platform}\"\nphone_number_id = \"{phone_number_id}\"\n\
             app_secret = \"{app_secret}\"\nverify_token = \"bench\"\n[slack.main]\n\
             token = \"xoxb-bench\"\napi_base = \"{platform}\"\nsigning_secret = \"{}\"\n",
            dir.path().join("data").display(),
            App::BENCH.signing_secret
        );
        fs::write(&config, text)?;
        fs::set_permissions(&config, Permissions::from_mode(0o600))?;
        let mut hub = Self { up: None, address, dir };
        hub.restart().await?;
        Ok(hub)
    }

    /// Asks it to end, and waits until it did.
    pub(crate) async fn stop(&mut self, signal: Signal) -> Result<()> {
        self.up.take().context("it does not run")?.stop(signal).await.map(drop)
    }

    /// Starts it on what an earlier run has left.
    pub(crate) async fn restart(&mut self) -> Result<()> {
        let (config, log) = (self.dir().join("zaki.toml"), self.dir().join("zaki.log"));
        let mut up = Up::start(&config, &log, SOON)?;
        up.ready(&format!("http://{}/ready", self.address), SOON).await?;
        self.up = Some(up);
        Ok(())
    }

    /// Where it keeps what it knows, unless on a server.
    pub(crate) fn data(&self) -> PathBuf {
        self.dir().join("data").join("hub")
    }

    /// For the load.
    pub(crate) fn target(&self) -> Target {
        Target { pid: self.up.as_ref().map_or(0, Up::pid), address: self.address }
    }

    /// Its configuration and data.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}
