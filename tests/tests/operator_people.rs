//! What whoever runs this decides about people by the command line, beside a hub that runs: it
//! notices at once. And what the command line says, to people and to programs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a suite")]

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use zaki_simulators::telegram::Chat;
use zaki_tests::chaos::Seed;
use zaki_tests::edge::KEY;
use zaki_tests::house;
use zaki_tests::replicas::Replicas;
use zaki_tests::tenant::code;
use zaki_tests::world::own_address;
use zaki_tests::{ChannelKind, Person, SOON, Setup, World};
use zip::ZipArchive;

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;
const TELEGRAM: ChannelKind = ChannelKind::Telegram;
const SLACK: ChannelKind = ChannelKind::Slack;

/// One object that a command prints.
async fn one(world: &World, args: &[&str]) -> Result<Value> {
    let mut lines = world.list(args).await?;
    ensure!(lines.len() == 1, "{args:?}: {lines:?}");
    lines.pop().context("no line")
}

/// Who answers somebody.
async fn who(world: &World, channel: ChannelKind, person: Person) -> Result<String> {
    let said = world.ask(channel, person, "WHO").await?;
    let (_, rest) = said.split_once("answered by openclaw-").with_context(|| said.clone())?;
    Ok(rest.split(' ').next().unwrap_or_default().to_owned())
}

/// A hub whose edge the command line can call.
fn open_edge() -> Setup {
    let address = own_address().to_string();
    Setup::echo().only(&[TELEGRAM, SLACK]).set("edge.key", KEY).set("edge.listen", address)
}

/// The way of an account through links, merges and back, as whoever runs this wants it.
async fn decides(world: &World) -> Result<()> {
    let (ada, slack) = (who(world, TELEGRAM, ADA).await?, who(world, SLACK, ADA).await?);
    let bob = who(world, TELEGRAM, BOB).await?;
    let merged = one(world, &["users", "merge", &ada, &slack]).await?;
    assert_eq!((&merged["moved"], &merged["sandbox"]), (&json!(1), &json!("retired")), "{merged}");
    assert_eq!(who(world, SLACK, ADA).await?, ada, "from the next message on");
    let shown = one(world, &["users", "show", &ada]).await?;
    assert_eq!(shown["bindings"].as_array().map(Vec::len), Some(2), "{shown}");
    assert!(shown["usage"]["day"]["messages"].as_u64() > Some(0) && shown["sessions"].is_array());
    let again = world.zaki(&["users", "merge", &ada, &slack]).await?.refusal()?;
    assert!(again.contains("unmerge"), "{again}");

    let back = one(world, &["users", "unmerge", &slack]).await?;
    assert_eq!(back["moved"], 1);
    assert_eq!(who(world, SLACK, ADA).await?, slack, "its sandbox serves again");
    let again = world.zaki(&["users", "unmerge", &slack]).await?.refusal()?;
    assert!(again.contains("has not become"), "{again}");

    let (_, sender) = BOB.sender(world, TELEGRAM);
    one(world, &["users", "unlink", &bob, "telegram", &sender]).await?;
    let new = who(world, TELEGRAM, BOB).await?;
    assert!(new != bob && new != ada, "a stranger");
    let nothing = world.zaki(&["users", "unlink", &bob, "telegram", &sender]).await?.refusal()?;
    assert!(nothing.contains("users show"), "{nothing}");
    one(world, &["users", "link", &bob, "telegram", &sender]).await?;
    assert_eq!(who(world, TELEGRAM, BOB).await?, bob);

    assert_eq!(one(world, &["users", "block", &bob]).await?["changed"], true);
    let before = world.answers(TELEGRAM, BOB).len();
    world.say(TELEGRAM, BOB, "let me in");
    let refused = |lines: &Vec<Value>| lines.iter().any(|line| line["reason"] == "refused");
    world.until("a refusal", || world.inbox(TELEGRAM), refused).await?;
    let told = &world.answers(TELEGRAM, BOB)[before..];
    assert!(told.iter().all(|text| !text.contains("echo")), "{told:?}");
    assert_eq!(one(world, &["users", "unblock", &bob]).await?["changed"], true);
    assert_eq!(one(world, &["users", "unblock", &bob]).await?["changed"], false);
    let before = world.answers(TELEGRAM, BOB).len();
    world.say(TELEGRAM, BOB, "here again");
    let answers = world.expect(TELEGRAM, BOB, before + 1, SOON).await?;
    assert_eq!(answers.last().map(String::as_str), Some("echo: here again"), "{answers:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_hub_goes_by_what_an_operator_decides() -> Result<()> {
    let world = open_edge().start().await?;
    decides(&world).await.with_context(|| world.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn and_so_do_replicas() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM, SLACK]);
    let Some(replicas) = Replicas::start(setup, 2, Seed::find()).await? else { return Ok(()) };
    decides(&replicas.world).await.with_context(|| replicas.log())
}

