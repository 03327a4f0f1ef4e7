//! Removing everything of a person, in transactions that keep nobody waiting.

use std::collections::BTreeSet;
use std::ops::AddAssign;

use serde::Serialize;
use zaki_envelope::{AccountName, DedupeKey, InboundId, SessionKey, Timestamp, ZakiUserId};
use zaki_store::{Either, Keys, Row, Sql, Text, params, snapshot, transact};

use super::find::{Found, adopt, by_sender, found, is_direct, letters};
use super::who::{Claim, floor};
use super::{SenderKey, Who};
use crate::Error;
use crate::desk::{Desk, Locks, locked};
use crate::encode::{clean, seen};

/// Messages, or turns, that are removed by one transaction.
const STEP: i64 = 50;

/// How much was removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Erased {
    /// Messages of theirs.
    pub messages: u64,
    /// Turns.
    pub turns: u64,
    /// What was sent to them, or was to be.
    pub deliveries: u64,
    /// Requests that held messages of theirs, with what they held of others: their bytes serve
    /// diagnosis alone.
    pub requests: u64,
    /// Rights to answer them.
    pub handles: u64,
    /// Dead letters that name them.
    pub dead_letters: u64,
    /// Messages of others in turns of theirs: these are not removed, but have no turn any more.
    pub left: u64,
}

impl AddAssign for Erased {
    fn add_assign(&mut self, more: Self) {
        self.messages += more.messages;
        self.turns += more.turns;
        self.deliveries += more.deliveries;
        self.requests += more.requests;
        self.handles += more.handles;
        self.dead_letters += more.dead_letters;
        self.left += more.left;
    }
}

/// Removes it. Nothing depends on what an earlier transaction has found, so that a call that was
/// broken off can be made again.
pub(crate) async fn erase(desk: Desk<'_>, who: &Who, at: Timestamp) -> Result<Erased, Error> {
    let store = desk.store();
    store.delete_securely().await?;
    adopt(&store, desk.keys()).await?;
    let mut erased = Erased::default();
    for sender in &who.senders {
        erased += erase_messages(desk, who, sender, at).await?;
    }
    for user in &who.users {
        erased += erase_turns(desk, who, *user, at).await?;
    }
    for (place, since) in who.places().0 {
        let locks = Locks { conversations: vec![place.clone()], ..Locks::default() };
        erased += locked!(desk, locks, |tx| forget_place(tx, place, since))?;
    }
    erased.dead_letters += erase_letters(&store, desk.keys(), who).await?;
    // Not before this is it gone from the disk.
    store.empty_log().await?;
    Ok(erased)
}

async fn erase_messages(
    desk: Desk<'_>,
    who: &Who,
    sender: &SenderKey,
    at: Timestamp,
) -> Result<Erased, Error> {
    let (store, mut erased) = (desk.store(), Erased::default());
    let (claim, since) = (who.claim(sender), sender.since);
    let mut after = String::new();
    loop {
        let (keys, claim, from) = (desk.keys().clone(), claim.clone(), after.clone());
        let (theirs, last) = snapshot!(&store, |tx| some_of(tx, keys, claim, from))?;
        // Once more from the beginning, for what has come since.
        if theirs.is_empty() && after.is_empty() {
            return Ok(erased);
        }
        after = last.unwrap_or_default();
        let conversations = theirs.iter().filter_map(Found::conversation).collect::<BTreeSet<_>>();
        let conversations: Vec<_> = conversations.into_iter().collect();
        let locks = Locks { conversations: conversations.clone(), ..Locks::default() };
        erased += locked!(desk, locks, |tx| remove_all(tx, theirs, since, conversations, at))?;
    }
}

async fn some_of<S: Sql>(
    tx: &S,
    keys: Keys,
    claim: Claim,
    after: String,
) -> Result<(Vec<Found>, Option<String>), Error> {
    by_sender(tx, &keys, &claim, &after, STEP).await
}

async fn remove_all<S: Sql>(
    tx: &S,
    theirs: Vec<Found>,
    since: Timestamp,
    conversations: Vec<String>,
    at: Timestamp,
) -> Result<Erased, Error> {
    let mut erased = Erased::default();
    for message in &theirs {
        erased += remove(tx, message, Some(since), at).await?;
    }
    promote(tx, &conversations).await?;
    Ok(erased)
}

