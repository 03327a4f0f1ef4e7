//! The statements, in one place. Parameters are numbered as the callers give them.
//!
//! What is open is found by partial indices, which serve only where a statement repeats their
//! `WHERE`, word by word.

/// The oldest open delivery of a conversation is its head; all others wait behind it.
macro_rules! open {
    ($alias:literal) => {
        concat!($alias, "state IN ('pending', 'sending')")
    };
    () => {
        open!("")
    };
}

// The run.

pub(super) const ENROLL: &str = "INSERT INTO run (one, token, name) VALUES (1, 1, ?1)
    ON CONFLICT (one) DO UPDATE SET token = token + 1, name = excluded.name RETURNING token";

pub(super) const END_RUN: &str = "UPDATE run SET token = token + 1 WHERE one = 1 AND token = ?1";

/// The name is for people's eyes alone.
pub(super) const TOUCH: &str = "UPDATE run SET name =
    CASE WHEN name LIKE '% ' THEN rtrim(name) ELSE name || ' ' END WHERE one = 1";

/// What nobody holds any more, table by table.
pub(super) const RELEASE: [&str; 3] = [
    "UPDATE inbound SET holder = NULL WHERE state = 'accepted' AND lane IS NULL AND holder > 0",
    "UPDATE turn SET holder = NULL WHERE ended_at IS NULL AND holder IS NOT NULL",
    concat!("UPDATE delivery SET holder = NULL WHERE ", open!(), " AND holder > 0"),
];

/// Whether it is there is for whoever finds it.
pub(super) const DISOWN: &str = "UPDATE inbound SET holder = NULL
    WHERE id = ?2 AND state = 'accepted' AND lane IS NULL AND holder = ?1";

/// What one holds and has not begun.
pub(super) const GIVE_UP: [&str; 2] = [
    "UPDATE inbound SET holder = NULL WHERE state = 'accepted' AND lane IS NULL AND holder = ?1",
    concat!(
        "UPDATE delivery SET holder = NULL WHERE state = 'pending' AND ",
        open!(),
        " AND holder = ?1"
    ),
];

pub(super) const ORPHANS: &str = concat!(
    "SELECT EXISTS (SELECT 1 FROM inbound
        WHERE state = 'accepted' AND lane IS NULL AND holder IS NULL)
    OR EXISTS (SELECT 1 FROM turn WHERE ended_at IS NULL AND holder IS NULL)
    OR EXISTS (SELECT 1 FROM delivery WHERE ",
    open!(),
    " AND holder IS NULL)"
);

// Messages.

/// No part of the next one: what inserts from a query copies each page before it touches it.
pub(super) const IS_FORGOTTEN: &str = "SELECT 1 FROM forgotten WHERE digest = ?1";

pub(super) const SEE: &str = "INSERT INTO seen (channel, account, dedupe, at)
    VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";

pub(super) const ADD_REQUEST: &str =
    "INSERT INTO request (channel, account, received_at, raw, items, id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

/// The last id that a table has given. An encrypted row is bound to its id, so it has to be known
/// before.
pub(super) const LAST_ID: &str = "SELECT seq FROM sqlite_sequence WHERE name = ?1";

pub(super) const ADD_INBOUND: &str =
    "INSERT INTO inbound (id, request, envelope, state, reason, holder, sender)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) const ADD_HANDLE: &str =
    "INSERT INTO reply_handle (inbound, address, secret, expires_at, uses_left)
    VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const ADD_DEAD: &str =
    "INSERT INTO dead_letter (channel, account, received_at, reason, raw, id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";

pub(super) const MOVE_CURSOR: &str = "INSERT INTO cursor (name, value, at) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at";

pub(super) const CURSOR: &str = "SELECT value FROM cursor WHERE name = ?1";

pub(super) const SETTLE: &str = "UPDATE inbound SET state = ?2, reason = ?3, lane = NULL
    WHERE id = ?1 AND state = 'accepted'";

// Turns.

