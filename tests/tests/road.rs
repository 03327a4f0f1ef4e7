//! The whole road, once on every channel: a message in, the answer out, where it was asked.

use anyhow::{Context, Result};
use serde_json::json;
use zaki_simulators::{Call, Simulator, discord, telegram};
use zaki_tests::world::GUILD;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};

const ADA: Person = Person::ADA;

#[tokio::test(flavor = "multi_thread")]
async fn every_channel_answers_where_it_was_asked() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        let answer = world.ask(channel, ADA, &format!("hello {channel}")).await?;
        assert_eq!(answer, format!("echo: hello {channel}"));
    }
    for channel in ChannelKind::ALL {
        let [message] = &world.inbox(channel).await?[..] else { panic!("one message each") };
        assert_eq!(message["state"], "joined", "{message}");
        assert_eq!(message["conversation"]["kind"], "direct", "{message}");
        let [delivery] = &world.deliveries(channel).await?[..] else { panic!("one answer each") };
        assert_eq!(delivery["state"], "sent", "{delivery}");
        assert_eq!(delivery["turn"], message["turn"], "{delivery}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_keep_the_order_of_the_questions() -> Result<()> {
    let world = Setup::echo().start().await?;
    for channel in [ChannelKind::Telegram, ChannelKind::Discord] {
        let texts: Vec<String> = (0..20).map(|n| format!("question {n}")).collect();
        for text in &texts {
            world.say(channel, ADA, text);
        }
        let last = |sent: &zaki_simulators::Sent| sent.text.ends_with("question 19");
        world.expect_sent(channel, last).await?;
        // Those that came while an answer was being made were answered together.
        let answers = world.answers(channel, ADA).join("\n").replace("echo: ", "");
        assert_eq!(answers.lines().collect::<Vec<_>>(), texts, "{channel}");
    }
    Ok(())
}

/// Runs `/zaki` and returns what `@original` reads at the end.
async fn slash_command(world: &World, channel: &discord::Channel) -> Result<String> {
    let option = ("message", "from a command");
    let asked = world.discord.command(channel, &ADA.discord(), "zaki", option).await;
    if let Some(attempt) = &asked.attempt {
        // The simulator gave up after Discord's 3 s, so a status is an answer in time.
        assert_eq!(attempt.status, Some(200), "{attempt:?}");
        assert_eq!(attempt.answer["type"], 5, "deferred: {attempt:?}");
    }
    let place = channel.id.to_string();
    let shown = |sent: &zaki_simulators::Sent| sent.has_text() && sent.conversation == place;
    let sent = world.expect_sent(ChannelKind::Discord, shown).await?;
    let edited = |call: &Call| {
        let original = format!("{}/messages/@original", asked.token);
        call.verb == "PATCH" && call.path.ends_with(&original) && call.status == 200
    };
    let edited = world.discord.calls().wait_for(edited, SOON).await;
    edited.with_context(|| format!("@original was not edited\n{}", world.log()))?;
    let text = world.discord.text_of(channel.id, sent.message.parse()?);
    text.context("the answer is not a message")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slash_command_by_webhook_is_deferred_and_its_original_filled_in() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Discord]).start().await?;
    let direct = world.discord.direct(&ADA.discord());
    assert_eq!(slash_command(&world, &direct).await?, "echo: from a command");
    let general = discord::Channel::in_guild(GUILD.0, GUILD.1, "general");
    assert_eq!(slash_command(&world, &general).await?, "echo: from a command");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slash_command_comes_over_the_gateway_where_there_is_no_public_url() -> Result<()> {
    let setup = Setup::echo().only(&[ChannelKind::Discord]).without_public_url();
    let world = setup.start().await?;
    let direct = world.discord.direct(&ADA.discord());
    assert_eq!(slash_command(&world, &direct).await?, "echo: from a command");
    let deferred = |call: &Call| call.method == "interaction_callback" && call.body["type"] == 5;
    assert_eq!(world.discord.calls().matching(deferred).len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slack_mention_is_one_turn_and_answered_in_its_thread() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Slack]).start().await?;
    let place = "C0GENERAL";
    world.slack.add_channel(place, "general");
    world.slack.say_in(place, &ADA.slack(), "nobody asked the bot", json!({}));
    let mut asked = Vec::new();
    for n in 1..=2 {
        let (message, _) =
            world.slack.mention(place, &ADA.slack(), &format!("question {n}"), json!({}));
        let mine = |sent: &zaki_simulators::Sent| {
            sent.has_text() && sent.text.contains(&format!("question {n}"))
        };
        let sent = world.expect_sent(ChannelKind::Slack, mine).await?;
        assert_eq!((sent.conversation.as_str(), sent.thread.as_ref()), (place, Some(&message.ts)));
        asked.push(message.ts);
    }
    // The second answer came after anything the first question could still have brought.
    let posts = world.slack.sent().matching(zaki_simulators::Sent::has_text);
    let threads: Vec<_> = posts.into_iter().filter_map(|sent| sent.thread).collect();
    assert_eq!(threads, asked, "one answer for each question, none for what was said to others");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_in_a_discord_guild_is_answered_and_other_talk_is_not() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Discord]).start().await?;
    let general = discord::Channel::in_guild(GUILD.0, GUILD.1, "general");
    world.discord.say_in(&general, &ADA.discord(), "just talking", json!({}));
    let said = world.discord.say_in(&general, &ADA.discord(), "@zaki what is up", json!({}));
    let here = |sent: &zaki_simulators::Sent| sent.has_text();
    let sent = world.expect_sent(ChannelKind::Discord, here).await?;
    assert_eq!(sent.conversation, GUILD.1.to_string());
    assert!(sent.text.contains("what is up"), "{sent:?}");
    assert_eq!(sent.reply_to, Some(said.id.to_string()), "it replies to the question");
    only_one_got_a_turn(&world, ChannelKind::Discord).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mention_in_a_telegram_group_is_answered_and_other_talk_is_not() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    let group = telegram::Chat::group(-1_001_000_000_001, "Friends");
    world.telegram.say_in(&group, &ADA.telegram(), "just talking", json!({}));
    let update =
        world.telegram.say_in(&group, &ADA.telegram(), "@zaki_sim_bot what is up", json!({}));
    let here = |sent: &zaki_simulators::Sent| sent.has_text();
    let sent = world.expect_sent(ChannelKind::Telegram, here).await?;
    assert_eq!(sent.conversation, group.id.to_string());
    assert!(sent.text.contains("what is up"), "{sent:?}");
    assert_eq!(sent.reply_to, world.telegram.message_id(update).map(|id| id.to_string()));
    only_one_got_a_turn(&world, ChannelKind::Telegram).await
}

