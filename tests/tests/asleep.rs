//! Commands leave sandboxes asleep, tried where a start is seen: each is an OpenClaw of its own.

use anyhow::Result;
use zaki_lane::commands::TABLE;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::{ChannelKind, Person, Setup, World};

const ADA: Person = Person::ADA;
/// Whoever says one of these is about to write.
const BEGIN: [&str; 2] = ["/start", "/new"];
/// Besides every command by itself.
const MORE: [&str; 8] = [
    "/session here",
    "/session 77",
    "/link ABCD-2345",
    "/link confirm",
    "/mode steer",
    "/approve 0b9f6e0e-6a53",
    "/feedback it is fine",
    "/erase cancel",
];

/// Whoever has ever had a sandbox started: it has a place on the disk from then on.
fn started(world: &World) -> Vec<String> {
    let places = std::fs::read_dir(world.data().join("sandboxes"));
    let places = places.into_iter().flatten().flatten();
    places.map(|place| place.file_name().to_string_lossy().into_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_wakes_a_sandbox_but_those_that_are_to() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    let setup = Setup::openclaw(openclaw).set("deliver.paced", false);
    let world = setup.set("hub.commands_per_minute", 0).start().await?;
    let all = TABLE.iter().map(|row| format!("/{}", row.word));
    let all = all.chain(MORE.map(str::to_owned)).filter(|it| !BEGIN.contains(&it.as_str()));
    let all: Vec<String> = all.collect();
    for channel in ChannelKind::ALL {
        for command in &all {
            world.ask(channel, ADA, command).await?;
            assert_eq!(started(&world), [""; 0], "{channel} {command}");
        }
    }
    for (n, (channel, command)) in ChannelKind::ALL.into_iter().zip(BEGIN).enumerate() {
        world.ask(channel, ADA, command).await?;
        let places = async || Ok(started(&world));
        world.until("a start", places, |places| places.len() == n + 1).await?;
    }
    Ok(())
}
