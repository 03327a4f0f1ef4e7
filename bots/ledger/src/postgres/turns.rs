//! Beginning, steering and ending turns. The lane is locked before anything is read.

use tokio_postgres::types::ToSql;
use zaki_envelope::wire::ErrorCode;
use zaki_envelope::{InboundId, Timestamp, TurnId};
use zaki_store::{Json, Text};

use super::rows::{self, token};
use super::tx::{Store, Tx};
use super::{deliveries, enter, sql};
use crate::encode::{Parcel, Turn, clean};
use crate::sealed::{Envelope, Joined, legible, read};
use crate::{Begin, Earlier, Error, Fence, Finish, NewTurn, TurnEnd};

const NOTHING: &[&str] = &[];

type Row<'a> = &'a [&'a (dyn ToSql + Sync)];

/// The parameters of [`sql::JOIN`]; the first six are those of [`sql::JOIN_FIRST`].
type Join<'a> = [&'a (dyn ToSql + Sync); 8];

/// Does `$attempt` again without what cannot be read of what it would take along, which stays with
/// whoever has it.
macro_rules! without_illegible {
    (|$left:ident| $attempt:expr) => {{
        let mut $left = Vec::new();
        loop {
            match $attempt.await? {
                Ok(done) => return Ok(done),
                Err(illegible) => $left.extend(illegible),
            }
        }
    }};
}

/// The ids of what cannot be read, and nothing has been done.
type Unless<T> = Result<Result<T, Vec<String>>, Error>;

pub(super) async fn begin(
    store: &Store,
    fence: Fence,
    turn: &NewTurn,
    row: &Turn,
) -> Result<Begin, Error> {
    without_illegible!(|left| try_begin(store, fence, turn, row, &left))
}

async fn try_begin(
    store: &Store,
    fence: Fence,
    turn: &NewTurn,
    row: &Turn,
    left: &[String],
) -> Unless<Begin> {
    let lane = Some(row.lane.as_str());
    let tx = enter(store, sql::ENTER_LANE, &[&token(fence), &lane, &NOTHING]).await?;
    let begin = if add(&tx, fence, row).await? {
        match join_all(&tx, fence, row, turn, left).await? {
            Ok(earlier) => Begin::Begun { earlier },
            Err(illegible) => return Ok(Err(illegible)),
        }
    } else {
        // It cannot have ended: an ended turn leaves its lane free, and ours ends by our call.
        let lane: Row<'_> = &[&row.user, &row.session];
        let open = tx.one(sql::OPEN_IN_LANE, lane, |row| row.try_get::<_, Text<TurnId>>(0)).await;
        match open? {
            Some(Text(open)) if open != turn.id => {
                park(&tx, fence, turn, row).await?;
                Begin::Busy { turn: open }
            }
            _ => {
                let begun: Row<'_> = &[&row.id, &row.inbounds];
                let taken = tx.all(sql::TAKEN_ALONG, begun, rows::joined).await?;
                Begin::Begun { earlier: apart(&tx, taken)?.earlier }
            }
        }
    };
    tx.commit().await?;
    Ok(Ok(begin))
}

/// `false`: the turn is there already, or another one of its lane is.
async fn add(tx: &Tx, fence: Fence, turn: &Turn) -> Result<bool, Error> {
    let reply_to = turn.reply_to.as_deref().map(clean);
    let added = tx
        .execute(
            sql::ADD_TURN,
            &[
                &turn.id,
                &turn.user,
                &turn.session,
                &turn.sandbox,
                &turn.address,
                &reply_to,
                &turn.at,
                &token(fence),
            ],
        )
        .await;
    Ok(added? == 1)
}

/// Returns what has been taken along.
async fn join_all(
    tx: &Tx,
    fence: Fence,
    row: &Turn,
    turn: &NewTurn,
    left: &[String],
) -> Unless<Vec<Earlier>> {
    let (place, steered, most) = (0_i64, false, i64::from(Earlier::MOST));
    let us = token(fence);
    let join: Join<'_> = [&row.inbounds, &row.id, &place, &steered, &us, &row.lane, &most, &left];
    let apart = joined(tx, &join).await?;
    complete(&turn.inbounds, &row.inbounds, &apart.ours)?;
    Ok(apart.taken_along())
}

/// What a turn consists of.
#[derive(Default)]
struct Apart {
    /// Our own, by their ids.
    ours: Vec<String>,
    /// The earlier ones, in order.
    earlier: Vec<Earlier>,
    /// Those of them that cannot be read, by their ids.
    illegible: Vec<String>,
}

impl Apart {
    fn taken_along(self) -> Result<Vec<Earlier>, Vec<String>> {
        if self.illegible.is_empty() { Ok(self.earlier) } else { Err(self.illegible) }
    }
}

/// Looks for what came before ours only where something waits.
async fn joined(tx: &Tx, join: &Join<'_>) -> Result<Apart, Error> {
    let [first @ .., _, _] = join;
    let ours: Vec<String> = tx.all(sql::JOIN_FIRST, first, |row| row.try_get(0)).await?;
    if ours.is_empty() {
        return apart(tx, tx.all(sql::JOIN, join, rows::joined).await?);
    }
    Ok(Apart { ours, ..Apart::default() })
}

fn apart(tx: &Tx, rows: Vec<Joined>) -> Result<Apart, Error> {
    let mut all = Apart::default();
    for Joined { id, place, stored } in rows {
        let Some(stored) = stored else {
            all.ours.push(id);
            continue;
        };
        let envelope = Envelope { id: id.clone(), stored };
        match legible("message", &id, Some(envelope), tx.keys())? {
            Some(inbound) => all.earlier.push(Earlier { place, inbound }),
            None => all.illegible.push(id),
        }
    }
    all.earlier.sort_by_key(|taken| taken.place);
    Ok(all)
}

