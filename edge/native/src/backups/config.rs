//! Where backups go, when they are made, how long they are kept.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use zaki_edge_core::backup::{Retention, Schedule};
use zaki_store::Keys;

/// How sandboxes are backed up.
#[derive(Clone, Debug)]
pub struct BackupConfig {
    /// Where to.
    pub place: BackupPlace,
    /// After a turn, so long nothing else may happen in a sandbox before it is backed up.
    pub quiet: Duration,
    /// So long after something new it is backed up at the latest. Twice as long is overdue.
    pub every: Duration,
    /// How many backups of a sandbox are kept.
    pub keep: usize,
    /// How long they are; the newest one for good.
    pub keep_for: Duration,
    /// What they are encrypted with; none: they are not.
    pub keys: Keys,
}

/// Where backups are kept.
#[derive(Clone, Debug, Default)]
pub enum BackupPlace {
    /// `backups` in the data directory.
    #[default]
    Data,
    /// This directory.
    Directory(PathBuf),
    /// A bucket of an S3-compatible store.
    S3(S3Config),
}

/// How an S3-compatible store is reached.
#[derive(Clone, Debug)]
pub struct S3Config {
    /// Such as `https://s3.eu-central-1.amazonaws.com`.
    pub endpoint: String,
    /// Which bucket; it must be there.
    pub bucket: String,
    /// Such as `eu-central-1`; `auto` where there are none.
    pub region: String,
    /// Who.
    pub access_key_id: String,
    /// The proof of it.
    pub secret_access_key: SecretString,
}

impl Default for BackupConfig {
    /// In the data directory, 15 s after a turn and every 5 minutes; 10 of them, for 30 days.
    fn default() -> Self {
        Self {
            place: BackupPlace::Data,
            quiet: Duration::from_secs(15),
            every: Duration::from_mins(5),
            keep: 10,
            keep_for: Duration::from_hours(30 * 24),
            keys: Keys::default(),
        }
    }
}

impl BackupConfig {
    pub(crate) fn schedule(&self) -> Schedule {
        Schedule { quiet_ms: ms(self.quiet), every_ms: ms(self.every) }
    }

    pub(crate) fn retention(&self) -> Retention {
        Retention { count: self.keep, age_ms: ms(self.keep_for) }
    }
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
