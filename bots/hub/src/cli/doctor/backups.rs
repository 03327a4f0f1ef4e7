//! Whether the memories of sandboxes are backed up.

use anyhow::Result;
use zaki_edge_native::BackupPlace;

use super::{Finding, Verdict, counts::Counts, finding, finding_of};
use crate::config::Config;

/// Where to, and, of an edge that runs, whether they are late.
pub(super) fn check(config: &Config, counts: Option<&Counts>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if config.edge.url.is_none() {
        findings.push(finding_of("backups", place(config)));
    }
    let overdue = counts.and_then(|counts| counts.one("zaki_backups_overdue")).unwrap_or(0);
    if overdue > 0 {
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
