//! Why the runtime is not there, in one sentence with the mend.

use std::io;
use std::path::{Path, PathBuf};

use super::{NODE_VERSION, OPENCLAW_VERSION};

/// Why Node and OpenClaw cannot be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// There is no npm.
    #[error(
        "npm is not installed; install Node.js with npm (on Debian: apt install npm) and start again"
    )]
    NoNpm,
    /// npm cannot reach its registry.
    #[error(
        "npm cannot reach its registry ({detail}); check the network, the proxy and `npm ping`, and start again"
    )]
    NoNetwork {
        /// npm's own code.
        detail: String,
    },
    /// The disk is full, or will be.
    #[error("no space for Node and OpenClaw in {}; free {needed_mb} MB or choose another data directory", dir.display())]
    NoSpace {
        /// Where they were to go.
        dir: PathBuf,
        /// In megabytes.
        needed_mb: u64,
    },
    /// The directory cannot be written.
    #[error("Node and OpenClaw cannot be installed in {}: {source}; make it writable or choose another data directory", dir.display())]
    Unwritable {
        /// Where they were to go.
        dir: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The registry does not have the pinned versions.
    #[error(
        "npm's registry has no node {NODE_VERSION} or openclaw {OPENCLAW_VERSION} ({detail}); use one that mirrors the public registry"
    )]
    NotThere {
        /// npm's own code.
        detail: String,
    },
    /// npm failed otherwise.
    #[error("npm could not install OpenClaw ({detail}); see {}", log.display())]
    Npm {
        /// npm's last words, or its exit status.
        detail: String,
        /// All of its words.
        log: PathBuf,
    },
    /// It is installed and does not work.
    #[error("the installed {what}; remove {} and start again", dir.display())]
    Broken {
        /// What is wrong.
        what: String,
        /// Where.
        dir: PathBuf,
    },
    /// No Node for this machine.
    #[error(
        "there is no Node and OpenClaw for {0}; run Zaki on x86-64 or 64-bit ARM Linux with glibc"
    )]
    Machine(&'static str),
}

impl InstallError {
    pub(crate) fn of(dir: &Path, source: io::Error) -> Self {
        let dir = dir.to_owned();
        if source.kind() == io::ErrorKind::StorageFull {
            let needed_mb = super::NEEDED_SPACE / 1_000_000;
            return Self::NoSpace { dir, needed_mb };
        }
        Self::Unwritable { dir, source }
    }
}
