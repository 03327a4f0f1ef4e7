//! Codes that link, through the whole hub: nobody guesses one, one redeemer wins, every failure is
//! answered alike, and a code is kept nowhere. (What the directory does by itself, and a whole life
//! of a code in virtual time, is in its own tests.)
//!
//! `ZAKI_GUESS_S`: for how long codes are guessed.
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use nix::sys::signal::Signal;
use rusqlite::types::ValueRef;
use zaki_identity::{MORE_WRONG, PER_SENDER, most_wrong_in};
use zaki_simulators::Sent;
use zaki_tests::chaos::Seed;
use zaki_tests::replicas::Replicas;
use zaki_tests::tenant::code;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World, payload};

const ADA: Person = Person::ADA;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const WHATSAPP: ChannelKind = ChannelKind::WhatsApp;
const SLACK: ChannelKind = ChannelKind::Slack;
const SIGNS: &[u8] = b"23456789ABCDEFGHJKLMNPQRSTUVWXYZ";
const LIFE_MS: i64 = 600_000;

const JOINED: &str = "You have the same assistant here as on";
const ASKED: &str = "both of you can read all of it";
const REFUSED: &str = "This code does not work";
const TOO_MANY: &str = "That was too many codes";

fn setup() -> Setup {
    Setup::echo().set("deliver.paced", false)
}

/// A fresh code of somebody.
async fn offer(world: &World, who: Person) -> Result<String> {
    let said = world.ask(TELEGRAM, who, "/link").await?;
    code(&said).with_context(|| format!("no code in {said}"))
}

