//! One person on the web and in chats: codes from here to there, and from there to here.

use std::sync::Arc;

use zaki_envelope::{
    CallId, ChannelKind, Part, Timestamp, ZakiUserId,
    wire::web::{Hidden, Linked, Want, Way},
};
use zaki_identity::{Confirmed, JOINING_MS, LinkCode, Offered, Redeemed};
use zaki_words::{Linking, Say};

use super::{Admitted, Desk, Guest, Refusal};
use crate::{commands, home, hub::Hub};

/// Serves a call, once: whoever has recorded it gets no code by repeating it.
pub(super) async fn link(
    desk: &Desk,
    guest: &Guest,
    call: CallId,
    want: Want,
    now: Timestamp,
) -> Result<Linked, Refusal> {
    let hub = &desk.hub()?;
    if !hub.directory.is_first(call, now).await? {
        return Err(Refusal::Again);
    }
    if let (Want::Redeem { code }, true) = (&want, desk.trusts(guest)) {
        // Before they are resolved, which would sign a stranger up.
        return redeem(hub, guest, code, now).await;
    }
    let user = match desk.admit(hub, guest, now).await? {
        Err(refused) => return Ok(Linked::Refused(refused)),
        Ok(Admitted { user, .. }) => user,
    };
    match want {
        Want::Offer => offer(hub, user, now).await,
        Want::Confirm { question } => confirm(hub, user, &question, now).await,
        Want::Decline { question } => decline(hub, user, &question, now).await,
        // Of nobody whom we trust: they were refused.
        Want::Redeem { .. } => Ok(Linked::Wrong),
    }
}

/// A code, with the way to every chat platform.
async fn offer(hub: &Hub, user: ZakiUserId, now: Timestamp) -> Result<Linked, Refusal> {
    Ok(match hub.directory.offer(user, now).await? {
        Offered::TooMany { until } => Linked::TooMany { until },
        Offered::Code { code, expires_at } => {
            let code = code.shown();
            let ways = commands::ways(hub, ChannelKind::Web, &code).into_iter();
            let ways = ways.map(|(channel, it)| Way {
                channel,
                text: Hidden::new(it.text),
                url: it.url.map(Hidden::new),
                prefilled: it.prefilled,
            });
            Linked::Offered { ways: ways.collect(), code: Hidden::new(code), expires_at }
        }
    })
}

/// Uses a code for whoever has signed in, who may be a stranger.
async fn redeem(
    hub: &Arc<Hub>,
    guest: &Guest,
    code: &Hidden,
    now: Timestamp,
) -> Result<Linked, Refusal> {
    let code = LinkCode::typed(code.expose());
    Ok(match hub.directory.redeem_on_web(&guest.visitor, &code, now).await? {
        Redeemed::Joined { user, .. } => {
            let label = guest.visitor.sender.display_name.as_deref();
            let elsewhere = Linking::JoinedElsewhere { channel: ChannelKind::Web, label };
            home::tell(hub, user, None, &elsewhere).await;
            Linked::Joined { user }
        }
        Redeemed::Already { user } => Linked::Already { user },
        Redeemed::Invited { user } => Linked::Invited { user },
        Redeemed::Confirm { from, .. } => ask_both(hub, from, now).await?,
        // Of a code that was typed, nobody is asked.
        Redeemed::Refused | Redeemed::Asked { .. } => Linked::Wrong,
        Redeemed::TooMany { until } => Linked::TooMany { until },
    })
}

/// Two people who may be one: nothing happens until both say so. The one in the chat is asked there.
async fn ask_both(hub: &Arc<Hub>, from: ZakiUserId, now: Timestamp) -> Result<Linked, Refusal> {
    let Some(question) = hub.directory.question(from, now).await? else {
        return Ok(Linked::Nothing);
    };
    commands::ask_there(hub, &question, None, ChannelKind::Web, now).await;
    let until = now.plus_ms(JOINING_MS);
    Ok(Linked::Confirm { question: question.id, stays: question.into == from, until })
}

async fn confirm(
    hub: &Arc<Hub>,
    me: ZakiUserId,
    question: &str,
    now: Timestamp,
) -> Result<Linked, Refusal> {
    // Asked before: whoever becomes somebody else is at home nowhere any more.
    let partner = hub.directory.partner(me).await?;
    let there = match partner {
        Some(partner) => home::of(hub, partner).await,
        None => None,
    };
    Ok(match hub.directory.confirm_question(me, question, now).await? {
        Confirmed::Nothing => Linked::Nothing,
        Confirmed::Waiting { .. } => Linked::Waiting,
        Confirmed::Merged { into, from, restorable_until } => {
            commands::retire(hub, from);
            let stays = me == into;
            if let Some(there) = there {
                let other = ChannelKind::Web;
                let said = Linking::Merged { stays: !stays, other, restorable_until };
                let text = said.say(hub.voice_at(&there));
                home::post(hub, there, vec![Part::text(text)]).await;
            }
            Linked::Merged { user: into, stays, restorable_until }
        }
    })
}

async fn decline(
    hub: &Arc<Hub>,
    me: ZakiUserId,
    question: &str,
    now: Timestamp,
) -> Result<Linked, Refusal> {
    Ok(match hub.directory.decline_question(me, question, now).await? {
        None => Linked::Nothing,
        Some(other) => {
            let there = Linking::DeclinedThere { other: ChannelKind::Web };
            home::tell(hub, other, None, &there).await;
            Linked::Declined
        }
    })
}