/// Takes away an account that a hub beside believes to know.
async fn take_away(world: &World, user: &str, who: Person, channel: ChannelKind) -> Result<()> {
    let (scope, sender) = who.sender(world, channel);
    let scope = format!("--scope={scope}");
    one(world, &["users", "unlink", user, channel.as_str(), &sender, &scope]).await.map(drop)
}

/// Somebody with an account on Telegram and one on Slack, who has written by both.
async fn on_both(world: &World) -> Result<String> {
    let ada = who(world, TELEGRAM, ADA).await?;
    let code = code(&world.ask(TELEGRAM, ADA, "/link").await?).context("no code")?;
    world.join(SLACK, ADA, &code).await?;
    assert_eq!(world.ask(SLACK, ADA, "two").await?, "echo: two");
    Ok(ada)
}

/// Waits until the message with these words is in this state.
async fn stands(world: &World, channel: ChannelKind, text: &str, state: &str) -> Result<()> {
    let is_it = |line: &Value| line["parts"][0]["text"] == text && line["state"] == state;
    let found = |lines: &Vec<Value>| lines.iter().any(is_it);
    world.until("a message to be there", || world.inbox(channel), found).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_away_is_held_to_nobody_s_limits() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM, SLACK]);
    let world = setup.set("tiers.standard-1.messages_per_day", 2).start().await?;
    let ada = on_both(&world).await?;
    let told = world.ask(SLACK, ADA, "three").await?;
    assert!(told.contains("as many messages today"), "{told}");
    take_away(&world, &ada, ADA, SLACK).await?;
    assert_eq!(world.ask(SLACK, ADA, "four").await?, "echo: four", "it is a stranger's first");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_away_ends_nobody_s_turn() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM, SLACK]);
    let world = setup.set("turn.mid_turn", "interrupt").start().await?;
    let ada = on_both(&world).await?;
    let before = world.answers(TELEGRAM, ADA).len();
    world.say(TELEGRAM, ADA, "SLOW:100x100");
    stands(&world, TELEGRAM, "SLOW:100x100", "joined").await?;
    take_away(&world, &ada, ADA, SLACK).await?;
    assert_eq!(world.ask(SLACK, ADA, "three").await?, "echo: three");
    let said = world.expect(TELEGRAM, ADA, before + 1, 2 * SOON).await?;
    assert!(said.last().is_some_and(|text| text.ends_with("word99")), "{said:?}");
    Ok(())
}

/// It waits behind a turn of theirs, and is asked about again when it is its turn.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_away_while_they_wait_is_answered_by_their_own() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM, SLACK]).start().await?;
    let ada = on_both(&world).await?;
    let before = world.answers(SLACK, ADA).len();
    world.say(TELEGRAM, ADA, "SLOW:40x100");
    stands(&world, TELEGRAM, "SLOW:40x100", "joined").await?;
    world.say(SLACK, ADA, "WHO");
    stands(&world, SLACK, "WHO", "accepted").await?;
    take_away(&world, &ada, ADA, SLACK).await?;
    let said = world.expect(SLACK, ADA, before + 1, 2 * SOON).await?;
    let last = said.last().context("nothing")?;
    assert!(last.contains("answered by openclaw-") && !last.contains(&ada), "{last}");
    Ok(())
}

