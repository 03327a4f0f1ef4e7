//! `zaki`: one bot per platform, many people, a private OpenClaw sandbox for each of them.
//!
//! This is the hub: receive, resolve, lane, turn, deliver; and its command line. Not for platform
//! details (the channel crates) nor for what runs inside a sandbox (`container`).

mod accounts;
mod cli;
mod clock;
mod config;
mod counters;
mod deliver;
#[cfg(feature = "demo")]
mod demo;
mod edge;
mod http;
mod hub;
mod lanes;
mod presence;
mod serve;
mod stage;
mod turn;
mod words;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
