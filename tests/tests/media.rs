//! Files on every channel, with their bytes: from a person to their own sandbox, and from it back.

use anyhow::Result;
use serde_json::json;
use zaki_simulators::{Call, Sent, Simulator, telegram};
use zaki_tests::{ChannelKind, Person, Setup, Shown, World};

const ADA: Person = Person::ADA;
const BOB: Person = Person::BOB;

/// Waits for a text with `wanted` in it.
async fn told(world: &World, channel: ChannelKind, wanted: &str) -> Result<Sent> {
    world.expect_sent(channel, |sent| sent.has_text() && sent.text.contains(wanted)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_reaches_the_sandbox_byte_by_byte_and_what_it_makes_comes_back() -> Result<()>
{
    let world = Setup::echo().start().await?;
    for channel in ChannelKind::ALL {
        for who in [ADA, BOB] {
            let picture = Shown::picture(&format!("{channel}-{}.png", who.0));
            let hash = picture.hash();
            world.show(channel, who, "WHO BACK", &picture);
            let answer = told(&world, channel, &format!("[bytes {hash}]")).await?;
            assert!(answer.text.contains(&format!("[{}]", picture.name)), "{}", answer.text);
            let back = world.expect_sent(channel, |sent| sent.files.contains(&hash)).await?;
            assert_eq!(back.conversation, answer.conversation, "{channel}");
        }
        // Nobody has got anything else.
        let files = world.platform(channel).sent().matching(|sent| !sent.files.is_empty());
        assert_eq!(files.len(), 2, "{channel}: {files:#?}");
    }
    for channel in ChannelKind::ALL {
        for delivery in world.deliveries(channel).await? {
            assert_eq!(delivery["state"], "sent", "{delivery}");
        }
    }
    Ok(())
}

/// Ada sends Telegram a document of this size, as Telegram tells of it.
fn document(world: &World, who: Person, name: &str, size: u64) {
    let document = json!({
        "file_id": name, "file_unique_id": name, "file_name": name, "file_size": size,
    });
    let extra = json!({"caption": "WHO", "document": document});
    let user = who.telegram();
    world.telegram.say_in(&telegram::Chat::private(&user), &user, "", extra);
}

fn fetches(world: &World) -> Vec<Call> {
    world.telegram.calls().matching(|call| ["getFile", "file"].contains(&call.method.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_had_is_told_to_the_person_and_to_the_agent() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Telegram]).start().await?;
    document(&world, ADA, "large.bin", 19_000_001);
    told(&world, ChannelKind::Telegram, "larger than 19 MB").await?;
    let agent =
        told(&world, ChannelKind::Telegram, "[attached, but not received: large.bin").await?;
    assert!(agent.text.contains("too large"), "{}", agent.text);
    assert_eq!(fetches(&world).len(), 0, "nothing is asked for what is too large");
    document(&world, ADA, "gone.bin", 3);
    told(&world, ChannelKind::Telegram, "could not be fetched from here").await?;
    told(&world, ChannelKind::Telegram, "not received: gone.bin").await?;
    // A size that is not told is counted while it comes.
    let name = "untold.bin";
    world.telegram.put_file(name, name, vec![0; 19_000_001]);
    let extra = json!({"document": {"file_id": name, "file_unique_id": name, "file_name": name}});
    let user = ADA.telegram();
    world.telegram.say_in(&telegram::Chat::private(&user), &user, "", extra);
    told(&world, ChannelKind::Telegram, "not received: untold.bin; it is too large").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_fetched_for_strangers() -> Result<()> {
    let setup = Setup::echo().only(&[ChannelKind::Telegram]);
    let world = setup.set("identity.sign_up", "closed").start().await?;
    world.telegram.put_file("a.bin", "a.bin", vec![1]);
    document(&world, BOB, "a.bin", 1);
    told(&world, ChannelKind::Telegram, "").await?;
    assert_eq!(fetches(&world).len(), 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_channel_does_not_take_is_named_in_words() -> Result<()> {
    let world = Setup::echo().only(&[ChannelKind::Discord, ChannelKind::WhatsApp]).start().await?;
    let large = Shown { bytes: vec![7; 10 * 1024 * 1024 + 1], ..Shown::picture("large.png") };
    world.show(ChannelKind::Discord, ADA, "BACK", &large);
    told(&world, ChannelKind::Discord, "cannot be sent here: large.png").await?;
    let zip = Shown { mime: "application/zip", ..Shown::picture("a.zip") };
    world.show(ChannelKind::WhatsApp, ADA, "BACK", &zip);
    told(&world, ChannelKind::WhatsApp, "cannot be sent here: a.zip").await?;
    let files = |channel| world.platform(channel).sent().matching(|it| !it.files.is_empty());
    assert!(files(ChannelKind::Discord).is_empty() && files(ChannelKind::WhatsApp).is_empty());
    Ok(())
}
