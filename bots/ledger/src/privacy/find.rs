//! Finding what is somebody's.

use zaki_envelope::{Address, ChannelKind, ConversationKind, Inbound, Timestamp};
use zaki_store::{Either, Keys, Row, Sql, Text, params, snapshot, transact};

use super::who::Claim;
use super::{SenderKey, Who};
use crate::Error;
use crate::encode::conversation;
use crate::sealed::{Bytes, Column, Envelope, Named, all_legible, legible};

/// Rows per transaction.
const STEP: i64 = 200;

/// Notes who wrote what the release before this one has stored, or still stores beside us.
pub(super) async fn adopt(store: &Either, keys: &Keys) -> Result<(), Error> {
    loop {
        let found = snapshot!(store, |tx| unknown(tx))?;
        if found.is_empty() {
            return Ok(());
        }
        let sender = |(id, inbound): Named<Inbound>| {
            // What cannot be read is nobody's, and not looked at again.
            let sender = inbound.map(|inbound| SenderKey::of(&inbound).digest().to_vec());
            (id, sender.unwrap_or_default())
        };
        let found = all_legible("message", found, keys)?;
        let senders: Vec<_> = found.into_iter().map(sender).collect();
        transact!(store, |tx| note(tx, senders))?;
    }
}

async fn unknown<S: Sql>(tx: &S) -> Result<Vec<Named<Envelope>>, Error> {
    let sql = "SELECT id, envelope FROM inbound WHERE sender IS NULL ORDER BY id LIMIT $1";
    let rows = tx.all(sql, params![STEP]).await?;
    rows.iter().map(envelope).collect()
}

/// Columns: id, envelope.
pub(super) fn envelope(row: &Row) -> Result<Named<Envelope>, Error> {
    let id: String = row.get(0)?;
    Ok((id.clone(), row.get(1).ok().map(|stored| Envelope { id, stored })))
}

async fn note<S: Sql>(tx: &S, senders: Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    for (id, sender) in senders {
        tx.execute("UPDATE inbound SET sender = $2 WHERE id = $1", params![id, sender]).await?;
    }
    Ok(())
}

/// A message as it is found.
pub(super) struct Found {
    pub id: String,
    /// `None`: it cannot be read.
    pub inbound: Option<Inbound>,
    pub request: Option<i64>,
    pub turn: Option<String>,
    sender: Vec<u8>,
}

/// What [`Found::read`] reads.
macro_rules! found {
    ($condition:literal) => {
        concat!("SELECT id, envelope, request, turn, sender FROM inbound WHERE ", $condition)
    };
}

pub(super) use found;

/// What somebody said that does not wait any more, behind one id, in order: since the sender is
/// theirs, or in a turn of theirs. PostgreSQL finds it by its sender; SQLite looks at each later
/// message.
pub(crate) const SAID: &str = found!(
    "sender = $1 AND id > $2 AND state <> 'accepted' AND (id >= $3 AND id < $6
        OR $4 LIKE '%' || (SELECT user_id FROM turn WHERE turn.id = inbound.turn) || '%')
    ORDER BY id LIMIT $5"
);

/// What has not been taken up.
pub(crate) const NEW: &str =
    found!("sender = $1 AND state = 'accepted' AND lane IS NULL AND id >= $2 AND id < $3");

/// What waits for a turn of a lane, which begins with its user.
pub(crate) const WAITS: &str = found!(
    "sender = $1 AND lane IS NOT NULL
        AND (id >= $2 AND id < $4 OR $3 LIKE '%' || substr(lane, 1, 26) || '%')"
);

/// What somebody said: some of what does not wait, and, after the last of that, what waits. The
/// last id; `None`: that was all.
pub(super) async fn by_sender<S: Sql>(
    tx: &S,
    keys: &Keys,
    claim: &Claim,
    after: &str,
    most: i64,
) -> Result<(Vec<Found>, Option<String>), Error> {
    let Claim { digest, floor, end, users } = claim;
    let sender = digest.as_slice();
    let mut rows = tx.all(SAID, params![sender, after, floor, users, most, end]).await?;
    if i64::try_from(rows.len()).is_ok_and(|found| found == most) {
        let found = Found::read(keys, &rows)?;
        let last = found.last().map(|message| message.id.clone());
        return Ok((found, last));
    }
    rows.extend(tx.all(NEW, params![sender, floor, end]).await?);
    rows.extend(tx.all(WAITS, params![sender, floor, users, end]).await?);
    Ok((Found::read(keys, &rows)?, None))
}

impl Found {
    pub(super) fn read(keys: &Keys, rows: &[Row]) -> Result<Vec<Self>, Error> {
        let read = |row: &Row| -> Result<Self, Error> {
            let (id, envelope) = envelope(row)?;
            let sender: Option<Vec<u8>> = row.get(4)?;
            Ok(Self {
                inbound: legible("message", &id, envelope, keys)?,
                id,
                request: row.get(2)?,
                turn: row.get(3)?,
                sender: sender.unwrap_or_default(),
            })
        };
        rows.iter().map(read).collect()
    }

    /// Whether a message in a turn or lane of theirs is their own: whatever was said where nobody
    /// else is, also by an id that is not theirs any more. `is_private`: nobody else is in the session
    /// of that turn, where the message cannot say it.
    pub(super) fn is_of(&self, who: &Who, is_private: bool) -> bool {
        self.inbound.as_ref().map_or(is_private, is_direct) || self.is_by(who)
    }

    /// Whether it was said by an id of theirs.
    pub(super) fn is_by(&self, who: &Who) -> bool {
        self.since(who).is_some()
    }

    /// Since when the id that said it is theirs, if it is.
    pub(super) fn since(&self, who: &Who) -> Option<Timestamp> {
        who.since(&self.sender)
    }

    /// Its conversation, as the rows of deliveries carry it.
    pub(super) fn conversation(&self) -> Option<String> {
        self.inbound.as_ref().map(|inbound| conversation(&Address::of(inbound)))
    }
}

pub(super) fn is_direct(inbound: &Inbound) -> bool {
    inbound.conversation.kind == ConversationKind::Direct
}

/// A dead letter that names somebody.
pub(super) struct FoundLetter {
    pub id: i64,
    /// `None`: it cannot be read.
    pub channel: Option<ChannelKind>,
    pub received_at: Timestamp,
    pub reason: String,
    pub raw: Vec<u8>,
}

/// Those of some dead letters behind one that name somebody, and the last one's id; `None`: there are
/// no more.
pub(super) async fn letters<S: Sql>(
    tx: &S,
    keys: &Keys,
    who: &Who,
    after: i64,
    most: i64,
) -> Result<(Vec<FoundLetter>, Option<i64>), Error> {
    let sql = "SELECT id, channel, received_at, reason, raw FROM dead_letter WHERE id > $1
        ORDER BY id LIMIT $2";
    let (mut theirs, mut last) = (Vec::new(), None);
    for row in tx.all(sql, params![after, most]).await? {
        let id = row.get(0)?;
        last = Some(id);
        let raw = Bytes { column: Column::DeadLetter, id, stored: row.get(4)? };
        // What nobody can read names nobody, and goes after its days.
        let Some(raw) = legible("dead letter", &id.to_string(), Some(raw), keys)? else { continue };
        let channel = row.get(1).ok().map(|Text(channel)| channel);
        let received_at = Timestamp::from_ms(row.get(2)?);
        if who.is_named_in(channel, received_at, &raw) {
            theirs.push(FoundLetter { id, channel, received_at, reason: row.get(3)?, raw });
        }
    }
    Ok((theirs, last))
}