pub(super) const ADD_TURN: &str =
    "INSERT INTO turn (id, user, session, sandbox, address, reply_to, state, started_at, holder)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'running', ?7, ?8) ON CONFLICT DO NOTHING";

pub(super) const OPEN_IN_LANE: &str =
    "SELECT id FROM turn WHERE user = ?1 AND session = ?2 AND ended_at IS NULL";

/// Open?, by which token, its lane.
pub(super) const TURN: &str =
    "SELECT ended_at IS NULL, holder, user || ' ' || session FROM turn WHERE id = ?1";

pub(super) const JOIN: &str = "UPDATE inbound
    SET state = 'joined', turn = ?2, place = ?3, steered = ?4, holder = NULL, lane = NULL
    WHERE id = ?1 AND state = 'accepted' AND (holder = ?5 OR lane = ?6)";

pub(super) const HAS_JOINED: &str =
    "SELECT 1 FROM inbound WHERE id = ?1 AND turn = ?2 AND steered = 1";

pub(super) const PLACES: &str = "SELECT coalesce(max(place) + 1, 0) FROM inbound WHERE turn = ?1";

/// Left to the turn that is open in its lane.
pub(super) const PARK: &str = "UPDATE inbound SET lane = ?2, holder = NULL
    WHERE id = ?1 AND state = 'accepted' AND (holder = ?3 OR lane = ?2)";

pub(super) const PART: &str = "UPDATE inbound
    SET state = 'accepted', turn = NULL, place = NULL, steered = 0, lane = ?3, holder = ?4
    WHERE id = ?1 AND turn = ?2 AND steered = 1";

pub(super) const STEERED: &str = "SELECT id FROM inbound WHERE turn = ?1 AND steered = 1";

pub(super) const END_TURN: &str =
    "UPDATE turn SET state = ?2, code = ?3, ended_at = ?4 WHERE id = ?1";

/// Whether anything of what it was asked is left.
pub(super) const IS_ASKED: &str = "SELECT EXISTS (SELECT 1 FROM inbound WHERE turn = ?1)";

/// Of a turn whose messages are all gone, unless it has said something.
pub(super) const FORGET_TURN: &str = "DELETE FROM turn WHERE id = ?1
    AND NOT EXISTS (SELECT 1 FROM delivery WHERE turn = ?1)";

/// What waits for the lane, in order of acceptance.
pub(super) const WAITING: &str =
    "SELECT id, envelope FROM inbound WHERE lane = ?1 ORDER BY inbound.rowid";

pub(super) const TAKE_WAITING: &str = "UPDATE inbound SET lane = NULL, holder = ?2 WHERE lane = ?1";

// Deliveries.

/// The last place in the queue of a conversation; NULL when it is free.
pub(super) const TAIL: &str =
    concat!("SELECT max(seq) FROM delivery WHERE conversation = ?1 AND ", open!());

pub(super) const ADD_DELIVERY: &str = "INSERT INTO delivery (id, turn, reply, part, address,
        outbound, kind, conversation, not_before, changed_at, seq, state, attempts, holder,
        fleeting)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
    ON CONFLICT (id) DO NOTHING";

pub(super) const HEAD: &str = concat!(
    "SELECT id, state, holder, not_before, changed_at FROM delivery WHERE conversation = ?1 AND ",
    open!(),
    " ORDER BY seq LIMIT 1"
);

/// The head of a conversation has been taken away by somebody who does not send.
pub(super) const PROMOTE: &str = concat!(
    "UPDATE delivery SET holder = NULL WHERE holder = 0 AND id = (
        SELECT id FROM delivery WHERE conversation = ?1 AND ",
    open!(),
    " ORDER BY seq LIMIT 1)"
);

pub(super) const PROMOTE_ALL: &str = concat!(
    "UPDATE delivery SET holder = NULL WHERE holder = 0 AND ",
    open!(),
    " AND NOT EXISTS (SELECT 1 FROM delivery AS earlier
        WHERE earlier.conversation = delivery.conversation AND earlier.seq < delivery.seq AND ",
    open!("earlier."),
    ")"
);

