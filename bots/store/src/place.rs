//! Where a database is, for the words of an error.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// Which database it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// The path of a file.
    File(Arc<Path>),
    /// `host/database`, never with a user or a password.
    Server(Arc<str>),
}

impl Place {
    pub(crate) fn file(path: &Path) -> Self {
        Self::File(path.into())
    }

    /// What to do when this one is not ours to use.
    pub(crate) const fn choose_another(&self) -> &'static str {
        match self {
            Self::File(_) => "choose another data directory",
            Self::Server(_) => "choose another database",
        }
    }

    /// What to do when it cannot be written.
    pub(crate) const fn make_writable(&self) -> &'static str {
        match self {
            Self::File(_) => "make it writable for this user or choose another data directory",
            Self::Server(_) => "connect to the primary server, as a user who may write",
        }
    }

    /// What to do when its content is damaged.
    pub(crate) const fn mend(&self) -> &'static str {
        match self {
            Self::File(_) => "move it away and restore a backup",
            Self::Server(_) => "restore a backup",
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(name) => f.write_str(name),
        }
    }
}
