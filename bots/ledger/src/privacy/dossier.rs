//! Showing everything that is kept of a person, page by page.

use zaki_envelope::{MessageId, Outbound, SessionKey, Timestamp};
use zaki_store::{Json, Keys, Row, Sql, Text, params, snapshot};

use super::find::{self, Found, FoundLetter, adopt, by_sender, found, is_direct};
use super::kept::{Kept, KeptDelivery, KeptLetter, KeptMessage, KeptTurn};
use super::who::{Places, floor};
use super::{SenderKey, Who};
use crate::Error;
use crate::desk::Desk;
use crate::encode::clean;
use crate::sealed::{Bytes, Column, Packed, Posted, legible};

/// Things per page.
const STEP: i64 = 50;

/// What [`deliveries`] reads.
macro_rules! deliveries {
    ($condition:literal) => {
        concat!(
            "SELECT id, turn, address, outbound, state, receipt, changed_at FROM delivery WHERE ",
            $condition
        )
    };
}

/// A page of what is kept of a person.
#[derive(Debug, Default)]
pub struct Dossier {
    /// In no order that means anything; a thing may come twice. Each prints as one JSON object.
    pub kept: Vec<Kept>,
    /// Where the next page begins; `None`: that was all.
    pub next: Option<Mark>,
}

/// Where a page begins. The default is the first one's.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    stage: Stage,
    after: String,
    /// Where they were met, and nobody else is.
    places: Places,
}

#[derive(Clone, Copy, Debug)]
enum Stage {
    /// By the number of the sender.
    Messages(usize),
    /// By the number of the user.
    Turns(usize),
    Notices,
    Letters,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Messages(0)
    }
}

/// The next page.
pub(crate) async fn dossier(desk: Desk<'_>, who: &Who, from: Mark) -> Result<Dossier, Error> {
    let store = desk.store();
    if matches!(from.stage, Stage::Messages(0)) && from.after.is_empty() {
        adopt(&store, desk.keys()).await?;
    }
    let (who, keys) = (who.clone(), desk.keys().clone());
    snapshot!(&store, |tx| page(tx, keys, who, from))
}

async fn page<S: Sql>(tx: &S, keys: Keys, who: Who, mut mark: Mark) -> Result<Dossier, Error> {
    loop {
        let Stretch { kept, last } = stretch(tx, &keys, &who, &mut mark).await?;
        if let Some(last) = last {
            mark.after = last;
        } else if let Some(stage) = mark.stage.next(&who) {
            (mark.stage, mark.after) = (stage, String::new());
        } else {
            return Ok(Dossier { kept, next: None });
        }
        if !kept.is_empty() {
            return Ok(Dossier { kept, next: Some(mark) });
        }
    }
}

/// Some things of one stage, and the last one's id; `None`: there are no more.
struct Stretch {
    kept: Vec<Kept>,
    last: Option<String>,
}

impl Stage {
    fn next(self, who: &Who) -> Option<Self> {
        match self {
            Self::Messages(n) if n + 1 < who.senders.len() => Some(Self::Messages(n + 1)),
            Self::Messages(_) => Some(Self::Turns(0)),
            Self::Turns(n) if n + 1 < who.users.len() => Some(Self::Turns(n + 1)),
            Self::Turns(_) => Some(Self::Notices),
            Self::Notices => Some(Self::Letters),
            Self::Letters => None,
        }
    }
}

