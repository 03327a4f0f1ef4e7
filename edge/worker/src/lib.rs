//! The edge on Cloudflare: conversions and bindings between a Worker and `zaki-edge-core`.
//! Not for decisions: every one of them is in the core, which the native edge shares.

#![cfg(target_arch = "wasm32")]
#![warn(clippy::indexing_slicing)]

mod breakers;
mod clock;
mod config;
mod convert;
mod front;
mod rate;
mod registry;
mod report;
mod sandbox;
mod signal;

use std::time::Duration;

use worker::{Context, Env, Result, ScheduleContext, ScheduledEvent, event, web_sys};

pub use rate::RateLimit;
pub use registry::Registry;
pub use sandbox::{Sandbox1, Sandbox2, Sandbox3};

/// Answers one request.
#[event(fetch)]
async fn fetch(
    request: web_sys::Request,
    env: Env,
    _context: Context,
) -> Result<web_sys::Response> {
    Ok(front::answer(request, &env).await)
}

/// Every five minutes: memories that are in no backup are looked after.
#[event(scheduled)]
async fn scheduled(_event: ScheduledEvent, env: Env, _context: ScheduleContext) {
    report::flush(&env);
    let told = registry::tell_sums(&env).await;
    for done in [told, registry::look_after(&env).await] {
        if let Err(error) = done {
            report::failure("cron.failed", &error);
        }
    }
}

/// As a Worker's timers count.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
