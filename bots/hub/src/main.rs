//! `zaki`: one bot per platform, many people, a private OpenClaw sandbox for each of them.
//!
//! This is the hub: receive, resolve, lane, turn, deliver; and its command line. Not for platform
//! details (the channel crates) nor for what runs inside a sandbox (`container`).

/// Prints a line on standard output, see [`out`].
macro_rules! outln {
    () => { $crate::out::line(format_args!("")) };
    ($($line:tt)*) => { $crate::out::line(format_args!($($line)*)) };
}

mod accept;
mod accounts;
mod approvals;
mod arrivals;
mod asked;
mod cli;
mod clock;
mod codes;
mod commands;
mod config;
mod counters;
mod data_dir;
#[cfg(feature = "demo")]
mod demo;
mod door;
mod doubt;
mod edge;
mod errands;
mod export;
mod groups;
mod home;
mod http;
mod hub;
mod insist;
mod intake;
mod lane;
mod lease;
mod limits;
mod live;
mod local_edge;
mod log;
mod media;
mod memory;
mod notice;
mod out;
mod outbox;
mod people;
mod places;
mod presence;
mod proactive;
mod queue;
mod readable;
mod readiness;
mod relay;
mod replica;
mod serve;
mod sources;
mod stage;
mod steer;
mod stores;
mod strangers;
mod troubles;
mod turn;
mod unbroken;
#[cfg(test)]
mod unleased;
mod voice;
mod waking;
mod web;
mod who;
mod writes;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(code) => match out::lost() {
            None => code,
            Some(why) => {
                eprintln!("error: not all of the output could be written: {why}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprintln!("error: {}", sentence(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error with its causes; a cause that has been told already is not told twice.
fn sentence(error: &anyhow::Error) -> String {
    let mut said = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !said.contains(&cause) {
            said = format!("{said}: {cause}");
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    #[test]
    fn nothing_is_said_twice() {
        let told = Err::<(), _>(std::io::Error::other("broken")).context("the disk: broken");
        let error = told.context("cannot start").unwrap_err();
        assert_eq!(super::sentence(&error), "cannot start: the disk: broken");
    }
}