/// Owners are told at home of strangers who wait, with what lets them in.
#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_away_makes_nobody_a_home() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM, SLACK]).start().await?;
    let ada = on_both(&world).await?;
    world.ask(SLACK, ADA, "/session here").await?;
    one(&world, &["users", "role", &ada, "owner"]).await?;
    assert_eq!(world.ask(SLACK, ADA, "two").await?, "echo: two");
    let home = async || Ok(one(&world, &["users", "show", &ada]).await?["home"].clone());
    world.until("a home on Slack", home, |home| home["channel"] == "slack").await?;
    take_away(&world, &ada, ADA, SLACK).await?;
    // By then the hub has read her anew, while it still remembers whose the account was.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    assert_eq!(world.ask(SLACK, ADA, "three").await?, "echo: three");
    assert_eq!(home().await?, Value::Null, "the place of somebody else");
    world.ask(TELEGRAM, ADA, "four").await?;
    world.until("a home of hers", home, |home| home["channel"] == "telegram").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_tiers_roles_feedback_and_the_record() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM]).start().await?;
    let (ada, bob) = (who(&world, TELEGRAM, ADA).await?, who(&world, TELEGRAM, BOB).await?);
    let group = Chat::group(-1_001_234, "Some group");
    let id = group.id.to_string();
    let set = ["groups", "set", "telegram", &id, "--mode", "always", "--owner", &ada];
    let changed = one(&world, &set).await?;
    assert_eq!((&changed["mode"], &changed["owner"]), (&json!("always"), &json!(ada)));
    let tries = async || {
        let refreshed = |sent: &zaki_simulators::Sent| {
            sent.conversation == id && sent.text.contains(&format!("answered by openclaw-{ada}"))
        };
        world.telegram.say_in(&group, &BOB.telegram(), "WHO is it", json!({}));
        tokio::time::timeout(SOON / 10, world.expect_sent(TELEGRAM, refreshed)).await
    };
    // Within the second in which the hub reads what others have changed.
    let mut told = tries().await;
    for _ in 0..5 {
        if told.is_ok() {
            break;
        }
        told = tries().await;
    }
    told.context("the group is not heard")??;
    let allowed = one(&world, &["groups", "allow", "telegram", &id, &bob]).await?;
    assert_eq!(allowed["changed"], true);
    let listed = one(&world, &["groups", "list"]).await?;
    assert_eq!(listed["people"], json!([bob]), "{listed}");
    one(&world, &["groups", "allow", "telegram", "-100777", &bob]).await?;
    let listed = world.list(&["groups", "list"]).await?;
    let other = listed.iter().find(|it| it["key"]["conversation"] == "-100777");
    assert_eq!(other.context("it is not listed")?["people"], json!([bob]), "nobody has set it");
    for (args, rule) in [
        (["telegram", "777"], "a number below 0"),
        (["telegram", ""], "a number below 0"),
        (["discord", "general"], "15 to 20 digits"),
        (["slack", "D024BE91L"], "C024BE91L"),
        (["web", "1"], "none on the web"),
    ] {
        let [channel, id] = args;
        let odd = world.zaki(&["groups", "set", channel, id, "--mode", "off"]).await?.refusal()?;
        assert!(odd.contains(rule), "{args:?}: {odd}");
    }
    let odd = world.zaki(&["groups", "set", "slack", "C1", "--mode", "off"]).await?.refusal()?;
    assert!(odd.contains("--scope"), "{odd}");
    let odd = world.zaki(&["groups", "set", "telegram", &id, "--mode", "loud"]).await?.refusal()?;
    assert!(odd.contains("mention"), "{odd}");

    one(&world, &["users", "role", &ada, "owner"]).await?;
    one(&world, &["users", "tier", &ada, "standard-2"]).await?;
    let shown = one(&world, &["users", "show", &ada]).await?;
    assert_eq!((&shown["role"], &shown["tier"]), (&json!("owner"), &json!("standard-2")));
    let list = world.zaki(&["users", "list"]).await?.ok()?;
    assert!(list.contains("owner, standard-2") && list.contains("telegram Person1"), "{list}");
    let found = world.list(&["users", "list", "--find", "person2"]).await?;
    assert_eq!(found.iter().map(|it| &it["user"]).collect::<Vec<_>>(), [&json!(bob)]);
    one(&world, &["users", "tier", &ada]).await?;
    assert_eq!(one(&world, &["users", "show", &ada]).await?["tier"], Value::Null);

    world.ask(TELEGRAM, BOB, "/feedback it is fine").await?;
    assert_eq!(one(&world, &["feedback", "list"]).await?["text"], "it is fine");

    let sound = one(&world, &["audit", "verify"]).await?;
    assert_eq!(sound["broken_at"], Value::Null);
    let newest = sound["head"].as_str().context("no head")?;
    let acts = world.list(&["audit", "list"]).await?;
    assert!(acts.iter().any(|act| act["act"] == "role_set" && act["by"] == "operator"), "{acts:?}");
    assert_eq!(acts.last().map(|act| &act["hash"]), Some(&json!(newest)));
    assert_eq!(world.list(&["audit", "list", "--after", "2", "--limit", "1"]).await?[0]["seq"], 3);
    world.zaki(&["audit", "verify", "--head", newest]).await?.ok()?;
    let cut = world.zaki(&["audit", "verify", "--head", &"0".repeat(64)]).await?.refusal()?;
    assert!(cut.contains("cut"), "{cut}");
    let no_hash = world.zaki(&["audit", "verify", "--head", "00"]).await?.refusal()?;
    assert!(no_hash.contains("64 digits") && !no_hash.contains("cut"), "{no_hash}");
    let store = rusqlite::Connection::open(world.data().join("hub/identity.db"))?;
    store.busy_timeout(SOON)?;
    store.execute("UPDATE audit_entry SET act = 'nothing' WHERE seq = 3", [])?;
    let broken = world.zaki(&["audit", "verify"]).await?.refusal()?;
    assert!(broken.contains("entry 3"), "{broken}");
    Ok(())
}

