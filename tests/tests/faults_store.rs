//! Stores that refuse while a crowd talks: a full disk, a file that somebody else holds, a
//! PostgreSQL that is gone. Webhooks are told to come again, the process lives, nothing is lost.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use zaki_simulators::Attempt;
use zaki_tests::chaos::{Script, Seed, Stage};
use zaki_tests::postgres::Server;
use zaki_tests::proxy::{Proxy, Trouble};
use zaki_tests::store::{Held, SmallDisk};
use zaki_tests::{ChannelKind, SOON, Setup, World};

const OUTAGE: Duration = Duration::from_millis(2500);
/// A store waits for a lock for some seconds before it gives up.
const HELD: Duration = Duration::from_secs(8);
const QUIET: Duration = Duration::from_secs(2);

/// A crowd talks while `outages` go on; the same process answers everything in the end.
async fn survives(world: &World, outages: impl Future<Output = Result<()>>) -> Result<()> {
    let seed = Seed::find();
    let stage = Stage::open(world);
    let script = Script::new(seed, 60, &ChannelKind::ALL);
    let pid = world.hub()?.pid();
    let ((), done) = tokio::join!(stage.play(&script, 3 * (OUTAGE + QUIET)), outages);
    done?;
    let report = stage.settle(world, Some(0), SOON).await?;
    println!("{report}");
    report.verdict().with_context(|| world.log())?;
    let alive = zaki_tests::processes::Process::find(pid).is_some();
    ensure!(alive, "the hub died\n{}", world.log());
    refused(world)
}

/// While the store was away, webhooks were answered with 503 and when to come again.
fn refused(world: &World) -> Result<()> {
    let mut refused = 0;
    for channel in [ChannelKind::Telegram, ChannelKind::WhatsApp, ChannelKind::Slack] {
        let is_503 = |attempt: &Attempt| attempt.status == Some(503);
        for attempt in world.platform(channel).attempts().matching(is_503) {
            refused += 1;
            let later = attempt.answer_headers.contains_key("retry-after");
            ensure!(later, "{channel}: no Retry-After: {:?}", attempt.answer_headers);
        }
        let is_broken = |attempt: &Attempt| attempt.status == Some(500);
        let broken = world.platform(channel).attempts().matching(is_broken);
        ensure!(broken.is_empty(), "{channel}: {} times 500", broken.len());
    }
    ensure!(refused > 0, "no webhook met the outage");
    Ok(())
}

fn hasty() -> Setup {
    Setup::echo().hasty()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk() -> Result<()> {
    let place = tempfile::tempdir()?;
    let Some(disk) = SmallDisk::mount(place.path(), 24)? else {
        println!("SKIPPED: only root can mount a file system to fill");
        return Ok(());
    };
    let data = place.path().join("data").display().to_string();
    let world = hasty().set("hub.data_dir", data).start().await?;
    let outages = async {
        for _ in 0..2 {
            tokio::time::sleep(QUIET).await;
            let filling = disk.fill()?;
            tokio::time::sleep(OUTAGE).await;
            fs::remove_file(filling)?;
        }
        Ok(())
    };
    survives(&world, outages).await?;
    // Before the disk goes.
    drop(world);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_somebody_else_holds() -> Result<()> {
    let world = hasty().start().await?;
    let outages = async {
        for (store, span) in [("hub/ledger.db", HELD), ("hub/identity.db", OUTAGE)] {
            tokio::time::sleep(QUIET).await;
            let held = Held::on(&world.data().join(store))?;
            tokio::time::sleep(span).await;
            drop(held);
        }
        Ok(())
    };
    survives(&world, outages).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_stopped_and_started() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let world = hasty().set("ledger.url", server.url()).start().await?;
    let outages = async {
        for _ in 0..2 {
            tokio::time::sleep(QUIET).await;
            server.stop()?;
            tokio::time::sleep(OUTAGE).await;
            server.start_again()?;
        }
        Ok(())
    };
    survives(&world, outages).await.with_context(|| world.log())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_whose_line_breaks() -> Result<()> {
    let Some(server) = Server::start()? else { return Ok(()) };
    let (before, host) = server.url().rsplit_once('@').context("no host")?;
    let (host, database) = host.split_once('/').context("no database")?;
    let proxy = Proxy::to(host.parse()?, Seed(1)).await?;
    let url = format!("{before}@{}/{database}", proxy.address());
    let world = hasty().set("ledger.url", server.url()).prepare().await?;
    // The test itself goes straight to the database.
    let direct = fs::read_to_string(world.config())?;
    let mut world = world;
    world.reconfigure("ledger.url", url)?;
    world.up().await?;
    world.write_config(&direct)?;
    let outages = async {
        for trouble in LINES {
            tokio::time::sleep(QUIET / 2).await;
            proxy.make_for(trouble, OUTAGE / 2).await;
        }
        Ok(())
    };
    survives(&world, outages).await
}

/// Cut at any byte, also in the middle of a commit whose outcome is then unknown.
const LINES: [Trouble; 6] = [
    Trouble::Cut { within: 3000 },
    Trouble::Refused,
    Trouble::Cut { within: 300 },
    Trouble::Silent,
    Trouble::Cut { within: 30_000 },
    Trouble::Late(Duration::from_millis(20)),
];
