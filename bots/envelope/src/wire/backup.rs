//! Backups: what a sandbox says of an archive it makes, and how its backups stand.
//!
//! Inside a sandbox, where archives are made and read: `POST backup` (200 with an archive and
//! [`BACKUP_HEADER`]; 409: the agent is busy), `PUT restore` (204; 422: the archive is not whole
//! or not for this release; 400: it broke off on its way),
//! `POST begin` for a sandbox that waits without a state. At the edge: `GET /v1/sandboxes`,
//! `GET /v1/users/{userId}/sandbox`, `POST backup`, `POST restore`, `GET backups/{id}`.

use serde::{Deserialize, Serialize};

use super::{AgentInfo, Release, SandboxPhase};
use crate::{BackupId, Timestamp};

/// Carries a [`BackupSummary`] as JSON, beside the archive.
pub const BACKUP_HEADER: &str = "zaki-backup";

/// What an archive holds, said by the sandbox that makes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSummary {
    /// Which memory this is: drawn when a state begins anew, kept by restores. Two archives of
    /// different lineage are not older and newer, but two memories.
    pub lineage: String,
    /// Where the state lies inside the sandbox. An agent refuses a state that has moved.
    pub root: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentInfo>,
    /// How many files.
    pub files: u64,
    /// What they hold, in bytes, unpacked.
    pub bytes: u64,
    /// How many of them are databases, which is where memory lies.
    pub databases: u64,
}

impl BackupSummary {
    /// Whether no memory is in it.
    pub const fn is_empty(&self) -> bool {
        self.databases == 0 || self.bytes == 0
    }
}

/// One backup as the edge keeps it: whole, read back, and not changed since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backup {
    /// Its version; a later one is greater.
    pub id: BackupId,
    /// When it was taken.
    pub at: Timestamp,
    /// As it is stored, in bytes.
    pub size: u64,
    /// Of what is stored, in hexadecimal.
    pub sha256: String,
    /// The name of the key it is encrypted with; `None`: it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// What is in it.
    #[serde(flatten)]
    pub summary: BackupSummary,
}

/// How the memory of a sandbox stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BackupState {
    /// The last backup made, or restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<BackupId>,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Timestamp>,
    /// How much room its backups take, in bytes, when the last one was made; `None`: it is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored: Option<u64>,
    /// Since when there is something in it that no backup has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed_since: Option<Timestamp>,
    /// Whether that should have been backed up long ago.
    pub overdue: bool,
    /// Why the last try came to nothing; `None`: it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// The backup it was last restored from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<BackupId>,
    /// When that was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_at: Option<Timestamp>,
    /// What went wrong with the last restore: the backups that were passed over, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restore_failure: Option<String>,
}

/// One sandbox, as an operator sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxReport {
    /// Its name.
    pub sandbox: String,
    /// Whether it is up or coming up: its link is known.
    pub awake: bool,
    /// Where it is in its life.
    #[serde(default)]
    pub phase: SandboxPhase,
    /// What it runs on, or will at its next start, and what has become of an upgrade.
    #[serde(default)]
    pub release: Release,
    /// How its memory stands.
    pub backup: BackupState,
    /// Its backups, the newest first; `None`: not asked for, or the store does not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backups: Option<Vec<Backup>>,
}

/// `POST restore`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestoreRequest {
    /// Which one; the newest that verifies otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<BackupId>,
    /// Where none can be taken and it has no state, it begins anew, though not all are broken.
    #[serde(default)]
    pub anew: bool,
}

/// What came of `POST backup` and `POST restore`. The answer begins at once and ends, after some
/// line ends that keep it alive, with this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum BackupOutcome {
    /// This one was made, or restored.
    Done {
        /// Which.
        backup: Box<Backup>,
        /// Those that were tried before and are not whole, with why.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        passed_over: Vec<String>,
    },
    /// None could be restored, and it has begun anew as it was asked to. All are kept.
    Anew,
    /// There is nothing to back up that is not backed up, or no backup to restore.
    Nothing,
    /// It came to nothing.
    Failed {
        /// Why, in a sentence.
        why: String,
    },
}
