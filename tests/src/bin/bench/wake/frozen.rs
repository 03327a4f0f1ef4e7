//! A sandbox that is frozen, beside a gateway that is awake: what is beyond that is ours.

use anyhow::Result;
use serde_json::{Value, json};
use tokio::time::sleep;
use zaki_tests::caller::user;
use zaki_tests::load::Times;

use super::{Bed, beyond, first, is_frozen, sandbox, until};

/// Turns before any is measured: what is done for the first time is done.
const WARM_UP: u32 = 3;
/// After the last process was held.
const REST: std::time::Duration = std::time::Duration::from_millis(200);

pub(super) async fn run(bed: &Bed, times: u32) -> Result<Value> {
    let (mut edge, caller) = bed.edge("frozen", 1, 0).await?;
    let who = user(1);
    first(&caller.say(who, "hello").await?)?;
    let recipe = bed.like(&sandbox(&edge, who), &bed.dir().join("direct"))?;
    let mut direct = recipe.start().await?;
    let [mut frozen, mut awake, mut alone] = [Times::default(), Times::default(), Times::default()];
    for n in 0..times + WARM_UP {
        until("a frozen sandbox", || is_frozen(&edge.sandboxes())).await?;
        sleep(REST).await;
        let text = format!("message {n}: what is on my list for today?");
        let rested = first(&caller.say(who, &text).await?)?;
        let up = first(&caller.say(who, &text).await?)?;
        let by_hand = direct.say(&text).await?.first;
        eprintln!("{n}: frozen {rested:?}, awake {up:?}, directly {by_hand:?}");
        if n >= WARM_UP {
            frozen.push(rested);
            awake.push(up);
            alone.push(by_hand);
        }
    }
    direct.stop().await?;
    edge.stop().await?;
    Ok(json!({
        "beyond_the_agent": beyond(&frozen, &alone),
        "goal": {"p50_ms": 150, "p99_ms": 400},
        "samples": times,
        "frozen_to_first_delta": frozen.report(),
        "awake_to_first_delta": awake.report(),
        "openclaw_to_first_delta": alone.report(),
    }))
}
