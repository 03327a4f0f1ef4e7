//! The statements, in one place. Parameters are numbered as the callers give them.

pub(super) const SEE: &str =
    "INSERT INTO seen (channel, account, dedupe, at) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT DO NOTHING";

pub(super) const ADD_REQUEST: &str =
    "INSERT INTO request (channel, account, received_at, raw) VALUES (?1, ?2, ?3, ?4)";

pub(super) const ADD_INBOUND: &str =
    "INSERT INTO inbound (id, request, envelope, state) VALUES (?1, ?2, ?3, 'accepted')";

pub(super) const ADD_HANDLE: &str =
    "INSERT INTO reply_handle (inbound, address, secret, expires_at, uses_left)
    VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const ADD_DEAD: &str =
    "INSERT INTO dead_letter (channel, account, received_at, reason, raw)
    VALUES (?1, ?2, ?3, ?4, ?5)";

pub(super) const MOVE_CURSOR: &str = "INSERT INTO cursor (name, value, at) VALUES (?1, ?2, ?3)
    ON CONFLICT (name) DO UPDATE SET value = excluded.value, at = excluded.at";

pub(super) const CURSOR: &str = "SELECT value FROM cursor WHERE name = ?1";

pub(super) const SETTLE: &str =
    "UPDATE inbound SET state = ?2, reason = ?3 WHERE id = ?1 AND state = 'accepted'";

pub(super) const ADD_TURN: &str =
    "INSERT INTO turn (id, user, session, sandbox, address, reply_to, state, started_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'running', ?7)";

pub(super) const JOIN: &str = "UPDATE inbound SET state = 'joined', turn = ?2, place = ?3
    WHERE id = ?1 AND state = 'accepted'";

pub(super) const END_TURN: &str = "UPDATE turn SET state = ?2, code = ?3, ended_at = ?4
    WHERE id = ?1 AND ended_at IS NULL";

pub(super) const HAS_TURN: &str = "SELECT 1 FROM turn WHERE id = ?1";

pub(super) const ADD_DELIVERY: &str =
    "INSERT INTO delivery (id, turn, reply, part, address, outbound, state, not_before, changed_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 'pending', ?7, ?8)
    ON CONFLICT (id) DO NOTHING";

/// Only when all earlier parts of the reply have been sent.
pub(super) const CLAIM: &str = "UPDATE delivery
    SET state = 'sending', attempts = attempts + 1, reason = NULL, changed_at = ?2
    WHERE id = ?1 AND state = 'pending' AND NOT EXISTS (
        SELECT 1 FROM delivery AS earlier
        WHERE earlier.reply = delivery.reply AND earlier.address = delivery.address
          AND earlier.part < delivery.part AND earlier.state <> 'sent')";

/// The newest live handle that one of the turn's messages brought from the delivery's address.
pub(super) const LIVE_HANDLE: &str = "SELECT h.inbound, h.secret, h.expires_at, h.uses_left
    FROM delivery AS d
    JOIN inbound AS i ON i.turn = d.turn
    JOIN reply_handle AS h ON h.inbound = i.id AND h.address = d.address
    WHERE d.id = ?1 AND h.uses_left > 0 AND h.expires_at > ?2
    ORDER BY i.place DESC LIMIT 1";

pub(super) const USE_HANDLE: &str =
    "UPDATE reply_handle SET uses_left = uses_left - 1 WHERE inbound = ?1";

pub(super) const NOTE_HANDLE: &str = "UPDATE delivery SET handle = ?2 WHERE id = ?1";

/// Before the delivery forgets which handle its attempt used.
pub(super) const RETURN_HANDLE: &str = "UPDATE reply_handle SET uses_left = uses_left + 1
    WHERE inbound = (SELECT handle FROM delivery WHERE id = ?1 AND state = 'sending')";

pub(super) const SETTLE_DELIVERY: &str = "UPDATE delivery
    SET state = ?2, reason = ?3, receipt = ?4, not_before = coalesce(?5, not_before),
        handle = NULL, changed_at = ?6
    WHERE id = ?1 AND (state IN ('sending', 'unknown') OR (state = 'pending' AND ?2 = 'dead'))";

