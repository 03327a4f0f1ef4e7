//! Whether the memories of sandboxes are backed up.

use std::time::Duration;

use anyhow::{Context, Result};
use url::Url;
use zaki_edge_native::BackupPlace;

use super::{Finding, Verdict, finding, finding_of};
use crate::{config::Config, data_dir};

const PATIENCE: Duration = Duration::from_secs(5);

/// Where to, and, of an edge that runs, whether they are late.
pub(super) async fn check(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.edge.url.is_none() {
        findings.push(finding_of("backups", place(config)));
    }
    if let Some(edge) = running(config)
        && let Ok(overdue) = overdue(&edge).await
        && overdue > 0
    {
        let says = format!(
            "{overdue} sandboxes have something new that should have been backed up long ago; \
             `zaki sandbox list` says why"
        );
        findings.push(finding(Verdict::Missing, "backups", says));
    }
    findings
}

fn place(config: &Config) -> Result<String> {
    let backup = config.backup.of_edge()?;
    let place = match &backup.place {
        BackupPlace::Data => config.data_dir().join("backups").display().to_string(),
        BackupPlace::Directory(path) => path.display().to_string(),
        BackupPlace::S3(s3) => format!("bucket {} at {}", s3.bucket, s3.endpoint),
    };
    let key = backup.keys.first().map_or_else(String::new, |key| format!(", encrypted with {key}"));
    Ok(format!("{place}{key}"))
}

/// An edge that can be asked.
fn running(config: &Config) -> Option<Url> {
    let runs = data_dir::is_locked(&config.data_dir(), data_dir::Tenant::Edge);
    let here = || format!("http://{}", config.edge.listen).parse().ok();
    config.edge.url.clone().or_else(|| if runs { here() } else { None })
}

async fn overdue(edge: &Url) -> Result<u64> {
    let http = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let text = http.get(edge.join("/metrics")?).send().await?.text().await?;
    let line = text.lines().find_map(|line| line.strip_prefix("zaki_backups_overdue "));
    Ok(line.context("an edge that does not count backups")?.parse()?)
}
