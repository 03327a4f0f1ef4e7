//! Taking over what belongs to nobody.

use zaki_envelope::{DeliveryId, Inbound, Timestamp};
use zaki_store::{PgTx, Postgres, Text};

use super::rows::{self, token};
use super::{deliveries, enter, lease, sql};
use crate::{Claimed, Error, Fence, NewTurn, Next, OpenTurn, Recovery};

/// Conversations in one transaction: each takes a place in the server's table of locks.
const STEP: usize = 200;

pub(super) async fn recover(
    store: &Postgres,
    fence: Fence,
    at: Timestamp,
) -> Result<Recovery, Error> {
    lease::bury_expired(store).await?;
    let mut found = questions(store, fence).await?;
    // What has been taken must reach the caller. What a failure leaves, the next pulse finds.
    if let Err(error) = answers(store, fence, at, &mut found).await {
        if found == Recovery::default() || matches!(error, Error::Fenced) {
            return Err(error);
        }
        tracing::warn!(%error, "not everything has been taken over yet");
    }
    Ok(found)
}

/// Messages and turns.
async fn questions(store: &Postgres, fence: Fence) -> Result<Recovery, Error> {
    let (lane, nothing): (Option<&str>, &[&str]) = (None, &[]);
    let tx = enter(store, sql::ENTER, &[&token(fence), &lane, &nothing]).await?;
    let accepted = tx.all(sql::TAKE_ACCEPTED, &[&token(fence)], rows::placed_inbound).await?;
    let taken = tx.all(sql::TAKE_TURNS, &[&token(fence)], rows::placed_turn).await?;
    let mut turns = Vec::new();
    for turn in rows::in_order(taken) {
        turns.push(with_inbounds(&tx, turn).await?);
    }
    tx.commit().await?;
    Ok(Recovery { accepted: rows::in_order(accepted), turns, ..Recovery::default() })
}

async fn with_inbounds(tx: &PgTx, mut turn: NewTurn) -> Result<OpenTurn, Error> {
    let read = async |steered: bool| -> Result<Vec<Inbound>, Error> {
        Ok(tx.all(sql::INBOUNDS_OF_TURN, &[&Text(turn.id), &steered], rows::inbound).await?)
    };
    let (inbounds, steered) = (read(false).await?, read(true).await?);
    turn.inbounds = inbounds.iter().map(|inbound| inbound.id).collect();
    Ok(OpenTurn { turn, inbounds, steered })
}

/// Deliveries, some conversations at a time.
async fn answers(
    store: &Postgres,
    fence: Fence,
    at: Timestamp,
    found: &mut Recovery,
) -> Result<(), Error> {
    let all = store.all(sql::ORPHANED_CONVERSATIONS, &[], |row| row.try_get::<_, String>(0)).await;
    for conversations in all?.chunks(STEP) {
        let lane: Option<&str> = None;
        let tx = enter(store, sql::ENTER, &[&token(fence), &lane, &conversations]).await?;
        let (mut heads, mut unknown) = (Vec::new(), Vec::new());
        let orphan = |row: &tokio_postgres::Row| {
            let Text(id) = row.try_get(0)?;
            Ok((id, row.try_get::<_, String>(1)?, row.try_get::<_, bool>(2)?))
        };
        for (id, conversation, sending) in tx.all(sql::ORPHANED, &[&conversations], orphan).await? {
            if sending {
                unknown.extend(sending_again(&tx, fence, id).await?);
                continue;
            }
            match deliveries::advance(&tx, fence, &conversation, at).await? {
                Next::None => {}
                next => heads.push(next),
            }
        }
        tx.commit().await?;
        found.deliveries.append(&mut heads);
        found.unknown.append(&mut unknown);
    }
    Ok(())
}

/// As it was claimed by whoever has gone.
async fn sending_again(tx: &PgTx, fence: Fence, id: DeliveryId) -> Result<Option<Claimed>, Error> {
    let delivery = tx.one(sql::TAKE_SENDING, &[&Text(id), &token(fence)], rows::delivery).await?;
    let handle = tx.one(sql::USED_HANDLE, &[&Text(id)], rows::handle).await?;
    let handle = handle.map(|(_, handle)| handle);
    Ok(delivery.map(|delivery| Claimed { delivery, handle }))
}
