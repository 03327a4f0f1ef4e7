//! Acting upon a turn that runs: adding messages to it, and stopping it.

use std::{sync::Arc, time::Duration};

use zaki_envelope::{Inbound, InboundId, TurnId, ZakiUserId, wire::SteerRequest};
use zaki_lane::turns::Event;
use zaki_ledger::Earlier;

use crate::{
    edge::EdgeError,
    hub::Hub,
    lane::LaneKey,
    live::Live,
    media,
    turn::{moved, taken},
};

/// Between two calls for the same.
const PAUSE: Duration = Duration::from_millis(200);
/// How often a turn of another replica is tried: its own replica follows it to its end.
const TRIES: u32 = 50;

/// Makes messages part of a turn, in the ledger first. `live`: it is ours. Whoever wrote them must
/// still be the one whose turn it is, as when a lane is claimed.
pub(crate) async fn steer(
    hub: Arc<Hub>,
    key: LaneKey,
    turn: TurnId,
    live: Option<Arc<Live>>,
    mut messages: Vec<Inbound>,
) {
    match moved(&hub, &key, &messages).await {
        None => return,
        Some(ids) if !ids.is_empty() => {
            let is_moved = |message: &mut Inbound| ids.contains(&message.id);
            let others: Vec<_> = messages.extract_if(.., is_moved).collect();
            hub.happen(&key, Event::Unsteered { messages });
            return others.into_iter().for_each(|message| hub.admit(message));
        }
        Some(_) => {}
    }
    let ids = ids(&messages);
    let join = async || taken(hub.ledger.join_turn(hub.fence, turn, &ids).await);
    let event = match hub.attempt("join a turn", join).await {
        None => return,
        Some(Ok(Ok(Some(earlier)))) => {
            Earlier::among(earlier, &mut messages);
            let rest = tell(&hub, key.0, turn, live.as_deref(), messages).await;
            if rest.is_empty() { Event::Steered } else { part(&hub, turn, rest).await }
        }
        Some(Ok(Err(id))) => {
            messages.retain(|message| message.id != id);
            Event::Unsteered { messages }
        }
        Some(Ok(Ok(None)) | Err(_)) => Event::Unsteered { messages },
    };
    hub.happen(&key, event);
}

/// Tells the edge what has joined, in order; returns what it does not take.
pub(crate) async fn tell(
    hub: &Arc<Hub>,
    user: ZakiUserId,
    turn: TurnId,
    live: Option<&Live>,
    mut messages: Vec<Inbound>,
) -> Vec<Inbound> {
    let mut taken = 0;
    for message in &messages {
        if !is_taken(hub, user, turn, live, message).await {
            break;
        }
        taken += 1;
    }
    let rest = messages.split_off(taken);
    if let Some(live) = live {
        for message in messages {
            live.join(message);
        }
    }
    rest
}

async fn is_taken(
    hub: &Arc<Hub>,
    user: ZakiUserId,
    turn: TurnId,
    live: Option<&Live>,
    message: &Inbound,
) -> bool {
    let parts = media::bring(hub, user, message).await;
    let request = SteerRequest { steer: message.id, parts };
    let mut tries = 0..TRIES;
    while live.is_some() || tries.next().is_some() {
        if !hub.may_act().await {
            return true;
        }
        match hub.edge.steer(user, turn, &request).await {
            Ok(()) => return true,
            // The call that begins it is still on its way.
            Err(EdgeError::Unknown) if live.is_some() => {}
            Err(EdgeError::Unknown | EdgeError::Gone | EdgeError::Refused(_)) => return false,
            Err(error) => tracing::debug!(%turn, %error, "steering again"),
        }
        if !pause(hub, live).await {
            // Its events tell whether this was heard.
            return true;
        }
    }
    false
}

/// Takes messages out of a turn that has not taken them.
async fn part(hub: &Hub, turn: TurnId, messages: Vec<Inbound>) -> Event {
    let parked = part_from(hub, turn, &messages).await;
    Event::Unsteered { messages: if parked { Vec::new() } else { messages } }
}

/// Takes messages out of a turn in the ledger; `true`: its end hands them on.
async fn part_from(hub: &Hub, turn: TurnId, messages: &[Inbound]) -> bool {
    let ids = ids(messages);
    let part = || hub.ledger.part_turn(hub.fence, turn, &ids);
    hub.persist("take messages out of a turn", part).await.unwrap_or(true)
}

/// Stops a turn, until the edge has heard.
pub(crate) async fn abort(hub: Arc<Hub>, user: ZakiUserId, turn: TurnId, live: Option<Arc<Live>>) {
    let live = live.as_deref();
    let mut tries = 0..TRIES;
    while live.is_some() || tries.next().is_some() {
        if !hub.may_act().await {
            return;
        }
        match hub.edge.abort(user, turn).await {
            Ok(()) | Err(EdgeError::Gone | EdgeError::Refused(_)) => return,
            // The call that begins it may still be on its way.
            Err(error) => tracing::debug!(%turn, %error, "stopping again"),
        }
        if !pause(&hub, live).await {
            return;
        }
    }
}

/// `false`: the turn is over, or the hub stops.
async fn pause(hub: &Hub, live: Option<&Live>) -> bool {
    let over = async {
        match live {
            Some(live) => live.over.cancelled().await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = tokio::time::sleep(PAUSE) => true,
        () = over => false,
        () = hub.stop.cancelled() => false,
    }
}

fn ids(messages: &[Inbound]) -> Vec<InboundId> {
    messages.iter().map(|message| message.id).collect()
}
