//! Where everything of one sandbox lies, under its state directory.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The state directory.
#[derive(Clone, Debug)]
pub(crate) struct Layout(PathBuf);

impl Layout {
    /// Makes the directories, closed to everybody else.
    pub(crate) fn create(root: &Path) -> io::Result<Self> {
        let make = |path: &Path| DirBuilder::new().recursive(true).mode(0o700).create(path);
        make(root)?;
        let layout = Self(fs::canonicalize(root)?);
        for name in ["home", "openclaw", "workspace", "workspace-group", "journal", "logs", "tmp"] {
            make(&layout.0.join(name))?;
        }
        Ok(layout)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.0
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.0.join("home")
    }

    /// OpenClaw's own state.
    pub(crate) fn openclaw(&self) -> PathBuf {
        self.0.join("openclaw")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.0.join("openclaw/openclaw.json")
    }

    /// What was patched of it.
    pub(crate) fn patch(&self) -> PathBuf {
        self.0.join("openclaw/zaki-patch.json")
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.0.join("workspace")
    }

    pub(crate) fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    /// Media of turns, on their way in or out.
    pub(crate) fn media(&self) -> PathBuf {
        self.0.join("media")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Which sessions were told to use which model.
    pub(crate) fn choices(&self) -> PathBuf {
        self.0.join("models.json")
    }

    /// Where what the agent plans belongs.
    pub(crate) fn reminders(&self) -> PathBuf {
        self.0.join("reminders.json")
    }

    /// What the agent has said without being asked, until the edge has it.
    pub(crate) fn outbox(&self) -> PathBuf {
        self.0.join("outbox")
    }

    /// What the gateway prints.
    pub(crate) fn output(&self) -> PathBuf {
        self.0.join("logs/gateway.out")
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.0.join("gateway.json")
    }

    /// Who ends the gateway with us.
    pub(crate) fn guard_file(&self) -> PathBuf {
        self.0.join("guard.json")
    }

    /// Held while a program works on this state.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }
}
