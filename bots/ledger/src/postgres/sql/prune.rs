//! What removes rows.

pub(in crate::postgres) const OVERDUE: &str = concat!(
    "SELECT DISTINCT conversation FROM delivery WHERE state = 'pending' AND ",
    open!(),
    " AND id < $1 AND not_before <= $2"
);

pub(in crate::postgres) const EXPIRE_DELIVERIES: &str = concat!(
    "UPDATE delivery SET state = 'dead', reason = 'not sent in time', changed_at = $2
    WHERE state = 'pending' AND ",
    open!(),
    " AND conversation = $3 AND id < $1 AND not_before <= $2"
);

pub(in crate::postgres) const PRUNE_HANDLES: &str = "DELETE FROM reply_handle WHERE inbound IN (
    SELECT inbound FROM reply_handle WHERE expires_at <= $1 LIMIT $2)";

pub(in crate::postgres) const PRUNE_REQUESTS: &str = "DELETE FROM request WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM request ORDER BY id LIMIT $2) AS oldest
    WHERE received_at < $1)";

pub(in crate::postgres) const PRUNE_DEAD: &str = "DELETE FROM dead_letter WHERE id IN (
    SELECT id FROM (SELECT id, received_at FROM dead_letter ORDER BY id LIMIT $2) AS oldest
    WHERE received_at < $1)";

pub(in crate::postgres) const PRUNE_SEEN: &str = "DELETE FROM seen WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM seen WHERE at < $1 LIMIT $2))";

pub(in crate::postgres) const PRUNE_FORGOTTEN: &str = "DELETE FROM forgotten WHERE digest IN (
    SELECT digest FROM forgotten WHERE at < $1 LIMIT $2)";

pub(in crate::postgres) const PRUNE_DELIVERIES: &str = "DELETE FROM delivery WHERE id IN (
    SELECT id FROM delivery AS old
    WHERE id < $1 AND state IN ('sent', 'unknown', 'dead') AND NOT EXISTS (
        SELECT 1 FROM delivery AS open
        WHERE open.reply = old.reply AND open.state IN ('pending', 'sending'))
    ORDER BY id LIMIT $2)";

pub(in crate::postgres) const PRUNE_INBOUNDS: &str = "DELETE FROM inbound WHERE id IN (
    SELECT id FROM inbound AS old
    WHERE id < $1 AND (state IN ('settled', 'dead') OR EXISTS (
        SELECT 1 FROM turn WHERE turn.id = old.turn AND turn.ended_at IS NOT NULL))
    ORDER BY id LIMIT $2)";

pub(in crate::postgres) const PRUNE_TURNS: &str = "DELETE FROM turn WHERE id IN (
    SELECT id FROM turn AS old
    WHERE id < $1 AND ended_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM inbound WHERE inbound.turn = old.id)
      AND NOT EXISTS (SELECT 1 FROM delivery WHERE delivery.turn = old.id)
    ORDER BY id LIMIT $2)";
