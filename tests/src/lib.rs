//! What the end-to-end suites in `tests/` and the benchmarks stand on: the real program `zaki` as a
//! subprocess, the four simulated platforms in this process, and people who write to it.
//! Not for anything that ships: every part may assume loopback, Linux and a scratch directory.

pub mod balancer;
pub mod caller;
pub mod chaos;
pub mod clock;
pub mod corpus;
pub mod crowd;
pub mod edge;
pub mod gateway;
pub mod house;
pub mod load;
pub mod memory;
mod on_workerd;
pub mod openclaw;
pub mod payload;
pub mod people;
pub mod post;
pub mod postgres;
pub mod press;
pub mod processes;
pub mod program;
pub mod provider;
pub mod proxy;
pub mod replicas;
pub mod ruin;
pub mod rush;
mod setup;
pub mod store;
pub mod tenant;
pub mod up;
pub mod world;
pub mod wreck;

pub use people::{Person, Said, Shown};
pub use post::Post;
pub use setup::Setup;
pub use world::World;
pub use zaki_envelope::ChannelKind;
pub use zaki_simulators::workerd;

use std::time::Duration;

/// For what only a channel with a bot has.
pub fn no_bot() -> ! {
    unreachable!("nobody writes to a bot on the web")
}

/// Longer than anything but a real agent takes, also on a machine that is busy with other tests.
pub const SOON: Duration = Duration::from_secs(30);
