//! Taking over what belongs to nobody, in a few statements however much it is.

use std::collections::HashMap;

use zaki_envelope::TurnId;

use super::rows::{self, token};
use super::tx::{Store, Tx};
use super::{enter, lease, sql};
use crate::{Error, Fence, NewTurn, OpenTurn, Recovery};

pub(super) async fn recover(store: &Store, fence: Fence) -> Result<Recovery, Error> {
    lease::bury_expired(store).await?;
    let mut found = questions(store, fence).await?;
    // What has been taken must reach the caller. What a failure leaves, the next pulse finds.
    if let Err(error) = answers(store, fence, &mut found).await {
        if found == Recovery::default() || matches!(error, Error::Fenced) {
            return Err(error);
        }
        tracing::warn!(%error, "not everything has been taken over yet");
    }
    Ok(found)
}

/// Messages and turns.
async fn questions(store: &Store, fence: Fence) -> Result<Recovery, Error> {
    let (us, lane, nothing): (i64, Option<&str>, &[&str]) = (token(fence), None, &[]);
    let tx = enter(store, sql::ENTER, &[&us, &lane, &nothing]).await?;
    let most = i64::from(Recovery::MESSAGES);
    let accepted = tx.open_all(sql::TAKE_ACCEPTED, &[&us, &most], rows::placed_inbound).await?;
    let most = i64::from(Recovery::TURNS);
    let turns = tx.all(sql::TAKE_TURNS, &[&us, &most], rows::placed_turn).await?;
    let turns = with_inbounds(&tx, rows::in_order(turns)).await?;
    tx.commit().await?;
    Ok(Recovery { accepted: rows::in_order(accepted), turns, ..Recovery::default() })
}

async fn with_inbounds(tx: &Tx, turns: Vec<NewTurn>) -> Result<Vec<OpenTurn>, Error> {
    let ids: Vec<_> = turns.iter().map(|turn| turn.id.to_string()).collect();
    let mut open: Vec<_> = turns
        .into_iter()
        .map(|turn| OpenTurn { turn, inbounds: Vec::new(), steered: Vec::new() })
        .collect();
    let places: HashMap<TurnId, usize> =
        open.iter().enumerate().map(|(place, open)| (open.turn.id, place)).collect();
    for (turn, steered, inbound) in
        tx.open_all(sql::INBOUNDS_OF_TURNS, &[&ids], rows::inbound_of_turn).await?
    {
        let Some(open) = places.get(&turn).and_then(|place| open.get_mut(*place)) else { continue };
        if steered {
            open.steered.push(inbound);
        } else {
            open.turn.inbounds.push(inbound.id);
            open.inbounds.push(inbound);
        }
    }
    Ok(open)
}

/// Deliveries.
async fn answers(store: &Store, fence: Fence, found: &mut Recovery) -> Result<(), Error> {
    let most = i64::from(Recovery::CONVERSATIONS);
    let conversations: Vec<String> =
        store.all(sql::ORPHANED_CONVERSATIONS, &[&most], |row| row.try_get(0)).await?;
    let (us, lane): (i64, Option<&str>) = (token(fence), None);
    let tx = enter(store, sql::ENTER, &[&us, &lane, &conversations]).await?;
    let heads = tx.open_all(sql::TAKE_HEADS, &[&us, &conversations], rows::placed_delivery).await?;
    let heads = rows::in_order(heads);
    let ids: Vec<_> = heads.iter().map(|head| head.id.to_string()).collect();
    let handles = tx.open_all(sql::USED_HANDLES, &[&ids], rows::used_handle).await?;
    tx.commit().await?;
    let mut handles: HashMap<_, _> = handles.into_iter().collect();
    for head in heads {
        let handle = handles.remove(&head.id);
        found.add(head, handle);
    }
    Ok(())
}