pub(super) const DROP_LATER_PARTS: &str = "UPDATE delivery
    SET state = 'dead', reason = 'an earlier part was not sent', changed_at = ?2
    WHERE state = 'pending' AND EXISTS (
        SELECT 1 FROM delivery AS earlier
        WHERE earlier.id = ?1 AND earlier.reply = delivery.reply
          AND earlier.address = delivery.address AND earlier.part < delivery.part)
      AND reply = (SELECT reply FROM delivery WHERE id = ?1)";

pub(super) const INTERRUPTED: &str = "UPDATE delivery
    SET state = 'unknown', reason = ?2, handle = NULL, changed_at = ?1
    WHERE state = 'sending' AND state <> 'sent'";

/// Everything `rows::delivery` reads.
macro_rules! delivery {
    ($rest:literal) => {
        concat!(
            "SELECT id, turn, address, outbound, part, state, attempts, not_before, reason, \
             receipt, changed_at FROM delivery ",
            $rest
        )
    };
}

pub(super) const DELIVERY: &str = delivery!("WHERE id = ?1");

/// In order of storing: ids made in one millisecond have none. `state <> 'sent'` lets the partial
/// index serve.
pub(super) const DELIVERIES_IN: &str =
    delivery!("WHERE state = ?1 AND state <> 'sent' ORDER BY rowid");

pub(super) const DELIVERIES: &str = delivery!(
    "WHERE (?2 IS NULL OR id < ?2) AND (?3 IS NULL OR state = ?3) ORDER BY id DESC LIMIT ?1"
);

pub(super) const ACCEPTED: &str =
    "SELECT envelope FROM inbound WHERE state = 'accepted' ORDER BY rowid";

pub(super) const OPEN_TURNS: &str =
    "SELECT id, user, session, sandbox, address, reply_to, started_at FROM turn
    WHERE ended_at IS NULL ORDER BY rowid";

pub(super) const INBOUNDS_OF_TURN: &str =
    "SELECT envelope FROM inbound WHERE turn = ?1 ORDER BY place";

pub(super) const INBOUNDS: &str = "SELECT envelope, state, turn, reason FROM inbound
    WHERE (?2 IS NULL OR id < ?2) AND (?3 IS NULL OR state = ?3) ORDER BY id DESC LIMIT ?1";

pub(super) const RAW: &str = "SELECT request.raw FROM inbound
    JOIN request ON request.id = inbound.request WHERE inbound.id = ?1";

pub(super) const DEAD_LETTERS: &str = "SELECT id, channel, account, received_at, reason, raw
    FROM dead_letter ORDER BY id DESC LIMIT ?1";

pub(super) const COUNTS: &str = "SELECT
    (SELECT count(*) FROM inbound WHERE state = 'accepted'),
    (SELECT count(*) FROM turn WHERE ended_at IS NULL),
    (SELECT count(*) FROM delivery WHERE state = 'pending' AND state <> 'sent'),
    (SELECT count(*) FROM delivery WHERE state = 'sending' AND state <> 'sent'),
    (SELECT count(*) FROM delivery WHERE state = 'unknown' AND state <> 'sent'),
    (SELECT count(*) FROM delivery WHERE state = 'dead' AND state <> 'sent'),
    (SELECT count(*) FROM dead_letter)";

/// A reply nobody could send for so long is not sent out of the blue.
pub(super) const EXPIRE_DELIVERIES: &str = "UPDATE delivery
    SET state = 'dead', reason = 'not sent in time', changed_at = ?2
    WHERE state = 'pending' AND state <> 'sent' AND id < ?1 AND not_before <= ?2";

pub(super) const PRUNE_HANDLES: &str = "DELETE FROM reply_handle WHERE expires_at <= ?1";

/// Requests and dead letters lie in order of time, so the oldest rows are the first.
pub(super) const PRUNE_REQUESTS: &str = "DELETE FROM request WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM request ORDER BY id LIMIT ?2)
    WHERE received_at < ?1)";

pub(super) const PRUNE_DEAD: &str = "DELETE FROM dead_letter WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM dead_letter ORDER BY id LIMIT ?2)
    WHERE received_at < ?1)";

pub(super) const PRUNE_SEEN: &str = "DELETE FROM seen WHERE (channel, account, dedupe) IN (
    SELECT channel, account, dedupe FROM seen WHERE at < ?1 ORDER BY at LIMIT ?2)";

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
