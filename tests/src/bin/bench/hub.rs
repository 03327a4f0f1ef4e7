//! The hub under measurement: the real program with one WhatsApp number and the echo runtime.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::Result;
use tempfile::TempDir;
use zaki_tests::load::Business;
use zaki_tests::{SOON, up::Up, world};

/// A running hub; ended when dropped.
pub(crate) struct Hub {
    up: Up,
    pub(crate) address: SocketAddr,
    dir: TempDir,
}

impl Hub {
    /// The path of its webhook.
    pub(crate) const WEBHOOK: &str = "/webhooks/whatsapp/main";

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
             app_secret = \"{app_secret}\"\nverify_token = \"bench\"\n",
            dir.path().join("data").display()
        );
        fs::write(&config, text)?;
        fs::set_permissions(&config, Permissions::from_mode(0o600))?;
        let mut up = Up::start(&config, &dir.path().join("zaki.log"), SOON)?;
        up.ready(&format!("http://{address}/ready"), SOON).await?;
        Ok(Self { up, address, dir })
    }

    /// Its process.
    pub(crate) fn pid(&self) -> i32 {
        self.up.pid()
    }

    /// Its configuration and data.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }
}
