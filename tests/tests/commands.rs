//! What people can ask of the hub itself, on every channel, and what becomes of it.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use zaki_lane::commands::TABLE;
use zaki_simulators::slack::Slash;
use zaki_simulators::{Act, Sent, Simulator, discord, telegram};
use zaki_tests::store::Held;
use zaki_tests::world::GUILD;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, house};
use zip::ZipArchive;

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const WHATSAPP: ChannelKind = ChannelKind::WhatsApp;
const SLACK: ChannelKind = ChannelKind::Slack;
const DISCORD: ChannelKind = ChannelKind::Discord;

fn code(said: &str) -> Result<String> {
    zaki_tests::tenant::code(said).with_context(|| format!("no code in {said:?}"))
}

async fn users(world: &World) -> Result<Vec<Value>> {
    let mut users = world.list(&["users", "list"]).await?;
    users.retain(|user| user["bindings"].as_array().is_some_and(|all| !all.is_empty()));
    Ok(users)
}

fn bindings(user: &Value) -> usize {
    user["bindings"].as_array().map_or(0, Vec::len)
}

/// Commands, and what their answers hold. The last one is answered in German.
const COMMANDS: [(&str, &str); 31] = [
    ("/help", "/link"),
    ("/start", "/link"),
    ("/status", "queue"),
    ("/stop", "nothing to stop"),
    ("/link", "-"),
    ("/links", "1"),
    ("/unlink", "1"),
    ("/unlink 1", "only way"),
    ("/unlink 9", ""),
    ("/new plans", "plans"),
    ("/session", "plans"),
    ("/session 1", ""),
    ("/session 77", ""),
    ("/session here", ""),
    ("/session name trip", "trip"),
    ("/model", ""),
    ("/usage", ""),
    ("/mode", "interrupt"),
    ("/mode steer", ""),
    ("/approve", ""),
    ("/approve 0b9f6e0e-6a53", ""),
    ("/deny", ""),
    ("/lang klingon", "Deutsch"),
    ("/feedback", ""),
    ("/feedback it is fine", ""),
    ("/export", "/export/"),
    ("/erase", "/erase"),
    ("/erase cancel", ""),
    ("/link confirm", ""),
    ("/link ABCD-2345", ""),
    ("/lang de", "Deutsch"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_command_is_answered_on_every_channel_by_the_hub() -> Result<()> {
    // So many in a row come sooner than the platforms want answers, and than people type.
    let setup = Setup::echo().set("deliver.paced", false).set("hub.commands_per_minute", 0);
    let world = setup.start().await?;
    let mut times = Times::default();
    for (n, channel) in ChannelKind::ALL.into_iter().enumerate() {
        for (command, expected) in COMMANDS {
            let begun = Instant::now();
            let said = world.ask(channel, ADA, command).await?;
            times.note(channel, command, begun.elapsed());
            let is_echo = said.starts_with("echo:");
            assert!(!is_echo && said.contains(expected), "{channel} {command}: {said}");
        }
        // What stops is a turn of the hub's own; all else is none.
        let is_done = |it: &&Value| {
            let is_stop = it["parts"][0]["text"] == "/stop";
            it["reason"] == "command" && it["turn"].is_null() || is_stop
        };
        let all = |inbox: &Vec<Value>| inbox.iter().filter(is_done).count() == COMMANDS.len();
        world.until("every command settled", || world.inbox(channel), all).await?;
        let known = house::known_to_edge(&world).await?;
        assert!(known.len() <= n, "{channel}: the edge has heard of {known:?}");
        assert_eq!(world.ask(channel, ADA, "/weather").await?, "echo: /weather", "{channel}");
    }
    times.print();
    Ok(())
}

#[test]
fn the_suite_gives_every_command_there_is() {
    for row in &TABLE {
        let name = format!("/{}", row.word);
        let is_given = |(given, _): &(&str, &str)| given.split(' ').next() == Some(&name);
        assert!(COMMANDS.iter().any(is_given), "{name} is not tried");
    }
}

/// How long answers took, from the platform's message to the platform's being told: for people to
/// read, since a machine that also compiles proves nothing.
#[derive(Default)]
struct Times(BTreeMap<&'static str, Vec<(ChannelKind, Duration)>>);

impl Times {
    /// What they are to stay below.
    const GOAL: Duration = Duration::from_millis(300);

    fn note(&mut self, channel: ChannelKind, command: &'static str, took: Duration) {
        self.0.entry(command).or_default().push((channel, took));
    }

    fn print(&self) {
        for (command, times) in &self.0 {
            let shown = times.iter().map(|(channel, took)| format!("{channel} {took:>9.1?}"));
            println!("{command:24} {}", shown.collect::<Vec<_>>().join("  "));
        }
        let mut all: Vec<Duration> = self.0.values().flatten().map(|(_, took)| *took).collect();
        all.sort_unstable();
        let at = |percent: usize| all.get((all.len() - 1) * percent / 100);
        let late = all.iter().filter(|took| **took > Self::GOAL).count();
        println!(
            "{} commands: p50 {:.1?}, p95 {:.1?}, at most {:.1?}; {late} over {:?}",
            all.len(),
            at(50).unwrap_or(&Duration::ZERO),
            at(95).unwrap_or(&Duration::ZERO),
            at(100).unwrap_or(&Duration::ZERO),
            Self::GOAL
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_commands_are_told_once_in_the_persons_words_and_stop_nothing_urgent() -> Result<()>
{
    let setup = Setup::echo().only(&[TELEGRAM, DISCORD]).set("hub.commands_per_minute", 4);
    let world = setup.start().await?;
    world.ask(TELEGRAM, ADA, "/lang de").await?;
    world.ask(TELEGRAM, ADA, "/links").await?;
    let told = world.ask(TELEGRAM, ADA, "/usage").await?;
    assert!(told.contains("viele Befehle auf einmal"), "{told}");
    world.say(TELEGRAM, ADA, "/model");
    let limited = |inbox: &Vec<Value>| {
        ["/usage", "/model"].iter().all(|text| {
            inbox.iter().any(|it| it["parts"][0]["text"] == *text && it["reason"] == "limited")
        })
    };
    world.until("two too many", || world.inbox(TELEGRAM), limited).await?;
    assert_eq!(world.answers(TELEGRAM, ADA).len(), 3, "it is said once");
    let stopped = world.ask(TELEGRAM, ADA, "/stop").await?;
    assert!(stopped.contains("nichts zu stoppen"), "{stopped}");
    let denied = world.ask(TELEGRAM, ADA, "/deny").await?;
    assert!(!denied.contains("viele Befehle"), "{denied}");
    assert_eq!(world.ask(TELEGRAM, ADA, "hello").await?, "echo: hello", "these are commands'");
    let others = world.ask(TELEGRAM, BOB, "/links").await?;
    assert!(others.contains("Telegram"), "{others}");
    // Also one who may be nobody, before anything is looked up.
    for n in 0..3 {
        let said = world.ask(TELEGRAM, Person(7), "/link ZZZZ-ZZZZ").await?;
        assert_eq!(said.contains("a lot of commands"), n == 2, "{said}");
    }
    // Where a platform shows that something is under way, that ends.
    let (direct, ada) = (world.discord.direct(&ADA.discord()), ADA.discord());
    for _ in 0..4 {
        world.discord.command(&direct, &ada, "status", ("message", "")).await;
    }
    world.expect_sent(DISCORD, |sent| sent.text.contains("a lot of commands")).await?;
    world.expect_sent(DISCORD, |sent| sent.act == Act::Retract).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_is_refused_in_silence_leaves_nothing_under_way() -> Result<()> {
    let setup = Setup::echo().only(&[DISCORD]).set("identity.sign_up", "closed");
    let world = setup.set("identity.groups.mode", "off").start().await?;
    let (direct, ada) = (world.discord.direct(&ADA.discord()), ADA.discord());
    let retracted = |sent: &Sent| sent.act == Act::Retract;
    let gone = async |count: usize| {
        world.discord.sent().wait_for_count(count, retracted, SOON).await.context(world.log())
    };
    world.discord.command(&direct, &ada, "zaki", ("message", "hello")).await;
    let told = world.expect_sent(DISCORD, |sent| sent.act == Act::Edit).await?;
    assert!(told.text.contains("private"), "{told:?}");
    // A stranger is told once a day.
    world.discord.command(&direct, &ada, "zaki", ("message", "hello?")).await;
    gone(1).await?;
    world.discord.command(&direct, &ada, "status", ("message", "")).await;
    gone(2).await?;
    let general = discord::Channel::in_guild(GUILD.0, GUILD.1, "general");
    world.discord.command(&general, &ada, "zaki", ("message", "hello")).await;
    gone(3).await?;
    assert_eq!(world.discord.sent().matching(|sent| sent.act == Act::Edit).len(), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_waits_for_a_store_holds_nothing_up() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM]).start().await?;
    world.ask(TELEGRAM, ADA, "hello").await?;
    let held = Held::on(&world.data().join("hub/identity.db"))?;
    world.say(TELEGRAM, ADA, "/new plans");
    world.say(TELEGRAM, ADA, "how are you?");
    let said = world.expect(TELEGRAM, ADA, 3, SOON).await?;
    assert!(said.iter().any(|text| text == "echo: how are you?"), "{said:?}");
    assert!(said.iter().any(|text| text.contains("longer than it should")), "{said:?}");
    drop(held);
    let said = world.expect(TELEGRAM, ADA, 4, SOON).await?;
    assert!(said[3].contains("plans"), "{said:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_given_behind_zaki_and_natively_where_a_platform_has_them() -> Result<()> {
    let world = Setup::echo().only(&[DISCORD, SLACK]).start().await?;
    let (direct, ada) = (world.discord.direct(&ADA.discord()), ADA.discord());
    for (name, words, answer) in [
        ("zaki", "links", "Discord"),
        ("zaki", "/model", "model"),
        ("links", "", "Discord"),
        ("lang", "fr", "français"),
        ("zaki", "/usage", "ujourd"),
    ] {
        world.discord.command(&direct, &ada, name, ("message", words)).await;
        // It takes the place of "thinking…".
        let answered = |sent: &Sent| sent.act == Act::Edit && sent.text.contains(answer);
        world.expect_sent(DISCORD, answered).await?;
    }
    let (url, user) = (world.url("/webhooks/slack/main/commands"), ADA.slack());
    let channel = world.slack.direct_channel(&user);
    for (text, answer) in [("links", "Slack"), ("/lang de", "Deutsch"), ("/session", "1")] {
        let slash = Slash { command: "/zaki", text, user: &user, channel: &channel };
        world.slack.command(&url, &slash).await;
        let answered = |sent: &Sent| sent.text.contains(answer);
        world.expect_sent(SLACK, answered).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_goes_on_elsewhere_with_its_last_lines() -> Result<()> {
    let world = Setup::echo().start().await?;
    world.ask(TELEGRAM, ADA, "the keys are in the **blue** jar").await?;
    let code = code(&world.ask(TELEGRAM, ADA, "/link").await?)?;
    world.join(WHATSAPP, ADA, &code).await?;
    world.expect(TELEGRAM, ADA, 3, SOON).await?;
    let here = world.ask(WHATSAPP, ADA, "/session here").await?;
    assert!(here.contains("the keys are in the") && here.contains("echo: the keys"), "{here}");
    world.ask(WHATSAPP, ADA, "/new garden").await?;
    world.ask(WHATSAPP, ADA, "roses, not tulips").await?;
    let sessions = world.ask(TELEGRAM, ADA, "/session").await?;
    assert!(sessions.contains("garden"), "{sessions}");
    let back = world.ask(TELEGRAM, ADA, "/session 1").await?;
    assert!(back.contains("jar") && !back.contains("roses"), "{back}");
    let garden = world.ask(TELEGRAM, ADA, "/session 2").await?;
    assert!(garden.contains("roses") && !garden.contains("jar"), "{garden}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hub_speaks_the_language_of_whoever_it_speaks_to() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM, WHATSAPP]).start().await?;
    let id = ADA.telegram().id;
    world.telegram.introduce(&telegram::Chat::private(&ADA.telegram()));
    let stop = json!({
        "message_id": 5, "date": 1_795_000_000, "text": "/stop",
        "chat": {"id": id, "type": "private"},
        "from": {"id": id, "is_bot": false, "first_name": "Ada", "language_code": "ar"},
    });
    world.telegram.push("message", &stop);
    let said = world.expect(TELEGRAM, ADA, 1, SOON).await?;
    assert!(said[0].chars().any(|c| ('\u{600}'..'\u{700}').contains(&c)), "{said:?}");
    let said = world.ask(WHATSAPP, BOB, "/lang español").await?;
    assert!(said.contains("español"), "{said}");
    let chosen = world.ask(WHATSAPP, BOB, "/stop").await?;
    assert!(!chosen.contains("nothing to stop"), "{chosen}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_makes_two_channels_one_person_and_is_nowhere_kept() -> Result<()> {
    let mut world = Setup::echo().start().await?;
    let offered = world.ask(TELEGRAM, ADA, "/link").await?;
    let code = code(&offered)?;
    for way in ["https://wa.me/", "https://discord.com/users/", "/zaki link"] {
        assert!(offered.contains(way), "{way} is not in {offered}");
    }
    let joined = world.join(WHATSAPP, ADA, &code.to_lowercase()).await?;
    assert!(joined.contains("Telegram"), "{joined}");
    let told = world.expect(TELEGRAM, ADA, 2, SOON).await?;
    assert!(told[1].contains("WhatsApp"), "{told:?}");
    let again = world.ask(SLACK, ADA, &format!("/link {code}")).await?;
    let never = world.ask(SLACK, ADA, "/link ZZZZ-ZZZZ").await?;
    assert_eq!(again, never, "a used code is answered as one that never was");
    let known = users(&world).await?;
    assert_eq!(known.iter().map(bindings).sum::<usize>(), known.len() + 1 + 1, "{known:#?}");
    let links = world.ask(WHATSAPP, ADA, "/links").await?;
    assert!(links.contains("Telegram") && links.contains("WhatsApp"), "{links}");
    world.noted().await?;
    world.kill()?;
    let plain = code.replace('-', "");
    for spelling in [code.as_str(), plain.as_str(), &code.to_lowercase(), &plain.to_lowercase()] {
        let log = world.whole_log();
        assert!(!log.contains(spelling), "a code is in the log");
        for line in world.list(&["inbox", "list"]).await? {
            assert!(!line.to_string().contains(spelling), "a code is in {line}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_become_one_only_when_both_say_so() -> Result<()> {
    let world = Setup::echo().start().await?;
    world.ask(TELEGRAM, ADA, "hello").await?;
    world.ask(SLACK, ADA, "hello").await?;
    let code = code(&world.ask(TELEGRAM, ADA, "/link").await?)?;
    world.ask(SLACK, ADA, &format!("/link {code}")).await?;
    let asked = world.expect(TELEGRAM, ADA, 3, SOON).await?;
    assert!(asked[2].contains("Slack") && asked[2].contains("/link yes"), "{asked:?}");
    assert_eq!(users(&world).await?.len(), 2, "nothing has happened yet");
    world.ask(SLACK, ADA, "/link yes").await?;
    assert_eq!(users(&world).await?.len(), 2, "one of them is not both");
    let merged = world.ask(TELEGRAM, ADA, "/link yes").await?;
    assert!(merged.contains("Slack"), "{merged}");
    let known = users(&world).await?;
    assert_eq!(known.iter().map(bindings).collect::<Vec<_>>(), [2], "{known:#?}");
    let told = world.expect(SLACK, ADA, 4, SOON).await?;
    assert!(told[3].contains("Telegram"), "{told:?}");
    // An account that leaves is a stranger from the next message on.
    world.ask(TELEGRAM, ADA, "/unlink 2").await?;
    assert_eq!(users(&world).await?.iter().map(bindings).collect::<Vec<_>>(), [1]);
    world.ask(SLACK, ADA, "hello again").await?;
    assert_eq!(users(&world).await?.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_kept_about_a_person_can_be_had_once() -> Result<()> {
    let world = Setup::echo().start().await?;
    world.ask(TELEGRAM, ADA, "my favourite spice is saffron").await?;
    world.ask(TELEGRAM, BOB, "mine is cumin").await?;
    let said = world.ask(TELEGRAM, ADA, "/export").await?;
    let url = said.split_whitespace().find_map(|word| {
        let at = word.find("http")?;
        Some(word[at..].trim_end_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned())
    });
    let url = url.with_context(|| format!("no address in {said}"))?;
    let looked = world.http.head(&url).send().await?;
    assert_eq!(looked.status(), 405, "a look is no download");
    let answer = world.http.get(&url).send().await?.error_for_status()?;
    assert_eq!(answer.headers()["content-type"], "application/zip");
    let mut archive = ZipArchive::new(Cursor::new(answer.bytes().await?))?;
    let mut read = |name: &str| -> Result<String> {
        let mut text = String::new();
        archive.by_name(name)?.read_to_string(&mut text)?;
        Ok(text)
    };
    let (person, lines) = (read("person.json")?, read("messages.jsonl")?);
    let talk = read("conversation.txt")?;
    assert!(person.contains(&ADA.telegram().id.to_string()), "{person}");
    assert!(lines.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(talk.contains("saffron") && talk.contains("echo: my favourite"), "{talk}");
    let memory: Value = serde_json::from_str(&read("sandbox/backups.json")?)?;
    // What echoes inside the edge remembers nothing; in a container it does.
    let backups = memory["backups"].as_array().map(Vec::len);
    assert_eq!(backups, Some(usize::from(world.is_on_workerd())), "{memory}");
    for text in [person, lines, talk] {
        assert!(!text.contains("cumin"), "somebody else's words are in it");
    }
    assert_eq!(world.http.get(&url).send().await?.status(), 404, "it is good for one");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_is_nobody() -> Result<()> {
    let world = Setup::echo().start().await?;
    world.ask(TELEGRAM, ADA, "my favourite spice is saffron").await?;
    world.ask(TELEGRAM, BOB, "mine is cumin").await?;
    let before = users(&world).await?;
    let code = code(&world.ask(TELEGRAM, ADA, "/erase").await?)?;
    let bobs = world.ask(TELEGRAM, BOB, &format!("/erase {code}")).await?;
    assert_eq!(users(&world).await?.len(), 2, "it is nobody else's code: {bobs}");
    world.ask(TELEGRAM, ADA, &format!("/erase {code}")).await?;
    let left = users(&world).await?;
    assert_eq!(left.len(), 1, "{left:#?}");
    let inbox = world.list(&["inbox", "list"]).await?;
    assert!(!serde_json::to_string(&inbox)?.contains("saffron"));
    assert!(serde_json::to_string(&inbox)?.contains("cumin"), "of others nothing is gone");
    world.ask(TELEGRAM, ADA, "hello").await?;
    let after = users(&world).await?;
    let is_old = |user: &&Value| before.iter().any(|old| old["user"] == user["user"]);
    assert_eq!(after.iter().filter(is_old).count(), 1, "they come as somebody new: {after:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_private_is_shown_in_a_group() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM]).start().await?;
    let group = telegram::Chat::basic_group(-77, "Friends");
    world.telegram.introduce(&group);
    let code = code(&world.ask(TELEGRAM, BOB, "/link").await?)?;
    world.ask(TELEGRAM, ADA, "hello").await?;
    let here = |sent: &Sent| sent.conversation == "-77" && sent.has_text();
    let name = telegram::Config::default().username;
    let private = ["/link", "/links", "/usage", "/export", "/erase", "/session", "/model"];
    for (n, command) in private.iter().enumerate() {
        let said = format!("{command}@{name}");
        world.telegram.say_in(&group, &ADA.telegram(), &said, json!({}));
        world.telegram.sent().wait_for_count(n + 1, here, SOON).await?;
    }
    let seen = world.telegram.sent().matching(here);
    let words: Vec<_> = seen.iter().map(|sent| sent.text.clone()).collect();
    assert!(words.iter().all(|text| *text == words[0]), "one sentence for all: {words:?}");
    // A code that is shown to others is not used, there or anywhere.
    let said = format!("/link@{name} {code}");
    world.telegram.say_in(&group, &ADA.telegram(), &said, json!({}));
    world.telegram.sent().wait_for_count(private.len() + 1, here, SOON).await?;
    let seen = world.ask(TELEGRAM, ADA, &format!("/link {code}")).await?;
    assert_eq!(seen, world.ask(TELEGRAM, ADA, "/link ZZZZ-ZZZZ").await?);
    assert_eq!(users(&world).await?.iter().map(bindings).max(), Some(1));
    Ok(())
}
