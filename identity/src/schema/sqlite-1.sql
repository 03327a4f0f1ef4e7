-- A person. The id is a ULID in canonical text; times are milliseconds since the epoch.
CREATE TABLE person (
    id         TEXT    NOT NULL PRIMARY KEY,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE binding (
    channel  TEXT    NOT NULL,
    scope    TEXT    NOT NULL,
    sender   TEXT    NOT NULL,
    user     TEXT    NOT NULL REFERENCES person (id),
    kind     TEXT    NOT NULL CHECK (kind IN ('primary', 'alias')),
    bound_at INTEGER NOT NULL,
    PRIMARY KEY (channel, scope, sender)
) STRICT, WITHOUT ROWID;
CREATE INDEX binding_user ON binding (user);

-- Every change of who somebody is.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    change  TEXT    NOT NULL CHECK (change IN ('bound', 'moved', 'upgraded')),
    channel TEXT    NOT NULL,
    scope   TEXT    NOT NULL,
    sender  TEXT    NOT NULL,
    user    TEXT    NOT NULL,
    -- moved: whose it was. upgraded: the older id that vouched for it.
    was     TEXT
) STRICT;