async fn park(tx: &Tx, fence: Fence, turn: &NewTurn, row: &Turn) -> Result<(), Error> {
    let parked =
        tx.all(sql::PARK, &[&row.inbounds, &row.lane, &token(fence)], |row| row.try_get(0)).await;
    complete(&turn.inbounds, &row.inbounds, &parked?)
}

/// Whether all have been found.
fn complete(ids: &[InboundId], texts: &[String], found: &[String]) -> Result<(), Error> {
    let missing = ids.iter().zip(texts).find(|(_, text)| !found.contains(text));
    missing.map_or(Ok(()), |(id, _)| Err(Error::NotAccepted(*id)))
}

/// A turn as joining and parting see it.
struct Standing {
    open: bool,
    lane: String,
    places: i64,
}

async fn standing(tx: &Tx, turn: TurnId) -> Result<Standing, Error> {
    let read = |row: &tokio_postgres::Row| {
        Ok(Standing { open: row.try_get(0)?, lane: row.try_get(1)?, places: row.try_get(2)? })
    };
    tx.one(sql::TURN, &[&Text(turn)], read).await?.ok_or(Error::UnknownTurn(turn))
}

async fn enter_turn(store: &Store, fence: Fence, turn: TurnId) -> Result<Tx, Error> {
    enter(store, sql::ENTER_TURN, &[&token(fence), &Text(turn), &NOTHING]).await
}

pub(super) async fn join(
    store: &Store,
    fence: Fence,
    turn: TurnId,
    inbounds: &[InboundId],
) -> Result<Option<Vec<Earlier>>, Error> {
    without_illegible!(|left| try_join(store, fence, turn, inbounds, &left))
}

async fn try_join(
    store: &Store,
    fence: Fence,
    turn: TurnId,
    inbounds: &[InboundId],
    left: &[String],
) -> Unless<Option<Vec<Earlier>>> {
    let tx = enter_turn(store, fence, turn).await?;
    let Standing { open, places, lane } = standing(&tx, turn).await?;
    if !open {
        return Ok(Ok(None));
    }
    let (texts, us, most) = (texts(inbounds), token(fence), i64::from(Earlier::MOST));
    let join: Join<'_> = [&texts, &Text(turn), &places, &true, &us, &lane, &most, &left];
    let apart = joined(&tx, &join).await?;
    let joined = tx.all(sql::JOINED, &[&texts, &Text(turn)], |row| row.try_get(0)).await?;
    complete(inbounds, &texts, &joined)?;
    let earlier = match apart.taken_along() {
        Ok(earlier) => earlier,
        Err(illegible) => return Ok(Err(illegible)),
    };
    tx.commit().await?;
    Ok(Ok(Some(earlier)))
}

pub(super) async fn part(
    store: &Store,
    fence: Fence,
    turn: TurnId,
    inbounds: &[InboundId],
) -> Result<bool, Error> {
    let tx = enter_turn(store, fence, turn).await?;
    let Standing { open, lane, .. } = standing(&tx, turn).await?;
    let (lane, holder) = if open { (Some(lane), None) } else { (None, Some(token(fence))) };
    tx.execute(sql::PART, &[&texts(inbounds), &Text(turn), &lane, &holder]).await?;
    tx.commit().await?;
    Ok(open)
}

fn texts(inbounds: &[InboundId]) -> Vec<String> {
    inbounds.iter().map(ToString::to_string).collect()
}

pub(super) async fn finish(
    store: &Store,
    fence: Fence,
    turn: TurnId,
    end: TurnEnd,
    heard: &[InboundId],
    parcels: &[Parcel],
    at: Timestamp,
) -> Result<Finish, Error> {
    let conversations = deliveries::conversations(parcels);
    let locks: Row<'_> = &[&token(fence), &Text(turn), &conversations];
    let tx = enter(store, sql::ENTER_TURN, locks).await?;
    let (state, code) = words(end);
    let ended = tx
        .one(
            sql::END_TURN,
            &[&Text(turn), &state, &code.map(Json), &at.as_ms(), &token(fence), &texts(heard)],
            |row| Ok((row.try_get::<_, String>(0)?, row.try_get::<_, bool>(1)?)),
        )
        .await;
    let Some((lane, is_asked)) = ended? else {
        let open = standing(&tx, turn).await?.open;
        return if open { Err(Error::Fenced) } else { Ok(Finish::AlreadyEnded) };
    };
    let row: Row<'_> = &[&lane, &token(fence), &Text(turn), &texts(heard)];
    // One that cannot be read is ours as well, and looked at again after our term.
    let waiting = tx.legible("message", sql::TAKE_WAITING, row, 1, rows::placed_inbound).await?;
    let first = deliveries::add(&tx, fence, Parcel::still_said(parcels, is_asked), at).await?;
    if !is_asked {
        tx.execute(sql::FORGET_TURN, &[&Text(turn)]).await?;
    }
    tx.commit().await?;
    Ok(Finish::Ended { first, waiting: rows::in_order(read(waiting)) })
}

const fn words(end: TurnEnd) -> (&'static str, Option<ErrorCode>) {
    match end {
        TurnEnd::Finished => ("finished", None),
        TurnEnd::Failed { code } => ("failed", Some(code)),
        TurnEnd::Aborted => ("aborted", None),
    }
}