pub(super) const TAKE_LATER: &str =
    "UPDATE delivery SET holder = ?2 WHERE id = ?1 RETURNING address";

/// Everything `rows::delivery` reads.
macro_rules! delivery {
    () => {
        "id, turn, address, outbound, kind, part, state, attempts, not_before, reason, receipt, \
         changed_at"
    };
}

pub(super) const CLAIM: &str = concat!(
    "UPDATE delivery SET state = 'sending', attempts = attempts + 1, reason = NULL,
        holder = ?2, changed_at = ?3
    WHERE id = ?1 RETURNING ",
    delivery!()
);

/// The newest live handle that one of the turn's messages brought from the delivery's address.
pub(super) const LIVE_HANDLE: &str = "SELECT h.inbound, h.secret, h.expires_at, h.uses_left
    FROM delivery AS d
    JOIN inbound AS i ON i.turn = d.turn
    JOIN reply_handle AS h ON h.inbound = i.id AND h.address = d.address
    WHERE d.id = ?1 AND h.uses_left > 0 AND h.expires_at > ?2
    ORDER BY i.place DESC LIMIT 1";

/// The live handle of the message that a notice is about: both have one id.
pub(super) const OWN_HANDLE: &str = "SELECT h.inbound, h.secret, h.expires_at, h.uses_left
    FROM delivery AS d
    JOIN reply_handle AS h ON h.inbound = d.id AND h.address = d.address
    WHERE d.id = ?1 AND h.uses_left > 0 AND h.expires_at > ?2";

pub(super) const USE_HANDLE: &str =
    "UPDATE reply_handle SET uses_left = uses_left - 1 WHERE inbound = ?1";

/// The one that the attempt under way has used; that use is still counted.
pub(super) const USED_HANDLE: &str = "SELECT inbound, secret, expires_at, uses_left + 1
    FROM reply_handle WHERE inbound = (SELECT handle FROM delivery WHERE id = ?1)";

pub(super) const NOTE_HANDLE: &str = "UPDATE delivery SET handle = ?2 WHERE id = ?1";

/// Before the delivery forgets which handle its attempt used.
pub(super) const RETURN_HANDLE: &str = "UPDATE reply_handle SET uses_left = uses_left + 1
    WHERE inbound = (SELECT handle FROM delivery WHERE id = ?1)";

pub(super) const SETTLE_DELIVERY: &str = "UPDATE delivery
    SET state = ?2, reason = ?3, receipt = ?4, not_before = coalesce(?5, not_before),
        handle = NULL, changed_at = ?6, attempts = attempts - ?7,
        outbound = CASE WHEN fleeting = 1 AND ?2 = 'sent' THEN ?8 ELSE outbound END
    WHERE id = ?1";

pub(super) const STANDING: &str =
    "SELECT conversation, state, kind, holder FROM delivery WHERE id = ?1";

pub(super) const END_LATER_PARTS: &str = "UPDATE delivery
    SET state = 'dead', reason = ?3, changed_at = ?2
    WHERE state = 'pending' AND EXISTS (
        SELECT 1 FROM delivery AS earlier
        WHERE earlier.id = ?1 AND earlier.reply = delivery.reply
          AND earlier.address = delivery.address AND earlier.part < delivery.part)
      AND reply = (SELECT reply FROM delivery WHERE id = ?1)";

/// What a notice told of that did not arrive, or may not have: rather told twice than never.
pub(super) const UNTELL: &str =
    "UPDATE delivery SET told = NULL WHERE told = (SELECT reply FROM delivery WHERE id = ?1)";

pub(super) const TELL: &str = "UPDATE delivery SET told = ?2 WHERE id = ?1";

pub(super) const UNTOLD: &str = "SELECT id, turn, state, reason, changed_at FROM delivery
    WHERE conversation = ?1 AND state IN ('unknown', 'dead') AND kind = 'reply' AND told IS NULL
    ORDER BY rowid";