async fn stretch<S: Sql>(
    tx: &S,
    keys: &Keys,
    who: &Who,
    mark: &mut Mark,
) -> Result<Stretch, Error> {
    let nothing = Stretch { kept: Vec::new(), last: None };
    match mark.stage {
        Stage::Messages(n) => match who.senders.get(n) {
            Some(sender) => messages(tx, keys, who, sender, mark).await,
            None => Ok(nothing),
        },
        Stage::Turns(n) => match who.users.get(n) {
            Some(user) => turns(tx, keys, who, &user.to_string(), mark).await,
            None => Ok(nothing),
        },
        Stage::Notices => {
            for (place, since) in who.places().0 {
                mark.places.add(place, since);
            }
            let place = mark.places.0.iter().find(|(place, _)| **place > mark.after);
            let Some((place, since)) = place else { return Ok(nothing) };
            let kept = notices_at(tx, keys, place, *since).await?;
            Ok(Stretch { kept, last: Some(place.clone()) })
        }
        Stage::Letters => letters(tx, keys, who, &mark.after).await,
    }
}

async fn messages<S: Sql>(
    tx: &S,
    keys: &Keys,
    who: &Who,
    sender: &SenderKey,
    mark: &mut Mark,
) -> Result<Stretch, Error> {
    let claim = who.claim(sender);
    let (theirs, last) = by_sender(tx, keys, &claim, &mark.after, STEP).await?;
    let mut kept = Vec::new();
    for message in theirs {
        kept.extend(message_kept(tx, keys, message, Some(sender.since), mark).await?);
    }
    Ok(Stretch { kept, last })
}

/// A message, and the notice about it where that went to where others are, or may be now. `since`:
/// when the id that said it became theirs, if it is.
async fn message_kept<S: Sql>(
    tx: &S,
    keys: &Keys,
    found: Found,
    since: Option<Timestamp>,
    mark: &mut Mark,
) -> Result<Vec<Kept>, Error> {
    let mut kept = Vec::new();
    let direct = found.inbound.as_ref().is_some_and(is_direct);
    if let (true, Some(since), Some(place)) = (direct, since, found.conversation()) {
        mark.places.add(place, since);
    } else {
        let sql = deliveries!("id = $1 AND turn IS NULL");
        kept.extend(deliveries(keys, &tx.all(sql, params![&found.id]).await?)?);
    }
    let sql = "SELECT expires_at FROM reply_handle WHERE inbound = $1";
    let handle = tx.one(sql, params![&found.id]).await?;
    let handle_until = handle.map(|row| row.get(0)).transpose()?.map(Timestamp::from_ms);
    let (raw, raw_withheld) = raw(tx, keys, found.request, direct).await?;
    let message = found.inbound.map(|message| {
        Kept::Message(Box::new(KeptMessage { message, raw, raw_withheld, handle_until }))
    });
    kept.push(message.unwrap_or_else(|| Kept::illegible("message", found.id)));
    Ok(kept)
}

/// The bytes of a request that held one direct message and nothing else; and whether there are
/// others.
async fn raw<S: Sql>(
    tx: &S,
    keys: &Keys,
    request: Option<i64>,
    direct: bool,
) -> Result<(Option<String>, bool), Error> {
    let sql = "SELECT items, raw FROM request WHERE id = $1";
    let Some(id) = request else { return Ok((None, false)) };
    let Some(row) = tx.one(sql, params![id]).await? else { return Ok((None, false)) };
    if !direct || row.get::<Option<i64>>(0)? != Some(1) {
        return Ok((None, true));
    }
    let stored = row.get(1).ok();
    let bytes = stored.map(|stored| Bytes { column: Column::Request, id, stored });
    let bytes = legible("request", &id.to_string(), bytes, keys)?;
    let text = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let is_withheld = text.is_none();
    Ok((text, is_withheld))
}

/// The turns of a person, in order. `NOT`: SQLite is to go through its index of people, and not to
/// look at each later turn of anybody.
pub(crate) const TURNS: &str = "SELECT id, session, sandbox, address, reply_to, state, started_at,
        ended_at
    FROM turn WHERE user_id = $1 AND NOT id <= $2 ORDER BY id LIMIT $3";