fn entries(file: &std::path::Path) -> Result<String> {
    let mut zip = ZipArchive::new(File::open(file)?)?;
    let mut all = String::new();
    for n in 0..zip.len() {
        zip.by_index(n)?.read_to_string(&mut all)?;
    }
    Ok(all)
}

/// Somebody who is about to be removed, with their archive; whether it is without what their
/// sandbox has.
async fn erases(world: &World) -> Result<bool> {
    world.ask(TELEGRAM, ADA, "my spice is saffron").await?;
    world.ask(TELEGRAM, BOB, "mine is cumin").await?;
    world.noted().await?;
    let ada = who(world, TELEGRAM, ADA).await?;
    let file = world.dir().join("ada.zip");
    let path = file.to_str().context("a path that is not UTF-8")?;
    let written = one(world, &["users", "export", &ada, "--out", path]).await?;
    let said = entries(&file)?;
    assert!(said.contains("saffron") && !said.contains("cumin"), "{said}");
    let missing = said.contains("could not be read");
    assert_eq!(written["sandbox"], json!(!missing), "{said}");
    let acts = world.list(&["audit", "list"]).await?;
    let exported = |act: &&Value| act["act"] == "exported" && act["about"] == json!(ada);
    assert_eq!(acts.iter().filter(exported).count(), 1, "{acts:?}");
    let size = std::fs::metadata(&file)?;
    assert_eq!(
        (size.len(), size.permissions().mode() & 0o777),
        (written["bytes"].as_u64().unwrap(), 0o600)
    );
    let again = world.zaki(&["users", "export", &ada, "--out", path]).await?.refusal()?;
    assert!(again.contains("already"), "{again}");
    let acts = world.list(&["audit", "list"]).await?;
    assert_eq!(acts.iter().filter(exported).count(), 1, "nothing was written: {acts:?}");

    let asked = world.zaki(&["users", "erase", &ada]).await?.refusal()?;
    assert!(asked.contains("--yes") && asked.contains("export"), "{asked}");
    assert!(one(world, &["users", "show", &ada]).await.is_ok(), "nothing has happened");
    Ok(missing)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_erased_leaves_nothing() -> Result<()> {
    let world = open_edge().start().await?;
    assert!(!erases(&world).await?, "the edge can be asked for what the sandbox has");
    let ada = who(&world, TELEGRAM, ADA).await?;
    let erased = one(&world, &["users", "erase", &ada, "--yes"]).await?;
    assert_eq!((&erased["bindings"], &erased["erased"]), (&json!(1), &json!([ada])), "{erased}");
    let gone = world.zaki(&["users", "show", &ada]).await?.refusal()?;
    assert!(gone.contains("zaki users list"), "{gone}");
    for list in [["inbox", "list"], ["deliveries", "list"], ["users", "list"]] {
        let text = format!("{:?}", world.list(&list).await?);
        assert!(!text.contains("saffron") && !text.contains(&ada), "{list:?}: {text}");
    }
    assert!(!house::turns(&world)?.values().any(|user| *user == ada));
    assert!(house::known_to_edge(&world).await?.iter().all(|name| !name.contains(&ada)));
    assert!(world.list(&["audit", "verify"]).await?[0]["broken_at"].is_null());
    assert_ne!(who(&world, TELEGRAM, ADA).await?, ada, "a stranger");
    Ok(())
}

/// An edge without a key is called by whoever may read the note of the hub beside.
#[tokio::test(flavor = "multi_thread")]
async fn beside_a_hub_a_command_needs_no_key() -> Result<()> {
    let world = Setup::echo().only(&[TELEGRAM]).start().await?;
    assert!(!erases(&world).await?, "the archive is whole");
    let ada = who(&world, TELEGRAM, ADA).await?;
    let erased = one(&world, &["users", "erase", &ada, "--yes"]).await?;
    let due = |left: &Value| left["due"].as_array().map(Vec::len);
    assert_eq!(due(&erased), Some(1), "a last look: {erased}");
    assert!(house::known_to_edge(&world).await?.iter().all(|name| !name.contains(&ada)));
    let gone = world.zaki(&["users", "show", &ada]).await?.refusal()?;
    assert!(gone.contains("zaki users list") && gone.contains("once more"), "{gone}");
    assert_eq!(world.list(&["users", "list"]).await?.len(), 1);
    Ok(())
}

/// What followed from an erasure when everything broke off in between: the edge was away, and then
/// whoever would have told it was killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_an_erasure_is_done_whatever_breaks_off() -> Result<()> {
    let mut world = Setup::echo().only(&[TELEGRAM]).set("edge.key", KEY).start().await?;
    erases(&world).await?;
    let (ada, bob) = (who(&world, TELEGRAM, ADA).await?, who(&world, TELEGRAM, BOB).await?);
    let known = async |user: &str| -> Result<bool> {
        Ok(house::known_to_edge(&world).await?.iter().any(|name| name.contains(user)))
    };
    assert!(known(&ada).await? && known(&bob).await?);
    world.noted().await?;
    world.kill()?;

    // Nobody answers there.
    world.reconfigure("edge.url", format!("http://{}", own_address()))?;
    let erased = one(&world, &["users", "erase", &ada, "--yes"]).await?;
    let due: Vec<_> = erased["due"].as_array().into_iter().flatten().collect();
    assert_eq!((due.len(), &due[0]["what"], &due[0]["tries"]), (2, &json!("erase"), &json!(1)));
    let text = format!("{:?}", world.list(&["inbox", "list"]).await?);
    assert!(
        !text.contains("saffron") && text.contains("cumin"),
        "the ledger needs no edge: {text}"
    );
    let shown = world.zaki(&["users", "show", &ada]).await?.refusal()?;
    assert!(shown.contains("still due") && shown.contains("tried once"), "{shown}");
    world.reconfigure("edge.url", "")?;
    let doctor = world.zaki(&["doctor"]).await?.ok()?;
    assert!(doctor.contains("still due") && doctor.contains(&ada), "{doctor}");

    // A hub that is killed as it begins, and the next one.
    world.up().await?;
    world.kill()?;
    world.up().await?;
    let left = || async {
        let names = house::known_to_edge(&world).await?;
        Ok(names.into_iter().filter(|name| name.contains(&ada)).count())
    };
    world.until("nothing of Ada at the edge", left, |count| *count == 0).await?;
    let names = house::known_to_edge(&world).await?;
    assert!(names.iter().any(|name| name.contains(&bob)), "of Bob nothing is gone");
    let doctor = || async { world.zaki(&["doctor"]).await?.ok() };
    world.until("nothing due", doctor, |said| !said.contains("still due")).await?;
    assert_ne!(who(&world, TELEGRAM, ADA).await?, ada, "a stranger");
    Ok(())
}

