//! Load for the benchmarks: connections, a platform and a clock that cost little beside the program
//! they measure, since both share the machine. Not for the suites: those want the simulators, which
//! check every word.

mod connection;
mod sink;
mod slack;
mod times;
mod usage;
mod whatsapp;

pub use connection::Connection;
pub use sink::Sink;
pub use slack::App;
pub use times::Times;
pub use usage::Usage;
pub use whatsapp::{Business, Place};
