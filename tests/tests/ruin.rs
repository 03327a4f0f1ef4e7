//! Real OpenClaws are killed at ten times a few moments, and what their people told them is known
//! afterwards. Replay a run with `ZAKI_SEED`; `cargo xtask soak sandbox` has two hundred of them, which
//! are longer and each have a person of their own.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;
use zaki_tests::chaos::Seed;
use zaki_tests::openclaw::OpenClaw;
use zaki_tests::ruin::{self, Size};

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_whenever_a_story_told_is_known_afterwards() -> Result<()> {
    let Some(openclaw) = OpenClaw::find().await? else { return Ok(()) };
    // Sandboxes run as other users and must be able to walk in.
    let open = Permissions::from_mode(0o755);
    let dir = tempfile::Builder::new().prefix("zaki-tests-").permissions(open).tempdir()?;
    // Two people, since the first start of each takes longest.
    let size = Size { schedules: 0..10, steps: 1..3, people: 2 };
    let report = ruin::play(openclaw, dir.path(), Seed::find(), size).await?;
    println!("{report:#}");
    Ok(())
}