pub(super) const PROVE: &str = "UPDATE delivery
    SET state = 'sent', receipt = ?2, reason = NULL, handle = NULL, changed_at = ?3
    WHERE id = ?1 AND state IN ('sending', 'unknown') RETURNING conversation";

/// Of what was told already, the person knows.
pub(super) const REFUTE: &str = "UPDATE delivery
    SET state = 'dead', reason = ?2, handle = NULL, changed_at = ?3
    WHERE id = ?1 AND state IN ('sending', 'unknown', 'sent') RETURNING conversation";

/// It and the later parts of its reply that have failed and still have their text, in order.
pub(super) const FAILED_PARTS: &str = "SELECT d.id, d.conversation FROM delivery AS first
    JOIN delivery AS d ON d.reply = first.reply AND d.address = first.address
        AND d.part >= first.part
    WHERE first.id = ?1 AND first.state IN ('unknown', 'dead') AND d.state IN ('unknown', 'dead')
      AND d.outbound <> ?2
    ORDER BY d.part";

pub(super) const RETRY: &str = "UPDATE delivery
    SET state = 'pending', reason = NULL, told = NULL, not_before = 0, attempts = 0,
        changed_at = ?2, seq = ?3, holder = ?4
    WHERE id = ?1";

pub(super) const DROP: &str = "UPDATE delivery
    SET state = 'dead', reason = ?3, changed_at = ?2
    WHERE id = ?1 AND state IN ('pending', 'unknown') RETURNING conversation";

pub(super) const DROP_DEAD: &str =
    "UPDATE delivery SET told = '' WHERE id = ?1 AND state = 'dead' AND told IS NULL";

// Taking over.

pub(super) const TAKE_ACCEPTED: &str = "UPDATE inbound SET holder = ?1 WHERE rowid IN (
        SELECT rowid FROM inbound WHERE state = 'accepted' AND lane IS NULL AND holder IS NULL
        ORDER BY rowid LIMIT ?2)
    RETURNING rowid, id, envelope";

/// `+` sorts what a partial index finds, where `rowid` alone would read the whole table in order.
pub(super) const TAKE_TURNS: &str = "UPDATE turn SET holder = ?1 WHERE rowid IN (
        SELECT rowid FROM turn WHERE ended_at IS NULL AND holder IS NULL ORDER BY +rowid LIMIT ?2)
    RETURNING rowid, id, user, session, sandbox, address, reply_to, started_at";

pub(super) const INBOUNDS_OF_TURN: &str =
    "SELECT id, envelope FROM inbound WHERE turn = ?1 AND steered = ?2 ORDER BY place";

pub(super) const TAKE_HEADS: &str = concat!(
    "UPDATE delivery SET holder = ?1 WHERE rowid IN (SELECT rowid FROM delivery WHERE ",
    open!(),
    " AND holder IS NULL ORDER BY +rowid LIMIT ?2) RETURNING ",
    delivery!(),
    ", rowid"
);

// Looking.

pub(super) const DELIVERIES: &str = concat!(
    "SELECT ",
    delivery!(),
    " FROM delivery
    WHERE (?2 IS NULL OR id < ?2) AND (?3 IS NULL OR state = ?3) ORDER BY id DESC LIMIT ?1"
);

pub(super) const INBOUNDS: &str = "SELECT id, envelope, state, turn, reason FROM inbound
    WHERE (?2 IS NULL OR id < ?2) AND (?3 IS NULL OR state = ?3) ORDER BY id DESC LIMIT ?1";

pub(super) const RAW: &str = "SELECT request.id, request.raw FROM inbound
    JOIN request ON request.id = inbound.request WHERE inbound.id = ?1";

pub(super) const DEAD_LETTERS: &str = "SELECT id, channel, account, received_at, reason, raw,
        CAST(id AS TEXT) AS name FROM dead_letter ORDER BY id DESC LIMIT ?1";