/// A merge whose sandbox could not be told: it is stopped by whoever comes next, and runs again
/// after the merge is undone.
#[tokio::test(flavor = "multi_thread")]
async fn what_follows_a_merge_is_done_whatever_breaks_off() -> Result<()> {
    let setup = Setup::echo().only(&[TELEGRAM, SLACK]).set("edge.key", KEY);
    let mut world = setup.start().await?;
    let (ada, slack) = (who(&world, TELEGRAM, ADA).await?, who(&world, SLACK, ADA).await?);
    world.noted().await?;
    world.kill()?;
    world.reconfigure("edge.url", format!("http://{}", own_address()))?;
    let merged = one(&world, &["users", "merge", &ada, &slack]).await?;
    assert_eq!((&merged["sandbox"], &merged["moved"]), (&json!("due"), &json!(1)), "{merged}");
    let shown = one(&world, &["users", "show", &slack]).await?;
    assert_eq!(shown["due"][0]["what"], "retire", "{shown}");
    world.reconfigure("edge.url", "")?;
    world.up().await?;
    let due = || async { one(&world, &["users", "show", &slack]).await };
    let is_done = |shown: &Value| shown["due"].as_array().is_some_and(Vec::is_empty);
    world.until("the sandbox is told", due, is_done).await?;
    assert_eq!(who(&world, SLACK, ADA).await?, ada);
    one(&world, &["users", "unmerge", &slack]).await?;
    assert_eq!(who(&world, SLACK, ADA).await?, slack, "its sandbox serves again");
    Ok(())
}
