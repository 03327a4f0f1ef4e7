//! The four chat platforms, simulated wire-accurately for what Zaki uses of them: Telegram Bot
//! API, Discord REST and gateway, WhatsApp Cloud API (Graph), Slack Web API and Events API.
//! For tests and the demo, on loopback only; not an emulator of anything Zaki does not use, and
//! not a place for production secrets: what it records, it shows. Beside them is [`workerd`], which
//! runs the edge as it runs on Cloudflare.
//!
//! Each platform starts on a free port of 127.0.0.1 and stops when its last handle is dropped:
//!
//! ```no_run
//! # use std::time::Duration;
//! # use zaki_simulators::{Simulator, telegram};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let telegram = telegram::Telegram::start(telegram::Config::default()).await?;
//! telegram.say(&telegram::User::new(7, "Ada"), "hello");
//! let reply = telegram.sent().wait_for(|s| s.is_post(), Duration::from_secs(5)).await?;
//! assert_eq!(reply.conversation, "7");
//! # Ok(()) }
//! ```

mod all;
mod common;

pub mod discord;
pub mod graph;
pub mod slack;
pub mod telegram;
pub mod workerd;

pub use all::Simulators;
pub use common::{
    Act, Attempt, Call, Desk, Excess, Fault, Faults, Follow, Limit, Log, NotSeen, Repeat, Retry,
    Sent, Simulator, WebhookRefused, Whose, signature,
};
