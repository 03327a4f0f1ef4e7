//! `/export` and `/erase`: to have all that is kept, and to have it gone.

use std::sync::Arc;

use zaki_envelope::Inbound;
use zaki_identity::{Actor, AskedErase, DirectoryError, EXPORT_MS, Home, LinkCode};
use zaki_lane::commands::{Code, Erase};
use zaki_words as words;

use super::{Answer, Order, Silence};
use crate::{clock, errands, hub::Hub, voice::voice};

/// `/export`: an address from which everything can be had once.
pub(super) async fn export(order: &Order<'_>) -> Answer {
    let Order { hub, now, .. } = order;
    let Some(base) = &hub.public_url else {
        let user = order.user();
        tracing::warn!(
            %user,
            "/export was asked for and hub.public_url is not set: whoever asked is told to turn to \
             you; `zaki users export {user} --out FILE` writes the archive"
        );
        return order.say(&words::Export::NoUrl { user: &user.to_string() });
    };
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
    // What has been counted in this second is to be carried on.
    let keep = || hub.allowance.spending.keep(&hub.directory, *now);
    order.attempt("keep what people have spent", keep).await?;
    let place = order.is_direct().then(|| Home::of(order.inbound));
    let confirm = || hub.directory.confirm_erase(order.user(), &code, place.clone(), *now);
    if order.attempt("confirm erasing", confirm).await?.is_none() && is_there(order).await? {
        return order.say(&words::Erase::Wrong);
    }
    hub.people.forget(order.user());
    let done = errands::wait_for(hub, order.user()).await;
    order.say(if done { &words::Erase::Done } else { &words::Erase::UnderWay })
}

/// Whether they are somebody still: a store that broke off may have erased them all the same.
async fn is_there(order: &Order<'_>) -> Result<bool, Silence> {
    let read = || order.hub.directory.profile(order.user());
    Ok(order.attempt("read a person", read).await?.is_some())
}

/// A confirmation whose word a crash has taken: whoever wrote it may have been erased by it, and
/// must not become somebody by it then. `false`: they are somebody still.
pub(super) async fn over(hub: &Arc<Hub>, inbound: &Inbound) -> bool {
    let sender = &inbound.sender;
    let find = || hub.directory.find(inbound.channel, &sender.scope, &sender.id);
    match super::attempt(hub, "find a sender", find).await {
        Ok(Some(_)) => return false,
        Ok(None) => {
            let voice = voice(None, inbound);
            super::close(hub, inbound, voice, super::said(&words::Erase::UnderWay, voice)).await;
        }
        Err(_) => {}
    }
    true
}

/// Removes those who became others so long ago that they cannot be restored any more.
pub(crate) async fn lapse(hub: &Arc<Hub>) {
    const AT_ONCE: u32 = 100;
    match hub.directory.lapsed(clock::now(), AT_ONCE).await {
        Ok(lapsed) => {
            for user in lapsed {
                match hub.directory.erase(user, Actor::System, clock::now()).await {
                    Ok(_) => errands::soon_for(hub, user),
                    // Another replica was quicker.
                    Err(DirectoryError::UnknownPerson(_)) => {}
                    Err(error) => {
                        tracing::warn!(%user, %error, "who became somebody else was not removed");
                    }
                }
            }
        }
        Err(error) => tracing::warn!(%error, "who became somebody else is not known"),
    }
}
