//! All four platforms at once.

use std::io;

use serde_json::{Map, Value};

use crate::{Simulator, discord::Discord, graph::Graph, slack::Slack, telegram::Telegram};
use crate::{discord, graph, slack, telegram};

/// The four simulators, each on its own port.
#[derive(Clone)]
pub struct Simulators {
    /// Telegram.
    pub telegram: Telegram,
    /// Discord.
    pub discord: Discord,
    /// WhatsApp.
    pub whatsapp: Graph,
    /// Slack.
    pub slack: Slack,
}

impl Simulators {
    /// Start all four with their default configurations.
    pub async fn start() -> io::Result<Self> {
        Ok(Self {
            telegram: Telegram::start(telegram::Config::default()).await?,
            discord: Discord::start(discord::Config::default()).await?,
            whatsapp: Graph::start(graph::Config::default()).await?,
            slack: Slack::start(slack::Config::default()).await?,
        })
    }

    /// Each of them.
    pub fn each(&self) -> [&dyn Simulator; 4] {
        [&self.telegram, &self.discord, &self.whatsapp, &self.slack]
    }

    /// The one of this name.
    pub fn named(&self, name: &str) -> Option<&dyn Simulator> {
        self.each().into_iter().find(|s| s.name() == name)
    }

    /// URLs, tokens and secrets of all, by name.
    pub fn credentials(&self) -> Value {
        let named = self.each().into_iter().map(|s| (s.name().to_owned(), s.credentials()));
        Value::Object(named.collect::<Map<_, _>>())
    }
}
