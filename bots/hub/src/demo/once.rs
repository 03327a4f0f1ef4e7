//! `zaki demo --once`: one message on each channel, and what came of it.

use std::{process::ExitCode, time::Duration};

use anyhow::Result;
use futures::future::join_all;
use serde_json::json;
use zaki_envelope::ChannelKind;

use super::{
    Demo, say,
    watch::{self, Journey},
    world::World,
};
use crate::serve::Server;

/// Longer than a cold start on a busy machine and a turn after it.
const PATIENCE: Duration = Duration::from_mins(4);

/// What one message brought.
struct Exchange {
    channel: ChannelKind,
    person: u8,
    question: String,
    reply: Option<String>,
    journey: Journey,
}

pub(super) async fn run(world: &World, server: &Server, demo: &Demo) -> Result<ExitCode> {
    say("now one message on each channel; the first one wakes the sandbox, which takes a while");
    let people = (0..demo.people).map(|person| walk(world, server, person, demo));
    let answered = join_all(people).await.into_iter().all(|all| all);
    if !demo.json {
        outln!();
        outln!(
            "{}",
            if answered { "All channels were answered." } else { "Not all were answered." }
        );
    }
    Ok(if answered { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// One person writes on each channel in turn; whether all were answered.
async fn walk(world: &World, server: &Server, person: u8, demo: &Demo) -> bool {
    let mut answered = true;
    for (n, channel) in ChannelKind::ALL.into_iter().enumerate() {
        let question = match n {
            0 => format!("My favourite spice is {}.", spice(person)),
            _ => "What is my favourite spice?".to_owned(),
        };
        let exchange = ask(world, server, channel, person, question).await;
        answered &= exchange.is_answered(demo.echo);
        if demo.json {
            outln!("{}", exchange.json(demo.people > 1));
        } else {
            exchange.print(demo.people > 1);
        }
    }
    answered
}

/// Something to remember, another for each person: nobody may be told somebody else's.
fn spice(person: u8) -> &'static str {
    const SPICES: [&str; 5] = ["saffron", "cardamom", "sumac", "nigella", "turmeric"];
    SPICES.get(usize::from(person) % SPICES.len()).unwrap_or(&"salt")
}

async fn ask(
    world: &World,
    server: &Server,
    channel: ChannelKind,
    person: u8,
    question: String,
) -> Exchange {
    let conversation = world.conversation(channel, person);
    let (stages, seen) =
        (server.parts.stages.watch(), world.sent(channel).map_or(0, zaki_simulators::Log::len));
    let mut journey = Journey::begin(channel);
    world.say(channel, person, &question);
    let follow = watch::follow(&mut journey, stages, &conversation);
    // What there is by then is shown.
    let _ = tokio::time::timeout(PATIENCE, follow).await;
    let reply = world.reply(channel, &conversation, seen);
    Exchange { channel, person, question, reply, journey }
}

impl Exchange {
    fn is_answered(&self, echo: bool) -> bool {
        let agent = self.journey.agent.as_ref().map(|agent| agent.name.as_str());
        let real = agent == Some(if echo { "echo" } else { "openclaw" });
        real && !self.journey.failed && self.reply.as_ref().is_some_and(|text| !text.is_empty())
    }

    fn json(&self, several: bool) -> serde_json::Value {
        let ms = |at: Option<Duration>| at.map(|at| (at.as_secs_f64() * 10_000.0).round() / 10.0);
        let mut object = json!({
            "channel": self.channel,
            "sent": self.question,
            "reply": self.reply,
            "openclaw": self.journey.agent.as_ref().map(|agent| &agent.version),
            "accepted_ms": ms(self.journey.accepted),
            "wake_ms": ms(self.journey.started),
            "first_delta_ms": ms(self.journey.first_delta),
            "delivered_ms": ms(self.journey.delivered),
        });
        if several {
            object["person"] = json!(self.person + 1);
        }
        object
    }

    fn print(&self, several: bool) {
        let who = if several { format!(" (person {})", self.person + 1) } else { String::new() };
        outln!();
        outln!("{}{who}", self.channel);
        outln!("  asked     {}", self.question);
        outln!("  answered  {}", self.reply.as_deref().unwrap_or("nothing"));
        let at = |at: Option<Duration>| {
            at.map_or_else(|| "-".to_owned(), |at| format!("{:.1} ms", at.as_secs_f64() * 1000.0))
        };
        let Journey { accepted, started, first_delta, delivered, agent, .. } = &self.journey;
        let agent = agent.as_ref().map_or_else(
            || "nobody".to_owned(),
            |agent| format!("{} {}", agent.name, agent.version),
        );
        outln!(
            "  by        {agent}; accepted {}, agent started {}, first words {}, delivered {}",
            at(*accepted),
            at(*started),
            at(*first_delta),
            at(*delivered)
        );
    }
}
