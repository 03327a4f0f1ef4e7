//! Nobody is ever answered by another person's sandbox, nor hears what is another's: hundreds of
//! accounts that are easily taken for each other link, part, merge, leave and speak, all at the same
//! time; others speak and press in their names.
//!
//! `ZAKI_SEED` replays a run; `ZAKI_TENANTS` is how many households there are, `ZAKI_STEPS` how
//! much each of them does. `cargo xtask soak tenants` has thousands of them.

use anyhow::Result;
use zaki_tests::chaos::Seed;
use zaki_tests::tenant::{Size, on_one, on_several};

/// In every run of all tests.
const HOUSEHOLDS: u32 = 40;

#[tokio::test(flavor = "multi_thread")]
async fn nobody_meets_another_persons_sandbox() -> Result<()> {
    let outcome = on_one(Seed::find(), Size::find(HOUSEHOLDS)).await?;
    println!("{:#}", outcome.to_json());
    Ok(())
}

/// What one replica has been told holds on the other at once.
#[tokio::test(flavor = "multi_thread")]
async fn nor_where_two_replicas_share_a_database() -> Result<()> {
    if let Some(outcome) = on_several(Seed::find(), Size::find(HOUSEHOLDS), 2).await? {
        println!("{:#}", outcome.to_json());
    }
    Ok(())
}
