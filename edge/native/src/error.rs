//! Why an edge does not start.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why an edge does not start. Each is one sentence with the mend.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The address is taken or not ours.
    #[error("the edge cannot listen on {address}: {source}; free it or set another edge.listen")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The data directory cannot be used.
    #[error("the edge cannot use {}: {source}; make it writable or choose another data directory", path.display())]
    Data {
        /// What could not be made or read.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another edge works there.
    #[error("another edge uses {}; stop it or choose another data directory", path.display())]
    Taken {
        /// The directory.
        path: PathBuf,
    },
    /// Sandboxes have users of their own and cannot get there.
    #[error(
        "sandboxes run as users of their own and cannot reach {}: {} is closed to others; \
         choose a place outside it, or run: chmod o+x {}",
        path.display(), closed.display(), closed.display()
    )]
    Unreachable {
        /// What they need.
        path: PathBuf,
        /// What is in the way.
        closed: PathBuf,
    },
    /// They cannot be kept apart as was required.
    #[error(
        "sandboxes cannot be isolated here: {0}; mend that, or set sandbox.isolation to \"auto\" or \
         sandbox.runtime to \"docker\""
    )]
    NotIsolated(String),
    /// Backups can be kept nowhere.
    #[error("backups cannot be kept: {0}; set backup.directory or backup.s3 to a place of yours")]
    Backups(String),
    /// The process runtime was given no program.
    #[error("the process runtime needs the container program; set edge.program")]
    NoProgram,
    /// No Docker engine.
    #[error(
        "no Docker engine answers at {}: {source}; start it, or set another sandbox.docker.socket",
        socket.display()
    )]
    Engine {
        /// Where it was looked for.
        socket: PathBuf,
        /// What the client said.
        #[source]
        source: bollard::errors::Error,
    },
    /// No image.
    #[error(
        "the Docker engine has no image {image}; make it by `cargo xtask image`, or set \
         sandbox.docker.image to one it has"
    )]
    NoImage {
        /// What was asked for.
        image: String,
    },
    /// Its database cannot be used.
    #[error(transparent)]
    Store(#[from] zaki_store::Error),
    /// A header of a provider.
    #[error(
        "the header {name} of a provider of models is none; mend model.headers or model.api_key"
    )]
    Header {
        /// Its name; never what is in it.
        name: String,
    },
    /// The client for model calls or sandboxes cannot be set up.
    #[error("the HTTP client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
}
