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

    pub(crate) fn tmp(&self) -> PathBuf {
        self.0.join("tmp")
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.0.join("journal")
    }

    /// Which sessions were told to use which model.
    pub(crate) fn choices(&self) -> PathBuf {
        self.0.join("models.json")
    }

    /// What the gateway prints.
    pub(crate) fn output(&self) -> PathBuf {
        self.0.join("logs/gateway.out")
    }

    pub(crate) fn pid_file(&self) -> PathBuf {
        self.0.join("gateway.json")
    }

    /// Held while a program works on this state.
    pub(crate) fn lock_file(&self) -> PathBuf {
        self.0.join("lock")
    }
}