pub(super) const COUNTS: &str = concat!(
    "SELECT
    (SELECT count(*) FROM inbound WHERE state = 'accepted' AND lane IS NULL)
        + (SELECT count(*) FROM inbound WHERE lane IS NOT NULL),
    (SELECT count(*) FROM turn WHERE ended_at IS NULL),
    (SELECT count(*) FROM delivery WHERE state = 'pending' AND ",
    open!(),
    "),
    (SELECT count(*) FROM delivery WHERE state = 'sending' AND ",
    open!(),
    "),
    (SELECT count(*) FROM delivery WHERE state = 'unknown' AND state IN ('unknown', 'dead')),
    (SELECT count(*) FROM delivery WHERE state = 'dead' AND state IN ('unknown', 'dead')),
    (SELECT count(*) FROM dead_letter)"
);

// Removing.

/// A reply nobody could send for so long is not sent out of the blue.
pub(super) const EXPIRE_DELIVERIES: &str = concat!(
    "UPDATE delivery SET state = 'dead', reason = 'not sent in time', changed_at = ?2
    WHERE state = 'pending' AND ",
    open!(),
    " AND id < ?1 AND not_before <= ?2"
);

/// Handles, requests and dead letters lie in order of time, so the oldest rows are the first. Where
/// a clock was ahead, see `crate::overdue`.
pub(super) const PRUNE_HANDLES: &str = "DELETE FROM reply_handle WHERE rowid IN (
    SELECT place FROM (
        SELECT rowid AS place, expires_at FROM reply_handle ORDER BY reply_handle.rowid LIMIT ?2)
    WHERE expires_at <= ?1)";

pub(super) const PRUNE_REQUESTS: &str = "DELETE FROM request WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM request ORDER BY id LIMIT ?2)
    WHERE received_at < ?1)";

pub(super) const PRUNE_DEAD: &str = "DELETE FROM dead_letter WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM dead_letter ORDER BY id LIMIT ?2)
    WHERE received_at < ?1)";

/// Keys in their own order, with their ages, which have no index: it would be written for each
/// message, to be read once an hour.
pub(super) const SEEN: &str = "SELECT channel, account, dedupe, at FROM seen
    WHERE (channel, account, dedupe) > (?1, ?2, ?3)
    ORDER BY channel, account, dedupe LIMIT ?4";

/// The old ones behind one key and up to another.
pub(super) const PRUNE_SEEN: &str = "DELETE FROM seen
    WHERE (channel, account, dedupe) > (?1, ?2, ?3)
      AND (channel, account, dedupe) <= (?4, ?5, ?6) AND at < ?7";

pub(super) const PRUNE_FORGOTTEN: &str = "DELETE FROM forgotten WHERE digest IN (
    SELECT digest FROM forgotten WHERE at < ?1 ORDER BY at LIMIT ?2)";

pub(super) const PRUNE_DELIVERIES: &str = "DELETE FROM delivery WHERE id IN (
    SELECT id FROM delivery AS old
    WHERE id < ?1 AND state IN ('sent', 'unknown', 'dead') AND NOT EXISTS (
        SELECT 1 FROM delivery AS open
        WHERE open.reply = old.reply AND open.state IN ('pending', 'sending'))
    ORDER BY id LIMIT ?2)";

pub(super) const PRUNE_INBOUNDS: &str = "DELETE FROM inbound WHERE id IN (
    SELECT id FROM inbound AS old
    WHERE id < ?1 AND (state IN ('settled', 'dead') OR EXISTS (
        SELECT 1 FROM turn WHERE turn.id = old.turn AND turn.ended_at IS NOT NULL))
    ORDER BY id LIMIT ?2)";

pub(super) const PRUNE_TURNS: &str = "DELETE FROM turn WHERE id IN (
    SELECT id FROM turn AS old
    WHERE id < ?1 AND ended_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM inbound WHERE inbound.turn = old.id)
      AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.turn = old.id)
    ORDER BY id LIMIT ?2)";