/// Removes a message and what came with it, was sent because of it alone, or points at it. `since`:
/// when the id that said it became theirs, if it is.
async fn remove<S: Sql>(
    tx: &S,
    message: &Found,
    since: Option<Timestamp>,
    at: Timestamp,
) -> Result<Erased, Error> {
    let mut erased = Erased::default();
    forget_key(tx, message, at).await?;
    if let Some(inbound) = &message.inbound {
        if let (Some(turn), Some(said)) = (&message.turn, &inbound.message) {
            let sql = "UPDATE turn SET reply_to = NULL WHERE id = $1 AND reply_to = $2";
            tx.execute(sql, params![turn, clean(said.as_str())]).await?;
        }
        let place = message.conversation().filter(|_| is_direct(inbound));
        if let (Some(place), Some(since)) = (place, since) {
            erased += forget_place(tx, place, since).await?;
        }
    }
    if let Some(request) = message.request {
        erased.requests +=
            tx.execute("DELETE FROM request WHERE id = $1", params![request]).await?;
    }
    let id = message.id.as_str();
    erased.handles +=
        tx.execute("DELETE FROM reply_handle WHERE inbound = $1", params![id]).await?;
    // A notice about a message has its id.
    erased.deliveries +=
        tx.execute("DELETE FROM delivery WHERE id = $1 AND turn IS NULL", params![id]).await?;
    erased.messages += tx.execute("DELETE FROM inbound WHERE id = $1", params![id]).await?;
    let direct = message.inbound.as_ref().is_some_and(is_direct) && since.is_some();
    if let (Some(turn), Some(place)) = (&message.turn, message.conversation().filter(|_| direct)) {
        erased += forget_answer(tx, turn, &place).await?;
    }
    Ok(erased)
}

/// Removes the key by which a message is known when it comes again, which may name them; a digest of
/// it stays.
async fn forget_key<S: Sql>(tx: &S, message: &Found, at: Timestamp) -> Result<(), Error> {
    let key = match &message.inbound {
        Some(inbound) => {
            let (channel, account) = (inbound.channel.as_str(), inbound.account.as_str());
            Some([channel, account, inbound.dedupe.as_str()].map(str::to_owned))
        }
        None => key_of(tx, &message.id).await?,
    };
    let Some([channel, account, dedupe]) = key else { return Ok(()) };
    let digest = seen(&channel, &account, &dedupe);
    let sql = "DELETE FROM seen WHERE channel = $1 AND account = $2 AND dedupe = $3";
    if tx.execute(sql, params![channel, account, clean(&dedupe)]).await? > 0 {
        let sql = "INSERT INTO forgotten (digest, at) VALUES ($1, $2) ON CONFLICT DO NOTHING";
        tx.execute(sql, params![digest.as_slice(), at.as_ms()]).await?;
    }
    Ok(())
}

/// The key of a message that cannot be read: its id is made of it.
async fn key_of<S: Sql>(tx: &S, id: &str) -> Result<Option<[String; 3]>, Error> {
    let Ok(id) = id.parse::<InboundId>() else { return Ok(None) };
    let at = id.minted_at();
    // A request and its messages came at one time, or nearly.
    let sql = "SELECT channel, account, dedupe FROM seen WHERE at BETWEEN $1 AND $2";
    for row in tx.all(sql, params![at.as_ms() - 1000, at.as_ms() + 1000]).await? {
        let [channel, account, dedupe]: [String; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        let Ok(name) = account.parse::<AccountName>() else { continue };
        if InboundId::derive(at, &name, &DedupeKey::new(dedupe.clone())) == id {
            return Ok(Some([channel, account, dedupe]));
        }
    }
    Ok(None)
}

/// What a turn that has ended said to them alone, and the turn when nothing else is left of it. It may
/// be another person's: they may have been that person for a while. Only what is in this conversation,
/// which is locked; one that goes on is its person's to end, and finds at its end that nothing it was
/// asked is left ([`Parcel::still_said`](crate::encode::Parcel::still_said)).
async fn forget_answer<S: Sql>(tx: &S, turn: &str, place: &str) -> Result<Erased, Error> {
    let ended = "SELECT 1 FROM turn WHERE id = $1 AND ended_at IS NOT NULL
        AND NOT EXISTS (SELECT 1 FROM inbound WHERE turn = $1)";
    let mut erased = Erased::default();
    if tx.one(ended, params![turn]).await?.is_some() {
        let sql = "DELETE FROM delivery WHERE turn = $1 AND conversation = $2";
        erased.deliveries = tx.execute(sql, params![turn, clean(place)]).await?;
        let sql = "DELETE FROM turn WHERE id = $1
            AND NOT EXISTS (SELECT 1 FROM delivery WHERE turn = $1)";
        erased.turns = tx.execute(sql, params![turn]).await?;
    }
    Ok(erased)
}

/// What was sent without a turn to where nobody else is, since they are there.
async fn forget_place<S: Sql>(tx: &S, place: String, since: Timestamp) -> Result<Erased, Error> {
    let sql = "DELETE FROM delivery WHERE conversation = $1 AND turn IS NULL AND id >= $2";
    let deliveries = tx.execute(sql, params![clean(&place), floor(since)]).await?;
    Ok(Erased { deliveries, ..Erased::default() })
}

/// What waits behind what was removed is to be found by a pulse.
async fn promote<S: Sql>(tx: &S, conversations: &[String]) -> Result<(), Error> {
    let sql = "UPDATE delivery SET holder = NULL WHERE holder = 0 AND id = (
        SELECT id FROM delivery WHERE conversation = $1 AND state IN ('pending', 'sending')
        ORDER BY seq LIMIT 1)";
    for conversation in conversations {
        tx.execute(sql, params![clean(conversation)]).await?;
    }
    Ok(())
}

