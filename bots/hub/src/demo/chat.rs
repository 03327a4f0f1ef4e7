//! `zaki demo` without `--once`: a small chat in the terminal, on any of the four channels.

use std::{process::ExitCode, time::Instant};

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, BufReader};
use zaki_envelope::ChannelKind;

use super::{say, watch, world::World};
use crate::serve::Server;

pub(super) async fn run(world: &World, server: &Server) -> Result<ExitCode> {
    say(&format!("the hub listens   http://{}", server.address));
    for (name, url) in world.urls() {
        say(&format!("{name:<16} {url}"));
    }
    outln!("Write a line to talk on Telegram, or begin it with another channel:");
    outln!("  slack: what did I say first?");
    outln!("Ctrl-C ends the demo and everything it started.");
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        let (channel, text) = address(&line);
        if text.is_empty() {
            continue;
        }
        let conversation = world.conversation(channel, 0);
        let (stages, seen) = (server.parts.stages.watch(), world.sent(channel).len());
        world.say(channel, 0, text);
        watch::follow(stages, channel, &conversation, Instant::now()).await;
        outln!("{channel}> {}", world.reply(channel, &conversation, seen).unwrap_or_default());
    }
    Ok(ExitCode::SUCCESS)
}

/// `slack: hello` is for Slack, `hello` for Telegram.
fn address(line: &str) -> (ChannelKind, &str) {
    let named =
        line.split_once(':').and_then(|(name, text)| Some((name.trim().parse().ok()?, text)));
    let (channel, text) = named.unwrap_or((ChannelKind::Telegram, line));
    (channel, text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_channel_or_means_telegram() {
        assert_eq!(address("slack: hi"), (ChannelKind::Slack, "hi"));
        assert_eq!(address("remember: milk"), (ChannelKind::Telegram, "remember: milk"));
    }
}