/// Of everything said, one message got a turn; of what is kept of the rest, it is kept why not.
async fn only_one_got_a_turn(world: &World, channel: ChannelKind) -> Result<()> {
    let inbox = world.inbox(channel).await?;
    let (turns, others): (Vec<_>, Vec<_>) =
        inbox.iter().partition(|message| !message["turn"].is_null());
    assert_eq!(turns.len(), 1, "{inbox:#?}");
    for other in others {
        assert_eq!(
            (&other["state"], &other["reason"]),
            (&json!("settled"), &json!("not_addressed"))
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn telegram_is_polled_without_a_public_url_and_the_offset_outlives_the_hub() -> Result<()> {
    let setup = Setup::echo().only(&[ChannelKind::Telegram]).without_public_url();
    let mut world = setup.start().await?;
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "one").await?, "echo: one");
    world.noted().await?;
    world.kill()?;
    let polls = world.telegram.calls().len();
    let missed = world.telegram.say(&ADA.telegram(), "two, while nobody listened");
    world.up().await?;
    let answers = world.expect(ChannelKind::Telegram, ADA, 2, SOON).await?;
    assert_eq!(answers, ["echo: one", "echo: two, while nobody listened"]);
    assert_eq!(world.ask(ChannelKind::Telegram, ADA, "three").await?, "echo: three");
    let polls = usize::try_from(polls)?;
    let calls = world.telegram.calls().all();
    let first =
        calls.iter().skip(polls).find(|call| call.method == "getUpdates" && call.status == 200);
    let first = first.context("no poll after the restart")?;
    let offset = first.body["offset"].as_i64();
    let offset = offset.or_else(|| first.body["offset"].as_str()?.parse().ok());
    assert_eq!(offset, Some(missed), "it goes on where it was: {first:?}");
    Ok(())
}
