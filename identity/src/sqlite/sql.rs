//! The statements, in one place.

pub(super) const FIND: &str = "SELECT user, kind FROM binding
    WHERE channel = ?1 AND scope = ?2 AND sender = ?3";

pub(super) const ADD_PERSON: &str = "INSERT INTO person (id, created_at) VALUES (?1, ?2)";

pub(super) const HAS_PERSON: &str = "SELECT 1 FROM person WHERE id = ?1";

pub(super) const BIND: &str = "INSERT INTO binding (channel, scope, sender, user, kind, bound_at)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (channel, scope, sender) DO UPDATE
    SET user = excluded.user, kind = excluded.kind, bound_at = excluded.bound_at";

pub(super) const AUDIT: &str = "INSERT INTO audit (at, change, channel, scope, sender, user, was)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

pub(super) const COUNT: &str = "SELECT count(*) FROM binding WHERE user = ?1";

pub(super) const AUDIT_ALL: &str =
    "INSERT INTO audit (at, change, channel, scope, sender, user, was)
    SELECT ?3, 'moved', channel, scope, sender, ?1, ?2 FROM binding WHERE user = ?2";

pub(super) const MOVE_ALL: &str = "UPDATE binding SET user = ?1, bound_at = ?3 WHERE user = ?2";

pub(super) const BINDINGS: &str = "SELECT channel, scope, sender, kind, bound_at FROM binding
    WHERE user = ?1 ORDER BY bound_at, channel, scope, sender";

pub(super) const PEOPLE: &str = "SELECT id, created_at FROM person ORDER BY id";

pub(super) const MODE: &str = "SELECT mode FROM person WHERE id = ?1";

pub(super) const SET_MODE: &str = "UPDATE person SET mode = ?2 WHERE id = ?1";
