//! `/approve` and `/deny` of strangers who wait to be let in, for owners.

use zaki_envelope::Part;
use zaki_identity::{Actor, LinkCode};
use zaki_words::{Approvals, Pairings};

use super::{Answer, Order};
use crate::door;

/// Who waits. None of them is let in by a word that names nobody.
pub(super) async fn list(order: &Order<'_>) -> Answer {
    let read = || order.hub.directory.pairings(order.now);
    let waiting = order.attempt("read who waits to be let in", read).await?;
    if waiting.is_empty() {
        return order.say(&Approvals::Nothing);
    }
    Ok(vec![Part::text(door::list(&waiting, order.voice))])
}

/// Lets a stranger in, who hears of it at once, or turns them away.
pub(super) async fn settle(order: &Order<'_>, code: &LinkCode, yes: bool) -> Answer {
    if yes { admit(order, code).await } else { turn_away(order, code).await }
}

async fn admit(order: &Order<'_>, code: &LinkCode) -> Answer {
    let Order { hub, now, .. } = order;
    let approve = || hub.directory.approve(code, Actor::Person(order.user()), *now);
    let Some(approved) = order.attempt("let somebody in", approve).await? else {
        return order.say(&Pairings::Unknown);
    };
    if let Err(error) = door::tend(hub).await {
        tracing::warn!(%error, "whoever was let in hears of it later");
    }
    order.say(&Pairings::Approved { who: &approved.who, channel: approved.channel })
}

async fn turn_away(order: &Order<'_>, code: &LinkCode) -> Answer {
    let Order { hub, now, .. } = order;
    let deny = || hub.directory.deny(code, Actor::Person(order.user()), *now);
    match order.attempt("turn somebody away", deny).await? {
        Some(denied) => order.say(&Pairings::Denied { who: &denied.who, channel: denied.channel }),
        None => order.say(&Pairings::Unknown),
    }
}
