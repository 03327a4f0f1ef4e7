//! The hub under measurement: the real program with one bot each on WhatsApp and Slack, and
//! the echo runtime.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;
use zaki_tests::load::{App, Business};
use zaki_tests::{SOON, up::Up, world};

use crate::drive::Target;

/// A running hub; ended when dropped.
pub(crate) struct Hub {
    up: Up,
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
        let mut up = Up::start(&config, &dir.path().join("zaki.log"), SOON)?;
        up.ready(&format!("http://{address}/ready"), SOON).await?;
        Ok(Self { up, address, dir })
    }

    /// For the load.
    pub(crate) fn target(&self) -> Target {
        Target { pid: self.up.pid(), address: self.address }
    }

    /// Its configuration and data.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}