/// Turns of one lane, and where their answers go.
struct Turns {
    ids: Vec<String>,
    /// Nobody else is in their session.
    are_private: bool,
    locks: Locks,
}

async fn erase_turns(
    desk: Desk<'_>,
    who: &Who,
    user: ZakiUserId,
    at: Timestamp,
) -> Result<Erased, Error> {
    let (store, mut erased) = (desk.store(), Erased::default());
    while let Some(turns) = snapshot!(&store, |tx| next_turns(tx, user))? {
        let (keys, who, locks) = (desk.keys().clone(), who.clone(), turns.locks.clone());
        erased += locked!(desk, locks, |tx| remove_turns(tx, keys, who, turns, at))?;
    }
    Ok(erased)
}

/// The first turns of a person.
pub(crate) const FIRST: &str =
    "SELECT id, session FROM turn WHERE user_id = $1 ORDER BY id LIMIT $2";

async fn next_turns<S: Sql>(tx: &S, user: ZakiUserId) -> Result<Option<Turns>, Error> {
    let rows = tx.all(FIRST, params![Text(user), STEP]).await?;
    let read = |row: &Row| -> Result<(String, String), Error> { Ok((row.get(0)?, row.get(1)?)) };
    let turns: Vec<_> = rows.iter().map(read).collect::<Result<_, _>>()?;
    let Some((_, session)) = turns.first() else { return Ok(None) };
    let lane = Some(format!("{user} {session}"));
    let same = turns.iter().filter(|(_, other)| other == session);
    let ids: Vec<_> = same.map(|(id, _)| id.clone()).collect();
    let mut conversations = BTreeSet::new();
    for id in &ids {
        let sql = "SELECT DISTINCT conversation FROM delivery WHERE turn = $1";
        for row in tx.all(sql, params![id]).await? {
            conversations.insert(row.get(0)?);
        }
    }
    let conversations = conversations.into_iter().collect();
    let key: Option<SessionKey> = serde_json::from_str(session).ok();
    let are_private = key.is_some_and(|key| !key.is_shared());
    Ok(Some(Turns { ids, are_private, locks: Locks { lane, conversations } }))
}

async fn remove_turns<S: Sql>(
    tx: &S,
    keys: Keys,
    who: Who,
    turns: Turns,
    at: Timestamp,
) -> Result<Erased, Error> {
    let mut erased = Erased::default();
    for id in &turns.ids {
        let rows = tx.all(found!("turn = $1"), params![id]).await?;
        erased += part(tx, &who, Found::read(&keys, &rows)?, turns.are_private, at).await?;
        erased.deliveries +=
            tx.execute("DELETE FROM delivery WHERE turn = $1", params![id]).await?;
        erased.turns += tx.execute("DELETE FROM turn WHERE id = $1", params![id]).await?;
    }
    // Nobody would take up what waits for the lane.
    let rows = tx.all(found!("lane = $1"), params![turns.locks.lane.clone()]).await?;
    erased += part(tx, &who, Found::read(&keys, &rows)?, turns.are_private, at).await?;
    promote(tx, &turns.locks.conversations).await?;
    Ok(erased)
}

/// Removes what is theirs of messages that were in their turns or waited for one; the others'
/// have none any more.
async fn part<S: Sql>(
    tx: &S,
    who: &Who,
    messages: Vec<Found>,
    are_private: bool,
    at: Timestamp,
) -> Result<Erased, Error> {
    let mut erased = Erased::default();
    for message in messages {
        if message.is_of(who, are_private) {
            erased += remove(tx, &message, message.since(who), at).await?;
            continue;
        }
        let sql = "UPDATE inbound SET state = 'settled', reason = 'erased', turn = NULL,
            place = NULL, lane = NULL, holder = NULL WHERE id = $1";
        erased.left += tx.execute(sql, params![&message.id]).await?;
    }
    Ok(erased)
}

async fn erase_letters(store: &Either, keys: &Keys, who: &Who) -> Result<u64, Error> {
    let (mut after, mut erased) = (0, 0);
    loop {
        let (keys, who) = (keys.clone(), who.clone());
        let (theirs, last) = snapshot!(store, |tx| some_letters(tx, keys, who, after))?;
        let Some(last) = last else { return Ok(erased) };
        after = last;
        erased += transact!(store, |tx| remove_letters(tx, theirs))?;
    }
}

async fn some_letters<S: Sql>(
    tx: &S,
    keys: Keys,
    who: Who,
    after: i64,
) -> Result<(Vec<i64>, Option<i64>), Error> {
    let (theirs, last) = letters(tx, &keys, &who, after, STEP).await?;
    Ok((theirs.into_iter().map(|letter| letter.id).collect(), last))
}

async fn remove_letters<S: Sql>(tx: &S, theirs: Vec<i64>) -> Result<u64, Error> {
    let mut removed = 0;
    for id in theirs {
        removed += tx.execute("DELETE FROM dead_letter WHERE id = $1", params![id]).await?;
    }
    Ok(removed)
}
