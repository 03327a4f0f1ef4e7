//! `/export` and `/erase`: to have all that is kept, and to have it gone.

use std::{sync::Arc, time::Duration};

use zaki_envelope::ZakiUserId;
use zaki_identity::{Actor, AskedErase, EXPORT_MS, LinkCode};
use zaki_lane::commands::{Code, Erase};
use zaki_ledger::Who;
use zaki_words as words;

use super::{Answer, Order, Silence, attempt};
use crate::{clock, hub::Hub, insist::insist, who};

/// What is under way while a person is erased is over after this: then it is erased, too.
const AFTERWARDS: Duration = Duration::from_mins(1);

/// `/export`: an address from which everything can be had once.
pub(super) async fn export(order: &Order<'_>) -> Answer {
    let Order { hub, now, .. } = order;
    let Some(base) = &hub.public_url else { return order.say(&words::Export::NoUrl) };
    let offer = || hub.directory.offer_export(order.user(), *now);
    let token = order.attempt("offer an archive", offer).await?;
    let url = format!("{}/export/{}", base.as_str().trim_end_matches('/'), token.expose());
    order.say(&words::Export::Ready { url: &url, until: now.plus_ms(EXPORT_MS), now: *now })
}

/// `/erase`: asks first, with a code that says that it is meant.
pub(super) async fn erase(order: &Order<'_>, what: Erase) -> Answer {
    let Order { hub, now, .. } = order;
    let code = match what {
        Erase::Ask => {
            let ask = || hub.directory.ask_erase(order.user(), *now);
            let AskedErase { code, expires_at } = order.attempt("ask about erasing", ask).await?;
            let (code, until) = (code.shown(), expires_at);
            return order.say(&words::Erase::Asked { code: &code, until, now: *now });
        }
        Erase::Confirm(Some(Code::Given(secret))) => LinkCode::typed(secret.expose()),
        Erase::Confirm(_) => return order.say(&words::Erase::Wrong),
        Erase::Cancel => return order.say(&words::Erase::Cancelled),
    };
    let confirm = || hub.directory.confirm_erase(order.user(), &code, *now);
    if !order.attempt("confirm erasing", confirm).await? {
        return order.say(&words::Erase::Wrong);
    }
    remove(hub, order.user(), Actor::Person(order.user())).await?;
    order.say(&words::Erase::Done)
}

/// Removes all there is of a person, and of those who have become that person: sandboxes with their
/// backups, then what was said, then who they are. In this order, since whoever is interrupted can
/// say it again as long as they are somebody.
async fn remove(hub: &Arc<Hub>, user: ZakiUserId, by: Actor) -> Result<(), Silence> {
    let find = || who::who(&hub.directory, &hub.accounts, user);
    let who = attempt(hub, "find all of a person", find).await?;
    for user in &who.users {
        let erase = || hub.edge.erase(*user);
        let done = insist(hub, "erase a sandbox", erase).await.ok_or(Silence::Closing)?;
        done.map_err(|error| {
            tracing::error!(%user, %error, "a sandbox is not erased");
            Silence::Refused
        })?;
    }
    forget(hub, &who).await?;
    let erase = || hub.directory.erase(user, by, clock::now());
    attempt(hub, "erase a person", erase).await?;
    let later = Arc::clone(hub);
    hub.tasks.spawn(async move {
        tokio::select! {
            () = tokio::time::sleep(AFTERWARDS) => {}
            () = later.closing.cancelled() => {}
        }
        // Whatever was on its way, the farewell among it.
        forget(&later, &who).await.ok();
    });
    Ok(())
}

/// Removes those who became others so long ago that they cannot be restored any more.
pub(crate) async fn lapse(hub: &Arc<Hub>) {
    const AT_ONCE: u32 = 100;
    match hub.directory.lapsed(clock::now(), AT_ONCE).await {
        Ok(lapsed) => {
            for user in lapsed {
                if remove(hub, user, Actor::System).await.is_err() {
                    tracing::warn!(%user, "who became somebody else was not removed");
                }
            }
        }
        Err(error) => tracing::warn!(%error, "who became somebody else is not known"),
    }
}

async fn forget(hub: &Hub, who: &Who) -> Result<(), Silence> {
    let erase = || hub.ledger.erase(who, clock::now());
    let erased = attempt(hub, "erase what was said", erase).await?;
    tracing::debug!(?erased, "erased from the ledger");
    Ok(())
}
