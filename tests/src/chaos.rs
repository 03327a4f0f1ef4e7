//! Trouble on purpose, and the proof that it cost nothing: a seeded script of what everybody says,
//! a watch over what the platforms saw, and a check of the hub's promises over both records.
//! Not for a single behaviour: the suites beside it show those one at a time.

pub mod check;
mod crowd;
mod hops;
mod kills;
mod script;
mod seed;
mod stage;
mod watch;

pub use crowd::Crowd;
pub use hops::{CONNECTIONS, Hops, STORMS};
pub use kills::Kills;
pub use script::{Line, Pause, Place, Script, Talk};
pub use seed::{Chance, Seed};
pub use stage::{Report, Stage};
pub use watch::Watch;
