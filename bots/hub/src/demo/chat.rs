//! `zaki demo` without `--once`: a small chat in the terminal, on any of the four channels.

use std::{collections::HashMap, process::ExitCode};

use anyhow::Result;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::broadcast::Receiver,
};
use zaki_envelope::{ChannelKind, InboundId};
use zaki_simulators::{Follow, Sent};

use super::{say, watch::Journey, world::World};
use crate::{
    serve::Server,
    stage::{Stage, Step},
};

pub(super) async fn run(world: &World, server: &Server) -> Result<ExitCode> {
    say(&format!("the hub listens   http://{}", server.address));
    for (name, url) in world.urls() {
        say(&format!("{name:<16} {url}"));
    }
    outln!("Write a line to talk on Telegram, or begin it with another channel:");
    outln!("  slack: what did I say first?");
    outln!("/mode says what happens to what you write while an answer is awaited; /stop ends it.");
    outln!("Ctrl-C ends the demo and everything it started.");
    let mut chat = Chat::new(world, server.parts.stages.watch());
    let mut lines = Some(BufReader::new(tokio::io::stdin()).lines());
    while lines.is_some() || chat.awaits() {
        let is_free = chat.written.is_none();
        let line = async {
            match &mut lines {
                // One at a time is sent, so that they arrive in order.
                Some(lines) if is_free => lines.next_line().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            line = line => match line? {
                Some(line) => chat.write(&line),
                None => lines = None,
            },
            stage = chat.stages.recv() => if let Ok(stage) = stage {
                chat.note(stage);
            },
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What was written, and what comes back.
struct Chat<'w> {
    world: &'w World,
    stages: Receiver<Stage>,
    /// What the bot does, by channel and the conversation it is shown from.
    acts: Vec<(ChannelKind, String, Follow<Sent>)>,
    /// Written and not yet accepted.
    written: Option<Journey>,
    /// Accepted and not yet over.
    open: HashMap<InboundId, Journey>,
}

impl<'w> Chat<'w> {
    fn new(world: &'w World, stages: Receiver<Stage>) -> Self {
        let follow = |kind| Some((kind, world.conversation(kind, 0), world.sent(kind)?.follow()));
        let acts = ChannelKind::ALL.into_iter().filter_map(follow).collect();
        Self { world, stages, acts, written: None, open: HashMap::new() }
    }

    fn awaits(&self) -> bool {
        self.written.is_some() || !self.open.is_empty()
    }

    fn write(&mut self, line: &str) {
        let (channel, text) = address(line);
        if !text.is_empty() {
            self.written = Some(Journey::begin(channel));
            self.world.say(channel, 0, text);
        }
    }

    fn note(&mut self, Stage { inbound, step }: Stage) {
        if matches!(step, Step::Accepted { .. })
            && let Some(journey) = self.written.take()
        {
            self.open.insert(inbound, journey);
        }
        if self.open.get_mut(&inbound).is_some_and(|journey| journey.take(step)) {
            self.open.remove(&inbound);
            self.show();
        }
    }

    /// What the bot has written since the last time.
    fn show(&mut self) {
        for (channel, conversation, acts) in &mut self.acts {
            for sent in acts.take() {
                if sent.has_text() && sent.conversation == *conversation {
                    outln!("{channel}> {}", sent.text);
                }
            }
        }
    }
}

/// `slack: hello` is for Slack, `hello` for Telegram.
fn address(line: &str) -> (ChannelKind, &str) {
    let named =
        line.split_once(':').and_then(|(name, text)| Some((name.trim().parse().ok()?, text)));
    let named = named.filter(|(channel, _)| ChannelKind::ALL.contains(channel));
    let (channel, text) = named.unwrap_or((ChannelKind::Telegram, line));
    (channel, text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_its_channel_or_means_telegram() {
        assert_eq!(address("slack: hi"), (ChannelKind::Slack, "hi"));
        for line in ["remember: milk", "web: hi"] {
            assert_eq!(address(line), (ChannelKind::Telegram, line));
        }
    }
}
