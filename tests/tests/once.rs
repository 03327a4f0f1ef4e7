//! Platforms deliver the same more than once. One turn, one answer.

use anyhow::{Context, Result};
use zaki_simulators::Simulator;
use zaki_tests::{ChannelKind, Person, Post, SOON, Said, Setup, World, payload};

const ADA: Person = Person::ADA;

/// A webhook request that `ADA` made, which the platform may repeat.
async fn message(world: &World, channel: ChannelKind, number: u32, text: &str) -> Result<Post> {
    if channel != ChannelKind::Discord {
        return Ok(payload::message(world, channel, ADA, number, text));
    }
    // Only an interaction that the platform knows can be answered: it has been delivered once.
    let (direct, user) = (world.discord.direct(&ADA.discord()), ADA.discord());
    let asked = world.discord.command(&direct, &user, "zaki", ("message", text)).await;
    let attempt = asked.attempt.context("no endpoint is set")?;
    Ok(Post::again(channel, &attempt))
}

/// What `ADA` was answered, once a last question is answered too: answers keep their order.
async fn answers(world: &World, channel: ChannelKind, expected: usize) -> Result<Vec<String>> {
    world.expect(channel, ADA, expected, SOON).await?;
    world.ask(channel, ADA, "last").await?;
    Ok(world.answers(channel, ADA))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_webhook_three_times_is_one_turn_and_one_answer() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        let one_by_one = message(&world, channel, 1, "one by one").await?;
        for _ in 0..3 {
            one_by_one.clone().expect(&world, 200).await?;
        }
        let at_once = message(&world, channel, 2, "at once").await?;
        let send = || at_once.clone().expect(&world, 200);
        let (a, b, c) = tokio::join!(send(), send(), send());
        let _ = (a?, b?, c?);
        let answers = answers(&world, channel, 2).await?;
        assert_eq!(answers, ["echo: one by one", "echo: at once", "echo: last"], "{channel}");
        assert_eq!(world.inbox(channel).await?.len(), 3, "{channel}: stored once each");
        assert_eq!(world.deliveries(channel).await?.len(), 3, "{channel}: one turn each");
    }
    Ok(())
}

fn again(world: &World, all: &[Said]) {
    for said in all {
        world.say_again(said);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_platform_delivers_again_later_is_known() -> Result<()> {
    let mut world = Setup::echo().start().await?;
    let mut said = Vec::new();
    for channel in ChannelKind::ALL {
        said.push(world.say(channel, ADA, "hello"));
        world.expect(channel, ADA, 1, SOON).await?;
    }
    again(&world, &said);
    world.noted().await?;
    world.kill()?;
    world.up().await?;
    again(&world, &said);
    for channel in ChannelKind::ALL {
        assert_eq!(answers(&world, channel, 1).await?, ["echo: hello", "echo: last"], "{channel}");
        assert_eq!(world.inbox(channel).await?.len(), 2, "{channel}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_is_acknowledged_like_the_first() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Slack]).start().await?;
    let post = payload::message(&world, ChannelKind::Slack, ADA, 1, "hello");
    let first = post.clone().expect(&world, 200).await?;
    let retry =
        post.header("x-slack-retry-num", "1").header("x-slack-retry-reason", "http_timeout");
    assert_eq!(retry.expect(&world, 200).await?.body, first.body);
    assert_eq!(world.slack.attempts().len(), 0, "nobody else asked");
    assert_eq!(answers(&world, ChannelKind::Slack, 1).await?, ["echo: hello", "echo: last"]);
    Ok(())
}
