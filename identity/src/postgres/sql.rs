//! The statements, in one place.

/// Whoever links whole people waits for everybody who decides about a sender, and keeps them off.
pub(super) const LOCK_PEOPLE: &str = "SELECT pg_advisory_xact_lock(2053205866, 0)";

/// Everybody who decides about one of these ids waits for the others; always in the same order, so
/// that two senders who share ids do not wait for each other.
pub(super) const LOCK_IDS: &str = "SELECT pg_advisory_xact_lock_shared(2053205866, 0)
    UNION ALL SELECT pg_advisory_xact_lock(2053205867, key) FROM (
        SELECT DISTINCT hashtext($1 || ' ' || $2 || ' ' || id) AS key
        FROM unnest($3::text[]) AS id ORDER BY key
    ) AS keys";

pub(super) const FIND: &str = "SELECT sender, user_id, kind FROM binding
    WHERE channel = $1 AND scope = $2 AND sender = ANY($3)";

pub(super) const ADD_PERSON: &str = "INSERT INTO person (id, created_at) VALUES ($1, $2)";

pub(super) const HAS_PERSON: &str = "SELECT 1 FROM person WHERE id = $1";

pub(super) const BIND: &str =
    "INSERT INTO binding (channel, scope, sender, user_id, kind, bound_at)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (channel, scope, sender) DO UPDATE
    SET user_id = excluded.user_id, kind = excluded.kind, bound_at = excluded.bound_at";

pub(super) const AUDIT: &str =
    "INSERT INTO audit (at, change, channel, scope, sender, user_id, was)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

pub(super) const COUNT: &str = "SELECT count(*) FROM binding WHERE user_id = $1";

pub(super) const AUDIT_ALL: &str =
    "INSERT INTO audit (at, change, channel, scope, sender, user_id, was)
    SELECT $3, 'moved', channel, scope, sender, $1, $2 FROM binding WHERE user_id = $2";

pub(super) const MOVE_ALL: &str =
    "UPDATE binding SET user_id = $1, bound_at = $3 WHERE user_id = $2";

pub(super) const BINDINGS: &str = "SELECT channel, scope, sender, kind, bound_at FROM binding
    WHERE user_id = $1 ORDER BY bound_at, channel, scope, sender";

pub(super) const PEOPLE: &str = "SELECT id, created_at FROM person ORDER BY id";

pub(super) const MODE: &str = "SELECT mode FROM person WHERE id = $1";

pub(super) const SET_MODE: &str = "UPDATE person SET mode = $2 WHERE id = $1";