/// Another code than all there are, in all likelihood.
fn guess(chance: &mut zaki_tests::chaos::Chance) -> String {
    let sign = |_| SIGNS[usize::try_from(chance.among(0..32)).unwrap_or_default() % 32] as char;
    (0..8).map(sign).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn guessing_at_full_speed_finds_no_code() -> Result<()> {
    const SENDERS: u32 = 80;
    let seconds = std::env::var("ZAKI_GUESS_S").ok().and_then(|text| text.parse().ok());
    let span = Duration::from_secs(seconds.unwrap_or(8));
    let world = setup().start().await?;
    let secret = offer(&world, ADA).await?;
    let (seed, begun, tries) = (Seed::find(), Instant::now(), AtomicU32::new(0));
    let attack = |n: u32| {
        let (world, tries, mut chance) = (&world, &tries, seed.chance(n.into()));
        async move {
            while begun.elapsed() < span {
                let number = tries.fetch_add(1, Ordering::Relaxed);
                let who = Person(50 + u8::try_from(number % SENDERS).unwrap_or_default());
                let text = format!("/link {}", guess(&mut chance));
                let post = payload::message(world, WHATSAPP, who, number, &text);
                // One that is refused for a full intake is no try, either.
                post.send(world).await?;
            }
            anyhow::Ok(())
        }
    };
    for done in join_all((0..48).map(attack)).await {
        done?;
    }
    let sent = tries.load(Ordering::Relaxed);
    world.noted().await?;
    let count = |wanted: &str| {
        let people = (0..SENDERS).map(|n| 50 + u8::try_from(n).unwrap_or_default());
        let people = people.map(|n| world.answers(WHATSAPP, Person(n)));
        let texts = people.flatten().filter(|text| text.contains(wanted));
        u64::try_from(texts.count()).unwrap_or(u64::MAX)
    };
    let (looked_up, turned_away) = (count(REFUSED), count(TOO_MANY));
    let took = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    let bound = most_wrong_in(LIFE_MS);
    let all = 32_f64.powi(8);
    println!(
        "{sent} tries in {took} ms: {looked_up} were looked up, {turned_away} told to come later; \
         in the life of a code {bound} are at one bot, at most: a chance of 1 in {:.0} for each \
         open code",
        all / bound as f64
    );
    ensure!(count(JOINED) + count(ASKED) == 0, "a code was guessed");
    ensure!(looked_up > 0 && turned_away > 0, "nothing was tried");
    // One of each, and of all of them together what is left to those who have tried before.
    let most = u64::from(SENDERS) + MORE_WRONG.most_in(took);
    ensure!(most <= most_wrong_in(took), "too few minutes for so many");
    ensure!(looked_up <= most, "{looked_up} were looked up, more than {most}");
    let said = world.join(SLACK, ADA, &secret).await?;
    ensure!(said.contains(JOINED), "and the code itself is good as ever: {said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sender_is_stopped_after_a_few() -> Result<()> {
    let world = setup().only(&[TELEGRAM]).start().await?;
    let secret = offer(&world, ADA).await?;
    for _ in 0..PER_SENDER.most {
        let said = world.ask(TELEGRAM, Person::BOB, "/link ZZZZ-ZZZZ").await?;
        ensure!(said.contains(REFUSED), "{said}");
    }
    let said = world.ask(TELEGRAM, Person::BOB, &format!("/link {secret}")).await?;
    ensure!(said.contains(TOO_MANY), "also with the right one: {said}");
    Ok(())
}

/// So many type the same code at once, on every channel: one is asked, and again nobody is.
async fn race(world: &World) -> Result<()> {
    let channels = [WHATSAPP, SLACK, ChannelKind::Discord, TELEGRAM];
    for round in 0..8_u8 {
        let owner = Person(10 + round);
        let secret = offer(world, owner).await?;
        let racers: Vec<(ChannelKind, Person)> =
            channels.into_iter().map(|channel| (channel, Person(100 + 2 * round))).collect();
        let text = format!("/link {secret}");
        for (channel, who) in &racers {
            world.say(*channel, *who, &text);
            world.say(*channel, Person(who.0 + 1), &text);
        }
        let all = racers
            .iter()
            .flat_map(|(channel, who)| [(*channel, *who), (*channel, Person(who.0 + 1))]);
        let all: Vec<_> = all.collect();
        let said = all.iter().map(|(channel, who)| world.expect(*channel, *who, 1, SOON));
        let said: Vec<Vec<String>> = join_all(said).await.into_iter().collect::<Result<_>>()?;
        let won = said.iter().flatten().filter(|text| text.contains(ASKED)).count();
        let lost = said.iter().flatten().filter(|text| text.contains(REFUSED)).count();
        ensure!((won, lost) == (1, all.len() - 1), "{won} won, {lost} lost: {said:?}");
        let replayed = world.ask(SLACK, Person(200 + round), &text).await?;
        ensure!(replayed.contains(REFUSED), "{replayed}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_who_race_for_a_code_one_wins() -> Result<()> {
    let world = setup().start().await?;
    race(&world).await.with_context(|| world.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn also_where_they_race_over_two_replicas() -> Result<()> {
    let Some(replicas) = Replicas::start(setup(), 2, Seed::find()).await? else { return Ok(()) };
    race(&replicas.world).await.with_context(|| replicas.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_code_the_answer_is_one() -> Result<()> {
    const EACH: u8 = 12;
    let world = setup().start().await?;
    let (used, expired) = (offer(&world, ADA).await?, offer(&world, Person::BOB).await?);
    world.ask(SLACK, ADA, &format!("/link {used}")).await?;
    let store = rusqlite::Connection::open(world.data().join("hub/identity.db"))?;
    store.busy_timeout(SOON)?;
    let passed = store.execute("UPDATE code SET expires_at = 1 WHERE uses_left > 0", [])?;
    ensure!(passed == 1, "{passed} codes were open");
    let kinds = [
        ("never made", "ZZZZ-ZZZZ"),
        ("used", &used),
        ("expired", &expired),
        ("mistyped", "ABCD-23"),
        ("no code at all", "o0iI-1l-öä"),
    ];
    let (mut texts, mut times) = (BTreeSet::new(), BTreeMap::<&str, Vec<u128>>::new());
    for round in 0..EACH {
        for (n, (kind, typed)) in (0..).zip(kinds) {
            // Five of one sender, and so many a minute at one bot.
            let channel = if round % 2 == 0 { TELEGRAM } else { WHATSAPP };
            let who = Person(60 + n * EACH + round);
            let begun = Instant::now();
            let said = world.ask(channel, who, &format!("/link {typed}")).await?;
            times.entry(kind).or_default().push(begun.elapsed().as_micros());
            texts.insert(said.split_once('\n').map_or(said.clone(), |(first, _)| first.to_owned()));
            ensure!(said.contains(REFUSED), "{kind}: {said}");
        }
    }
    for (kind, times) in &mut times {
        times.sort_unstable();
        let at = |percent: usize| times.get(times.len() * percent / 100).copied().unwrap_or(0);
        println!("{kind:15} p10 {} us, p50 {} us, p90 {} us", at(10), at(50), at(90));
    }
    ensure!(texts.len() == 1, "{texts:?}");
    Ok(())
}

/// Every file under a directory.
fn files(dir: &Path, found: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            files(&path, found)?;
        } else if path.is_file() {
            found.push(path);
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_typed_code_is_in_no_file_no_log_and_no_sandbox() -> Result<()> {
    let mut world = setup().start().await?;
    for channel in ChannelKind::ALL {
        world.ask(channel, Person::BOB, "somebody already").await?;
    }
    let mut codes = Vec::new();
    // To be joined, to be confirmed, used up, and in a deep link's way.
    for (who, channel, joins, verb) in [
        (Person(20), WHATSAPP, Person(21), "/link"),
        (Person(22), SLACK, Person(23), "/link"),
        (Person(24), ChannelKind::Discord, Person(25), "/link"),
        (Person(26), SLACK, Person::BOB, "/link"),
        (Person(28), TELEGRAM, Person(29), "/start"),
    ] {
        let secret = offer(&world, who).await?;
        let plain = secret.replace('-', "");
        let typed = if verb == "/start" { plain.to_lowercase() } else { secret.to_lowercase() };
        world.ask(channel, joins, &format!("{verb} {typed}")).await?;
        world.ask(channel, Person(joins.0 + 100), &format!("{verb} {typed}")).await?;
        codes.extend([plain, secret]);
    }
    // Among other words: nobody uses it by that, and no agent reads it.
    for (channel, said) in [(SLACK, "my code is CODE, thanks"), (WHATSAPP, "link CODE")] {
        let secret = offer(&world, Person(30)).await?;
        let said = said.replace("CODE", &secret.to_lowercase());
        let before = world.answers(channel, Person::BOB).len();
        world.say(channel, Person::BOB, &said);
        let heard = world.expect(channel, Person::BOB, before + 2, SOON).await?.split_off(before);
        let has = |words: &str| heard.iter().any(|text| text.contains(words));
        ensure!(has("[redacted]") && has("it does not work any more"), "{said}: {heard:?}");
        let refused = world.ask(channel, Person::BOB, &format!("/link {secret}")).await?;
        ensure!(refused.contains(REFUSED), "it is void: {refused}");
        codes.extend([secret.replace('-', ""), secret]);
    }
    let sent = |sent: &Sent| sent.text.contains("echo: somebody already");
    world.expect_sent(TELEGRAM, sent).await?;
    world.noted().await?;
    world.stop(Signal::SIGTERM).await?;
    let mut found = Vec::new();
    files(world.dir(), &mut found)?;
    let ledger = world.data().join("hub/ledger.db");
    ensure!(found.contains(&ledger), "no ledger: {found:?}");
    let mut kept = Vec::new();
    for file in &found {
        let bytes = std::fs::read(file)?;
        let has = |code: &str| bytes.windows(code.len()).any(|part| part == code.as_bytes());
        let typed = codes.iter().any(|code| has(&code.to_lowercase()));
        // What the ledger has sent leaves its tables; a page of the file may still hold it.
        let offered = *file != ledger && codes.iter().any(|code| has(code));
        kept.extend((typed || offered).then(|| file.display().to_string()));
    }
    ensure!(kept.is_empty(), "codes are in {kept:?}");
    let tables = tables_with(&ledger, &codes)?;
    ensure!(tables.is_empty(), "codes are in {tables:?}");
    Ok(())
}

/// The tables of a store in which any of these texts stands.
fn tables_with(store: &Path, texts: &[String]) -> Result<BTreeSet<String>> {
    let store = rusqlite::Connection::open(store)?;
    let mut tables = store.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
    let tables = tables.query_map([], |row| row.get::<_, String>(0))?;
    let mut found = BTreeSet::new();
    for table in tables {
        let table = table?;
        let mut rows = store.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = rows.column_count();
        let mut rows = rows.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let value = row.get_ref(column)?;
                let (ValueRef::Text(bytes) | ValueRef::Blob(bytes)) = value else { continue };
                let said = String::from_utf8_lossy(bytes).to_uppercase();
                if texts.iter().any(|text| said.contains(text)) {
                    found.insert(table.clone());
                }
            }
        }
    }
    Ok(found)
}
