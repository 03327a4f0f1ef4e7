//! `[backup]`: where the memories of sandboxes are kept.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use zaki_edge_native::{BackupPlace, S3Config};
use zaki_store::Keys;

use super::{KeyConfig, load};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BackupConfig {
    #[serde(deserialize_with = "load::directory")]
    directory: Option<PathBuf>,
    #[serde(rename = "quiet_s", deserialize_with = "load::seconds")]
    quiet: Duration,
    #[serde(rename = "every_s", deserialize_with = "load::seconds")]
    every: Duration,
    keep: usize,
    keep_days: u64,
    keys: Vec<KeyConfig>,
    s3: Bucket,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bucket {
    endpoint: String,
    #[serde(rename = "bucket")]
    name: String,
    region: String,
    access_key_id: String,
    secret_access_key: SecretString,
}

impl BackupConfig {
    /// As the edge takes it, if it is one.
    pub(crate) fn of_edge(&self) -> Result<zaki_edge_native::BackupConfig> {
        let keys = self.keys.iter().map(|key| (key.id.as_str(), &key.key));
        if self.keep == 0 || self.every.is_zero() {
            bail!("backup.keep and backup.every_s must be at least 1");
        }
        Ok(zaki_edge_native::BackupConfig {
            place: self.place()?,
            quiet: self.quiet,
            every: self.every,
            keep: self.keep,
            keep_for: Duration::from_secs(self.keep_days.saturating_mul(24 * 3_600)),
            keys: Keys::new(keys).context("backup.keys")?,
        })
    }

    fn place(&self) -> Result<BackupPlace> {
        let Bucket { endpoint, name, region, access_key_id, secret_access_key } = &self.s3;
        if name.is_empty() {
            let directory = self.directory.clone().map(BackupPlace::Directory);
            return Ok(directory.unwrap_or_default());
        }
        if self.directory.is_some() {
            bail!("backup.directory and backup.s3.bucket are both set: backups go to one of them");
        }
        let secret = secret_access_key.expose_secret();
        if endpoint.is_empty() || access_key_id.is_empty() || secret.is_empty() {
            bail!(
                "backup.s3.bucket is set, but one of endpoint, access_key_id and \
                 secret_access_key (or secret_access_key_file) is not"
            );
        }
        Ok(BackupPlace::S3(S3Config {
            endpoint: endpoint.clone(),
            bucket: name.clone(),
            region: region.clone(),
            access_key_id: access_key_id.clone(),
            secret_access_key: secret_access_key.clone(),
        }))
    }
}
