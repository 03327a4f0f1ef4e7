//! Every hop breaks in every way while a crowd talks: the promises hold all the same. Short and
//! bounded; `cargo xtask soak faults` mixes everything for as long as one likes.

use std::time::Duration;

use anyhow::Result;
use futures::future::join_all;
use serde_json::Value;
use zaki_simulators::{Attempt, Fault, Simulator};
use zaki_tests::chaos::{CONNECTIONS, Hops, STORMS, Script, Seed, Stage};
use zaki_tests::clock::Clock;
use zaki_tests::proxy::{Proxy, Trouble};
use zaki_tests::{ChannelKind, SOON, Setup, World, post};

/// How long each trouble lasts, and the quiet after it.
const TROUBLE: Duration = Duration::from_millis(900);
const QUIET: Duration = Duration::from_millis(600);

/// One after another.
async fn all(proxy: &Proxy, troubles: &[Trouble]) {
    for trouble in troubles {
        proxy.make_for(*trouble, TROUBLE).await;
        tokio::time::sleep(QUIET).await;
    }
}

fn span(troubles: usize) -> Duration {
    (TROUBLE + QUIET) * u32::try_from(troubles).unwrap_or(u32::MAX)
}

/// A crowd talks while `trouble` goes on. `unknown`: how many sends may end that way.
async fn holds(
    world: &World,
    seed: Seed,
    span: Duration,
    unknown: Option<usize>,
    trouble: impl Future<Output = ()>,
) -> Result<()> {
    let stage = Stage::open(world);
    let script = Script::new(seed, 80, &ChannelKind::ALL);
    tokio::join!(stage.play(&script, span), trouble);
    let report = stage.settle(world, unknown, SOON).await?;
    println!("{report}");
    report.verdict()
}

fn hasty() -> Setup {
    Setup::echo().hasty()
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_that_break_off_are_answered_once() -> Result<()> {
    let seed = Seed::find();
    let (world, hops) = Hops::start(hasty(), seed).await?;
    let troubles = [&CONNECTIONS[..], &[Trouble::Twice]].concat();
    let trouble = all(&hops.webhook, &troubles);
    holds(&world, seed, span(troubles.len()), Some(0), trouble).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_slack_does_not_wait_for_is_followed_by_one_answer() -> Result<()> {
    let seed = Seed::find();
    let (world, hops) = Hops::start(hasty(), seed).await?;
    let slow = Duration::from_secs(4);
    holds(&world, seed, slow, Some(0), hops.webhook.make_for(Trouble::LateAnswer(slow), slow))
        .await?;
    let given_up = |attempt: &Attempt| attempt.failure == Some("http_timeout");
    assert!(!world.slack.attempts().matching(given_up).is_empty(), "Slack has waited");
    // What was given up had been stored, and what came again was known.
    let heard = u64::try_from(world.slack.attempts().matching(Attempt::accepted).len())?;
    let said = world.count(ChannelKind::Slack, "accepted").await?;
    assert!(said > heard, "acknowledged {said} times, heard {heard} times");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_refuses_in_storms_costs_nothing_but_time() -> Result<()> {
    let seed = Seed::find();
    let (world, hops) = Hops::start(hasty(), seed).await?;
    holds(&world, seed, span(STORMS.len()), Some(0), all(&hops.edge, &STORMS)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_cannot_be_reached_costs_nothing_but_time() -> Result<()> {
    let seed = Seed::find();
    let (world, hops) = Hops::start(hasty(), seed).await?;
    let troubles = [&CONNECTIONS[..], &[Trouble::Twice]].concat();
    let trouble = all(&hops.edge, &troubles);
    holds(&world, seed, span(troubles.len()), Some(0), trouble).await
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_whose_lines_break_get_every_answer_once_or_the_person_is_told() -> Result<()> {
    let seed = Seed::find();
    let (world, hops) = Hops::start(hasty(), seed).await?;
    let platforms = hops.platform.iter().map(|(_, proxy)| proxy);
    let trouble = async {
        // Not all in the same trouble at the same time.
        let lines = platforms.enumerate().map(async |(n, proxy)| {
            let mut troubles = CONNECTIONS;
            troubles.rotate_left(2 * n);
            all(proxy, &troubles).await;
        });
        tokio::join!(join_all(lines), gateway(&world));
    };
    holds(&world, seed, span(CONNECTIONS.len()), None, trouble).await
}

/// Discord's other line.
async fn gateway(world: &World) {
    for trouble in 0..3 {
        tokio::time::sleep(3 * TROUBLE).await;
        match trouble {
            0 => world.discord.drop_sockets(),
            1 => world.discord.reconnect(),
            _ => world.discord.invalidate(true),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn platforms_that_refuse_in_storms_get_every_answer_once_or_the_person_is_told() -> Result<()>
{
    let seed = Seed::find();
    let world = hasty().start().await?;
    let faults = [
        Fault::RateLimited { after_ms: 700 },
        Fault::Status { code: 502 },
        Fault::Status { code: 503 },
        Fault::Drop,
        Fault::LoseAnswer,
        Fault::Delay { ms: 1500 },
    ];
    let trouble = async {
        for fault in &faults {
            for channel in ChannelKind::ALL {
                let platform = world.platform(channel);
                platform.fail(Some(sending(channel)), 4, fault.clone());
            }
            tokio::time::sleep(TROUBLE + QUIET).await;
        }
    };
    holds(&world, seed, span(faults.len()), None, trouble).await
}

/// The call that sends a message.
fn sending(channel: ChannelKind) -> &'static str {
    match channel {
        ChannelKind::Telegram => "sendMessage",
        ChannelKind::Discord => "create_message",
        ChannelKind::WhatsApp => "messages",
        ChannelKind::Slack => "chat.postMessage",
        ChannelKind::Web => zaki_tests::no_bot(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_jumps_changes_nothing() -> Result<()> {
    let seed = Seed::find();
    let place = tempfile::tempdir()?;
    let Some((clock, wind)) = Clock::new(place.path())? else { return Ok(()) };
    // Slack signs the time: while the clock is wrong its requests are refused, as they must be.
    let channels = [ChannelKind::Telegram, ChannelKind::Discord, ChannelKind::WhatsApp];
    let world = wind(hasty().only(&channels)).start().await?;
    let stage = Stage::open(&world);
    let script = Script::new(seed, 60, &channels);
    let hour = 3600;
    let jumps = async {
        for wrong in [3 * hour, 0, -3 * hour, 26 * hour, 0] {
            tokio::time::sleep(Duration::from_millis(2500)).await;
            clock.set(wrong)?;
        }
        anyhow::Ok(())
    };
    let ((), jumped) = tokio::join!(stage.play(&script, Duration::from_secs(13)), jumps);
    jumped?;
    let report = stage.settle(&world, Some(0), SOON).await?;
    println!("{report}");
    // The hub's own times show that its clock was wrong.
    let now = i64::try_from(post::now())?;
    let deliveries = world.list(&["deliveries", "list", "--limit", "1000"]).await?;
    let wrong = |line: &Value| line["changed_at"].as_i64().unwrap_or_default() / 1000 - now;
    let wrong: Vec<i64> = deliveries.iter().map(wrong).collect();
    let (least, most) = (wrong.iter().min().copied(), wrong.iter().max().copied());
    assert!(least < Some(-2 * hour) && most > Some(2 * hour), "{least:?} {most:?}");
    report.verdict()
}
