//! Text goes before its row does: the bookkeeping is worth more years than what was said.

use std::time::Duration;

use zaki_envelope::{DeliveryId, Inbound, InboundId, Timestamp};
use zaki_store::{Either, Keys, Row, Sql, params, snapshot, transact};

use crate::Error;
use crate::desk::Desk;
use crate::encode;
use crate::sealed::{Envelope, Shut};

/// What is left of a delivery without its text; stored as it is, so that SQL knows it too.
pub(crate) const BARE: &str = r#"{"type":"post","parts":[],"reply_to":null}"#;

/// Rows per transaction.
const STEP: i64 = 200;

/// The moment that lies so long before another one.
pub(crate) fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    // Ids hold no times before the epoch.
    now.plus_ms(-age).max(Timestamp::from_ms(0))
}

/// One of the tables, by its statements.
struct Texts {
    /// Where it is kept how far this has come: nothing before that has text left.
    mark: &'static str,
    /// What is done with, behind one id and before another.
    page: &'static str,
    /// The oldest that is not done with.
    open: &'static [&'static str],
    /// Only while it is done with: an operator may have had it sent again.
    put: &'static str,
    bare: fn(&Keys, &str, &str) -> Result<Option<String>, Error>,
}

const MESSAGES: Texts = Texts {
    mark: "retention:inbound",
    page: "SELECT i.id, i.envelope FROM inbound AS i LEFT JOIN turn AS t ON t.id = i.turn
        WHERE i.id > $1 AND i.id < $2
          AND (i.state IN ('settled', 'dead') OR t.ended_at IS NOT NULL)
        ORDER BY i.id LIMIT $3",
    open: &[
        "SELECT min(id) FROM inbound WHERE state = 'accepted' AND lane IS NULL",
        "SELECT min(id) FROM inbound WHERE lane IS NOT NULL",
        "SELECT min(i.id) FROM turn AS t JOIN inbound AS i ON i.turn = t.id
        WHERE t.ended_at IS NULL",
    ],
    put: "UPDATE inbound SET envelope = $2 WHERE id = $1",
    bare: bare_message,
};

const DELIVERIES: Texts = Texts {
    mark: "retention:delivery",
    page: "SELECT id, outbound FROM delivery
        WHERE id > $1 AND id < $2 AND state IN ('sent', 'unknown', 'dead')
        ORDER BY id LIMIT $3",
    open: &["SELECT min(id) FROM delivery WHERE state IN ('pending', 'sending')"],
    put: "UPDATE delivery SET outbound = $2
        WHERE id = $1 AND state IN ('sent', 'unknown', 'dead')",
    bare: bare_delivery,
};

/// A message as it is stored without its text; `None`: it has none.
fn bare_message(keys: &Keys, id: &str, stored: &str) -> Result<Option<String>, Error> {
    let envelope = Envelope { id: id.to_owned(), stored: stored.to_owned() };
    let inbound = envelope.open(keys)?;
    if inbound.parts.is_empty() {
        return Ok(None);
    }
    encode::envelope(keys, id, &Inbound { parts: Vec::new(), ..inbound }).map(Some)
}

#[allow(clippy::unnecessary_wraps, reason = "one of two of a kind")]
fn bare_delivery(_: &Keys, _: &str, stored: &str) -> Result<Option<String>, Error> {
    Ok((stored != BARE).then(|| BARE.to_owned()))
}

/// Removes the text of what is done with and older than this.
pub(crate) async fn strip(desk: Desk<'_>, oldest: Timestamp) -> Result<(), Error> {
    let store = desk.store();
    let end = InboundId::from_parts(oldest, 0).to_string();
    strip_table(&store, desk.keys(), &MESSAGES, end, oldest).await?;
    let end = DeliveryId::from_parts(oldest, 0).to_string();
    strip_table(&store, desk.keys(), &DELIVERIES, end, oldest).await
}

async fn strip_table(
    store: &Either,
    keys: &Keys,
    texts: &'static Texts,
    end: String,
    at: Timestamp,
) -> Result<(), Error> {
    // What is open now is looked at again the next time, and with it all that follows it.
    let (mut after, open) = snapshot!(store, |tx| begin(tx, texts))?;
    let mut done = open.map_or(end.clone(), |open| open.min(end.clone()));
    // Before that one.
    done.pop();
    let nothing_new = after >= done;
    loop {
        let (from, to) = (after.clone(), end.clone());
        let rows = snapshot!(store, |tx| page(tx, texts, from, to))?;
        let Some((last, _)) = rows.last() else { break };
        after.clone_from(last);
        let bare: Vec<_> = rows.into_iter().filter_map(|row| bare(keys, texts, row)).collect();
        if !bare.is_empty() {
            transact!(store, |tx| put(tx, texts, bare))?;
        }
    }
    if nothing_new { Ok(()) } else { transact!(store, |tx| mark(tx, texts, done, at)) }
}

/// Where to begin, and the oldest that is open.
async fn begin<S: Sql>(tx: &S, texts: &Texts) -> Result<(String, Option<String>), Error> {
    let mark = tx.one("SELECT value FROM cursor WHERE name = $1", params![texts.mark]).await?;
    let mark = mark.map(|row| row.get(0)).transpose()?;
    let mut oldest: Option<String> = None;
    for sql in texts.open {
        let open = tx.one(sql, params![]).await?;
        let open: Option<String> = open.map(|row| row.get(0)).transpose()?.flatten();
        oldest = [oldest, open].into_iter().flatten().min();
    }
    Ok((mark.unwrap_or_default(), oldest))
}

async fn page<S: Sql>(
    tx: &S,
    texts: &Texts,
    from: String,
    to: String,
) -> Result<Vec<(String, String)>, Error> {
    let rows = tx.all(texts.page, params![from, to, STEP]).await?;
    let read = |row: &Row| Ok((row.get(0)?, row.get(1)?));
    rows.iter().map(read).collect()
}

/// A row without its text. One that cannot be read is left: it must not keep the others.
fn bare(keys: &Keys, texts: &Texts, row: (String, String)) -> Option<(String, String)> {
    let (id, stored) = row;
    match (texts.bare)(keys, &id, &stored) {
        Ok(bare) => bare.map(|bare| (id, bare)),
        Err(error) => {
            tracing::warn!(%id, %error, "its text was not removed");
            None
        }
    }
}

async fn put<S: Sql>(tx: &S, texts: &Texts, bare: Vec<(String, String)>) -> Result<(), Error> {
    for (id, stored) in bare {
        tx.execute(texts.put, params![id, stored]).await?;
    }
    Ok(())
}

async fn mark<S: Sql>(tx: &S, texts: &Texts, done: String, at: Timestamp) -> Result<(), Error> {
    let sql = "INSERT INTO cursor (name, value, at) VALUES ($1, $2, $3)
        ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at";
    tx.execute(sql, params![texts.mark, done, at.as_ms()]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use zaki_envelope::Outbound;

    use super::*;

    #[test]
    fn what_is_left_of_a_delivery_is_a_post_of_nothing() {
        let nothing = Outbound::Post { parts: Vec::new(), reply_to: None };
        assert_eq!(encode::json(&nothing).unwrap(), BARE);
    }
}
