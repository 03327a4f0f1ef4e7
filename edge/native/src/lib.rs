//! The edge on tokio: checks the hub's signature, wakes each person's sandbox, streams its turns,
//! and stands between the sandboxes and the model.
//!
//! A shell: what to do is decided in `zaki-edge-core`, what is done is done here. Not for knowing
//! chat platforms or people.

mod account;
mod actor;
mod approve;
mod backups;
mod call;
mod clock;
mod config;
mod counts;
mod docker;
mod edge;
mod error;
mod figures;
mod fleet;
mod http;
mod hub;
pub mod install;
mod listen;
mod media;
mod model;
mod operate;
mod people;
mod proactive;
mod recent;
mod record;
mod relay;
mod reminders;
mod runtime;
mod sandboxes;
mod shared;
mod state;
mod steer;
mod turn;
mod turns;
mod upgrade;

pub use backups::{BackupConfig, BackupPlace, S3Config};
pub use call::{Answered, CallError, Caller, Reach};
pub use config::{
    DockerConfig, EdgeConfig, Exec, Isolation, Network, ProcessConfig, RuntimeChoice, RuntimePaths,
    Tier,
};
pub use edge::{Edge, Load};
pub use error::EdgeError;
pub use hub::{HubClient, HubError};
pub use listen::serve;
pub use model::{ForwardConfig, ModelConfig, ProviderConfig, offline_provider};
pub use runtime::IsolationReport;
pub use zaki_edge_core::{meter::Price, model::Wire};
