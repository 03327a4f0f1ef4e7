//! Taking over what belongs to nobody, in a few statements however much it is.

use std::collections::HashMap;

use tokio_postgres::types::ToSql;
use zaki_envelope::{DeliveryId, InboundId, TurnId};

use super::rows::{self, token};
use super::tx::{Store, Tx};
use super::{deliveries, enter, lease, sql};
use crate::sealed::{legible, read, unread};
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
    // What cannot be read is ours until this term ends, so that it is looked at once in each.
    let accepted =
        tx.legible("message", sql::TAKE_ACCEPTED, &[&us, &most], 1, rows::placed_inbound).await?;
    let most = i64::from(Recovery::TURNS);
    let turns = tx.legible("turn", sql::TAKE_TURNS, &[&us, &most], 1, rows::placed_turn).await?;
    let illegible = unread(&accepted) + unread(&turns);
    let turns = with_inbounds(&tx, rows::in_order(read(turns))).await?;
    tx.commit().await?;
    let accepted = rows::in_order(read(accepted));
    Ok(Recovery { accepted, turns, illegible, ..Recovery::default() })
}

async fn with_inbounds(tx: &Tx, turns: Vec<NewTurn>) -> Result<Vec<OpenTurn>, Error> {
    let ids: Vec<_> = turns.iter().map(|turn| turn.id.to_string()).collect();
    let mut open: Vec<_> = turns
        .into_iter()
        .map(|turn| OpenTurn { turn, inbounds: Vec::new(), steered: Vec::new() })
        .collect();
    let places: HashMap<TurnId, usize> =
        open.iter().enumerate().map(|(place, open)| (open.turn.id, place)).collect();
    for (turn, steered, envelope) in
        tx.all(sql::INBOUNDS_OF_TURNS, &[&ids], rows::inbound_of_turn).await?
    {
        let Some(open) = places.get(&turn).and_then(|place| open.get_mut(*place)) else { continue };
        let id = envelope.id.clone();
        let inbound = legible("message", &id, Some(envelope), tx.keys())?;
        if steered {
            open.steered.extend(inbound);
        } else {
            // With those that cannot be read.
            open.turn.inbounds.extend(id.parse::<InboundId>().ok());
            open.inbounds.extend(inbound);
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
    let row: [&(dyn ToSql + Sync); 2] = [&us, &conversations];
    let heads = tx.legible("delivery", sql::TAKE_HEADS, &row, 0, rows::placed_delivery).await?;
    for (id, _) in heads.iter().filter(|(_, head)| head.is_none()) {
        deliveries::pass_over(&tx, fence, id).await?;
    }
    let passed_over = unread(&heads);
    let heads = rows::in_order(read(heads));
    let ids: Vec<_> = heads.iter().map(|head| head.id.to_string()).collect();
    let handles =
        tx.legible("reply handle", sql::USED_HANDLES, &[&ids], 0, rows::used_handle).await?;
    tx.commit().await?;
    found.illegible += passed_over;
    let mut handles: HashMap<DeliveryId, _> = read(handles).into_iter().collect();
    for head in heads {
        let handle = handles.remove(&head.id);
        found.add(head, handle);
    }
    Ok(())
}