async fn turns<S: Sql>(
    tx: &S,
    keys: &Keys,
    who: &Who,
    user: &str,
    mark: &mut Mark,
) -> Result<Stretch, Error> {
    let rows = tx.all(TURNS, params![user, mark.after.as_str(), STEP]).await?;
    let (mut kept, mut last) = (Vec::new(), None);
    for row in rows {
        let id: String = row.get(0)?;
        let is_private = row.get(1).is_ok_and(|Json::<SessionKey>(key)| !key.is_shared());
        let turn = turn(&row).map(|turn| Kept::Turn(Box::new(turn)));
        kept.push(turn.unwrap_or_else(|_| Kept::illegible("turn", id.clone())));
        let rows = tx.all(deliveries!("turn = $1"), params![&id]).await?;
        kept.extend(deliveries(keys, &rows)?);
        // What they said by an id that is not theirs any more.
        let rows = tx.all(found!("turn = $1"), params![&id]).await?;
        for message in Found::read(keys, &rows)? {
            if message.is_of(who, is_private) && !message.is_by(who) {
                kept.extend(message_kept(tx, keys, message, None, mark).await?);
            }
        }
        last = Some(id);
    }
    Ok(Stretch { kept, last })
}

fn turn(row: &Row) -> Result<KeptTurn, Error> {
    let (Text(id), Json(session), Json(sandbox)) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let Json(address) = row.get(3)?;
    let reply_to: Option<String> = row.get(4)?;
    let ended_at: Option<i64> = row.get(7)?;
    Ok(KeptTurn {
        id,
        session,
        sandbox,
        address,
        reply_to: reply_to.map(MessageId::new),
        state: row.get(5)?,
        started_at: Timestamp::from_ms(row.get(6)?),
        ended_at: ended_at.map(Timestamp::from_ms),
    })
}

async fn notices_at<S: Sql>(
    tx: &S,
    keys: &Keys,
    place: &str,
    since: Timestamp,
) -> Result<Vec<Kept>, Error> {
    let sql = deliveries!("conversation = $1 AND turn IS NULL AND id >= $2");
    deliveries(keys, &tx.all(sql, params![clean(place), floor(since)]).await?)
}

fn deliveries(keys: &Keys, rows: &[Row]) -> Result<Vec<Kept>, Error> {
    let mut kept = Vec::new();
    for row in rows {
        let id: String = row.get(0)?;
        let posted = row.get(3).ok().map(|stored| Posted { id: &id, stored });
        let outbound = legible("delivery", &id, posted, keys)?;
        if outbound.is_none() {
            kept.push(Kept::illegible("delivery", id));
        }
        // All that can be read of it.
        kept.extend(delivery(row, outbound.unwrap_or(Packed::NOTHING)).ok());
    }
    Ok(kept)
}

fn delivery(row: &Row, outbound: Outbound) -> Result<Kept, Error> {
    let (Json(address), receipt): (_, Option<Json<Vec<MessageId>>>) = (row.get(2)?, row.get(5)?);
    Ok(Kept::Delivery(Box::new(KeptDelivery {
        id: row.get(0)?,
        turn: row.get(1)?,
        address,
        outbound,
        state: row.get(4)?,
        receipt: receipt.map(|Json(ids)| ids).unwrap_or_default(),
        changed_at: Timestamp::from_ms(row.get(6)?),
    })))
}

async fn letters<S: Sql>(tx: &S, keys: &Keys, who: &Who, after: &str) -> Result<Stretch, Error> {
    let after = after.parse().unwrap_or_default();
    let (theirs, last) = find::letters(tx, keys, who, after, STEP).await?;
    let kept = theirs.into_iter().map(|letter| {
        let FoundLetter { id, channel, received_at, reason, raw } = letter;
        let bytes = raw.len();
        let known = |channel| KeptLetter { id, channel, received_at, reason, bytes };
        let illegible = || Kept::illegible("dead letter", id.to_string());
        channel.map_or_else(illegible, |channel| Kept::DeadLetter(known(channel)))
    });
    Ok(Stretch { kept: kept.collect(), last: last.map(|id| id.to_string()) })
}
